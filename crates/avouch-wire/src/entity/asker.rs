//! Who asks: the signature over a question, and where a site publishes the keys of those who ask in its name.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::parts::{MessageError, read, write};
use crate::b64u;
use crate::context::{RE_QUESTION, RE_REGISTRATION, RE_RENEGOTIATION, RE_ROTATION};
use crate::key::{BadSignature, PublicKey};

/// Where a site publishes the keys of its verifiers.
pub const VERIFIER_PATH: &str = "/.well-known/avouch/verifier.json";

/// Where verifiers ask for keys.
pub const KEY_PATH: &str = "/v1/verifiers/key";

/// Where they ask for what is revoked.
pub const EVENT_PATH: &str = "/v1/verifiers/events";

/// Where agents register.
pub const REGISTER_PATH: &str = "/v1/agents";

/// Where agents have their secret changed.
pub const SECRET_PATH: &str = "/v1/agents/secret";

/// Where agents agree on another beginning of their sequence.
pub const SEQUENCE_PATH: &str = "/v1/agents/sequence";

/// Most keys there: of gateways that do not share one, and during a rotation.
pub const MAX_VERIFIER_KEYS: usize = 4;

/// Longest document there, in octets.
const MAX_DOCUMENT: usize = 4096;

/// Who asks a registration entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// A verifier, by a key of its site.
    Verifier,
    /// An agent, by its long-term key.
    Agent,
}

impl Asker {
    /// The scheme of its `Authorization`.
    #[must_use]
    pub const fn scheme(self) -> &'static str {
        match self {
            Self::Verifier => "Avouch-Verifier",
            Self::Agent => "Avouch-Agent",
        }
    }

    /// A verifier's questions are of one purpose; each of an agent's has its own.
    fn context(self, path: &str) -> &'static [u8] {
        match (self, path) {
            (Self::Verifier, _) => RE_QUESTION,
            (Self::Agent, REGISTER_PATH) => RE_REGISTRATION,
            (Self::Agent, SECRET_PATH) => RE_ROTATION,
            (Self::Agent, _) => RE_RENEGOTIATION,
        }
    }

    /// What it signs: the context, then the path of the request with two octets of length before it and the body as it
    /// is sent with four.
    #[must_use]
    pub fn string(self, path: &str, body: &[u8]) -> Vec<u8> {
        let mut out = self.context(path).to_vec();
        out.extend_from_slice(&u16::try_from(path.len()).unwrap_or(u16::MAX).to_be_bytes());
        out.extend_from_slice(path.as_bytes());
        out.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend_from_slice(body);
        out
    }
}

/// What can be asked: who may, where, and as what octets.
pub trait Question {
    /// Who asks.
    const ASKER: Asker;
    /// Where.
    const PATH: &'static str;

    /// The body, as it is sent and signed.
    fn text(&self) -> String;
}

/// The value of `Authorization`: `Avouch-Verifier <fingerprint>.<signature>`, each in base64url.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Who asks.
    pub asker: Asker,
    /// The fingerprint of the key.
    pub key: [u8; 32],
    /// Its signature over [`Asker::string`].
    pub signature: [u8; 64],
}

impl Credentials {
    /// Reads the value of a field; `None` when it is of another scheme or form.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let (scheme, rest) = value.split_once(' ')?;
        let asker = [Asker::Verifier, Asker::Agent].into_iter().find(|asker| asker.scheme() == scheme)?;
        let (key, signature) = rest.split_once('.')?;
        Some(Self { asker, key: b64u::decode(key).ok()?, signature: b64u::decode(signature).ok()? })
    }

    /// Whether this key signed the question.
    ///
    /// # Errors
    /// [`BadSignature`] when it did not, or the credentials name another.
    pub fn verify(&self, key: &PublicKey, path: &str, body: &[u8]) -> Result<(), BadSignature> {
        if key.fingerprint().as_bytes() != &self.key {
            return Err(BadSignature);
        }
        key.verify(&self.asker.string(path, body), &self.signature)
    }
}

impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, signature) = (b64u::encode(&self.key), b64u::encode(&self.signature));
        write!(f, "{} {key}.{signature}", self.asker.scheme())
    }
}

/// What stands at [`VERIFIER_PATH`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierDocument {
    /// 1 to [`MAX_VERIFIER_KEYS`].
    pub keys: Vec<PublicKey>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    keys: Vec<String>,
}

impl VerifierDocument {
    /// Reads a document.
    ///
    /// # Errors
    /// [`MessageError`] says what is wrong.
    pub fn read(octets: &[u8]) -> Result<Self, MessageError> {
        let document: Document = read(octets, MAX_DOCUMENT)?;
        if !(1..=MAX_VERIFIER_KEYS).contains(&document.keys.len()) {
            return Err(MessageError::Count("keys", MAX_VERIFIER_KEYS));
        }
        let keys = document.keys.iter().map(|key| PublicKey::from_b64u(key)).collect::<Result<_, _>>();
        Ok(Self { keys: keys.map_err(|_| MessageError::Form("keys"))? })
    }

    /// The document as it is served.
    #[must_use]
    pub fn write(&self) -> String {
        write(&Document { keys: self.keys.iter().map(|key| b64u::encode(key.octets())).collect() })
    }

    /// The key that signed this question of a verifier, if one of these did.
    #[must_use]
    pub fn signer(&self, credentials: &Credentials, path: &str, body: &[u8]) -> Option<&PublicKey> {
        let mut keys = self.keys.iter().filter(|_| credentials.asker == Asker::Verifier);
        keys.find(|key| credentials.verify(key, path, body).is_ok())
    }
}

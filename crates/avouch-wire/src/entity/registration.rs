//! How an agent registers, and what it is told: its secret, once and after each rotation, and where its sequence begins.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use super::asker::{Asker, Question, REGISTER_PATH, SECRET_PATH};
use super::keys::EnrolmentSecret;
use super::parts::{self, MessageError, read, write};
use super::question::{MAX_QUESTION, Renegotiation};
use crate::b64u;
use crate::context::RE_TOKEN;
use crate::enrolment::{TokenDigest, digest_under};
use crate::key::PublicKey;
use crate::name::{AgentId, Domain};

/// Longest answer to an agent, in octets.
pub const MAX_TOLD: usize = 4096;

/// An agent's question to be registered. The key that signs it is the one that it names. Its token is not shown by
/// `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct RegistrationQuestion {
    /// The entity that is asked.
    pub entity: Domain<'static>,
    /// The agent's domain.
    pub domain: Domain<'static>,
    /// The agent.
    pub agent: AgentId<'static>,
    /// Its long-term key.
    pub key: PublicKey,
    /// The token by which it registers, as its operator was given it.
    pub token: String,
    /// When, in Unix seconds.
    pub time: u64,
    /// As in a [`super::KeyQuestion`].
    pub nonce: String,
}

/// An agent's question for another secret: it has the members of one for another beginning, and another purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation(pub Renegotiation);

/// What an agent is told when it registers, or has its secret changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretAnswer {
    /// Who answers.
    pub entity: Domain<'static>,
    /// The agent's domain.
    pub domain: Domain<'static>,
    /// The agent.
    pub agent: AgentId<'static>,
    /// The secret.
    pub secret: EnrolmentSecret,
    /// Its number, from 1.
    pub version: u64,
    /// The epoch from which on it counts; before, the one before it does.
    pub epoch: u64,
    /// The least sequence number that counts.
    pub floor: u64,
}

/// What an agent is told that asked for another beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FloorAnswer {
    /// The least sequence number that counts from now on.
    pub floor: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    re: String,
    dom: String,
    id: String,
    key: String,
    token: String,
    time: u64,
    nonce: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretDocument {
    re: String,
    dom: String,
    id: String,
    secret: WrittenSecret,
    version: u64,
    epoch: u64,
    floor: u64,
}

/// A secret as it is written; its text is wiped.
struct WrittenSecret(EnrolmentSecret);

impl Serialize for WrittenSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.b64u())
    }
}

impl<'de> Deserialize<'de> for WrittenSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        EnrolmentSecret::parse(&text).map(Self).ok_or_else(|| D::Error::custom("not a secret of 32 octets"))
    }
}

impl RegistrationQuestion {
    /// Reads a question.
    ///
    /// # Errors
    /// [`MessageError`] says which member is wrong.
    pub fn read(octets: &[u8]) -> Result<Self, MessageError> {
        let document: Document = read(octets, MAX_QUESTION)?;
        let (domain, agent) = an_agent(&document.dom, &document.id)?;
        if token_digest(&document.token).is_none() {
            return Err(MessageError::Form("token"));
        }
        Ok(Self {
            entity: parts::domain("re", &document.re)?,
            domain,
            agent,
            key: PublicKey::from_b64u(&document.key).map_err(|_| MessageError::Form("key"))?,
            token: document.token,
            time: document.time,
            nonce: parts::nonce(document.nonce)?,
        })
    }

    /// The question as it is sent.
    #[must_use]
    pub fn write(&self) -> String {
        write(&Document {
            re: self.entity.as_str().to_owned(),
            dom: self.domain.as_str().to_owned(),
            id: self.agent.as_str().to_owned(),
            key: b64u::encode(self.key.octets()),
            token: self.token.clone(),
            time: self.time,
            nonce: self.nonce.clone(),
        })
    }
}

impl fmt::Debug for RegistrationQuestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { entity, domain, agent, key, time, .. } = self;
        write!(f, "RegistrationQuestion({agent}@{domain} at {entity}, {}, {time})", key.fingerprint())
    }
}

impl Question for RegistrationQuestion {
    const ASKER: Asker = Asker::Agent;
    const PATH: &'static str = REGISTER_PATH;

    fn text(&self) -> String {
        self.write()
    }
}

impl Rotation {
    /// Reads a question.
    ///
    /// # Errors
    /// [`MessageError`] says which member is wrong.
    pub fn read(octets: &[u8]) -> Result<Self, MessageError> {
        Renegotiation::read(octets).map(Self)
    }

    /// The question as it is sent.
    #[must_use]
    pub fn write(&self) -> String {
        self.0.write()
    }
}

impl Question for Rotation {
    const ASKER: Asker = Asker::Agent;
    const PATH: &'static str = SECRET_PATH;

    fn text(&self) -> String {
        self.write()
    }
}

impl SecretAnswer {
    /// Reads an answer to an agent that asked this entity.
    ///
    /// # Errors
    /// [`MessageError`] says which member is wrong, or is not what was asked for.
    pub fn read(
        octets: &[u8],
        (entity, domain, agent): (&Domain<'_>, &Domain<'_>, &AgentId<'_>),
    ) -> Result<Self, MessageError> {
        let answer = Self::read_any(octets)?;
        for (member, is_asked) in [
            ("re", answer.entity.as_str() == entity.as_str()),
            ("dom", answer.domain.as_str() == domain.as_str()),
            ("id", answer.agent.as_str() == agent.as_str()),
        ] {
            if !is_asked {
                return Err(MessageError::NotAsked(member));
            }
        }
        Ok(answer)
    }

    /// Reads what was written down.
    ///
    /// # Errors
    /// [`MessageError`] says which member is wrong.
    pub fn read_any(octets: &[u8]) -> Result<Self, MessageError> {
        let document: SecretDocument = read(octets, MAX_TOLD)?;
        if document.version == 0 {
            return Err(MessageError::Form("version"));
        }
        let (domain, agent) = an_agent(&document.dom, &document.id)?;
        Ok(Self {
            entity: parts::domain("re", &document.re)?,
            domain,
            agent,
            secret: document.secret.0,
            version: document.version,
            epoch: document.epoch,
            floor: document.floor,
        })
    }

    /// The answer as it is sent. It holds a secret, and is wiped when dropped.
    #[must_use]
    pub fn write(&self) -> Zeroizing<String> {
        Zeroizing::new(write(&SecretDocument {
            re: self.entity.as_str().to_owned(),
            dom: self.domain.as_str().to_owned(),
            id: self.agent.as_str().to_owned(),
            secret: WrittenSecret(self.secret.clone()),
            version: self.version,
            epoch: self.epoch,
            floor: self.floor,
        }))
    }
}

impl FloorAnswer {
    /// Reads an answer.
    ///
    /// # Errors
    /// [`MessageError`] says what is wrong.
    pub fn read(octets: &[u8]) -> Result<Self, MessageError> {
        read(octets, MAX_TOLD)
    }

    /// The answer as it is sent.
    #[must_use]
    pub fn write(&self) -> String {
        write(self)
    }
}

/// The digest of a token by which agents register; `None` when the text is none. A token has the text of a registrar's,
/// and is worth nothing there: the digest is under a context of its own.
#[must_use]
pub fn token_digest(text: &str) -> Option<TokenDigest> {
    digest_under(RE_TOKEN, text)
}

/// An agent with its domain. The domain itself is none.
fn an_agent(dom: &str, id: &str) -> Result<(Domain<'static>, AgentId<'static>), MessageError> {
    let (domain, agent) = parts::agent(dom, id)?;
    if agent.is_domain_itself() { Err(MessageError::Form("id")) } else { Ok((domain, agent)) }
}

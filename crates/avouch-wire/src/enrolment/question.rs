//! What an agent sends, and what it signs.

use serde::{Deserialize, Serialize};

use super::attested::{Attestation, AttestationDocument, Presented, TpmDocument};
use super::{TokenDigest, token_digest};
use crate::b64u;
use crate::context::ENROLMENT;
use crate::key::{KeyError, PublicKey};
use crate::name::{AgentId, Domain, NameError};
use crate::octets::lp16;

/// Longest question, in octets.
pub const MAX_QUESTION: usize = 16 * 1024;

/// Seconds for which a signed question counts, before and after now.
const WINDOW: u64 = 300;

/// The question as it is sent, in JSON.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    agent: String,
    key: String,
    token: String,
    time: u64,
    proof: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tpm: Option<TpmDocument>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attestation: Option<AttestationDocument>,
}

/// An agent's question: that this key be published as its own.
#[derive(Clone, PartialEq, Eq)]
pub struct Enrolment {
    /// Who asks.
    pub agent: AgentId<'static>,
    /// The key.
    pub key: PublicKey,
    /// The token that it holds, by its digest.
    pub token: TokenDigest,
    /// When it was signed, in Unix seconds.
    pub time: u64,
    /// The key's signature over [`Enrolment::signed_string`].
    pub proof: [u8; 64],
    /// That a TPM holds the key, where that is said.
    pub attestation: Option<Box<Attestation>>,
}

/// Why a question is none, or does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnrolmentError {
    /// Not the JSON that is expected; where, and what of it.
    #[error("not an enrolment: {0}")]
    Document(String),
    /// Its `agent`.
    #[error("agent: {0}")]
    Agent(NameError),
    /// Its `agent` is `_`, or too long below the domain.
    #[error("agent: the domain itself, or too long a name below it")]
    NoAgent,
    /// Its `key`.
    #[error("key: {0}")]
    Key(KeyError),
    /// Its `token`.
    #[error("token: not of the form `avouch-enrol-` and 43 characters of base64url")]
    Token,
    /// Its `proof`.
    #[error("proof: not 86 characters of base64url")]
    Proof,
    /// A member of its `tpm`.
    #[error("tpm.{0}: not base64url, or longer than it may be")]
    Tpm(&'static str),
    /// A member of its `attestation`.
    #[error("attestation.{0}: not base64url of what it has to be")]
    Attestation(&'static str),
    /// `tpm` without `attestation`, or the other way round.
    #[error("tpm and attestation go together here")]
    HalfAttested,
    /// A challenge is asked for, and no TPM is presented; or is answered already.
    #[error("tpm: a challenge is given to a TPM that is presented, and that has not answered yet")]
    NotPresented,
}

/// Why a question does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Signed more than five minutes ago, or ahead of now.
    #[error("signed more than five minutes from now: set the clock of the machine")]
    Time,
    /// The proof is not the key's signature over this question.
    #[error("the proof is not the key's signature over this question, for this domain")]
    Signature,
}

impl Document {
    fn read(octets: &[u8]) -> Result<Self, EnrolmentError> {
        serde_json::from_slice(octets).map_err(|error| EnrolmentError::Document(error.to_string()))
    }
}

impl Enrolment {
    /// Reads a question to the registrar of a domain.
    ///
    /// # Errors
    /// [`EnrolmentError`] says which member is wrong.
    pub fn read(octets: &[u8], domain: &Domain<'_>) -> Result<Self, EnrolmentError> {
        let document = Document::read(octets)?;
        let attestation = match (&document.tpm, &document.attestation) {
            (None, None) => None,
            (Some(tpm), Some(attestation)) => Some(Box::new(attestation.read(tpm.read()?)?)),
            _ => return Err(EnrolmentError::HalfAttested),
        };
        Ok(Self { attestation, ..Self::asked(document, domain)? })
    }

    /// Reads a question for a challenge, and the TPM that is to answer it.
    ///
    /// # Errors
    /// As [`Enrolment::read`].
    pub fn read_presented(octets: &[u8], domain: &Domain<'_>) -> Result<(Self, Presented), EnrolmentError> {
        let document = Document::read(octets)?;
        let tpm = match (&document.tpm, &document.attestation) {
            (Some(tpm), None) => tpm.read()?,
            _ => return Err(EnrolmentError::NotPresented),
        };
        Ok((Self::asked(document, domain)?, tpm))
    }

    fn asked(document: Document, domain: &Domain<'_>) -> Result<Self, EnrolmentError> {
        let agent = AgentId::parse(&document.agent).map_err(EnrolmentError::Agent)?;
        if agent.is_domain_itself() || agent.record_name(domain).is_err() {
            return Err(EnrolmentError::NoAgent);
        }
        Ok(Self {
            key: PublicKey::from_b64u(&document.key).map_err(EnrolmentError::Key)?,
            token: token_digest(&document.token).ok_or(EnrolmentError::Token)?,
            proof: b64u::decode(&document.proof).map_err(|_| EnrolmentError::Proof)?,
            time: document.time,
            agent: agent.into_owned(),
            attestation: None,
        })
    }

    /// The question as it is sent; `token` is the token itself, whose digest is here.
    #[must_use]
    pub fn write(&self, token: &str) -> String {
        let attestation = self.attestation.as_deref();
        self.document(token, attestation.map(|said| &said.tpm), attestation)
    }

    /// As it is sent for a challenge to this TPM.
    #[must_use]
    pub fn write_presented(&self, token: &str, tpm: &Presented) -> String {
        self.document(token, Some(tpm), None)
    }

    fn document(&self, token: &str, tpm: Option<&Presented>, attestation: Option<&Attestation>) -> String {
        let document = Document {
            agent: self.agent.to_string(),
            key: b64u::encode(self.key.octets()),
            token: token.to_owned(),
            time: self.time,
            proof: b64u::encode(&self.proof),
            tpm: tpm.map(TpmDocument::from),
            attestation: attestation.map(AttestationDocument::from),
        };
        serde_json::to_string(&document).unwrap_or_default()
    }

    /// What the key signs: the context, then domain, agent, the key's fingerprint as it is written and the token's digest, each with two
    /// octets of length before it, then the time in eight.
    #[must_use]
    pub fn signed_string(
        domain: &Domain<'_>,
        agent: &AgentId<'_>,
        key: &PublicKey,
        token: &TokenDigest,
        time: u64,
    ) -> Vec<u8> {
        let mut out = ENROLMENT.to_vec();
        let fingerprint = key.fingerprint().to_string();
        let parts =
            [domain.as_str().as_bytes(), agent.as_str().as_bytes(), fingerprint.as_bytes(), &token[..]];
        parts.into_iter().for_each(|part| lp16(&mut out, part));
        out.extend_from_slice(&time.to_be_bytes());
        out
    }

    /// Whether whoever asks holds the key, and asked just now.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn holds(&self, domain: &Domain<'_>, now: u64) -> Result<(), Fault> {
        if self.time.abs_diff(now) > WINDOW {
            return Err(Fault::Time);
        }
        let signed = Self::signed_string(domain, &self.agent, &self.key, &self.token, self.time);
        self.key.verify(&signed, &self.proof).map_err(|_| Fault::Signature)
    }
}

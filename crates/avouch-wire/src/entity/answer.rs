//! The keys that a registration entity hands to a verifier.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use super::keys::VerifierKey;
use super::parts::{self, MessageError, read, write};
use super::question::{AgentQuestion, KeyQuestion, MAX_AGENTS};
use crate::authority::Authority;
use crate::name::Domain;

/// Longest answer, in octets: 64 agents of the longest names, with two keys each.
pub const MAX_ANSWER: usize = 64 * 1024;

/// Most keys of an agent: of its secret, and during a rotation of the one before.
pub const MAX_SECRETS: usize = 2;

/// An answer to a [`KeyQuestion`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyAnswer {
    /// Who answers.
    pub entity: Domain<'static>,
    /// Who asked.
    pub audience: Authority<'static>,
    /// From when on nothing of it may be used, in Unix seconds.
    pub until: u64,
    /// The latest event that it takes into account.
    pub event: u64,
    /// One for each that was asked for, in that order.
    pub agents: Vec<AgentAnswer>,
}

/// What a registration entity says of an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentAnswer {
    /// Of whom, and for which epoch.
    pub question: AgentQuestion,
    /// What.
    pub registration: Registration,
}

/// Whether and how an agent is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registration {
    /// It is.
    Registered {
        /// The key of its secret, and during a rotation that of the one before: 1 to [`MAX_SECRETS`].
        keys: Vec<VerifierKey>,
        /// The least sequence number that counts.
        floor: u64,
    },
    /// It never was.
    Unknown,
    /// It was, and is revoked.
    Revoked,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    re: String,
    aud: String,
    until: u64,
    event: u64,
    agents: Vec<AgentDocument>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AgentDocument {
    dom: String,
    id: String,
    epoch: u64,
    standing: Standing,
    #[serde(skip_serializing_if = "Option::is_none")]
    keys: Option<Vec<WrittenKey>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    floor: Option<u64>,
}

/// A key as it is written; its text is wiped.
struct WrittenKey(VerifierKey);

impl Serialize for WrittenKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.b64u())
    }
}

impl<'de> Deserialize<'de> for WrittenKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        VerifierKey::parse(&text).map(Self).ok_or_else(|| D::Error::custom("not a key of 32 octets"))
    }
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Standing {
    Registered,
    Unknown,
    Revoked,
}

impl KeyAnswer {
    /// Reads an answer to this question.
    ///
    /// # Errors
    /// [`MessageError`] says which member is wrong, or is not what was asked for.
    pub fn read(octets: &[u8], question: &KeyQuestion) -> Result<Self, MessageError> {
        let document: Document = read(octets, MAX_ANSWER)?;
        if !(1..=MAX_AGENTS).contains(&document.agents.len()) {
            return Err(MessageError::Count("agents", MAX_AGENTS));
        }
        let agents = document.agents.into_iter().map(AgentAnswer::of).collect::<Result<Vec<_>, _>>()?;
        let answer = Self {
            entity: parts::domain("re", &document.re)?,
            audience: parts::authority(&document.aud)?,
            until: document.until,
            event: document.event,
            agents,
        };
        answer.is_to(question).map_err(MessageError::NotAsked).map(|()| answer)
    }

    /// Whether it answers this question; otherwise what does not.
    fn is_to(&self, question: &KeyQuestion) -> Result<(), &'static str> {
        if self.entity != question.entity {
            return Err("re");
        }
        if self.audience != question.audience {
            return Err("aud");
        }
        let is_asked = self.agents.iter().map(|agent| &agent.question).eq(&question.agents);
        if is_asked { Ok(()) } else { Err("agents") }
    }

    /// The answer as it is sent. It holds keys, and is wiped when dropped.
    #[must_use]
    pub fn write(&self) -> Zeroizing<String> {
        Zeroizing::new(write(&Document {
            re: self.entity.as_str().to_owned(),
            aud: self.audience.as_str().to_owned(),
            until: self.until,
            event: self.event,
            agents: self.agents.iter().map(AgentAnswer::document).collect(),
        }))
    }
}

impl AgentAnswer {
    fn of(document: AgentDocument) -> Result<Self, MessageError> {
        let (domain, agent) = parts::agent(&document.dom, &document.id)?;
        let registration = match (document.standing, document.keys, document.floor) {
            (Standing::Registered, Some(keys), Some(floor)) => {
                if !(1..=MAX_SECRETS).contains(&keys.len()) {
                    return Err(MessageError::Count("keys", MAX_SECRETS));
                }
                let keys = keys.into_iter().map(|WrittenKey(key)| key).collect();
                Registration::Registered { keys, floor }
            }
            (Standing::Unknown, None, None) => Registration::Unknown,
            (Standing::Revoked, None, None) => Registration::Revoked,
            _ => return Err(MessageError::Form("standing")),
        };
        Ok(Self { question: AgentQuestion { domain, agent, epoch: document.epoch }, registration })
    }

    fn document(&self) -> AgentDocument {
        let (standing, keys, floor) = match &self.registration {
            Registration::Registered { keys, floor } => {
                let keys = keys.iter().cloned().map(WrittenKey).collect();
                (Standing::Registered, Some(keys), Some(*floor))
            }
            Registration::Unknown => (Standing::Unknown, None, None),
            Registration::Revoked => (Standing::Revoked, None, None),
        };
        let AgentQuestion { domain, agent, epoch } = &self.question;
        let (dom, id) = (domain.as_str().to_owned(), agent.as_str().to_owned());
        AgentDocument { dom, id, epoch: *epoch, standing, keys, floor }
    }
}

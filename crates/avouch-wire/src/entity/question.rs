//! What verifiers and agents ask of a registration entity.

use serde::{Deserialize, Serialize};

use super::asker::{Asker, EVENT_PATH, KEY_PATH, Question, SEQUENCE_PATH};
use super::parts::{self, MessageError, read, write};
use crate::authority::Authority;
use crate::name::{AgentId, Domain};

/// Longest question, in octets: 64 agents of the longest names.
pub const MAX_QUESTION: usize = 32 * 1024;

/// Most agents in a question.
pub const MAX_AGENTS: usize = 64;

/// A verifier's question for the keys of agents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyQuestion {
    /// The entity that is asked.
    pub entity: Domain<'static>,
    /// Who asks.
    pub audience: Authority<'static>,
    /// When, in Unix seconds.
    pub time: u64,
    /// 16–64 octets of the alphabet of base64url.
    pub nonce: String,
    /// 1 to [`MAX_AGENTS`].
    pub agents: Vec<AgentQuestion>,
}

/// An agent whose key is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AgentQuestion {
    /// Its domain.
    pub domain: Domain<'static>,
    /// Its id.
    pub agent: AgentId<'static>,
    /// The epoch that the key is for.
    pub epoch: u64,
}

/// A verifier's question for what is revoked from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventQuestion {
    /// The entity that is asked.
    pub entity: Domain<'static>,
    /// Who asks.
    pub audience: Authority<'static>,
    /// When, in Unix seconds.
    pub time: u64,
    /// As in a [`KeyQuestion`].
    pub nonce: String,
    /// The last event that is known already.
    pub after: u64,
}

/// An agent's question for another beginning of its sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renegotiation {
    /// The entity that is asked.
    pub entity: Domain<'static>,
    /// The agent's domain.
    pub domain: Domain<'static>,
    /// The agent.
    pub agent: AgentId<'static>,
    /// When, in Unix seconds.
    pub time: u64,
    /// As in a [`KeyQuestion`].
    pub nonce: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyDocument {
    re: String,
    aud: String,
    time: u64,
    nonce: String,
    agents: Vec<AgentDocument>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AgentDocument {
    dom: String,
    id: String,
    epoch: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EventDocument {
    re: String,
    aud: String,
    time: u64,
    nonce: String,
    after: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RenegotiationDocument {
    re: String,
    dom: String,
    id: String,
    time: u64,
    nonce: String,
}

impl KeyQuestion {
    /// Reads a question.
    ///
    /// # Errors
    /// [`MessageError`] says which member is wrong.
    pub fn read(octets: &[u8]) -> Result<Self, MessageError> {
        let document: KeyDocument = read(octets, MAX_QUESTION)?;
        if !(1..=MAX_AGENTS).contains(&document.agents.len()) {
            return Err(MessageError::Count("agents", MAX_AGENTS));
        }
        let agent = |document: AgentDocument| {
            let (domain, agent) = parts::agent(&document.dom, &document.id)?;
            Ok(AgentQuestion { domain, agent, epoch: document.epoch })
        };
        Ok(Self {
            entity: parts::domain("re", &document.re)?,
            audience: parts::authority(&document.aud)?,
            time: document.time,
            nonce: parts::nonce(document.nonce)?,
            agents: document.agents.into_iter().map(agent).collect::<Result<_, MessageError>>()?,
        })
    }

    /// The question as it is sent.
    #[must_use]
    pub fn write(&self) -> String {
        let agent = |agent: &AgentQuestion| AgentDocument {
            dom: agent.domain.as_str().to_owned(),
            id: agent.agent.as_str().to_owned(),
            epoch: agent.epoch,
        };
        write(&KeyDocument {
            re: self.entity.as_str().to_owned(),
            aud: self.audience.as_str().to_owned(),
            time: self.time,
            nonce: self.nonce.clone(),
            agents: self.agents.iter().map(agent).collect(),
        })
    }
}

impl EventQuestion {
    /// Reads a question.
    ///
    /// # Errors
    /// [`MessageError`] says which member is wrong.
    pub fn read(octets: &[u8]) -> Result<Self, MessageError> {
        let document: EventDocument = read(octets, MAX_QUESTION)?;
        Ok(Self {
            entity: parts::domain("re", &document.re)?,
            audience: parts::authority(&document.aud)?,
            time: document.time,
            nonce: parts::nonce(document.nonce)?,
            after: document.after,
        })
    }

    /// The question as it is sent.
    #[must_use]
    pub fn write(&self) -> String {
        write(&EventDocument {
            re: self.entity.as_str().to_owned(),
            aud: self.audience.as_str().to_owned(),
            time: self.time,
            nonce: self.nonce.clone(),
            after: self.after,
        })
    }
}

impl Renegotiation {
    /// Reads a question.
    ///
    /// # Errors
    /// [`MessageError`] says which member is wrong.
    pub fn read(octets: &[u8]) -> Result<Self, MessageError> {
        let document: RenegotiationDocument = read(octets, MAX_QUESTION)?;
        let (domain, agent) = parts::agent(&document.dom, &document.id)?;
        Ok(Self {
            entity: parts::domain("re", &document.re)?,
            domain,
            agent,
            time: document.time,
            nonce: parts::nonce(document.nonce)?,
        })
    }

    /// The question as it is sent.
    #[must_use]
    pub fn write(&self) -> String {
        write(&RenegotiationDocument {
            re: self.entity.as_str().to_owned(),
            dom: self.domain.as_str().to_owned(),
            id: self.agent.as_str().to_owned(),
            time: self.time,
            nonce: self.nonce.clone(),
        })
    }
}

impl Question for KeyQuestion {
    const ASKER: Asker = Asker::Verifier;
    const PATH: &'static str = KEY_PATH;

    fn text(&self) -> String {
        self.write()
    }
}

impl Question for EventQuestion {
    const ASKER: Asker = Asker::Verifier;
    const PATH: &'static str = EVENT_PATH;

    fn text(&self) -> String {
        self.write()
    }
}

impl Question for Renegotiation {
    const ASKER: Asker = Asker::Agent;
    const PATH: &'static str = SEQUENCE_PATH;

    fn text(&self) -> String {
        self.write()
    }
}

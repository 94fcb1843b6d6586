//! The lines of the stream by which verifiers hear of revocations.

use serde::{Deserialize, Serialize};

use super::parts::{self, MessageError, read, write};
use crate::name::{AgentId, Domain};

/// Longest line, in octets, without the line feed.
pub const MAX_LINE: usize = 1024;

/// A line of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its number; of [`Happening::Alive`] that of the latest event.
    pub number: u64,
    /// What happened.
    pub happening: Happening,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// An agent is revoked, or every agent of a domain.
    Revoked {
        /// The domain.
        domain: Domain<'static>,
        /// The agent; `None`: all.
        agent: Option<AgentId<'static>>,
    },
    /// The sequence of an agent begins elsewhere.
    Floor {
        /// The agent's domain.
        domain: Domain<'static>,
        /// The agent.
        agent: AgentId<'static>,
        /// The least number that counts.
        floor: u64,
    },
    /// What was missed is not known any more: every key of the entity is to be asked for again.
    Reset,
    /// Nothing.
    Alive,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    event: u64,
    kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    dom: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    floor: Option<u64>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Revoked,
    Floor,
    Reset,
    Alive,
}

impl Event {
    /// Reads a line, without its line feed.
    ///
    /// # Errors
    /// [`MessageError`] says which member is wrong.
    pub fn read(line: &[u8]) -> Result<Self, MessageError> {
        let Document { event, kind, dom, id, floor } = read(line, MAX_LINE)?;
        let happening = match (kind, dom, id, floor) {
            (Kind::Revoked, Some(dom), Some(id), None) => {
                let (domain, agent) = parts::agent(&dom, &id)?;
                Happening::Revoked { domain, agent: Some(agent) }
            }
            (Kind::Revoked, Some(dom), None, None) => {
                Happening::Revoked { domain: parts::domain("dom", &dom)?, agent: None }
            }
            (Kind::Floor, Some(dom), Some(id), Some(floor)) => {
                let (domain, agent) = parts::agent(&dom, &id)?;
                Happening::Floor { domain, agent, floor }
            }
            (Kind::Reset, None, None, None) => Happening::Reset,
            (Kind::Alive, None, None, None) => Happening::Alive,
            _ => return Err(MessageError::Form("kind")),
        };
        Ok(Self { number: event, happening })
    }

    /// The line as it is sent, without its line feed.
    #[must_use]
    pub fn write(&self) -> String {
        let text = |name: &str| Some(name.to_owned());
        let (kind, dom, id, floor) = match &self.happening {
            Happening::Revoked { domain, agent } => {
                let agent = agent.as_ref().and_then(|agent| text(agent.as_str()));
                (Kind::Revoked, text(domain.as_str()), agent, None)
            }
            Happening::Floor { domain, agent, floor } => {
                (Kind::Floor, text(domain.as_str()), text(agent.as_str()), Some(*floor))
            }
            Happening::Reset => (Kind::Reset, None, None, None),
            Happening::Alive => (Kind::Alive, None, None, None),
        };
        write(&Document { event: self.number, kind, dom, id, floor })
    }

    /// Whether it may follow the event `last`: the next, or a sign of life that names it. After anything else something
    /// was missed.
    #[must_use]
    pub fn follows(&self, last: u64) -> bool {
        match self.happening {
            Happening::Alive => self.number == last,
            Happening::Reset => self.number >= last,
            Happening::Revoked { .. } | Happening::Floor { .. } => Some(self.number) == last.checked_add(1),
        }
    }
}

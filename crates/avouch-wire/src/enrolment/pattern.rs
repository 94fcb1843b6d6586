//! Which agents a token is for.

use std::fmt;

use crate::name::{AgentId, NameError};

/// One agent (`crawler-7`), or all whose id has one or more labels before these (`*.gptbot`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentPattern {
    id: AgentId<'static>,
    is_fleet: bool,
}

/// Why a text names no agents.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Not an id after what may stand before it.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The domain itself is no agent, and its key is not enrolled.
    #[error("`_` is the domain itself, which does not enrol")]
    DomainItself,
}

impl AgentPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`PatternError`] says what is wrong.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let (id, is_fleet) = text.strip_prefix("*.").map_or((text, false), |fleet| (fleet, true));
        let id = AgentId::parse(id)?.into_owned();
        if id.is_domain_itself() {
            return Err(PatternError::DomainItself);
        }
        Ok(Self { id, is_fleet })
    }

    /// Whether the agent is one of them.
    #[must_use]
    pub fn matches(&self, agent: &AgentId<'_>) -> bool {
        if !self.is_fleet {
            return agent.as_str() == self.id.as_str();
        }
        agent
            .as_str()
            .strip_suffix(self.id.as_str())
            .is_some_and(|labels| labels.len() > 1 && labels.ends_with('.'))
    }
}

impl fmt::Display for AgentPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.is_fleet { "*." } else { "" }, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_an_agent_or_those_below_a_fleet() {
        for (pattern, matched, near) in [
            ("crawler-7", &["crawler-7"][..], &["crawler-70", "a.crawler-7", "_", "crawler"][..]),
            (
                "*.gptbot",
                &["nyc-042.gptbot", "a.b.gptbot"],
                &["gptbot", "xgptbot", "a.xgptbot", "a.gptbot.b", "_"],
            ),
        ] {
            let read = AgentPattern::parse(pattern).unwrap();
            assert_eq!(read.to_string(), pattern);
            let matches = |id: &&str| read.matches(&AgentId::parse(id).unwrap());
            assert!(matched.iter().all(matches) && !near.iter().any(matches), "{pattern}");
        }
        for wrong in ["", "*", "*.", "_", "*._", "*.*.gptbot", "a*.gptbot", "GPTBOT", "a..b"] {
            assert!(AgentPattern::parse(wrong).is_err(), "{wrong}");
        }
    }
}

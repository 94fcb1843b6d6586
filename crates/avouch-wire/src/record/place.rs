//! The names at which records stand.

use super::Level;
use crate::name::{AgentId, Domain, MAX_NAME, NameError};
use std::fmt;
use thiserror::Error;

/// Why a name is not one at which a `_saip` record could count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PlaceError {
    /// No `_saip` label.
    #[error("has no _saip label")]
    NoPrefix,
    /// More than 253 octets.
    #[error("is longer than 253 octets")]
    TooLong,
    /// A wildcard, which never publishes a key.
    #[error("is a wildcard")]
    Wildcard,
    /// What stands after `_saip` is no identity.
    #[error("names a domain that {0}")]
    Domain(NameError),
    /// What stands before `_saip` is no agent id.
    #[error("names an agent id that {0}")]
    Agent(NameError),
}

/// A name at which a record counts: `<id>._saip.<dom>`, or `_saip.<dom>` for the domain itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The agent; `_` for the domain itself.
    pub agent: AgentId<'static>,
    /// The domain.
    pub domain: Domain<'static>,
}

impl Place {
    /// Reads a name in any case, with or without the trailing dot.
    ///
    /// # Errors
    /// [`PlaceError`] names the first rule broken.
    pub fn parse(name: &str) -> Result<Self, PlaceError> {
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        if name.len() > MAX_NAME {
            return Err(PlaceError::TooLong);
        }
        if name.split('.').any(|label| label == "*") {
            return Err(PlaceError::Wildcard);
        }
        let (agent, domain) = match name.strip_prefix("_saip.") {
            Some(domain) => (None, domain),
            None => name
                .split_once("._saip.")
                .map(|(id, domain)| (Some(id), domain))
                .ok_or(PlaceError::NoPrefix)?,
        };
        let domain = Domain::parse(domain).map_err(PlaceError::Domain)?.into_owned();
        // The reserved id `_` has no name of its own: `_._saip.<dom>` is nobody's.
        let agent = match agent {
            Some("_") => Err(NameError::Label(0)),
            Some(id) => AgentId::parse(id),
            None => AgentId::parse("_"),
        };
        let agent = agent.map_err(PlaceError::Agent)?.into_owned();
        Ok(Self { agent, domain })
    }

    /// What may stand there.
    #[must_use]
    pub fn level(&self) -> Level {
        if self.agent.is_domain_itself() { Level::Domain } else { Level::Agent }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.level() {
            Level::Domain => write!(f, "_saip.{}", self.domain),
            Level::Agent => write!(f, "{}._saip.{}", self.agent, self.domain),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_back_as_it_is_written() {
        for name in ["_saip.acme.example", "nyc-042.gptbot._saip.openai.example"] {
            assert_eq!(Place::parse(name).unwrap().to_string(), name);
        }
        assert_eq!(Place::parse("A._SAIP.Acme.Example.").unwrap().to_string(), "a._saip.acme.example");
        let cases = [
            ("acme.example", PlaceError::NoPrefix),
            ("_saip", PlaceError::NoPrefix),
            ("*._saip.acme.example", PlaceError::Wildcard),
            ("_saip.co.uk", PlaceError::Domain(NameError::PublicSuffix)),
            ("_x._saip.acme.example", PlaceError::Agent(NameError::Label(0))),
            ("a._saip._saip.acme.example", PlaceError::Domain(NameError::Octet(0))),
        ];
        for (name, error) in cases {
            assert_eq!(Place::parse(name), Err(error), "{name}");
        }
        assert!(Place::parse("_._saip.acme.example").is_err(), "the reserved id is not a label");
    }
}

//! The written form of who someone is.

use super::{AgentId, Domain, Instance, NameError};
use std::fmt;

/// Who speaks: a domain, and within it an agent and the machine it runs on.
///
/// Written `nyc-042.gptbot@openai.example`, or `openai.example` for the domain alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The domain that answers for the agent.
    pub domain: Domain<'static>,
    /// The agent; `None` where only the domain is known or the domain itself speaks.
    pub agent: Option<AgentId<'static>>,
    /// The machine, where it was named or is the agent.
    pub instance: Option<Instance<'static>>,
}

impl Identity {
    /// A domain by itself.
    #[must_use]
    pub const fn of_domain(domain: Domain<'static>) -> Self {
        Self { domain, agent: None, instance: None }
    }

    /// Reads the written form: `agent@domain` or `domain`.
    ///
    /// # Errors
    /// [`NameError`] names the first rule broken, of the agent or the domain.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let (agent, domain) = match text.split_once('@') {
            Some((agent, domain)) => (Some(AgentId::parse(agent)?.into_owned()), domain),
            None => (None, text),
        };
        let agent = agent.filter(|agent| !agent.is_domain_itself());
        Ok(Self { domain: Domain::parse(domain)?.into_owned(), agent, instance: None })
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.agent {
            Some(agent) => write!(f, "{agent}@{}", self.domain),
            None => write!(f, "{}", self.domain),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_and_read_the_same() {
        for text in ["nyc-042.gptbot@openai.example", "openai.example"] {
            assert_eq!(Identity::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Identity::parse("_@acme.example").unwrap().to_string(), "acme.example");
        assert!(Identity::parse("a@b@acme.example").is_err());
        assert!(Identity::parse("@acme.example").is_err());
    }
}

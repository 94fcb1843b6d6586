//! What stands for agents in tables: keyed hashes, so that whoever makes up names takes no memory for them.

use crate::hash_key::HashKey;
use avouch_engine::evidence::EntityQuestion;
use avouch_wire::name::{AgentId, Domain};

/// Makes names.
pub(super) struct Names(HashKey);

/// What stands for a question. That two meet would take 2^64 of them, under a key that nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// Site, agent and epoch.
    pub(super) question: u128,
    /// The agent with its domain.
    pub(super) agent: u128,
    /// The agent's domain.
    pub(super) domain: u128,
    /// The registrable domain, whose share it counts against.
    pub(super) registrable: u64,
}

impl Names {
    pub(super) fn new() -> Self {
        Self(HashKey::random())
    }

    pub(super) fn of(&self, question: &EntityQuestion) -> Name {
        Name {
            question: self.question(question),
            agent: self.agent(&question.domain, &question.agent),
            domain: self.domain(&question.domain),
            registrable: self.registrable(&question.domain),
        }
    }

    pub(super) fn question(&self, question: &EntityQuestion) -> u128 {
        self.0.name(question)
    }

    pub(super) fn agent(&self, domain: &Domain<'_>, agent: &AgentId<'_>) -> u128 {
        self.0.name(&(domain.as_str(), agent.as_str()))
    }

    pub(super) fn domain(&self, domain: &Domain<'_>) -> u128 {
        self.0.name(domain.as_str())
    }

    pub(super) fn registrable(&self, domain: &Domain<'_>) -> u64 {
        self.0.of(domain.registrable())
    }
}

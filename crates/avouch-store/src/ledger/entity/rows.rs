//! What stands in the tables.

use avouch_wire::time::Time;

/// Who may register, and how. The token itself is known to its holder alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// SHA-256 of the token, under its context.
    pub digest: [u8; 32],
    /// What it is called in lists and logs.
    pub name: String,
    /// Of which domain.
    pub domain: String,
    /// Which agents: an id, or `*` and the labels after it.
    pub agents: String,
    /// How many more.
    pub uses: u32,
    /// Until when.
    pub expires: Time,
}

/// An agent within its domain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// The domain.
    pub domain: String,
    /// The id.
    pub id: String,
}

/// Whether an agent's requests count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentState {
    /// They do.
    Registered,
    /// They do not any more.
    Revoked,
}

impl AgentState {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Registered, Self::Revoked];

    /// As it is written everywhere.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Revoked => "revoked",
        }
    }

    /// The state of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// An agent, and what its secrets are derived of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Whose.
    pub name: Name,
    /// Whether its requests count.
    pub state: AgentState,
    /// Its public key, as in a record's `pk`.
    pub key: Vec<u8>,
    /// The name of the token it registered with.
    pub token: String,
    /// The number of its secret.
    pub version: u64,
    /// The epoch from which on that counts.
    pub epoch: u64,
    /// What it is derived of.
    pub salt: [u8; 32],
    /// What the one before it is derived of, while that counts.
    pub former: Option<[u8; 32]>,
    /// The least sequence number that counts.
    pub floor: u64,
    /// When it last changed.
    pub changed: Time,
}

/// How far the whole of it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// Rises with whatever may not be taken back.
    pub revision: u64,
    /// The number of the latest event.
    pub event: u64,
    /// The floor of agents that are new.
    pub ground: u64,
    /// How often something was revoked.
    pub revoked: u64,
    /// How many agents there are, revoked ones among them.
    pub agents: u64,
    /// By what the root of the secrets is known.
    pub root: [u8; 32],
}

/// How many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Agents whose requests count.
    pub registered: u64,
    /// Agents whose do not any more.
    pub revoked: u64,
    /// Tokens.
    pub tokens: u64,
}

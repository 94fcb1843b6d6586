//! What stands in the tables.

use avouch_wire::time::Time;

/// Who may enrol, and how. The token itself is known to its holder alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// SHA-256 of the token.
    pub digest: [u8; 32],
    /// What it is called in lists and logs.
    pub name: String,
    /// Which agents: an id, or `*` and the labels after it.
    pub agents: String,
    /// How many more.
    pub uses: u32,
    /// Until when.
    pub expires: Time,
    /// Whether each agent waits for an approval.
    pub approval: bool,
    /// Whether a key has to be attested by a TPM.
    pub attested: bool,
}

/// How far an agent has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentState {
    /// Waits for an approval.
    Pending,
    /// Its record is published, or about to be.
    Enrolled,
    /// Its key counts no more.
    Revoked,
}

impl AgentState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Enrolled, Self::Revoked];

    /// As it is written everywhere.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Enrolled => "enrolled",
            Self::Revoked => "revoked",
        }
    }

    /// The state of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// Where a key is kept, as far as anybody knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// `unknown`, or `tpm` where one of a known maker attested it.
    pub tier: String,
    /// The fingerprint of the TPM's endorsement key; empty where none attested it.
    pub endorsement: String,
    /// Who certified the endorsement key: the issuer's name; empty where that is not known.
    pub maker: String,
}

impl Held {
    /// Nobody knows where.
    #[must_use]
    pub fn unknown() -> Self {
        Self { tier: "unknown".to_owned(), endorsement: String::new(), maker: String::new() }
    }
}

/// An agent, with the key it enrolled with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Its id, `nyc-042.gptbot`.
    pub id: String,
    /// How far it has come.
    pub state: AgentState,
    /// Its public key, as in a record's `pk`.
    pub key: Vec<u8>,
    /// Where the key is kept.
    pub held: Held,
    /// The name of the token it enrolled with.
    pub token: String,
    /// When it last changed.
    pub changed: Time,
}

/// Another key that an agent asked for; it counts when the owner says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// Whose.
    pub id: String,
    /// The key, as in a record's `pk`.
    pub key: Vec<u8>,
    /// Where it is kept.
    pub held: Held,
    /// The name of the token it came with.
    pub token: String,
    /// When it was made.
    pub made: Time,
}

/// What is to stand at a name, and does not yet, as far as is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// Later ones replace earlier ones of the same name.
    pub seq: i64,
    /// The name, absolute, without the dot at the end.
    pub name: String,
    /// The TXT records; none removes whatever stands there.
    pub texts: Vec<String>,
    /// Whether it is to stand there only if nothing does: nobody here has published at the name yet.
    pub fresh: bool,
    /// When it is to be tried.
    pub due: Time,
    /// How often it was tried.
    pub tries: u32,
}

/// Something that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audited {
    /// When.
    pub at: Time,
    /// Who did it: `owner`, `operator`, or an agent with its address.
    pub who: String,
    /// What: a word.
    pub what: String,
    /// To what.
    pub subject: String,
    /// What else there is to say.
    pub detail: String,
}

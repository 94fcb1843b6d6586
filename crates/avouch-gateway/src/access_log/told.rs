//! A line of the access log, read again: the other half of `Entry::line`.

use serde::Deserialize;

use super::line::CUT;

/// What a line of the access log tells of a request (`docs/operate/gateway.md`). Members that mean nothing here are
/// passed over.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Told {
    /// When it began, RFC 3339.
    pub time: String,
    /// 32 hexadecimal digits.
    pub request_id: String,
    /// The client's address.
    pub peer: String,
    /// Its method.
    pub method: String,
    /// The site it asked for.
    pub authority: Option<String>,
    /// Its path and query, cut where they were long.
    pub path: String,
    /// Its user agent.
    pub user_agent: Option<String>,
    /// Of the answer.
    pub status: Option<u16>,
    /// Octets of the answer's body.
    pub bytes: u64,
    /// Until the answer had ended, in microseconds.
    pub duration_us: u64,
    /// Whether the answer ended as it should.
    #[serde(default = "yes")]
    pub complete: bool,
    /// Who sent it, where it was judged.
    pub verdict: Option<ToldVerdict>,
    /// What policy and route ask for.
    pub decision: Option<String>,
    /// The rule that decided.
    pub rule: Option<String>,
    /// The version of its policy.
    pub policy: Option<String>,
    /// Whether the decision was carried out; absent where it was a refusal.
    pub carried_out: Option<bool>,
    /// The reason of an answer that avouch gave itself.
    pub problem: Option<String>,
}

/// A verdict, as a line tells it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ToldVerdict {
    /// 0–3.
    pub class: u8,
    /// The class refined.
    pub standing: String,
    /// Who it is.
    pub identity: Option<ToldIdentity>,
    /// Who it was said to be.
    pub claimed: Option<String>,
    /// What established the identity.
    pub mechanism: String,
    /// Who acts for the domain, or vouches for the client.
    pub via: Option<String>,
    /// The key a pseudonymous sender is known by.
    pub pseudonym: Option<String>,
    /// For an undetermined claim, `temporary` or `permanent`.
    pub cause: Option<String>,
    /// Codes, the deciding one first.
    pub reasons: Vec<String>,
    /// What was checked, in order.
    pub checks: Vec<ToldCheck>,
    /// What the verdict does not cover.
    pub not_checked: Vec<String>,
}

/// An identity, as a line tells it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ToldIdentity {
    /// The domain that answers for the agent.
    pub domain: String,
    /// The agent.
    pub agent: Option<String>,
    /// The machine.
    pub instance: Option<String>,
}

/// A check, as a line tells it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ToldCheck {
    /// What was checked.
    pub name: String,
    /// `pass`, `fail`, `undetermined` or `skipped`.
    pub outcome: String,
    /// What it was about.
    pub detail: String,
    /// How the DNS answer behind it was validated.
    pub dnssec: Option<String>,
}

/// Why a line tells nothing.
#[derive(Debug, thiserror::Error)]
#[error("not a line of avouch's access log: {0}")]
pub struct UnreadableLine(#[from] serde_json::Error);

impl Told {
    /// Reads a line, with or without its newline.
    ///
    /// # Errors
    ///
    /// It is not one of avouch's.
    pub fn parse(line: &[u8]) -> Result<Self, UnreadableLine> {
        Ok(serde_json::from_slice(line)?)
    }

    /// Path and query, unless they were cut.
    #[must_use]
    pub fn whole_path(&self) -> Option<&str> {
        (!self.path.ends_with(CUT)).then_some(&self.path)
    }
}

fn yes() -> bool {
    true
}

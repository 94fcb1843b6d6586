//! What was checked on the way to a verdict.

use crate::evidence::{Answer, Cause, Dnssec};
use std::borrow::Cow;

/// One check and how it came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was checked.
    pub name: CheckName,
    /// How it came out.
    pub outcome: Outcome,
    /// What it was about, for a human reader; never parsed.
    pub detail: Cow<'static, str>,
    /// Whether the DNS answer behind it was validated.
    pub dnssec: Option<Validation>,
}

/// The outcome of DNSSEC validation (RFC 4035 section 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Validation {
    /// A chain of signatures leads to a trust anchor.
    Secure,
    /// The zone is provably unsigned.
    Insecure,
    /// A signature does not hold, or one is missing where it must stand.
    Bogus,
    /// No conclusion.
    Indeterminate,
}

impl Validation {
    /// As written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Secure => "secure",
            Self::Insecure => "insecure",
            Self::Bogus => "bogus",
            Self::Indeterminate => "indeterminate",
        }
    }

    /// What an answer says of its validation; `None` where it never came to that.
    #[must_use]
    pub const fn of<T>(answer: &Answer<T>) -> Option<Self> {
        match answer {
            Answer::Found { dnssec, .. } | Answer::Absent { dnssec, .. } => Some(match dnssec {
                Dnssec::Secure => Self::Secure,
                Dnssec::Insecure => Self::Insecure,
            }),
            Answer::Unknown(Cause::Bogus) => Some(Self::Bogus),
            Answer::Unknown(Cause::Indeterminate) => Some(Self::Indeterminate),
            Answer::Unknown(_) => None,
        }
    }
}

/// What can be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the name says it, and docs/formats/verdict.md explains each")]
pub enum CheckName {
    Syntax,
    Time,
    Authority,
    DnsKey,
    DirectoryKey,
    RegisteredKey,
    Coverage,
    Revocation,
    Certificate,
    Signature,
    Body,
    Replay,
    ForwardConfirmed,
    ForwardAddress,
    DelegationToken,
    DelegatedNetwork,
    DelegationRecord,
    CrawlerRange,
    Transport,
    Challenge,
    Attester,
    Testing,
}

impl CheckName {
    /// As written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::Time => "time",
            Self::Authority => "authority",
            Self::DnsKey => "dns-key",
            Self::DirectoryKey => "directory-key",
            Self::RegisteredKey => "registered-key",
            Self::Coverage => "coverage",
            Self::Revocation => "revocation",
            Self::Certificate => "rcert",
            Self::Signature => "signature",
            Self::Body => "body",
            Self::Replay => "replay",
            Self::ForwardConfirmed => "forward-confirmed",
            Self::ForwardAddress => "forward-address",
            Self::DelegationToken => "delegation-token",
            Self::DelegatedNetwork => "delegated-network",
            Self::DelegationRecord => "delegation-record",
            Self::CrawlerRange => "crawler-range",
            Self::Transport => "transport",
            Self::Challenge => "challenge",
            Self::Attester => "attester",
            Self::Testing => "testing",
        }
    }
}

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    Pass,
    /// It does not hold.
    Fail,
    /// It could not be found out.
    Undetermined,
    /// It was not needed or could not apply.
    Skipped,
}

impl Outcome {
    /// As written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Undetermined => "undetermined",
            Self::Skipped => "skipped",
        }
    }
}

/// What a verdict may leave uncovered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unchecked {
    /// The content: not signed, or still to be compared as it streams by.
    Body,
    /// Replay: judged offline, against a table of its own; or signed without a nonce.
    Replay,
    /// What is asked: a signature that leaves out the method, the path or the query holds for others, too.
    Target,
    /// Revocation: the domain's record could not be looked up, and its directory vouches alone.
    Revocation,
}

impl Unchecked {
    /// As written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Body => "body",
            Self::Replay => "replay",
            Self::Target => "target",
            Self::Revocation => "revocation",
        }
    }
}

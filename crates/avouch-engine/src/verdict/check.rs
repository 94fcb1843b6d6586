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

macro_rules! checks {
    ($($name:ident, $written:literal, $question:literal;)+) => {
        /// What can be checked.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum CheckName {
            $(#[doc = $question] $name,)+
        }

        impl CheckName {
            /// Every check, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// As written.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $written),+ }
            }

            /// What it asks.
            #[must_use]
            pub const fn question(self) -> &'static str {
                match self { $(Self::$name => $question),+ }
            }
        }
    };
}

checks! {
    Syntax, "syntax", "is the header well formed, can the signatures be read?";
    Time, "time", "is the timestamp within the window?";
    Authority, "authority", "was it signed for this site, and is the site ours?";
    DnsKey, "dns-key", "is there a live key at the name that decides?";
    DirectoryKey, "directory-key", "does the directory that the signature names list its key?";
    EntityKey, "entity-key", "does the registration entity know the agent, and give its key?";
    RegisteredKey, "registered-key", "does the registered key count now?";
    Coverage, "coverage", "does a signature under a registered key cover what it has to?";
    Revocation, "revocation", "does no name above revoke it?";
    Certificate, "rcert", "did the published key certify the rolling one?";
    Signature, "signature", "does the signature hold?";
    Body, "body", "is the content what was signed?";
    Replay, "replay", "is the request new?";
    ForwardConfirmed, "forward-confirmed", "do PTR and forward look-up connect address and domain?";
    ForwardAddress, "forward-address", "does the domain resolve to the address?";
    DelegationToken, "delegation-token", "did a live key of the domain issue the token, and does it fit the request?";
    DelegatedNetwork, "delegated-network", "does the address lie in the network that the token names?";
    DelegationRecord, "delegation-record", "does the domain's record name the network?";
    CrawlerRange, "crawler-range", "does the address lie in the ranges the crawler's operator publishes?";
    Transport, "transport", "does what TLS showed of the client agree with the claim?";
    Challenge, "challenge", "was the Privacy Pass token made for a challenge of this site that still counts?";
    Attester, "attester", "does the attester's delegation token name the issuer for what is asked?";
    Testing, "testing", "is the key in use, and not published for testing?";
}

impl CheckName {
    /// Reads a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|check| check.name() == name)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_stands_in_the_documentation_with_its_question_and_no_other_does() {
        let page = include_str!("../../../../docs/formats/verdict.md");
        let table = page.split("### Checks").nth(1).and_then(|rest| rest.split("### ").next()).unwrap();
        let rows: Vec<_> = table.lines().filter(|line| line.starts_with("| `")).collect();
        assert_eq!(rows.len(), CheckName::ALL.len());
        for (row, check) in rows.iter().zip(CheckName::ALL) {
            let beginning = format!("| `{}` | {}", check.name(), check.question());
            assert!(row.starts_with(&beginning), "{row}");
            assert_eq!(CheckName::parse(check.name()), Some(*check));
        }
    }
}

//! Faults on this side: a claim that may hold, and could not be accepted.

use core::time::Duration;

use crate::reason::Reason;
use crate::verdict::Verdict;

/// What a route does with a request whose claim could not be accepted for a reason on this side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFault {
    /// It is answered 503, and told to come again.
    #[default]
    Unavailable,
    /// It is decided upon as if it had claimed nothing: class 0, and never more. Where class 0 is not let in
    /// either, it is answered 503 all the same.
    Anonymous,
}

impl OnFault {
    /// Both with the word for it.
    pub const WORDS: [(&'static str, Self); 2] =
        [("unavailable", Self::Unavailable), ("anonymous", Self::Anonymous)];

    /// The word configurations use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Anonymous => "anonymous",
        }
    }
}

/// How long a client waits after a start, until its timestamps are beyond the start rule
/// (`docs/formats/replay.md`: without a high-water mark ts ≤ start + 30 is refused).
const AFTER_START: Duration = Duration::from_secs(30);

/// How long a client waits for room in the replay table, or for a source that did not answer: the
/// table is cleared in steps of seconds, and look-ups that failed are kept about as long.
pub(super) const AFTER_FAULT: Duration = Duration::from_secs(5);

/// What kept the claim from being accepted, and after how long it is worth another try. A claim that failed,
/// and one whose domain could not be asked, met no fault of ours.
pub(super) fn of(verdict: &Verdict) -> Option<(Reason, Duration)> {
    let reason = *verdict.reasons().first()?;
    let wait = match reason {
        Reason::ReplayStartRule => AFTER_START,
        Reason::ReplayShareFull
        | Reason::ReplayTableFull
        | Reason::ReplayStoreUnreachable
        | Reason::SequenceTableFull => AFTER_FAULT,
        _ => return None,
    };
    Some((reason, wait))
}

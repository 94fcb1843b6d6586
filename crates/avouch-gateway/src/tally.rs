//! How many requests came to each standing since the start, for the console.

use std::sync::atomic::{AtomicU64, Ordering};

use avouch_engine::verdict::{Standing, Verdict};

/// Counts of requests that have ended, by standing; exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Class 3.
    pub verified: u64,
    /// Class 2.
    pub partial: u64,
    /// Class 0, with and without a pseudonym.
    pub anonymous: u64,
    /// Class 1: a claim that failed.
    pub invalid: u64,
    /// Class 1: a claim that could not be checked.
    pub undetermined: u64,
    /// Those that it did not come to a verdict about.
    pub not_judged: u64,
}

impl Counts {
    /// All of them.
    #[must_use]
    pub const fn all(&self) -> u64 {
        self.verified
            .saturating_add(self.partial)
            .saturating_add(self.anonymous)
            .saturating_add(self.invalid)
            .saturating_add(self.undetermined)
            .saturating_add(self.not_judged)
    }
}

#[derive(Default)]
pub(crate) struct Tally {
    verified: AtomicU64,
    partial: AtomicU64,
    anonymous: AtomicU64,
    invalid: AtomicU64,
    undetermined: AtomicU64,
    not_judged: AtomicU64,
}

impl Tally {
    pub(crate) fn count(&self, verdict: Option<&Verdict>) {
        let counter = match verdict.map(Verdict::standing) {
            Some(Standing::Verified) => &self.verified,
            Some(Standing::Partial) => &self.partial,
            Some(Standing::Anonymous | Standing::Pseudonymous) => &self.anonymous,
            Some(Standing::Invalid) => &self.invalid,
            Some(Standing::Undetermined(_)) => &self.undetermined,
            None => &self.not_judged,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            verified: read(&self.verified),
            partial: read(&self.partial),
            anonymous: read(&self.anonymous),
            invalid: read(&self.invalid),
            undetermined: read(&self.undetermined),
            not_judged: read(&self.not_judged),
        }
    }
}

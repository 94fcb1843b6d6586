//! What became of everything that was to be entered, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::script::code;
use crate::trouble::Trouble;

/// Counted since the start.
#[derive(Default)]
pub(crate) struct Counts {
    new: AtomicU64,
    held: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
    late: AtomicU64,
    unasked: AtomicU64,
    waited_micros: AtomicU64,
}

/// What the numbers of a gateway show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    /// Whether the store is in use now.
    pub reachable: bool,
    /// Nonces that were new.
    pub new: u64,
    /// Those that the group held already.
    pub held: u64,
    /// Those that are too old, that may have been forgotten, or whose number is out of sequence.
    pub refused: u64,
    /// Errors of Redis, a full one and a clock that is off among them.
    pub failed: u64,
    /// Answers that did not come within the deadline.
    pub late: u64,
    /// Not asked for, because the store was out of reach, or too much was under way.
    pub unasked: u64,
    /// For how long answers were waited for in all, in microseconds.
    pub waited_micros: u64,
}

impl Counts {
    pub(crate) fn unasked(&self) {
        self.unasked.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn answered(&self, answer: &Result<(i64, i64), Trouble>, took: Duration) {
        let counter = match answer {
            Ok((code::DONE, _)) => &self.new,
            Ok((code::HELD, _)) => &self.held,
            Ok((code::FLOOR | code::FORGOTTEN | code::ENDED, _)) => &self.refused,
            Ok((code::BEHIND | code::JUMPED, _)) => &self.refused,
            Err(Trouble::Silent(_)) => &self.late,
            Ok(_) | Err(_) => &self.failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        self.waited_micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(crate) fn figures(&self, reachable: bool) -> Figures {
        let now = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Figures {
            reachable,
            new: now(&self.new),
            held: now(&self.held),
            refused: now(&self.refused),
            failed: now(&self.failed),
            late: now(&self.late),
            unasked: now(&self.unasked),
            waited_micros: now(&self.waited_micros),
        }
    }
}

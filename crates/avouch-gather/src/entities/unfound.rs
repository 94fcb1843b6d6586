//! What there is nothing of: agents that an entity does not know, and questions that came to nothing.
//!
//! A stranger can make up any number of these, so they are in a table of their own, where the latest gives way.

use crate::bounded::Bounded;
use avouch_engine::evidence::{Answer, Cause, Dnssec};
use avouch_wire::time::Time;
use std::time::Duration;

/// How many are remembered.
const CAPACITY: usize = 1 << 13;

/// How long an agent counts as unknown: one that registers now should not wait for the end of the epoch.
pub(super) const UNKNOWN_KEPT: Duration = Duration::from_secs(30);

/// How long a question that came to nothing is not asked again.
pub(super) const FAILURE_KEPT: Duration = Duration::from_secs(1);

/// What there is nothing of.
pub(super) struct Unfound(Bounded<u128, Kept>);

struct Kept {
    answer: Answer<()>,
    since: Time,
    until: Time,
}

impl Kept {
    fn usable(&self, now: Time) -> bool {
        self.since <= now && now < self.until
    }
}

impl Unfound {
    pub(super) fn new() -> Self {
        Self(Bounded::new(CAPACITY))
    }

    pub(super) fn peek<T>(&self, name: u128, now: Time) -> Option<Answer<T>> {
        let read = |kept: &Kept| kept.usable(now).then(|| kept.answer.clone());
        match self.0.read(name as u64, &name, read).flatten()? {
            Answer::Absent { dnssec, until } => Some(Answer::Absent { dnssec, until }),
            Answer::Unknown(cause) => Some(Answer::Unknown(cause)),
            Answer::Found { .. } => None,
        }
    }

    /// An agent that the entity does not know.
    pub(super) fn unknown<T>(&self, name: u128, now: Time, until: Time) -> Answer<T> {
        let until = until.min(now.after(UNKNOWN_KEPT));
        self.put(name, Answer::Absent { dnssec: Dnssec::Insecure, until }, (now, until));
        Answer::Absent { dnssec: Dnssec::Insecure, until }
    }

    /// A question that came to nothing.
    pub(super) fn failed(&self, name: u128, cause: Cause, now: Time) {
        self.put(name, Answer::Unknown(cause), (now, now.after(FAILURE_KEPT)));
    }

    fn put(&self, name: u128, answer: Answer<()>, (since, until): (Time, Time)) {
        self.0.put(name as u64, name, Kept { answer, since, until }, |kept| !kept.usable(since));
    }
}

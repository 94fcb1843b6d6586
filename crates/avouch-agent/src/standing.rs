//! Whether the key signs, as its last signature showed.

use std::sync::{Mutex, MutexGuard, PoisonError};

use avouch_wire::time::Time;
use serde::Serialize;

use crate::desk::DeskError;

/// That it does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Failing {
    /// What ails it, and what mends that.
    pub(crate) detail: String,
    /// Since when, in seconds of Unix time.
    pub(crate) since: u64,
}

/// Whether the key signs.
#[derive(Debug, Default)]
pub(crate) struct Standing(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    failing: Option<Failing>,
    /// Whether it signed since that was last asked.
    has_signed: bool,
}

impl Standing {
    /// What is wrong with the key.
    pub(crate) fn failing(&self) -> Option<Failing> {
        self.lock().failing.clone()
    }

    /// Whether it signed since this was last asked.
    pub(crate) fn has_signed(&self) -> bool {
        std::mem::take(&mut self.lock().has_signed)
    }

    /// Learns from what came of a signature. What is wrong with a request, or that there are too many, says nothing about
    /// the key.
    pub(crate) fn learn<T>(&self, signed: &Result<T, DeskError>, now: Time) {
        let mut known = self.lock();
        match signed {
            Ok(_) => {
                known.has_signed = true;
                if known.failing.take().is_some() {
                    tracing::info!("the key signs again");
                }
            }
            Err(error @ (DeskError::Key(_) | DeskError::Late(_) | DeskError::Broken)) => {
                let detail = error.to_string();
                let before = known.failing.as_ref();
                if before.is_none_or(|before| before.detail != detail) {
                    tracing::error!(detail, "the key does not sign");
                }
                let since = before.map_or(now.seconds(), |before| before.since);
                known.failing = Some(Failing { detail, since });
            }
            Err(DeskError::Busy | DeskError::Sign(_)) => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use avouch_keys::KeyError;

    use super::*;

    #[test]
    fn a_key_fails_until_it_signs_and_requests_say_nothing_about_it() {
        let standing = Standing::default();
        let learn = |signed: Result<(), DeskError>, now| standing.learn(&signed, Time::from_seconds(now));
        learn(Err(DeskError::Busy), 1);
        assert_eq!((standing.failing(), standing.has_signed()), (None, false));
        learn(Err(DeskError::Key(KeyError::Refused)), 2);
        learn(Err(DeskError::Broken), 3);
        let failing = standing.failing().unwrap();
        assert_eq!((failing.since, &*failing.detail), (2, "signing broke off"));
        learn(Err(DeskError::Busy), 4);
        assert!(standing.failing().is_some(), "not mended");
        learn(Ok(()), 5);
        assert_eq!(standing.failing(), None);
        assert!(standing.has_signed());
        assert!(!standing.has_signed(), "asked once for each time");
    }
}

//! How long the certificate that is served is still valid: its figure, and what the log is told once.

use std::sync::{Mutex, PoisonError};

use avouch_tls::Acceptor;
use avouch_wire::time::Time;

use crate::numbers::Numbers;

/// What is left when the log is told that the end is near: a week to mend what should have renewed it.
const SOON: i64 = 7 * 86_400;

/// What was said, so that it is said once.
#[derive(Debug, Default)]
pub(crate) struct Expiry(Mutex<Stage>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Far,
    Near,
    Over,
}

impl Stage {
    const fn of(left: i64) -> Self {
        match left {
            ..=0 => Self::Over,
            1..=SOON => Self::Near,
            _ => Self::Far,
        }
    }
}

impl Expiry {
    /// Sets the figure, and tells the log what was reached since the last look.
    pub(crate) fn look(&self, acceptor: &Acceptor, now: Time, numbers: &Numbers) {
        let Some(end) = acceptor.expires() else { return };
        let left = end.saturating_sub(i64::try_from(now.seconds()).unwrap_or(i64::MAX));
        numbers.certificate(left);
        match self.reached(left) {
            Some(Stage::Over) => {
                tracing::error!("the TLS certificate has expired: clients refuse the site; replace it");
            }
            Some(Stage::Near) => {
                tracing::warn!(days = left / 86_400, "the TLS certificate expires soon: replace it");
            }
            Some(Stage::Far) | None => {}
        }
    }

    fn reached(&self, left: i64) -> Option<Stage> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let stage = Stage::of(left);
        (std::mem::replace(&mut *told, stage) != stage).then_some(stage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stage_is_told_once_and_again_after_a_renewal() {
        let expiry = Expiry::default();
        let told: Vec<_> =
            [SOON + 1, SOON, 1, 0, -5, 90 * 86_400, 10].map(|left| expiry.reached(left)).into();
        let (far, near, over) = (Some(Stage::Far), Some(Stage::Near), Some(Stage::Over));
        assert_eq!(told, [None, near, None, over, None, far, near]);
    }
}

//! When a feed is asked again.

use crate::hash_key::HashKey;
use crate::pauses;
use avouch_wire::time::Time;
use std::time::Duration;

/// After a failure, and after each further one twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(60);

/// However often it failed: four more attempts a day trouble nobody.
const LONGEST_PAUSE: Duration = Duration::from_hours(6);

/// When one feed is asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Schedule {
    next: Time,
    failures: u32,
}

impl Schedule {
    /// At once, or as long after what is at hand was received as between two fetches.
    pub(super) fn since(received: Option<Time>, every: Duration, now: Time) -> Self {
        Self { next: received.map_or(now, |received| received.after(every)), failures: 0 }
    }

    /// Whether it is time. After a clock was set back, nothing waits for longer than it ever would.
    pub(super) fn is_due(self, every: Duration, now: Time) -> bool {
        pauses::is_due(self.next, now, every.max(LONGEST_PAUSE))
    }

    /// The operator answered. Up to an eighth earlier than asked for, so that the verifiers that started at the same
    /// moment do not all come at the same one.
    pub(super) fn answered(&mut self, every: Duration, now: Time, key: &HashKey) {
        let pause = pauses::shortened(every, 8, key.of(&(now.millis(), 0)));
        *self = Self { next: now.after(pause), failures: 0 };
    }

    /// The operator did not answer, or with something that cannot be used. Up to half of the pause is left out, for the
    /// same reason.
    pub(super) fn failed(&mut self, every: Duration, now: Time, key: &HashKey) {
        self.failures = self.failures.saturating_add(1);
        let whole = pauses::after(self.failures, FIRST_PAUSE, LONGEST_PAUSE).min(every);
        self.next = now.after(pauses::shortened(whole, 2, key.of(&(now.millis(), self.failures))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);
    const NOW: Time = Time::from_seconds(1_790_000_000);

    #[test]
    fn what_was_received_before_a_restart_is_asked_for_when_it_would_have_been() {
        let schedule = |age: u64| Schedule::since(Some(Time::from_seconds(NOW.seconds() - age)), DAY, NOW);
        assert!(!schedule(86_399).is_due(DAY, NOW));
        assert!(schedule(86_400).is_due(DAY, NOW));
        assert!(Schedule::since(None, DAY, NOW).is_due(DAY, NOW));
    }

    #[test]
    fn pauses_grow_from_a_minute_to_six_hours_and_end_with_the_first_answer() {
        let key = HashKey::random();
        let mut schedule = Schedule::since(None, DAY, NOW);
        for whole in [60, 120, 240, 480, 960, 1920, 3840, 7680, 15_360, 21_600, 21_600, 21_600] {
            schedule.failed(DAY, NOW, &key);
            let pause = schedule.next.since(NOW).as_secs_f64();
            let whole = f64::from(whole);
            assert!(pause > whole / 2.0 - 1.0 && pause <= whole, "{pause} of {whole}");
        }
        schedule.answered(DAY, NOW, &key);
        let pause = schedule.next.since(NOW);
        assert!(pause > DAY * 7 / 8 - Duration::from_secs(1) && pause <= DAY, "{pause:?}");
        schedule.failed(DAY, NOW, &key);
        assert!(schedule.next.since(NOW) <= FIRST_PAUSE);
    }

    #[test]
    fn a_clock_that_was_set_back_lets_nothing_wait_for_years() {
        let mut schedule = Schedule::since(None, DAY, NOW);
        schedule.answered(DAY, NOW, &HashKey::random());
        assert!(!schedule.is_due(DAY, NOW));
        assert!(schedule.is_due(DAY, Time::from_seconds(1_000_000_000)));
    }
}

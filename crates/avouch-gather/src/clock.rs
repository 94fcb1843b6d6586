//! Where `now` comes from: the system's clock at the edge, a hand-moved one in tests and offline.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::time::{SystemTime, UNIX_EPOCH};

use avouch_wire::time::Time;

/// A source of the present.
///
/// Contract: calls may come from any thread and cost nanoseconds. The answer may go backwards,
/// when whoever sets the clock moves it back; who keeps state by time must remain safe then (the
/// replay table refuses what it has forgotten, the answer cache drops what lies in its future).
pub trait Clock: Send + Sync {
    /// The present.
    fn now(&self) -> Time;
}

/// The wall clock of the machine, with small steps backwards smoothed away.
///
/// A clock under NTP may be set back by some milliseconds at any moment; for less than
/// [`SystemClock::JITTER`] this clock stands still instead, so that one request never sees time
/// run backwards. A larger step, in either direction, is a correction by the operator or after a
/// pause of the machine and is followed at once: signed timestamps are judged against true time,
/// and holding on to a false one would refuse every honest agent for as long as it was wrong.
#[derive(Debug, Default)]
pub struct SystemClock {
    latest: AtomicU64,
}

impl SystemClock {
    /// The longest step backwards that is waited out rather than followed.
    pub const JITTER: Duration = Duration::from_secs(1);

    /// A clock that reads the machine's.
    #[must_use]
    pub const fn new() -> Self {
        Self { latest: AtomicU64::new(0) }
    }

    fn follow(&self, wall: Time) -> Time {
        let latest = Time::from_millis(self.latest.load(Ordering::Relaxed));
        if wall == latest {
            return wall;
        }
        if wall < latest && latest.since(wall) < Self::JITTER {
            return latest;
        }
        self.latest.store(wall.millis(), Ordering::Relaxed);
        wall
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Time {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.follow(Time::default().after(since))
    }
}

/// A clock that stands where it was put: for tests and for judging a request as of another time.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicU64);

impl ManualClock {
    /// A clock standing at `now`.
    #[must_use]
    pub const fn at(now: Time) -> Self {
        Self(AtomicU64::new(now.millis()))
    }

    /// Moves the clock to `now`, forwards or backwards.
    pub fn set(&self, now: Time) {
        self.0.store(now.millis(), Ordering::Relaxed);
    }

    /// Moves the clock forward by `span`.
    pub fn advance(&self, span: Duration) {
        self.set(self.now().after(span));
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Time {
        Time::from_millis(self.0.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    #[test]
    fn a_small_step_back_is_waited_out() {
        let clock = SystemClock::new();
        assert_eq!(clock.follow(Time::from_millis(HOUR)), Time::from_millis(HOUR));
        assert_eq!(clock.follow(Time::from_millis(HOUR - 999)), Time::from_millis(HOUR));
        assert_eq!(clock.follow(Time::from_millis(HOUR + 1)), Time::from_millis(HOUR + 1));
    }

    #[test]
    fn a_correction_is_followed_in_both_directions() {
        let clock = SystemClock::new();
        for wall in [HOUR, 9 * HOUR, 9 * HOUR - 1_000, 2 * HOUR] {
            assert_eq!(clock.follow(Time::from_millis(wall)), Time::from_millis(wall));
        }
    }

    #[test]
    fn a_manual_clock_moves_by_hand_only() {
        let clock = ManualClock::at(Time::from_seconds(5));
        clock.advance(Duration::from_millis(1_500));
        assert_eq!(clock.now(), Time::from_millis(6_500));
        clock.set(Time::from_seconds(1));
        assert_eq!(clock.now(), Time::from_seconds(1));
    }
}

//! Pauses between attempts at what failed: they grow, differ between those that failed together, and have an end.

use avouch_wire::time::Time;
use std::time::Duration;

/// More would only overflow: by then the longest pause is reached.
const MOST_DOUBLINGS: u32 = 16;

/// The pause after so many failures in a row: `first` after the first, and after each further one twice as long, up to
/// `longest`.
#[must_use]
pub fn after(failures: u32, first: Duration, longest: Duration) -> Duration {
    let doublings = failures.saturating_sub(1).min(MOST_DOUBLINGS);
    first.saturating_mul(2_u32.saturating_pow(doublings)).min(longest)
}

/// A pause with less than one `part`th of it left out, by a number that nobody can foresee: many that began at the same
/// moment do not come back at the same one.
#[must_use]
pub fn shortened(whole: Duration, part: u32, random: u64) -> Duration {
    let share = u32::try_from(random % 1024).unwrap_or(0);
    whole - whole * share / 1024 / part.max(1)
}

/// Whether it is time. After a clock was set back, nothing waits for longer than the longest pause.
#[must_use]
pub fn is_due(due: Time, now: Time, longest: Duration) -> bool {
    due <= now || due > now.after(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_secs(2);
    const LONGEST: Duration = Duration::from_secs(300);

    #[test]
    fn pauses_double_up_to_the_longest() {
        let seconds = |failures| after(failures, FIRST, LONGEST).as_secs();
        assert_eq!([0, 1, 2, 3, 8, 9, u32::MAX].map(seconds), [2, 2, 4, 8, 256, 300, 300]);
    }

    #[test]
    fn a_share_of_a_pause_is_left_out_and_never_more_than_its_part() {
        for part in [2, 4, 8] {
            let shortest = shortened(LONGEST, part, 1023);
            assert!(shortest > LONGEST - LONGEST / part && shortest < LONGEST - LONGEST / part * 9 / 10);
            assert_eq!(shortened(LONGEST, part, 1024), LONGEST);
        }
    }

    #[test]
    fn a_clock_that_was_set_back_lets_nothing_wait_for_years() {
        let at = Time::from_seconds;
        assert_eq!(
            [99, 100, 101, 400, 401].map(|due| is_due(at(due), at(100), LONGEST)),
            [true, true, false, false, true]
        );
    }
}

//! What data on this machine say, and how old they are.

use avouch_wire::time::Time;
use std::time::Duration;

/// How old ranges of a crawler may be. Operators change them every few weeks and publish them at
/// all times, so that who fetches them daily has a fortnight to notice that it stopped.
pub const MAX_RANGES_AGE: Duration = Duration::from_hours(14 * 24);

/// How old a table of autonomous systems may be. Networks change hands every day, a few in a
/// thousand each month; publishers renew their tables daily to weekly.
pub const MAX_ASN_AGE: Duration = Duration::from_hours(30 * 24);

/// What data on this machine say of something. They come from files, not from DNS: there is no
/// proof of them and no end, only an age.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Held<T> {
    /// There are no data. The default, so that what nobody looked for is never taken for absent.
    #[default]
    Missing,
    /// There are.
    Data {
        /// What they say.
        value: T,
        /// When they were received, or built where they say so.
        from: Time,
    },
}

impl<T> Held<T> {
    /// What the data say, if they are not older than that.
    pub fn current(&self, now: Time, oldest: Duration) -> Option<&T> {
        match self {
            Self::Data { value, from } if now.since(*from) <= oldest => Some(value),
            Self::Data { .. } | Self::Missing => None,
        }
    }

    /// The moment from which they are too old.
    pub(crate) fn until(&self, oldest: Duration) -> Option<Time> {
        match self {
            Self::Data { from, .. } => Some(from.after(oldest)),
            Self::Missing => None,
        }
    }

    /// How old they are, for a human reader.
    pub(crate) fn told(&self, now: Time) -> String {
        let Self::Data { from, .. } = self else { return "no data".to_owned() };
        let hours = now.since(*from).as_secs() / 3600;
        match hours / 24 {
            0 => format!("data {hours} h old"),
            days => format!("data {days} d old"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_are_current_up_to_their_greatest_age_and_not_a_moment_longer() {
        let held = Held::Data { value: 7, from: Time::from_seconds(1_000) };
        let oldest = Duration::from_secs(10);
        assert_eq!(held.current(Time::from_millis(1_010_000), oldest), Some(&7));
        assert_eq!(held.current(Time::from_millis(1_010_001), oldest), None);
        assert_eq!(held.current(Time::from_seconds(1), oldest), Some(&7), "a clock that was set back");
        assert_eq!(Held::<u8>::default().current(Time::from_seconds(1), oldest), None);
    }

    #[test]
    fn their_age_is_told_in_hours_and_then_in_days() {
        let held = Held::Data { value: (), from: Time::from_seconds(0) };
        let told = |hours: u64| held.told(Time::from_seconds(hours * 3600));
        assert_eq!(
            [told(0), told(23), told(24), told(71)].join(", "),
            "data 0 h old, data 23 h old, data 1 d old, data 2 d old"
        );
        assert_eq!(Held::<()>::Missing.told(Time::default()), "no data");
    }
}

//! Points in time, as they travel: always an argument, never read here.

use core::fmt;
use core::time::Duration;

/// A point in time: milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
///
/// Signed strings carry whole seconds ([`Time::seconds`]); caches and rates need the finer unit.
/// Arithmetic saturates, so no input can make a comparison wrap round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// The latest point that can be named; stands for "no end".
    pub const MAX: Self = Self(u64::MAX);

    /// A point given in whole seconds, as `ts` and `exp` are.
    #[must_use]
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// A point given in milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Whole seconds, rounded down: the `now` of every rule about `ts` and `exp`.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.0 / 1000
    }

    /// Milliseconds.
    #[must_use]
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// This point and `span` later.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }

    /// How long after `earlier` this point lies; zero when it does not.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// RFC 3339 in UTC with whole seconds: `2026-11-21T00:05:00Z`.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = i64::try_from(self.seconds()).unwrap_or(i64::MAX);
        let Ok(timestamp) = jiff::Timestamp::from_second(seconds) else {
            return f.write_str("9999-12-30T22:00:00Z");
        };
        let at = jiff::tz::Offset::UTC.to_datetime(timestamp);
        let ([century, year], [month, day]) = ([at.year() / 100, at.year() % 100], [at.month(), at.day()]);
        let (date, time) = ([century as i8, year as i8, month, day], [at.hour(), at.minute(), at.second()]);
        let mut text = *b"0000-00-00T00:00:00Z";
        for (place, number) in [0, 2, 5, 8, 11, 14, 17].into_iter().zip(date.into_iter().chain(time)) {
            if let Some([tens, ones]) = text.get_mut(place..place + 2) {
                (*tens, *ones) = (b'0' + number as u8 / 10, b'0' + number as u8 % 10);
            }
        }
        f.write_str(core::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_rounded_down() {
        assert_eq!(Time::from_millis(1_999).seconds(), 1);
        assert_eq!(Time::from_millis(2_000).seconds(), 2);
    }

    #[test]
    fn is_written_as_rfc_3339() {
        assert_eq!(Time::from_seconds(1_790_000_000).to_string(), "2026-09-21T14:13:20Z");
        assert_eq!(Time::MAX.to_string(), "9999-12-30T22:00:00Z");
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Time::MAX.after(Duration::from_secs(1)), Time::MAX);
        assert_eq!(Time::from_seconds(1).since(Time::from_seconds(2)), Duration::ZERO);
    }
}

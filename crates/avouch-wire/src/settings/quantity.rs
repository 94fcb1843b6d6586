//! Quantities written with a unit: durations, sizes, rates.

use core::fmt;
use core::num::NonZeroU32;
use core::time::Duration;

/// A number of events per span of time: `"100/s"`, `"6000/min"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many events, 1 to [`Rate::MAX`].
    pub count: NonZeroU32,
    /// In which span.
    pub per: Span,
}

/// The span a [`Rate`] counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// A second.
    Second,
    /// A minute.
    Minute,
    /// An hour.
    Hour,
    /// A day of 86 400 seconds.
    Day,
}

impl Rate {
    /// The highest count. Beyond a million per second an interval is below a microsecond, and a
    /// limit is no limit.
    pub const MAX: u32 = 1_000_000;

    /// Reads `count/unit` with unit `s`, `min`, `h` or `d`.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (count, unit) = text.split_once('/')?;
        let count = digits(count.trim_end())?;
        let count = u32::try_from(count).ok().filter(|count| *count <= Self::MAX)?;
        let per = Span::ALL.into_iter().find(|span| span.unit() == unit.trim_start())?;
        Some(Self { count: NonZeroU32::new(count)?, per })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, self.per.unit())
    }
}

impl Span {
    const ALL: [Self; 4] = [Self::Second, Self::Minute, Self::Hour, Self::Day];

    /// Its length in seconds.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
        }
    }

    const fn unit(self) -> &'static str {
        match self {
            Self::Second => "s",
            Self::Minute => "min",
            Self::Hour => "h",
            Self::Day => "d",
        }
    }
}

/// Reads `5s`, `250ms`, `10min`, `1h`, `7d`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = split_unit(text)?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}

/// Reads `512B`, `64KiB`, `1MiB`, `2GiB`, in octets.
pub(super) fn size(text: &str) -> Option<u64> {
    let (number, unit) = split_unit(text)?;
    let octets = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(octets)
}

/// A number and what follows it, with optional blanks between.
fn split_unit(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(end)?;
    Some((digits(number)?, unit.trim_start_matches(' ')))
}

/// Decimal digits only: `u64::from_str` would take a sign.
fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("5s"), Some(Duration::from_secs(5)));
        assert_eq!(duration("250 ms"), Some(Duration::from_millis(250)));
        assert_eq!(duration("1h"), Some(Duration::from_secs(3_600)));
        assert_eq!(duration("7d"), Some(Duration::from_secs(604_800)));
        for near_miss in ["", "5", "s", "-5s", "+5s", "5m", "5S", "1.5s", "5s ", "18446744073709551615d"] {
            assert_eq!(duration(near_miss), None, "{near_miss}");
        }
    }

    #[test]
    fn sizes_have_a_binary_unit() {
        assert_eq!(size("64KiB"), Some(65_536));
        assert_eq!(size("1 MiB"), Some(1 << 20));
        assert_eq!(size("512B"), Some(512));
        for near_miss in ["", "64", "64KB", "64k", "-1B", "18446744073709551615KiB"] {
            assert_eq!(size(near_miss), None, "{near_miss}");
        }
    }

    #[test]
    fn rates_have_a_span() {
        let rate = |text| Rate::read(text).map(|rate| (rate.count.get(), rate.per));
        assert_eq!(rate("100/s"), Some((100, Span::Second)));
        assert_eq!(rate("6000 / min"), Some((6000, Span::Minute)));
        assert_eq!(rate("1000000/s"), Some((1_000_000, Span::Second)));
        for near_miss in ["", "100", "/s", "0/s", "100/m", "100/sec", "1000001/s", "-1/s", "1/s/s"] {
            assert_eq!(rate(near_miss), None, "{near_miss}");
        }
        assert_eq!(Rate::read("10/h").unwrap().to_string(), "10/h");
    }
}

//! Times as logs write them.

use avouch_wire::time::Time;
use jiff::Timestamp;
use jiff::civil::{Date, Time as Clock};
use jiff::tz::Offset;

/// Unix time in seconds above this is in fact in milliseconds: as seconds it would be the year 5138.
const MILLISECONDS_ABOVE: f64 = 1e11;

const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// `21/Nov/2026:00:05:00 +0000`, as in the common and combined formats.
pub(super) fn of_log(text: &[u8]) -> Option<Time> {
    let (date, clock) = text.split_first_chunk::<11>()?;
    let &[d1, d2, b'/', m1, m2, m3, b'/', y1, y2, y3, y4] = date else { return None };
    let &[b':', h1, h2, b':', n1, n2, b':', s1, s2, b' ', sign, zh1, zh2, zm1, zm2] = clock else {
        return None;
    };
    let month = MONTHS.iter().position(|month| **month == [m1, m2, m3])?;
    let year = i16::from(two(y1, y2)?) * 100 + i16::from(two(y3, y4)?);
    let date = Date::new(year, i8::try_from(month).ok()? + 1, two(d1, d2)?).ok()?;
    // A leap second is logged as 60; the second before it is as good.
    let clock = Clock::new(two(h1, h2)?, two(n1, n2)?, two(s1, s2)?.min(59), 0).ok()?;
    let minutes = i32::from(two(zh1, zh2)?) * 60 + i32::from(two(zm1, zm2)?);
    let ahead = match sign {
        b'+' => minutes,
        b'-' => -minutes,
        _ => return None,
    };
    let offset = Offset::from_seconds(ahead * 60).ok()?;
    of_timestamp(offset.to_timestamp(date.to_datetime(clock)).ok()?)
}

/// Any spelling met in JSON: RFC 3339, Unix seconds in text, or as [`of_log`].
pub(super) fn of_text(text: &str) -> Option<Time> {
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return of_timestamp(timestamp);
    }
    text.parse().ok().and_then(of_number).or_else(|| of_log(text.as_bytes()))
}

/// Unix time, in seconds or milliseconds.
pub(super) fn of_number(number: f64) -> Option<Time> {
    let millis = if number > MILLISECONDS_ABOVE { number } else { number * 1e3 };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
    (0.0..MILLISECONDS_ABOVE * 1e3).contains(&millis).then_some(Time::from_millis(millis as u64))
}

fn of_timestamp(timestamp: Timestamp) -> Option<Time> {
    u64::try_from(timestamp.as_millisecond()).ok().map(Time::from_millis)
}

fn two(tens: u8, ones: u8) -> Option<i8> {
    let digit = |octet: u8| octet.is_ascii_digit().then(|| octet.wrapping_sub(b'0'));
    i8::try_from(digit(tens)? * 10 + digit(ones)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_names_the_same_moment() {
        let moment = Some(Time::from_seconds(1_795_219_500));
        assert_eq!(of_log(b"21/Nov/2026:00:05:00 +0000"), moment);
        assert_eq!(of_log(b"20/Nov/2026:18:35:00 -0530"), moment);
        for text in ["2026-11-21T00:05:00Z", "2026-11-21T01:05:00+01:00", "1795219500", "1795219500.000"] {
            assert_eq!(of_text(text), moment, "{text}");
        }
        assert_eq!(of_text("21/Nov/2026:01:05:00 +0100"), moment);
        assert_eq!((of_number(1_795_219_500.0), of_number(1_795_219_500_000.0)), (moment, moment));
    }

    #[test]
    fn near_misses_are_refused() {
        for text in [
            "",
            "21/Nov/2026",
            "21/nov/2026:00:05:00 +0000",
            "32/Nov/2026:00:05:00 +0000",
            "21/Nov/2026:24:05:00 +0000",
            "21/Nov/2026:00:05:00 0000",
            "21/Nov/2026:00:05:00 +0000 ",
            "01/Jan/1969:00:00:00 +0000",
            "2026-11-21",
            "-1",
            "NaN",
            "inf",
            "1e300",
        ] {
            assert_eq!(of_text(text), None, "{text}");
        }
    }
}

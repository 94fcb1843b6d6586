//! Points in time as given on the command line.

use avouch_wire::time::Time;

/// Reads Unix seconds or an RFC 3339 timestamp.
pub(crate) fn parse(text: &str) -> Result<Time, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(Time::from_seconds(seconds));
    }
    let timestamp: jiff::Timestamp =
        text.parse().map_err(|_| "write Unix seconds, or 2026-09-21T14:13:20Z".to_owned())?;
    let millis = u64::try_from(timestamp.as_millisecond());
    millis.map(Time::from_millis).map_err(|_| "is before 1970".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_name_the_same_moment() {
        let moment = Ok(Time::from_seconds(1_790_000_000));
        assert_eq!(parse("1790000000"), moment);
        assert_eq!(parse("2026-09-21T14:13:20Z"), moment);
        assert_eq!(parse("2026-09-21T16:13:20+02:00"), moment);
        for text in ["", "-1", "tomorrow", "2026-09-21", "1969-12-31T23:59:59Z"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}

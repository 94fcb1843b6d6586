//! `traceparent`: which trace a request belongs to (W3C Trace Context, Recommendation of 2021-11-23, section 3.2).

use core::fmt;

/// Octets of version 00, and of what later versions begin with.
const LENGTH: usize = 55;

/// The flag that whoever sent it may have recorded the trace.
const SAMPLED: u8 = 1;

/// A trace, and the span in it that a request is sent by. Neither number is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    trace: u128,
    span: u64,
    /// Whether the sender may have recorded its part.
    pub sampled: bool,
}

impl TraceParent {
    /// A trace and a span; `None` where a number is zero, which names none.
    #[must_use]
    pub const fn new(trace: u128, span: u64, sampled: bool) -> Option<Self> {
        if trace == 0 || span == 0 { None } else { Some(Self { trace, span, sampled }) }
    }

    /// Reads the value of the field: `00-` 32 hexadecimal digits `-` 16 digits `-` 2 digits, in lower case. Of a later
    /// version, but for `ff`, the same beginning counts, and what follows it after another `-` does not (section 3.2.4).
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (head, rest) = value.split_at_checked(LENGTH)?;
        let version = match head.split_at_checked(2)? {
            (b"ff", _) => return None,
            (version, _) => hexadecimal(version)?,
        };
        if !rest.is_empty() && (version == 0 || rest.first() != Some(&b'-')) {
            return None;
        }
        let mut parts = head.splitn(4, |octet| *octet == b'-').skip(1);
        let (trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?);
        if (trace.len(), span.len(), flags.len()) != (32, 16, 2) {
            return None;
        }
        let flags = u8::try_from(hexadecimal(flags)?).ok()?;
        let span = u64::try_from(hexadecimal(span)?).ok()?;
        Self::new(hexadecimal(trace)?, span, flags & SAMPLED != 0)
    }

    /// The trace.
    #[must_use]
    pub const fn trace(&self) -> u128 {
        self.trace
    }

    /// The span that the request is sent by.
    #[must_use]
    pub const fn span(&self) -> u64 {
        self.span
    }
}

/// As version 00. Flags other than that of the sample are not passed on, for nothing is known of them.
impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, u8::from(self.sampled))
    }
}

/// At most 32 digits in lower case.
fn hexadecimal(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number: u128, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// That of the Recommendation, section 3.2.3.
    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn the_example_of_the_recommendation_is_read_and_written_back() {
        let read = TraceParent::parse(EXAMPLE.as_bytes()).unwrap();
        assert_eq!(read.trace(), 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!((read.span(), read.sampled), (0x00f0_67aa_0ba9_02b7, true));
        assert_eq!(read.to_string(), EXAMPLE);
        let not = TraceParent::parse(EXAMPLE.replace("-01", "-00").as_bytes()).unwrap();
        assert!(!not.sampled);
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known() {
        let known = TraceParent::parse(EXAMPLE.as_bytes());
        for later in
            [EXAMPLE.replacen("00", "cc", 1), format!("{}-what-comes", EXAMPLE.replacen("00", "01", 1))]
        {
            assert_eq!(TraceParent::parse(later.as_bytes()), known, "{later}");
        }
    }

    #[test]
    fn near_misses_name_no_trace() {
        for near in [
            "".to_owned(),
            EXAMPLE.to_uppercase(),
            EXAMPLE.replacen("00", "ff", 1),
            EXAMPLE.replacen("00", "0g", 1),
            format!("{EXAMPLE}-more"),
            format!("{}x", EXAMPLE.replacen("00", "01", 1)),
            format!(" {EXAMPLE}"),
            EXAMPLE.replace('-', "_"),
            EXAMPLE.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            EXAMPLE.replace("00f067aa0ba902b7", &"0".repeat(16)),
            EXAMPLE.replace("4736-00", "47-3600"),
        ] {
            assert_eq!(TraceParent::parse(near.as_bytes()), None, "{near}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_the_same(trace in 1_u128.., span in 1_u64.., sampled: bool) {
            let parent = TraceParent::new(trace, span, sampled);
            let text = parent.unwrap().to_string();
            prop_assert_eq!(TraceParent::parse(text.as_bytes()), parent);
        }
    }
}

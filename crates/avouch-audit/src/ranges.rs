//! Address ranges that an operator publishes for its crawler, in the JSON shape of Google, Bing and
//! OpenAI: `{"prefixes": [{"ipv4Prefix": "192.0.2.0/24"}, {"ipv6Prefix": "2001:db8::/32"}]}`.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::Deserialize;
use std::net::IpAddr;
use thiserror::Error;

/// The largest file read, in octets. Those published take some ten kilobytes.
pub const LARGEST: usize = 4 << 20;

/// Most ranges of one file. The longest list published has some hundreds, and each address is
/// compared with all of them.
const MOST: usize = 10_000;

/// The addresses of one crawler.
#[derive(Clone, Debug, Default)]
pub struct Ranges(Vec<IpNet>);

/// Why a file of ranges cannot be used.
#[derive(Debug, Error)]
pub enum RangesError {
    /// Not JSON of that shape.
    #[error(
        "line {line}, column {column}: is not as {{\"prefixes\": [{{\"ipv4Prefix\": \"192.0.2.0/24\"}}]}}"
    )]
    Shape {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// Without any range nobody could be confirmed, and everybody would have lied.
    #[error("holds no range")]
    Empty,
    /// More than are compared.
    #[error("holds more than {MOST} ranges")]
    TooMany,
    /// Larger than is read.
    #[error("is larger than {} MiB", LARGEST >> 20)]
    TooLarge,
}

#[derive(Deserialize)]
struct File {
    prefixes: Vec<Prefix>,
}

#[derive(Deserialize)]
enum Prefix {
    #[serde(rename = "ipv4Prefix")]
    V4(Ipv4Net),
    #[serde(rename = "ipv6Prefix")]
    V6(Ipv6Net),
}

impl Ranges {
    /// Reads a file.
    ///
    /// # Errors
    /// [`RangesError`].
    pub fn parse(text: &[u8]) -> Result<Self, RangesError> {
        if text.len() > LARGEST {
            return Err(RangesError::TooLarge);
        }
        let file: File = serde_json::from_slice(text)
            .map_err(|error| RangesError::Shape { line: error.line(), column: error.column() })?;
        let nets = file.prefixes.into_iter().map(|prefix| match prefix {
            Prefix::V4(net) => IpNet::V4(net),
            Prefix::V6(net) => IpNet::V6(net),
        });
        let nets: Vec<_> = nets.collect();
        match nets.len() {
            0 => Err(RangesError::Empty),
            1..=MOST => Ok(Self(nets)),
            _ => Err(RangesError::TooMany),
        }
    }

    /// Adds the ranges of another file of the same crawler.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Whether one of them holds the address.
    #[must_use]
    pub fn hold(&self, address: IpAddr) -> bool {
        self.0.iter().any(|net| net.contains(&address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"{"creationTime": "2026-11-21T00:00:00.000000", "prefixes": [
        {"ipv6Prefix": "2001:db8:10::/64"}, {"ipv4Prefix": "192.0.2.0/27"}]}"#;

    #[test]
    fn a_range_holds_its_addresses_and_not_their_neighbours() {
        let ranges = Ranges::parse(FILE.as_bytes()).unwrap();
        for (text, held) in [
            ("192.0.2.0", true),
            ("192.0.2.31", true),
            ("192.0.2.32", false),
            ("2001:db8:10::ffff", true),
            ("2001:db8:10:1::", false),
        ] {
            assert_eq!(ranges.hold(text.parse().unwrap()), held, "{text}");
        }
    }

    #[test]
    fn near_misses_are_refused() {
        let refused = |text: &str| Ranges::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(refused("{\n\"prefixes\": [}").starts_with("line 2, column 14"));
        for (from, to) in [
            ("/27", "/33"),
            ("/27", ""),
            ("ipv6Prefix", "ipv4Prefix"),
            ("ipv4Prefix", "prefix"),
            ("prefixes", "Prefixes"),
        ] {
            assert!(refused(&FILE.replace(from, to)).starts_with("line "), "{to}");
        }
        assert_eq!(refused(r#"{"prefixes": []}"#), "holds no range");
        let many = vec![r#"{"ipv4Prefix": "192.0.2.0/24"}"#; MOST + 1].join(",");
        assert_eq!(refused(&format!(r#"{{"prefixes": [{many}]}}"#)), "holds more than 10000 ranges");
    }
}

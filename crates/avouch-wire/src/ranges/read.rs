//! A range file, read strictly.

use super::{MAX_OCTETS, MAX_PREFIXES, Ranges};
use crate::record::{Network, NetworkError};
use crate::span::{Span, canonical};
use crate::time::Time;
use ipnet::IpNet;
use serde::Deserialize;
use std::borrow::Cow;
use std::net::IpAddr;
use thiserror::Error;

/// The longest text that is tried as a prefix: an IPv6 address in full, mapped, with its length.
const LONGEST_PREFIX: usize = 49;

/// Why a file is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RangesError {
    /// Too large.
    #[error("has more than {MAX_OCTETS} octets, more than any range file; name the operator's JSON file")]
    TooLong,
    /// Not JSON.
    #[error("line {line}, column {column}: is not JSON; fetch the file anew from its operator")]
    Syntax {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// JSON of another shape.
    #[error(
        "line {line}, column {column}: is not of the shape \
         {{\"prefixes\":[{{\"ipv4Prefix\":\"192.0.2.0/24\"}}]}}; name the operator's JSON file"
    )]
    Shape {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// No prefixes: such a file would make a liar of every crawler that tells the truth.
    #[error("names no prefix; fetch the file anew from its operator")]
    Empty,
    /// Too many prefixes.
    #[error("names more than {MAX_PREFIXES} prefixes; name one file for each crawler")]
    TooMany,
    /// A prefix that cannot be used.
    #[error("prefix {number}: {flaw}")]
    Prefix {
        /// Which one in the list, from 1.
        number: usize,
        /// What is wrong with it.
        flaw: PrefixFlaw,
    },
}

/// What is wrong with a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PrefixFlaw {
    /// Neither member, or both.
    #[error("has not exactly one of ipv4Prefix and ipv6Prefix; give it the one of its family")]
    NotOne,
    /// IPv6 under the name of IPv4, or IPv4 under that of IPv6.
    #[error("is of the other family than its name says; name it ipv4Prefix or ipv6Prefix as it is")]
    Family,
    /// Not a network, or one that is refused in a record as well.
    #[error("{0}; write a network such as 192.0.2.0/24 or 2001:db8::/32")]
    Network(NetworkError),
}

/// The file, as far as it is read; members that mean nothing here are passed over.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    #[serde(borrow, default)]
    creation_time: Option<Cow<'a, str>>,
    #[serde(borrow)]
    prefixes: Vec<Prefix<'a>>,
}

#[derive(Deserialize)]
struct Prefix<'a> {
    #[serde(borrow, default, rename = "ipv4Prefix")]
    v4: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "ipv6Prefix")]
    v6: Option<Cow<'a, str>>,
}

pub(super) fn ranges(octets: &[u8]) -> Result<Ranges, RangesError> {
    if octets.len() > MAX_OCTETS {
        return Err(RangesError::TooLong);
    }
    let document: Document<'_> = serde_json::from_slice(octets).map_err(|error| unreadable(&error))?;
    match document.prefixes.len() {
        0 => return Err(RangesError::Empty),
        1..=MAX_PREFIXES => {}
        _ => return Err(RangesError::TooMany),
    }
    let mut spans = Vec::with_capacity(document.prefixes.len());
    for (number, prefix) in (1..).zip(&document.prefixes) {
        let network = prefix.read().map_err(|flaw| RangesError::Prefix { number, flaw })?;
        spans.push(Span::of(network));
    }
    let created = document.creation_time.as_deref().and_then(moment);
    Ok(Ranges { created, ..Ranges::of(spans.into_iter()) })
}

fn unreadable(error: &serde_json::Error) -> RangesError {
    let (line, column) = (error.line(), error.column());
    match error.classify() {
        serde_json::error::Category::Data => RangesError::Shape { line, column },
        _ => RangesError::Syntax { line, column },
    }
}

impl Prefix<'_> {
    fn read(&self) -> Result<IpNet, PrefixFlaw> {
        let (text, v4) = match (&self.v4, &self.v6) {
            (Some(text), None) => (text, true),
            (None, Some(text)) => (text, false),
            _ => return Err(PrefixFlaw::NotOne),
        };
        let network = network(text).map_err(PrefixFlaw::Network)?;
        let written = network.network().is_ipv4();
        if written == v4 { mapped(network) } else { Err(PrefixFlaw::Family) }
    }
}

/// A network under the rules of a record, or an address, which is a network of its own: some
/// operators list single addresses without a length.
fn network(text: &str) -> Result<IpNet, NetworkError> {
    if text.len() > LONGEST_PREFIX {
        return Err(NetworkError::Syntax);
    }
    match text.parse::<IpAddr>() {
        Ok(address) => Ok(IpNet::from(address)),
        Err(_) => Network::parse(text).map(|network| network.net()),
    }
}

/// IPv4 mapped into IPv6 is IPv4, and held to the rules of IPv4.
fn mapped(network: IpNet) -> Result<IpNet, PrefixFlaw> {
    let network = canonical(network);
    Network::parse(&network.to_string()).map(|network| network.net()).map_err(PrefixFlaw::Network)
}

/// The moment a file names: RFC 3339, or the same without a zone, which stands for UTC. What is
/// neither is no moment; nothing hangs on it.
fn moment(text: &str) -> Option<Time> {
    let zoned = text.parse::<jiff::Timestamp>();
    let timestamp = zoned.or_else(|_| {
        let civil: jiff::civil::DateTime = text.parse()?;
        Ok::<_, jiff::Error>(civil.to_zoned(jiff::tz::TimeZone::UTC)?.timestamp())
    });
    let milliseconds = timestamp.ok()?.as_millisecond();
    Some(Time::from_millis(u64::try_from(milliseconds).ok()?))
}

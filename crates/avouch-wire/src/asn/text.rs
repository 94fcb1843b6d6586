//! Tables as text, a network on each line: tab-separated as iptoasn publishes them, or
//! comma-separated as GeoLite2-ASN-Blocks.

use super::{AsnError, Rows};
use crate::record::NetworkError;
use crate::span::Span;
use ipnet::IpNet;
use std::net::IpAddr;
use thiserror::Error;

/// The longest line that is read. Names of operators have up to some hundred octets.
const LONGEST_LINE: usize = 4096;

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LineFlaw {
    /// Too long.
    #[error("is longer than {LONGEST_LINE} octets; is this a table of networks?")]
    TooLong,
    /// Too few columns.
    #[error("has too few columns; write `first<tab>last<tab>number` or `network,number`")]
    Columns,
    /// An address that is none.
    #[error("holds something that is not an address; write 192.0.2.0 or 2001:db8::")]
    Address,
    /// Addresses of two families, or the wrong way round.
    #[error("does not go from a lower address to a higher one of its family; write the lower one first")]
    Order,
    /// A network that is none.
    #[error("{0}; write a network such as 192.0.2.0/24")]
    Network(NetworkError),
    /// A number that is none.
    #[error("holds something that is not the number of an autonomous system; write 0 to 4294967295")]
    Number,
}

pub(super) fn rows(octets: &[u8]) -> Result<Rows, AsnError> {
    let mut rows = Rows::default();
    for (line, text) in (1..).zip(octets.split(|octet| *octet == b'\n')) {
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if text.is_empty() {
            continue;
        }
        match row(text) {
            Ok((span, origin)) => rows.push(span, origin)?,
            Err(_) if line == 1 && is_heading(text) => {}
            Err(flaw) => return Err(AsnError::Line { line, flaw }),
        }
    }
    Ok(rows)
}

fn row(line: &[u8]) -> Result<(Span, u32), LineFlaw> {
    if line.len() > LONGEST_LINE {
        return Err(LineFlaw::TooLong);
    }
    let separator = if line.contains(&b'\t') { b'\t' } else { b',' };
    // What comes after the columns that are read may hold anything, in any encoding.
    let mut columns = line.split(|octet| *octet == separator).map(column);
    let mut next = || columns.next().ok_or(LineFlaw::Columns);
    let first = next()?;
    let span = match first.contains('/') {
        true => Span::of(network(first)?),
        false => {
            let address = |text: &str| text.parse::<IpAddr>().map_err(|_| LineFlaw::Address);
            let (first, last) = (address(first)?, address(next()?)?);
            Span::between(first, last).ok_or(LineFlaw::Order)?
        }
    };
    Ok((span, number(next()?)?))
}

/// A column as text; one that is not text is empty, which nothing accepts.
fn column(octets: &[u8]) -> &str {
    let text = std::str::from_utf8(octets).unwrap_or_default();
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

fn network(text: &str) -> Result<IpNet, LineFlaw> {
    let network: IpNet = text.parse().map_err(|_| LineFlaw::Network(NetworkError::Syntax))?;
    match network.trunc() {
        meant if meant == network => Ok(network),
        meant => Err(LineFlaw::Network(NetworkError::HostBits(meant))),
    }
}

/// The number, with or without the letters AS before it.
fn number(text: &str) -> Result<u32, LineFlaw> {
    let digits = text.strip_prefix("AS").unwrap_or(text);
    let plain = digits.bytes().all(|octet| octet.is_ascii_digit());
    digits.parse().ok().filter(|_| plain).ok_or(LineFlaw::Number)
}

/// A first line that names its columns: `network,autonomous_system_number,…`.
fn is_heading(line: &[u8]) -> bool {
    let name = line.split(|octet| matches!(octet, b'\t' | b',')).next().map(column).unwrap_or_default();
    !name.is_empty() && name.bytes().all(|octet| octet.is_ascii_alphabetic() || octet == b'_')
}

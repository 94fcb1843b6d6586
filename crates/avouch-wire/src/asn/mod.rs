//! Which autonomous systems originate an address: tables of networks, as text or MMDB
//! (`docs/formats/asn.md`).

mod mmdb;
mod segments;
mod text;

pub use text::LineFlaw;

use crate::time::Time;
use segments::{Row, Segments};
use std::net::IpAddr;
use thiserror::Error;

/// The largest file that is read. A table of all routed networks has 30 to 60 MiB.
pub const MAX_OCTETS: usize = 256 << 20;

/// The most networks a table may name. About 1.3 million are routed (2026).
pub const MAX_ROWS: usize = 4_000_000;

/// How a gzip file begins (RFC 1952 section 2.3.1).
const GZIP: &[u8] = b"\x1f\x8b";

/// A table from addresses to the autonomous systems that originate them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AsnTable {
    v4: Segments<u32>,
    v6: Segments<u128>,
    built: Option<Time>,
}

/// Why a file is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AsnError {
    /// Too large.
    #[error("has more than {MAX_OCTETS} octets, more than any table of networks; name another file")]
    TooLong,
    /// Compressed.
    #[error("is compressed by gzip; unpack it with gunzip")]
    Compressed,
    /// A line that cannot be used.
    #[error("line {line}: {flaw}")]
    Line {
        /// From 1.
        line: usize,
        /// What is wrong with it.
        flaw: LineFlaw,
    },
    /// Too many networks.
    #[error("names more than {MAX_ROWS} networks, more than are routed; name another file")]
    TooMany,
    /// No network with an autonomous system.
    #[error(
        "names no autonomous system; name a table such as iptoasn's, GeoLite2-ASN-Blocks, or GeoLite2-ASN.mmdb"
    )]
    Empty,
    /// An MMDB file whose structure breaks.
    #[error(
        "is an MMDB file that is broken, or not of autonomous systems; fetch a GeoLite2-ASN.mmdb or its like"
    )]
    Mmdb,
}

impl AsnTable {
    /// Reads a table, whichever format it is in.
    ///
    /// # Errors
    /// [`AsnError`] names the first rule broken, where, and how to mend it.
    pub fn parse(octets: &[u8]) -> Result<Self, AsnError> {
        if octets.len() > MAX_OCTETS {
            return Err(AsnError::TooLong);
        }
        if octets.starts_with(GZIP) {
            return Err(AsnError::Compressed);
        }
        let (rows, built) = match mmdb::is_one(octets) {
            true => mmdb::rows(octets)?,
            false => (text::rows(octets)?, None),
        };
        if rows.v4.is_empty() && rows.v6.is_empty() {
            return Err(AsnError::Empty);
        }
        Ok(Self { v4: Segments::narrowest(rows.v4), v6: Segments::narrowest(rows.v6), built })
    }

    /// The autonomous systems that originate an address, in ascending order; none where the table
    /// does not know. IPv4 mapped into IPv6 counts as IPv4.
    #[must_use]
    pub fn origins(&self, address: IpAddr) -> &[u32] {
        match address.to_canonical() {
            IpAddr::V4(address) => self.v4.origins(address.to_bits()),
            IpAddr::V6(address) => self.v6.origins(address.to_bits()),
        }
    }

    /// When the table was built, where the file says so (MMDB).
    #[must_use]
    pub const fn built(&self) -> Option<Time> {
        self.built
    }

    /// How many runs of addresses with the same origins there are, of both families.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.v4.len().saturating_add(self.v6.len())
    }

    /// Whether it knows no address; never so of a file that was read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The rows of a file, by family, before they are put in order.
#[derive(Debug, Default)]
struct Rows {
    v4: Vec<Row<u32>>,
    v6: Vec<Row<u128>>,
}

impl Rows {
    /// Adds one; 0 is no autonomous system (RFC 7607), and stands for a network that nobody routes.
    fn push(&mut self, span: crate::span::Span, origin: u32) -> Result<(), AsnError> {
        use crate::span::Span;
        match span {
            _ if origin == 0 => {}
            Span::V4(first, last) => self.v4.push(Row { first, last, origin }),
            Span::V6(first, last) => self.v6.push(Row { first, last, origin }),
        }
        let count = self.v4.len().saturating_add(self.v6.len());
        if count > MAX_ROWS { Err(AsnError::TooMany) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;

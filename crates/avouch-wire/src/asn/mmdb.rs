//! Tables as MMDB files, walked once and kept as the same runs as those of text.

use super::{AsnError, MAX_ROWS, Rows};
use crate::span::Span;
use crate::time::Time;
use ipnet::IpNet;
use maxminddb::{Reader, WithinOptions};
use serde::Deserialize;

/// What stands before the metadata of an MMDB file.
const MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";

/// The metadata are within the last 128 KiB of a file (MaxMind DB specification, "Database
/// Metadata").
const METADATA: usize = 128 << 10;

/// The most ends of its tree that are visited: networks with a record, and as many gaps. A doctored
/// tree could have more of them than there are addresses.
const MAX_ENDS: usize = 2 * MAX_ROWS;

/// What is read of a record: the number as GeoLite2 and DB-IP write it, or as IPinfo does.
#[derive(Deserialize)]
struct Record<'a> {
    autonomous_system_number: Option<u32>,
    #[serde(borrow)]
    asn: Option<&'a str>,
}

pub(super) fn is_one(octets: &[u8]) -> bool {
    let from = octets.len().saturating_sub(METADATA);
    octets.get(from..).unwrap_or_default().windows(MARKER.len()).any(|window| window == MARKER)
}

/// The rows of a file, and when it was built.
pub(super) fn rows(octets: &[u8]) -> Result<(Rows, Option<Time>), AsnError> {
    let reader = Reader::from_source(octets).map_err(|_| AsnError::Mmdb)?;
    let options = WithinOptions::default().include_networks_without_data();
    let mut rows = Rows::default();
    for (count, found) in reader.networks(options).map_err(|_| AsnError::Mmdb)?.enumerate() {
        if count >= MAX_ENDS {
            return Err(AsnError::TooMany);
        }
        let found = found.map_err(|_| AsnError::Mmdb)?;
        let Some(record) = found.decode::<Record<'_>>().map_err(|_| AsnError::Mmdb)? else { continue };
        let network = found.network().map_err(|_| AsnError::Mmdb)?;
        let network = IpNet::new(network.ip(), network.prefix()).map_err(|_| AsnError::Mmdb)?;
        rows.push(Span::of(network), record.number())?;
    }
    let built = reader.metadata().build_epoch;
    Ok((rows, Some(Time::from_seconds(built)).filter(|_| built > 0)))
}

impl Record<'_> {
    /// The number; 0 where the record has none.
    fn number(&self) -> u32 {
        let written = || self.asn?.strip_prefix("AS")?.parse().ok();
        self.autonomous_system_number.or_else(written).unwrap_or_default()
    }
}

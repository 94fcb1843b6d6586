//! What data on this machine say of networks: the autonomous systems that originate an address, and
//! the ranges of crawlers.
//!
//! They come as octets with the moment they were received, from files ([`Sources`]) or from whom
//! publishes them ([`feeds`]). What is refused changes nothing, so the last good data stay, and grow old.

pub mod feeds;
mod files;

pub use files::{SourceError, Sources};

use avouch_engine::evidence::{Held, MAX_ASN_AGE, MAX_RANGES_AGE, Network, NetworkQuestion, Questions};
use avouch_engine::request::{AddressEvidence, Peer};
use avouch_wire::asn::{AsnError, AsnTable};
use avouch_wire::ranges::{Ranges, RangesError};
use avouch_wire::time::Time;
use files::Stamp;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Everything that is known of networks. Cheap to copy; a change makes another one.
#[derive(Clone, Debug, Default)]
pub struct Networks {
    asn: Option<(String, Dated<AsnTable>)>,
    /// By crawler, then by where they came from. As many as the operator names.
    ranges: BTreeMap<String, BTreeMap<String, Dated<Ranges>>>,
}

/// Data with their age.
#[derive(Clone, Debug)]
struct Dated<T> {
    value: Arc<T>,
    from: Time,
    /// How the file looked they were read from, if it was one.
    stamp: Option<Stamp>,
}

/// How old one source is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Age<'a> {
    /// What it is for: a crawler's name, or `asn`.
    pub of: &'a str,
    /// Where it came from.
    pub source: &'a str,
    /// How old it is.
    pub age: Duration,
    /// How old it may become before it says nothing.
    pub oldest: Duration,
}

/// As [`Age::of`] calls the table of autonomous systems.
const ASN: &str = "asn";

impl Networks {
    /// Takes a table of autonomous systems in place of the one before.
    ///
    /// # Errors
    /// [`AsnError`], and nothing changes.
    pub fn receive_asn(&mut self, source: &str, octets: &[u8], received_at: Time) -> Result<(), AsnError> {
        let table = AsnTable::parse(octets)?;
        // Whatever it says, it was built before it was received.
        let from = table.built().map_or(received_at, |built| built.min(received_at));
        self.asn = Some((source.to_owned(), Dated { value: Arc::new(table), from, stamp: None }));
        Ok(())
    }

    /// Takes ranges of a crawler in place of those that came from the same source before.
    ///
    /// # Errors
    /// [`RangesError`], and nothing changes.
    pub fn receive_ranges(
        &mut self,
        crawler: &str,
        source: &str,
        octets: &[u8],
        received_at: Time,
    ) -> Result<(), RangesError> {
        self.hold_ranges(crawler, source, Arc::new(Ranges::parse(octets)?), received_at);
        Ok(())
    }

    /// The same, of ranges that were read already.
    pub(crate) fn hold_ranges(&mut self, crawler: &str, source: &str, value: Arc<Ranges>, from: Time) {
        let ranges = Dated { value, from, stamp: None };
        self.ranges.entry(crawler.to_owned()).or_default().insert(source.to_owned(), ranges);
    }

    /// What they say to the questions of a claim made by `peer`, where its address is evidence; DNS is not
    /// asked.
    #[must_use]
    pub fn network(&self, questions: &Questions, peer: &Peer) -> Network {
        match &questions.network {
            Some(question) if peer.evidence == AddressEvidence::Client => self.answer(question, peer.address),
            _ => Network::default(),
        }
    }

    /// What they say of an address: of a crawler its ranges, of anybody else the origins.
    pub(crate) fn answer(&self, question: &NetworkQuestion, address: IpAddr) -> Network {
        match &question.crawler {
            Some(crawler) => Network { in_ranges: self.in_ranges(crawler, address), ..Network::default() },
            None => Network { origins: self.origins(address), ..Network::default() },
        }
    }

    /// The autonomous systems that originate an address.
    #[must_use]
    pub fn origins(&self, address: IpAddr) -> Held<Vec<u32>> {
        match &self.asn {
            Some((_, Dated { value, from, .. })) => {
                Held::Data { value: value.origins(address).to_vec(), from: *from }
            }
            None => Held::Missing,
        }
    }

    /// Those that may be relied on now; none where they are not known.
    #[must_use]
    pub fn current_origins(&self, address: IpAddr, now: Time) -> Vec<u32> {
        self.origins(address).current(now, MAX_ASN_AGE).cloned().unwrap_or_default()
    }

    /// Whether an address lies in the ranges of a crawler. That it does is as old as the newest
    /// data that say so; that it does not, as old as the oldest of all.
    #[must_use]
    pub fn in_ranges(&self, crawler: &str, address: IpAddr) -> Held<bool> {
        let sources = || self.ranges.get(crawler).into_iter().flat_map(BTreeMap::values);
        let inside = sources().filter(|ranges| ranges.value.contains(address)).map(|ranges| ranges.from);
        match (inside.max(), sources().map(|ranges| ranges.from).min()) {
            (Some(from), _) => Held::Data { value: true, from },
            (None, Some(from)) => Held::Data { value: false, from },
            (None, None) => Held::Missing,
        }
    }

    /// How old everything is.
    pub fn ages(&self, now: Time) -> impl Iterator<Item = Age<'_>> {
        let asn = self.asn.iter().map(move |(source, table)| Age {
            of: ASN,
            source,
            age: now.since(table.from),
            oldest: MAX_ASN_AGE,
        });
        asn.chain(self.ranges.iter().flat_map(move |(of, sources)| {
            sources.iter().map(move |(source, ranges)| Age {
                of,
                source,
                age: now.since(ranges.from),
                oldest: MAX_RANGES_AGE,
            })
        }))
    }
}

#[cfg(test)]
mod tests;

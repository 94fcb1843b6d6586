//! What an audit found, in the order in which it is told.

use crate::judging::{Finding, Outcome};
use crate::tally::{Pair, Reading, Tally};
use crate::timeline::Timeline;
use avouch_engine::claim::{Catalogue, Crawler};
use avouch_engine::reason::Reason;
use avouch_wire::time::Time;
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// Claims that came to the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Requests that made them.
    pub requests: u64,
    /// Addresses these came from, counted once for each crawler.
    pub addresses: u64,
}

/// Claims by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The address is the crawler's.
    pub confirmed: Count,
    /// It is not.
    pub lied: Count,
    /// It could not be found out.
    pub undetermined: Count,
    /// There is nothing to check it by.
    pub not_checkable: Count,
    /// Requests from addresses beyond [`crate::MOST_PAIRS`], which nobody checked.
    pub beyond: u64,
}

/// One crawler.
#[derive(Clone, Debug)]
pub struct Row {
    /// As operators call it.
    pub crawler: String,
    /// The domain that answers for it.
    pub domain: String,
    /// What became of claims to be it.
    pub counts: Counts,
}

/// One address that claimed to be a crawler and is not.
#[derive(Clone, Debug)]
pub struct Liar<'a> {
    /// The address.
    pub address: IpAddr,
    /// The crawler it claimed to be.
    pub crawler: &'a str,
    /// Requests it made as that.
    pub requests: u64,
    /// Octets it was sent.
    pub bytes: u64,
    /// The earliest.
    pub first: Option<Time>,
    /// The latest.
    pub last: Option<Time>,
    /// The name its address points to, whoever chose it. Text from outside.
    pub pointer: Option<&'a str>,
    /// The beginning of its user agent. Text from outside.
    pub agent: Cow<'a, str>,
    /// The beginnings of some paths it asked for. Text from outside.
    pub paths: Vec<Cow<'a, str>>,
}

/// What an audit found.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was read.
    pub reading: Reading,
    /// The crawlers somebody claimed to be, most lied about first.
    pub rows: Vec<Row>,
    /// All of them together.
    pub total: Counts,
    /// Why claims stayed undetermined, most frequent first.
    pub causes: Vec<(Reason, Count)>,
    /// When claims were made; `None` where the logs have no times.
    pub timeline: Option<Timeline>,
    tally: Arc<Tally>,
    findings: Vec<Finding>,
    /// The names of all crawlers, in the order of the catalogue.
    names: Vec<String>,
    /// The places of pairs that lied, in the order in which they are told.
    liars: Vec<u32>,
}

impl Report {
    pub(crate) fn new(tally: Arc<Tally>, findings: Vec<Finding>, catalogue: &Catalogue) -> Self {
        let mut rows: Vec<_> = catalogue.crawlers().zip(&tally.beyond).map(Row::new).collect();
        let names = rows.iter().map(|row| row.crawler.clone()).collect();
        let mut causes: BTreeMap<&str, (Reason, Count)> = BTreeMap::new();
        let mut liars = Vec::new();
        for ((at, pair), finding) in (0..).zip(&tally.pairs).zip(&findings) {
            let Some(row) = rows.get_mut(usize::from(pair.crawler)) else { continue };
            row.counts.of(finding.outcome).add(pair.requests);
            match finding.outcome {
                Outcome::Undetermined(reason) => {
                    causes.entry(reason.code()).or_insert((reason, Count::default())).1.add(pair.requests);
                }
                Outcome::Lied => liars.push(at),
                Outcome::Confirmed | Outcome::NotCheckable => {}
            }
        }
        rows.retain(|row| row.counts.requests() > 0);
        rows.sort_by_key(|row| Reverse((row.counts.lied.requests, row.counts.requests())));
        liars.sort_unstable_by_key(|at| {
            tally.pairs.get(*at as usize).map(|pair| (Reverse(pair.requests), pair.address, pair.crawler))
        });
        let mut causes: Vec<_> = causes.into_values().collect();
        causes.sort_by_key(|(_, count)| Reverse(count.requests));
        let total = rows.iter().fold(Counts::default(), |sum, row| sum.and(&row.counts));
        let timeline = tally.hours.timeline(&findings);
        let reading = tally.reading.clone();
        Self { reading, rows, total, causes, timeline, tally, findings, names, liars }
    }

    /// Who lied, most requests first.
    pub fn liars(&self) -> impl ExactSizeIterator<Item = Liar<'_>> {
        self.liars.iter().map(|at| self.liar(*at as usize))
    }

    fn liar(&self, at: usize) -> Liar<'_> {
        let (pair, finding) = (self.tally.pairs.get(at), self.findings.get(at));
        let text = String::from_utf8_lossy;
        Liar {
            address: pair.map_or(Ipv4Addr::UNSPECIFIED.into(), |pair| pair.address),
            crawler: pair.and_then(|pair| self.names.get(usize::from(pair.crawler))).map_or("", |name| name),
            requests: pair.map_or(0, |pair| pair.requests),
            bytes: pair.map_or(0, |pair| pair.bytes),
            first: pair.and_then(Pair::first),
            last: pair.and_then(Pair::last),
            pointer: finding.and_then(|finding| finding.pointer.as_deref()),
            agent: pair.and_then(|pair| self.tally.agent(pair)).map(text).unwrap_or_default(),
            paths: pair.into_iter().flat_map(|pair| self.tally.paths(pair)).map(text).collect(),
        }
    }
}

impl Row {
    fn new((crawler, beyond): (&Crawler, &u64)) -> Self {
        Self {
            crawler: crawler.name().to_owned(),
            domain: crawler.domain().as_str().to_owned(),
            counts: Counts { beyond: *beyond, ..Counts::default() },
        }
    }
}

impl Count {
    const fn add(&mut self, requests: u64) {
        self.requests += requests;
        self.addresses += 1;
    }

    const fn and(self, other: Self) -> Self {
        Self { requests: self.requests + other.requests, addresses: self.addresses + other.addresses }
    }
}

impl Counts {
    const fn of(&mut self, outcome: Outcome) -> &mut Count {
        match outcome {
            Outcome::Confirmed => &mut self.confirmed,
            Outcome::Lied => &mut self.lied,
            Outcome::Undetermined(_) => &mut self.undetermined,
            Outcome::NotCheckable => &mut self.not_checkable,
        }
    }

    const fn and(self, other: &Self) -> Self {
        Self {
            confirmed: self.confirmed.and(other.confirmed),
            lied: self.lied.and(other.lied),
            undetermined: self.undetermined.and(other.undetermined),
            not_checkable: self.not_checkable.and(other.not_checkable),
            beyond: self.beyond + other.beyond,
        }
    }

    /// All requests that claimed something.
    #[must_use]
    pub const fn requests(&self) -> u64 {
        self.confirmed.requests
            + self.lied.requests
            + self.undetermined.requests
            + self.not_checkable.requests
            + self.beyond
    }

    /// Addresses that claimed something, as far as they are kept apart.
    #[must_use]
    pub const fn addresses(&self) -> u64 {
        self.confirmed.addresses
            + self.lied.addresses
            + self.undetermined.addresses
            + self.not_checkable.addresses
    }
}

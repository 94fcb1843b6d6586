//! What was read: who claimed to be whom, from where, how often.

use crate::line::LineError;
use crate::reading::{Batch, EXAMPLES, Hit};
use crate::timeline::Hours;
use avouch_engine::claim::Catalogue;
use avouch_wire::time::Time;
use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use thiserror::Error;

/// Pairs of crawler and address kept apart: some 200 MB, with all that is found out about them. The largest sites see tens of thousands
/// in a day; who forges more addresses than this can be told without naming each.
pub const MOST_PAIRS: usize = 1_000_000;

/// Distinct user agents and paths kept as samples: 4 MB at most. Pairs met later go without.
const MOST_SAMPLES: usize = 1 << 14;

/// Paths shown of each pair.
const PATHS: usize = 3;

/// No sample.
const NONE: u32 = u32::MAX;

/// Seconds since 1970, as long as they fit: a pair takes less than a line of memory.
type Seconds = Option<NonZeroU32>;

/// What the logs hold.
#[derive(Debug)]
pub struct Tally {
    logs: Vec<PathBuf>,
    /// What was read, and what could not be.
    pub(crate) reading: Reading,
    /// The log whose lines come in now, and how many of it are in.
    at: (usize, u64),
    pub(crate) pairs: Vec<Pair>,
    places: HashMap<Key, u32>,
    /// [`MOST_PAIRS`].
    most: usize,
    samples: Samples,
    pub(crate) hours: Hours,
    /// For each crawler, requests from addresses beyond [`MOST_PAIRS`].
    pub(crate) beyond: Vec<u64>,
}

/// What was read, and what could not be.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// Lines, blank ones not counted.
    pub lines: u64,
    /// Lines of them that cannot be read.
    pub unreadable: u64,
    /// The first of those, and why.
    pub examples: Vec<Example>,
    /// Lines that name a user agent.
    pub with_agent: u64,
    /// The earliest time of a line.
    pub first: Option<Time>,
    /// The latest.
    pub last: Option<Time>,
}

/// A line that cannot be read; shown as its place and what is wrong with it.
#[derive(Clone, Debug, Error)]
#[error("{}:{line}: {error}", log.display())]
pub struct Example {
    /// The log.
    pub log: PathBuf,
    /// The line, from 1.
    pub line: u64,
    /// Why.
    pub error: LineError,
}

/// A crawler's place in the catalogue, and an address, IPv4 mapped into IPv6.
type Key = (u16, [u8; 16]);

/// Requests from one address that claim to be one crawler's.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) crawler: u16,
    pub(crate) address: IpAddr,
    pub(crate) requests: u64,
    pub(crate) bytes: u64,
    first: Seconds,
    last: Seconds,
    agent: u32,
    paths: [u32; PATHS],
}

impl Tally {
    pub(crate) fn new(logs: &[PathBuf], catalogue: &Catalogue) -> Self {
        Self {
            logs: logs.to_vec(),
            reading: Reading::default(),
            at: (0, 0),
            pairs: Vec::new(),
            places: HashMap::new(),
            most: MOST_PAIRS,
            samples: Samples::default(),
            hours: Hours::default(),
            beyond: vec![0; catalogue.crawlers().count()],
        }
    }

    /// What was read, and what could not be.
    #[must_use]
    pub const fn reading(&self) -> &Reading {
        &self.reading
    }

    /// Pairs of crawler and address to be judged.
    #[must_use]
    pub const fn pairs(&self) -> usize {
        self.pairs.len()
    }

    /// Says that no batch follows, and gives back the memory that only counting needed.
    pub(crate) fn close(&mut self) {
        self.places = HashMap::new();
        self.samples.places = HashMap::new();
        self.pairs.shrink_to_fit();
    }

    /// Adds a batch; those of one log come in order.
    pub(crate) fn add(&mut self, batch: &Batch) {
        if self.at.0 != batch.log {
            self.at = (batch.log, 0);
        }
        let reading = &mut self.reading;
        let room = EXAMPLES.saturating_sub(reading.examples.len());
        for (line, error) in batch.examples.iter().take(room) {
            let log = self.logs.get(batch.log).cloned().unwrap_or_default();
            reading.examples.push(Example { log, line: self.at.1 + line, error: *error });
        }
        self.at.1 += batch.lines;
        reading.lines += batch.lines - batch.blank;
        reading.unreadable += batch.unreadable;
        reading.with_agent += batch.with_agent;
        reading.first = reading.first.into_iter().chain(batch.first).min();
        reading.last = reading.last.max(batch.last);
        for hit in &batch.claims {
            self.claim(hit, batch.agent(hit), batch.path(hit));
        }
    }

    fn claim(&mut self, hit: &Hit, agent: &[u8], path: &[u8]) {
        let next = self.pairs.len();
        let at = match self.places.entry((hit.crawler, octets(hit.address))) {
            Slot::Occupied(slot) => *slot.get() as usize,
            Slot::Vacant(slot) if next < self.most => {
                slot.insert(u32::try_from(next).unwrap_or(NONE));
                self.pairs.push(Pair::new(hit, self.samples.place(agent)));
                next
            }
            Slot::Vacant(_) => {
                self.beyond.get_mut(usize::from(hit.crawler)).into_iter().for_each(|beyond| *beyond += 1);
                return;
            }
        };
        if let Some(pair) = self.pairs.get_mut(at) {
            pair.add(hit);
            self.hours.add(at, hit.time);
            pair.visit(path, &mut self.samples);
        }
    }

    /// The beginning of a user agent of this pair.
    pub(crate) fn agent(&self, pair: &Pair) -> Option<&[u8]> {
        self.samples.text(pair.agent)
    }

    /// The beginnings of some paths of this pair.
    pub(crate) fn paths(&self, pair: &Pair) -> impl Iterator<Item = &[u8]> {
        pair.paths.into_iter().filter_map(|path| self.samples.text(path))
    }
}

impl Pair {
    const fn new(hit: &Hit, agent: u32) -> Self {
        Self {
            crawler: hit.crawler,
            address: hit.address,
            requests: 0,
            bytes: 0,
            first: None,
            last: None,
            agent,
            paths: [NONE; PATHS],
        }
    }

    fn add(&mut self, hit: &Hit) {
        self.requests += 1;
        self.bytes = self.bytes.saturating_add(hit.bytes);
        let time = hit.time.and_then(|time| u32::try_from(time.seconds()).ok()).and_then(NonZeroU32::new);
        self.first = self.first.into_iter().chain(time).min();
        self.last = self.last.max(time);
    }

    /// When the first of its requests came, where the log says so.
    pub(crate) fn first(&self) -> Option<Time> {
        self.first.map(|seconds| Time::from_seconds(seconds.get().into()))
    }

    /// When the last came.
    pub(crate) fn last(&self) -> Option<Time> {
        self.last.map(|seconds| Time::from_seconds(seconds.get().into()))
    }

    fn visit(&mut self, path: &[u8], samples: &mut Samples) {
        if !self.paths.contains(&NONE) || path.is_empty() {
            return;
        }
        let sample = samples.place(path);
        if self.paths.contains(&sample) {
            return;
        }
        if let Some(free) = self.paths.iter_mut().find(|path| **path == NONE) {
            *free = sample;
        }
    }
}

fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// Texts, each kept once.
#[derive(Debug, Default)]
struct Samples {
    places: HashMap<Arc<[u8]>, u32>,
    texts: Vec<Arc<[u8]>>,
}

impl Samples {
    /// The place of a text; [`NONE`] when there is no room for another.
    fn place(&mut self, text: &[u8]) -> u32 {
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        let Some(place) = u32::try_from(self.texts.len()).ok().filter(|_| self.texts.len() < MOST_SAMPLES)
        else {
            return NONE;
        };
        let text: Arc<[u8]> = text.into();
        self.texts.push(Arc::clone(&text));
        self.places.insert(text, place);
        place
    }

    fn text(&self, place: u32) -> Option<&[u8]> {
        self.texts.get(place as usize).map(|text| &**text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(logs: &[&str]) -> Tally {
        let catalogue = Catalogue::built_in().unwrap();
        let mut tally = Tally::new(&["a.log".into(), "b.log".into()], &catalogue);
        for (log, text) in logs.iter().enumerate() {
            // Each line a batch of its own, as if blocks were short.
            for line in text.split_inclusive('\n') {
                tally.add(&Batch::of(log, line.as_bytes(), &catalogue));
            }
        }
        tally
    }

    fn line(address: &str, clock: &str, path: u8, agent: &str) -> String {
        format!(
            "{address} - - [21/Nov/2026:{clock} +0000] \"GET /{path} HTTP/1.1\" 200 10 \"-\" \"{agent}\"\n"
        )
    }

    #[test]
    fn requests_of_one_address_as_one_crawler_are_one_pair() {
        let log = [
            line("192.0.2.7", "00:05:00", 1, "Googlebot/2.1"),
            line("::ffff:192.0.2.7", "00:03:00", 2, "Googlebot-Image/1.0"),
            line("192.0.2.7", "00:04:00", 2, "bingbot"),
            line("192.0.2.7", "00:04:00", 3, "curl"),
        ];
        let tally = tally(&[&log.concat()]);
        assert_eq!((tally.pairs(), tally.reading.lines, tally.reading.with_agent), (2, 4, 4));
        let pair = &tally.pairs[0];
        assert_eq!((pair.requests, pair.bytes), (2, 20));
        assert_eq!(pair.first().unwrap().to_string(), "2026-11-21T00:03:00Z");
        assert_eq!(pair.last().unwrap().to_string(), "2026-11-21T00:05:00Z");
        assert_eq!(tally.agent(pair), Some(&b"Googlebot/2.1"[..]));
        assert!(tally.paths(pair).eq([b"/1", b"/2"]));
        assert_eq!(tally.reading.first.unwrap().to_string(), "2026-11-21T00:03:00Z");
    }

    #[test]
    fn only_some_paths_are_kept_and_each_once() {
        let log: String =
            [1, 1, 2, 3, 2, 4].map(|path| line("192.0.2.7", "00:05:00", path, "GPTBot")).concat();
        let tally = tally(&[&log]);
        assert!(tally.paths(&tally.pairs[0]).eq([b"/1", b"/2", b"/3"]));
    }

    #[test]
    fn an_example_names_its_log_and_line_blank_lines_counted() {
        let good = line("192.0.2.7", "00:05:00", 1, "GPTBot");
        let tally = tally(&[&format!("{good}\r\n\nbad\n"), &format!("{good}bad\n")]);
        let places: Vec<_> = tally.reading.examples.iter().map(ToString::to_string).collect();
        assert_eq!(places.len(), 2);
        assert!(places[0].starts_with("a.log:4: holds no time") && places[1].starts_with("b.log:2: "));
        assert_eq!((tally.reading.lines, tally.reading.unreadable), (4, 2));
    }

    #[test]
    fn addresses_beyond_the_limit_are_counted_and_those_before_go_on() {
        let catalogue = Catalogue::built_in().unwrap();
        let mut tally = Tally { most: 2, ..Tally::new(&["a.log".into()], &catalogue) };
        for address in [1, 2, 3, 4, 1, 3] {
            let text = line(&format!("192.0.2.{address}"), "00:05:00", 1, "GPTBot");
            tally.add(&Batch::of(0, text.as_bytes(), &catalogue));
        }
        let counted: Vec<_> = tally.pairs.iter().map(|pair| pair.requests).collect();
        assert_eq!((counted, tally.beyond.iter().sum::<u64>()), (vec![2, 1], 3));
    }

    #[test]
    fn samples_are_bounded_and_what_is_known_is_still_found() {
        let mut samples = Samples::default();
        for number in 0..MOST_SAMPLES + 5 {
            samples.place(number.to_string().as_bytes());
        }
        assert_eq!(samples.texts.len(), MOST_SAMPLES);
        assert_eq!((samples.place(b"7"), samples.place(b"no room")), (7, NONE));
    }
}

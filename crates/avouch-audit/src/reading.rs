//! The first pass: every line once, on all cores, in memory that does not grow with the log.

use crate::line::{self, Line, LineError};
use crate::source::{self, ReadError, Source};
use crate::tally::Tally;
use avouch_engine::claim::Catalogue;
use avouch_wire::time::Time;
use memchr::memchr;
use std::net::IpAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// Threads that take lines apart. Reading from the disk feeds no more.
const MOST_THREADS: usize = 8;

/// Blocks that wait for a thread, and batches it has ready: one is worked on, one is at hand.
const WAITING: usize = 1;

/// Lines that could not be read of which each batch says why.
pub(crate) const EXAMPLES: usize = 5;

/// Octets kept of a user agent and of a path: they are shown, not judged.
pub(crate) const SAMPLE: usize = 240;

/// A block and the number of the log it is from.
type Block = (usize, Vec<u8>);

/// What one block holds that matters.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) log: usize,
    pub(crate) lines: u64,
    pub(crate) blank: u64,
    pub(crate) unreadable: u64,
    /// Requests that named a user agent.
    pub(crate) with_agent: u64,
    pub(crate) examples: Vec<(u64, LineError)>,
    pub(crate) first: Option<Time>,
    pub(crate) last: Option<Time>,
    pub(crate) claims: Vec<Hit>,
    /// The samples of the claims, one behind the other.
    text: Vec<u8>,
}

/// A request whose user agent names a crawler.
pub(crate) struct Hit {
    /// The crawler's place in the catalogue.
    pub(crate) crawler: u16,
    pub(crate) address: IpAddr,
    pub(crate) time: Option<Time>,
    pub(crate) bytes: u64,
    agent: Range<usize>,
    path: Range<usize>,
}

/// Reads logs (`-` is standard input) for the claims they hold. `progress` is told how many octets
/// of the files have been read, from another thread.
///
/// # Errors
/// [`ReadError`] when a log cannot be read to its end. A line that cannot be read is counted.
pub fn read(
    logs: &[PathBuf],
    catalogue: &Catalogue,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Tally, ReadError> {
    let count = AtomicU64::new(0);
    source::check(logs)?;
    let mut tally = Tally::new(logs, catalogue);
    let threads = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
    thread::scope(|scope| {
        let (mut blocks, mut batches) = (Vec::new(), Vec::new());
        for _ in 0..threads {
            let (block, incoming) = sync_channel(WAITING);
            let (outgoing, batch) = sync_channel(WAITING);
            blocks.push(block);
            batches.push(batch);
            scope.spawn(move || take_apart(&incoming, &outgoing, catalogue));
        }
        let count = &count;
        let reader =
            scope.spawn(move || deal(logs, count, &blocks, &|| progress(count.load(Ordering::Relaxed))));
        // Blocks are dealt in turn and collected in turn, so what is first in the log is first here.
        for batch in batches.iter().cycle() {
            let Ok(batch) = batch.recv() else { break };
            tally.add(&batch);
        }
        // What a thread of ours dies of is not caught, but passed on.
        reader.join().unwrap_or_else(|died| std::panic::resume_unwind(died))
    })?;
    tally.close();
    Ok(tally)
}

fn deal(
    logs: &[PathBuf],
    count: &AtomicU64,
    to: &[SyncSender<Block>],
    told: &dyn Fn(),
) -> Result<(), ReadError> {
    let mut turns = to.iter().cycle();
    for (log, path) in logs.iter().enumerate() {
        let mut source = Source::open(path, count)?;
        while let Some(block) = source.block()? {
            told();
            let Some(Ok(())) = turns.next().map(|to| to.send((log, block))) else { return Ok(()) };
        }
    }
    Ok(())
}

fn take_apart(blocks: &Receiver<Block>, batches: &SyncSender<Batch>, catalogue: &Catalogue) {
    for (log, block) in blocks {
        if batches.send(Batch::of(log, &block, catalogue)).is_err() {
            return;
        }
    }
}

impl Batch {
    pub(crate) fn of(log: usize, block: &[u8], catalogue: &Catalogue) -> Self {
        let mut batch = Self { log, ..Self::default() };
        let mut rest = block;
        while !rest.is_empty() {
            let end = memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
            let (line, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
            rest = after;
            batch.line(line.strip_suffix(b"\n").unwrap_or(line), catalogue);
        }
        batch
    }

    fn line(&mut self, line: &[u8], catalogue: &Catalogue) {
        self.lines += 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.trim_ascii().is_empty() {
            self.blank += 1;
            return;
        }
        match line::read(line) {
            Ok(read) => self.request(&read, catalogue),
            Err(error) => {
                self.unreadable += 1;
                if self.examples.len() < EXAMPLES {
                    self.examples.push((self.lines, error));
                }
            }
        }
    }

    fn request(&mut self, line: &Line<'_>, catalogue: &Catalogue) {
        self.first = self.first.into_iter().chain(line.time).min();
        self.last = self.last.max(line.time);
        let Some(agent) = line.agent.as_deref() else { return };
        self.with_agent += 1;
        let Some(crawler) = catalogue.find(agent) else { return };
        let Some(at) = catalogue.crawlers().position(|known| std::ptr::eq(known, crawler)) else { return };
        // A catalogue holds some dozen crawlers.
        let Ok(crawler) = u16::try_from(at) else { return };
        let (agent, path) = (self.sample(agent), self.sample(&line.path));
        let Line { address, time, bytes, .. } = *line;
        self.claims.push(Hit { crawler, address, time, bytes, agent, path });
    }

    fn sample(&mut self, text: &[u8]) -> Range<usize> {
        let from = self.text.len();
        self.text.extend(text.iter().take(SAMPLE));
        from..self.text.len()
    }

    /// The beginning of a claim's user agent.
    pub(crate) fn agent(&self, hit: &Hit) -> &[u8] {
        self.text.get(hit.agent.clone()).unwrap_or_default()
    }

    /// The beginning of a claim's path.
    pub(crate) fn path(&self, hit: &Hit) -> &[u8] {
        self.text.get(hit.path.clone()).unwrap_or_default()
    }
}

/// Octets of the files together, for a bar that shows how far reading has come; `None` where one
/// of them has no size, such as standard input.
#[must_use]
pub fn size_of(logs: &[PathBuf]) -> Option<u64> {
    let size =
        |path: &Path| std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file).map(|file| file.len());
    logs.iter().map(|log| size(log)).sum()
}

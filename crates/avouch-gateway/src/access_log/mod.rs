//! The access log: one JSON object in a line for each request, written without holding any up.

mod audited;
mod entry;
mod explanation;
mod line;
mod told;
mod traced;

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::config::{LogTarget, Prefixes};

pub(crate) use entry::{Books, Entry, Head, RequestId};
pub use explanation::{Explanation, Point, Step};
pub use told::{Told, UnreadableLine};

/// How long lines gather before they are written together: short enough for `tail -f`, long
/// enough that a busy gateway writes once for hundreds of requests.
const GATHER: Duration = Duration::from_millis(50);

/// Text that is written without gathering further.
const WRITE_AT: usize = 64 << 10;

/// Takes lines and writes them from a thread of its own. When the disk does not keep up, lines
/// beyond the bound are dropped and counted: a log never stops requests.
pub(crate) struct AccessLog {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    on: bool,
    limit: usize,
    addresses: Prefixes,
    dropped: AtomicU64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    text: Vec<u8>,
    reopen: bool,
    stop: bool,
}

impl AccessLog {
    /// Opens the target and starts the writer.
    pub(crate) fn open(target: &LogTarget, addresses: Prefixes, limit: usize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            on: *target != LogTarget::Off,
            limit,
            addresses,
            dropped: AtomicU64::new(0),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let writer = match Sink::open(target)? {
            Some(sink) => {
                let (shared, target) = (Arc::clone(&shared), target.clone());
                let thread = std::thread::Builder::new().name("access-log".into());
                Some(thread.spawn(move || shared.write_all(sink, &target))?)
            }
            None => None,
        };
        Ok(Self { shared, writer: Mutex::new(writer) })
    }

    /// Whether lines go anywhere.
    fn is_on(&self) -> bool {
        self.shared.on
    }

    /// How much of clients' addresses lines hold.
    fn addresses(&self) -> Prefixes {
        self.shared.addresses
    }

    /// Appends a line, which ends with a newline, where lines go anywhere.
    fn write(&self, line: &[u8]) {
        if !self.is_on() {
            return;
        }
        let mut state = self.shared.state();
        if state.text.len() + line.len() > self.shared.limit {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let before = state.text.len();
        state.text.extend_from_slice(line);
        let wake = before == 0 || (before < WRITE_AT && state.text.len() >= WRITE_AT);
        drop(state);
        if wake {
            self.shared.changed.notify_one();
        }
    }

    /// Opens the file anew, after it was moved away.
    pub(crate) fn reopen(&self) {
        self.shared.state().reopen = true;
        self.shared.changed.notify_one();
    }

    /// Lines dropped so far.
    pub(crate) fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// Writes what is waiting and ends the writer.
    pub(crate) fn close(&self) {
        self.shared.state().stop = true;
        self.shared.changed.notify_one();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            let _ = writer.join();
        }
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_all(&self, mut sink: Sink, target: &LogTarget) {
        let mut text = Vec::new();
        loop {
            let (reopen, stop) = self.next(&mut text);
            if reopen {
                match Sink::open(target) {
                    Ok(Some(opened)) => sink = opened,
                    Ok(None) => {}
                    Err(error) => tracing::error!(%error, "cannot open the access log anew"),
                }
            }
            self.put(&mut sink, &text);
            text.clear();
            if stop {
                return;
            }
        }
    }

    /// Writes whole lines. What the target does not take is counted; it is said once, until some are taken again.
    fn put(&self, sink: &mut Sink, text: &[u8]) {
        match sink.write(text) {
            Ok(()) if text.is_empty() => {}
            Ok(()) if std::mem::take(&mut sink.failing) => tracing::warn!("the access log is written again"),
            Ok(()) => {}
            Err((error, lost)) => {
                self.dropped.fetch_add(lost, Ordering::Relaxed);
                if !std::mem::replace(&mut sink.failing, true) {
                    tracing::error!(%error, "cannot write the access log: lines are lost, and counted");
                }
            }
        }
    }

    /// Waits for lines, lets more gather, and takes them.
    fn next(&self, text: &mut Vec<u8>) -> (bool, bool) {
        let urgent = |state: &State| state.reopen || state.stop;
        let mut state = self.state();
        while state.text.is_empty() && !urgent(&state) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if !urgent(&state) {
            let gathering = |state: &mut State| state.text.len() < WRITE_AT && !urgent(state);
            let waited = self.changed.wait_timeout_while(state, GATHER, gathering);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        std::mem::swap(&mut state.text, text);
        (std::mem::take(&mut state.reopen), state.stop)
    }
}

struct Sink {
    to: Box<dyn Write + Send>,
    /// What was written last was the beginning of a line.
    torn: bool,
    failing: bool,
}

impl Sink {
    fn open(target: &LogTarget) -> std::io::Result<Option<Self>> {
        let to: Box<dyn Write + Send> = match target {
            LogTarget::Stderr => Box::new(std::io::stderr()),
            LogTarget::Stdout => Box::new(std::io::stdout()),
            LogTarget::File(path) => Box::new(OpenOptions::new().create(true).append(true).open(path)?),
            LogTarget::Off => return Ok(None),
        };
        Ok(Some(Self { to, torn: false, failing: false }))
    }

    /// Writes lines, or says how many of them are not there whole. The rest of one that tore is ended first.
    fn write(&mut self, mut text: &[u8]) -> Result<(), (std::io::Error, u64)> {
        let lines = |text: &[u8]| text.iter().filter(|octet| **octet == b'\n').count() as u64;
        if self.torn && !text.is_empty() {
            self.to.write_all(b"\n").map_err(|error| (error, lines(text)))?;
            self.torn = false;
        }
        while !text.is_empty() {
            match self.to.write(text) {
                Ok(0) => return Err((ErrorKind::WriteZero.into(), lines(text))),
                Ok(written) => {
                    let (done, rest) = text.split_at_checked(written).unwrap_or((text, &[]));
                    self.torn = !done.ends_with(b"\n");
                    text = rest;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err((error, lines(text))),
            }
        }
        self.to.flush().map_err(|error| (error, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_written_and_a_moved_file_is_opened_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let log = AccessLog::open(&LogTarget::File(path.clone()), Prefixes::default(), 1 << 20).unwrap();
        log.write(b"one\n");
        while std::fs::read(&path).unwrap() != b"one\n" {
            std::thread::yield_now();
        }
        std::fs::rename(&path, folder.path().join("access.log.1")).unwrap();
        log.reopen();
        while !path.exists() {
            std::thread::yield_now();
        }
        log.write(b"two\n");
        log.close();
        assert_eq!(std::fs::read(&path).unwrap(), b"two\n");
    }

    /// Takes so many octets in all, then none.
    struct Full(usize, Arc<Mutex<Vec<u8>>>);

    impl Write for Full {
        fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
            let taken = octets.len().min(self.0);
            if taken == 0 {
                return Err(ErrorKind::StorageFull.into());
            }
            self.0 -= taken;
            self.1.lock().unwrap().extend_from_slice(&octets[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_a_full_disk_does_not_take_are_counted_and_none_is_glued_to_another() {
        let taken = Arc::new(Mutex::new(Vec::new()));
        let sink = |room| Box::new(Full(room, Arc::clone(&taken)));
        let mut log = Sink { to: sink(6), torn: false, failing: false };
        assert_eq!(log.write(b"one\ntwo\nthree\n").unwrap_err().1, 2, "the one that tore is not there");
        assert_eq!(log.write(b"four\n").unwrap_err().1, 1);
        log.to = sink(100);
        log.write(b"five\n").unwrap();
        assert_eq!(*taken.lock().unwrap(), b"one\ntw\nfive\n");
    }

    #[test]
    fn what_exceeds_the_bound_is_dropped_and_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let log = AccessLog::open(&LogTarget::File(path.clone()), Prefixes::default(), 8).unwrap();
        log.write(b"much too long\n");
        log.write(b"short\n");
        log.close();
        assert_eq!(log.dropped(), 1);
        assert_eq!(std::fs::read(&path).unwrap(), b"short\n");
    }
}

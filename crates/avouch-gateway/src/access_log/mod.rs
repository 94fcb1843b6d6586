//! The access log: one JSON object in a line for each request, written without holding any up.

mod entry;
mod explanation;
mod line;
mod told;

use std::fs::OpenOptions;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::config::LogTarget;

pub(crate) use entry::{Books, Entry, RequestId};
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
    pub(crate) fn open(target: &LogTarget, limit: usize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            on: *target != LogTarget::Off,
            limit,
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
            if let Err(error) = sink.0.write_all(&text).and_then(|()| sink.0.flush()) {
                tracing::error!(%error, "cannot write the access log");
            }
            text.clear();
            if stop {
                return;
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

struct Sink(Box<dyn Write + Send>);

impl Sink {
    fn open(target: &LogTarget) -> std::io::Result<Option<Self>> {
        Ok(Some(Self(match target {
            LogTarget::Stderr => Box::new(std::io::stderr()),
            LogTarget::Stdout => Box::new(std::io::stdout()),
            LogTarget::File(path) => Box::new(OpenOptions::new().create(true).append(true).open(path)?),
            LogTarget::Off => return Ok(None),
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_written_and_a_moved_file_is_opened_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let log = AccessLog::open(&LogTarget::File(path.clone()), 1 << 20).unwrap();
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

    #[test]
    fn what_exceeds_the_bound_is_dropped_and_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let log = AccessLog::open(&LogTarget::File(path.clone()), 8).unwrap();
        log.write(b"much too long\n");
        log.write(b"short\n");
        log.close();
        assert_eq!(log.dropped(), 1);
        assert_eq!(std::fs::read(&path).unwrap(), b"short\n");
    }
}

//! A bounded queue in front of a target that may be slow, full or away.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{JoinHandle, Thread, park_timeout};
use std::time::Duration;

use tokio::time::Instant;

use super::record::{LONGEST, Record};

/// Records that wait for a target: what a busy minute of liars makes. Less than 8 MiB, for lines take about 2 KiB.
const ROOM: usize = 4096;

/// Places of these that requests do not take, so that nobody drowns a change of the configuration.
const RESERVED: usize = 64;

/// The pause before a target that failed is tried again.
const PAUSE: Duration = Duration::from_millis(500);

/// How often a target that has nothing to write looks after itself.
const LOOK: Duration = Duration::from_secs(1);

/// How long a stop waits for what is queued.
const LAST: Duration = Duration::from_secs(5);

/// Where records go.
pub(super) trait Target: Send + 'static {
    /// Writes a record; `false` when it is not to be written, now or later.
    ///
    /// # Errors
    /// It may be tried again.
    fn write(&mut self, record: &Record) -> io::Result<bool>;

    /// Called about once a second.
    fn tend(&mut self) {}

    /// What it is, for the log.
    fn name(&self) -> String;
}

/// What became of records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) written: u64,
    pub(crate) dropped: u64,
}

pub(super) struct Queue {
    sender: Mutex<Option<SyncSender<Arc<Record>>>>,
    shared: Arc<Shared>,
    worker: Mutex<Option<JoinHandle<()>>>,
    thread: Thread,
}

#[derive(Default)]
struct Shared {
    waiting: AtomicUsize,
    written: AtomicU64,
    dropped: AtomicU64,
    closing: AtomicBool,
}

impl Queue {
    pub(super) fn start(name: &str, target: impl Target) -> io::Result<Self> {
        let (sender, records) = sync_channel(ROOM);
        let shared = Arc::new(Shared::default());
        let work = Arc::clone(&shared);
        let worker =
            std::thread::Builder::new().name(name.into()).spawn(move || work.run(target, &records))?;
        let thread = worker.thread().clone();
        Ok(Self { sender: Mutex::new(Some(sender)), shared, worker: Mutex::new(Some(worker)), thread })
    }

    /// Queues a record, or drops it: it never waits.
    pub(super) fn push(&self, record: &Arc<Record>) {
        let room = if record.is_of_a_stranger() { ROOM - RESERVED } else { ROOM };
        let shared = &self.shared;
        let fits = record.line.len() <= LONGEST && shared.waiting.load(Ordering::Relaxed) < room;
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        shared.waiting.fetch_add(1, Ordering::Relaxed);
        let queued =
            fits && sender.as_ref().is_some_and(|sender| sender.try_send(Arc::clone(record)).is_ok());
        if !queued {
            shared.waiting.fetch_sub(1, Ordering::Relaxed);
            shared.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn figures(&self) -> Figures {
        Figures {
            written: self.shared.written.load(Ordering::Relaxed),
            dropped: self.shared.dropped.load(Ordering::Relaxed),
        }
    }

    /// Waits for what is queued, no longer than [`LAST`] and what one write takes.
    pub(super) fn close(&self) {
        self.shared.closing.store(true, Ordering::Relaxed);
        *self.sender.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.thread.unpark();
        let worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(worker) = worker {
            let _ = worker.join();
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn run(&self, mut target: impl Target, records: &Receiver<Arc<Record>>) {
        let (mut tended, mut failing, mut end) = (Instant::now(), false, None);
        loop {
            let record = match records.recv_timeout(LOOK) {
                Ok(record) => Some(record),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            if let Some(record) = record {
                self.deliver(&mut target, &record, &mut failing, &mut end);
                self.waiting.fetch_sub(1, Ordering::Relaxed);
            }
            if tended.elapsed() >= LOOK {
                target.tend();
                tended = Instant::now();
            }
        }
    }

    /// Writes a record, as often as it takes: what comes meanwhile waits behind it, so that the order stays. At a stop
    /// there is an end to it.
    fn deliver(
        &self,
        target: &mut impl Target,
        record: &Record,
        failing: &mut bool,
        end: &mut Option<Instant>,
    ) {
        loop {
            if self.closing.load(Ordering::Relaxed)
                && Instant::now() >= *end.get_or_insert_with(|| Instant::now() + LAST)
            {
                self.dropped.fetch_add(1, Ordering::Relaxed);
                return;
            }
            let written = target.write(record);
            let counter = match &written {
                Ok(true) => Some(&self.written),
                Ok(false) => Some(&self.dropped),
                Err(_) => None,
            };
            if let Some(counter) = counter {
                counter.fetch_add(1, Ordering::Relaxed);
                if std::mem::take(failing) {
                    tracing::warn!("the audit log is written again: {}", target.name());
                }
                return;
            }
            if let Err(error) = written
                && !std::mem::replace(failing, true)
            {
                tracing::error!(%error, "cannot write the audit log: {}", target.name());
            }
            park_timeout(PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::Severity;
    use super::*;
    use avouch_wire::time::Time;
    use std::sync::mpsc;

    /// A target that does with each record what it is told.
    struct Told(Receiver<io::Result<bool>>, Arc<Mutex<Vec<Vec<u8>>>>);

    impl Target for Told {
        fn write(&mut self, record: &Record) -> io::Result<bool> {
            let told = self.0.recv().unwrap_or_else(|_| Err(io::Error::other("gone")));
            if matches!(told, Ok(true)) {
                self.1.lock().unwrap().push(record.line.clone());
            }
            told
        }

        fn name(&self) -> String {
            "told".into()
        }
    }

    fn record(event: &'static str, line: &str) -> Arc<Record> {
        let (time, line) = (Time::from_seconds(1), line.as_bytes().to_vec());
        let severity = Severity::Info;
        Arc::new(Record { time, event, severity, line, facts: Vec::new(), message: String::new() })
    }

    fn until(queue: &Queue, figures: Figures) {
        while queue.figures() != figures {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_target_that_hangs_holds_nobody_up_and_what_finds_no_room_is_counted() {
        let (tell, told) = mpsc::channel();
        let kept = Arc::default();
        let queue = Queue::start("test", Told(told, Arc::clone(&kept))).unwrap();
        for at in 0..ROOM + 100 {
            queue.push(&record("request", &at.to_string()));
        }
        let dropped = queue.figures().dropped;
        assert!(dropped >= (100 + RESERVED - 1) as u64, "{dropped}");
        queue.push(&record("reload", "changed"));
        assert_eq!(queue.figures().dropped, dropped, "it has a place of its own");
        let taken = (ROOM + 101) as u64 - dropped;
        (0..taken).for_each(|_| tell.send(Ok(true)).unwrap());
        until(&queue, Figures { written: taken, dropped });
        let kept: Vec<_> = kept.lock().unwrap().clone();
        assert_eq!((kept[0].as_slice(), kept.last().unwrap().as_slice()), (&b"0"[..], &b"changed"[..]));
        drop(tell);
    }

    #[test]
    fn what_failed_is_tried_again_and_keeps_its_place() {
        let (tell, told) = mpsc::channel();
        let kept = Arc::default();
        let queue = Queue::start("test", Told(told, Arc::clone(&kept))).unwrap();
        queue.push(&record("request", "one"));
        queue.push(&record("request", "two"));
        queue.push(&record("request", "three"));
        for told in [Err(io::Error::other("full")), Ok(true), Ok(false), Ok(true)] {
            tell.send(told).unwrap();
        }
        until(&queue, Figures { written: 2, dropped: 1 });
        assert_eq!(*kept.lock().unwrap(), [b"one".to_vec(), b"three".to_vec()]);
        drop(tell);
    }

    #[test]
    fn a_record_that_is_too_long_is_counted_and_no_other() {
        let (tell, told) = mpsc::channel();
        let queue = Queue::start("test", Told(told, Arc::default())).unwrap();
        queue.push(&record("request", &"x".repeat(LONGEST + 1)));
        queue.push(&record("request", &"x".repeat(LONGEST)));
        tell.send(Ok(true)).unwrap();
        until(&queue, Figures { written: 1, dropped: 1 });
        drop(tell);
    }
}

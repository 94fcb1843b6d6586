//! What all requests share: the configuration in force, the queues, the log, the clock.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use avouch_engine::reason::Reason;
use avouch_gather::clock::Clock;
use http::Request;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::access_log::{AccessLog, Entry, RequestId};
use crate::admission::Admission;
use crate::answers::Problem;
use crate::numbers::Numbers;
use crate::snapshot::Snapshot;
use crate::trust::Peer;

/// The parts of a gateway that last from its start to its end.
pub(crate) struct Gate {
    pub(crate) snapshot: ArcSwap<Snapshot>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) log: Arc<AccessLog>,
    pub(crate) numbers: Arc<Numbers>,
    pub(crate) admission: Arc<Admission>,
    requests: Arc<Semaphore>,
    start: u64,
    count: AtomicU64,
}

impl Gate {
    pub(crate) fn new(snapshot: Snapshot, clock: Arc<dyn Clock>, log: AccessLog, numbers: Numbers) -> Self {
        let limits = &snapshot.config.limits;
        Self {
            admission: Admission::new(limits.forwarded, limits.waiting, limits.wait),
            requests: Arc::new(Semaphore::new(limits.requests)),
            // The standard library seeds each of these from the system's randomness.
            start: RandomState::new().build_hasher().finish(),
            count: AtomicU64::new(0),
            snapshot: ArcSwap::from_pointee(snapshot),
            clock,
            log: Arc::new(log),
            numbers: Arc::new(numbers),
        }
    }

    /// The configuration in force now. A request takes it once.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Begins a request's line in the log.
    pub(crate) fn begin<B>(&self, peer: &Peer, request: &Request<B>) -> Box<Entry> {
        let id = RequestId(self.start, self.count.fetch_add(1, Ordering::Relaxed));
        let now = (self.clock.now(), Instant::now());
        Entry::begin(Arc::clone(&self.log), Arc::clone(&self.numbers), id, now, peer.address, request)
    }

    /// A place among the requests in any stage.
    pub(crate) fn place(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.requests).try_acquire_owned().map_err(|_| Problem::of(Reason::Overloaded))
    }
}

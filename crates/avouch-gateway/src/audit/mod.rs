//! The audit log: claims that do not hold, requests that rules monitor, and every change of the configuration.
//!
//! In files of a day, by syslog, or both. A request never waits for it: what a target does not keep up with is
//! dropped and counted. A change of the configuration has places of its own in the queue.

mod changes;
mod file;
mod queue;
mod record;
mod syslog;

use std::sync::Arc;

use avouch_gather::clock::Clock;

use crate::config::{Audit as Settings, Prefixes};
use file::Files;
use queue::Queue;
use syslog::Sender;

pub(crate) use changes::{Asked, Change, Versions};
pub(crate) use queue::Figures;
pub(crate) use record::{Record, Severity};

/// Takes records and hands them to each target.
pub(crate) struct Audit {
    queues: Vec<(&'static str, Queue)>,
    addresses: Prefixes,
}

impl Audit {
    /// Opens the folder and starts a thread for each target. That a syslog receiver is away is no error.
    pub(crate) fn open(settings: &Settings, clock: &Arc<dyn Clock>) -> std::io::Result<Self> {
        let mut queues = Vec::new();
        if let Some(folder) = &settings.folder {
            let files = Files::open(folder, settings.keep, settings.size, Arc::clone(clock))?;
            queues.push(("file", Queue::start("audit-file", files)?));
        }
        if let Some(receiver) = &settings.syslog {
            let sender = Sender::new(receiver.clone(), settings.facility);
            queues.push(("syslog", Queue::start("audit-syslog", sender)?));
        }
        Ok(Self { queues, addresses: settings.addresses })
    }

    /// How much of clients' addresses is written.
    pub(crate) const fn addresses(&self) -> Prefixes {
        self.addresses
    }

    /// Hands a record on, without waiting.
    pub(crate) fn note(&self, record: Record) {
        let record = Arc::new(record);
        self.queues.iter().for_each(|(_, queue)| queue.push(&record));
    }

    /// What became of records, by target.
    pub(crate) fn figures(&self) -> impl Iterator<Item = (&'static str, Figures)> {
        self.queues.iter().map(|(target, queue)| (*target, queue.figures()))
    }

    /// Writes what waits, within some seconds, and ends the threads.
    pub(crate) fn close(&self) {
        self.queues.iter().for_each(|(_, queue)| queue.close());
    }
}

//! Counts claims by domain, and delivers the counts where the domain asks for them.
//!
//! In scope: what of a verdict is counted, and of an address; periods; the folder that reports wait in; finding out who
//! wants them; delivery over HTTPS and by mail, retries, and when to give up.
//!
//! Out of scope: the form of a report (`avouch_wire::report`), which requests there are (`avouch-gateway`).
//!
//! Limits: 4096 domains, 16 under one registrable domain; 1088 rows of one domain, 98 304 of all; 16 384 reports that
//! wait, for three days at most; 8 deliveries at once. What finds no room is counted as such.
//!
//! Requests that claim nothing are in no report. Of a client's address only the network is told, /24 or /48, and never a
//! path, a user agent or anything else a request asked for.

mod counts;
mod delivery;
mod relay;
mod spool;
mod tally;
#[cfg(test)]
mod tests;
mod waiting;

pub use relay::{Relay, RelayError};

use avouch_dns::Dns;
use avouch_engine::verdict::Verdict;
use avouch_gather::clock::Clock;
use avouch_gather::folder::StoreError;
use avouch_gather::https::Client;
use avouch_tls::Connector;
use avouch_wire::report::{Mailbox, Organization, Report};
use avouch_wire::time::Time;
use counts::{Counts, Sender};
use delivery::{Courier, Fate, Wanted};
use ipnet::IpNet;
use spool::Spool;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use waiting::Waiting;

/// How often it is looked whether a period ended, or a report is due.
const LOOK: Duration = Duration::from_secs(1);

/// How often counts are saved: so much of a period a crash may lose.
const SAVE: Duration = Duration::from_secs(10 * 60);

/// Deliveries at the same time, each of a report to all its receivers.
const SIMULTANEOUS: usize = 8;

/// How long an exchange over HTTPS may take: a report has 100 KiB at most, and its receiver no hurry.
const PATIENCE: Duration = Duration::from_secs(30);

/// How reports are made and sent.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who reports.
    pub organization: Organization,
    /// Where they can be asked; mail is sent from here.
    pub contact: Mailbox,
    /// How long a period is; periods begin at multiples of it since 1970, so that a day is one of UTC.
    pub every: Duration,
    /// Where counts and reports wait.
    pub folder: PathBuf,
    /// The relay that mail goes to; without one, none is sent.
    pub relay: Option<Relay>,
    /// Networks that are not public, and where receivers may stand all the same.
    pub allowed_networks: Vec<IpNet>,
}

/// What became of reports since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Taken by a receiver.
    pub sent: u64,
    /// Tries that failed, and will be made again.
    pub failed: u64,
    /// Never to be sent to a receiver that the domain named: no consent, an address that cannot be, a refusal.
    pub refused: u64,
    /// Given up after three days, or for want of room.
    pub dropped: u64,
    /// Waiting now.
    pub waiting: u64,
    /// Requests that claimed a domain, and were counted for none, for want of room.
    pub uncounted: u64,
}

/// Counts, and delivers counts.
pub struct Reports {
    sender: Sender,
    every: Duration,
    counts: Counts,
    spool: Spool,
    courier: Courier,
    period: Mutex<Period>,
    waiting: Mutex<Waiting>,
    tallied: Tallied,
}

struct Period {
    begin: Time,
    saved: Time,
}

#[derive(Default)]
struct Tallied {
    sent: AtomicU64,
    failed: AtomicU64,
    refused: AtomicU64,
    dropped: AtomicU64,
}

/// How TLS is spoken: to receivers, whose protocol is HTTP/1.1, and to a mail relay.
pub struct Connectors {
    /// Offers HTTP/1.1.
    pub https: Connector,
    /// Offers no protocol.
    pub mail: Connector,
}

impl Reports {
    /// Takes the folder, with what waits there and what was counted before a restart.
    ///
    /// # Errors
    /// [`StoreError`] when the folder cannot be used, or another process uses it.
    pub fn open(settings: Settings, dns: Dns, connectors: Connectors, now: Time) -> Result<Self, StoreError> {
        let spool = Spool::open(&settings.folder)?;
        spool.sweep()?;
        let https = Client::new(dns.clone(), connectors.https, settings.allowed_networks, PATIENCE);
        let reports = Self {
            sender: Sender { organization: settings.organization, contact: settings.contact },
            every: settings.every,
            counts: Counts::new(),
            waiting: Mutex::new(Waiting::of(spool.waiting()?, now)),
            spool,
            courier: Courier { dns, https, relay: settings.relay, connector: connectors.mail },
            period: Mutex::new(Period { begin: now, saved: now }),
            tallied: Tallied::default(),
        };
        reports.resume(now)?;
        Ok(reports)
    }

    /// Goes on with the period under way when counts were last saved, or closes it if it is over.
    fn resume(&self, now: Time) -> Result<(), StoreError> {
        let saved = self.spool.counts()?;
        let Some(begin) = saved.first().map(|report| report.head.begin).filter(|begin| *begin <= now) else {
            return Ok(());
        };
        if now >= self.end_of(begin) {
            return self.close(saved, now);
        }
        self.period().begin = begin;
        saved.into_iter().for_each(|report| self.counts.restore(report));
        Ok(())
    }

    /// Counts a request that was judged.
    pub fn count(&self, verdict: &Verdict, address: IpAddr) {
        self.counts.count(verdict, address);
    }

    /// Closes periods and delivers reports, for ever.
    pub async fn run(self: Arc<Self>, clock: Arc<dyn Clock>) {
        let keeping = async {
            loop {
                tokio::time::sleep(LOOK).await;
                let (own, now) = (Arc::clone(&self), clock.now());
                let _ = tokio::task::spawn_blocking(move || own.keep(now)).await;
            }
        };
        let delivering = async {
            loop {
                tokio::time::sleep(LOOK).await;
                self.deliver_due(&*clock).await;
            }
        };
        tokio::join!(keeping, delivering);
    }

    /// Closes the period if it is over, and saves counts if it is time. What the file system refuses is told, and tried
    /// again; counting goes on.
    pub fn keep(&self, now: Time) {
        let (begin, saved) = {
            let mut period = self.period();
            // After a clock was set back, a period that has not begun begins now.
            period.begin = period.begin.min(now);
            period.saved = period.saved.min(now);
            (period.begin, period.saved)
        };
        let end = self.end_of(begin);
        let done = if now >= end {
            self.period().begin = end.max(now);
            self.period().saved = now;
            self.close(self.counts.take(&self.sender, begin, end), now)
        } else if now >= saved.after(SAVE) {
            self.save(now)
        } else {
            Ok(())
        };
        if let Err(error) = done {
            tracing::error!(%error, "reports cannot be kept");
        }
    }

    /// Saves what was counted, as at the end of the process.
    ///
    /// # Errors
    /// [`StoreError`] when it could not be written; what was counted since the last time is lost then.
    pub fn save(&self, now: Time) -> Result<(), StoreError> {
        let begin = {
            let mut period = self.period();
            period.saved = now;
            period.begin
        };
        // An end is behind its beginning, if only by the second that a report can tell.
        let end = now.max(begin.after(Duration::from_secs(1)));
        self.spool.save_counts(&self.counts.so_far(&self.sender, begin, end))
    }

    /// What became of reports.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let of = |number: &AtomicU64| number.load(Ordering::Relaxed);
        Figures {
            sent: of(&self.tallied.sent),
            failed: of(&self.tallied.failed),
            refused: of(&self.tallied.refused),
            dropped: of(&self.tallied.dropped),
            waiting: self.waiting().len() as u64,
            uncounted: self.counts.others(),
        }
    }

    fn close(&self, reports: Vec<Report>, now: Time) -> Result<(), StoreError> {
        let (all, spread) = (reports.len(), self.every / 24);
        let closed = self.spool.close(reports);
        let (kept, failed) = closed.map_or_else(|error| (Vec::new(), Some(error)), |kept| (kept, None));
        let lost = all.saturating_sub(kept.len()) as u64;
        self.tallied.dropped.fetch_add(lost, Ordering::Relaxed);
        if lost > 0 {
            tracing::warn!(lost, "no room for reports: some are dropped");
        }
        let mut waiting = self.waiting();
        kept.into_iter().for_each(|report| waiting.add(report.head.id, now, spread));
        failed.map_or(Ok(()), Err)
    }

    /// The end of the period in which a moment lies.
    fn end_of(&self, begin: Time) -> Time {
        let every = self.every.as_secs().max(1);
        let periods = begin.seconds() / every;
        Time::from_seconds(periods.saturating_add(1).saturating_mul(every))
    }

    fn period(&self) -> MutexGuard<'_, Period> {
        self.period.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

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
    /// Given up after three days, for want of room, or because the disk took none for a whole period.
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

/// Counts and reports on their way to the disk.
struct Period {
    begin: Time,
    saved: Time,
    /// Reports of the period before that are not written yet.
    ended: Vec<Report>,
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
            period: Mutex::new(Period { begin: now, saved: now, ended: Vec::new() }),
            tallied: Tallied::default(),
        };
        reports.resume(now)?;
        Ok(reports)
    }

    /// Goes on with the period under way when counts were last saved, or closes it if it is over.
    fn resume(&self, now: Time) -> Result<(), StoreError> {
        let saved = self.spool.counts()?;
        let Some(begin) = saved.first().map(|report| report.head.begin) else { return Ok(()) };
        let mut period = self.period();
        if now >= self.end_of(begin) {
            period.ended = saved;
            return self.close(&mut period, now);
        }
        // After a clock was set back, what has not begun begins now.
        period.begin = begin.min(now);
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
        // Held to the end: who saves at a stop waits for a closing under way.
        let mut period = self.period();
        // After a clock was set back, a period that has not begun begins now.
        period.begin = period.begin.min(now);
        period.saved = period.saved.min(now);
        let end = self.end_of(period.begin);
        let done = if now >= end {
            let ended = self.counts.take(&self.sender, period.begin, end);
            let before = std::mem::replace(&mut period.ended, ended);
            self.drop_some(before.len(), "for a whole period the file system took none");
            (period.begin, period.saved) = (end.max(now), now);
            self.close(&mut period, now)
        } else if now >= period.saved.after(SAVE) {
            self.save_in(&mut period, now)
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
        self.save_in(&mut self.period(), now)
    }

    fn save_in(&self, period: &mut Period, now: Time) -> Result<(), StoreError> {
        period.saved = now;
        // Before these are written the file of counts stands for them, and must not give way to others.
        self.close(period, now)?;
        // An end is behind its beginning, if only by the second that a report can tell.
        let end = now.max(period.begin.after(Duration::from_secs(1)));
        self.spool.save_counts(&self.counts.so_far(&self.sender, period.begin, end))
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

    /// Has the reports of the period that ended wait; those that the file system refuses stay for another try.
    fn close(&self, period: &mut Period, now: Time) -> Result<(), StoreError> {
        if period.ended.is_empty() {
            return Ok(());
        }
        let (written, done) = self.spool.close(&mut period.ended);
        let mut waiting = self.waiting();
        written.into_iter().for_each(|id| waiting.add(id, now, self.every / 24));
        drop(waiting);
        done?;
        self.drop_some(std::mem::take(&mut period.ended).len(), "no room for more that wait");
        Ok(())
    }

    fn drop_some(&self, reports: usize, why: &str) {
        self.tallied.dropped.fetch_add(reports as u64, Ordering::Relaxed);
        if reports > 0 {
            tracing::warn!(reports, "reports are dropped: {why}");
        }
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

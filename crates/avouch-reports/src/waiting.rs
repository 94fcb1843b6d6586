//! When each report that waits is tried again, and the trying.

use crate::{Fate, Reports, SIMULTANEOUS, Wanted};
use avouch_gather::clock::Clock;
use avouch_gather::folder::StoreError;
use avouch_wire::report::{Report, ReportId};
use avouch_wire::time::Time;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::task::JoinSet;

/// After the first failure, and after each further one twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(15 * 60);

/// However often it failed.
const LONGEST_PAUSE: Duration = Duration::from_secs(8 * 60 * 60);

/// How long after the end of its period a report is given up. Longer than a weekend takes, and a report that is older
/// than the next two mends nothing.
const KEPT: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// The reports that wait.
#[derive(Default)]
pub(crate) struct Waiting {
    by_id: BTreeMap<ReportId, Turn>,
    random: RandomState,
}

#[derive(Clone, Copy)]
struct Turn {
    failures: u32,
    due: Time,
}

impl Waiting {
    /// Those found at the start: what was tried before is not known, so all are due.
    pub(crate) fn of(ids: BTreeSet<ReportId>, now: Time) -> Self {
        let turn = |id| (id, Turn { failures: 0, due: now });
        Self { by_id: ids.into_iter().map(turn).collect(), random: RandomState::new() }
    }

    /// One more, due at some moment within `spread`: not all gateways send at midnight.
    pub(crate) fn add(&mut self, id: ReportId, now: Time, spread: Duration) {
        let share = self.share(&id);
        self.by_id.insert(id, Turn { failures: 0, due: now.after(spread * share / 1024) });
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    fn due(&self, now: Time) -> Vec<ReportId> {
        // After a clock was set back no pause is longer than the longest.
        let is_due = |turn: &Turn| turn.due <= now || turn.due > now.after(LONGEST_PAUSE);
        let due = self.by_id.iter().filter(|(_, turn)| is_due(turn));
        due.map(|(id, _)| id.clone()).take(SIMULTANEOUS).collect()
    }

    fn failed(&mut self, id: &ReportId, now: Time) {
        let share = self.share(id);
        let Some(turn) = self.by_id.get_mut(id) else { return };
        let doubled = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(turn.failures.min(16)));
        let whole = doubled.min(LONGEST_PAUSE);
        turn.failures = turn.failures.saturating_add(1);
        // Up to a quarter less, so that what failed together is not tried together.
        turn.due = now.after(whole - whole * share / 4096);
    }

    /// A number below 1024, the same for the same report.
    fn share(&self, id: &ReportId) -> u32 {
        u32::try_from(self.random.hash_one(id) % 1024).unwrap_or(0)
    }
}

impl Reports {
    /// Delivers what is due.
    pub(crate) async fn deliver_due(self: &Arc<Self>, clock: &dyn Clock) {
        let due = self.waiting().due(clock.now());
        let mut under_way = JoinSet::new();
        for id in due {
            let (own, now) = (Arc::clone(self), clock.now());
            under_way.spawn(async move { own.deliver(id, now).await });
        }
        while under_way.join_next().await.is_some() {}
    }

    async fn deliver(&self, id: ReportId, now: Time) {
        match self.try_all(&id, now).await {
            Ok(true) => match self.spool.forget(&id) {
                Ok(()) => drop(self.waiting().by_id.remove(&id)),
                Err(error) => self.put_off(&id, &error, now),
            },
            Ok(false) => self.waiting().failed(&id, now),
            Err(error) => self.put_off(&id, &error, now),
        }
    }

    /// The file system refused; that is no reason to send again at once what may have been sent.
    fn put_off(&self, id: &ReportId, error: &StoreError, now: Time) {
        tracing::error!(%error, %id, "a report cannot be kept");
        self.waiting().failed(id, now);
    }

    /// Whether nothing is left to do with it.
    async fn try_all(&self, id: &ReportId, now: Time) -> Result<bool, StoreError> {
        let Some(mut report) = self.spool.read(id)? else {
            tracing::error!(%id, "a report in the folder cannot be read, and is dropped");
            self.tallied.dropped.fetch_add(1, Ordering::Relaxed);
            return Ok(true);
        };
        let domain = report.head.domain.clone();
        let (to, seen) = match self.courier.wanted(&report, now).await {
            Wanted::At(to, seen) => (to, seen),
            // Nearly all domains: nothing is said about them, for there is nobody to say it to.
            Wanted::Nowhere => return Ok(true),
            Wanted::Unknown => {
                tracing::info!(%domain, %id, "report: who wants it could not be found out");
                return Ok(self.failed_or_old(&report, now));
            }
        };
        report.record = Some(seen);
        let mut done = self.spool.sent(id)?;
        let mut left = false;
        for to in to {
            if done.iter().any(|done| done == to.as_str()) {
                continue;
            }
            let fate = self.courier.deliver(&report, &to, now).await;
            tracing::info!(%domain, %id, %to, "report {fate}");
            let number = match &fate {
                Fate::Sent => &self.tallied.sent,
                Fate::Refused(_) => &self.tallied.refused,
                Fate::Later(_) => {
                    left = true;
                    continue;
                }
            };
            number.fetch_add(1, Ordering::Relaxed);
            done.push(to.as_str().to_owned());
            self.spool.note_sent(id, &done)?;
        }
        Ok(!left || self.failed_or_old(&report, now))
    }

    /// Counts a failed try; whether it was the last one.
    fn failed_or_old(&self, report: &Report, now: Time) -> bool {
        let old = now >= report.head.end.after(KEPT);
        let number = if old { &self.tallied.dropped } else { &self.tallied.failed };
        number.fetch_add(1, Ordering::Relaxed);
        if old {
            let (domain, id) = (&report.head.domain, &report.head.id);
            tracing::warn!(%domain, %id, "report given up after three days");
        }
        old
    }
}

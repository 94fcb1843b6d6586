//! When each report that waits is tried again, and the trying.

use crate::spool::Spool;
use crate::{Fate, LOOK, Reports, SIMULTANEOUS, Wanted};
use avouch_gather::clock::Clock;
use avouch_gather::folder::StoreError;
use avouch_gather::pauses;
use avouch_wire::report::{Head, ReportId, pack};
use avouch_wire::time::Time;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;

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
    under_way: bool,
}

impl Turn {
    const fn first(due: Time) -> Self {
        Self { failures: 0, due, under_way: false }
    }
}

impl Waiting {
    /// Those found at the start: what was tried before is not known, so all are due.
    pub(crate) fn of(ids: BTreeSet<ReportId>, now: Time) -> Self {
        let turn = |id| (id, Turn::first(now));
        Self { by_id: ids.into_iter().map(turn).collect(), random: RandomState::new() }
    }

    /// One more, due at some moment within `spread`: not all gateways send at midnight.
    pub(crate) fn add(&mut self, id: ReportId, now: Time, spread: Duration) {
        let wait = pauses::shortened(spread, 1, self.random.hash_one(&id));
        self.by_id.insert(id, Turn::first(now.after(wait)));
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Of those that are due, at most so many whose turn came first: they are under way from now on.
    fn begin(&mut self, now: Time, most: usize) -> Vec<ReportId> {
        let is_due = |turn: &Turn| pauses::is_due(turn.due, now, LONGEST_PAUSE);
        let due = self.by_id.iter_mut().filter(|(_, turn)| !turn.under_way && is_due(turn));
        let mut due: Vec<_> = due.collect();
        due.sort_by_key(|(_, turn)| turn.due);
        due.truncate(most);
        due.into_iter()
            .map(|(id, turn)| {
                turn.under_way = true;
                id.clone()
            })
            .collect()
    }

    fn failed(&mut self, id: &ReportId, now: Time) {
        let random = self.random.hash_one(id);
        let Some(turn) = self.by_id.get_mut(id) else { return };
        turn.failures = turn.failures.saturating_add(1);
        turn.under_way = false;
        // Up to a quarter is left out, the same of the same report.
        let whole = pauses::after(turn.failures, FIRST_PAUSE, LONGEST_PAUSE);
        turn.due = now.after(pauses::shortened(whole, 4, random));
    }
}

impl Reports {
    /// Delivers what is due, until nothing is. A receiver that takes its time keeps nobody waiting but those of its own
    /// report.
    pub(crate) async fn deliver_due(self: &Arc<Self>, clock: &dyn Clock) {
        let mut under_way = JoinSet::new();
        loop {
            let room = SIMULTANEOUS.saturating_sub(under_way.len());
            let due = self.waiting().begin(clock.now(), room);
            for id in due {
                let (own, now) = (Arc::clone(self), clock.now());
                under_way.spawn(async move { own.deliver(id, now).await });
            }
            if under_way.is_empty() {
                return;
            }
            let _ = timeout(LOOK, under_way.join_next()).await;
        }
    }

    async fn deliver(self: Arc<Self>, id: ReportId, now: Time) {
        match self.try_all(&id, now).await {
            Ok(true) => match self.on_disk(&id, Spool::forget).await {
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
    async fn try_all(self: &Arc<Self>, id: &ReportId, now: Time) -> Result<bool, StoreError> {
        let Some(mut report) = self.on_disk(id, Spool::read).await? else {
            tracing::error!(%id, "a report in the folder cannot be read, and is dropped");
            self.tallied.dropped.fetch_add(1, Ordering::Relaxed);
            return Ok(true);
        };
        let head = report.head.clone();
        let domain = &head.domain;
        let (to, seen) = match self.courier.wanted(domain, now).await {
            Wanted::At(to, seen) => (to, seen),
            // Nearly all domains: nothing is said about them, for there is nobody to say it to.
            Wanted::Nowhere => return Ok(true),
            Wanted::Unknown => {
                tracing::info!(%domain, %id, "report: who wants it could not be found out");
                return Ok(self.failed_or_old(&head, now));
            }
        };
        report.record = Some(seen);
        let reading = move |spool: &Spool, id: &ReportId| Ok((Bytes::from(pack(&report)), spool.sent(id)?));
        let (packed, mut done) = self.on_disk(id, reading).await?;
        let mut left = false;
        for to in to {
            if done.iter().any(|done| done == to.as_str()) {
                continue;
            }
            let fate = self.courier.deliver(&head, &packed, &to, now).await;
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
            let noted = done.clone();
            self.on_disk(id, move |spool, id| spool.note_sent(id, &noted)).await?;
        }
        Ok(!left || self.failed_or_old(&head, now))
    }

    /// Works in the folder, and on whole reports: neither stops who answers requests.
    async fn on_disk<T: Send + 'static>(
        self: &Arc<Self>,
        id: &ReportId,
        work: impl FnOnce(&Spool, &ReportId) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (own, id) = (Arc::clone(self), id.clone());
        let working = tokio::task::spawn_blocking(move || work(&own.spool, &id));
        working.await.unwrap_or_else(|broken| Err(self.spool.failed(std::io::Error::other(broken))))
    }

    /// Counts a failed try; whether it was the last one.
    fn failed_or_old(&self, head: &Head, now: Time) -> bool {
        let old = now >= head.end.after(KEPT);
        let number = if old { &self.tallied.dropped } else { &self.tallied.failed };
        number.fetch_add(1, Ordering::Relaxed);
        if old {
            let (domain, id) = (&head.domain, &head.id);
            tracing::warn!(%domain, %id, "report given up after three days");
        }
        old
    }
}

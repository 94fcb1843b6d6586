//! Range files that operators of crawlers publish, fetched on a schedule, the last good one of each kept in a folder.
//!
//! Nothing is fetched but what the operator of this site asks for. A file that cannot be used, or holds far less than
//! the one before, changes nothing: what was last good stays, grows old, and says nothing any more when it is too old,
//! as any data on networks.
//!
//! In files: `schedule` is when to ask again, `kept` what stands on disk.

mod kept;
mod schedule;
#[cfg(test)]
mod tests;

use super::Networks;
use crate::clock::Clock;
use crate::folder::{Folder, StoreError};
use crate::hash_key::HashKey;
use crate::https::{Client, Get, Got, HttpsError, Validators};
use avouch_wire::ranges::{MAX_OCTETS, Ranges, RangesError};
use avouch_wire::time::Time;
use kept::Kept;
use schedule::Schedule;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use thiserror::Error;

/// How long one fetch may take: files have up to some hundred KiB, and nobody waits for them.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A file that holds less than half of the addresses of the one before is an accident more likely than a decision.
/// What still stands there after so long was meant. The older file does no harm meanwhile; data may be older than that.
const MEANT_AFTER: Duration = Duration::from_hours(3 * 24);

const TYPES: &str = "application/json";

/// By which a process takes the folder.
const LOCK: &str = "ranges.lock";

/// A range file to be fetched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Feed {
    /// The crawler whose addresses it lists.
    pub crawler: String,
    /// Where it stands, by https.
    pub url: String,
}

/// Fetches feeds, and keeps the last good file of each. Cloning is cheap, and clones share everything.
#[derive(Clone)]
pub struct Feeds(Arc<Shared>);

struct Shared {
    client: Client,
    folder: Folder,
    key: HashKey,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    every: Duration,
    /// As many as the operator names.
    feeds: BTreeMap<Feed, Known>,
}

/// What is known of one feed.
#[derive(Clone, Debug)]
struct Known {
    last: Option<Last>,
    schedule: Schedule,
    /// Since when a file stands there that holds far less.
    doubted: Option<Time>,
}

/// The last good file.
#[derive(Clone, Debug)]
struct Last {
    ranges: Arc<Ranges>,
    kept: Arc<Kept>,
}

/// A feed that was asked, and what came of it.
#[derive(Debug)]
pub struct Asked {
    /// Which one.
    pub feed: Feed,
    /// What came of it.
    pub came: Came,
    /// Why what came is not in the folder, and would be lost at a restart.
    pub unkept: Option<StoreError>,
}

/// What came of asking a feed.
#[derive(Debug)]
pub enum Came {
    /// Other ranges, which count from now on.
    Renewed,
    /// The same as before, which are as young as now.
    Unchanged,
    /// A file that is not used; the one before stays.
    Refused(Refusal),
    /// No file; the one before stays.
    Failed(HttpsError),
}

/// Why a file that was fetched is not used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// It cannot be read.
    #[error("{0}")]
    Ranges(#[from] RangesError),
    /// It holds far less than the one before.
    #[error("holds less than half of the addresses of the file before; it is taken if it still stands there {} days after it was first seen", MEANT_AFTER.as_secs() / 86_400)]
    Shrunk,
}

impl Feeds {
    /// Keeps files in `folder`, which is made if it is missing, and fetches them by `client`; none until
    /// [`Feeds::follow`] names some.
    ///
    /// # Errors
    /// [`StoreError`] when the folder cannot be used, or another process uses it.
    pub fn open(folder: &Path, client: Client) -> Result<Self, StoreError> {
        let folder = Folder::take(folder, LOCK)?;
        Ok(Self(Arc::new(Shared { client, folder, key: HashKey::random(), state: Mutex::default() })))
    }

    /// Follows these feeds from now on, and no others: each is fetched at least once in `every`. What is known of those
    /// that were followed already stays; of the others the folder tells what was last good.
    pub fn follow(&self, feeds: impl IntoIterator<Item = Feed>, every: Duration, now: Time) {
        let mut before = std::mem::take(&mut self.state().feeds);
        let known = feeds.into_iter().map(|feed| {
            let known = before.remove(&feed).unwrap_or_else(|| self.0.recall(&feed, every, now));
            (feed, known)
        });
        let feeds = known.collect();
        *self.state() = State { every, feeds };
    }

    /// Asks one feed whose time has come; `None` if there is none.
    pub async fn ask_next(&self, clock: &dyn Clock) -> Option<Asked> {
        let now = clock.now();
        let (feed, every, last) = {
            let state = self.state();
            let mut due = state.feeds.iter().filter(|(_, known)| known.schedule.is_due(state.every, now));
            let (feed, known) = due.next()?;
            (feed.clone(), state.every, known.last.clone())
        };
        let unless = last.as_ref().map(|last| &last.kept.validators);
        // Without a validator no answer can say that nothing changed.
        let unless = unless.filter(|validators| **validators != Validators::default());
        let get = Get { url: &feed.url, accept: TYPES, limit: MAX_OCTETS, unless };
        let got = self.0.client.get(get, now).await;
        let now = clock.now();
        let (came, last) = self.weigh(&feed, got, last, now);
        let unkept = match (&came, &last) {
            (Came::Renewed | Came::Unchanged, Some(last)) => self.keep(&feed, &came, last).await,
            _ => None,
        };
        let mut state = self.state();
        if let Some(known) = state.feeds.get_mut(&feed) {
            known.last = last;
            match &came {
                Came::Renewed | Came::Unchanged => {
                    known.schedule.answered(every, now, &self.0.key);
                    known.doubted = None;
                }
                Came::Refused(_) | Came::Failed(_) => known.schedule.failed(every, now, &self.0.key),
            }
        }
        drop(state);
        Some(Asked { feed, came, unkept })
    }

    /// What an answer means for the last good file.
    fn weigh(
        &self,
        feed: &Feed,
        got: Result<Got, HttpsError>,
        last: Option<Last>,
        now: Time,
    ) -> (Came, Option<Last>) {
        let document = match (got, last.as_ref()) {
            (Ok(Got::Document(document)), _) => document,
            (Ok(Got::Unchanged(_)), Some(last)) => return (Came::Unchanged, Some(last.confirmed(now))),
            // It was not asked on condition.
            (Ok(Got::Unchanged(_)), None) => return (Came::Failed(HttpsError::Url), last),
            (Err(error), _) => return (Came::Failed(error), last),
        };
        let validators = Validators::of(&document.headers);
        let kept = Kept { octets: document.body.to_vec(), received: now, validators };
        if let Some(last) = last.as_ref().filter(|last| last.kept.octets == kept.octets) {
            return (Came::Unchanged, Some(Last { ranges: Arc::clone(&last.ranges), kept: Arc::new(kept) }));
        }
        let ranges = match Ranges::parse(&kept.octets) {
            Ok(ranges) => Arc::new(ranges),
            Err(error) => return (Came::Refused(error.into()), last),
        };
        if last.as_ref().is_some_and(|last| shrinks(&last.ranges, &ranges)) && !self.is_meant(feed, now) {
            return (Came::Refused(Refusal::Shrunk), last);
        }
        (Came::Renewed, Some(Last { ranges, kept: Arc::new(kept) }))
    }

    /// Whether a file that holds far less has stood there for so long that it is meant.
    fn is_meant(&self, feed: &Feed, now: Time) -> bool {
        let mut state = self.state();
        let Some(known) = state.feeds.get_mut(feed) else { return false };
        let since = *known.doubted.get_or_insert(now);
        now.since(since) >= MEANT_AFTER
    }

    /// Writes what counts from now on; a disk that is slow stops nobody else.
    async fn keep(&self, feed: &Feed, came: &Came, last: &Last) -> Option<StoreError> {
        let (shared, feed, kept) = (Arc::clone(&self.0), feed.clone(), Arc::clone(&last.kept));
        let whole = matches!(came, Came::Renewed);
        let keeping = tokio::task::spawn_blocking(move || match whole {
            true => kept::write(&shared.folder, &feed, &kept),
            // What was not kept before may be kept now.
            false => kept::confirm(&shared.folder, &feed, kept.received)
                .or_else(|_| kept::write(&shared.folder, &feed, &kept)),
        });
        keeping.await.ok()?.err()
    }

    /// Puts the last good files where judgement finds them.
    pub fn put_into(&self, networks: &mut Networks) {
        for (feed, known) in &self.state().feeds {
            if let Some(last) = &known.last {
                networks.hold_ranges(&feed.crawler, &feed.url, Arc::clone(&last.ranges), last.kept.received);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// What the folder tells of a feed. What cannot be used is told in the log, and fetched anew.
    fn recall(&self, feed: &Feed, every: Duration, now: Time) -> Known {
        let (crawler, url) = (&feed.crawler, &feed.url);
        let kept = kept::read(&self.folder, feed, now).unwrap_or_else(|error| {
            tracing::warn!(
                "ranges of {crawler} from {url} that were kept cannot be read, and are fetched anew: {error}"
            );
            None
        });
        let last = kept.and_then(|kept| match Ranges::parse(&kept.octets) {
            Ok(ranges) => Some(Last { ranges: Arc::new(ranges), kept: Arc::new(kept) }),
            Err(error) => {
                tracing::warn!("ranges of {crawler} from {url} that were kept cannot be used, and are fetched anew: {error}");
                None
            }
        });
        let received = last.as_ref().map(|last| last.kept.received);
        Known { last, schedule: Schedule::since(received, every, now), doubted: None }
    }
}

impl Last {
    /// The same, received again.
    fn confirmed(&self, now: Time) -> Self {
        let kept = Kept { received: now, ..Kept::clone(&self.kept) };
        Self { ranges: Arc::clone(&self.ranges), kept: Arc::new(kept) }
    }
}

/// Whether of either family less than half is left.
fn shrinks(before: &Ranges, after: &Ranges) -> bool {
    let ((v4, v6), (v4_left, v6_left)) = (before.addresses(), after.addresses());
    v4_left < v4.div_ceil(2) || v6_left < v6.div_ceil(2)
}

//! The replay table: every signed request is accepted once.
//!
//! A nonce is entered after all signatures over it hold, and a class 3 verdict needs the
//! [`Committed`](avouch_engine::pipeline::Committed) that comes of it (`docs/formats/replay.md`). What is kept of a
//! nonce is a 64-bit keyed fingerprint in a slot of 11 octets: at 75 % of the slots used that
//! is under 16 octets a nonce, counters included. That two nonces share fingerprint and bucket,
//! so that the second is refused as a replay though it is none, happens once in 2^64 / n entries
//! for n held; the key is secret, so it cannot be brought about. That a replay is missed cannot
//! happen: a nonce leaves the table only when its signature no longer counts.
//!
//! In files: `nonces` is what the judge uses, one table for most signatures, two for those that last longer, and one
//! for what this start asked for;
//! `shard` holds the slots, `shares` counts who holds how much, `mark` is the start rule, `saved` the table between a
//! clean stop and the next start, `group` what several nodes share, `sequences` how far agents of registration entities
//! have counted.

mod group;
mod mark;
mod nonces;
mod saved;
mod sequences;
mod shard;
mod shares;

use core::hash::Hasher;
use core::sync::atomic::{AtomicBool, Ordering};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use avouch_engine::pipeline::{NotCommitted, Share};
use avouch_wire::saip::{WINDOW_AFTER, WINDOW_BEFORE};
use avouch_wire::time::Time;

pub use group::{Counted, Entering, Shared, Spent};
use mark::Mark;
pub use nonces::{LONGEST, Nonces, Used};
use saved::Saved;
use shard::{Nonce, Shard};
use shares::Shares;

use crate::clock::Clock;
use crate::folder::Folder;
pub use crate::folder::StoreError;
use crate::hash_key::HashKey;

/// The file that says that a table's folder is held.
const LOCK: &str = "replay.lock";

/// How long before now a request may have been signed, in the table's units: seconds, but in a table of longer
/// signatures.
pub const PAST: u64 = WINDOW_BEFORE;

/// How long after now a request may have been signed, in seconds.
pub const FUTURE: u64 = WINDOW_AFTER;

/// Nonces held at once, in the default setting: 3 000 signed requests a second over the whole
/// window, in 16 MiB. The tables of longer signatures come on top ([`Nonces`]).
pub const CAPACITY: usize = 1 << 20;

/// The highest capacity: 4 GiB, and half as much for longer signatures.
pub const MAX_CAPACITY: usize = 1 << 28;

/// Slots per shard: small enough that a walk over all of them stays far below a millisecond,
/// large enough that chance fills no shard while the table has room (at 75 % by 27 standard
/// deviations).
const SHARD_SLOTS: usize = 1 << 14;

/// How a table is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Most nonces held at once, 1 to [`MAX_CAPACITY`] (others are read as the nearest bound), of signatures that
    /// last for [`PAST`] seconds at most. What [`Nonces`] holds of longer ones is a part of it in addition.
    pub capacity: usize,
    /// Where mark and saved table are; `None`: nowhere, as with `memory:`.
    pub folder: Option<PathBuf>,
    /// The operator asserts that no earlier instance served these authorities: no start rule.
    pub fresh: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { capacity: CAPACITY, folder: None, fresh: false }
    }
}

/// What makes a request unique.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The long-term key's fingerprint, or a hash that stands for re, dom and id.
    pub key: &'a [u8; 32],
    /// The nonce as sent.
    pub nonce: &'a [u8],
    /// When it was signed, in Unix seconds.
    pub ts: u64,
    /// Whose share it counts against.
    pub share: Share<'a>,
}

/// What a table holds, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Nonces held, some of which may have expired within the last seconds.
    pub held: u64,
    /// Memory of the slots, in octets.
    pub octets: usize,
    /// The most slots any single operation has touched.
    pub longest: usize,
}

/// The replay table, shared by all threads.
///
/// Contract: of all commits of one entry at most one succeeds, over all threads and, through mark
/// and saved table, over restarts and crashes. A commit takes one lock and some hundred
/// nanoseconds, but for the one in some seconds that must write the mark first and waits for the
/// disk; [`Table::tend`], called every second, writes it before commits have to.
///
/// Slots are told apart by age in units of the table, a second in most. A table of longer signatures
/// counts by a longer unit, and holds them for [`PAST`] of these instead; the start rule, the mark and
/// how far ahead a request may be signed are in seconds there too.
pub struct Table {
    clock: Arc<dyn Clock>,
    /// Seconds in a unit.
    unit: u64,
    key: HashKey,
    shards: Box<[Mutex<Shard>]>,
    /// Taken after a shard's lock, never before.
    shares: Mutex<Shares>,
    mark: Mark,
    /// Whether anything was entered since the last [`Table::tend`]: an idle table writes nothing.
    busy: AtomicBool,
    /// The last second refused by the start rule.
    refused_until: u64,
}

/// What a table is for.
#[derive(Clone, Copy, Debug)]
struct Scale {
    /// Seconds in a unit, so that signatures may last for [`PAST`] times as many.
    unit: u64,
    /// The table's part of the capacity that is set.
    part: usize,
    /// Whether only those come whom the operator named, four at most.
    few: bool,
}

impl Scale {
    /// Signatures of [`PAST`] seconds, for all of the capacity.
    const SECONDS: Self = Self { unit: 1, part: 1, few: false };
}

impl Table {
    /// A table as `settings` say; takes over what a clean stop has saved.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the folder cannot be used or another process uses it.
    pub fn open(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        Self::open_at(Scale::SECONDS, settings, clock)
    }

    fn open_at(scale: Scale, settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let Some(path) = &settings.folder else {
            let table = Self::empty(scale, settings, clock, HashKey::random(), Mark::none());
            return Ok(table.with_start_rule(settings, None));
        };
        let folder = Folder::take(path, LOCK)?;
        let mark = mark::read(&folder)?;
        let saved = read_saved(&folder)?;
        // The saved table is used up before the first commit adds to it: a crash from here on
        // finds no table, and the mark, which covers all that was ever accepted, refuses. A
        // crash before this line finds the table again, and nothing was accepted meanwhile.
        folder.remove(saved::FILE)?;
        let kept = Mark::kept(folder, mark);
        let Some(saved) = saved else {
            let table = Self::empty(scale, settings, clock, HashKey::random(), kept);
            return Ok(table.with_start_rule(settings, mark));
        };
        let mut table = Self::empty(scale, settings, clock, saved.key.clone(), kept);
        if table.restore(&saved) {
            table.refused_until = saved.floor.saturating_sub(1);
            return Ok(table);
        }
        tracing::warn!("the saved replay table does not fit in the capacity now set: starting without it");
        Ok(table.with_start_rule(settings, mark))
    }

    fn empty(scale: Scale, settings: &Settings, clock: Arc<dyn Clock>, key: HashKey, mark: Mark) -> Self {
        let set = settings.capacity.clamp(1, MAX_CAPACITY);
        let capacity = (set / scale.part).max(1);
        // Three quarters used; a small table needs room for chance.
        let slots = capacity / 3 * 4 + 64;
        let shards = slots.div_ceil(SHARD_SLOTS);
        let now = in_units(clock.now(), scale.unit);
        let shard = || Mutex::new(Shard::new(slots.div_ceil(shards), now));
        let shares = if scale.few { Shares::of_few(capacity) } else { Shares::new(capacity, set) };
        Self {
            clock,
            unit: scale.unit,
            key,
            shards: (0..shards).map(|_| shard()).collect(),
            shares: Mutex::new(shares),
            mark,
            busy: AtomicBool::new(false),
            refused_until: 0,
        }
    }

    fn with_start_rule(mut self, settings: &Settings, mark: Option<u64>) -> Self {
        if !settings.fresh {
            let now = self.clock.now();
            self.refused_until = mark::refused_until(mark, now);
            let seconds = (self.refused_until + 1).saturating_sub(now.seconds());
            if seconds > 0 {
                let lasting = PAST * self.unit;
                tracing::info!(
                    lasting,
                    "requests signed within the next {seconds} s, or before, may have been used before this start: they are undetermined (replay-start-rule)"
                );
            }
        }
        self
    }

    /// Enters `entry`, once.
    ///
    /// # Errors
    ///
    /// [`NotCommitted`], which leaves the table as it was.
    pub fn commit(&self, entry: Entry<'_>) -> Result<(), NotCommitted> {
        if !self.mark.covers(entry.ts) {
            // The rules first: a timestamp that is refused anyway must not carry the mark with it.
            let now = self.clock.now();
            self.acceptable(entry.ts, now)?;
            self.mark.cover(entry.ts, now)?;
        }
        let ts = entry.ts / self.unit;
        let nonce = Nonce::new(self.fingerprint(&entry), ts);
        let holder = shares::hash(&self.key, entry.share);
        let mut shard = lock(self.shard(nonce.fingerprint).ok_or(NotCommitted::TableFull)?);
        // Under the lock, so that no pause between check and insertion lets an old one in.
        let now = self.clock.now();
        self.acceptable(entry.ts, now)?;
        shard.advance(in_units(now, self.unit), shard::STEP, |holder| lock(&self.shares).give_back(holder));
        shard.insert(nonce, ts, || lock(&self.shares).take(holder, entry.share))?;
        drop(shard);
        if !self.busy.load(Ordering::Relaxed) {
            self.busy.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Keeps the table swept and the mark ahead. To be called about once a second, from a thread
    /// that may block; without it commits do the same work themselves, and a table left full
    /// and idle needs some refused ones to become usable.
    pub fn tend(&self) {
        let now = self.clock.now();
        if self.busy.swap(false, Ordering::Relaxed) {
            self.mark.keep_ahead(now);
        }
        let now = in_units(now, self.unit);
        for shard in &self.shards {
            // In steps, so that no commit waits for a whole round.
            while !lock(shard).advance(now, shard::STEP, |holder| lock(&self.shares).give_back(holder)) {}
        }
    }

    /// Closes the table and saves it, for a clean stop; without a folder it only closes.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it could not be written; the next start then follows the mark.
    pub fn save(&self) -> Result<(), StoreError> {
        let now = in_units(self.clock.now(), self.unit);
        let (mut floor, mut nonces) = (0, Vec::new());
        for shard in &self.shards {
            let mut shard = lock(shard);
            shard.advance(now, 0, |_| ());
            let (forgotten, held) = shard.close();
            floor = floor.max(forgotten);
            nonces.extend(held);
        }
        let owners = lock(&self.shares).owners().collect();
        let floor = (floor * self.unit).max(self.refused_until + 1);
        let saved = Saved { key: self.key.clone(), floor, owners, nonces };
        self.mark.with_folder(|folder| folder.replace(saved::FILE, &saved.write())).unwrap_or(Ok(()))
    }

    /// Takes over what was saved and is still in the window; false when it does not fit.
    fn restore(&self, saved: &Saved) -> bool {
        let forgotten = in_units(self.clock.now(), self.unit).seconds().saturating_sub(PAST);
        // In the unit that the floor lies in nothing was forgotten: what was signed in it, but before
        // the floor, was refused, and still is by the start rule.
        let floor = saved.floor / self.unit;
        for shard in &self.shards {
            lock(shard).raise_floor(floor);
        }
        saved.owners.iter().for_each(|owner| lock(&self.shares).restore_owner(*owner));
        let live = |nonce: &Nonce| shard::bucket_end(nonce.bucket, floor) >= forgotten;
        saved.nonces.iter().filter(|(nonce, _)| live(nonce)).all(|(nonce, holder)| {
            let placed =
                self.shard(nonce.fingerprint).is_some_and(|shard| lock(shard).restore(*nonce, *holder));
            lock(&self.shares).restore(*holder);
            placed
        })
    }

    /// What the table holds now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let held = lock(&self.shares).total();
        let start = Stats { held, octets: shares::OCTETS, longest: 0 };
        self.shards.iter().fold(start, |sum, shard| {
            let shard = lock(shard);
            Stats { octets: sum.octets + shard.octets(), longest: sum.longest.max(shard.longest()), ..sum }
        })
    }

    fn acceptable(&self, ts: u64, now: Time) -> Result<(), NotCommitted> {
        let now = now.seconds();
        let oldest = (now / self.unit).saturating_sub(PAST);
        if ts / self.unit < oldest || ts > now.saturating_add(FUTURE) {
            return Err(NotCommitted::Expired);
        }
        if ts <= self.refused_until { Err(NotCommitted::StartRule) } else { Ok(()) }
    }

    /// Keyed, and injective before hashing: key and timestamp have fixed lengths.
    fn fingerprint(&self, entry: &Entry<'_>) -> u64 {
        let mut hasher = self.key.hasher();
        hasher.write(entry.key);
        hasher.write(&entry.ts.to_be_bytes());
        hasher.write(entry.nonce);
        hasher.finish()
    }

    /// By the fingerprint's highest bits; the lowest choose the slot.
    fn shard(&self, fingerprint: u64) -> Option<&Mutex<Shard>> {
        let at = ((fingerprint >> 40) * self.shards.len() as u64) >> 24;
        self.shards.get(at as usize)
    }
}

/// The time in units: what is a second of it lasts for `unit` seconds.
const fn in_units(time: Time, unit: u64) -> Time {
    Time::from_millis(time.millis() / unit)
}

fn read_saved(folder: &Folder) -> Result<Option<Saved>, StoreError> {
    let Some(content) = folder.read(saved::FILE, Saved::MOST_OCTETS)? else { return Ok(None) };
    let saved = Saved::read(&content);
    if saved.is_none() {
        tracing::warn!("the saved replay table is damaged: starting without it");
    }
    Ok(saved)
}

/// Detects damage, not malice: who can write these files can do worse.
fn checksum(content: &[u8]) -> u64 {
    let mut hasher = HashKey::from_octets([0; 16]).hasher();
    hasher.write(content);
    hasher.finish()
}

/// No operation leaves slots or counters half changed when it panics, since none can panic in
/// between; a poisoned lock is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;

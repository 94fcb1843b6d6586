//! One part of the table: fingerprints in open-addressed slots, each with its time bucket.
//!
//! Eleven octets a slot and no pointer: fingerprint, bucket of the signed timestamp, and whose
//! share it counts against. Slots are found by linear probing; an expired one is emptied by
//! moving later ones of its run back, so there are no tombstones and nothing is ever rebuilt.
//! A hand goes round the slots at a pace given by time and empties what has expired, a few slots
//! per operation; no single operation touches more than the shard.
//!
//! All times here are in the table's units: what is called a second is one unit.

use avouch_wire::time::Time;

use super::PAST;
use super::shares::Holder;
use avouch_engine::pipeline::NotCommitted;

/// Seconds per time bucket; what has expired stays for at most one second less than this.
const BUCKET: u64 = 2;

/// Time in which the hand goes once round. An expired nonce counts against its domain for at most
/// this long, and the 256 buckets of an octet (512 s) outlast window and round by far.
const ROUND_MILLIS: u64 = 8_000;

/// Most slots looked at for expiry in one operation: a few microseconds.
pub(super) const STEP: usize = 1_024;

/// Buckets that can hold a live nonce: the window of 331 s and the bucket it begins in.
const LIVE_BUCKETS: u8 = 166;

/// A fingerprint and the timestamp it was made with.
#[derive(Clone, Copy)]
pub(super) struct Nonce {
    pub(super) fingerprint: u64,
    pub(super) bucket: u8,
}

impl Nonce {
    /// Zero marks an empty slot, so the fingerprint zero is read as one.
    pub(super) fn new(fingerprint: u64, ts: u64) -> Self {
        Self { fingerprint: fingerprint.max(1), bucket: bucket(ts) }
    }
}

/// The last second of a live nonce's bucket, for a shard with this floor.
pub(super) fn bucket_end(bucket_there: u8, floor: u64) -> u64 {
    let after_floor = bucket_there.wrapping_sub(bucket(floor));
    (floor / BUCKET + u64::from(after_floor)) * BUCKET + (BUCKET - 1)
}

fn bucket(ts: u64) -> u8 {
    (ts / BUCKET) as u8
}

/// Slots that lie together, so that what a commit reads and writes is in one place of memory: 11 octets each,
/// without padding.
#[derive(Clone)]
struct Group {
    fingerprints: [u64; GROUP],
    holders: [Holder; GROUP],
    buckets: [u8; GROUP],
}

impl Group {
    const EMPTY: Self = Self { fingerprints: [0; GROUP], holders: [0; GROUP], buckets: [0; GROUP] };
}

/// Slots in a group.
const GROUP: usize = 16;

/// The slots of a shard; see the module.
pub(super) struct Shard {
    groups: Box<[Group]>,
    used: usize,
    /// What was signed before this second may have been forgotten. Never decreases, whatever
    /// the clock does.
    floor: u64,
    /// The slot to look at next.
    hand: usize,
    /// How far the hand is behind, in slots times milliseconds of a round, and as of when. Shards of few slots
    /// in tables of long units owe less than a slot from one call to the next.
    owed: u64,
    owed_at: Time,
    /// A saved table accepts nothing more: it would be missing in what was saved.
    closed: bool,
    longest: usize,
}

impl Shard {
    pub(super) fn new(slots: usize, now: Time) -> Self {
        Self {
            groups: vec![Group::EMPTY; slots.div_ceil(GROUP)].into(),
            used: 0,
            floor: now.seconds().saturating_sub(PAST),
            hand: 0,
            owed: 0,
            owed_at: now,
            closed: false,
            longest: 0,
        }
    }

    /// Enters `nonce`, signed at `ts`, unless it is there. `take` is asked for a share only then.
    pub(super) fn insert(
        &mut self,
        nonce: Nonce,
        ts: u64,
        take: impl FnOnce() -> Result<Holder, NotCommitted>,
    ) -> Result<(), NotCommitted> {
        if self.closed {
            return Err(NotCommitted::StoreUnreachable);
        }
        if ts < self.floor {
            return Err(NotCommitted::StartRule);
        }
        let at = self.free_slot(nonce)?;
        if self.used >= self.slots() / 16 * 15 {
            return Err(NotCommitted::TableFull);
        }
        self.write(at, nonce, take()?);
        self.used += 1;
        Ok(())
    }

    /// The empty slot where the run of `nonce` ends.
    fn free_slot(&mut self, nonce: Nonce) -> Result<usize, NotCommitted> {
        let mut at = self.home(nonce.fingerprint);
        for step in 0..self.slots() {
            let there = self.read(at);
            if there.fingerprint == 0 {
                self.longest = self.longest.max(step);
                return Ok(at);
            }
            if there.fingerprint == nonce.fingerprint && there.bucket == nonce.bucket {
                return Err(NotCommitted::Replayed);
            }
            at = self.after(at);
        }
        Err(NotCommitted::TableFull)
    }

    /// Moves the floor to the window of `now` and the hand at most `most` slots on; whoever held
    /// an emptied slot is told to `give_back`. Returns whether the hand has caught up.
    pub(super) fn advance(&mut self, now: Time, most: usize, mut give_back: impl FnMut(Holder)) -> bool {
        self.floor = self.floor.max(now.seconds().saturating_sub(PAST));
        let slots = self.slots();
        let elapsed = now.since(self.owed_at).as_millis().min(u128::from(ROUND_MILLIS)) as u64;
        let round = slots as u64 * ROUND_MILLIS;
        self.owed = (self.owed + slots as u64 * elapsed).min(round);
        self.owed_at = now;
        let mut work = 0;
        while self.owed >= ROUND_MILLIS && work < most {
            work += 1;
            if self.expired(self.hand) {
                give_back(self.holder(self.hand));
                // The hand stays: where the slots wrap round, what moved here is unseen.
                work += self.empty(self.hand);
            } else {
                self.hand = self.hand.checked_sub(1).unwrap_or(slots - 1);
                self.owed -= ROUND_MILLIS;
            }
        }
        self.longest = self.longest.max(work);
        self.owed < ROUND_MILLIS
    }

    fn expired(&self, at: usize) -> bool {
        let there = self.read(at);
        // A slot left so long that its bucket's number came round again is merely kept for one
        // more round; it cannot hide a replay.
        there.fingerprint != 0 && there.bucket.wrapping_sub(bucket(self.floor)) >= LIVE_BUCKETS
    }

    /// Empties a slot and closes the gap in its run; returns the slots touched.
    ///
    /// The hand goes downwards, so what stands behind an expired slot has been looked at already
    /// and a run of expired slots is emptied from its end, without moving anything.
    fn empty(&mut self, at: usize) -> usize {
        let (mut gap, mut next, mut touched) = (at, self.after(at), 1);
        loop {
            let there = self.read(next);
            if there.fingerprint == 0 || touched >= self.slots() {
                break;
            }
            let home = self.home(there.fingerprint);
            if self.distance(home, next) >= self.distance(gap, next) {
                self.write(gap, there, self.holder(next));
                gap = next;
            }
            next = self.after(next);
            touched += 1;
        }
        self.write(gap, Nonce { fingerprint: 0, bucket: 0 }, 0);
        self.used -= 1;
        touched
    }

    /// Refuses every further nonce and gives out what is held.
    pub(super) fn close(&mut self) -> (u64, impl Iterator<Item = (Nonce, Holder)>) {
        self.closed = true;
        let held = (0..self.slots()).filter(|at| self.read(*at).fingerprint != 0 && !self.expired(*at));
        (self.floor, held.map(|at| (self.read(at), self.holder(at))))
    }

    /// Brings back a nonce of a saved table; false if there is no room for it.
    pub(super) fn restore(&mut self, nonce: Nonce, holder: Holder) -> bool {
        let Ok(at) = self.free_slot(nonce) else { return false };
        self.write(at, nonce, holder);
        self.used += 1;
        self.used <= self.slots() / 16 * 15
    }

    /// Raises the floor, for a table that knows nothing of what was signed before `ts`.
    pub(super) fn raise_floor(&mut self, ts: u64) {
        self.floor = self.floor.max(ts);
    }

    /// The most slots one operation has touched.
    pub(super) const fn longest(&self) -> usize {
        self.longest
    }

    /// The number of slots.
    pub(super) const fn slots(&self) -> usize {
        self.groups.len() * GROUP
    }

    /// Memory of the slots.
    pub(super) const fn octets(&self) -> usize {
        self.groups.len() * size_of::<Group>()
    }

    fn home(&self, fingerprint: u64) -> usize {
        (((fingerprint & 0xffff_ffff) * self.slots() as u64) >> 32) as usize
    }

    const fn after(&self, at: usize) -> usize {
        if at + 1 == self.slots() { 0 } else { at + 1 }
    }

    /// Steps from one slot forward to another.
    const fn distance(&self, from: usize, to: usize) -> usize {
        if to >= from { to - from } else { to + self.slots() - from }
    }

    fn read(&self, at: usize) -> Nonce {
        let Some(group) = self.groups.get(at / GROUP) else { return Nonce { fingerprint: 0, bucket: 0 } };
        let fingerprint = group.fingerprints.get(at % GROUP).copied().unwrap_or(0);
        Nonce { fingerprint, bucket: group.buckets.get(at % GROUP).copied().unwrap_or(0) }
    }

    fn holder(&self, at: usize) -> Holder {
        self.groups.get(at / GROUP).and_then(|group| group.holders.get(at % GROUP)).copied().unwrap_or(0)
    }

    fn write(&mut self, at: usize, nonce: Nonce, holder: Holder) {
        let Some(group) = self.groups.get_mut(at / GROUP) else { return };
        if let Some(fingerprint) = group.fingerprints.get_mut(at % GROUP) {
            *fingerprint = nonce.fingerprint;
        }
        if let Some(bucket) = group.buckets.get_mut(at % GROUP) {
            *bucket = nonce.bucket;
        }
        if let Some(there) = group.holders.get_mut(at % GROUP) {
            *there = holder;
        }
    }
}

//! A table that never grows beyond its bound: the store under the answer cache, the look-up
//! budget and the rate cells.
//!
//! Set-associative: a hash chooses a set, a set has a lock and at most [`WAYS`] entries.
//! Every operation is one lock and one pass over one set, so there is no resize, no list to
//! maintain and no pause. Callers give the hash of a key with it, and always the same one; keyed
//! (`hash_key`), so that nobody outside can aim at a set.

use std::sync::{Mutex, MutexGuard, PoisonError};

use equivalent::Equivalent;

/// Entries per set. With sets half full on average (Poisson, mean 8) one set in 250 is
/// overfull; with fewer ways that grows quickly, with more each look-up reads more memory.
const WAYS: usize = 16;

/// A bounded map from `K` to `V`, shared between threads.
#[derive(Debug)]
pub(crate) struct Bounded<K, V> {
    sets: Box<[Place<K, V>]>,
}

/// With its lock it fills one line of memory: a look-up reads that, and then the way it wants.
#[derive(Debug)]
struct Set<K, V> {
    /// Counts accesses to this set; the entry with the lowest `used` was used longest ago.
    tick: u64,
    /// Part of the hash of each way's key.
    tags: [u8; WAYS],
    ways: Vec<Way<K, V>>,
}

/// A set and its lock, so placed that they share a line of memory with nothing else.
#[derive(Debug)]
#[repr(align(64))]
struct Place<K, V>(Mutex<Set<K, V>>);

#[derive(Debug)]
struct Way<K, V> {
    used: u64,
    key: K,
    value: V,
}

impl<K: Eq, V> Bounded<K, V> {
    /// A table of at most `entries` entries, rounded up to whole sets. Memory is taken as sets
    /// fill.
    pub(crate) fn new(entries: usize) -> Self {
        let sets = entries.div_ceil(WAYS).max(1);
        let empty = || Place(Mutex::new(Set { tick: 0, tags: [0; WAYS], ways: Vec::new() }));
        Self { sets: (0..sets).map(|_| empty()).collect() }
    }

    /// What `read` makes of the entry of `key`, if there is one; counts as a use.
    pub(crate) fn read<Q, R>(&self, hash: u64, key: &Q, read: impl FnOnce(&V) -> R) -> Option<R>
    where
        Q: ?Sized + Equivalent<K>,
    {
        self.set(hash)?.touch(hash, key).map(|value| read(value))
    }

    /// Puts `value` under `key`, in place of what stood there. In a full set an entry that
    /// `spent` says has no use left gives way first, else the one used longest ago.
    pub(crate) fn put(&self, hash: u64, key: K, value: V, spent: impl Fn(&V) -> bool) {
        let Some(mut set) = self.set(hash) else { return };
        if let Some(old) = set.touch(hash, &key) {
            *old = value;
            return;
        }
        if set.ways.len() >= WAYS {
            let spent = set.ways.iter().position(|way| spent(&way.value));
            if let Some(at) = spent.or_else(|| set.oldest()) {
                set.drop_way(at);
            }
        }
        set.add(hash, key, value);
    }

    /// What `change` makes of the entry of `key`, made with `fresh` if there is none. In a full
    /// set only an entry that `spent` says has no use left gives way; `None` if there is none.
    pub(crate) fn enter<R>(
        &self,
        hash: u64,
        key: K,
        spent: impl Fn(&V) -> bool,
        fresh: impl FnOnce() -> V,
        change: impl FnOnce(&mut V) -> R,
    ) -> Option<R> {
        let mut set = self.set(hash)?;
        if let Some(value) = set.touch(hash, &key) {
            return Some(change(value));
        }
        if set.ways.len() >= WAYS {
            let at = set.ways.iter().position(|way| spent(&way.value))?;
            set.drop_way(at);
        }
        Some(change(set.add(hash, key, fresh())))
    }

    /// Drops the entry of `key`, if there is one.
    pub(crate) fn remove<Q: ?Sized + Equivalent<K>>(&self, hash: u64, key: &Q) {
        let Some(mut set) = self.set(hash) else { return };
        if let Some(at) = set.find(hash, key) {
            set.drop_way(at);
        }
    }

    /// Entries held, spent ones included.
    pub(crate) fn len(&self) -> usize {
        self.sets.iter().map(|set| set.lock().ways.len()).sum()
    }

    fn set(&self, hash: u64) -> Option<MutexGuard<'_, Set<K, V>>> {
        let sets = self.sets.len() as u128;
        let at = usize::try_from((u128::from(hash) * sets) >> 64).ok()?;
        self.sets.get(at).map(Place::lock)
    }
}

impl<K, V> Place<K, V> {
    /// A panic elsewhere leaves no half-made entry (each change is one assignment), so a poisoned
    /// lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, Set<K, V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K, V> Set<K, V> {
    fn find<Q: ?Sized + Equivalent<K>>(&self, hash: u64, key: &Q) -> Option<usize> {
        let mut tagged = self.tags.iter().zip(&self.ways).enumerate();
        tagged.find(|(_, (tag, way))| **tag == hash as u8 && key.equivalent(&way.key)).map(|(at, _)| at)
    }

    fn touch<Q: ?Sized + Equivalent<K>>(&mut self, hash: u64, key: &Q) -> Option<&mut V> {
        self.tick += 1;
        let at = self.find(hash, key)?;
        let way = self.ways.get_mut(at)?;
        way.used = self.tick;
        Some(&mut way.value)
    }

    fn oldest(&self) -> Option<usize> {
        self.ways.iter().enumerate().min_by_key(|(_, way)| way.used).map(|(at, _)| at)
    }

    fn drop_way(&mut self, at: usize) {
        self.ways.swap_remove(at);
        if let (Some(last), Some(tag)) = (self.tags.get(self.ways.len()).copied(), self.tags.get_mut(at)) {
            *tag = last;
        }
    }

    fn add(&mut self, hash: u64, key: K, value: V) -> &mut V {
        if let Some(tag) = self.tags.get_mut(self.ways.len()) {
            *tag = hash as u8;
        }
        let way = Way { used: self.tick, key, value };
        &mut self.ways.push_mut(way).value
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    /// Any hash will do, also a poor one.
    const fn hash(key: u32) -> u64 {
        (key as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    #[test]
    fn what_was_put_is_read_by_a_borrowed_key() {
        let table = Bounded::<Box<str>, u32>::new(64);
        table.put(7, "a".into(), 1, |_| false);
        table.put(7, "a".into(), 2, |_| false);
        assert_eq!(table.read(7, "a", |value| *value), Some(2));
        assert_eq!(table.read(7, "b", |value| *value), None);
        table.remove(7, "a");
        assert_eq!(table.len(), 0);
    }

    #[test]
    fn a_set_with_its_lock_is_one_line_of_memory() {
        assert_eq!(size_of::<Place<Box<str>, u64>>(), 64);
    }

    #[test]
    fn the_bound_holds_and_the_longest_unused_gives_way() {
        let table = Bounded::<u32, u32>::new(WAYS);
        for key in 0..10_000 {
            table.put(hash(key), key, key, |_| false);
            table.read(hash(0), &0, |_| ()).expect("an entry in constant use stays");
        }
        assert_eq!(table.len(), WAYS);
    }

    #[test]
    fn a_spent_entry_gives_way_before_a_useful_one() {
        let table = Bounded::<u32, bool>::new(WAYS);
        for key in 0..WAYS as u32 {
            table.put(hash(key), key, key == 7, |_| false);
        }
        table.put(hash(99), 99, false, |spent| *spent);
        assert_eq!(table.read(hash(7), &7, |_| ()), None);
        assert_eq!(table.read(hash(0), &0, |_| ()), Some(()));
    }

    #[test]
    fn entering_a_full_set_of_useful_entries_is_refused() {
        let table = Bounded::<u32, u32>::new(WAYS);
        for key in 0..WAYS as u32 {
            assert_eq!(table.enter(hash(key), key, |_| false, || 1, |value| *value), Some(1));
        }
        assert_eq!(table.enter(hash(99), 99, |_| false, || 1, |value| *value), None);
        assert_eq!(table.enter(hash(99), 99, |_| true, || 1, |value| *value), Some(1));
        assert_eq!(table.len(), WAYS);
    }
    proptest! {
        #[test]
        fn what_is_read_is_what_was_put_last(steps in proptest::collection::vec((0..60_u32, 0..4_u8), 1..400)) {
            let (table, mut model) = (Bounded::<u32, usize>::new(2 * WAYS), HashMap::new());
            for (step, (key, action)) in steps.into_iter().enumerate() {
                match action {
                    0 => {
                        table.remove(hash(key), &key);
                        model.remove(&key);
                    }
                    1 => {
                        let read = table.read(hash(key), &key, |value| *value);
                        prop_assert!(read.is_none() || read == model.get(&key).copied());
                    }
                    _ => {
                        table.put(hash(key), key, step, |value| value % 3 == 0);
                        model.insert(key, step);
                        prop_assert_eq!(table.read(hash(key), &key, |value| *value), Some(step));
                    }
                }
                prop_assert!(table.len() <= 2 * WAYS);
            }
        }
    }
}

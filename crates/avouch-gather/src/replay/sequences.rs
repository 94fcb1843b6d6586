//! How far each instance of an agent has counted, in registry mode (`docs/formats/registration-entity.md`).
//!
//! A number is looked at and moved under one lock with the nonce, so that of two requests with one number one is
//! accepted, and a request that is not accepted moves nothing. In memory only: what is forgotten opens no way to a
//! replay, which is what nonces are for. Entries are forgotten for want of room alone, and then only those that were
//! not heard of for [`IDLE`] seconds.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use avouch_engine::pipeline::{NotCommitted, Sequence, Share};

use super::lock;
use crate::hash_key::HashKey;

/// Instances that are remembered: less than 8 MiB.
const CAPACITY: usize = 1 << 16;

/// Those of one registrable domain, a sixteenth.
const OF_A_DOMAIN: usize = CAPACITY / 16;

/// Seconds after which an entry may give way: longer than a signed request counts.
const IDLE: u64 = 600;

/// Seconds between two looks for entries that may give way.
const PAUSE: u64 = 10;

/// Parts with a lock each, so that agents seldom wait for each other.
const SHARDS: usize = 64;

/// How far each instance has counted.
pub(super) struct Sequences {
    key: HashKey,
    shards: Box<[Mutex<HashMap<u128, Last>>]>,
    /// Taken after a shard's lock, never before.
    held: Mutex<Held>,
    /// When room was last looked for.
    swept: AtomicU64,
}

/// The last number of an instance that was accepted.
struct Last {
    number: u64,
    heard: u64,
    domain: u64,
}

/// How many entries there are, in all and by domain.
#[derive(Default)]
struct Held {
    total: usize,
    domains: HashMap<u64, usize>,
}

impl Sequences {
    pub(super) fn new() -> Self {
        Self {
            key: HashKey::random(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            held: Mutex::default(),
            swept: AtomicU64::new(0),
        }
    }

    /// Moves the sequence of an instance of the agent that `agent` stands for, if its nonce is committed.
    ///
    /// # Errors
    /// [`NotCommitted`], which leaves the sequence as it was.
    pub(super) fn commit(
        &self,
        (agent, sequence, share): (&[u8; 32], Sequence<'_>, Share<'_>),
        now: u64,
        commit: impl FnOnce() -> Result<(), NotCommitted>,
    ) -> Result<(), NotCommitted> {
        let name = self.key.name(&(agent, sequence.instance));
        let domain = match share {
            Share::Domain { domain, .. } => self.key.of(domain),
            Share::Pseudonyms => 0,
        };
        if !lock(&self.held).has_room(domain) {
            self.sweep(now);
        }
        let at = usize::try_from(name % SHARDS as u128).unwrap_or_default();
        let mut shard = lock(self.shards.get(at).ok_or(NotCommitted::SequencesFull)?);
        if let Some(last) = shard.get_mut(&name) {
            sequence.follows(Some(last.number))?;
            commit()?;
            (last.number, last.heard) = (sequence.number, now);
            return Ok(());
        }
        sequence.follows(None)?;
        lock(&self.held).take(domain)?;
        if let Err(refused) = commit() {
            lock(&self.held).give_back(domain);
            return Err(refused);
        }
        shard.insert(name, Last { number: sequence.number, heard: now, domain });
        Ok(())
    }

    /// How many instances are remembered.
    pub(super) fn len(&self) -> usize {
        lock(&self.held).total
    }

    /// Forgets who was not heard of for long; not more often than is of use.
    fn sweep(&self, now: u64) {
        let before = self.swept.load(Ordering::Relaxed);
        let is_due = now.abs_diff(before) >= PAUSE;
        if !is_due || self.swept.compare_exchange(before, now, Ordering::Relaxed, Ordering::Relaxed).is_err()
        {
            return;
        }
        for shard in &self.shards {
            lock(shard).retain(|_, last| {
                let stays = now.saturating_sub(last.heard) < IDLE;
                if !stays {
                    lock(&self.held).give_back(last.domain);
                }
                stays
            });
        }
    }
}

impl Held {
    fn has_room(&self, domain: u64) -> bool {
        self.total < CAPACITY && self.domains.get(&domain).is_none_or(|held| *held < OF_A_DOMAIN)
    }

    fn take(&mut self, domain: u64) -> Result<(), NotCommitted> {
        if !self.has_room(domain) {
            return Err(NotCommitted::SequencesFull);
        }
        self.total += 1;
        *self.domains.entry(domain).or_default() += 1;
        Ok(())
    }

    fn give_back(&mut self, domain: u64) {
        self.total = self.total.saturating_sub(1);
        if let Some(held) = self.domains.get_mut(&domain) {
            *held = held.saturating_sub(1);
            if *held == 0 {
                self.domains.remove(&domain);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use NotCommitted::{Replayed, SequenceAhead, SequenceBehind, SequencesFull};
    use proptest::prelude::*;

    const ACME: Share<'_> = Share::Domain { domain: "acme.example", named: false };

    fn at(number: u64, floor: u64) -> Sequence<'static> {
        Sequence { instance: "m1", number, floor, window: 5 }
    }

    fn commit(sequences: &Sequences, sequence: Sequence<'_>) -> Result<(), NotCommitted> {
        sequences.commit((&[1; 32], sequence, ACME), 1_000, || Ok(()))
    }

    #[test]
    fn numbers_go_forward_within_the_window_only() {
        let sequences = Sequences::new();
        let steps = [
            (7, Ok(()), "the first that is heard of"),
            (7, Err(SequenceBehind), "twice"),
            (6, Err(SequenceBehind), "back"),
            (13, Err(SequenceAhead), "six further"),
            (12, Ok(()), "five further"),
            (8, Err(SequenceBehind), "one that was left out"),
            (13, Ok(()), "the next"),
            (u64::MAX, Err(SequenceAhead), "far"),
        ];
        for (number, expected, why) in steps {
            assert_eq!(commit(&sequences, at(number, 0)), expected, "{why}");
        }
    }

    #[test]
    fn another_beginning_is_taken_up_and_the_one_before_is_over() {
        let sequences = Sequences::new();
        let floor = 1 << 32;
        assert_eq!(commit(&sequences, at(7, 0)), Ok(()));
        assert_eq!(commit(&sequences, at(floor, 0)), Err(SequenceAhead), "nobody agreed on it");
        assert_eq!(commit(&sequences, at(8, floor)), Err(SequenceBehind), "over");
        assert_eq!(commit(&sequences, at(floor + 5, floor)), Err(SequenceAhead));
        assert_eq!(commit(&sequences, at(floor + 4, floor)), Ok(()));
        assert_eq!(commit(&sequences, at(floor, floor)), Err(SequenceBehind), "passed");
        assert_eq!(commit(&sequences, at(9, 0)), Err(SequenceBehind), "no way back if the floor falls");
        assert_eq!(commit(&Sequences::new(), at(floor - 1, floor)), Err(SequenceBehind), "the first");
    }

    #[test]
    fn a_request_that_is_not_accepted_moves_nothing() {
        let sequences = Sequences::new();
        let refuse = |number| sequences.commit((&[1; 32], at(number, 0), ACME), 1_000, || Err(Replayed));
        assert_eq!((refuse(7), sequences.len()), (Err(Replayed), 0));
        assert_eq!(commit(&sequences, at(3, 0)), Ok(()));
        assert_eq!(refuse(5), Err(Replayed));
        assert_eq!(commit(&sequences, at(4, 0)), Ok(()));
    }

    #[test]
    fn agents_and_instances_are_counted_apart() {
        let sequences = Sequences::new();
        assert_eq!(commit(&sequences, at(7, 0)), Ok(()));
        assert_eq!(sequences.commit((&[2; 32], at(7, 0), ACME), 1_000, || Ok(())), Ok(()));
        assert_eq!(commit(&sequences, Sequence { instance: "m2", ..at(7, 0) }), Ok(()));
        assert_eq!(commit(&sequences, Sequence { instance: "", ..at(7, 0) }), Ok(()));
        assert_eq!((commit(&sequences, at(7, 0)), sequences.len()), (Err(SequenceBehind), 4));
    }

    #[test]
    fn a_domain_fills_its_part_and_nothing_live_gives_way() {
        let sequences = Sequences::new();
        let put = |agent: u8, number: usize, share, now| {
            let instance = format!("m{number}");
            let sequence = Sequence { instance: &instance, ..at(1, 0) };
            sequences.commit((&[agent; 32], sequence, share), now, || Ok(()))
        };
        assert!((0..OF_A_DOMAIN).all(|number| put(1, number, ACME, 1_000) == Ok(())));
        assert_eq!(put(1, OF_A_DOMAIN, ACME, 1_000 + IDLE - 1), Err(SequencesFull));
        let other = Share::Domain { domain: "other.example", named: false };
        assert_eq!(put(2, 0, other, 1_599), Ok(()), "another domain");
        assert_eq!(put(1, 0, ACME, 1_599), Err(SequenceBehind), "remembered");
        assert_eq!(put(1, OF_A_DOMAIN, ACME, 1_600), Err(SequencesFull), "looked a second ago");
        assert_eq!(put(1, OF_A_DOMAIN, ACME, 1_609), Ok(()), "idle ones gave way");
        assert_eq!(sequences.len(), 2);
    }

    #[test]
    fn of_64_threads_with_one_number_one_succeeds() {
        let sequences = Sequences::new();
        let successes: usize = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..64).map(|_| scope.spawn(|| usize::from(commit(&sequences, at(7, 0)).is_ok()))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(successes, 1);
    }

    proptest! {
        #[test]
        fn what_is_accepted_rises_by_the_window_at_most(numbers in proptest::collection::vec(0_u64..40, 1..60)) {
            let (sequences, mut last) = (Sequences::new(), None::<u64>);
            for number in numbers {
                let fits = last.is_none_or(|last| number > last && number <= last + 5);
                prop_assert_eq!(commit(&sequences, at(number, 0)).is_ok(), fits);
                last = if fits { Some(number) } else { last };
            }
        }
    }
}

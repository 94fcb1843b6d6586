//! Who holds how much of the table, so that nobody can fill it for the others.
//!
//! Of a table of capacity C, where L is the limit that is set (the table of most signatures has all of it):
//! - a registrable domain holds at most C/16, all pseudonyms together count as one domain;
//! - domains above L/1024 together hold at most C/2, the rest admits only those below;
//! - C/8 is set aside for domains named in a policy rule. What named domains hold beyond it
//!   competes like anybody's: it counts against both bounds on strangers, so 3/8 of the table are
//!   always left to small ones. Strangers never get at the reserve; two named domains at their
//!   bound of C/16 fill it, and further ones then compete.
//!
//! A table for few, whom the operator named, gives each of them C/4.

use core::hash::Hasher;

use crate::hash_key::HashKey;
use avouch_engine::pipeline::{NotCommitted, Share};

/// Domains counted apart, in 192 KiB. Beyond that, and in an overfull [`SET`], a domain is counted
/// together with another: it may be refused for what that one holds, or hold a part of its own
/// under the other's bound. What all domains hold together stays exact.
const DOMAINS: usize = 1 << 14;

/// Counters among which a domain has its place; a keyed hash says where the set begins.
const SET: usize = 8;

/// Which counter an entry of the table is counted by.
pub(super) type Holder = u16;

/// Memory of the counters.
pub(super) const OCTETS: usize = DOMAINS * size_of::<Counter>();

/// What one domain holds.
#[derive(Clone, Copy, Default)]
struct Counter {
    /// Part of the domain's hash: who the counter belongs to while `count` is above zero.
    tag: u32,
    count: u32,
    named: bool,
}

/// The parts of the table in use.
#[derive(Clone, Copy, Default)]
struct Pools {
    named: u64,
    strangers: u64,
    /// Of `strangers`, those above the bound for small domains.
    large: u64,
}

struct Bounds {
    domain: u64,
    small: u64,
    large: u64,
    reserve: u64,
    capacity: u64,
}

/// The counters of all domains.
pub(super) struct Shares {
    counters: Box<[Counter]>,
    pools: Pools,
    bounds: Bounds,
}

impl Shares {
    /// Counters for a table of this capacity, where `set` is what the operator set for all.
    pub(super) fn new(capacity: usize, set: usize) -> Self {
        let (capacity, set) = (capacity as u64, set as u64);
        let bounds = Bounds {
            domain: (capacity / 16).max(1),
            small: set / 1024,
            large: capacity / 2,
            reserve: capacity / 8,
            capacity,
        };
        Self::within(bounds)
    }

    /// Counters for a table in which four domains at most have entries.
    pub(super) fn of_few(capacity: usize) -> Self {
        let capacity = capacity as u64;
        let domain = (capacity / 4).max(1);
        Self::within(Bounds { domain, small: capacity, large: capacity, reserve: 0, capacity })
    }

    fn within(bounds: Bounds) -> Self {
        Self { counters: vec![Counter::default(); DOMAINS].into(), pools: Pools::default(), bounds }
    }

    /// Counts one more entry for `share`, whose hash is `hash`.
    pub(super) fn take(&mut self, hash: u64, share: Share<'_>) -> Result<Holder, NotCommitted> {
        let tag = (hash >> 32) as u32;
        let at = self.place(hash, tag).ok_or(NotCommitted::TableFull)?;
        let before = self.counter(at);
        let own = before.count == 0 || before.tag == tag;
        let owner = if own { Counter { tag, count: 0, named: share.is_named() } } else { before };
        let after = Counter { count: before.count + 1, ..owner };
        let pools = self.pools.change(before, after, &self.bounds);
        self.bounds.admit(after, pools)?;
        self.pools = pools;
        self.set_counter(at, after);
        Holder::try_from(at).map_err(|_| NotCommitted::TableFull)
    }

    /// Counts one entry less for `holder`.
    pub(super) fn give_back(&mut self, holder: Holder) {
        let at = usize::from(holder);
        let before = self.counter(at);
        let after = Counter { count: before.count.saturating_sub(1), ..before };
        self.pools = self.pools.change(before, after, &self.bounds);
        self.set_counter(at, after);
    }

    /// The domain's own counter, else a free one, else the least used of the set.
    fn place(&self, hash: u64, tag: u32) -> Option<usize> {
        let first = (hash as usize % (DOMAINS / SET)) * SET;
        let set = self.counters.get(first..first + SET)?;
        let own = set.iter().position(|counter| counter.count > 0 && counter.tag == tag);
        let least = || set.iter().enumerate().min_by_key(|(_, counter)| counter.count).map(|(at, _)| at);
        own.or_else(least).map(|at| first + at)
    }

    fn counter(&self, at: usize) -> Counter {
        self.counters.get(at).copied().unwrap_or_default()
    }

    fn set_counter(&mut self, at: usize, value: Counter) {
        if let Some(counter) = self.counters.get_mut(at) {
            *counter = value;
        }
    }

    /// Entries counted.
    pub(super) fn total(&self) -> u64 {
        self.pools.named + self.pools.strangers
    }

    /// Whom the counters in use belong to, for a saved table.
    pub(super) fn owners(&self) -> impl Iterator<Item = Owner> {
        let used = self.counters.iter().zip(0..).filter(|(counter, _)| counter.count > 0);
        used.map(|(counter, holder)| Owner { holder, tag: counter.tag, named: counter.named })
    }

    /// Brings back whom a counter belongs to; what it counts follows.
    pub(super) fn restore_owner(&mut self, owner: Owner) {
        let at = usize::from(owner.holder);
        if self.counter(at).count == 0 {
            self.set_counter(at, Counter { tag: owner.tag, count: 0, named: owner.named });
        }
    }

    /// Brings back one entry.
    pub(super) fn restore(&mut self, holder: Holder) {
        let at = usize::from(holder);
        let before = self.counter(at);
        let after = Counter { count: before.count.saturating_add(1), ..before };
        self.pools = self.pools.change(before, after, &self.bounds);
        self.set_counter(at, after);
    }
}

/// Whom a counter belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) holder: Holder,
    pub(super) tag: u32,
    pub(super) named: bool,
}

impl Pools {
    fn change(self, before: Counter, after: Counter, bounds: &Bounds) -> Self {
        let gone = Self::of(before, bounds);
        let come = Self::of(after, bounds);
        Self {
            named: self.named - gone.named + come.named,
            strangers: self.strangers - gone.strangers + come.strangers,
            large: self.large - gone.large + come.large,
        }
    }

    /// What one counter contributes.
    fn of(counter: Counter, bounds: &Bounds) -> Self {
        let count = u64::from(counter.count);
        if counter.named {
            return Self { named: count, ..Self::default() };
        }
        Self { named: 0, strangers: count, large: if count > bounds.small { count } else { 0 } }
    }
}

impl Bounds {
    /// Whether the table may come to `pools` by an entry that makes its domain's counter `after`.
    fn admit(&self, after: Counter, pools: Pools) -> Result<(), NotCommitted> {
        let count = u64::from(after.count);
        if count > self.domain {
            return Err(NotCommitted::ShareFull);
        }
        if after.named && pools.named <= self.reserve {
            return Ok(());
        }
        let excess = pools.named.saturating_sub(self.reserve);
        if pools.strangers + excess > self.capacity - self.reserve {
            return Err(NotCommitted::TableFull);
        }
        if count > self.small && pools.large + excess > self.large {
            return Err(NotCommitted::ShareFull);
        }
        Ok(())
    }
}

/// The hash by which a share finds its counter.
pub(super) fn hash(key: &HashKey, share: Share<'_>) -> u64 {
    let mut hasher = key.hasher();
    match share {
        Share::Domain { domain, .. } => {
            hasher.write_u8(b'd');
            hasher.write(domain.as_bytes());
        }
        Share::Pseudonyms => hasher.write_u8(b'p'),
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPACITY: usize = 1 << 14;

    fn fill(
        shares: &mut Shares,
        domain: &str,
        named: bool,
        most: usize,
    ) -> (Vec<Holder>, Option<NotCommitted>) {
        let share = Share::Domain { domain, named };
        let hash = hash(&HashKey::from_octets([7; 16]), share);
        let mut held = Vec::new();
        for _ in 0..most {
            match shares.take(hash, share) {
                Ok(holder) => held.push(holder),
                Err(refused) => return (held, Some(refused)),
            }
        }
        (held, None)
    }

    #[test]
    fn a_domain_holds_a_sixteenth_and_not_one_more() {
        let mut shares = Shares::new(CAPACITY, CAPACITY);
        let (held, refused) = fill(&mut shares, "a.example", false, CAPACITY);
        assert_eq!((held.len(), refused), (CAPACITY / 16, Some(NotCommitted::ShareFull)));
        assert_eq!(fill(&mut shares, "b.example", false, 10).1, None);
        shares.give_back(held[0]);
        assert_eq!(fill(&mut shares, "a.example", false, 2).0.len(), 1);
    }

    #[test]
    fn all_pseudonyms_together_are_one_domain() {
        let mut shares = Shares::new(CAPACITY, CAPACITY);
        let hash = hash(&HashKey::from_octets([7; 16]), Share::Pseudonyms);
        let held = (0..CAPACITY).take_while(|_| shares.take(hash, Share::Pseudonyms).is_ok()).count();
        assert_eq!(held, CAPACITY / 16);
    }

    #[test]
    fn large_domains_together_hold_half_and_small_ones_the_rest() {
        let mut shares = Shares::new(CAPACITY, CAPACITY);
        for domain in 0..20 {
            fill(&mut shares, &format!("large-{domain}.example"), false, CAPACITY);
        }
        // What large domains could not take while large they hold as small ones at most.
        assert!(shares.pools.large <= CAPACITY as u64 / 2);
        let before = shares.total();
        for domain in 0..100 {
            assert_eq!(fill(&mut shares, &format!("small-{domain}.example"), false, 16).1, None);
        }
        assert_eq!(shares.total(), before + 1_600);
        let (held, refused) = fill(&mut shares, "small-0.example", false, 1);
        assert_eq!((held.len(), refused), (0, Some(NotCommitted::ShareFull)), "it would become large");
    }

    #[test]
    fn strangers_cannot_use_what_is_set_aside_for_named_domains() {
        let mut shares = Shares::new(CAPACITY, CAPACITY);
        for domain in 0..4_000 {
            fill(&mut shares, &format!("flood-{domain}.example"), false, 16);
        }
        assert_eq!(shares.total(), CAPACITY as u64 * 7 / 8);
        assert_eq!(fill(&mut shares, "new.example", false, 1).1, Some(NotCommitted::TableFull));
        let named: usize =
            (0..4).map(|n| fill(&mut shares, &format!("n{n}.example"), true, 9_999).0.len()).sum();
        assert_eq!(named, CAPACITY / 8);
        assert_eq!(shares.total(), CAPACITY as u64);
    }

    #[test]
    fn named_domains_beyond_the_reserve_leave_small_strangers_their_part() {
        let mut shares = Shares::new(CAPACITY, CAPACITY);
        for n in 0..10 {
            fill(&mut shares, &format!("n{n}.example"), true, CAPACITY);
        }
        assert_eq!(shares.total(), CAPACITY as u64 * 5 / 8);
        let small: usize =
            (0..4_000).map(|n| fill(&mut shares, &format!("s{n}.example"), false, 2).0.len()).sum();
        assert_eq!(small, CAPACITY * 3 / 8);
    }

    #[test]
    fn a_domain_that_becomes_named_moves_with_all_it_holds() {
        let mut shares = Shares::new(CAPACITY, CAPACITY);
        fill(&mut shares, "a.example", false, 100);
        fill(&mut shares, "a.example", true, 1);
        assert_eq!((shares.pools.named, shares.pools.strangers, shares.pools.large), (101, 0, 0));
    }

    #[test]
    fn giving_everything_back_leaves_nothing_counted() {
        let mut shares = Shares::new(CAPACITY, CAPACITY);
        let mut held = Vec::new();
        for n in 0..40_000 {
            held.extend(fill(&mut shares, &format!("{n}.example"), n % 7 == 0, 3).0);
        }
        assert!(held.len() > CAPACITY / 2, "more domains than counters are still counted");
        for holder in held {
            shares.give_back(holder);
        }
        assert_eq!((shares.pools.named, shares.pools.strangers, shares.pools.large), (0, 0, 0));
    }
}

//! The most frequent of any number of names, in a table of fixed size.
//!
//! The Space-Saving algorithm (Metwally, Agrawal, El Abbadi: "Efficient Computation of Frequent and Top-k
//! Elements in Data Streams", 2005): a name that finds no seat takes that of the rarest, and its count as an
//! error. A name with more than one in [`SEATS`] of all requests always has a seat, whatever others make up.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

/// Names that are counted at once. Together with [`LONGEST`] it bounds a table at less than 1 MiB.
pub(super) const SEATS: usize = 1024;

/// Names that have a series of their own.
pub(super) const SHOWN: usize = 50;

/// The longest name that is kept, in octets: the longest agent at the longest domain.
pub(super) const LONGEST: usize = 382;

/// Counts of names.
#[derive(Debug, Default)]
pub(super) struct Frequent {
    seats: Vec<Seat>,
    index: HashMap<Arc<str>, usize>,
    total: u64,
    /// The least count there may be, which all seats before `looked` exceed: counts only grow.
    least: u64,
    looked: usize,
}

#[derive(Debug)]
struct Seat {
    name: Arc<str>,
    /// At least as many as there were; at most `error` too many.
    count: u64,
    error: u64,
    /// How many of `count` are no part of its series.
    base: u64,
    shown: bool,
}

/// A name and how often it came: at least `seen`, at most `seen + unsure`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The name, cut at 382 octets.
    pub name: Arc<str>,
    /// Requests since it took its place in the table.
    pub seen: u64,
    /// Requests that it may have made before.
    pub unsure: u64,
}

/// What series show: names with their counts, and the count of all others.
pub(super) struct Shown {
    pub(super) names: Vec<(Arc<str>, u64)>,
    pub(super) other: u64,
}

impl Seat {
    const fn seen(&self) -> u64 {
        self.count.saturating_sub(self.error)
    }
}

impl Frequent {
    /// Counts a request of this name.
    pub(super) fn count(&mut self, name: &str) {
        self.total += 1;
        let name = name.get(..name.floor_char_boundary(LONGEST)).unwrap_or_default();
        if let Some(seat) = self.index.get(name).and_then(|at| self.seats.get_mut(*at)) {
            seat.count += 1;
            return;
        }
        let name: Arc<str> = name.into();
        let mut new = Seat { name: Arc::clone(&name), count: 1, error: 0, base: 0, shown: false };
        if self.seats.len() < SEATS {
            self.index.insert(name, self.seats.len());
            self.seats.push(new);
        } else if let Some((at, rarest)) = self.rarest() {
            (new.count, new.error, new.base) = (rarest.count + 1, rarest.count, rarest.count);
            let gone = std::mem::replace(rarest, new);
            self.index.remove(&gone.name);
            self.index.insert(name, at);
        }
    }

    /// A seat with the least count. Made-up names that come one after the other take one seat after the other, so
    /// that each of them looks at few.
    fn rarest(&mut self) -> Option<(usize, &mut Seat)> {
        let rest = self.seats.iter().skip(self.looked);
        let at = match rest.map(|seat| seat.count).position(|count| count <= self.least) {
            Some(at) => self.looked + at,
            None => {
                let (at, seat) = self.seats.iter().enumerate().min_by_key(|(_, seat)| seat.count)?;
                self.least = seat.count;
                at
            }
        };
        self.looked = at + 1;
        Some((at, self.seats.get_mut(at)?))
    }

    /// Counts a request that has no name.
    pub(super) const fn count_unnamed(&mut self) {
        self.total += 1;
    }

    /// All there were.
    pub(super) const fn total(&self) -> u64 {
        self.total
    }

    /// The names seen most, most first; at most so many.
    pub(super) fn top(&self, most: usize) -> Vec<Counted> {
        self.ranked().into_iter().take(most).filter_map(|at| self.seats.get(at)).map(Seat::counted).collect()
    }

    /// What the series are now. A name that gets one begins with what came since the last time, so that `other`,
    /// of which all before was a part, never goes back, and all series together are always the total.
    pub(super) fn show(&mut self) -> Shown {
        let ranked = self.ranked();
        let (first, rest) = ranked.split_at(SHOWN.min(ranked.len()));
        for at in rest {
            if let Some(seat) = self.seats.get_mut(*at) {
                (seat.shown, seat.base) = (false, seat.count);
            }
        }
        let mut names = Vec::with_capacity(first.len());
        for at in first {
            if let Some(seat) = self.seats.get_mut(*at) {
                seat.shown = true;
                names.push((Arc::clone(&seat.name), seat.count.saturating_sub(seat.base)));
            }
        }
        let named: u64 = names.iter().map(|(_, count)| count).sum();
        Shown { names, other: self.total.saturating_sub(named) }
    }

    /// Seats by what was seen, most first; those that are shown keep their place among equals.
    fn ranked(&self) -> Vec<usize> {
        let mut ranked: Vec<_> = self.seats.iter().enumerate().collect();
        ranked.sort_by_key(|(_, seat)| (Reverse(seat.seen()), Reverse(seat.shown)));
        ranked.into_iter().map(|(at, _)| at).collect()
    }
}

impl Seat {
    fn counted(&self) -> Counted {
        Counted { name: Arc::clone(&self.name), seen: self.seen(), unsure: self.error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(names: impl IntoIterator<Item = String>) -> Frequent {
        let mut table = Frequent::default();
        names.into_iter().for_each(|name| table.count(&name));
        table
    }

    fn sum(shown: &Shown) -> u64 {
        shown.names.iter().map(|(_, count)| count).sum::<u64>() + shown.other
    }

    #[test]
    fn few_names_are_counted_exactly() {
        let table = counted((0..1000_u32).map(|at| format!("{}.example", at % 7)));
        let top = table.top(SHOWN);
        assert_eq!(top.len(), 7);
        assert_eq!(top.iter().map(|one| one.seen).sum::<u64>(), 1000);
        assert!(top.iter().all(|one| one.unsure == 0 && one.seen >= 142));
    }

    #[test]
    fn a_million_made_up_names_fit_and_push_out_nobody_who_comes_often() {
        let mut table = Frequent::default();
        for at in 0..1_000_000_u32 {
            table.count(&format!("{at}.made-up.example"));
            if at % 400 == 0 {
                table.count("liar.example");
            }
        }
        assert_eq!((table.seats.len(), table.index.len(), table.total()), (SEATS, SEATS, 1_002_500));
        let top = table.top(1);
        assert_eq!(&*top[0].name, "liar.example");
        assert_eq!(top[0].seen + top[0].unsure, 2500, "its seat was never taken");
        let shown = table.show();
        assert_eq!((shown.names.len(), sum(&shown)), (SHOWN, 1_002_500));
        assert_eq!(shown.names.iter().find(|(name, _)| &**name == "liar.example").unwrap().1, 2500);
    }

    #[test]
    fn no_series_goes_back_and_all_together_are_the_total() {
        let mut table = Frequent::default();
        let mut before: HashMap<Arc<str>, u64> = HashMap::new();
        let (mut other, mut state) = (0, 7_u64);
        for at in 1..200_000_u64 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // Some come often, and others take their places later.
            let often = state >> 62 == 0;
            let name = if often { (state >> 40) % 40 + at / 20_000 * 30 } else { state >> 33 };
            table.count(&format!("{name}.example"));
            if at % 997 == 0 {
                let shown = table.show();
                assert_eq!(sum(&shown), at);
                assert!(shown.other >= other, "{} after {other}", shown.other);
                other = shown.other;
                let now: HashMap<_, _> = shown.names.into_iter().collect();
                for (name, count) in &now {
                    assert!(before.get(name).is_none_or(|before| before <= count), "{name}");
                }
                before = now;
            }
        }
    }

    #[test]
    fn a_name_that_gets_a_series_later_begins_with_what_came_since() {
        let mut table = counted((0..SHOWN).flat_map(|at| [format!("{at}.example"), format!("{at}.example")]));
        table.count("late.example");
        assert_eq!(table.show().other, 1);
        (0..5).for_each(|_| table.count("late.example"));
        let shown = table.show();
        let late = shown.names.iter().find(|(name, _)| &**name == "late.example");
        assert_eq!(late.map(|(_, count)| *count), Some(5), "the first is one of the others for ever");
        assert_eq!(shown.other, 3, "and so are those of whoever made room");
    }

    #[test]
    fn a_long_name_is_cut_at_a_character_and_one_without_is_of_the_others() {
        let mut table = Frequent::default();
        table.count(&"ü".repeat(LONGEST));
        table.count(&format!("{}x", "ü".repeat(LONGEST / 2)));
        table.count_unnamed();
        let top = table.top(2);
        assert_eq!((top.len(), top[0].name.len(), top[0].seen), (1, LONGEST, 2));
        assert_eq!(table.show().other, 1);
    }
}

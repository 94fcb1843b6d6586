//! Runs of addresses that share their origins, made of networks that may lie within each other.

use std::collections::{BTreeMap, BTreeSet};

/// An unsigned number of the width of an address.
pub(super) trait Bits: Copy + Ord {
    fn before(self) -> Option<Self>;
    fn after(self) -> Option<Self>;
    /// How many addresses lie between this one and a lower one.
    fn above(self, lower: Self) -> Self;
}

macro_rules! bits {
    ($($width:ty)*) => {$(
        impl Bits for $width {
            fn before(self) -> Option<Self> {
                self.checked_sub(1)
            }
            fn after(self) -> Option<Self> {
                self.checked_add(1)
            }
            fn above(self, lower: Self) -> Self {
                self.saturating_sub(lower)
            }
        }
    )*};
}

bits!(u32 u128);

/// A network and one of its origins, as a file names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Row<A> {
    pub(super) first: A,
    pub(super) last: A,
    pub(super) origin: u32,
}

/// Stands in [`Row::origin`] for several origins, which are looked up beside. No autonomous system
/// has this number (RFC 7607).
const SEVERAL: u32 = 0;

/// Runs of addresses with their origins, in order and apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Segments<A> {
    runs: Box<[Row<A>]>,
    /// The origins of the few runs that have several, by their first address.
    several: BTreeMap<A, Box<[u32]>>,
}

impl<A: Bits> Segments<A> {
    /// Of networks that lie within each other the narrowest decides, as in routing; equally narrow
    /// ones decide together.
    pub(super) fn narrowest(mut rows: Vec<Row<A>>) -> Self {
        rows.sort_unstable();
        rows.dedup();
        let mut sweep = Sweep::default();
        let mut coming = rows.into_iter().peekable();
        while let Some(row) = coming.next() {
            let mut at = row.first;
            sweep.open(row);
            loop {
                while let Some(row) = coming.next_if(|row| row.first <= at) {
                    sweep.open(row);
                }
                let next = coming.peek().map(|row| row.first);
                match sweep.close(at, next) {
                    Some(further) => at = further,
                    None => break,
                }
            }
        }
        Self { runs: sweep.runs.into_boxed_slice(), several: sweep.several }
    }

    pub(super) fn origins(&self, address: A) -> &[u32] {
        let after = self.runs.partition_point(|run| run.first <= address);
        let run = after.checked_sub(1).and_then(|at| self.runs.get(at)).filter(|run| address <= run.last);
        match run {
            Some(Row { origin: SEVERAL, first, .. }) => self.several.get(first).map_or(&[], |all| all),
            Some(run) => std::slice::from_ref(&run.origin),
            None => &[],
        }
    }
}

impl<A> Segments<A> {
    pub(super) const fn len(&self) -> usize {
        self.runs.len()
    }
}

/// Walks over the addresses from the lowest, and knows the networks it is within.
struct Sweep<A> {
    /// By length, so that the narrowest come first.
    open: BTreeSet<(A, A, u32)>,
    /// The same by last address: last, first, origin.
    ends: BTreeSet<(A, A, u32)>,
    runs: Vec<Row<A>>,
    several: BTreeMap<A, Box<[u32]>>,
}

impl<A> Default for Sweep<A> {
    fn default() -> Self {
        Self { open: BTreeSet::new(), ends: BTreeSet::new(), runs: Vec::new(), several: BTreeMap::new() }
    }
}

impl<A: Bits> Sweep<A> {
    fn open(&mut self, row: Row<A>) {
        self.open.insert((row.last.above(row.first), row.first, row.origin));
        self.ends.insert((row.last, row.first, row.origin));
    }

    /// Ends the run that began at `at`: where a network ends, or before the `next` one begins.
    /// Gives where the run after it begins; `None` when no network is open there.
    fn close(&mut self, at: A, next: Option<A>) -> Option<A> {
        let (end, ..) = *self.ends.first()?;
        let last = next.filter(|next| *next <= end).and_then(A::before).unwrap_or(end);
        self.note(at, last);
        while let Some((end, first, origin)) = self.ends.first().copied().filter(|(end, ..)| *end <= last) {
            self.ends.remove(&(end, first, origin));
            self.open.remove(&(end.above(first), first, origin));
        }
        if self.ends.is_empty() { None } else { last.after() }
    }

    fn note(&mut self, first: A, last: A) {
        let Some((narrowest, ..)) = self.open.first().copied() else { return };
        let deciding = self.open.iter().take_while(|(length, ..)| *length == narrowest);
        let mut origins: Vec<u32> = deciding.map(|(.., origin)| *origin).collect();
        origins.sort_unstable();
        origins.dedup();
        let origin = match origins.as_slice() {
            [one] => *one,
            _ => SEVERAL,
        };
        // Neighbours with one and the same origin are one run; the few with several stay apart.
        let before = self.runs.last_mut().filter(|run| run.last.after() == Some(first));
        match before.filter(|run| run.origin == origin && origin != SEVERAL) {
            Some(run) => run.last = last,
            None => self.runs.push(Row { first, last, origin }),
        }
        if origin == SEVERAL {
            self.several.insert(first, origins.into_boxed_slice());
        }
    }
}

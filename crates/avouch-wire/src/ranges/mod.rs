//! The address ranges that the operator of a crawler publishes, in the JSON shape of Google, Bing
//! and OpenAI (`docs/formats/ranges.md`).
//!
//! A file is taken whole or not at all: half of one would make liars of honest crawlers.

mod read;

pub use read::{PrefixFlaw, RangesError};

use crate::span::Span;
use crate::time::Time;
use std::net::IpAddr;

/// The largest file that is read. The largest known ones have some thousand prefixes in 100 KiB.
pub const MAX_OCTETS: usize = 2 << 20;

/// The most prefixes in a file. Google's largest has about two thousand.
pub const MAX_PREFIXES: usize = 20_000;

/// A set of addresses: runs that neither overlap nor touch, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges {
    v4: Box<[(u32, u32)]>,
    v6: Box<[(u128, u128)]>,
    created: Option<Time>,
}

impl Ranges {
    /// Reads a file.
    ///
    /// # Errors
    /// [`RangesError`] names the first rule broken, where, and how to mend it.
    pub fn parse(octets: &[u8]) -> Result<Self, RangesError> {
        read::ranges(octets)
    }

    /// Whether an address is one of them. IPv4 mapped into IPv6 counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => holds(&self.v4, address.to_bits()),
            IpAddr::V6(address) => holds(&self.v6, address.to_bits()),
        }
    }

    /// When the file says it was made. Operators leave a file unchanged for years, so this says
    /// nothing of whether it is current.
    #[must_use]
    pub const fn created(&self) -> Option<Time> {
        self.created
    }

    /// How many runs of addresses there are, of both families.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.v4.len().saturating_add(self.v6.len())
    }

    /// Whether no address is one of them; never so of a file that was read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many addresses there are, of IPv4 and of IPv6.
    #[must_use]
    pub fn addresses(&self) -> (u64, u128) {
        let v4 = self.v4.iter().map(|(first, last)| u64::from(last - first) + 1);
        let v6 = self.v6.iter().map(|(first, last)| (last - first).saturating_add(1));
        (v4.sum(), v6.fold(0, u128::saturating_add))
    }

    fn of(spans: impl Iterator<Item = Span>) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for span in spans {
            match span {
                Span::V4(first, last) => v4.push((first, last)),
                Span::V6(first, last) => v6.push((first, last)),
            }
        }
        let (v4, v6) = (merged(v4, |last| last.checked_add(1)), merged(v6, |last| last.checked_add(1)));
        Self { v4, v6, created: None }
    }
}

/// Sorts runs and joins those that overlap or touch. `next` is the address after one.
fn merged<A: Copy + Ord>(mut spans: Vec<(A, A)>, next: impl Fn(A) -> Option<A>) -> Box<[(A, A)]> {
    spans.sort_unstable();
    let mut out: Vec<(A, A)> = Vec::with_capacity(spans.len());
    for (first, last) in spans {
        match out.last_mut() {
            Some(before) if next(before.1).is_none_or(|next| first <= next) => before.1 = before.1.max(last),
            _ => out.push((first, last)),
        }
    }
    out.into_boxed_slice()
}

fn holds<A: Copy + Ord>(spans: &[(A, A)], address: A) -> bool {
    let after = spans.partition_point(|(first, _)| *first <= address);
    after.checked_sub(1).and_then(|at| spans.get(at)).is_some_and(|(_, last)| address <= *last)
}

#[cfg(test)]
mod tests;

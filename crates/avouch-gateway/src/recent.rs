//! The last requests of each class, for the console: each as the access log tells of it, with its verdict.
//!
//! Kept only where somebody can look at them. The classes have their rings apart, so that a flood
//! of one does not push out what happened in the others.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use avouch_engine::decision::Decision;
use avouch_engine::verdict::{Class, Verdict};
use avouch_wire::authority::Scheme;
use avouch_wire::time::Time;

use crate::tally::Tally;

/// Requests that have ended, newest last in each ring: classes 0 to 3, then those that were not judged.
pub(crate) struct Recent {
    most: usize,
    rings: [Mutex<VecDeque<Arc<Remembered>>>; RINGS],
    /// How many there were, remembered or not.
    pub(crate) tally: Tally,
}

const RINGS: usize = 5;

/// A request that has ended.
#[derive(Clone, Debug)]
pub struct Remembered {
    /// As in log, headers and answers: 32 hexadecimal digits.
    pub id: String,
    /// When it began.
    pub time: Time,
    /// The client's address.
    pub address: IpAddr,
    /// What may be shown of it, as in the log: all of it, or the network that `[log] ipv4_prefix` or `ipv6_prefix` leave.
    pub shown: String,
    /// What the client used.
    pub scheme: Scheme,
    /// Who sent it; `None` where it was not judged.
    pub verdict: Option<Box<Verdict>>,
    /// What happened; `None` where it did not come to that.
    pub decision: Option<Decision>,
    /// Its line in the access log, without the newline. Texts in it are cut as there, so it is some KiB at most.
    pub line: Box<[u8]>,
}

impl Recent {
    /// Keeps so many of each class.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, rings: Default::default(), tally: Tally::default() }
    }

    /// Keeps a request of this class; without one, it was not judged.
    pub(crate) fn keep(&self, class: Option<Class>, request: Remembered) {
        self.tally.count(request.verdict.as_deref());
        let Some(mut ring) = self.rings.get(place(class)).map(lock) else { return };
        let oldest = if ring.len() < self.most { None } else { ring.pop_front() };
        ring.push_back(Arc::new(request));
        drop(ring);
        // Freed when nobody waits for it.
        drop(oldest);
    }

    /// Those of a class, or those that were not judged, newest first.
    pub(crate) fn of(&self, class: Option<Class>) -> Vec<Arc<Remembered>> {
        let ring = self.rings.get(place(class)).map(lock);
        ring.map(|ring| ring.iter().rev().cloned().collect()).unwrap_or_default()
    }

    /// All, newest first.
    pub(crate) fn all(&self) -> Vec<Arc<Remembered>> {
        let mut all: Vec<_> =
            self.rings.iter().flat_map(|ring| lock(ring).iter().cloned().collect::<Vec<_>>()).collect();
        all.sort_by(|one, other| (other.time, &other.id).cmp(&(one.time, &one.id)));
        all
    }

    /// The one of this name.
    pub(crate) fn named(&self, id: &str) -> Option<Arc<Remembered>> {
        self.rings.iter().find_map(|ring| lock(ring).iter().find(|request| request.id == id).cloned())
    }
}

fn lock(ring: &Mutex<VecDeque<Arc<Remembered>>>) -> MutexGuard<'_, VecDeque<Arc<Remembered>>> {
    ring.lock().unwrap_or_else(PoisonError::into_inner)
}

fn place(class: Option<Class>) -> usize {
    class.map_or(RINGS - 1, |class| usize::from(class.number()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(number: u64) -> Remembered {
        Remembered {
            id: format!("{number:032x}"),
            time: Time::from_seconds(number),
            address: [192, 0, 2, 1].into(),
            shown: String::new(),
            scheme: Scheme::Https,
            verdict: None,
            decision: None,
            line: Box::default(),
        }
    }

    fn numbers(requests: &[Arc<Remembered>]) -> Vec<u64> {
        requests.iter().map(|request| request.time.seconds()).collect()
    }

    #[test]
    fn the_newest_of_each_class_are_kept_and_a_flood_of_one_leaves_the_others() {
        let recent = Recent::new(3);
        recent.keep(Some(Class::Verified), request(1));
        recent.keep(None, request(2));
        (3..1_000).for_each(|number| recent.keep(Some(Class::Anonymous), request(number)));
        assert_eq!(numbers(&recent.of(Some(Class::Anonymous))), [999, 998, 997]);
        assert_eq!(numbers(&recent.of(Some(Class::Verified))), [1]);
        assert_eq!(numbers(&recent.of(None)), [2]);
        assert!(recent.of(Some(Class::Partial)).is_empty());
        assert_eq!(numbers(&recent.all()), [999, 998, 997, 2, 1]);
        let named = |number: u64| recent.named(&request(number).id).map(|found| found.time.seconds());
        assert_eq!((named(998), named(996)), (Some(998), None), "the older gave way");
    }

    #[test]
    fn a_million_made_up_identities_take_the_room_of_a_few() {
        let recent = Recent::new(10);
        (0..1_000_000).for_each(|number| recent.keep(Some(Class::Unverifiable), request(number)));
        assert_eq!(recent.all().len(), 10);
        assert!(recent.rings.iter().all(|ring| lock(ring).capacity() <= 16));
        assert_eq!(recent.tally.counts().all(), 1_000_000, "and none of them goes uncounted");
    }
}

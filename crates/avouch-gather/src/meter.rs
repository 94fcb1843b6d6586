//! Where the policy's rate cells live: one per subject and limit, in a table of bounded size.

use core::time::Duration;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, PoisonError};

use avouch_engine::decision::rate::Cell;
use avouch_engine::decision::{Limit, Meter, Subject};
use avouch_wire::time::Time;

use crate::bounded::Bounded;
use crate::hash_key::HashKey;

/// Cells in the default setting: some 130 000 subjects at rates of their own, in 6 MiB.
pub const CELLS: usize = 1 << 17;

/// Overflow cells. Limits whose numbers are equal modulo this share one, which can only make
/// them stricter; no policy written by hand has so many.
const OVERFLOW: usize = 1_024;

/// The rate cells of all subjects, shared by all requests.
///
/// A cell at rest says the same as none, so it gives way when room is needed. When no cell near
/// its place is at rest a new subject is counted together with all others that found no room
/// under the same limit: a flood of subjects buys them the rate of one, and none of those that
/// have a cell loses it.
///
/// In a group each verifier admits by what its own cells say, and tells the others from time to time what it admitted
/// ([`RateTable::admitted`], [`RateTable::learn`]): no request waits for them.
pub struct RateTable {
    /// By a 128-bit keyed hash of subject and limit: no names are stored, and that two meet would
    /// take 2^64 of them.
    cells: Bounded<u128, Cell>,
    overflow: Box<[Cell]>,
    key: HashKey,
    /// What the group was not told of yet; `None` for a verifier that stands alone.
    untold: Option<Mutex<HashMap<u128, Admitted>>>,
}

/// Cells of which a group is told at once. What is admitted beyond that between two tellings counts at this verifier
/// only.
pub const MOST_TOLD: usize = 4_096;

/// What all verifiers name cells by. Whoever reads the names can try addresses against them, as long as a rate lasts;
/// that is whoever holds the store.
const NAMES: HashKey = HashKey::from_octets(*b"avouch rate v1\0\0");

/// What one cell admitted since the group was told last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// What all verifiers call the cell: a hash of subject and limit.
    pub name: [u8; 16],
    /// How many requests.
    pub requests: u32,
    /// Under which limit.
    pub limit: Limit,
    /// When the first of them was admitted.
    pub since: Time,
    cell: u128,
}

impl RateTable {
    /// A table of at most `cells` cells, all at rest.
    #[must_use]
    pub fn new(cells: usize) -> Self {
        Self {
            cells: Bounded::new(cells),
            overflow: (0..OVERFLOW).map(|_| Cell::new()).collect(),
            key: HashKey::random(),
            untold: None,
        }
    }

    /// The same, for a verifier of a group.
    #[must_use]
    pub fn in_group(cells: usize) -> Self {
        Self { untold: Some(Mutex::default()), ..Self::new(cells) }
    }

    /// What was admitted since this was asked last; at most [`MOST_TOLD`] cells.
    pub fn admitted(&self) -> Vec<Admitted> {
        let untold = self.untold.as_ref().map(|untold| untold.lock().unwrap_or_else(PoisonError::into_inner));
        untold.map(|mut untold| untold.drain().map(|(_, admitted)| admitted).collect()).unwrap_or_default()
    }

    /// Learns how far the group has brought a cell: ahead of `now` by so much, where `now` is when it was asked, so that
    /// what is this verifier's own brings the cell no further than it is.
    pub fn learn(&self, admitted: &Admitted, ahead: Duration, now: Time) {
        let (limit, cell) = (&admitted.limit, admitted.cell);
        let idle = |cell: &Cell| cell.is_idle(now);
        let learn = |cell: &mut Cell| cell.learn(limit, now, ahead);
        let _ = self.cells.enter(cell as u64, cell, idle, Cell::new, learn);
    }

    /// Notes what the group is to be told of.
    fn note(&self, cell: u128, subject: Subject<'_>, limit: &Limit, now: Time) {
        let Some(untold) = &self.untold else { return };
        let mut untold = untold.lock().unwrap_or_else(PoisonError::into_inner);
        let room = untold.len() < MOST_TOLD;
        match untold.entry(cell) {
            Entry::Occupied(mut admitted) => {
                let admitted = admitted.get_mut();
                admitted.requests = admitted.requests.saturating_add(1);
            }
            Entry::Vacant(vacant) if room => {
                let name = NAMES.name(&(subject, limit.id())).to_be_bytes();
                vacant.insert(Admitted { name, requests: 1, limit: *limit, since: now, cell });
            }
            Entry::Vacant(_) => {}
        }
    }

    fn hash(&self, subject: Subject<'_>, limit: &Limit) -> u128 {
        self.key.name(&(subject, limit.id()))
    }
}

impl Meter for RateTable {
    fn admit(&self, subject: Subject<'_>, limit: &Limit, now: Time) -> Result<(), Duration> {
        let limit = &if self.untold.is_some() { limit.in_group() } else { *limit };
        let key = self.hash(subject, limit);
        let own = self.cells.enter(
            key as u64,
            key,
            |cell| cell.is_idle(now),
            Cell::new,
            |cell| cell.admit(limit, now),
        );
        if own == Some(Ok(())) {
            self.note(key, subject, limit, now);
        }
        own.unwrap_or_else(|| {
            let shared = self.overflow.get(limit.id() as usize % OVERFLOW);
            shared.map_or(Err(Duration::from_secs(1)), |cell| cell.admit(limit, now))
        })
    }
}

#[cfg(test)]
mod tests {
    use core::net::IpAddr;
    use core::num::NonZeroU32;

    use avouch_wire::settings::{Rate, Span};

    use super::*;

    const NOW: Time = Time::from_seconds(1_000);

    fn limit(id: u32) -> Limit {
        Limit::new(id, Rate { count: NonZeroU32::MIN, per: Span::Second }, 3).unwrap()
    }

    fn address(n: u32) -> Subject<'static> {
        Subject::address(IpAddr::from(n.to_be_bytes()))
    }

    fn admitted(table: &RateTable, subject: Subject<'_>, limit: &Limit, now: Time) -> usize {
        (0..100).take_while(|_| table.admit(subject, limit, now).is_ok()).count()
    }

    #[test]
    fn each_subject_has_its_rate_under_each_limit() {
        let table = RateTable::new(64);
        assert_eq!(admitted(&table, address(1), &limit(1), NOW), 3);
        assert_eq!(admitted(&table, address(2), &limit(1), NOW), 3);
        assert_eq!(admitted(&table, address(1), &limit(2), NOW), 3);
        assert_eq!(admitted(&table, address(1), &limit(1), NOW), 0);
        assert_eq!(admitted(&table, address(1), &limit(1), Time::from_seconds(1_001)), 1);
    }

    #[test]
    fn verifiers_of_a_group_admit_together_what_one_would() {
        let tables = [RateTable::in_group(64), RateTable::in_group(64)];
        let counts: Vec<_> = tables.iter().map(|table| admitted(table, address(1), &limit(1), NOW)).collect();
        assert_eq!(counts, [3, 3], "they have not heard of each other yet");
        let told: Vec<_> = tables.iter().map(RateTable::admitted).collect();
        assert_eq!(told[0][0].name, told[1][0].name, "they mean the same by it");
        assert_eq!([&told[0], &told[1]].map(|told| (told.len(), told[0].requests)), [(1, 3), (1, 3)]);
        let ahead = Duration::from_secs(6);
        tables.iter().zip(&told).for_each(|(table, told)| table.learn(&told[0], ahead, NOW));
        let at =
            |second| tables.iter().map(|table| admitted(table, address(1), &limit(1), second)).sum::<usize>();
        assert_eq!(at(Time::from_seconds(1_003)), 0, "both bursts are owed");
        assert_eq!(tables[0].admitted(), []);
        assert_eq!(admitted(&tables[1], address(1), &limit(1), Time::from_seconds(1_004)), 1);
        assert_eq!(admitted(&RateTable::new(64), address(1), &limit(1), NOW), 3);
        assert_eq!(RateTable::new(64).admitted(), [], "nobody is to be told");
    }

    #[test]
    fn what_is_told_at_once_is_bounded() {
        let table = RateTable::in_group(1 << 16);
        for n in 0..u32::try_from(MOST_TOLD).unwrap() + 10 {
            assert_eq!(table.admit(address(n), &limit(1), NOW), Ok(()));
        }
        assert_eq!(table.admit(address(0), &limit(1), NOW), Ok(()));
        let told = table.admitted();
        assert_eq!(told.len(), MOST_TOLD);
        assert_eq!(told.iter().map(|admitted| admitted.requests).sum::<u32>(), 4_097);
    }

    #[test]
    fn a_cell_at_rest_gives_way_and_a_spent_one_does_not() {
        let table = RateTable::new(16);
        let day = Limit::new(1, Rate { count: NonZeroU32::MIN, per: Span::Day }, 1).unwrap();
        assert_eq!(admitted(&table, address(0), &day, NOW), 1);
        for n in 1..1_000 {
            let now = Time::from_seconds(1_000 + u64::from(n) * 4);
            assert_eq!(admitted(&table, address(n), &limit(1), now), 3);
        }
        assert_eq!(admitted(&table, address(0), &day, Time::from_seconds(6_000)), 0);
        assert_eq!(table.cells.len(), 16);
    }

    #[test]
    fn a_flood_of_subjects_buys_the_rate_of_one_once_all_cells_are_live() {
        let table = RateTable::new(16);
        let total: usize = (0..1_000).map(|n| admitted(&table, address(n), &limit(1), NOW)).sum();
        assert_eq!(total, 16 * 3 + 3);
        assert_eq!(admitted(&table, address(9_999), &limit(2), NOW), 3, "other limits are not touched");
    }
}

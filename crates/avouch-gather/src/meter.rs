//! Where the policy's rate cells live: one per subject and limit, in a table of bounded size.

use core::time::Duration;

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
pub struct RateTable {
    /// By a 128-bit keyed hash of subject and limit: no names are stored, and that two meet would
    /// take 2^64 of them.
    cells: Bounded<u128, Cell>,
    overflow: Box<[Cell]>,
    key: HashKey,
}

impl RateTable {
    /// A table of at most `cells` cells, all at rest.
    #[must_use]
    pub fn new(cells: usize) -> Self {
        Self {
            cells: Bounded::new(cells),
            overflow: (0..OVERFLOW).map(|_| Cell::new()).collect(),
            key: HashKey::random(),
        }
    }

    fn hash(&self, subject: Subject<'_>, limit: &Limit) -> u128 {
        self.key.name(&(subject, limit.id()))
    }
}

impl Meter for RateTable {
    fn admit(&self, subject: Subject<'_>, limit: &Limit, now: Time) -> Result<(), Duration> {
        let key = self.hash(subject, limit);
        let own = self.cells.enter(
            key as u64,
            key,
            |cell| cell.is_idle(now),
            Cell::new,
            |cell| cell.admit(limit, now),
        );
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

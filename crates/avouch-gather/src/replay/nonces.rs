//! Every nonce, kept for about as long as its signature counts.
//!
//! Nearly all signatures count for five minutes at most, as those of SAIP always do, and their nonces go into a table
//! that counts in seconds. Those of HTTP message signatures may last for a day: there is a table for up to an hour and
//! one for up to a day, which are the same but count in longer units.
//!
//! What answers a challenge that was drawn at this start has a table of its own, which needs no file, no mark and no
//! start rule: no earlier start can have accepted it, and no later one will.

use super::sequences::Sequences;
use super::{Entry, PAST, Scale, Settings, Stats, StoreError, Table};
use crate::clock::Clock;
use avouch_engine::pipeline::{NotCommitted, Sequence, Share};
use std::path::Path;
use std::sync::Arc;

/// Of signatures that last for up to an hour: a quarter of what is set.
const HOUR: Scale = Scale { unit: 3_600 / PAST, part: 4, few: false };

/// Of signatures that last for up to a day: another quarter.
const DAY: Scale = Scale { unit: 86_400 / PAST, part: 4, few: false };

/// Of what was made for this start: a quarter, too. It holds tokens of attesters that the operator named.
const THIS_START: Scale = Scale { unit: 1, part: 4, few: true };

/// The longest that a nonce is kept for, in seconds: a day.
///
/// What is signed at a unit's end counts as signed at its beginning, but what is as old as the window in units
/// is kept through the unit that it becomes so in: that makes up for it.
pub const LONGEST: u64 = PAST * DAY.unit;

/// What makes a signed request unique, and until when.
#[derive(Clone, Copy, Debug)]
pub struct Used<'a> {
    /// What stands for the long-term key.
    pub key: &'a [u8; 32],
    /// The nonce as sent.
    pub nonce: &'a [u8],
    /// When it was signed, in Unix seconds.
    pub signed: u64,
    /// When the signature ends, in Unix seconds; at most [`LONGEST`] seconds later.
    pub until: u64,
    /// Whose share it counts against.
    pub share: Share<'a>,
    /// Whether it was made for something that was drawn at this start; it then lasts for [`PAST`] seconds at most.
    pub of_this_start: bool,
    /// How far the agent has counted, in registry mode; it is looked at and moved together with the nonce.
    pub sequence: Option<Sequence<'a>>,
}

/// The tables of all lifetimes, the shortest first, and that of this start. See [`Table`] for the contract, which holds for each.
pub struct Nonces {
    tables: [Table; 3],
    of_this_start: Table,
    sequences: Sequences,
    clock: Arc<dyn Clock>,
}

impl Nonces {
    /// Tables as `settings` say; take over what a clean stop has saved.
    ///
    /// # Errors
    /// [`StoreError`] when the folder cannot be used or another process uses it.
    pub fn open(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let longer = |scale: Scale| {
            // By the unit, so that a file is never read by a table of another.
            let below = |folder: &Path| folder.join(format!("unit-{}", scale.unit));
            let settings = Settings { folder: settings.folder.as_deref().map(below), ..settings.clone() };
            Table::open_at(scale, &settings, Arc::clone(&clock))
        };
        // The first holds the lock of the whole folder.
        let short = Table::open(settings, Arc::clone(&clock))?;
        let own = Settings { folder: None, fresh: true, ..settings.clone() };
        Ok(Self {
            tables: [short, longer(HOUR)?, longer(DAY)?],
            of_this_start: Table::open_at(THIS_START, &own, Arc::clone(&clock))?,
            sequences: Sequences::new(),
            clock,
        })
    }

    /// Enters a nonce, once, and moves the sequence that it belongs to.
    ///
    /// # Errors
    /// [`NotCommitted`], which leaves the tables as they were.
    pub fn commit(&self, used: Used<'_>) -> Result<(), NotCommitted> {
        let Used { key, nonce, signed, until, share, of_this_start, sequence } = used;
        let lasts = until.saturating_sub(signed);
        let mut tables = match of_this_start {
            true => std::slice::from_ref(&self.of_this_start).iter(),
            false => self.tables.iter(),
        };
        let table = tables.find(|table| lasts <= PAST * table.unit);
        let table = table.ok_or(NotCommitted::Expired)?;
        let enter = || table.commit(Entry { key, nonce, ts: signed, share });
        match sequence {
            None => enter(),
            Some(sequence) => {
                self.sequences.commit((key, sequence, share), self.clock.now().seconds(), enter)
            }
        }
    }

    /// How many instances of agents are remembered that count their requests.
    #[must_use]
    pub fn sequences(&self) -> usize {
        self.sequences.len()
    }

    fn all(&self) -> impl Iterator<Item = &Table> {
        self.tables.iter().chain([&self.of_this_start])
    }

    /// As [`Table::tend`], for all.
    pub fn tend(&self) {
        self.all().for_each(Table::tend);
    }

    /// As [`Table::save`], for all.
    ///
    /// # Errors
    /// [`StoreError`] of the first that could not be written.
    pub fn save(&self) -> Result<(), StoreError> {
        self.all().map(Table::save).fold(Ok(()), Result::and)
    }

    /// What all hold.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let nothing = Stats { held: 0, octets: 0, longest: 0 };
        self.all().map(Table::stats).fold(nothing, |sum, table| Stats {
            held: sum.held + table.held,
            octets: sum.octets + table.octets,
            longest: sum.longest.max(table.longest),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use avouch_wire::time::Time;
    use proptest::prelude::*;

    const NOW: u64 = 1_790_000_123;

    /// Lifetimes around the bounds of the tables.
    const LIFETIMES: [u64; 10] = [1, 60, 299, 300, 301, 3_599, 3_600, 3_601, 86_399, 86_400];

    fn at(second: u64) -> Arc<ManualClock> {
        Arc::new(ManualClock::at(Time::from_seconds(second)))
    }

    fn open_with(capacity: usize, clock: &Arc<ManualClock>, folder: Option<&Path>, fresh: bool) -> Nonces {
        let settings = Settings { capacity, folder: folder.map(Into::into), fresh };
        Nonces::open(&settings, Arc::clone(clock) as Arc<dyn Clock>).unwrap()
    }

    fn open(clock: &Arc<ManualClock>, folder: Option<&Path>, fresh: bool) -> Nonces {
        open_with(1 << 14, clock, folder, fresh)
    }

    fn by<'a>(domain: &'a str, nonce: &'a [u8], signed: u64, lasts: u64) -> Used<'a> {
        let share = Share::Domain { domain, named: false };
        Used {
            key: &[7; 32],
            nonce,
            signed,
            until: signed + lasts,
            share,
            of_this_start: false,
            sequence: None,
        }
    }

    fn used(nonce: &[u8], signed: u64, lasts: u64) -> Used<'_> {
        by("bot.example", nonce, signed, lasts)
    }

    /// How many of so many requests of a domain, all signed now, are accepted.
    fn come(nonces: &Nonces, clock: &ManualClock, domain: &str, lasts: u64, requests: u32) -> u32 {
        let now = clock.now().seconds();
        let accepted = |n: &u32| {
            let nonce = format!("{domain} {n}");
            nonces.commit(by(domain, nonce.as_bytes(), now, lasts)).is_ok()
        };
        u32::try_from((0..requests).filter(accepted).count()).unwrap()
    }

    /// Seconds from `clock` on until a signature that is made then is accepted, up to 10 000.
    fn first_accepted(nonces: &Nonces, clock: &ManualClock, lasts: u64) -> Option<u64> {
        let start = clock.now().seconds();
        (0..10_000).find(|second| {
            clock.set(Time::from_seconds(start + second));
            nonces.commit(used(b"first", start + second, lasts)).is_ok()
        })
    }

    #[test]
    fn a_nonce_is_kept_for_as_long_as_its_signature_lasts() {
        for lasts in LIFETIMES {
            let clock = at(NOW);
            let nonces = open(&clock, None, true);
            let one = used(b"one", NOW, lasts);
            assert_eq!(nonces.commit(one), Ok(()), "{lasts}");
            for later in [0, 1, lasts / 2, lasts - 1, lasts] {
                clock.set(Time::from_seconds(NOW + later));
                nonces.tend();
                assert_eq!(nonces.commit(one), Err(NotCommitted::Replayed), "{lasts} after {later}");
            }
            let other = used(b"other", NOW + lasts - 1, lasts);
            assert_eq!(nonces.commit(other), Ok(()), "{lasts}");
        }
        let clock = at(NOW);
        assert_eq!(
            open(&clock, None, true).commit(used(b"one", NOW, LONGEST + 1)),
            Err(NotCommitted::Expired)
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn no_nonce_is_forgotten_before_its_signature_ends(
            lasts in prop::sample::select(&LIFETIMES[..]),
            // Any second of the longest unit, and a moment within it.
            signed in NOW..NOW + DAY.unit,
            first in 0.0..1.0_f64,
            ahead in prop::option::of(1..=30_u64),
            moments in prop::collection::vec(0.0..1.0_f64, 1..20),
        ) {
            let until = signed + lasts;
            let within = |from: u64, part: f64| from + ((until - from) as f64 * part) as u64;
            let entered = ahead.map_or_else(|| within(signed, first), |ahead| signed - ahead);
            let clock = at(entered);
            let nonces = open_with(64, &clock, None, true);
            let one = used(b"one", signed, lasts);
            prop_assert_eq!(nonces.commit(one), Ok(()));
            let mut moments: Vec<_> = moments.into_iter().map(|part| within(entered, part)).collect();
            moments.extend([until - 1, until]);
            moments.sort_unstable();
            for moment in moments {
                clock.set(Time::from_seconds(moment.max(entered)));
                for _ in 0..3 {
                    nonces.tend();
                }
                prop_assert_eq!(nonces.commit(one), Err(NotCommitted::Replayed), "at {}", moment);
            }
        }
    }

    #[test]
    fn signatures_are_told_apart_by_the_second_whatever_the_unit() {
        for lasts in LIFETIMES {
            let nonces = open(&at(NOW), None, true);
            let signed = |ago| nonces.commit(used(b"one", NOW - ago, lasts.max(2)));
            assert_eq!((signed(0), signed(1), signed(1)), (Ok(()), Ok(()), Err(NotCommitted::Replayed)));
        }
    }

    #[test]
    fn a_busy_bot_whose_signatures_last_beyond_five_minutes_is_not_refused() {
        // Four requests a second, for as long as it takes to hold the most.
        for lasts in [301, 3_600] {
            let clock = at(NOW);
            let nonces = open_with(super::super::CAPACITY, &clock, None, true);
            for _ in 0..8_000 / 300 {
                assert_eq!(come(&nonces, &clock, "busy.example", lasts, 1_200), 1_200, "{lasts}");
                clock.set(Time::from_seconds(clock.now().seconds() + 300));
                nonces.tend();
            }
        }
        let clock = at(NOW);
        let nonces = open_with(super::super::CAPACITY, &clock, None, true);
        assert_eq!(come(&nonces, &clock, "busy.example", 86_400, 20_000), 16_384, "a day's requests");
    }

    #[test]
    fn domains_that_fill_their_shares_leave_another_a_thousand_requests() {
        for lasts in [300, 301, 3_601] {
            let clock = at(NOW);
            let nonces = open_with(super::super::CAPACITY, &clock, None, true);
            for domain in 0..9 {
                come(&nonces, &clock, &format!("flood-{domain}.example"), lasts, 70_000);
            }
            assert_eq!(come(&nonces, &clock, "bot.example", lasts, 1_024), 1_024, "{lasts}");
        }
    }

    #[test]
    fn a_place_is_free_again_soon_after_the_longest_signature_of_its_table_ends() {
        // Soon is a thirtieth of the lifetime: the unit, the time bucket and the sweep's round.
        for (capacity, lasts, soon) in [(1 << 14, 3_600, 120), (64, 3_600, 120), (64, 86_400, 2_880)] {
            let clock = at(NOW);
            let nonces = open_with(capacity, &clock, None, true);
            let most = u32::try_from((capacity / 4 / 16).max(1)).unwrap();
            assert_eq!(come(&nonces, &clock, "bot.example", lasts, 2_000), most);
            for second in (NOW..=NOW + lasts + soon).step_by(3) {
                clock.set(Time::from_seconds(second));
                nonces.tend();
            }
            assert_eq!(nonces.stats().held, 0, "{lasts}");
            assert_eq!(come(&nonces, &clock, "bot.example", lasts, 2_000), most);
        }
    }

    #[test]
    fn all_tables_together_cost_less_than_16_octets_for_a_nonce() {
        let nonces = open_with(super::super::CAPACITY, &at(NOW), None, true);
        let most = super::super::CAPACITY * 7 / 4;
        assert!(nonces.stats().octets <= 16 * most, "{}", nonces.stats().octets);
    }

    #[test]
    fn after_a_start_fresh_signatures_are_refused_for_half_a_minute_however_long_they_last() {
        for lasts in LIFETIMES {
            let clock = at(NOW);
            let nonces = open(&clock, None, false);
            assert_eq!(first_accepted(&nonces, &clock, lasts), Some(31), "{lasts}");
        }
    }

    #[test]
    fn what_was_made_for_this_start_is_accepted_at_once_and_once() {
        let folder = tempfile::tempdir().unwrap();
        let clock = at(NOW);
        let of_this_start = |signed, lasts| Used { of_this_start: true, ..used(b"one", signed, lasts) };
        // The second and third start find a saved table, and a mark.
        for (folder, saves) in [
            (None, false),
            (Some(folder.path()), true),
            (Some(folder.path()), false),
            (Some(folder.path()), true),
        ] {
            let nonces = open(&clock, folder, false);
            assert_eq!(nonces.commit(used(b"one", NOW - 200, 300)), Err(NotCommitted::StartRule));
            let one = of_this_start(NOW - 200, 300);
            assert_eq!((nonces.commit(one), nonces.commit(one)), (Ok(()), Err(NotCommitted::Replayed)));
            assert_eq!(nonces.commit(of_this_start(NOW - 301, 300)), Err(NotCommitted::Expired));
            assert_eq!(nonces.commit(of_this_start(NOW, 301)), Err(NotCommitted::Expired));
            if saves {
                nonces.save().unwrap();
                assert_eq!(nonces.commit(of_this_start(NOW, 300)), Err(NotCommitted::StoreUnreachable));
            }
        }
    }

    #[test]
    fn what_was_made_for_this_start_stays_used_when_the_clock_is_set_back() {
        let clock = at(NOW);
        let nonces = open(&clock, None, true);
        let one = Used { of_this_start: true, ..used(b"one", NOW - 100, 300) };
        assert_eq!(nonces.commit(one), Ok(()));
        for second in (NOW..NOW + 400).step_by(3) {
            clock.set(Time::from_seconds(second));
            nonces.tend();
        }
        assert_eq!(nonces.stats().held, 0, "forgotten");
        clock.set(Time::from_seconds(NOW + 10));
        assert_eq!(nonces.commit(one), Err(NotCommitted::StartRule));
    }

    #[test]
    fn four_attesters_share_what_was_made_for_this_start_and_none_takes_the_part_of_another() {
        let nonces = open(&at(NOW), None, true);
        let quarter = (1 << 14) / 4 / 4;
        for domain in ["one.example", "two.example", "three.example", "four.example"] {
            let take = |n: u32| {
                let (nonce, share) = (n.to_be_bytes(), Share::Domain { domain, named: true });
                let used = Used { share, of_this_start: true, ..by(domain, &nonce, NOW, 300) };
                nonces.commit(Used { key: &[domain.len() as u8; 32], ..used })
            };
            let salt = u32::try_from(domain.len()).unwrap() << 16 | u32::from(domain.as_bytes()[1]) << 24;
            assert!((0..quarter).all(|n| take(salt + n) == Ok(())), "{domain}");
            assert_eq!(take(salt + quarter), Err(NotCommitted::ShareFull), "{domain}");
        }
    }

    #[test]
    fn after_a_crash_fresh_signatures_are_refused_for_seconds_however_long_they_last() {
        for lasts in LIFETIMES {
            let (clock, folder) = (at(NOW), tempfile::tempdir().unwrap());
            let before = open(&clock, Some(folder.path()), true);
            let one = used(b"one", NOW, lasts);
            assert_eq!(before.commit(one), Ok(()));
            drop(before);
            let after = open(&clock, Some(folder.path()), false);
            assert_eq!(after.commit(one), Err(NotCommitted::StartRule), "{lasts}");
            assert_eq!(first_accepted(&after, &clock, lasts), Some(4), "{lasts}");
            assert_eq!(after.commit(one), Err(NotCommitted::StartRule), "{lasts}");
        }
    }

    #[test]
    fn a_clean_stop_under_the_start_rule_refuses_the_same_afterwards() {
        for lasts in LIFETIMES {
            let (clock, folder) = (at(NOW), tempfile::tempdir().unwrap());
            let before = open(&clock, Some(folder.path()), false);
            // What is signed ahead is accepted already, in the unit in which the rest is refused.
            clock.set(Time::from_seconds(NOW + 1));
            let one = used(b"one", NOW + 31, lasts);
            assert_eq!(before.commit(one), Ok(()));
            before.save().unwrap();
            drop(before);
            let after = open(&clock, Some(folder.path()), false);
            assert_eq!(after.commit(used(b"two", NOW + 30, lasts)), Err(NotCommitted::StartRule), "{lasts}");
            assert_eq!(after.commit(one), Err(NotCommitted::Replayed), "{lasts}");
            assert_eq!(after.commit(used(b"two", NOW + 31, lasts)), Ok(()), "{lasts}");
        }
    }

    #[test]
    fn a_restart_forgets_nothing_before_its_signature_ends() {
        for lasts in LIFETIMES {
            let (clock, folder) = (at(NOW), tempfile::tempdir().unwrap());
            let one = used(b"one", NOW, lasts);
            let before = open(&clock, Some(folder.path()), true);
            assert_eq!(before.commit(one), Ok(()));
            before.save().unwrap();
            drop(before);
            clock.set(Time::from_seconds(NOW + lasts));
            let after = open(&clock, Some(folder.path()), false);
            assert_eq!(after.commit(one), Err(NotCommitted::Replayed), "{lasts}");
            drop(after);
            let crashed = open(&clock, Some(folder.path()), false);
            assert_eq!(crashed.commit(one), Err(NotCommitted::StartRule), "{lasts}");
        }
    }

    #[test]
    fn the_files_of_each_unit_have_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        open(&at(NOW), Some(folder.path()), true).save().unwrap();
        for place in [".", "unit-12", "unit-288"] {
            assert!(folder.path().join(place).join("replay.table").is_file(), "{place}");
        }
    }
}

use core::time::Duration;
use std::collections::HashSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::clock::ManualClock;

const START: u64 = 1_790_000_000;
const KEY: [u8; 32] = [1; 32];

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(Time::from_seconds(START)))
}

fn in_memory(capacity: usize, clock: &Arc<ManualClock>) -> Table {
    let settings = Settings { capacity, folder: None, fresh: true };
    Table::open(&settings, Arc::clone(clock) as Arc<dyn Clock>).unwrap()
}

fn on_disk(folder: &Path, clock: &Arc<ManualClock>) -> Table {
    let settings = Settings { capacity: 4_096, folder: Some(folder.into()), fresh: false };
    Table::open(&settings, Arc::clone(clock) as Arc<dyn Clock>).unwrap()
}

fn entry(nonce: &[u8], ts: u64) -> Entry<'_> {
    Entry { key: &KEY, nonce, ts, share: Share::Domain { domain: "acme.example", named: false } }
}

fn commit(table: &Table, nonce: &str, ts: u64) -> Result<(), NotCommitted> {
    table.commit(entry(nonce.as_bytes(), ts)).map(drop)
}

/// Fills a table through many domains, so that no share is in the way; returns how many fitted.
fn flood(table: &Table, ts: u64, entries: u32) -> usize {
    let accepted = |n: &u32| {
        let domain = format!("{}.example", n % 5_000);
        let share = Share::Domain { domain: &domain, named: false };
        table.commit(Entry { share, ..entry(&n.to_be_bytes(), ts) }).is_ok()
    };
    (0..entries).filter(accepted).count()
}

#[test]
fn the_second_of_two_equal_entries_is_a_replay() {
    let table = in_memory(1_000, &clock());
    assert_eq!(commit(&table, "a", START), Ok(()));
    assert_eq!(commit(&table, "a", START), Err(NotCommitted::Replayed));
    assert_eq!(commit(&table, "b", START), Ok(()));
    assert_eq!(commit(&table, "a", START + 1), Ok(()), "the timestamp is part of it");
    let other = Entry { key: &[2; 32], ..entry(b"a", START) };
    assert!(table.commit(other).is_ok(), "the key is part of it");
}

#[test]
fn the_window_is_from_300_seconds_before_to_30_after_inclusive() {
    let table = in_memory(1_000, &clock());
    assert_eq!(commit(&table, "a", START - 301), Err(NotCommitted::Expired));
    assert_eq!(commit(&table, "a", START - 300), Ok(()));
    assert_eq!(commit(&table, "a", START + 30), Ok(()));
    assert_eq!(commit(&table, "a", START + 31), Err(NotCommitted::Expired));
}

#[test]
fn a_nonce_is_kept_through_its_last_acceptable_second() {
    let clock = clock();
    let table = in_memory(1_000, &clock);
    assert_eq!(commit(&table, "a", START + 30), Ok(()));
    for second in 0..=330 {
        clock.set(Time::from_seconds(START + second));
        table.tend();
        assert_eq!(commit(&table, "a", START + 30), Err(NotCommitted::Replayed), "after {second} s");
    }
    clock.advance(Duration::from_secs(1));
    assert_eq!(commit(&table, "a", START + 30), Err(NotCommitted::Expired));
}

#[test]
fn of_64_threads_with_one_request_one_succeeds() {
    let table = in_memory(1_000, &clock());
    let start = std::sync::Barrier::new(64);
    let accepted: usize = std::thread::scope(|scope| {
        let racer = || {
            start.wait();
            usize::from(commit(&table, "the only one", START).is_ok())
        };
        let racers: Vec<_> = (0..64).map(|_| scope.spawn(racer)).collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).sum()
    });
    assert_eq!(accepted, 1);
}

#[test]
fn a_full_table_refuses_and_forgets_nothing() {
    let clock = clock();
    let table = in_memory(40_000, &clock);
    let accepted = flood(&table, START, 100_000);
    assert!(
        (34_000..=35_000).contains(&accepted),
        "seven eighths, the rest is for named domains: {accepted}"
    );
    assert_eq!(flood(&table, START, 34_000), 0, "every one of them is still there");
    assert_eq!(commit(&table, "late", START), Err(NotCommitted::TableFull));
}

#[test]
fn a_full_table_that_was_idle_is_usable_after_tending() {
    let clock = clock();
    let table = in_memory(40_000, &clock);
    flood(&table, START, 100_000);
    clock.advance(Duration::from_secs(302));
    table.tend();
    assert_eq!(table.stats().held, 0);
    assert!(flood(&table, START + 302, 100_000) > 34_000);
}

#[test]
fn a_full_table_that_nobody_tends_recovers_by_its_commits() {
    let clock = clock();
    let table = in_memory(40_000, &clock);
    flood(&table, START, 100_000);
    for _ in 0..400 {
        clock.advance(Duration::from_secs(1));
        let _ = commit(&table, "tick", START);
        flood(&table, clock.now().seconds(), 20);
    }
    assert!(table.stats().held < 20 * 340);
}

#[test]
fn no_operation_touches_more_than_a_small_part_of_the_table() {
    let clock = clock();
    let table = in_memory(200_000, &clock);
    for second in 0..1_000 {
        clock.advance(Duration::from_secs(1));
        if second % 400 < 100 {
            flood(&table, clock.now().seconds(), 4_000);
        }
        table.tend();
    }
    let longest = table.stats().longest;
    assert!(longest < 2 * shard::STEP, "{longest} of some 270 000 slots");
}

#[test]
fn a_nonce_costs_less_than_16_octets_at_three_quarters() {
    let table = in_memory(CAPACITY, &clock());
    let slots = table.shards.len() * lock(&table.shards[0]).slots();
    let per_nonce = table.stats().octets as f64 / (slots as f64 * 0.75);
    assert!(per_nonce <= 16.0, "{per_nonce}");
}

#[test]
fn a_clock_set_back_brings_nothing_forgotten_back() {
    let clock = clock();
    let table = in_memory(1_000, &clock);
    assert_eq!(commit(&table, "a", START), Ok(()));
    clock.advance(Duration::from_secs(400));
    table.tend();
    clock.set(Time::from_seconds(START));
    assert_eq!(commit(&table, "a", START), Err(NotCommitted::StartRule));
    clock.set(Time::from_seconds(START + 100));
    assert_eq!(commit(&table, "a", START + 100), Ok(()), "from there on nothing was forgotten");
}

#[test]
fn after_a_crash_nothing_up_to_the_mark_is_accepted() {
    let (clock, place) = (clock(), tempfile::tempdir().unwrap());
    let table = on_disk(place.path(), &clock);
    assert_eq!(commit(&table, "early", START + 30), Err(NotCommitted::StartRule), "no mark: the clock rules");
    clock.advance(Duration::from_secs(31));
    assert_eq!(commit(&table, "a", START + 31), Ok(()));
    drop(table);
    let table = on_disk(place.path(), &clock);
    assert_eq!(commit(&table, "a", START + 31), Err(NotCommitted::StartRule));
    assert_eq!(commit(&table, "b", START + 34), Err(NotCommitted::StartRule), "written ahead");
    assert_eq!(commit(&table, "b", START + 35), Ok(()));
}

#[test]
fn after_a_clean_stop_nothing_is_refused_and_nothing_forgotten() {
    let (clock, place) = (clock(), tempfile::tempdir().unwrap());
    let table = on_disk(place.path(), &clock);
    clock.advance(Duration::from_secs(31));
    let now = START + 31;
    assert_eq!(commit(&table, "a", now), Ok(()));
    table.save().unwrap();
    assert_eq!(
        commit(&table, "late", now),
        Err(NotCommitted::StoreUnreachable),
        "it would be missing in what was saved"
    );
    drop(table);
    let table = on_disk(place.path(), &clock);
    assert_eq!(commit(&table, "a", now), Err(NotCommitted::Replayed));
    assert_eq!(commit(&table, "b", now), Ok(()));
    assert_eq!(table.stats().held, 2);
    drop(table);
    // Killed this time: what was saved before has been used up, the mark rules.
    let table = on_disk(place.path(), &clock);
    assert_eq!(commit(&table, "b", now), Err(NotCommitted::StartRule));
}

#[test]
fn a_table_saved_under_the_start_rule_keeps_refusing_what_it_never_knew() {
    let (clock, place) = (clock(), tempfile::tempdir().unwrap());
    on_disk(place.path(), &clock).save().unwrap();
    let table = on_disk(place.path(), &clock);
    assert_eq!(commit(&table, "a", START + 30), Err(NotCommitted::StartRule));
    clock.advance(Duration::from_secs(1));
    assert_eq!(commit(&table, "a", START + 31), Ok(()));
}

#[test]
fn shares_survive_a_clean_stop_and_end_with_their_nonces() {
    let (clock, place) = (clock(), tempfile::tempdir().unwrap());
    let table = on_disk(place.path(), &clock);
    clock.advance(Duration::from_secs(31));
    let fill = |table: &Table| {
        (0..1_000).filter(|n| commit(table, &format!("{n}"), clock.now().seconds()).is_ok()).count()
    };
    assert_eq!(fill(&table), 4_096 / 16);
    table.save().unwrap();
    drop(table);
    clock.advance(Duration::from_secs(1));
    let table = on_disk(place.path(), &clock);
    assert_eq!(commit(&table, "new", START + 32), Err(NotCommitted::ShareFull));
    table.save().unwrap();
    drop(table);
    clock.advance(Duration::from_secs(700));
    let table = on_disk(place.path(), &clock);
    assert_eq!((table.stats().held, fill(&table)), (0, 4_096 / 16));
}

#[test]
fn damaged_files_never_count_as_fine() {
    let (clock, place) = (clock(), tempfile::tempdir().unwrap());
    let table = on_disk(place.path(), &clock);
    clock.advance(Duration::from_secs(31));
    assert_eq!(commit(&table, "a", START + 31), Ok(()));
    table.save().unwrap();
    drop(table);
    std::fs::write(place.path().join("replay.table"), "avouch replay table 1\nnot really").unwrap();
    let table = on_disk(place.path(), &clock);
    assert_eq!(commit(&table, "b", START + 34), Err(NotCommitted::StartRule), "the mark rules");
    drop(table);
    std::fs::write(place.path().join("replay.mark"), "avouch replay mark 1\n5\n").unwrap();
    let table = on_disk(place.path(), &clock);
    assert_eq!(commit(&table, "b", START + 61), Err(NotCommitted::StartRule), "the clock rules");
}

#[test]
fn fresh_skips_the_start_rule() {
    let (clock, place) = (clock(), tempfile::tempdir().unwrap());
    let settings = Settings { capacity: 64, folder: Some(place.path().into()), fresh: true };
    let table = Table::open(&settings, clock).unwrap();
    assert_eq!(commit(&table, "a", START), Ok(()));
}

#[test]
fn a_table_in_memory_starts_by_the_clock() {
    let clock = clock();
    let table = Table::open(&Settings::default(), Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
    assert_eq!(commit(&table, "a", START + 30), Err(NotCommitted::StartRule));
    clock.advance(Duration::from_secs(1));
    assert_eq!(commit(&table, "a", START + 31), Ok(()));
}

#[test]
fn two_tables_cannot_share_a_folder() {
    let (clock, place) = (clock(), tempfile::tempdir().unwrap());
    let first = on_disk(place.path(), &clock);
    let settings = Settings { folder: Some(place.path().into()), ..Settings::default() };
    let second = Table::open(&settings, Arc::clone(&clock) as Arc<dyn Clock>);
    assert!(matches!(second, Err(StoreError::InUse { .. })));
    drop(first);
    assert!(Table::open(&settings, clock).is_ok());
}

#[test]
fn what_cannot_be_marked_is_not_accepted() {
    let (clock, place) = (clock(), tempfile::tempdir().unwrap());
    let folder = place.path().join("store");
    let table = on_disk(&folder, &clock);
    clock.advance(Duration::from_secs(31));
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(commit(&table, "a", START + 31), Err(NotCommitted::StoreUnreachable));
    assert_eq!(table.stats().held, 0);
}

#[test]
fn a_timestamp_far_ahead_does_not_carry_the_mark_with_it() {
    let (clock, place) = (clock(), tempfile::tempdir().unwrap());
    let table = on_disk(place.path(), &clock);
    assert_eq!(commit(&table, "a", START + 1_000_000), Err(NotCommitted::Expired));
    assert!(!place.path().join("replay.mark").exists());
}

#[test]
fn tending_writes_the_mark_before_commits_need_it() {
    let (clock, place) = (clock(), tempfile::tempdir().unwrap());
    let table = on_disk(place.path(), &clock);
    clock.advance(Duration::from_secs(31));
    for second in 31..60 {
        clock.set(Time::from_seconds(START + second));
        if second > 31 {
            assert!(table.mark.covers(START + second + 1));
        }
        assert_eq!(commit(&table, &format!("{second}"), START + second), Ok(()));
        table.tend();
        assert!(!table.mark.covers(START + second + 6), "never more than five seconds ahead");
    }
}

#[test]
fn files_are_for_the_owner_only() {
    let (clock, place) = (clock(), tempfile::tempdir().unwrap());
    let folder = place.path().join("store");
    let table = on_disk(&folder, &clock);
    clock.advance(Duration::from_secs(31));
    assert_eq!(commit(&table, "a", START + 31), Ok(()));
    table.save().unwrap();
    for name in ["replay.mark", "replay.table", "replay.lock"] {
        let mode = std::fs::metadata(folder.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[derive(Clone, Debug)]
enum Step {
    Commit { nonce: u8, age: i64 },
    Move(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..40_u8, -40..320_i64).prop_map(|(nonce, age)| Step::Commit { nonce, age }),
        2 => (-20..60_i64).prop_map(Step::Move),
        1 => (-400..900_i64).prop_map(Step::Move),
    ];
    proptest::collection::vec(step, 1..300)
}

proptest! {
    #[test]
    fn agrees_with_a_table_that_forgets_nothing(steps in steps()) {
        let clock = clock();
        let table = in_memory(20_000, &clock);
        let (mut accepted, mut latest) = (HashSet::new(), START);
        for step in steps {
            let now = clock.now().seconds();
            match step {
                Step::Commit { nonce, age } => {
                    let ts = now.saturating_add_signed(-age);
                    let result = table.commit(entry(&[nonce], ts)).map(drop);
                    let expected = if ts + PAST < now || ts > now + FUTURE {
                        Err(NotCommitted::Expired)
                    } else if ts + PAST < latest {
                        Err(NotCommitted::StartRule)
                    } else if accepted.insert((nonce, ts)) {
                        Ok(())
                    } else {
                        Err(NotCommitted::Replayed)
                    };
                    prop_assert_eq!(result, expected);
                }
                Step::Move(by) => clock.set(Time::from_seconds(now.saturating_add_signed(by))),
            }
            // A shard knows the time of its last operation; tending tells all of them.
            table.tend();
            latest = latest.max(clock.now().seconds());
        }
    }
}

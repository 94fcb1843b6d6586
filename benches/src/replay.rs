//! The replay table: memory for a nonce, and the longest pause of one commit.

use crate::figure::{Figure, time};
use crate::world::NOW;
use avouch_engine::pipeline::Share;
use avouch_gather::clock::ManualClock;
use avouch_gather::replay::{Entry, Settings, Table};
use std::sync::Arc;
use std::time::Duration;

const CAPACITY: usize = 1 << 20;

/// How often the table is filled; a pause that is the table's own comes back each time, one that
/// is the machine's does not.
const FILLS: usize = 5;

pub(crate) fn figures() -> Vec<Figure> {
    let (mut octets, mut pause) = (f64::MAX, Duration::MAX);
    for _ in 0..FILLS {
        let (table, longest) = fill();
        let stats = table.stats();
        octets = octets.min(stats.octets as f64 / stats.held as f64);
        pause = pause.min(longest);
    }
    let microseconds = pause.as_nanos() as f64 / 1e3;
    vec![
        Figure {
            name: "replay: octets for a nonce at 75 % fill / 16",
            ratio: octets / 16.0,
            goal: 1.0,
            limit: 1.0,
            detail: format!("{octets:.2} octets"),
        },
        Figure {
            name: "replay: longest pause of a commit while the table fills and expires / 1 ms",
            ratio: microseconds / 1e3,
            goal: 1.0,
            limit: 1.0,
            detail: format!("{microseconds:.0} µs, the least of {FILLS} fills' longest"),
        },
    ]
}

/// Seconds for which a nonce takes up a slot: its window, its time bucket and the sweep's round.
const HELD: u64 = 312;

/// Fills a table over its time window, while what came first expires. At its capacity, three
/// quarters of its slots are in use.
fn fill() -> (Table, Duration) {
    let clock = Arc::new(ManualClock::at(NOW));
    let settings = Settings { capacity: CAPACITY, fresh: true, folder: None };
    let table = Table::open(&settings, Arc::<ManualClock>::clone(&clock) as _).expect("nothing on disk");
    let mut longest = Duration::ZERO;
    for second in 0..600_u64 {
        let ts = NOW.seconds() + second;
        clock.set(avouch_wire::time::Time::from_seconds(ts));
        for at in 0..CAPACITY as u64 / HELD {
            longest = longest.max(commit(&table, ts, at));
        }
    }
    (table, longest)
}

fn commit(table: &Table, ts: u64, at: u64) -> Duration {
    let nonce = (ts << 20 | at).to_be_bytes();
    // An eighth of the table is set aside for domains that a policy names.
    let named = at.is_multiple_of(8);
    let domain = if named { format!("n{}.example", at % 32) } else { format!("d{}.example", at % 2_000) };
    let share = Share::Domain { domain: &domain, named };
    let entry = Entry { key: &[7; 32], nonce: &nonce, ts, share };
    time(|| table.commit(entry).expect("there is room"))
}

//! Every nonce, kept for as long as its signature counts.
//!
//! Nearly all signatures count for five minutes at most, as those of SAIP always do, and their nonces go into a table
//! of the seconds they were signed in. Those of HTTP message signatures may last for a day: they go into a second,
//! smaller table, which is the same but counts in units of five minutes.

use super::{Entry, PAST, Settings, Stats, StoreError, Table};
use crate::clock::Clock;
use avouch_engine::pipeline::{NotCommitted, Share};
use avouch_wire::time::Time;
use std::sync::Arc;

/// Seconds in a unit of the second table.
const UNIT: u64 = 300;

/// The longest that a nonce is kept for, in seconds: one unit less than the second table reaches, for
/// a signature may be made at a unit's end.
pub const LONGEST: u64 = (PAST - 1) * UNIT;

/// The second table's part of the capacity: few signatures last so long, and each stays in it.
const PART: usize = 16;

/// A clock that counts units as seconds.
struct Slow(Arc<dyn Clock>);

impl Clock for Slow {
    fn now(&self) -> Time {
        Time::from_millis(self.0.now().millis() / UNIT)
    }
}

/// What makes a signed request unique, and until when.
#[derive(Clone, Copy, Debug)]
pub struct Used<'a> {
    /// What stands for the long-term key.
    pub key: &'a [u8; 32],
    /// The nonce as sent.
    pub nonce: &'a [u8],
    /// When it was signed, in Unix seconds.
    pub signed: u64,
    /// When the signature ends, in Unix seconds; at most [`LONGEST`] later.
    pub until: u64,
    /// Whose share it counts against.
    pub share: Share<'a>,
}

/// Both tables. See [`Table`] for the contract, which holds for each.
pub struct Nonces {
    short: Table,
    long: Table,
}

impl Nonces {
    /// Tables as `settings` say; take over what a clean stop has saved.
    ///
    /// # Errors
    /// [`StoreError`] when the folder cannot be used or another process uses it.
    pub fn open(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let long = Settings {
            capacity: settings.capacity / PART,
            folder: settings.folder.as_ref().map(|folder| folder.join("long")),
            fresh: settings.fresh,
        };
        let short = Table::open(settings, Arc::clone(&clock))?;
        Ok(Self { short, long: Table::open(&long, Arc::new(Slow(clock)))? })
    }

    /// Enters a nonce, once.
    ///
    /// # Errors
    /// [`NotCommitted`], which leaves the tables as they were.
    pub fn commit(&self, used: Used<'_>) -> Result<(), NotCommitted> {
        let Used { key, nonce, signed, until, share } = used;
        let lasts = until.saturating_sub(signed);
        if lasts <= PAST {
            self.short.commit(Entry { key, nonce, ts: signed, share })
        } else if lasts <= LONGEST {
            self.long.commit(Entry { key, nonce, ts: signed / UNIT, share })
        } else {
            Err(NotCommitted::Expired)
        }
    }

    /// As [`Table::tend`], for both.
    pub fn tend(&self) {
        self.short.tend();
        self.long.tend();
    }

    /// As [`Table::save`], for both.
    ///
    /// # Errors
    /// [`StoreError`] of the first that could not be written.
    pub fn save(&self) -> Result<(), StoreError> {
        self.short.save().and(self.long.save())
    }

    /// What both hold.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let (short, long) = (self.short.stats(), self.long.stats());
        Stats {
            held: short.held + long.held,
            octets: short.octets + long.octets,
            longest: short.longest.max(long.longest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    const NOW: u64 = 1_790_000_123;

    fn open(clock: &Arc<ManualClock>, folder: Option<&std::path::Path>, fresh: bool) -> Nonces {
        let settings = Settings { capacity: 1 << 14, folder: folder.map(Into::into), fresh };
        Nonces::open(&settings, Arc::clone(clock) as Arc<dyn Clock>).unwrap()
    }

    fn used(nonce: &[u8], signed: u64, lasts: u64) -> Used<'_> {
        let share = Share::Domain { domain: "bot.example", named: false };
        Used { key: &[7; 32], nonce, signed, until: signed + lasts, share }
    }

    #[test]
    fn a_nonce_is_kept_for_as_long_as_its_signature_lasts() {
        for lasts in [1, 60, 300, 301, 3_600, 86_400, LONGEST] {
            let clock = Arc::new(ManualClock::at(Time::from_seconds(NOW)));
            let nonces = open(&clock, None, true);
            let one = used(b"one", NOW, lasts);
            assert_eq!(nonces.commit(one), Ok(()), "{lasts}");
            for later in [0, 1, lasts / 2, lasts - 1] {
                clock.set(Time::from_seconds(NOW + later));
                nonces.tend();
                assert_eq!(nonces.commit(one), Err(NotCommitted::Replayed), "{lasts} after {later}");
            }
            let other = used(b"other", NOW + lasts - 1, lasts);
            assert_eq!(nonces.commit(other), Ok(()), "{lasts}");
        }
        let clock = Arc::new(ManualClock::at(Time::from_seconds(NOW)));
        assert_eq!(
            open(&clock, None, true).commit(used(b"one", NOW, LONGEST + 1)),
            Err(NotCommitted::Expired)
        );
    }

    #[test]
    fn a_restart_forgets_neither_table() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(Time::from_seconds(NOW)));
        let (short, long) = (used(b"short", NOW, 60), used(b"long", NOW, 86_400));
        let before = open(&clock, Some(folder.path()), true);
        assert_eq!((before.commit(short), before.commit(long)), (Ok(()), Ok(())));
        before.save().unwrap();
        drop(before);
        clock.set(Time::from_seconds(NOW + 10));
        let after = open(&clock, Some(folder.path()), false);
        assert_eq!(after.commit(short), Err(NotCommitted::Replayed));
        assert_eq!(after.commit(long), Err(NotCommitted::Replayed));
        drop(after);
        let crashed = open(&clock, Some(folder.path()), false);
        assert!(crashed.commit(short).is_err() && crashed.commit(long).is_err());
    }
}

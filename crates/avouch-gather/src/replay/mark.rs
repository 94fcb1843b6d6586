//! The start rule: what a table that was lost may have accepted is not accepted again.
//!
//! The high-water mark is a timestamp no accepted request lies beyond. It is on disk before the
//! first such request is accepted, so after a crash everything up to the mark is refused and
//! nothing accepted before the crash can be replayed after it.

use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use avouch_wire::time::Time;

use super::FUTURE;
use crate::folder::{Folder, StoreError};
use avouch_engine::pipeline::NotCommitted;

/// How far the mark is written ahead of what asked for it, in seconds: at most one write in this
/// time, and as much longer a refusal after a crash. With what [`Table::tend`](super::Table::tend)
/// looks ahead it makes the five seconds of `docs/formats/replay.md`.
const STEP: u64 = 3;

/// How far the mark is kept ahead of now while requests come in, in seconds.
const AHEAD: u64 = 2;

/// After a failed write, commits are refused for so long without trying the disk again.
const RETRY_MILLIS: u64 = 1_000;

const FILE: &str = "replay.mark";
const FIRST_LINE: &str = "avouch replay mark 1";
const MOST_OCTETS: u64 = 128;

/// The mark, in memory and on disk.
#[derive(Debug)]
pub(super) struct Mark {
    /// The mark as it stands on disk; without a folder there is nothing to be ahead of.
    durable: AtomicU64,
    disk: Option<Mutex<Disk>>,
}

#[derive(Debug)]
struct Disk {
    folder: Folder,
    retry_at: Time,
}

impl Mark {
    /// No mark is kept: the table lives and dies with the process.
    pub(super) const fn none() -> Self {
        Self { durable: AtomicU64::new(u64::MAX), disk: None }
    }

    /// The mark in `folder`, which has been read to be `durable`.
    pub(super) fn kept(folder: Folder, durable: Option<u64>) -> Self {
        let disk = Mutex::new(Disk { folder, retry_at: Time::default() });
        Self { durable: AtomicU64::new(durable.unwrap_or(0)), disk: Some(disk) }
    }

    /// Whether a request signed at `ts` may be accepted without writing first.
    pub(super) fn covers(&self, ts: u64) -> bool {
        ts <= self.durable.load(Ordering::Acquire)
    }

    /// Makes the mark cover `ts`, on disk first. Blocks for as long as the disk takes.
    pub(super) fn cover(&self, ts: u64, now: Time) -> Result<(), NotCommitted> {
        let Some(disk) = &self.disk else { return Ok(()) };
        let mut disk = lock(disk);
        // Of those who waited for the lock the first has written for all.
        if self.covers(ts) {
            return Ok(());
        }
        if now < disk.retry_at {
            return Err(NotCommitted::StoreUnreachable);
        }
        let mark = ts.saturating_add(STEP);
        if let Err(error) = write(&disk.folder, mark) {
            tracing::error!(%error, "the replay mark cannot be written: nothing new is accepted");
            disk.retry_at = now.after(core::time::Duration::from_millis(RETRY_MILLIS));
            return Err(NotCommitted::StoreUnreachable);
        }
        self.durable.store(mark, Ordering::Release);
        Ok(())
    }

    /// Makes the mark cover the seconds after `now`, so that commits need not wait for the disk.
    pub(super) fn keep_ahead(&self, now: Time) {
        let next = now.seconds().saturating_add(AHEAD);
        if !self.covers(next) {
            // A failure is logged there, and the commits that need the mark meet it themselves.
            let _ = self.cover(next, now);
        }
    }

    /// Runs `work` on the folder, if there is one.
    pub(super) fn with_folder<R>(&self, work: impl FnOnce(&Folder) -> R) -> Option<R> {
        self.disk.as_ref().map(|disk| work(&lock(disk).folder))
    }
}

fn lock(disk: &Mutex<Disk>) -> MutexGuard<'_, Disk> {
    disk.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The mark in `folder`. One that is damaged counts as none, so the clock decides.
pub(super) fn read(folder: &Folder) -> Result<Option<u64>, StoreError> {
    let Some(content) = folder.read(FILE, MOST_OCTETS)? else { return Ok(None) };
    let mark = parse(&content);
    if mark.is_none() {
        tracing::warn!("the replay mark is damaged: starting as without one");
    }
    Ok(mark)
}

/// The last second whose requests are refused at a start with `mark` at `now`.
///
/// Without a mark anything acceptable until now may have been accepted.
pub(super) fn refused_until(mark: Option<u64>, now: Time) -> u64 {
    mark.unwrap_or_else(|| now.seconds().saturating_add(FUTURE))
}

fn write(folder: &Folder, mark: u64) -> Result<(), StoreError> {
    folder.replace(FILE, text(mark).as_bytes())
}

fn text(mark: u64) -> String {
    let body = format!("{FIRST_LINE}\n{mark}\n");
    let sum = super::checksum(body.as_bytes());
    format!("{body}{sum:016x}\n")
}

fn parse(content: &[u8]) -> Option<u64> {
    let content = core::str::from_utf8(content).ok()?;
    let mark = content.lines().nth(1)?.parse().ok()?;
    (text(mark) == content).then_some(mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_written_and_a_damaged_one_is_none() {
        let written = text(1_790_000_000);
        assert_eq!(parse(written.as_bytes()), Some(1_790_000_000));
        for at in 0..written.len() {
            let mut damaged = written.clone().into_bytes();
            damaged[at] ^= 1;
            assert_eq!(parse(&damaged), None, "octet {at}");
            assert_eq!(parse(&written.as_bytes()[..at]), None, "cut at {at}");
        }
    }

    #[test]
    fn the_mark_is_written_once_per_step_and_ahead_of_its_use() {
        let place = tempfile::tempdir().unwrap();
        let mark = Mark::kept(Folder::take(place.path(), super::super::LOCK).unwrap(), None);
        assert!(!mark.covers(100));
        mark.cover(100, Time::default()).unwrap();
        assert!(mark.covers(103) && !mark.covers(104));
        assert_eq!(mark.with_folder(|folder| read(folder).unwrap()), Some(Some(103)));
    }

    #[test]
    fn a_disk_that_fails_refuses_and_is_tried_again_after_a_second() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("gone");
        let mark = Mark::kept(Folder::take(&path, super::super::LOCK).unwrap(), Some(10));
        std::fs::remove_dir_all(&path).unwrap();
        assert_eq!(mark.cover(11, Time::from_seconds(1)), Err(NotCommitted::StoreUnreachable));
        std::fs::create_dir(&path).unwrap();
        assert_eq!(mark.cover(11, Time::from_millis(1_999)), Err(NotCommitted::StoreUnreachable));
        assert_eq!(mark.cover(11, Time::from_seconds(2)), Ok(()));
    }
}

//! Files of a day, their size and their end.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use avouch_gather::clock::Clock;
use avouch_wire::time::Time;
use tokio::time::Instant;

use super::queue::Target;
use super::record::Record;

const DAY: u64 = 86_400;

/// Room beyond the size of a day that requests do not take.
const RESERVED: u64 = 1 << 20;

/// How often old files are looked for. Not before this after a start.
const LOOK: Duration = Duration::from_secs(60 * 60);

/// How far the clock may have run apart from the time that passed, between two looks, for files to be removed by it.
const STEP: Duration = Duration::from_secs(10 * 60);

/// A folder with a file for each day.
pub(super) struct Files {
    folder: PathBuf,
    keep: Duration,
    size: u64,
    clock: Arc<dyn Clock>,
    open: Option<Open>,
    looked: (Time, Instant),
}

struct Open {
    day: String,
    path: PathBuf,
    file: File,
    length: u64,
    /// Whether it ends within a line.
    torn: bool,
}

impl Files {
    /// Opens the folder, made if it is missing, for its owner only.
    pub(super) fn open(folder: &Path, keep: Duration, size: u64, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let about = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", folder.display()));
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(about)?;
        let looked = (clock.now(), Instant::now());
        let mut files = Self { folder: folder.to_owned(), keep, size, clock, open: None, looked };
        // What cannot be written is noticed at the start.
        files.of_day(day(looked.0)).map_err(about)?;
        Ok(files)
    }

    /// The file of a day. After a step of the clock backwards it is an earlier one again.
    fn of_day(&mut self, day: String) -> io::Result<&mut Open> {
        let open = match self.open.take().filter(|open| open.day == day) {
            Some(open) => open,
            None => Open::day(&self.folder, day)?,
        };
        Ok(self.open.insert(open))
    }

    /// Removes files of days that ended more than `keep` ago, if the clock went as the time did.
    fn look(&mut self) {
        let (before, passed) = (self.looked.0, self.looked.1.elapsed());
        if passed < LOOK {
            return;
        }
        let now = self.clock.now();
        self.looked = (now, Instant::now());
        let expected = before.after(passed);
        if expected.since(now).max(now.since(expected)) > STEP {
            tracing::warn!("the clock was set: no file of the audit log is removed for an hour");
            return;
        }
        if let Err(error) = self.remove_old(now) {
            tracing::error!(%error, "cannot remove old files of the audit log in {}", self.folder.display());
        }
    }

    fn remove_old(&self, now: Time) -> io::Result<()> {
        let oldest = (now.seconds() / DAY).saturating_sub(self.keep.as_secs() / DAY) * DAY;
        let oldest = day(Time::from_seconds(oldest));
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let old = entry.file_name().to_str().and_then(day_of).is_some_and(|day| *day < *oldest);
            if !old {
                continue;
            }
            let path = entry.path();
            // What cannot be removed keeps nothing else.
            match fs::remove_file(&path) {
                Ok(()) => tracing::info!("removed {}, older than the audit log is kept", path.display()),
                Err(error) => {
                    tracing::error!(%error, "cannot remove {}, older than the audit log is kept", path.display());
                }
            }
        }
        Ok(())
    }
}

impl Target for Files {
    fn write(&mut self, record: &Record) -> io::Result<bool> {
        let size = self.size;
        let open = self.of_day(day(record.time))?;
        let room = if record.is_of_a_stranger() { size } else { size.saturating_add(RESERVED) };
        if open.length.saturating_add(record.line.len() as u64) > room {
            return Ok(false);
        }
        open.append(&record.line)?;
        // It is written, so trying again would write it twice.
        if !record.is_of_a_stranger()
            && let Err(error) = open.file.sync_data()
        {
            tracing::error!(%error, "the audit log did not reach the disk in {}", self.folder.display());
        }
        Ok(true)
    }

    fn tend(&mut self) {
        // A file that somebody moved or removed would be written for nobody.
        self.open = self.open.take().filter(Open::is_there);
        self.look();
    }

    fn name(&self) -> String {
        self.folder.display().to_string()
    }
}

impl Open {
    fn day(folder: &Path, day: String) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.create(true).append(true).read(true).mode(0o600);
        let path = folder.join(format!("audit-{day}.jsonl"));
        let mut file = options.open(&path)?;
        let length = file.metadata()?.len();
        let mut last = [b'\n'];
        if length > 0 {
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
        }
        Ok(Self { day, path, file, length, torn: last != [b'\n'] })
    }

    /// Whether it still is what its path names.
    fn is_there(&self) -> bool {
        let place = |found: Metadata| (found.dev(), found.ino());
        let named = fs::metadata(&self.path).map(place).ok();
        named.is_some() && named == self.file.metadata().map(place).ok()
    }

    /// Writes a line. What a crash or a full disk left of another is ended first, so that it spoils none but itself.
    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        if self.torn {
            self.file.write_all(b"\n")?;
        }
        self.torn = true;
        self.file.write_all(line)?;
        self.torn = false;
        self.length += line.len() as u64;
        Ok(())
    }
}

/// A day of UTC, `2026-11-21`.
fn day(time: Time) -> String {
    let text = time.to_string();
    text.split_once('T').map_or(text.as_str(), |(day, _)| day).to_owned()
}

/// The day in the name of a file of ours.
fn day_of(name: &str) -> Option<&str> {
    let day = name.strip_prefix("audit-")?.strip_suffix(".jsonl")?;
    let is_day = day.len() == 10
        && day.bytes().enumerate().all(|(at, b)| match at {
            4 | 7 => b == b'-',
            _ => b.is_ascii_digit(),
        });
    is_day.then_some(day)
}

#[cfg(test)]
mod tests {
    use super::super::record::Severity;
    use super::*;
    use avouch_gather::clock::ManualClock;
    use std::os::unix::fs::PermissionsExt as _;

    /// 2026-11-21T00:05:00Z.
    const NOW: u64 = 1_795_219_500;

    fn record(event: &'static str, seconds: u64, line: &str) -> Record {
        let (time, line) = (Time::from_seconds(seconds), format!("{line}\n").into_bytes());
        Record { time, event, severity: Severity::Info, line, facts: Vec::new(), message: String::new() }
    }

    fn files(folder: &Path, size: u64) -> (Files, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at(Time::from_seconds(NOW)));
        let keep = Duration::from_secs(7 * DAY);
        (Files::open(folder, keep, size, Arc::clone(&clock) as Arc<dyn Clock>).unwrap(), clock)
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn each_day_has_a_file_of_its_own_that_only_its_owner_reads() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit");
        let (mut files, _) = files(&path, 1 << 20);
        for (at, line) in [(NOW, "one"), (NOW + DAY, "two"), (NOW, "back")] {
            assert!(files.write(&record("request", at, line)).unwrap());
        }
        assert_eq!(names(&path), ["audit-2026-11-21.jsonl", "audit-2026-11-22.jsonl"]);
        let first = path.join("audit-2026-11-21.jsonl");
        assert_eq!(
            fs::read_to_string(&first).unwrap(),
            "one\nback\n",
            "the clock went back, and so does the file"
        );
        assert_eq!(fs::metadata(&first).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_line_cut_off_by_a_crash_spoils_none_but_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit-2026-11-21.jsonl");
        fs::write(&path, "{\"whole\":1}\n{\"cut").unwrap();
        let (mut files, _) = files(folder.path(), 1 << 20);
        files.write(&record("start", NOW, "{}")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"whole\":1}\n{\"cut\n{}\n");
    }

    #[test]
    fn a_file_that_is_moved_away_is_begun_anew_and_a_folder_that_is_gone_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("audit");
        let path = own.join("audit-2026-11-21.jsonl");
        let (mut files, _) = files(&own, 1 << 20);
        files.write(&record("request", NOW, "one")).unwrap();
        fs::rename(&path, own.join("mine")).unwrap();
        files.tend();
        files.write(&record("request", NOW, "two")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two\n");
        fs::remove_dir_all(&own).unwrap();
        files.tend();
        assert!(files.write(&record("request", NOW, "three")).is_err());
    }

    #[test]
    fn beyond_its_size_a_file_takes_no_requests_and_still_every_change() {
        let folder = tempfile::tempdir().unwrap();
        let (mut files, _) = files(folder.path(), 10);
        assert!(files.write(&record("request", NOW, "123456789")).unwrap());
        assert!(!files.write(&record("request", NOW, "")).unwrap());
        assert!(files.write(&record("reload", NOW, "changed")).unwrap());
        assert!(files.write(&record("request", NOW + DAY, "next")).unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_older_than_it_is_kept_goes_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let (mut files, clock) = files(folder.path(), 1 << 20);
        let kept = ["audit-2026-11-14.jsonl", "audit-2026-11-14.jsonl.gz", "audit-2020-1-1.jsonl", "other"];
        for name in kept.iter().chain(&["audit-2026-11-13.jsonl", "audit-1999-01-01.jsonl"]) {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let before = names(folder.path());
        files.tend();
        assert_eq!(names(folder.path()), before, "not before an hour has gone by");
        tokio::time::advance(LOOK).await;
        clock.advance(LOOK);
        files.tend();
        let after = names(folder.path());
        assert_eq!(after.len(), before.len() - 2);
        assert!(kept.iter().all(|name| after.iter().any(|left| left == name)), "{after:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_removes_nothing_until_it_went_right_for_an_hour() {
        let folder = tempfile::tempdir().unwrap();
        let (mut files, clock) = files(folder.path(), 1 << 20);
        fs::write(folder.path().join("audit-2026-11-20.jsonl"), "").unwrap();
        let before = names(folder.path());
        for at in [NOW + 9000 * DAY, NOW] {
            tokio::time::advance(LOOK).await;
            clock.set(Time::from_seconds(at));
            files.tend();
            assert_eq!(names(folder.path()), before);
        }
        clock.set(Time::from_seconds(NOW + 9000 * DAY));
        tokio::time::advance(LOOK).await;
        files.tend();
        tokio::time::advance(LOOK).await;
        clock.advance(LOOK);
        files.tend();
        assert_eq!(names(folder.path()).len(), 0, "whoever leaves it so means it");
    }
}

//! Data on networks from files. A file was received when it was last changed.

use super::Networks;
use avouch_wire::asn::{self, AsnError};
use avouch_wire::ranges::{self, RangesError};
use avouch_wire::time::Time;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use thiserror::Error;

/// The files to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// A table of autonomous systems.
    pub asn: Option<PathBuf>,
    /// Ranges, each with the crawler they are of.
    pub ranges: Vec<(String, PathBuf)>,
}

/// A file that cannot be used.
#[derive(Debug, Error)]
pub enum SourceError {
    /// It cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// It is no table of autonomous systems.
    #[error("{}: {error}", path.display())]
    Asn {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        error: AsnError,
    },
    /// It holds no ranges.
    #[error("{}: {error}", path.display())]
    Ranges {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        error: RangesError,
    },
}

/// How a file looks from outside. One that looks the same is not read again: a table of autonomous
/// systems takes a second to read, and a configuration may be reloaded for other reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    length: u64,
    modified: SystemTime,
}

impl Stamp {
    /// Of a file; `None` where it cannot be looked at.
    fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self { length: metadata.len(), modified: metadata.modified().ok()? })
    }

    /// When it was last changed, and never later than now: a clock that was wrong once must not make
    /// data young for ever.
    fn received_at(self, now: Time) -> Time {
        let since = self.modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        Time::default().after(since).min(now)
    }
}

impl Sources {
    /// Reads every file, but those that look as they did when `before` was read. With what could be
    /// read come the files that cannot be used; of each of these the data of `before` are kept.
    #[must_use]
    pub fn load(&self, before: &Networks, now: Time) -> (Networks, Vec<SourceError>) {
        let (mut networks, mut errors) = (Networks::default(), Vec::new());
        if let Some(path) = &self.asn {
            networks.load_asn(path, before, now).unwrap_or_else(|error| errors.push(error));
        }
        for (crawler, path) in &self.ranges {
            networks.load_ranges(crawler, path, before, now).unwrap_or_else(|error| errors.push(error));
        }
        (networks, errors)
    }

    /// How the files look from outside, to notice a change without reading them.
    #[must_use]
    pub fn look(&self) -> String {
        self.files().map(|path| format!("{:?}\n", Stamp::of(path))).collect()
    }

    /// All of the files.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.asn.iter().chain(self.ranges.iter().map(|(_, path)| path)).map(PathBuf::as_path)
    }
}

impl Networks {
    fn load_asn(&mut self, path: &Path, before: &Self, now: Time) -> Result<(), SourceError> {
        let (stamp, source) = (Stamp::of(path), path.display().to_string());
        self.asn = before.asn.clone().filter(|(known, _)| *known == source);
        if self.asn.as_ref().is_some_and(|(_, table)| stamp.is_some() && table.stamp == stamp) {
            return Ok(());
        }
        let octets = read(path, asn::MAX_OCTETS)?;
        self.receive_asn(&source, &octets, received_at(stamp, now))
            .map_err(|error| SourceError::Asn { path: path.to_owned(), error })?;
        self.asn.iter_mut().for_each(|(_, table)| table.stamp = stamp);
        Ok(())
    }

    fn load_ranges(
        &mut self,
        crawler: &str,
        path: &Path,
        before: &Self,
        now: Time,
    ) -> Result<(), SourceError> {
        let (stamp, source) = (Stamp::of(path), path.display().to_string());
        if let Some(known) = before.ranges.get(crawler).and_then(|sources| sources.get(&source)) {
            self.ranges.entry(crawler.to_owned()).or_default().insert(source.clone(), known.clone());
            if stamp.is_some() && known.stamp == stamp {
                return Ok(());
            }
        }
        let octets = read(path, ranges::MAX_OCTETS)?;
        self.receive_ranges(crawler, &source, &octets, received_at(stamp, now))
            .map_err(|error| SourceError::Ranges { path: path.to_owned(), error })?;
        let received = self.ranges.get_mut(crawler).and_then(|sources| sources.get_mut(&source));
        received.into_iter().for_each(|ranges| ranges.stamp = stamp);
        Ok(())
    }
}

/// A file that vanished between two looks is as old as can be.
fn received_at(stamp: Option<Stamp>, now: Time) -> Time {
    stamp.map_or(Time::default(), |stamp| stamp.received_at(now))
}

/// A file up to one octet more than is parsed, so that the parser sees that it is too long.
fn read(path: &Path, most: usize) -> Result<Vec<u8>, SourceError> {
    let failed = |source| SourceError::Read { path: path.to_owned(), source };
    let most = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    let mut octets = Vec::new();
    File::open(path).map_err(failed)?.take(most).read_to_end(&mut octets).map_err(failed)?;
    Ok(octets)
}

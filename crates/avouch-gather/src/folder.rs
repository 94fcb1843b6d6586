//! A folder that one process holds alone: files, each replaced whole or not at all.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// How the name of a file ends until it is whole.
pub const NEW: &str = ".new";

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process keeps its state there. Two would each accept what the other has, or send it again.
    #[error("{} is in use by another avouch", .path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("cannot use {}: {source}", .path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// A folder held by this process alone, for as long as the value lives.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Takes the folder at `path`, made if it is missing (for the owner only); `lock` is the file in it that says so.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be used or another process holds it.
    pub fn take(path: &Path, lock: &str) -> Result<Self, StoreError> {
        let failed = |source| StoreError::Io { path: path.into(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
        let lock = owners(OpenOptions::new().write(true).create(true).truncate(false))
            .open(path.join(lock))
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.into(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: path.into() }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// The content of a file; `None` if there is none or it is longer than `most` octets.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub fn read(&self, name: &str, most: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let file = match File::open(self.path.join(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed(error)),
        };
        let mut content = Vec::new();
        file.take(most.saturating_add(1)).read_to_end(&mut content).map_err(|e| self.failed(e))?;
        Ok((content.len() as u64 <= most).then_some(content))
    }

    /// Gives a file a new content, durably: after `Ok` a crash cannot bring the old one back.
    ///
    /// # Errors
    /// [`StoreError`] when it could not be written.
    pub fn replace(&self, name: &str, content: &[u8]) -> Result<(), StoreError> {
        self.try_replace(name, content, None).map_err(|error| self.failed(error))
    }

    /// The same, as if the file had last been changed at this time.
    pub(crate) fn replace_as_of(&self, name: &str, content: &[u8], at: SystemTime) -> Result<(), StoreError> {
        self.try_replace(name, content, Some(at)).map_err(|error| self.failed(error))
    }

    /// When a file was last changed; `None` if there is none.
    pub(crate) fn changed(&self, name: &str) -> Option<SystemTime> {
        std::fs::metadata(self.path.join(name)).ok()?.modified().ok()
    }

    /// Makes a file look as if it had last been changed at this time. What it holds stays.
    pub(crate) fn date(&self, name: &str, at: SystemTime) -> Result<(), StoreError> {
        let dated = || {
            let file = OpenOptions::new().write(true).open(self.path.join(name))?;
            file.set_modified(at)?;
            file.sync_all()
        };
        dated().map_err(|error| self.failed(error))
    }

    fn try_replace(&self, name: &str, content: &[u8], at: Option<SystemTime>) -> io::Result<()> {
        let new = self.path.join(format!("{name}{NEW}"));
        let mut file = owners(OpenOptions::new().write(true).create(true).truncate(true)).open(&new)?;
        // A crash from here to the renaming leaves the old file and a part of the new one; the
        // next replacement truncates that.
        file.write_all(content)?;
        at.map_or(Ok(()), |at| file.set_modified(at))?;
        file.sync_all()?;
        std::fs::rename(&new, self.path.join(name))?;
        // A crash here leaves the old or the new file, whole in either case.
        self.sync()
    }

    /// The names of the files in it, in no order; those that are not UTF-8 are none of ours.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub fn names(&self) -> Result<Vec<String>, StoreError> {
        let entries = std::fs::read_dir(&self.path).map_err(|error| self.failed(error))?;
        Ok(entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
    }

    /// Removes a file, durably; that there was none is fine.
    ///
    /// # Errors
    /// [`StoreError`] when it could not be removed.
    pub fn remove(&self, name: &str) -> Result<(), StoreError> {
        match std::fs::remove_file(self.path.join(name)) {
            Ok(()) => self.sync().map_err(|error| self.failed(error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    /// That it could not be used.
    #[must_use]
    pub fn failed(&self, source: io::Error) -> StoreError {
        StoreError::Io { path: self.path.clone(), source }
    }
}

/// For the owner only: what is kept there is nobody else's business, and the key of a replay table would let a reader
/// choose nonces that collide.
fn owners(options: &mut OpenOptions) -> &mut OpenOptions {
    options.mode(0o600)
}

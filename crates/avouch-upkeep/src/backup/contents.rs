//! What belongs into a backup, and what does not.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use avouch_gateway::config::{Config, LogTarget, StorePlace};
use avouch_wire::backup::{MAX_FILE, MAX_FILES, Why};

use super::BackupError;

/// What a private key in PEM begins with, and with a passphrase.
const KEY: &[u8] = b"PRIVATE KEY-----";
const ENCRYPTED: &[u8] = b"BEGIN ENCRYPTED PRIVATE KEY-----";

/// The ending of files by which a process says that it holds a folder.
const LOCK: &str = "lock";

/// What is saved and what is not, by real paths.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) files: BTreeSet<PathBuf>,
    pub(super) left_out: BTreeMap<PathBuf, Why>,
}

impl Contents {
    /// Of the gateway of a configuration, and of these files beside it.
    pub(super) fn of(path: &Path, also: &[PathBuf]) -> Result<Self, BackupError> {
        let config = Config::load(path)?;
        let mut contents = Self::default();
        match &config.store.place {
            StorePlace::File(folder) => contents.leave_out(folder, Why::UsedNonces),
            StorePlace::Shared(shared) if shared.address.has_password() && shared.password_file.is_none() => {
                return Err(BackupError::PasswordInUrl);
            }
            StorePlace::Shared(shared) => {
                shared.password_file.iter().for_each(|file| contents.leave_out(file, Why::PlainSecret));
            }
            StorePlace::Memory => {}
        }
        if let LogTarget::File(log) = &config.log {
            contents.leave_out(log, Why::AccessLog);
        }
        config.secrets().for_each(|file| contents.leave_out(file, Why::PlainSecret));
        for file in std::iter::once(path).chain(config.files()).chain(config.networks.files()) {
            contents.add(file, false)?;
        }
        // There is none until somebody is invited.
        let users = config.console.iter().map(|console| &console.users).filter(|users| users.exists());
        for file in users {
            contents.add(file, false)?;
        }
        let folders = config.fetch.iter().map(|fetch| &fetch.folder);
        for folder in folders.chain(config.reports.iter().map(|reports| &reports.folder)) {
            contents.add_all(folder)?;
        }
        for file in also {
            contents.add(file, true)?;
        }
        Ok(contents)
    }

    fn leave_out(&mut self, path: &Path, why: Why) {
        self.left_out.insert(real(path).unwrap_or_else(|_| path.to_owned()), why);
    }

    /// Adds a file, unless it is a secret in the plain: then it is left out, or refused if it was asked for.
    fn add(&mut self, file: &Path, asked_for: bool) -> Result<(), BackupError> {
        let path = real(file).map_err(BackupError::file(file))?;
        let found = path.metadata().map_err(BackupError::file(&path))?;
        if !found.is_file() {
            return Err(BackupError::File { path, source: std::io::ErrorKind::InvalidInput.into() });
        }
        if found.len() > MAX_FILE || self.files.len() >= MAX_FILES {
            return Err(BackupError::TooMuch(path));
        }
        if is_plain_key(&fs::read(&path).map_err(BackupError::file(&path))?) {
            if asked_for {
                return Err(BackupError::PlainKey(path));
            }
            self.left_out.insert(path, Why::PlainSecret);
        } else if !self.left_out.contains_key(&path) {
            self.files.insert(path);
        }
        Ok(())
    }

    /// Adds the files of a folder that is the gateway's own, where there is one yet.
    fn add_all(&mut self, folder: &Path) -> Result<(), BackupError> {
        let Ok(entries) = fs::read_dir(folder) else {
            return if folder.exists() {
                Err(BackupError::File {
                    path: folder.to_owned(),
                    source: std::io::ErrorKind::PermissionDenied.into(),
                })
            } else {
                Ok(())
            };
        };
        for entry in entries {
            let entry = entry.map_err(BackupError::file(folder))?;
            let (path, kind) = (entry.path(), entry.file_type().map_err(BackupError::file(folder))?);
            if kind.is_dir() {
                self.add_all(&path)?;
            } else if kind.is_file() && path.extension().is_none_or(|ending| ending != LOCK) {
                self.add(&path, false)?;
            }
        }
        Ok(())
    }
}

fn real(path: &Path) -> std::io::Result<PathBuf> {
    fs::canonicalize(path)
}

/// Whether there is a private key in it that can be read as it stands.
fn is_plain_key(content: &[u8]) -> bool {
    let holds =
        |content: &[u8], mark: &[u8]| content.windows(mark.len()).filter(|part| *part == mark).count();
    let (begun, ended) = (holds(content, KEY), holds(content, ENCRYPTED));
    // Each block has a beginning and an end, and an encrypted one is counted at its beginning.
    begun > 2 * ended
}

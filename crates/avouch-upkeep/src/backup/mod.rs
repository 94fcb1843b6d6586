//! What a gateway cannot be set up again without, in one file, and back.
//!
//! Which requests were accepted is never in it: put back later, they would be accepted again. Nor is a secret that no
//! passphrase protects, for then a backup would be as secret as the key, and is kept in more places.

mod contents;
mod owner;
mod restore;
mod save;
#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;

use avouch_gateway::config::ConfigError;
use avouch_wire::backup::ManifestError;

pub use restore::{Restored, restore, verify};
pub use save::save;

/// The name of the list, the first thing in the file.
const MANIFEST: &str = "manifest.json";

/// The name of what comes next: SHA-256 of the list, in base64url. It finds damage, and not malice.
const DIGEST: &str = "manifest.sha256";

/// What the names of files begin with there.
const FILES: &str = "files";

/// Why nothing was saved or restored. Nothing is left behind then.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The configuration cannot be read or has problems.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A path cannot stand in a backup.
    #[error("{}: its path is not text that a backup can hold: move it", .0.display())]
    Name(PathBuf),
    /// There is more than a backup holds.
    #[error("{}: is larger than a backup holds, or there are too many files", .0.display())]
    TooMuch(PathBuf),
    /// The configuration itself holds a secret.
    #[error(
        "[store] url holds the password in the plain, and a backup holds no plain secrets: put it into a file of its own, by `password_file`"
    )]
    PasswordInUrl,
    /// What was asked for is a secret in the plain.
    #[error("{}: is a private key that no passphrase protects, which no backup holds: encrypt it, or leave it out", .0.display())]
    PlainKey(PathBuf),
    /// There is a file of this name.
    #[error("{}: exists, and is not overwritten: remove it, or write elsewhere", .0.display())]
    Exists(PathBuf),
    /// A folder on the way leads elsewhere.
    #[error("{}: is a symbolic link or no folder, and nothing is restored beyond it", .0.display())]
    Elsewhere(PathBuf),
    /// The user or group of a file is not known here.
    #[error("{}: belongs to \"{name}\", whom this machine does not know: install avouch first, or restore elsewhere by --to", path.display())]
    Stranger {
        /// Which file.
        path: PathBuf,
        /// Whose it is.
        name: String,
    },
    /// It is no backup, or a damaged one.
    #[error("{}: is no backup, or is damaged: {damage}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        damage: Damage,
    },
}

/// What is wrong with the file of a backup.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// Not a tar archive, or cut off.
    #[error("{0}")]
    Archive(io::Error),
    /// It does not begin with the list.
    #[error("it does not begin with {MANIFEST} and {DIGEST}")]
    NoManifest,
    /// The list cannot be used.
    #[error("{0}")]
    Manifest(#[from] ManifestError),
    /// Something stands there that the list does not have there.
    #[error("\"{0}\" is not what the list has at this place, or no ordinary file")]
    Unlisted(String),
    /// Another length or digest.
    #[error("{0} is not what the list says: it was changed")]
    Changed(String),
    /// Files of the list are missing.
    #[error("it ends before {0}")]
    Short(String),
}

impl BackupError {
    fn file(path: &std::path::Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }
}

//! The mark beside the database: how far it had come when something was last said to anybody.
//!
//! It is written after a commit and before what was committed is told. A database that is behind it is an older copy.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::rows::State;

/// What the line begins with.
const KIND: &str = "avouch-entity-mark";

/// Longest file.
const MAX_OCTETS: u64 = 256;

/// How far it had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// By what the root is known: a mark belongs to one entity.
    pub root: [u8; 32],
    /// The revision.
    pub revision: u64,
    /// The latest event.
    pub event: u64,
    /// How often something was revoked.
    pub revoked: u64,
}

/// Why there is no mark.
#[derive(Debug, thiserror::Error)]
pub enum MarkError {
    /// The file cannot be read or written.
    #[error("cannot use {}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// It is damaged, or another file.
    #[error("{} holds no mark: correct the path; where the mark is lost, remove the file, and every agent fetches its secret again", .0.display())]
    Form(PathBuf),
}

impl Mark {
    /// Reads a mark; `None` where there is no file.
    ///
    /// # Errors
    /// [`MarkError`]; what cannot be read is not taken for absent.
    pub fn read(path: &Path) -> Result<Option<Self>, MarkError> {
        let failed = |source| MarkError::File { path: path.to_owned(), source };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let mut text = String::new();
        file.take(MAX_OCTETS).read_to_string(&mut text).map_err(failed)?;
        Self::parse(&text).map(Some).ok_or_else(|| MarkError::Form(path.to_owned()))
    }

    fn parse(text: &str) -> Option<Self> {
        let words: Vec<_> = text.strip_suffix('\n')?.split(' ').collect();
        let [kind, root, revision, event, revoked] = words.as_slice() else { return None };
        let number = |word: &str| word.parse().ok();
        let root = avouch_wire::b64u::decode(root).ok()?;
        let mark =
            Self { root, revision: number(revision)?, event: number(event)?, revoked: number(revoked)? };
        (*kind == KIND).then_some(mark)
    }

    /// Writes it in place of the one before; it lasts when this has returned.
    ///
    /// # Errors
    /// [`MarkError::File`]; the one before is still there.
    pub fn write(&self, path: &Path) -> Result<(), MarkError> {
        let Self { root, revision, event, revoked } = self;
        let root = avouch_wire::b64u::encode(root);
        let line = format!("{KIND} {root} {revision} {event} {revoked}\n");
        replace(path, line.as_bytes()).map_err(|source| MarkError::File { path: path.to_owned(), source })
    }
}

impl From<State> for Mark {
    fn from(state: State) -> Self {
        let State { revision, event, revoked, root, .. } = state;
        Self { root, revision, event, revoked }
    }
}

fn replace(path: &Path, octets: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(octets)?;
    file.sync_all()?;
    // Crash before here: the former mark is there, and the database is not behind it.
    fs::rename(&beside, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

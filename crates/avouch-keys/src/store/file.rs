//! Key files: made whole or not at all, never overwritten, closed to everyone but their owner.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use avouch_wire::key::PublicKey;
use data_encoding::HEXLOWER;
use zeroize::Zeroizing;

use super::envelope::{self, Envelope, Sealed};
use super::problem::{Problem, Step, StoreError};
use super::wrapped;
use crate::entropy::{Entropy, SystemEntropy};
use crate::passphrase::Passphrase;
use crate::secret::{KeyError, SecretKey};

/// A key file has some 600 octets; a comment in front of the key may take the rest.
const MAX_OCTETS: u64 = 16 << 10;
/// Each file listed is read; a folder with more entries is no folder of keys.
const MAX_ENTRIES: usize = 1024;
/// Readable and writable by the owner, closed to all others.
const OWNER_ONLY: u32 = 0o600;

/// How a key is kept from those who can read its file.
#[derive(Debug, Clone, Copy)]
pub enum Protection<'a> {
    /// Encrypted with a key derived from this passphrase.
    Passphrase(&'a Passphrase),
    /// Not at all: file permissions alone protect it. Whoever asks for this must warn their user, for every
    /// backup and every reader of the disk then holds the key.
    None,
}

/// Who keeps a key from those who can read its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeper {
    /// A passphrase, or nobody.
    File,
    /// A TPM, which alone can use what the file holds.
    Tpm,
    /// A token of a PKCS#11 module; there is no file.
    Token,
}

impl Keeper {
    /// How a key of this file is named; for one in a TPM without the TPM, which the file does not know. One in a token
    /// has none.
    #[must_use]
    pub fn locator(self, path: &Path) -> String {
        match self {
            Self::File => format!("file:{}", path.display()),
            Self::Tpm => format!("tpm:{}", path.display()),
            Self::Token => format!("pkcs11:{}", path.display()),
        }
    }
}

/// What a key file shows without its passphrase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Who keeps the key.
    pub keeper: Keeper,
    /// Whether a passphrase is needed to use the key. None is for one in a TPM.
    pub encrypted: bool,
    /// The public key as the file shows it; absent when another program wrote the file and encrypted it.
    /// Only [`open`] proves that it is the private key's own.
    pub public: Option<PublicKey>,
}

/// One key file of a folder.
#[derive(Debug)]
pub struct Listed {
    /// Where it is.
    pub path: PathBuf,
    /// What it shows, or why it cannot be used.
    pub description: Result<Description, StoreError>,
}

/// Writes `key` into a new file with mode 0600, and returns once it is on the disk under its name.
///
/// # Errors
/// [`Problem::Exists`] when anything has that name already; nothing is changed then.
pub fn create(path: &Path, key: &SecretKey, protection: Protection<'_>) -> Result<(), StoreError> {
    let passphrase = match protection {
        Protection::Passphrase(passphrase) => Some(passphrase),
        Protection::None => None,
    };
    let text = envelope::seal(key, passphrase).map_err(at(path))?;
    place(path, text.as_bytes()).map_err(at(path))
}

/// Opens a key file. `passphrase` is needed iff the file is encrypted, and unused otherwise.
///
/// # Errors
/// [`StoreError`], saying what is wrong and how to mend it; also when the file is open to others than its owner.
pub fn open(path: &Path, passphrase: Option<&Passphrase>) -> Result<SecretKey, StoreError> {
    let text = read(path).map_err(at(path))?;
    if wrapped::shown(&text).is_some() {
        return Err(at(path)(Problem::InTpm));
    }
    Envelope::divide(&text).and_then(|envelope| envelope.open(passphrase)).map_err(at(path))
}

/// What a key file shows without being opened, of either kind.
///
/// # Errors
/// As [`open`], but for those about the passphrase.
pub fn describe(path: &Path) -> Result<Description, StoreError> {
    let text = read(path).map_err(at(path))?;
    match wrapped::shown(&text) {
        Some(shown) => shown.map_err(at(path)),
        None => Envelope::divide(&text).and_then(|envelope| shown(&envelope)).map_err(at(path)),
    }
}

/// The key files of a folder by name. Other files and those whose name begins with a dot are passed over;
/// a key file that cannot be used is listed with the reason.
///
/// # Errors
/// [`StoreError`] about the folder itself; over 1024 entries are refused.
pub fn list(folder: &Path) -> Result<Vec<Listed>, StoreError> {
    let entries = fs::read_dir(folder).map_err(reading).map_err(at(folder))?;
    let mut paths = Vec::new();
    for entry in entries {
        let entry = entry.map_err(reading).map_err(at(folder))?;
        if paths.len() == MAX_ENTRIES {
            return Err(at(folder)(Problem::TooMany));
        }
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    paths.sort();
    let listed = paths.into_iter().map(|path| Listed { description: describe(&path), path });
    Ok(listed.filter(|listed| !is_no_key(&listed.description)).collect())
}

fn is_no_key(description: &Result<Description, StoreError>) -> bool {
    matches!(
        description,
        Err(StoreError {
            problem: Problem::NoKey | Problem::NotAFile | Problem::TooLarge | Problem::Missing,
            ..
        })
    )
}

fn shown(envelope: &Envelope<'_>) -> Result<Description, Problem> {
    match (&envelope.sealed, envelope.shown()?) {
        (Sealed::Encrypted(_), public) => Ok(Description { keeper: Keeper::File, encrypted: true, public }),
        (Sealed::Plain(_), Some(public)) => {
            Ok(Description { keeper: Keeper::File, encrypted: false, public: Some(public) })
        }
        (Sealed::Plain(_), None) => {
            let public = envelope.open(None)?.public().clone();
            Ok(Description { keeper: Keeper::File, encrypted: false, public: Some(public) })
        }
    }
}

pub(super) fn at(path: &Path) -> impl Fn(Problem) -> StoreError {
    move |problem| StoreError { path: path.to_owned(), problem }
}

fn reading(source: io::Error) -> Problem {
    match source.kind() {
        io::ErrorKind::NotFound => Problem::Missing,
        _ => Problem::System { step: Step::Read, source },
    }
}

/// Reads a file that is all secret.
pub(crate) fn read_secret(path: &Path) -> Result<Zeroizing<String>, StoreError> {
    read_closed(path, |_| true).map_err(at(path))
}

/// Puts a secret on the disk under a name that must be free.
pub(crate) fn place_secret(path: &Path, text: &[u8]) -> Result<(), StoreError> {
    place(path, text).map_err(at(path))
}

/// Puts a secret on the disk in place of what has its name.
pub(crate) fn replace_secret(path: &Path, text: &[u8]) -> Result<(), StoreError> {
    let replaced = || {
        let beside = unused_name(path)?;
        let renamed = write(&beside, text).and_then(|()| fs::rename(&beside, path).map_err(naming));
        // Crash before here: the former file is whole under its name, and `.NAME.….new` may be left over.
        if renamed.is_err() {
            let _ = fs::remove_file(&beside);
        }
        renamed?;
        sync_folder(path).map_err(naming)
    };
    replaced().map_err(at(path))
}

/// Reads a file that is closed to group and others if it holds a private key.
pub(super) fn read(path: &Path) -> Result<Zeroizing<String>, Problem> {
    read_closed(path, |text| text.contains("PRIVATE KEY-----"))
}

/// Reads a file that is regular, small, and closed to group and others if it holds something secret.
fn read_closed(path: &Path, is_secret: impl Fn(&str) -> bool) -> Result<Zeroizing<String>, Problem> {
    // Looked at by name first, for opening a pipe would wait for its writer.
    if !fs::metadata(path).map_err(reading)?.is_file() {
        return Err(Problem::NotAFile);
    }
    let file = File::open(path).map_err(reading)?;
    let facts = file.metadata().map_err(reading)?;
    let mut octets = Zeroizing::new(Vec::with_capacity(usize::try_from(MAX_OCTETS).unwrap_or(0)));
    (&file).take(MAX_OCTETS).read_to_end(&mut octets).map_err(reading)?;
    if facts.len() >= MAX_OCTETS || !facts.is_file() {
        return Err(Problem::TooLarge);
    }
    let text = core::str::from_utf8(&octets).map_err(|_| Problem::NoKey)?;
    let mode = facts.permissions().mode() & 0o7777;
    if is_secret(text) && mode & 0o077 != 0 {
        return Err(Problem::OpenToOthers { mode });
    }
    Ok(Zeroizing::new(text.to_owned()))
}

/// Puts the text on the disk under a name that must be free.
pub(super) fn place(path: &Path, text: &[u8]) -> Result<(), Problem> {
    let beside = unused_name(path)?;
    let placed = write(&beside, text).and_then(|()| link(&beside, path));
    // Crash before here: the key is whole under its name or absent, and `.NAME.….new` may be left over.
    // Nobody reads that file (names with a dot are not listed); its owner may delete it.
    let removed = fs::remove_file(&beside);
    placed?;
    removed.map_err(naming)?;
    sync_folder(path).map_err(naming)
}

fn write(beside: &Path, text: &[u8]) -> Result<(), Problem> {
    let writing = |source| Problem::System { step: Step::Write, source };
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(OWNER_ONLY).open(beside).map_err(writing)?;
    // A umask can only take permissions away; the owner's own are set explicitly.
    file.set_permissions(fs::Permissions::from_mode(OWNER_ONLY)).map_err(writing)?;
    // Crash here: the file beside is empty or partial; the name asked for is still free.
    file.write_all(text).map_err(writing)?;
    file.sync_all().map_err(writing)
}

/// Linking, unlike renaming, fails when the name is taken: two runs at once cannot destroy each other's key.
fn link(beside: &Path, path: &Path) -> Result<(), Problem> {
    fs::hard_link(beside, path).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => Problem::Exists,
        _ => naming(source),
    })
}

fn naming(source: io::Error) -> Problem {
    Problem::System { step: Step::Name, source }
}

/// The new name is on the disk only once its folder is.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

/// `.NAME.<16 hex digits>.new` in the folder of `path`: hard links do not leave a file system.
fn unused_name(path: &Path) -> Result<PathBuf, Problem> {
    let mut random = [0; 8];
    SystemEntropy.fill(&mut random).map_err(KeyError::from)?;
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().ok_or(Problem::NotAFile)?);
    name.push(format!(".{}.new", HEXLOWER.encode(&random)));
    Ok(path.with_file_name(name))
}

#[cfg(test)]
mod tests {
    use avouch_wire::key::KeyType;

    use super::*;

    fn key() -> SecretKey {
        SecretKey::generate(KeyType::Ed25519, &mut SystemEntropy).unwrap()
    }

    fn words(text: &str) -> Passphrase {
        Passphrase::from_line(text.into()).unwrap()
    }

    fn problem<T>(result: Result<T, StoreError>) -> Problem {
        result.err().unwrap().problem
    }

    #[test]
    fn a_key_is_found_again_and_its_file_belongs_to_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (path, key, words) = (folder.path().join("a.key"), key(), words("correct horse"));
        create(&path, &key, Protection::Passphrase(&words)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(open(&path, Some(&words)).unwrap().public(), key.public());
        let description =
            Description { keeper: Keeper::File, encrypted: true, public: Some(key.public().clone()) };
        assert_eq!(describe(&path).unwrap(), description);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_key_file_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.key");
        let first = key();
        create(&path, &first, Protection::None).unwrap();
        assert!(matches!(problem(create(&path, &key(), Protection::None)), Problem::Exists));
        assert_eq!(open(&path, None).unwrap().public(), first.public());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        std::os::unix::fs::symlink("nowhere", folder.path().join("b.key")).unwrap();
        let dangling = create(&folder.path().join("b.key"), &first, Protection::None);
        assert!(matches!(problem(dangling), Problem::Exists), "nor a link to nowhere followed");
    }

    #[test]
    fn a_key_open_to_others_is_refused_until_its_mode_is_mended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.key");
        create(&path, &key(), Protection::None).unwrap();
        for mode in [0o640, 0o604, 0o620, 0o601] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let refused = open(&path, None).unwrap_err();
            assert!(refused.to_string().contains("chmod 600"), "{refused}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        assert!(open(&path, None).is_ok());
    }

    #[test]
    fn what_is_no_key_file_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        assert!(matches!(problem(open(&path, None)), Problem::Missing));
        assert!(matches!(problem(open(folder.path(), None)), Problem::NotAFile));
        fs::write(&path, "hello").unwrap();
        assert!(matches!(problem(open(&path, None)), Problem::NoKey));
        fs::write(&path, vec![b' '; 16 << 10]).unwrap();
        assert!(matches!(problem(open(&path, None)), Problem::TooLarge));
        let nowhere = create(&folder.path().join("no/such/folder"), &key(), Protection::None);
        assert!(matches!(problem(nowhere), Problem::System { step: Step::Write, .. }));
    }

    #[test]
    fn a_folder_lists_its_keys_by_name_and_says_which_cannot_be_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name| folder.path().join(name);
        create(&path("b.key"), &key(), Protection::Passphrase(&words("x"))).unwrap();
        create(&path("a.key"), &key(), Protection::None).unwrap();
        create(&path("c.key"), &key(), Protection::None).unwrap();
        create(&path(".hidden"), &key(), Protection::None).unwrap();
        fs::set_permissions(path("c.key"), fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(path("notes.txt"), "hello").unwrap();
        let listed = list(folder.path()).unwrap();
        let names: Vec<_> = listed.iter().map(|listed| listed.path.clone()).collect();
        assert_eq!(names, [path("a.key"), path("b.key"), path("c.key")]);
        let usable: Vec<_> = listed.iter().map(|listed| listed.description.is_ok()).collect();
        assert_eq!(usable, [true, true, false]);
        assert!(matches!(problem(list(&path("nowhere"))), Problem::Missing));
    }
}

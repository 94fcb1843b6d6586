//! The authority that lets the proxy look into https: in a folder of its own, made there when it is first needed.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use avouch_gather::clock::Clock;
use avouch_gather::folder::{Folder, StoreError};
use avouch_tls::{Acceptor, LocalAuthority, LocalError};
use avouch_wire::time::Time;

const KEY: &str = "ca.key";
const ROOT: &str = "ca.pem";
const LOCK: &str = "ca.lock";

/// Octets of either.
const MAX_FILE: u64 = 64 << 10;

/// Hosts whose certificates are at hand. Making one takes less than a millisecond.
const HOSTS: usize = 256;

/// How long a certificate is used, of the week that it lasts.
const USED: Duration = Duration::from_secs(24 * 3600);

/// Why there is no authority.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The folder cannot be used.
    #[error("{0}")]
    Folder(#[from] StoreError),
    /// Others can get at the key.
    #[error("{} is open to others (mode {mode:04o}): run `chmod go=` on it", path.display())]
    Open {
        /// The folder or the key.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// There is a certificate, and not its key.
    #[error("{} has ca.pem and not ca.key: restore the key, or remove the certificate", path.display())]
    NoKey {
        /// The folder.
        path: PathBuf,
    },
    /// What is there cannot be used.
    #[error("{}: {source}", path.display())]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        source: LocalError,
    },
}

/// Issues for each host that is asked for, and remembers.
pub(crate) struct Issuing {
    authority: LocalAuthority,
    clock: Arc<dyn Clock>,
    issued: Mutex<HashMap<String, (Time, Acceptor)>>,
    /// Held as long as it is in use.
    _folder: Folder,
}

impl Issuing {
    /// Opens the authority in a folder, or makes it there.
    pub(crate) fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, AuthorityError> {
        let folder = Folder::take(path, LOCK)?;
        closed(path)?;
        let (key, root) = made(path, &folder, clock.now())?;
        let authority = usable(path, LocalAuthority::from_pem(&key, &root, seconds(clock.now())))?;
        Ok(Self { authority, clock, issued: Mutex::default(), _folder: folder })
    }

    /// What accepts connections to this host.
    pub(crate) fn acceptor(&self, host: &str) -> Result<Acceptor, LocalError> {
        let now = self.clock.now();
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((since, acceptor)) = issued.get(host)
            && now.since(*since) < USED
            && *since <= now
        {
            return Ok(acceptor.clone());
        }
        let acceptor = self.authority.acceptor(host, seconds(now))?;
        if issued.len() >= HOSTS {
            issued.clear();
        }
        issued.insert(host.to_owned(), (now, acceptor.clone()));
        Ok(acceptor)
    }
}

/// Key and certificate, made where there are none yet.
fn made(path: &Path, folder: &Folder, now: Time) -> Result<(String, String), AuthorityError> {
    let (key, root) = (folder.read(KEY, MAX_FILE)?, folder.read(ROOT, MAX_FILE)?);
    let key = match key {
        Some(key) => {
            closed(&path.join(KEY))?;
            text(key)
        }
        None if root.is_some() => return Err(AuthorityError::NoKey { path: path.to_owned() }),
        None => {
            let key = usable(path, LocalAuthority::new_key())?;
            // A crash from here on leaves a key without a certificate, of which the next start makes one.
            folder.replace(KEY, key.as_bytes())?;
            key
        }
    };
    if let Some(root) = root {
        return Ok((key, text(root)));
    }
    let root = usable(path, LocalAuthority::root_of(&key, seconds(now)))?;
    folder.replace(ROOT, root.as_bytes())?;
    Ok((key, root))
}

/// The certificate of the authority in a folder, PEM, for programs to trust. It is made if there is none.
///
/// # Errors
/// [`AuthorityError`].
pub fn authority_root(path: &Path, clock: Arc<dyn Clock>) -> Result<String, AuthorityError> {
    // A running agent holds the folder, and has made it.
    match fs::read_to_string(path.join(ROOT)) {
        Ok(root) => Ok(root),
        Err(_) => {
            let folder = Folder::take(path, LOCK)?;
            closed(path)?;
            Ok(made(path, &folder, clock.now())?.1)
        }
    }
}

/// Whether the authority in a folder could be used, without making one.
pub(crate) fn check(path: &Path, now: Time) -> Result<(), AuthorityError> {
    let read = |name| fs::read_to_string(path.join(name));
    let (Ok(key), Ok(root)) = (read(KEY), read(ROOT)) else { return Ok(()) };
    closed(path)?;
    closed(&path.join(KEY))?;
    usable(path, LocalAuthority::from_pem(&key, &root, seconds(now))).map(drop)
}

fn usable<T>(path: &Path, made: Result<T, LocalError>) -> Result<T, AuthorityError> {
    made.map_err(|source| AuthorityError::Unusable { path: path.to_owned(), source })
}

/// Whether nobody but the owner can get at it.
fn closed(path: &Path) -> Result<(), AuthorityError> {
    let failed = |source| StoreError::Io { path: path.to_owned(), source };
    let mode = fs::metadata(path).map_err(failed)?.permissions().mode() & 0o777;
    if mode.trailing_zeros() >= 6 {
        Ok(())
    } else {
        Err(AuthorityError::Open { path: path.to_owned(), mode })
    }
}

fn text(octets: Vec<u8>) -> String {
    String::from_utf8_lossy(&octets).into_owned()
}

fn seconds(now: Time) -> i64 {
    i64::try_from(now.seconds()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use avouch_gather::clock::ManualClock;

    use super::*;

    fn clock() -> Arc<dyn Clock> {
        Arc::new(ManualClock::at(Time::from_seconds(1_790_000_000)))
    }

    #[test]
    fn an_authority_is_made_once_and_is_its_owners_alone() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("ca");
        check(&folder, clock().now()).unwrap();
        let root = authority_root(&folder, clock()).unwrap();
        assert_eq!(authority_root(&folder, clock()).unwrap(), root);
        let issuing = Issuing::open(&folder, clock()).unwrap();
        assert_eq!(fs::read_to_string(folder.join(ROOT)).unwrap(), root);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&folder.join(KEY))), (0o700, 0o600));
        assert!(issuing.acceptor("www.shop.example").unwrap().covers("www.shop.example"));
        assert!(matches!(
            Issuing::open(&folder, clock()),
            Err(AuthorityError::Folder(StoreError::InUse { .. }))
        ));
        assert_eq!(authority_root(&folder, clock()).unwrap(), root, "while it is in use, too");
    }

    #[test]
    fn one_that_others_can_get_at_is_refused_and_so_is_half_of_one() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("ca");
        authority_root(&folder, clock()).unwrap();
        for (path, open, shut) in [(folder.clone(), 0o750, 0o700), (folder.join(KEY), 0o640, 0o600)] {
            fs::set_permissions(&path, Permissions::from_mode(open)).unwrap();
            let refused = Issuing::open(&folder, clock()).err().unwrap().to_string();
            assert!(refused.contains("is open to others"), "{refused}");
            assert!(check(&folder, clock().now()).is_err());
            fs::set_permissions(&path, Permissions::from_mode(shut)).unwrap();
        }
        Issuing::open(&folder, clock()).unwrap();
        let key = fs::read(folder.join(KEY)).unwrap();
        fs::remove_file(folder.join(KEY)).unwrap();
        assert!(matches!(Issuing::open(&folder, clock()), Err(AuthorityError::NoKey { .. })));
        fs::write(folder.join(KEY), LocalAuthority::new_key().unwrap()).unwrap();
        fs::set_permissions(folder.join(KEY), Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(Issuing::open(&folder, clock()), Err(AuthorityError::Unusable { .. })));
        // As a crash leaves it between the two.
        fs::write(folder.join(KEY), key).unwrap();
        fs::remove_file(folder.join(ROOT)).unwrap();
        Issuing::open(&folder, clock()).unwrap();
    }
}

//! The file of users: read whole, replaced whole, by one writer at a time, closed to everyone but its owner.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use avouch_wire::settings::{MAX_FILE, Problems};

use super::Users;

/// Readable and writable by the owner, closed to all others.
const OWNER_ONLY: u32 = 0o600;

/// Where the file of users is.
#[derive(Clone, Debug)]
pub struct UsersFile(PathBuf);

/// Why the file of users cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    /// The operating system refused.
    #[error("cannot {doing} {}: {source}", path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// It says nothing that can be used.
    #[error("{0}")]
    Problems(#[from] Problems),
}

impl UsersFile {
    /// Names the file; it need not be there yet.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Everybody; nobody where there is no file.
    ///
    /// # Errors
    /// [`UsersError`].
    pub fn read(&self) -> Result<Users, UsersError> {
        let mut text = String::new();
        match File::open(&self.0) {
            Ok(file) => {
                let mut file = file.take(MAX_FILE as u64 + 1);
                file.read_to_string(&mut text).map_err(self.failed("read"))?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(self.failed("read")(error)),
        }
        Ok(Users::parse(&self.0.display().to_string(), &text)?)
    }

    /// Changes the file; where `change` refuses, it stays as it was. While one changes it others wait.
    ///
    /// The new file is on the disk before it takes the place of the old one, so a crash leaves one of the two.
    ///
    /// # Errors
    /// [`UsersError`], and what `change` gives.
    pub fn change<T, E: From<UsersError>>(
        &self,
        change: impl FnOnce(&mut Users) -> Result<T, E>,
    ) -> Result<T, E> {
        let lock = self.open(&self.beside("lock")).map_err(self.failed("lock"))?;
        lock.lock().map_err(self.failed("lock"))?;
        let mut users = self.read()?;
        let given = change(&mut users)?;
        self.replace(&users.to_string()).map_err(self.failed("write"))?;
        Ok(given)
    }

    fn replace(&self, text: &str) -> io::Result<()> {
        let new = self.beside("new");
        let mut file = self.open(&new)?;
        file.set_len(0)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &self.0)?;
        let folder = self.0.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }

    /// Opens a file of ours beside it, for its owner alone.
    fn open(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().write(true).create(true).truncate(false).mode(OWNER_ONLY).open(path)
    }

    fn beside(&self, what: &str) -> PathBuf {
        let mut path = self.0.clone().into_os_string();
        path.push(".");
        path.push(what);
        path.into()
    }

    fn failed(&self, doing: &'static str) -> impl Fn(io::Error) -> UsersError {
        move |source| UsersError::File { doing, path: self.0.clone(), source }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{NOW, key, name};
    use super::super::{NotChanged, Refused, Role, Ticket};
    use super::*;
    use avouch_keys::entropy::SystemEntropy;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn what_is_refused_changes_nothing_and_what_is_done_is_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.toml");
        let file = UsersFile::new(&path);
        assert_eq!(file.read().unwrap(), Users::default());
        let refused: Result<(), _> = file.change(|users| {
            users.remove(&name("ada"));
            Err(NotChanged::Refused(Refused::Invitation))
        });
        assert!(matches!(refused, Err(NotChanged::Refused(Refused::Invitation))));
        assert!(!path.exists());
        let ticket = Ticket::draw(&mut SystemEntropy).unwrap();
        let invited: Result<_, NotChanged> = file.change(|users| {
            users.invite(name("ada"), Role::Viewer, ticket, NOW).map_err(NotChanged::Refused)
        });
        invited.unwrap();
        assert_eq!(file.read().unwrap().invitations.len(), 1);
        assert!(!fs::read_to_string(&path).unwrap().contains(&ticket.to_string()));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, OWNER_ONLY);
    }

    #[test]
    fn of_many_who_show_one_ticket_one_enrols() {
        let folder = tempfile::tempdir().unwrap();
        let file = UsersFile::new(&folder.path().join("users.toml"));
        let ticket = Ticket::draw(&mut SystemEntropy).unwrap();
        let invited: Result<_, NotChanged> = file.change(|users| {
            users.invite(name("ada"), Role::Viewer, ticket, NOW).map_err(NotChanged::Refused)
        });
        invited.unwrap();
        let enrolled: usize = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..8u8)
                .map(|number| {
                    let file = &file;
                    scope.spawn(move || {
                        let done: Result<(), NotChanged> = file.change(|users| {
                            users.enrol(ticket, &[number], key(), NOW).map(drop).map_err(NotChanged::Refused)
                        });
                        match done {
                            Ok(()) => 1,
                            Err(NotChanged::Refused(Refused::Invitation)) => 0,
                            Err(other) => panic!("{other:?}"),
                        }
                    })
                })
                .collect();
            tries.into_iter().map(|tried| tried.join().unwrap()).sum()
        });
        assert_eq!(enrolled, 1);
        assert_eq!(file.read().unwrap().passkeys.len(), 1);
    }
}

//! The socket of the signing service.

use std::fs::{self, File, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixSocket, UnixStream};

use super::SocketError;

/// Owner and group may connect, and so sign in the agent's name; nobody else.
const MODE: u32 = 0o660;

/// Connections that wait in the kernel to be accepted.
const BACKLOG: u32 = 256;

/// A Unix socket that goes when it is closed.
pub(crate) struct Socket {
    listener: UnixListener,
    path: PathBuf,
    /// Which file it is: device and inode.
    file: (u64, u64),
    /// Held as long as it is open, so that a socket nobody holds is one that a crash left.
    _lock: File,
}

impl Socket {
    /// Opens it; when this returns, programs can connect.
    pub(crate) async fn open(path: &Path) -> Result<Self, SocketError> {
        Self::try_open(path).await.map_err(|source| SocketError { path: path.to_owned(), source })
    }

    async fn try_open(path: &Path) -> io::Result<Self> {
        let lock = lock(path)?;
        remove_abandoned(path).await?;
        let socket = UnixSocket::new_stream()?;
        socket.bind(path)?;
        // Before it listens, so that nobody can connect whom the mode keeps out.
        fs::set_permissions(path, Permissions::from_mode(MODE))?;
        let file = file(path)?;
        Ok(Self { listener: socket.listen(BACKLOG)?, path: path.to_owned(), file, _lock: lock })
    }

    pub(crate) async fn accept(&self) -> io::Result<UnixStream> {
        self.listener.accept().await.map(|(stream, _)| stream)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // What else stands there by now is another's.
        if file(&self.path).is_ok_and(|there| there == self.file)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the socket");
        }
    }
}

/// Takes the right to listen at a path, by a lock on a file beside it that stays there.
fn lock(path: &Path) -> io::Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = File::options().create(true).truncate(false).write(true).mode(0o600).open(name)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(io::ErrorKind::AddrInUse.into()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Device and inode of what stands at a path.
fn file(path: &Path) -> io::Result<(u64, u64)> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

/// Removes a socket that a crash left behind. One that another program listens on stays, and so does any other kind of
/// file: the bind that follows then says that the address is in use.
async fn remove_abandoned(path: &Path) -> io::Result<()> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    if is_socket
        && let Err(error) = UnixStream::connect(path).await
        && error.kind() == io::ErrorKind::ConnectionRefused
    {
        return fs::remove_file(path);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_that_a_crash_left_is_replaced_and_anything_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sign.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let socket = Socket::open(&path).await.unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
        assert!(Socket::open(&path).await.is_err(), "it is in use");
        drop(socket);
        assert!(!path.exists());
        fs::write(&path, "a file").unwrap();
        assert!(Socket::open(&path).await.is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "a file");
    }
}

//! What connections come in by: a TCP port, or a Unix socket on this machine; opened here, or before the start by
//! the service manager.

use std::fs::{File, Permissions, TryLockError};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net;
use std::path::{Path, PathBuf};

use tokio::net::{TcpListener, UnixListener, UnixSocket, UnixStream};

use crate::config::Endpoint;

/// Owner and group may connect; others only if the operator lets them.
const MODE: u32 = 0o660;

/// Connections that wait in the kernel to be accepted, as of TCP.
const BACKLOG: u32 = 1024;

/// An open place to listen.
pub(crate) enum Door {
    Tcp(TcpListener),
    Unix(UnixDoor),
}

/// A Unix socket.
pub(crate) struct UnixDoor {
    listener: UnixListener,
    path: PathBuf,
    /// What goes when it is closed; of one that was passed nothing does: its opener keeps it.
    _own: Option<OwnFile>,
}

/// The file of a socket that was opened here. It goes when the socket is closed, if it is still there.
struct OwnFile {
    path: PathBuf,
    /// Which file it is: device and inode.
    file: (u64, u64),
    /// Held as long as the door is open, so that a socket nobody holds is one that a crash left.
    _lock: File,
}

impl Door {
    /// Opens a port; when this returns, clients can connect.
    pub(crate) async fn tcp(address: SocketAddr) -> io::Result<Self> {
        TcpListener::bind(address).await.map(Self::Tcp)
    }

    /// Opens a Unix socket; when this returns, clients can connect.
    pub(crate) async fn unix(path: &Path) -> io::Result<Self> {
        UnixDoor::open(path).await.map(Self::Unix)
    }

    /// A port that was opened before the start. It stays open when the gateway ends.
    pub(super) fn passed_tcp(listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener).map(Self::Tcp)
    }

    /// The same of a Unix socket.
    pub(super) fn passed_unix(listener: net::UnixListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let path = listener.local_addr()?.as_pathname().map(Path::to_owned).unwrap_or_default();
        let listener = UnixListener::from_std(listener)?;
        Ok(Self::Unix(UnixDoor { listener, path, _own: None }))
    }

    /// Where it is, with the port it got.
    pub(crate) fn endpoint(&self) -> io::Result<Endpoint> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Endpoint::Tcp),
            Self::Unix(door) => Ok(Endpoint::Unix(door.path.clone())),
        }
    }
}

impl UnixDoor {
    async fn open(path: &Path) -> io::Result<Self> {
        let lock = lock(path)?;
        remove_abandoned(path).await?;
        let socket = UnixSocket::new_stream()?;
        socket.bind(path)?;
        // Before it listens, so that nobody can connect whom the mode keeps out.
        std::fs::set_permissions(path, Permissions::from_mode(MODE))?;
        let file = file(path)?;
        let own = OwnFile { path: path.to_owned(), file, _lock: lock };
        Ok(Self { listener: socket.listen(BACKLOG)?, path: path.to_owned(), _own: Some(own) })
    }

    pub(super) async fn accept(&self) -> io::Result<UnixStream> {
        self.listener.accept().await.map(|(stream, _)| stream)
    }
}

impl Drop for OwnFile {
    fn drop(&mut self) {
        // What else stands there by now is another's.
        if file(&self.path).is_ok_and(|there| there == self.file)
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the socket");
        }
    }
}

/// Takes the right to listen at a path, by a lock on a file beside it that stays there.
fn lock(path: &Path) -> io::Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = File::options().create(true).truncate(false).write(true).open(name)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(io::ErrorKind::AddrInUse.into()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Device and inode of what stands at a path.
fn file(path: &Path) -> io::Result<(u64, u64)> {
    let found = std::fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

/// Removes a socket that a crash left behind. One that another program listens on stays, and so does
/// any other kind of file: the bind that follows then says that the address is in use.
async fn remove_abandoned(path: &Path) -> io::Result<()> {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    if is_socket
        && let Err(error) = UnixStream::connect(path).await
        && error.kind() == io::ErrorKind::ConnectionRefused
    {
        return std::fs::remove_file(path);
    }
    Ok(())
}

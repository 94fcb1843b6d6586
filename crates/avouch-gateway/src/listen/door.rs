//! What connections come in by: a TCP port, or a Unix socket on this machine.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::net::{TcpListener, UnixListener, UnixStream};

use crate::config::Endpoint;
use crate::trust::Remote;

/// Owner and group may connect; others only if the operator lets them.
const MODE: u32 = 0o660;

/// An open place to listen.
pub(crate) enum Door {
    Tcp(TcpListener),
    Unix(UnixDoor),
}

/// A Unix socket. Its file goes when it is closed.
pub(crate) struct UnixDoor {
    listener: UnixListener,
    path: PathBuf,
}

impl Door {
    /// Opens it; when this returns, clients can connect.
    pub(crate) async fn open(endpoint: &Endpoint) -> io::Result<Self> {
        match endpoint {
            Endpoint::Tcp(address) => TcpListener::bind(address).await.map(Self::Tcp),
            Endpoint::Unix(path) => UnixDoor::open(path).await.map(Self::Unix),
        }
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
        remove_abandoned(path).await?;
        let listener = UnixListener::bind(path)?;
        let door = Self { listener, path: path.to_owned() };
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(MODE))?;
        Ok(door)
    }

    pub(super) async fn accept(&self) -> io::Result<UnixStream> {
        self.listener.accept().await.map(|(stream, _)| stream)
    }
}

impl Drop for UnixDoor {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the socket");
        }
    }
}

/// Removes a socket that a crash left behind. One that somebody still listens on stays, and so does
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

impl Remote {
    /// The other end of a TCP connection.
    pub(crate) const fn tcp(address: SocketAddr) -> Self {
        Self { address: address.ip().to_canonical(), unix: false, told: false }
    }

    /// The other end of a Unix socket, which has no address.
    pub(crate) const fn unix() -> Self {
        Self { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), unix: true, told: false }
    }
}

impl Connected<IncomingStream<'_, TcpListener>> for Remote {
    fn connect_info(stream: IncomingStream<'_, TcpListener>) -> Self {
        Self::tcp(*stream.remote_addr())
    }
}

impl Connected<IncomingStream<'_, UnixDoor>> for Remote {
    fn connect_info(_: IncomingStream<'_, UnixDoor>) -> Self {
        Self::unix()
    }
}

impl Listener for UnixDoor {
    type Io = UnixStream;
    type Addr = ();

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        (Listener::accept(&mut self.listener).await.0, ())
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(())
    }
}

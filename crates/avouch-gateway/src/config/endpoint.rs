//! Where a gateway listens: an address with a port, or a Unix socket.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use avouch_wire::settings::{Fault, Value};

/// What a Unix socket's path is written after.
const UNIX: &str = "unix:";

/// Longest path of a Unix socket in octets: what Linux takes (unix(7)), without the final zero.
const MAX_PATH: usize = 107;

/// Where a gateway listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `127.0.0.1:8080` or `[::]:8443`; port 0 takes any free port.
    Tcp(SocketAddr),
    /// `unix:/run/avouch/site.sock`: an absolute path of at most 107 octets.
    Unix(PathBuf),
}

impl Endpoint {
    /// The address, if it is one.
    #[must_use]
    pub const fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    pub(super) fn read(value: Value<'_>) -> Result<Self, Fault> {
        let fix = "write an address with a port such as \"[::]:8443\", or \"unix:\" and an absolute path of at \
                   most 107 octets such as \"unix:/run/avouch/site.sock\"";
        value.convert("an address with a port or a Unix socket", fix, |text| {
            let Some(path) = text.strip_prefix(UNIX) else { return text.parse().ok().map(Self::Tcp) };
            let is_path = Path::new(path).is_absolute() && path.len() <= MAX_PATH && !path.contains('\0');
            is_path.then(|| Self::Unix(path.into()))
        })
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

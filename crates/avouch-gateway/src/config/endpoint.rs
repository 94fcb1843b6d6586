//! Where a gateway listens: an address with a port, a Unix socket, or a socket that systemd opened.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use avouch_wire::settings::{Fault, Value};

/// What a Unix socket's path is written after.
const UNIX: &str = "unix:";

/// What the name of a socket that systemd opened is written after.
const SYSTEMD: &str = "systemd:";

/// Longest such name in octets, as systemd has it (`FileDescriptorName=` in systemd.socket(5)).
const MAX_NAME: usize = 255;

/// Longest path of a Unix socket in octets: what Linux takes (unix(7)), without the final zero.
const MAX_PATH: usize = 107;

/// Where a gateway listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `127.0.0.1:8080` or `[::]:8443`; port 0 takes any free port.
    Tcp(SocketAddr),
    /// `unix:/run/avouch/site.sock`: an absolute path of at most 107 octets.
    Unix(PathBuf),
    /// `systemd:https`: every socket of that name which the service manager passed at the start.
    Passed(String),
}

impl Endpoint {
    /// The address, if it is one.
    #[must_use]
    pub const fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) | Self::Passed(_) => None,
        }
    }

    pub(super) fn read(value: Value<'_>) -> Result<Self, Fault> {
        let fix = "write an address with a port such as \"[::]:8443\", \"unix:\" and an absolute path of at \
                   most 107 octets such as \"unix:/run/avouch/site.sock\", or \"systemd:\" and the FileDescriptorName \
                   of a socket unit such as \"systemd:https\"";
        value.convert("an address with a port, a Unix socket or a socket of systemd's", fix, |text| {
            if let Some(name) = text.strip_prefix(SYSTEMD) {
                return is_name(name).then(|| Self::Passed(name.to_owned()));
            }
            let Some(path) = text.strip_prefix(UNIX) else { return text.parse().ok().map(Self::Tcp) };
            let is_path = Path::new(path).is_absolute() && path.len() <= MAX_PATH && !path.contains('\0');
            is_path.then(|| Self::Unix(path.into()))
        })
    }
}

/// Whether systemd can give a socket this name: visible ASCII and spaces, without the colon that parts names.
fn is_name(name: &str) -> bool {
    let is_allowed = |octet: u8| (octet == b' ' || octet.is_ascii_graphic()) && octet != b':';
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(is_allowed)
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
            Self::Passed(name) => write!(f, "{SYSTEMD}{name}"),
        }
    }
}

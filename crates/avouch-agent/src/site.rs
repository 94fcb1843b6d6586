//! A site as requests name it.

use std::fmt;

use avouch_wire::authority::{Authority, Scheme};
use avouch_wire::target::Target;

/// A scheme with an authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// `http` or `https`.
    pub scheme: Scheme,
    /// Host, and the port where it is not the scheme's own.
    pub authority: Authority<'static>,
}

impl Site {
    /// Reads `https://host` or `https://host:port`, by http as well; a slash may follow.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let target = Target::parse("GET", text).ok()?;
        let (scheme, authority) = target.origin()?;
        let bare = text.strip_suffix('/').unwrap_or(text).ends_with(authority);
        let authority = Authority::parse(authority, scheme).ok()?.into_owned();
        bare.then_some(Self { scheme, authority })
    }

    /// The host, an IPv6 address without its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        let host = self.authority.host();
        host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host)
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        port_of(self.scheme, &self.authority)
    }
}

/// The port an authority names, or its scheme's own.
pub(crate) fn port_of(scheme: Scheme, authority: &Authority<'_>) -> u16 {
    authority.port().unwrap_or(match scheme {
        Scheme::Http => 80,
        Scheme::Https => 443,
    })
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", Scheme::as_str(self.scheme), self.authority)
    }
}

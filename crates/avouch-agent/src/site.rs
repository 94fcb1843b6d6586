//! A site as requests name it.

use avouch_wire::authority::{Authority, Scheme};

/// A scheme with an authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// `http` or `https`.
    pub scheme: Scheme,
    /// Host, and the port where it is not the scheme's own.
    pub authority: Authority<'static>,
}

impl Site {
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

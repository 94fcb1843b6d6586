//! Authorities: the site a request is meant for.

use crate::name::{MAX_NAME, labels};
use std::borrow::Cow;
use std::fmt;
use std::net::Ipv6Addr;
use thiserror::Error;

/// The scheme of a request, which fixes the default port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `http`, default port 80.
    Http,
    /// `https`, default port 443.
    Https,
}

impl Scheme {
    /// As written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// Reads a scheme; case does not matter (RFC 3986 section 3.1).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Http, Self::Https].into_iter().find(|scheme| text.eq_ignore_ascii_case(scheme.as_str()))
    }

    const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Why a text is not an authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AuthorityError {
    /// Neither a host of letters, digits and hyphens nor an IPv6 address in brackets.
    #[error("the host is neither letters, digits, hyphens and dots nor an IPv6 address in brackets")]
    Host,
    /// Not a port.
    #[error("the port is not a number from 1 to 65535")]
    Port,
}

/// An authority in its one spelling: LDH host in lower case or `[IPv6]` as RFC 5952 writes it, and
/// `:port` only when it is not the scheme's default.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Authority<'a>(Cow<'a, str>);

impl<'a> Authority<'a> {
    /// Reads an authority as received: lowers it, and removes one trailing dot and the default port.
    ///
    /// # Errors
    /// [`AuthorityError`].
    pub fn parse(text: &'a str, scheme: Scheme) -> Result<Self, AuthorityError> {
        let (host, port) = split_port(text)?;
        let host = match host.strip_prefix('[') {
            Some(rest) => ipv6(rest.strip_suffix(']').ok_or(AuthorityError::Host)?)?,
            None => ldh(host)?,
        };
        let port = port.map(parse_port).transpose()?.filter(|port| *port != scheme.default_port());
        Ok(Self(match port {
            Some(port) => join(host, port, text),
            None => host,
        }))
    }

    /// The one spelling.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host without the port.
    #[must_use]
    pub fn host(&self) -> &str {
        split_port(&self.0).map_or(&*self.0, |(host, _)| host)
    }

    /// The port, where it is not the scheme's default.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        split_port(&self.0).ok()?.1?.parse().ok()
    }

    /// A copy that owns its text.
    #[must_use]
    pub fn into_owned(self) -> Authority<'static> {
        Authority(Cow::Owned(self.0.into_owned()))
    }
}

impl fmt::Display for Authority<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Divides at the port's colon; an empty port is none (RFC 3986 section 6.2.3).
fn split_port(text: &str) -> Result<(&str, Option<&str>), AuthorityError> {
    let colon = text.bytes().rposition(|octet| octet == b':');
    let (host, port) = match colon.and_then(|at| Some((text.get(..at)?, text.get(at + 1..)?))) {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        Some(_) => (text, None),
        None => return Ok((text, None)),
    };
    if host.contains(':') && !host.starts_with('[') {
        return Err(AuthorityError::Host);
    }
    Ok((host, port.filter(|port| !port.is_empty())))
}

fn parse_port(text: &str) -> Result<u16, AuthorityError> {
    let digits = text.len() <= 5 && text.bytes().all(|octet| octet.is_ascii_digit());
    let port = if digits { text.parse().ok() } else { None };
    port.filter(|port| *port != 0).ok_or(AuthorityError::Port)
}

fn ipv6(text: &str) -> Result<Cow<'_, str>, AuthorityError> {
    let address: Ipv6Addr = text.parse().map_err(|_| AuthorityError::Host)?;
    Ok(Cow::Owned(format!("[{address}]")))
}

fn ldh(text: &str) -> Result<Cow<'_, str>, AuthorityError> {
    let host = text.strip_suffix('.').unwrap_or(text);
    let found = labels(host, |octet| octet == b'-').map_err(|_| AuthorityError::Host)?;
    if host.len() > MAX_NAME {
        return Err(AuthorityError::Host);
    }
    if found.has_capital {
        return Ok(Cow::Owned(host.to_ascii_lowercase()));
    }
    Ok(Cow::Borrowed(host))
}

/// Puts host and port together again, borrowing what was received when it already reads so.
fn join<'a>(host: Cow<'a, str>, port: u16, text: &'a str) -> Cow<'a, str> {
    let joined = format!("{host}:{port}");
    if joined == text { Cow::Borrowed(text) } else { Cow::Owned(joined) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_becomes_one() {
        let cases = [
            ("www.shop.example", Scheme::Https, "www.shop.example"),
            ("WWW.Shop.Example.", Scheme::Https, "www.shop.example"),
            ("www.shop.example:443", Scheme::Https, "www.shop.example"),
            ("www.shop.example:", Scheme::Https, "www.shop.example"),
            ("www.shop.example:443", Scheme::Http, "www.shop.example:443"),
            ("www.shop.example.:8443", Scheme::Https, "www.shop.example:8443"),
            ("[2001:DB8:0::1]:443", Scheme::Https, "[2001:db8::1]"),
            ("[::1]:8080", Scheme::Http, "[::1]:8080"),
            ("127.0.0.1:8080", Scheme::Http, "127.0.0.1:8080"),
            ("localhost:08080", Scheme::Http, "localhost:8080"),
        ];
        for (text, scheme, normal) in cases {
            assert_eq!(Authority::parse(text, scheme).unwrap().as_str(), normal, "{text}");
        }
        assert_eq!(Authority::parse("shop.example:81", Scheme::Http).unwrap().host(), "shop.example");
        assert_eq!(Authority::parse("[::1]:81", Scheme::Http).unwrap().host(), "[::1]");
    }

    #[test]
    fn what_is_no_authority_is_refused() {
        for text in [
            "",
            ".",
            "a..b",
            "a_b.example",
            "shop.example..",
            "::1",
            "[::1",
            "[fe80::1%25eth0]",
            "a b",
            "u@h",
        ] {
            assert_eq!(Authority::parse(text, Scheme::Http), Err(AuthorityError::Host), "{text}");
        }
        for text in ["shop.example:0", "shop.example:65536", "shop.example:+80", "shop.example:000080"] {
            assert_eq!(Authority::parse(text, Scheme::Http), Err(AuthorityError::Port), "{text}");
        }
    }
}

//! Where an upstream is.

use core::fmt;

use avouch_wire::settings::{Fault, Value};

/// An upstream server: `http://127.0.0.1:8080`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Upstream {
    /// Whether it is reached over TLS.
    pub tls: bool,
    /// A host name or an IP address; IPv6 without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Upstream {
    pub(super) fn read(value: Value<'_>) -> Result<Self, Fault> {
        let fix = "write scheme, host and port only, for example \"http://127.0.0.1:8080\"";
        value.convert("an upstream", fix, Self::parse)
    }

    fn parse(text: &str) -> Option<Self> {
        let uri: http::Uri = text.parse().ok()?;
        let tls = match uri.scheme_str()? {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let authority = uri.authority()?;
        let plain = uri.path_and_query().is_none_or(|path| path == "/");
        if authority.as_str().contains('@') || !plain || authority.host().is_empty() {
            return None;
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let port = match authority.as_str().strip_prefix(authority.host())? {
            "" if tls => 443,
            "" => 80,
            rest => rest.strip_prefix(':')?.parse().ok()?,
        };
        Some(Self { tls, host, port })
    }
}

impl Upstream {
    /// Host and port, as `Host` names them.
    pub(crate) fn authority(&self) -> String {
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        format!("{open}{}{close}:{}", self.host, self.port)
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scheme_host_and_port_are_read_and_written_back() {
        for (text, written) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("https://Shop.example/", "https://shop.example:443"),
            ("http://[::1]:81", "http://[::1]:81"),
        ] {
            assert_eq!(Upstream::parse(text).unwrap().to_string(), written);
        }
    }

    #[test]
    fn anything_more_or_less_is_refused() {
        for text in [
            "127.0.0.1:8080",
            "ftp://a:1",
            "http://a/x",
            "http://u@a:1",
            "http://a:99999",
            "http://",
            "http://a:",
        ] {
            assert_eq!(Upstream::parse(text), None, "{text}");
        }
    }
}

//! One line of an access log, in whichever format it is written.

mod combined;
mod json;
mod moment;

use avouch_wire::time::Time;
use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use thiserror::Error;

/// The longest line read, in octets. A request head ends at 8 to 32 KiB with every common server;
/// escaped fourfold in part, it still fits.
pub const LONGEST: usize = 64 << 10;

/// What an audit reads of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The client's address, as the server knew it. IPv4-mapped IPv6 addresses are read as IPv4.
    pub address: IpAddr,
    /// The user agent, its escapes undone; `None` where the client sent none.
    pub agent: Option<Cow<'a, [u8]>>,
    /// When it was logged, where the line says so.
    pub time: Option<Time>,
    /// Octets of the answer's body; 0 where the line does not say.
    pub bytes: u64,
    /// The request target, as logged.
    pub path: Cow<'a, [u8]>,
}

/// Why a line cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LineError {
    /// Longer than [`LONGEST`].
    #[error("is longer than {} KiB", LONGEST >> 10)]
    TooLong,
    /// The combined format begins with the client's address.
    #[error("does not begin with the client's IP address")]
    NoAddress,
    /// No `[time] "request"`.
    #[error("holds no time in brackets before a request in quotes")]
    NoTime,
    /// A time that cannot be read.
    #[error("holds a time that is neither as 21/Nov/2026:00:05:00 +0000, RFC 3339, nor Unix seconds")]
    BadTime,
    /// A field that is to stand in quotes and does not.
    #[error("the {0} does not stand in quotes, or a quote in it is not escaped")]
    NotQuoted(&'static str),
    /// A field that is to be a number and is not.
    #[error("the {0} is not a number")]
    NotANumber(&'static str),
    /// The common format, which leaves the user agent out.
    #[error("ends before the user agent: have the server log in the combined format")]
    NoAgent,
    /// It begins as JSON and is none.
    #[error("is not a JSON object (column {0})")]
    NotJson(usize),
    /// No key of a JSON object names the client's address.
    #[error("no key names the client's IP address, such as remote_addr or client_ip")]
    NoAddressKey,
}

/// Reads a line, without its end: JSON if it begins with `{`, else the combined format.
///
/// # Errors
/// [`LineError`], which says what is missing.
pub fn read(line: &[u8]) -> Result<Line<'_>, LineError> {
    if line.len() > LONGEST {
        return Err(LineError::TooLong);
    }
    match line.trim_ascii_start().starts_with(b"{") {
        true => json::read(line),
        false => combined::read(line),
    }
}

/// An address as logs write it: bare, in brackets, or with a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|socket| socket.ip());
    let address: Option<IpAddr> = text.parse().ok().or_else(with_port).or_else(bare);
    address.map(|address| address.to_canonical())
}

/// The target of a request line; all of it where it is none.
fn target(request: &[u8]) -> &[u8] {
    let mut words = request.split(|octet| *octet == b' ');
    words.nth(1).unwrap_or(request)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_address_is_read_with_and_without_a_port() {
        let v4: IpAddr = "192.0.2.7".parse().unwrap();
        let v6: IpAddr = "2001:db8::7".parse().unwrap();
        for text in ["192.0.2.7", "192.0.2.7:443", "::ffff:192.0.2.7", "[::ffff:192.0.2.7]:1"] {
            assert_eq!(address(text), Some(v4), "{text}");
        }
        for text in ["2001:db8::7", "[2001:db8::7]", "[2001:db8::7]:443"] {
            assert_eq!(address(text), Some(v6), "{text}");
        }
        for text in ["", "-", "192.0.2", "192.0.2.7:", "192.0.2.256", "crawl.example", "[192.0.2.7", "unix:"]
        {
            assert_eq!(address(text), None, "{text}");
        }
    }

    #[test]
    fn a_line_of_the_longest_length_is_read_and_one_longer_is_not() {
        let line = |length: usize| {
            let start = "192.0.2.7 - - [21/Nov/2026:00:05:00 +0000] \"GET / HTTP/1.1\" 200 1 \"-\" \"";
            format!("{start}{}\"", "a".repeat(length - start.len() - 1))
        };
        assert!(read(line(LONGEST).as_bytes()).is_ok());
        assert_eq!(read(line(LONGEST + 1).as_bytes()), Err(LineError::TooLong));
    }

    proptest! {
        #[test]
        fn no_octets_make_the_reader_panic(line in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&line);
        }

        #[test]
        fn no_line_of_the_right_letters_makes_the_reader_panic(line in r#"[\[\]{}" :,/\\x0-9a-fNov+.-]{0,120}"#) {
            let _ = read(line.as_bytes());
        }

        #[test]
        fn what_a_server_escapes_is_read_back(agent in prop::collection::vec(any::<u8>(), 1..80)) {
            prop_assume!(agent != b"-");
            let escaped: String = agent.iter().map(|octet| match octet {
                b'"' | b'\\' | 0..0x20 | 0x7f.. => format!("\\x{octet:02X}"),
                octet => char::from(*octet).to_string(),
            }).collect();
            let line = format!("192.0.2.7 - - [21/Nov/2026:00:05:00 +0000] \"GET / HTTP/1.1\" 200 1 \"-\" \"{escaped}\"");
            let read = read(line.as_bytes()).unwrap();
            prop_assert_eq!(read.agent.as_deref(), Some(&agent[..]));
        }
    }
}

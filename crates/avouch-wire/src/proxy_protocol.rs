//! The PROXY protocol, version 2 (HAProxy's `proxy-protocol.txt`, section 2.2), read strictly.
//!
//! A server reads it from the proxies it trusts only; anybody else's first octets go to its HTTP
//! parser, which refuses them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// How every version 2 header begins.
pub const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Signature, version and command, family and protocol, length of the rest.
pub const FIXED_LENGTH: usize = 16;

/// The longest header taken: addresses of at most 36 octets and a load balancer's TLVs, which
/// are under 500 octets in practice.
pub const LENGTH_LIMIT: usize = 4096;

/// What a proxy says about the connection it passes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// The proxy speaks for itself (a health check): the real addresses stand.
    Local,
    /// The connection came from here.
    From(SocketAddr),
}

/// Where reading a header has got to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// More octets are needed to tell.
    More,
    /// These octets are not a PROXY header; they belong to the protocol itself.
    Absent,
    /// A header of `length` octets in all.
    Read {
        /// How many octets to drop before the protocol itself begins.
        length: usize,
        /// What it says.
        said: Said,
    },
}

/// Why a header that began as one is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Not version 2.
    #[error("PROXY header of a version other than 2")]
    Version,
    /// Neither LOCAL nor PROXY.
    #[error("PROXY header with an unknown command")]
    Command,
    /// Neither TCP over IPv4 nor TCP over IPv6.
    #[error("PROXY header for something other than TCP over IPv4 or IPv6")]
    Family,
    /// Shorter than its addresses.
    #[error("PROXY header shorter than its addresses")]
    Short,
    /// Longer than [`LENGTH_LIMIT`].
    #[error("PROXY header longer than {LENGTH_LIMIT} octets")]
    Long,
}

/// Reads the beginning of a connection as far as it has arrived.
///
/// # Errors
/// [`HeaderError`] when it began as a PROXY header and is not a sound one; the connection is then
/// closed.
pub fn read(start: &[u8]) -> Result<Progress, HeaderError> {
    let seen = start.len().min(SIGNATURE.len());
    if start.get(..seen) != SIGNATURE.get(..seen) {
        return Ok(Progress::Absent);
    }
    let Some(([.., command, family, high, low], _)) = start.split_first_chunk::<FIXED_LENGTH>() else {
        return Ok(Progress::More);
    };
    let length = FIXED_LENGTH + usize::from(u16::from_be_bytes([*high, *low]));
    if length > LENGTH_LIMIT {
        return Err(HeaderError::Long);
    }
    let Some(rest) = start.get(FIXED_LENGTH..length) else {
        return Ok(Progress::More);
    };
    Ok(Progress::Read { length, said: said(*command, *family, rest)? })
}

fn said(command: u8, family: u8, addresses: &[u8]) -> Result<Said, HeaderError> {
    if command >> 4 != 2 {
        return Err(HeaderError::Version);
    }
    match (command & 0x0f, family) {
        (0, _) => Ok(Said::Local),
        (1, 0x11) => tcp4(addresses),
        (1, 0x21) => tcp6(addresses),
        (1, _) => Err(HeaderError::Family),
        _ => Err(HeaderError::Command),
    }
}

/// Source address, destination address, source port, destination port.
fn tcp4(addresses: &[u8]) -> Result<Said, HeaderError> {
    let Some(([a, b, c, d, _, _, _, _, high, low, _, _], _)) = addresses.split_first_chunk::<12>() else {
        return Err(HeaderError::Short);
    };
    let port = u16::from_be_bytes([*high, *low]);
    Ok(Said::From(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(*a, *b, *c, *d)), port)))
}

fn tcp6(addresses: &[u8]) -> Result<Said, HeaderError> {
    let (Some((source, _)), Some((ports, _))) = (
        addresses.split_first_chunk::<16>(),
        addresses.get(32..).and_then(|ports| ports.split_first_chunk::<4>()),
    ) else {
        return Err(HeaderError::Short);
    };
    let [high, low, _, _] = *ports;
    let address = Ipv6Addr::from(*source).to_canonical();
    Ok(Said::From(SocketAddr::new(address, u16::from_be_bytes([high, low]))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let mut header = SIGNATURE.to_vec();
        header.extend([command, family]);
        header.extend((rest.len() as u16).to_be_bytes());
        header.extend(rest);
        header
    }

    const V4: [u8; 12] = [203, 0, 113, 7, 192, 0, 2, 1, 0x30, 0x39, 0x01, 0xbb];

    #[test]
    fn an_ipv4_source_is_read_and_what_follows_is_left() {
        let mut start = header(0x21, 0x11, &V4);
        start.extend(b"GET / HTTP/1.1\r\n");
        let said = Said::From("203.0.113.7:12345".parse().unwrap());
        assert_eq!(read(&start), Ok(Progress::Read { length: 28, said }));
    }

    #[test]
    fn an_ipv6_source_is_read() {
        let mut rest = "2001:db8::7".parse::<Ipv6Addr>().unwrap().octets().to_vec();
        rest.extend("2001:db8::1".parse::<Ipv6Addr>().unwrap().octets());
        rest.extend([0x30, 0x39, 0x01, 0xbb]);
        let said = Said::From("[2001:db8::7]:12345".parse().unwrap());
        assert_eq!(read(&header(0x21, 0x21, &rest)), Ok(Progress::Read { length: 52, said }));
        assert_eq!(read(&header(0x21, 0x21, &rest[..35])), Err(HeaderError::Short));
    }

    #[test]
    fn extensions_are_skipped() {
        let mut rest = V4.to_vec();
        rest.extend([0x04, 0x00, 0x03, 1, 2, 3]);
        let said = Said::From("203.0.113.7:12345".parse().unwrap());
        assert_eq!(read(&header(0x21, 0x11, &rest)), Ok(Progress::Read { length: 34, said }));
    }

    #[test]
    fn local_keeps_the_real_address() {
        assert_eq!(read(&header(0x20, 0x00, &[])), Ok(Progress::Read { length: 16, said: Said::Local }));
    }

    #[test]
    fn a_truncated_header_asks_for_more_at_every_length() {
        let whole = header(0x21, 0x11, &V4);
        for length in 0..whole.len() {
            assert_eq!(read(&whole[..length]), Ok(Progress::More), "at {length}");
        }
    }

    #[test]
    fn a_request_is_not_a_header() {
        assert_eq!(read(b"GET / HTTP/1.1"), Ok(Progress::Absent));
        assert_eq!(read(b"\r\nGET /"), Ok(Progress::Absent));
    }

    #[test]
    fn other_versions_commands_families_and_lengths_are_refused() {
        assert_eq!(read(&header(0x11, 0x11, &V4)), Err(HeaderError::Version));
        assert_eq!(read(&header(0x22, 0x11, &V4)), Err(HeaderError::Command));
        assert_eq!(read(&header(0x21, 0x12, &V4)), Err(HeaderError::Family));
        assert_eq!(read(&header(0x21, 0x31, &V4)), Err(HeaderError::Family));
        assert_eq!(read(&header(0x21, 0x11, &V4[..11])), Err(HeaderError::Short));
        assert_eq!(read(&header(0x21, 0x11, &[0; 4081])), Err(HeaderError::Long));
    }
}

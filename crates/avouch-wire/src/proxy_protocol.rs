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

/// What a proxy says of the TLS connection that it ended (`proxy-protocol.txt`, section 2.2, TLVs).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told<'a> {
    /// The host the client asked for (`PP2_TYPE_AUTHORITY`).
    pub server_name: Option<&'a str>,
    /// The common name of the client's certificate, where it presented one and the proxy verified it
    /// (`PP2_TYPE_SSL`, `PP2_SUBTYPE_SSL_CN`).
    pub common_name: Option<&'a str>,
}

/// Type of a TLV: the host asked for; what is told of TLS; within that, the certificate's common name.
const AUTHORITY: u8 = 0x02;
const SSL: u8 = 0x20;
const SSL_CN: u8 = 0x22;

/// Bits that say that the client presented a certificate, in this connection or in the session it resumes.
const CLIENT_CERTIFICATE: u8 = 0x02 | 0x04;

impl<'a> Told<'a> {
    /// Reads a whole header, as [`read`] measured it. What is told twice, is no text, or breaks its own length is told
    /// by nobody: these names add nothing to a claim, so a proxy that errs costs nothing but their word.
    #[must_use]
    pub fn read(header: &'a [u8]) -> Self {
        let addresses = match header.get(13) {
            Some(0x11) => 12,
            Some(0x21) => 36,
            _ => return Self::default(),
        };
        let Some(extensions) = header.get(FIXED_LENGTH + addresses..) else { return Self::default() };
        let Some([server_name, ssl]) = values(extensions, [AUTHORITY, SSL]) else { return Self::default() };
        Self { server_name: server_name.and_then(text), common_name: ssl.and_then(common_name) }
    }
}

/// Client flags, the outcome of verification (0: it is fine), and TLVs of its own.
fn common_name(ssl: &[u8]) -> Option<&str> {
    let ([client, verified @ ..], inner) = ssl.split_first_chunk::<5>()?;
    let presented = client & CLIENT_CERTIFICATE != 0 && *verified == [0; 4];
    let [name] = values(inner, [SSL_CN])?;
    name.filter(|_| presented).and_then(text)
}

/// The values of TLVs of these types: each a type, a length in two octets, a value. `None` where a length is wrong, or
/// one of them stands twice.
fn values<const N: usize>(mut rest: &[u8], wanted: [u8; N]) -> Option<[Option<&[u8]>; N]> {
    let mut found = [None; N];
    while !rest.is_empty() {
        let ([kind, high, low], after) = rest.split_first_chunk::<3>()?;
        let (value, next) = after.split_at_checked(usize::from(u16::from_be_bytes([*high, *low])))?;
        for (slot, _) in found.iter_mut().zip(wanted).filter(|(_, own)| own == kind) {
            if slot.replace(value).is_some() {
                return None;
            }
        }
        rest = next;
    }
    Some(found)
}

fn text(value: &[u8]) -> Option<&str> {
    std::str::from_utf8(value).ok().filter(|text| !text.is_empty())
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

    fn tlv(kind: u8, value: &[u8]) -> Vec<u8> {
        [&[kind][..], &(value.len() as u16).to_be_bytes(), value].concat()
    }

    fn told(extensions: &[Vec<u8>]) -> (Option<String>, Option<String>) {
        let header = header(0x21, 0x11, &[&V4[..], &extensions.concat()].concat());
        let told = Told::read(&header);
        (told.server_name.map(str::to_owned), told.common_name.map(str::to_owned))
    }

    fn ssl(client: u8, verify: u32) -> Vec<u8> {
        let name = tlv(0x22, b"agents.acme.example");
        tlv(0x20, &[&[client][..], &verify.to_be_bytes(), &tlv(0x21, b"TLSv1.3"), &name].concat())
    }

    #[test]
    fn a_proxy_tells_the_host_that_was_asked_for_and_the_name_of_a_verified_certificate() {
        let (host, name) = (Some("www.shop.example".to_owned()), Some("agents.acme.example".to_owned()));
        let asked = tlv(0x02, b"www.shop.example");
        assert_eq!(told(&[asked.clone(), ssl(0x07, 0)]), (host.clone(), name.clone()));
        assert_eq!(told(&[tlv(0x04, &[0; 9]), ssl(0x04, 0), asked.clone()]), (host.clone(), name));
        assert_eq!(told(&[asked.clone(), ssl(0x01, 0)]), (host.clone(), None), "no certificate");
        assert_eq!(told(&[asked.clone(), ssl(0x07, 1)]), (host.clone(), None), "not verified");
        let cut = tlv(0x20, &[0x07, 0, 0, 0, 0, 0x22, 0, 9]);
        assert_eq!(told(&[asked, cut]), (host, None));
        let v6 = header(0x21, 0x21, &[&[0; 36][..], &tlv(0x02, b"a.example")].concat());
        assert_eq!(Told::read(&v6).server_name, Some("a.example"));
    }

    #[test]
    fn what_is_told_twice_or_with_a_wrong_length_is_told_by_nobody() {
        let asked = tlv(0x02, b"a.example");
        assert_eq!(told(&[asked.clone(), tlv(0x02, b"b.example")]), (None, None));
        assert_eq!(told(&[asked.clone(), vec![0x04, 0, 1]]), (None, None));
        assert_eq!(told(&[asked, vec![0x04]]), (None, None));
        assert_eq!(told(&[tlv(0x02, b"")]), (None, None));
        assert_eq!(told(&[tlv(0x02, b"\xff")]), (None, None));
        assert_eq!(Told::read(&header(0x20, 0x00, &[])), Told::default());
        assert_eq!(Told::read(b"GET / HTTP/1.1"), Told::default());
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

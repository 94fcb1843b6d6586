//! PROXY v2 headers, as a proxy writes them.

use avouch_wire::proxy_protocol::{SIGNATURE, Told};
use std::net::IpAddr;

/// A header in which a proxy says that the client is `source`, and what it showed by TLS.
#[must_use]
pub fn header(source: IpAddr, told: Told<'_>) -> Vec<u8> {
    let (family, addresses) = match source {
        IpAddr::V4(source) => (0x11, [source.octets().as_slice(), &[192, 0, 2, 1]].concat()),
        IpAddr::V6(source) => (0x21, [source.octets().as_slice(), &[0; 16]].concat()),
    };
    let mut rest = [addresses.as_slice(), &[0x30, 0x39, 0x01, 0xbb]].concat();
    rest.extend(told.server_name.iter().flat_map(|name| tlv(0x02, name.as_bytes())));
    // A certificate was presented (0x02) by TLS (0x01), and verified (0).
    let common_name =
        told.common_name.map(|name| [&[0x03, 0, 0, 0, 0][..], &tlv(0x22, name.as_bytes())].concat());
    rest.extend(common_name.iter().flat_map(|ssl| tlv(0x20, ssl)));
    [SIGNATURE.as_slice(), &[0x21, family], &length(&rest), &rest].concat()
}

fn tlv(kind: u8, value: &[u8]) -> Vec<u8> {
    [&[kind][..], &length(value), value].concat()
}

fn length(value: &[u8]) -> [u8; 2] {
    u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes()
}

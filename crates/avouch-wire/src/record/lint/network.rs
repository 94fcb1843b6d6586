//! Networks and numbers that are hardly meant.

use crate::record::Network;
use ipnet::IpNet;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Broader than this, an IPv4 network is worth a second look.
const BROAD_V4: u8 = 16;

/// Broader than this, an IPv6 network is worth a second look: a provider's whole allocation.
const BROAD_V6: u8 = 32;

/// Whether everyone in so broad a network is hardly an agent of one domain.
pub(super) const fn is_broad(network: &Network) -> bool {
    match network.net() {
        IpNet::V4(net) => net.prefix_len() < BROAD_V4,
        IpNet::V6(net) => net.prefix_len() < BROAD_V6,
    }
}

/// Whether addresses of the network do not appear on the Internet (RFC 6890). Networks reserved
/// for documentation are let pass, since examples are made of them.
pub(super) fn is_local(network: &Network) -> bool {
    match network.net() {
        IpNet::V4(net) => is_local_v4(net.network()),
        IpNet::V6(net) => is_local_v6(net.network()),
    }
}

const fn is_local_v4(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    let shared = first == 100 && second & 0xc0 == 64;
    first == 0
        || first >= 240
        || shared
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
}

const fn is_local_v6(address: Ipv6Addr) -> bool {
    address.is_loopback()
        || address.is_unspecified()
        || address.is_unique_local()
        || address.is_unicast_link_local()
        || address.is_multicast()
        || address.to_ipv4_mapped().is_some()
}

/// Whether no network on the Internet has this number (RFC 6996, RFC 7300, RFC 6793). Numbers
/// reserved for documentation are let pass.
pub(super) const fn is_reserved_asn(asn: u32) -> bool {
    matches!(asn, 23456 | 64_512..=65_535 | 4_200_000_000..)
}

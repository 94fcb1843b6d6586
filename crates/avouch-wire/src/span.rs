//! Runs of addresses, first to last, as tables of networks hold them.

use ipnet::IpNet;
use std::net::IpAddr;

/// Bits of an IPv6 prefix below which all of IPv4 lies mapped, `::ffff:0:0/96`.
const MAPPED: u8 = 96;

/// A run of addresses of one family. IPv4 mapped into IPv6 is IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Span {
    V4(u32, u32),
    V6(u128, u128),
}

impl Span {
    /// All addresses of a network.
    pub(crate) fn of(network: IpNet) -> Self {
        match canonical(network) {
            IpNet::V4(net) => Self::V4(net.network().to_bits(), net.broadcast().to_bits()),
            IpNet::V6(net) => Self::V6(net.network().to_bits(), net.broadcast().to_bits()),
        }
    }

    /// From one address to another; `None` when they are of two families or the wrong way round.
    pub(crate) fn between(first: IpAddr, last: IpAddr) -> Option<Self> {
        match (first.to_canonical(), last.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(last)) if first <= last => {
                Some(Self::V4(first.to_bits(), last.to_bits()))
            }
            (IpAddr::V6(first), IpAddr::V6(last)) if first <= last => {
                Some(Self::V6(first.to_bits(), last.to_bits()))
            }
            _ => None,
        }
    }
}

/// The network, as IPv4 where it is IPv4 mapped into IPv6.
pub(crate) fn canonical(network: IpNet) -> IpNet {
    let below = network.prefix_len().checked_sub(MAPPED);
    match (network.network().to_canonical(), below) {
        (address @ IpAddr::V4(_), Some(length)) if network.network().is_ipv6() => {
            IpNet::new(address, length).unwrap_or(network)
        }
        _ => network,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(network: &str) -> Span {
        Span::of(network.parse().unwrap())
    }

    #[test]
    fn what_is_mapped_is_ipv4_and_what_only_looks_like_it_is_not() {
        assert_eq!(of("192.0.2.0/24"), Span::V4(0xc000_0200, 0xc000_02ff));
        assert_eq!(of("::ffff:192.0.2.0/120"), of("192.0.2.0/24"));
        assert_eq!(of("::ffff:0:0/96"), Span::V4(0, u32::MAX));
        assert!(matches!(of("::ffff:0:0/95"), Span::V6(..)));
        assert!(matches!(of("::192.0.2.0/120"), Span::V6(..)));
    }

    #[test]
    fn a_span_has_one_family_and_one_direction() {
        let between = |first: &str, last: &str| Span::between(first.parse().unwrap(), last.parse().unwrap());
        assert_eq!(between("192.0.2.0", "192.0.2.255"), Some(of("192.0.2.0/24")));
        assert_eq!(between("::ffff:192.0.2.0", "192.0.2.255"), Some(of("192.0.2.0/24")));
        assert_eq!(between("192.0.2.1", "192.0.2.0"), None);
        assert_eq!(between("192.0.2.1", "2001:db8::"), None);
    }
}

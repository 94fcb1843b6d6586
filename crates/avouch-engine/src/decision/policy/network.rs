//! Networks as conditions compare them: one mask and one comparison.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// A network, or an address as one of full length, with host bits zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    bits: u128,
    mask: u128,
    family: Family,
}

/// Addresses are compared within one family only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    V4,
    V6,
    /// No address is known, and no network holds it.
    None,
}

impl Network {
    pub(super) fn new(network: IpNet) -> Self {
        let place = Place::of(network.network());
        let host_bits = network.max_prefix_len().saturating_sub(network.prefix_len());
        // An IPv6 network of prefix 0 has 128 host bits, more than a shift can be.
        let mask = u128::MAX.checked_shl(u32::from(host_bits)).unwrap_or(0);
        Self { bits: place.bits & mask, mask, family: place.family }
    }

    pub(super) const fn contains(self, place: Place) -> bool {
        place.bits & self.mask == self.bits && place.family as u8 == self.family as u8
    }

    /// An address in it.
    pub(super) fn example(&self) -> IpAddr {
        match u32::try_from(self.bits) {
            Ok(bits) if self.family == Family::V4 => IpAddr::V4(Ipv4Addr::from_bits(bits)),
            _ => IpAddr::V6(Ipv6Addr::from_bits(self.bits)),
        }
    }
}

/// An address as networks are compared with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    bits: u128,
    family: Family,
}

impl Place {
    /// IPv4 mapped into IPv6 is IPv4.
    pub(super) const fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self { bits: v4.to_bits() as u128, family: Family::V4 },
            IpAddr::V6(v6) => Self { bits: v6.to_bits(), family: Family::V6 },
        }
    }

    /// The place of a client; behind a Unix socket it may have none, and is unspecified.
    pub(super) const fn of_client(address: IpAddr) -> Self {
        let place = Self::of(address);
        if address.is_unspecified() { Self { family: Family::None, ..place } } else { place }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(network: &str, address: &str) -> bool {
        Network::new(network.parse().unwrap()).contains(Place::of(address.parse().unwrap()))
    }

    #[test]
    fn families_do_not_mix_but_by_mapping() {
        assert!(contains("192.0.2.0/24", "192.0.2.255") && !contains("192.0.2.0/24", "192.0.3.0"));
        assert!(contains("192.0.2.0/24", "::ffff:192.0.2.1"));
        assert!(contains("0.0.0.0/0", "203.0.113.1") && !contains("0.0.0.0/0", "2001:db8::1"));
        assert!(contains("::/0", "2001:db8::1") && !contains("::/0", "203.0.113.1"));
        assert!(contains("2001:db8::/32", "2001:db8:1::") && !contains("2001:db8::/32", "2001:db9::"));
        assert!(contains("192.0.2.1/32", "192.0.2.1") && !contains("192.0.2.1/32", "192.0.2.2"));
    }

    #[test]
    fn a_network_contains_its_example() {
        for network in ["192.0.2.0/24", "2001:db8::/32", "::/0", "0.0.0.0/0"] {
            let network = Network::new(network.parse().unwrap());
            assert!(network.contains(Place::of(network.example())));
        }
    }
}

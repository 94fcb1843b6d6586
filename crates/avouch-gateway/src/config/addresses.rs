//! How much of clients' addresses a log keeps.

use std::fmt;
use std::net::IpAddr;

use avouch_wire::settings::{Fault, Table, Value};
use ipnet::IpNet;

/// The longest prefixes that are written. The whole address, unless a shorter one is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefixes {
    /// Of IPv4 addresses, 0 to 32 bits.
    pub ipv4: u8,
    /// Of IPv6 addresses, 0 to 128 bits.
    pub ipv6: u8,
}

impl Default for Prefixes {
    fn default() -> Self {
        Self { ipv4: 32, ipv6: 128 }
    }
}

impl Prefixes {
    /// Reads `ipv4_prefix` and `ipv6_prefix` of a table.
    pub(super) fn read(table: &mut Table<'_>) -> Self {
        let whole = Self::default();
        let mut bits = |key, most: u8| {
            let read = |value: Value<'_>| value.number(0..=most.into());
            table.optional(key, read).and_then(|bits| u8::try_from(bits).ok()).unwrap_or(most)
        };
        Self { ipv4: bits("ipv4_prefix", whole.ipv4), ipv6: bits("ipv6_prefix", whole.ipv6) }
    }

    pub(super) fn write(self, f: &mut impl fmt::Write) -> fmt::Result {
        writeln!(f, "ipv4_prefix = {}\nipv6_prefix = {}", self.ipv4, self.ipv6)
    }

    /// What is written of an address: all of it, or the network of that prefix, so that nobody takes it for a client's.
    pub(crate) fn of(self, address: IpAddr) -> Kept {
        let address = address.to_canonical();
        let (bits, all) = match address {
            IpAddr::V4(_) => (self.ipv4, 32),
            IpAddr::V6(_) => (self.ipv6, 128),
        };
        match IpNet::new(address, bits) {
            Ok(network) if bits < all => Kept::Network(network.trunc()),
            _ => Kept::Address(address),
        }
    }
}

/// What a log keeps of an address.
pub(crate) enum Kept {
    Address(IpAddr),
    Network(IpNet),
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Network(network) => network.fmt(f),
        }
    }
}

/// How to say that a prefix of one log stands without the log.
pub(super) fn unused(table: &mut Table<'_>, fix: &'static str) {
    for key in ["ipv4_prefix", "ipv6_prefix"] {
        _ = table.optional::<()>(key, |_| Err(Fault::new("is of no use: nothing is logged", fix)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(prefixes: Prefixes, address: &str) -> String {
        prefixes.of(address.parse().unwrap()).to_string()
    }

    #[test]
    fn a_shortened_address_is_a_network_and_a_whole_one_an_address() {
        let short = Prefixes { ipv4: 24, ipv6: 48 };
        for (address, network) in [
            ("192.0.2.77", "192.0.2.0/24"),
            ("2001:db8:1:2::3", "2001:db8:1::/48"),
            ("::ffff:192.0.2.77", "192.0.2.0/24"),
        ] {
            assert_eq!(kept(short, address), network);
        }
        assert_eq!(kept(Prefixes { ipv4: 0, ipv6: 0 }, "192.0.2.77"), "0.0.0.0/0");
        assert_eq!(kept(Prefixes { ipv4: 31, ipv6: 128 }, "192.0.2.77"), "192.0.2.76/31");
        for address in ["192.0.2.77", "2001:db8:1:2::3"] {
            assert_eq!(kept(Prefixes::default(), address), address);
        }
    }
}

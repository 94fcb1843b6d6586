//! Who connected, and whether the address says anything about the client.

use std::net::IpAddr;

/// The other end of the connection, after trusted proxies were seen through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The address of the client, or of the nearest hop that is not trusted. IPv4-mapped IPv6
    /// addresses are read as IPv4.
    pub address: IpAddr,
    /// Whether it is evidence.
    pub evidence: AddressEvidence,
}

/// Whether a peer's address is evidence of who the client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressEvidence {
    /// It is the client's.
    Client,
    /// It belongs to a proxy nobody vouched for (a private address, or one that sends forwarding
    /// headers without being trusted), so it says nothing about the client.
    UntrustedProxy,
}

impl Peer {
    /// A client at this address.
    #[must_use]
    pub fn client(address: IpAddr) -> Self {
        Self { address: address.to_canonical(), evidence: AddressEvidence::Client }
    }

    /// An unlisted proxy at this address.
    #[must_use]
    pub fn untrusted_proxy(address: IpAddr) -> Self {
        Self { address: address.to_canonical(), evidence: AddressEvidence::UntrustedProxy }
    }
}

/// Whether an address is one of a private network: loopback, RFC 1918, RFC 6598, link-local, unique
/// local, or "no address". On a public site who connects from there is a proxy, not a client.
#[must_use]
pub fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, _, _] = v4.octets();
            v4.is_loopback()
                || v4.is_private()
                || v4.is_link_local()
                || v4.is_unspecified()
                || (a == 100 && b & 0xc0 == 64)
        }
        IpAddr::V6(v6) => {
            v6.is_loopback() || v6.is_unspecified() || v6.is_unique_local() || v6.is_unicast_link_local()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_networks_are_told_from_their_neighbours() {
        let private = |text: &str| is_private(text.parse().unwrap());
        for text in
            ["127.0.0.1", "10.255.0.1", "172.31.0.1", "192.168.9.9", "100.64.0.1", "169.254.0.1", "0.0.0.0"]
        {
            assert!(private(text), "{text}");
        }
        for text in ["::1", "::", "fd00::1", "fe80::1"] {
            assert!(private(text), "{text}");
        }
        for text in
            ["128.0.0.1", "11.0.0.1", "172.32.0.1", "192.169.0.1", "100.128.0.1", "2001:db8::1", "fec0::1"]
        {
            assert!(!private(text), "{text}");
        }
    }
}

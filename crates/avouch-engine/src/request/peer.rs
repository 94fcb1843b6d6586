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

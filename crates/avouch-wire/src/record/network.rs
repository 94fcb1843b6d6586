//! A network a domain vouches for.

use ipnet::IpNet;
use std::fmt;
use std::net::IpAddr;
use thiserror::Error;

/// Broadest IPv4 network: nobody speaks for more than what was once a class A.
const BROADEST_V4: u8 = 8;

/// Broadest IPv6 network: the largest allocation a registry has given to one holder.
const BROADEST_V6: u8 = 19;

/// Why a text is not a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NetworkError {
    /// Not an address and a prefix length.
    #[error("is not a network in CIDR notation")]
    Syntax,
    /// An address without a prefix length.
    #[error("is a single address without a prefix length")]
    NoLength,
    /// Bits set beyond the prefix; the network that was probably meant.
    #[error("has bits set beyond its prefix")]
    HostBits(IpNet),
    /// Broader than /8 (IPv4) or /19 (IPv6).
    #[error("is broader than /8 (IPv4) or /19 (IPv6)")]
    TooBroad,
}

/// A network in CIDR notation: no bit set beyond the prefix, not broader than /8 (IPv4) or /19 (IPv6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network(IpNet);

impl Network {
    /// Reads `address/length`.
    ///
    /// # Errors
    /// [`NetworkError`] names the first rule broken.
    pub fn parse(text: &str) -> Result<Self, NetworkError> {
        if text.parse::<IpAddr>().is_ok() {
            return Err(NetworkError::NoLength);
        }
        let (address, length) = text.split_once('/').ok_or(NetworkError::Syntax)?;
        let address: IpAddr = address.parse().map_err(|_| NetworkError::Syntax)?;
        let length = super::read::decimal(length, 3).ok_or(NetworkError::Syntax)?;
        let length = u8::try_from(length).map_err(|_| NetworkError::Syntax)?;
        let network = IpNet::new(address, length).map_err(|_| NetworkError::Syntax)?;
        if network.trunc() != network {
            return Err(NetworkError::HostBits(network.trunc()));
        }
        let broadest = if address.is_ipv4() { BROADEST_V4 } else { BROADEST_V6 };
        if length < broadest {
            return Err(NetworkError::TooBroad);
        }
        Ok(Self(network))
    }

    /// Whether `address` lies within. An IPv4 address mapped into IPv6 counts as what it is.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }

    /// The network.
    #[must_use]
    pub const fn net(&self) -> IpNet {
        self.0
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_refuses_its_near_miss() {
        for text in ["192.0.2.0/24", "192.0.2.1/32", "10.0.0.0/8", "2001:db8::/32", "2001:c000::/19"] {
            assert_eq!(Network::parse(text).unwrap().to_string(), text);
        }
        let meant = "192.0.2.0/24".parse().unwrap();
        let cases = [
            ("192.0.2.1", NetworkError::NoLength),
            ("192.0.2.1/24", NetworkError::HostBits(meant)),
            ("10.0.0.0/7", NetworkError::TooBroad),
            ("0.0.0.0/0", NetworkError::TooBroad),
            ("2001::/18", NetworkError::TooBroad),
            ("192.0.2.0/33", NetworkError::Syntax),
            ("192.0.2.0/024", NetworkError::Syntax),
            ("192.0.2.0/+24", NetworkError::Syntax),
            ("192.0.02.0/24", NetworkError::Syntax),
            ("fe80::%1/64", NetworkError::Syntax),
            ("192.0.2.0/24/24", NetworkError::Syntax),
            ("", NetworkError::Syntax),
        ];
        for (text, error) in cases {
            assert_eq!(Network::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_mapped_address_is_the_ipv4_address() {
        let network = Network::parse("192.0.2.0/24").unwrap();
        assert!(network.contains("::ffff:192.0.2.9".parse().unwrap()));
        assert!(!network.contains("192.0.3.0".parse().unwrap()));
    }
}

//! Who is authorised.

use crate::key::Fingerprint;
use crate::record::{Network, NetworkError};
use std::fmt;
use thiserror::Error;

/// What acts for the domain. Exactly one thing, so that a token that leaks serves nobody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// An autonomous system: 1–4294967295.
    Asn(u32),
    /// A network, no broader than `_saip` records may name.
    Network(Network),
    /// A key, by its fingerprint.
    Key(Fingerprint),
}

/// Why a text names nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SubjectError {
    /// None of the three kinds.
    #[error("is neither asn:NUMBER, ip:NETWORK nor key:sha256:FINGERPRINT")]
    Kind,
    /// Not the number of an autonomous system.
    #[error("names no autonomous system; they are numbered from 1 to 4294967295, without leading zeros")]
    Asn,
    /// Not a network.
    #[error("{0}")]
    Network(#[from] NetworkError),
    /// Not a fingerprint.
    #[error("names no key; write key:sha256: and 43 characters of base64url")]
    Key,
}

impl Subject {
    /// Reads `asn:64500`, `ip:192.0.2.0/24` or `key:sha256:…`.
    ///
    /// # Errors
    /// [`SubjectError`].
    pub fn parse(text: &str) -> Result<Self, SubjectError> {
        match text.split_once(':') {
            Some(("asn", number)) => asn(number).map(Self::Asn).ok_or(SubjectError::Asn),
            Some(("ip", network)) => Ok(Self::Network(Network::parse(network)?)),
            Some(("key", name)) => Fingerprint::parse(name).map(Self::Key).ok_or(SubjectError::Key),
            _ => Err(SubjectError::Kind),
        }
    }
}

fn asn(text: &str) -> Option<u32> {
    let is_plain = text.bytes().all(|octet| octet.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| is_plain)
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asn(number) => write!(f, "asn:{number}"),
            Self::Network(network) => write!(f, "ip:{network}"),
            Self::Key(fingerprint) => write!(f, "key:{fingerprint}"),
        }
    }
}

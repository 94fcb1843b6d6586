//! The name of a key.

use crate::b64u;
use aws_lc_rs::digest;
use std::fmt;

/// SHA-256 of a key's SubjectPublicKeyInfo DER (RFC 5280 section 4.1.2.7).
///
/// Written `sha256:` and 43 characters of base64url.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of an SPKI.
    #[must_use]
    pub fn of_spki(spki: &[u8]) -> Self {
        let digest = digest::digest(&digest::SHA256, spki);
        let mut octets = [0; 32];
        octets.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
        Self(octets)
    }

    /// Reads the written form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        b64u::decode(text.strip_prefix("sha256:")?).ok().map(Self)
    }

    /// The 32 octets.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The base64url part of the written form, as it stands in canonical strings.
    #[must_use]
    pub fn b64u(&self) -> [u8; 43] {
        b64u::encode_32(&self.0)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", b64u::encode(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

//! Public keys and what they verify.

use super::ed25519::spki;
use super::{Carried, Ed25519, Fingerprint};
use crate::b64u;
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey};
use std::fmt;
use std::sync::Arc;
use thiserror::Error;

/// The kind of a key, which fixes the algorithm of its signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyType {
    /// Ed25519 (RFC 8032 section 5.1): 32 octets, signatures of 64.
    Ed25519,
    /// ECDSA on P-256 with SHA-256: 65 octets uncompressed, signatures of 64 (r and s).
    P256,
}

impl KeyType {
    /// As written in the `k=` tag of a record and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::P256 => "p256",
        }
    }

    /// As written in the `alg` value of a SAIP header.
    #[must_use]
    pub const fn algorithm(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::P256 => "ecdsa-p256-sha256",
        }
    }

    /// Reads the name of a key type.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Ed25519, Self::P256].into_iter().find(|kind| kind.name() == name)
    }
}

/// Why octets are not a public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// Not the length of any key accepted here.
    #[error("has {0} octets; an Ed25519 key has 32, a P-256 key 65 (33 compressed, in records only)")]
    Length(usize),
    /// Not base64url.
    #[error("is not base64url without padding")]
    Encoding,
    /// Not a point on the curve, or not in its canonical encoding.
    #[error("is not a point of the curve in canonical encoding")]
    Point,
    /// A point of small order, for which signatures prove nothing.
    #[error("is a point of small order")]
    SmallOrder,
}

/// The signature does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the signature does not hold")]
pub struct BadSignature;

/// A public key that passed every check on its encoding. Cloning is cheap.
#[derive(Clone)]
pub struct PublicKey {
    point: Point,
    fingerprint: Fingerprint,
}

#[derive(Clone)]
enum Point {
    Ed25519(Ed25519),
    Carried(Carried),
    P256 { octets: [u8; 65], parsed: Arc<ParsedPublicKey> },
}

impl PublicKey {
    /// Reads a key as it stands in `rpk` and `pk` of a header: 32 octets of Ed25519, or 65 of
    /// P-256 uncompressed.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn from_octets(octets: &[u8]) -> Result<Self, KeyError> {
        if let Ok(octets) = <&[u8; 32]>::try_from(octets) {
            return Self::ed25519(octets);
        }
        match octets {
            [0x04, ..] if octets.len() == 65 => Self::p256(octets),
            _ if octets.len() == 65 => Err(KeyError::Point),
            _ => Err(KeyError::Length(octets.len())),
        }
    }

    /// As [`PublicKey::from_octets`], taking also the 33-octet compressed form of P-256 (SEC 1
    /// section 2.3.3), which may stand in records.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn from_record_octets(octets: &[u8]) -> Result<Self, KeyError> {
        match octets {
            [0x02 | 0x03, ..] if octets.len() == 33 => Self::p256(octets),
            _ if octets.len() == 33 => Err(KeyError::Point),
            _ => Self::from_octets(octets),
        }
    }

    /// Reads the base64url of a key in header form, without allocating.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn from_b64u(text: &str) -> Result<Self, KeyError> {
        match text.len() {
            43 => Self::ed25519(&b64u::decode(text).map_err(|_| KeyError::Encoding)?),
            87 => Self::from_octets(&b64u::decode::<65>(text).map_err(|_| KeyError::Encoding)?),
            characters => Err(KeyError::Length(characters * 3 / 4)),
        }
    }

    /// Reads the base64url of a key that came along with what it signed, and is used for that alone. As
    /// [`PublicKey::from_b64u`], but that it may be no point of the curve: then no signature ever holds under it, and
    /// [`PublicKey::is_point`] tells.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn carried(text: &str) -> Result<Self, KeyError> {
        if text.len() != 43 {
            return Self::from_b64u(text);
        }
        let key = Carried::read(b64u::decode(text).map_err(|_| KeyError::Encoding)?)?;
        let fingerprint = Fingerprint::of_spki(&spki(key.octets()));
        Ok(Self { point: Point::Carried(key), fingerprint })
    }

    /// Whether it is a point of its curve, as all are but some that were [`PublicKey::carried`].
    #[must_use]
    pub fn is_point(&self) -> bool {
        match &self.point {
            Point::Carried(key) => key.is_point(),
            Point::Ed25519(_) | Point::P256 { .. } => true,
        }
    }

    fn ed25519(octets: &[u8; 32]) -> Result<Self, KeyError> {
        let key = Ed25519::read(octets)?;
        let fingerprint = Fingerprint::of_spki(&spki(key.octets()));
        Ok(Self { point: Point::Ed25519(key), fingerprint })
    }

    fn p256(octets: &[u8]) -> Result<Self, KeyError> {
        let parsed = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, octets).map_err(|_| KeyError::Point)?;
        let spki = parsed.as_der().map_err(|_| KeyError::Point)?;
        let octets = *spki.as_ref().last_chunk::<65>().ok_or(KeyError::Point)?;
        let fingerprint = Fingerprint::of_spki(spki.as_ref());
        Ok(Self { point: Point::P256 { octets, parsed: Arc::new(parsed) }, fingerprint })
    }

    /// The kind of key.
    #[must_use]
    pub const fn key_type(&self) -> KeyType {
        match self.point {
            Point::Ed25519(_) | Point::Carried(_) => KeyType::Ed25519,
            Point::P256 { .. } => KeyType::P256,
        }
    }

    /// The key's octets in the form written everywhere: 32 for Ed25519, 65 for P-256.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        match &self.point {
            Point::Ed25519(key) => key.octets(),
            Point::Carried(key) => key.octets(),
            Point::P256 { octets, .. } => octets,
        }
    }

    /// SHA-256 of the SubjectPublicKeyInfo.
    #[must_use]
    pub const fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// Checks a signature over `message`.
    ///
    /// Ed25519: cofactorless, `R` compared as octets, `S` below the group order. P-256: `r` and
    /// `s` within 1..n, either half for `s`; so never use a signature's octets as a name.
    ///
    /// # Errors
    /// [`BadSignature`], without saying in what way.
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), BadSignature> {
        match &self.point {
            Point::Ed25519(key) => key.verify(message, signature),
            Point::Carried(key) => key.verify(message, signature),
            Point::P256 { parsed, .. } => parsed.verify_sig(message, signature).map_err(|_| BadSignature),
        }
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({}, {})", self.key_type().name(), self.fingerprint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The base point of P-256 (FIPS 186-5, SP 800-186 section 3.2.1.3).
    const P256_BASE: &str =
        "BGsX0fLhLEJH-Lzm5WOkQPJ3A32BLeszoPShOUXYmMKWT-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU";

    #[test]
    fn a_compressed_key_is_the_same_key_and_only_read_in_records() {
        let full = PublicKey::from_b64u(P256_BASE).unwrap();
        let mut compressed = full.octets()[..33].to_vec();
        compressed[0] = 0x03; // the base point's y is odd
        assert_eq!(PublicKey::from_record_octets(&compressed).unwrap(), full);
        assert_eq!(PublicKey::from_octets(&compressed), Err(KeyError::Length(33)));
    }

    #[test]
    fn points_off_the_curve_are_refused() {
        let mut octets = PublicKey::from_b64u(P256_BASE).unwrap().octets().to_vec();
        octets[64] ^= 1;
        assert_eq!(PublicKey::from_octets(&octets), Err(KeyError::Point));
        octets[0] = 0x06;
        assert_eq!(PublicKey::from_octets(&octets), Err(KeyError::Point), "hybrid form");
    }

    #[test]
    fn weak_and_non_canonical_ed25519_keys_are_refused() {
        let mut identity = [0; 32];
        identity[0] = 1;
        assert_eq!(PublicKey::from_octets(&identity), Err(KeyError::SmallOrder));
        let mut above = [0xff; 32]; // y = 2^255 - 1 - 18 + 3 = p + 3, the non-canonical spelling of y = 3
        above[0] = 0xf0;
        above[31] = 0x7f;
        let mut three = [0; 32];
        three[0] = 3;
        assert!(PublicKey::from_octets(&three).is_ok());
        assert_eq!(PublicKey::from_octets(&above), Err(KeyError::Point));
    }
}

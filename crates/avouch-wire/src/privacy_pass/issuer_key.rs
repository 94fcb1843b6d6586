//! The public keys of issuers (RFC 9578 section 6.5): SubjectPublicKeyInfo of RSASSA-PSS.

use super::Token;
use crate::key::{BadSignature, Fingerprint};
use aws_lc_rs::signature::{ParsedPublicKey, RSA_PSS_2048_8192_SHA384, RsaPublicKeyComponents};
use data_encoding::BASE64URL;
use std::fmt;
use std::sync::Arc;
use thiserror::Error;

/// RSASSA-PSS with SHA-384, MGF1 with SHA-384 and a salt of 48 octets, as AlgorithmIdentifier in DER
/// (RFC 4055 section 3.1). A key that says so in another way would have another identifier.
const ALGORITHM: [u8; 63] = [
    0x30, 0x3d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a, 0x30, 0x30, 0xa0, 0x0d,
    0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0xa1, 0x1a, 0x30, 0x18,
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86,
    0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0xa2, 0x03, 0x02, 0x01, 0x30,
];

/// Octets of a modulus of 2048 bits.
const MODULUS: usize = 256;

/// Most octets of an exponent; those in use have three.
const MAX_EXPONENT: usize = 5;

/// The key of an issuer. Cloning is cheap.
#[derive(Clone)]
pub struct IssuerKey {
    spki: Arc<[u8]>,
    id: Fingerprint,
    parsed: Arc<ParsedPublicKey>,
}

/// Why something is no key of an issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum IssuerKeyError {
    /// Not base64url with its padding.
    #[error("is not base64url, padded to a multiple of 4 characters")]
    Encoding,
    /// Not a SubjectPublicKeyInfo in DER.
    #[error("is not a SubjectPublicKeyInfo in DER")]
    Structure,
    /// For another algorithm, or for this one with other parameters.
    #[error("is not a key for RSASSA-PSS with SHA-384 and a salt of 48 octets")]
    Algorithm,
    /// Another size.
    #[error("is a key of another size than 2048 bits")]
    Size,
    /// Numbers that make no key.
    #[error("holds numbers that make no RSA key")]
    Numbers,
}

impl IssuerKey {
    /// Reads a SubjectPublicKeyInfo in DER.
    ///
    /// # Errors
    /// [`IssuerKeyError`].
    pub fn from_spki(spki: &[u8]) -> Result<Self, IssuerKeyError> {
        let (content, rest) = der(0x30, spki).ok_or(IssuerKeyError::Structure)?;
        let (algorithm, key) = content.split_at_checked(ALGORITHM.len()).ok_or(IssuerKeyError::Algorithm)?;
        if algorithm != ALGORITHM {
            return Err(IssuerKeyError::Algorithm);
        }
        let (bits, after) = der(0x03, key).ok_or(IssuerKeyError::Structure)?;
        let (key, after_key) =
            bits.strip_prefix(&[0]).and_then(|bits| der(0x30, bits)).ok_or(IssuerKeyError::Structure)?;
        let (modulus, key) = der(0x02, key).ok_or(IssuerKeyError::Structure)?;
        let (exponent, after_numbers) = der(0x02, key).ok_or(IssuerKeyError::Structure)?;
        if ![rest, after, after_key, after_numbers].iter().all(|rest| rest.is_empty()) {
            return Err(IssuerKeyError::Structure);
        }
        let modulus = positive(modulus).ok_or(IssuerKeyError::Numbers)?;
        let exponent = positive(exponent).ok_or(IssuerKeyError::Numbers)?;
        if modulus.len() != MODULUS || modulus.first().is_none_or(|first| first >> 7 == 0) {
            return Err(IssuerKeyError::Size);
        }
        // The library would not say so before the first signature.
        let is_odd = |number: &[u8]| number.last().is_some_and(|last| last & 1 == 1);
        if exponent.len() > MAX_EXPONENT || exponent == [1] || !is_odd(exponent) || !is_odd(modulus) {
            return Err(IssuerKeyError::Numbers);
        }
        let parsed = RsaPublicKeyComponents { n: modulus, e: exponent }
            .to_parsed_public_key(&RSA_PSS_2048_8192_SHA384)
            .map_err(|_| IssuerKeyError::Numbers)?;
        Ok(Self { spki: spki.into(), id: Fingerprint::of_spki(spki), parsed: Arc::new(parsed) })
    }

    /// The same of an `RSAPublicKey` in DER (RFC 8017 appendix A.1.1), as libraries give it.
    ///
    /// # Errors
    /// [`IssuerKeyError`].
    pub fn from_rsa(key: &[u8]) -> Result<Self, IssuerKeyError> {
        let bits = element(0x03, &[&[0], key].concat()).ok_or(IssuerKeyError::Size)?;
        let spki = element(0x30, &[ALGORITHM.as_slice(), &bits].concat()).ok_or(IssuerKeyError::Size)?;
        Self::from_spki(&spki)
    }

    /// Reads the text that issuers publish, and challenges carry, as `token-key`.
    ///
    /// # Errors
    /// [`IssuerKeyError`].
    pub fn from_text(text: &str) -> Result<Self, IssuerKeyError> {
        Self::from_spki(&BASE64URL.decode(text.as_bytes()).map_err(|_| IssuerKeyError::Encoding)?)
    }

    /// The SubjectPublicKeyInfo it was read from.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// The key as text.
    #[must_use]
    pub fn text(&self) -> String {
        BASE64URL.encode(&self.spki)
    }

    /// SHA-256 of the SubjectPublicKeyInfo, by which tokens name the key.
    #[must_use]
    pub const fn id(&self) -> &Fingerprint {
        &self.id
    }

    /// Whether this key signed the token.
    ///
    /// # Errors
    /// [`BadSignature`], without saying in what way.
    pub fn verify(&self, token: &Token) -> Result<(), BadSignature> {
        if token.key_id() != self.id.as_bytes() {
            return Err(BadSignature);
        }
        self.parsed.verify_sig(&token.input(), token.authenticator()).map_err(|_| BadSignature)
    }
}

impl PartialEq for IssuerKey {
    fn eq(&self, other: &Self) -> bool {
        self.spki == other.spki
    }
}

impl Eq for IssuerKey {}

impl fmt::Debug for IssuerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IssuerKey({})", self.id)
    }
}

/// An element of this tag in DER, of 256 to 65 535 octets, which all of a key of this size are.
fn element(tag: u8, content: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(content.len()).ok().filter(|length| *length > 0xff)?;
    Some([&[tag, 0x82], length.to_be_bytes().as_slice(), content].concat())
}

/// One element of this tag in DER, the shortest form of its length alone, and what follows it.
fn der(tag: u8, octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = octets.strip_prefix(&[tag])?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => rest
            .split_first()
            .filter(|(length, _)| **length >= 0x80)
            .map(|(one, rest)| ((*one).into(), rest))?,
        0x82 => {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        _ => return None,
    };
    let shortest = first != 0x82 || length > 0xff;
    rest.split_at_checked(length).filter(|_| shortest)
}

/// The magnitude of an INTEGER above zero, without the zero octet that keeps it positive.
fn positive(content: &[u8]) -> Option<&[u8]> {
    match content {
        [0, rest @ ..] if rest.first().is_some_and(|first| *first >= 0x80) => Some(rest),
        [0x01..=0x7f, ..] => Some(content),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::rfc;
    use super::*;

    fn spki() -> Vec<u8> {
        IssuerKey::from_text(&BASE64URL.encode(&rfc::octets(rfc::KEY))).unwrap().spki.to_vec()
    }

    fn changed(at: usize, to: u8) -> Option<IssuerKeyError> {
        let mut spki = spki();
        spki[at] = to;
        IssuerKey::from_spki(&spki).err()
    }

    #[test]
    fn a_key_is_written_as_it_was_read_and_named_by_its_digest() {
        let key = IssuerKey::from_spki(&spki()).unwrap();
        assert_eq!(IssuerKey::from_text(&key.text()), Ok(key.clone()));
        assert_eq!(key.id().as_bytes().as_slice(), rfc::octets(rfc::KEY_ID));
        assert!(IssuerKey::from_text(key.text().trim_end_matches('=')).is_ok(), "it needs no padding");
        assert_eq!(IssuerKey::from_text(&format!("{}=", key.text())), Err(IssuerKeyError::Encoding));
    }

    #[test]
    fn a_bare_key_is_wrapped_as_issuers_publish_it() {
        let spki = spki();
        let bare = &spki[spki.len() - 270..];
        assert_eq!(IssuerKey::from_rsa(bare).unwrap().spki(), spki);
        assert!(IssuerKey::from_rsa(&bare[1..]).is_err() && IssuerKey::from_rsa(&[]).is_err());
    }

    #[test]
    fn other_algorithms_parameters_and_sizes_are_refused() {
        // rsaEncryption, SHA-256, a salt of 32 octets.
        assert_eq!(changed(16, 0x01), Some(IssuerKeyError::Algorithm));
        assert_eq!(changed(33, 0x01), Some(IssuerKeyError::Algorithm));
        assert_eq!(changed(66, 0x20), Some(IssuerKeyError::Algorithm));
        // The first octet of the modulus: 2047 bits, and a negative number.
        assert_eq!(changed(81, 0x4b), Some(IssuerKeyError::Numbers));
        assert_eq!(changed(80, 0x01), Some(IssuerKeyError::Size));
        // The last octets of modulus and exponent: even numbers.
        assert_eq!(changed(336, 0x5e), Some(IssuerKeyError::Numbers));
        assert_eq!(changed(341, 0x00), Some(IssuerKeyError::Numbers));
        let whole = spki();
        for end in 0..whole.len() {
            assert!(IssuerKey::from_spki(&whole[..end]).is_err(), "{end}");
        }
        assert_eq!(IssuerKey::from_spki(&[whole.as_slice(), &[0]].concat()), Err(IssuerKeyError::Structure));
    }

    #[test]
    fn lengths_have_one_form() {
        assert_eq!(der(0x02, &[0x02, 0x01, 5]), Some((&[5][..], &[][..])));
        assert_eq!(der(0x02, &[0x02, 0x81, 0x01, 5]), None);
        assert_eq!(der(0x02, &[0x02, 0x82, 0x00, 0x01, 5]), None);
        assert_eq!(der(0x02, &[0x02, 0x80, 5]), None);
        assert_eq!(positive(&[0, 5]), None);
        assert_eq!(positive(&[0]), None);
        assert_eq!(positive(&[]), None);
        assert_eq!(positive(&[0x80]), None);
    }
}

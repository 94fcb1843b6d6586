//! Public keys as SubjectPublicKeyInfo (RFC 5280 §4.1.2.7), the form that other programs read.

use avouch_wire::key::{KeyType, PublicKey};
use pkcs8::{Document, LineEnding};

use crate::secret::KeyError;

pub(crate) const LABEL: &str = "PUBLIC KEY";

/// DER before the 32 octets of an Ed25519 key (RFC 8410 §4).
const ED25519: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// DER before the 65 octets of a P-256 key: the named curve, never explicit parameters (RFC 5480 §2).
const P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// The key as a PEM block `PUBLIC KEY`, ending in a line feed.
///
/// # Errors
/// [`KeyError::Refused`] is not expected: every [`PublicKey`] has this form.
pub fn to_pem(key: &PublicKey) -> Result<String, KeyError> {
    let head = match key.key_type() {
        KeyType::Ed25519 => ED25519.as_slice(),
        KeyType::P256 => &P256,
    };
    let der = Document::try_from([head, key.octets()].concat()).map_err(|_| KeyError::Refused)?;
    der.to_pem(LABEL, LineEnding::LF).map_err(|_| KeyError::Refused)
}

/// Reads one PEM block `PUBLIC KEY`; nothing but an Ed25519 or uncompressed P-256 key is one here.
#[must_use]
pub fn from_pem(pem: &str) -> Option<PublicKey> {
    let (_, der) = Document::from_pem(pem).ok()?;
    let octets = der.as_bytes().strip_prefix(&ED25519).or_else(|| der.as_bytes().strip_prefix(&P256))?;
    PublicKey::from_octets(octets).ok()
}

#[cfg(test)]
mod tests {
    use avouch_wire::key::Fingerprint;

    use super::*;
    use crate::entropy::Fixed;
    use crate::secret::SecretKey;

    #[test]
    fn what_is_written_has_the_keys_fingerprint_and_reads_as_that_key() {
        for key_type in [KeyType::Ed25519, KeyType::P256] {
            let key = SecretKey::generate(key_type, &mut Fixed(1)).unwrap();
            let pem = to_pem(key.public()).unwrap();
            let (_, der) = Document::from_pem(&pem).unwrap();
            assert_eq!(Fingerprint::of_spki(der.as_bytes()), *key.public().fingerprint());
            assert_eq!(from_pem(&pem).as_ref(), Some(key.public()));
        }
    }

    #[test]
    fn the_compressed_point_and_other_algorithms_are_not_read() {
        let key = SecretKey::generate(KeyType::P256, &mut Fixed(1)).unwrap();
        let full = [&P256, key.public().octets()].concat();
        let read =
            |der: &[u8]| from_pem(&Document::try_from(der).unwrap().to_pem(LABEL, LineEnding::LF).unwrap());
        assert!(read(&full).is_some());
        let mut compressed = full.get(..26 + 33).unwrap().to_vec();
        (compressed[1], compressed[24], compressed[26]) = (0x39, 0x22, 0x02 | (full[90] & 1));
        assert_eq!(read(&compressed), None);
        let mut x25519 = [ED25519.as_slice(), &[9; 32]].concat();
        x25519[8] = 0x6e;
        assert_eq!(read(&x25519), None);
    }
}

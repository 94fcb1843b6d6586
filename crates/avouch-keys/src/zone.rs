//! The key that signs a zone of our own (DNSSEC, RFC 4034), ECDSA P-256 with SHA-256 (algorithm 13, RFC 6605).
//!
//! Such a key signs sets of DNS records, and nothing else: unlike elsewhere in this crate the octets to sign come from the
//! caller, for their form is the DNS's own. They name the algorithm in their third octet, which no statement of ours and
//! no token has there; other octets are not signed.

use std::path::Path;

use avouch_wire::key::KeyType;

use crate::entropy::{Entropy, SystemEntropy};
use crate::secret::{KeyError, SecretKey};
use crate::store::{Problem, Protection, StoreError, create, open};

/// ECDSA P-256 with SHA-256, as DNSSEC numbers it.
pub const ALGORITHM: u8 = 13;

/// Where the algorithm stands in what is signed: after the type that is covered (RFC 4034 section 3.1.8.1).
const ALGORITHM_AT: usize = 2;

/// A zone's key: it signs the records, and the set of keys as well.
#[derive(Debug)]
pub struct ZoneKey(SecretKey);

/// Why there is no key for a zone.
#[derive(Debug, thiserror::Error)]
pub enum ZoneKeyError {
    /// The file cannot be used, or made.
    #[error(transparent)]
    File(#[from] StoreError),
    /// It holds a key of another type.
    #[error(
        "{0}: a zone is signed with a p256 key: make one with `avouch key new --type p256 --unencrypted`"
    )]
    NotP256(String),
    /// No key could be made.
    #[error("no key for the zone could be made: {0}")]
    Made(#[from] KeyError),
}

impl ZoneKey {
    /// A new key.
    ///
    /// # Errors
    /// [`KeyError::NoRandomness`] when the source fails.
    pub fn generate(entropy: &mut impl Entropy) -> Result<Self, KeyError> {
        SecretKey::generate(KeyType::P256, entropy).map(Self)
    }

    /// Opens the key of a file that is closed to everyone but its owner; `None` where there is no file.
    ///
    /// # Errors
    /// [`ZoneKeyError`] says what is wrong, and how to mend it.
    pub fn open(path: &Path) -> Result<Option<Self>, ZoneKeyError> {
        let key = match open(path, None) {
            Ok(key) => key,
            Err(StoreError { problem: Problem::Missing, .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        match key.public().key_type() {
            KeyType::P256 => Ok(Some(Self(key))),
            KeyType::Ed25519 => Err(ZoneKeyError::NotP256(path.display().to_string())),
        }
    }

    /// Opens the key of a file, or makes one there with mode 0600 where there is none. When this returns the key is on the
    /// disk, so that what is put at the parent of the zone fits it after a crash, too.
    ///
    /// # Errors
    /// As [`ZoneKey::open`], or the file cannot be made.
    pub fn open_or_make(path: &Path) -> Result<Self, ZoneKeyError> {
        if let Some(key) = Self::open(path)? {
            return Ok(key);
        }
        let made = Self::generate(&mut SystemEntropy)?;
        create(path, &made.0, Protection::None)?;
        Ok(made)
    }

    /// The public part as a DNSKEY record holds it: x ‖ y (RFC 6605 section 4).
    #[must_use]
    pub fn public(&self) -> &[u8] {
        self.0.public().octets().get(1..).unwrap_or_default()
    }

    /// A signature as an RRSIG record holds it, r ‖ s, over its own fields and the records (RFC 4034 section 3.1.8.1).
    ///
    /// # Errors
    /// [`KeyError::Refused`]: these octets are not what an RRSIG record of this algorithm covers.
    pub fn sign(&self, covered: &[u8]) -> Result<[u8; 64], KeyError> {
        match covered.get(ALGORITHM_AT) {
            Some(&ALGORITHM) => self.0.sign(covered),
            _ => Err(KeyError::Refused),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use avouch_wire::key::PublicKey;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_key_is_made_once_and_closed_to_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("zone.key");
        assert!(ZoneKey::open(&path).unwrap().is_none());
        let made = ZoneKey::open_or_make(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(ZoneKey::open_or_make(&path).unwrap().public(), made.public());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(ZoneKey::open_or_make(&path).unwrap_err().to_string().contains("chmod 600"));
        let nowhere = ZoneKey::open_or_make(&folder.path().join("no/zone.key"));
        assert!(matches!(nowhere, Err(ZoneKeyError::File(_))));
    }

    #[test]
    fn a_key_of_another_type_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("zone.key");
        let other = SecretKey::generate(KeyType::Ed25519, &mut SystemEntropy).unwrap();
        create(&path, &other, Protection::None).unwrap();
        assert!(matches!(ZoneKey::open(&path), Err(ZoneKeyError::NotP256(_))));
    }

    #[test]
    fn what_names_the_algorithm_is_signed_and_nothing_else() {
        let key = ZoneKey::generate(&mut SystemEntropy).unwrap();
        let covered = [0, 16, ALGORITHM, 4, 0, 0, 1, 44];
        let public = PublicKey::from_octets(&[&[4], key.public()].concat()).unwrap();
        assert!(public.verify(&covered, &key.sign(&covered).unwrap()).is_ok());
        for other in [&b"avouch rcert v1\0"[..], b"eyJhbGciOiJFUzI1NiJ9", &[0, 16, 15], &[0, 16], b""] {
            assert_eq!(key.sign(other), Err(KeyError::Refused));
        }
    }
}

//! A secret key of either type, which signs only what this crate built.

use core::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use ed25519_dalek::{Signer as _, SigningKey};
use pkcs8::{ObjectIdentifier, PrivateKeyInfoRef};
use zeroize::Zeroizing;

use avouch_wire::attestation::Nonce;
use avouch_wire::key::{KeyType, PublicKey};

use crate::entropy::{Entropy, NoRandomness};
use crate::token::{TokenError, TokenKey};
use crate::tpm::{Certification, Tpm, TpmError, TpmKey};

/// RFC 8410 §3.
const ED25519_OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// What stands before the 32 octets of an Ed25519 key in PKCS#8 version 1 (RFC 8410 §7). Version 2 would
/// carry the public key as well, but OpenSSL 3.0 does not read it.
const ED25519_PKCS8: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// What stands before and after the 32 octets of a P-256 key in the shortest `ECPrivateKey` (RFC 5915 §3).
const P256_SEC1_HEAD: [u8; 7] = [0x30, 0x31, 0x02, 0x01, 0x01, 0x04, 0x20];
const P256_SEC1_TAIL: [u8; 12] = [0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

/// One draw in 2^32 is no P-256 key; a source that fails so many times in a row is broken.
const MAX_DRAWS: usize = 8;

/// Why a key could not be made or used. None is anybody's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The generator failed.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// The cryptographic library refused what it is documented to accept.
    #[error("the cryptographic library refused the key")]
    Refused,
    /// The TPM that holds the key did not sign.
    #[error("the TPM {0}")]
    Tpm(#[from] TpmError),
    /// The token that holds the key did not sign.
    #[error("the token {0}")]
    Token(#[from] TokenError),
    /// The token that holds the key keeps it.
    #[error("the key is held by a token, and cannot leave it")]
    InToken,
    /// The TPM that holds the key keeps it.
    #[error("the key is held by a TPM, and cannot leave it")]
    InTpm,
    /// No TPM can say that it holds this key.
    #[error("the key is in no TPM, so that none can say that it holds it")]
    NotInTpm,
}

/// These octets are no usable Ed25519 or P-256 key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotAKey;

/// An Ed25519 or P-256 secret key, held in this process's memory and wiped when dropped; or a P-256 key that a TPM
/// holds, which never was here. With a TPM, whatever signs blocks for as long as the chip takes.
///
/// It cannot be cloned, printed or asked to sign octets of somebody's choosing: [`crate::saip::Signer`] and
/// [`crate::assertion::AssertionKey`] take it and sign the statements that they build themselves.
pub struct SecretKey {
    material: Material,
    public: PublicKey,
}

/// Those in memory live on the heap, so that moving a key leaves no copy behind.
enum Material {
    Ed25519(Box<SigningKey>),
    P256(EcdsaKeyPair),
    Tpm(TpmKey),
    Token(Box<TokenKey>),
}

impl SecretKey {
    /// A new key, uniform among all keys of its type.
    ///
    /// # Errors
    /// [`KeyError::NoRandomness`] when the source fails.
    pub fn generate(key_type: KeyType, entropy: &mut impl Entropy) -> Result<Self, KeyError> {
        let mut octets = Zeroizing::new([0; 32]);
        for _ in 0..MAX_DRAWS {
            entropy.fill(octets.as_mut())?;
            let drawn = match key_type {
                KeyType::Ed25519 => Self::ed25519(&octets),
                KeyType::P256 => Self::p256_scalar(&octets),
            };
            if let Ok(key) = drawn {
                return Ok(key);
            }
        }
        Err(KeyError::Refused)
    }

    /// A key that a TPM holds.
    pub(crate) fn in_tpm(key: TpmKey) -> Self {
        Self { public: key.public().clone(), material: Material::Tpm(key) }
    }

    /// A key that a token holds.
    pub(crate) fn in_token(key: TokenKey) -> Self {
        Self { public: key.public().clone(), material: Material::Token(Box::new(key)) }
    }

    /// Whether a TPM holds it. That the TPM is a chip, and not a program, only an attestation shows.
    #[must_use]
    pub const fn is_in_tpm(&self) -> bool {
        matches!(self.material, Material::Tpm(_))
    }

    /// The TPM that holds it.
    #[must_use]
    pub const fn tpm(&self) -> Option<&Tpm> {
        match &self.material {
            Material::Tpm(key) => Some(key.tpm()),
            Material::Ed25519(_) | Material::P256(_) | Material::Token(_) => None,
        }
    }

    /// Has the TPM that holds it say so, for whoever drew the nonce.
    ///
    /// # Errors
    /// [`KeyError::NotInTpm`], [`KeyError::Tpm`].
    pub fn certify(&self, nonce: &Nonce) -> Result<Certification, KeyError> {
        match &self.material {
            Material::Tpm(key) => Ok(key.certify(nonce)?),
            Material::Ed25519(_) | Material::P256(_) | Material::Token(_) => Err(KeyError::NotInTpm),
        }
    }

    /// The public part.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// A signature of 64 octets: Ed25519's, or r ‖ s of ECDSA with SHA-256.
    ///
    /// For this crate alone: whoever calls it has built `message` from typed parts, under a context string or in the form of RFC 9421.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<[u8; 64], KeyError> {
        match &self.material {
            Material::Ed25519(key) => Ok(key.sign(message).to_bytes()),
            Material::P256(key) => {
                let signature = key.sign(&SystemRandom::new(), message).map_err(|_| KeyError::Refused)?;
                signature.as_ref().try_into().map_err(|_| KeyError::Refused)
            }
            Material::Tpm(key) => Ok(key.sign(message)?),
            Material::Token(key) => Ok(key.sign(message)?),
        }
    }

    /// PKCS#8 version 1 in DER (RFC 5958 §2).
    pub(crate) fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        match &self.material {
            Material::Ed25519(key) => {
                Ok(Zeroizing::new([&ED25519_PKCS8, key.as_bytes().as_slice()].concat()))
            }
            Material::P256(key) => {
                let der = key.to_pkcs8v1().map_err(|_| KeyError::Refused)?;
                Ok(Zeroizing::new(der.as_ref().to_vec()))
            }
            Material::Tpm(_) => Err(KeyError::InTpm),
            Material::Token(_) => Err(KeyError::InToken),
        }
    }

    /// Reads PKCS#8 in DER, version 1 or 2; a public key inside must be the private one's own.
    pub(crate) fn from_pkcs8(der: &[u8]) -> Result<Self, NotAKey> {
        let info = PrivateKeyInfoRef::try_from(der).map_err(|_| NotAKey)?;
        if info.algorithm.oid != ED25519_OID {
            let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).map_err(|_| NotAKey)?;
            return Self::p256(key);
        }
        // CurvePrivateKey ::= OCTET STRING, inside the OCTET STRING of PKCS#8 (RFC 8410 §7).
        let Some(octets) = info.private_key.as_bytes().strip_prefix(&[0x04, 0x20]) else {
            return Err(NotAKey);
        };
        let key = Self::ed25519(octets.try_into().map_err(|_| NotAKey)?)?;
        match info.public_key {
            Some(shown) if shown.as_bytes() != Some(key.public.octets()) => Err(NotAKey),
            _ => Ok(key),
        }
    }

    fn ed25519(octets: &[u8; 32]) -> Result<Self, NotAKey> {
        let key = Box::new(SigningKey::from_bytes(octets));
        let public = PublicKey::from_octets(key.verifying_key().as_bytes()).map_err(|_| NotAKey)?;
        Ok(Self { material: Material::Ed25519(key), public })
    }

    fn p256_scalar(octets: &[u8; 32]) -> Result<Self, NotAKey> {
        let der = Zeroizing::new([P256_SEC1_HEAD.as_slice(), octets, &P256_SEC1_TAIL].concat());
        let key = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, &der);
        Self::p256(key.map_err(|_| NotAKey)?)
    }

    fn p256(key: EcdsaKeyPair) -> Result<Self, NotAKey> {
        let public = PublicKey::from_octets(key.public_key().as_ref()).map_err(|_| NotAKey)?;
        Ok(Self { material: Material::P256(key), public })
    }
}

/// Shows the public key's fingerprint and nothing else.
impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({})", self.public.fingerprint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::{Fixed, SystemEntropy};

    const BOTH: [KeyType; 2] = [KeyType::Ed25519, KeyType::P256];

    #[test]
    fn what_a_key_signs_its_public_part_verifies() {
        for key_type in BOTH {
            let key = SecretKey::generate(key_type, &mut SystemEntropy).unwrap();
            let signature = key.sign(b"a statement").unwrap();
            assert_eq!(key.public().key_type(), key_type);
            assert!(key.public().verify(b"a statement", &signature).is_ok());
            assert!(key.public().verify(b"a statemens", &signature).is_err());
            let other = SecretKey::generate(key_type, &mut SystemEntropy).unwrap();
            assert!(other.public().verify(b"a statement", &signature).is_err());
        }
    }

    #[test]
    fn the_same_octets_make_the_same_key() {
        for key_type in BOTH {
            let public = |seed| SecretKey::generate(key_type, &mut Fixed(seed)).unwrap().public().clone();
            assert_eq!(public(1), public(1));
            assert_ne!(public(1), public(2));
        }
    }

    #[test]
    fn a_key_survives_pkcs8() {
        for key_type in BOTH {
            let key = SecretKey::generate(key_type, &mut Fixed(3)).unwrap();
            let again = SecretKey::from_pkcs8(&key.to_pkcs8().unwrap()).unwrap();
            assert_eq!(again.public(), key.public());
        }
    }

    #[test]
    fn pkcs8_version_2_must_show_its_own_public_key() {
        let key = SecretKey::generate(KeyType::Ed25519, &mut Fixed(3)).unwrap();
        let mut der = key.to_pkcs8().unwrap().to_vec();
        (der[1], der[4]) = (0x51, 1);
        der.extend([0x81, 0x21, 0x00]);
        der.extend(key.public().octets());
        assert!(SecretKey::from_pkcs8(&der).is_ok());
        *der.last_mut().unwrap() ^= 1;
        assert_eq!(SecretKey::from_pkcs8(&der).err(), Some(NotAKey));
    }

    /// Zero is no scalar, and a source stuck at it must not be asked for ever.
    #[test]
    fn a_stuck_source_makes_no_p256_key() {
        struct Stuck;
        impl Entropy for Stuck {
            fn fill(&mut self, out: &mut [u8]) -> Result<(), NoRandomness> {
                out.fill(0);
                Ok(())
            }
        }
        struct Empty;
        impl Entropy for Empty {
            fn fill(&mut self, _: &mut [u8]) -> Result<(), NoRandomness> {
                Err(NoRandomness)
            }
        }
        assert_eq!(SecretKey::generate(KeyType::P256, &mut Stuck).err(), Some(KeyError::Refused));
        let nothing = SecretKey::generate(KeyType::Ed25519, &mut Empty).err();
        assert_eq!(nothing, Some(KeyError::NoRandomness(NoRandomness)));
    }

    #[test]
    fn printing_a_key_shows_its_fingerprint_only() {
        let key = SecretKey::generate(KeyType::P256, &mut Fixed(3)).unwrap();
        assert_eq!(format!("{key:?}"), format!("SecretKey({})", key.public().fingerprint()));
    }
}

//! Keys that verify HTTP message signatures.

use super::{Algorithm, Algorithms, Disagreement};
use crate::key::{BadSignature, KeyError, KeyType, PublicKey};
use crate::structured::Bytes;
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    ECDSA_P384_SHA384_FIXED, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA512,
    RsaParameters, RsaPublicKeyComponents,
};
use std::fmt;
use std::sync::Arc;

/// Octets of an RSA modulus: 2048 to 4096 bits. Longer ones are hardly in use, and cost a verifier memory and time
/// that a stranger chooses.
const MODULUS: std::ops::RangeInclusive<usize> = 256..=512;

/// Most octets of an RSA exponent; those in use have three.
const MAX_EXPONENT: usize = 8;

/// A key, and what it may be used for. Cloning is cheap.
#[derive(Clone)]
pub struct VerificationKey {
    material: Material,
    only: Option<Algorithm>,
}

#[derive(Clone)]
enum Material {
    Public(Arc<PublicKey>),
    P384(Arc<ParsedPublicKey>),
    /// Made ready for each verification: a parsed key takes several times the memory, and parsing little of the time.
    Rsa(Arc<RsaPublicKeyComponents<Box<[u8]>>>),
    Hmac(Arc<hmac::Key>),
}

impl VerificationKey {
    /// A key of P-384: 97 octets, uncompressed.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn p384(octets: &[u8]) -> Result<Self, KeyError> {
        if octets.len() != 97 {
            return Err(KeyError::Length(octets.len()));
        }
        let parsed = ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, octets).map_err(|_| KeyError::Point)?;
        Ok(Self { material: Material::P384(Arc::new(parsed)), only: None })
    }

    /// An RSA key of 2048 to 4096 bits: modulus and exponent, big-endian, without leading zeros.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, KeyError> {
        if !MODULUS.contains(&modulus.len()) || exponent.len() > MAX_EXPONENT {
            return Err(KeyError::Length(modulus.len()));
        }
        let is_odd = |number: &[u8]| number.last().is_some_and(|octet| octet % 2 == 1);
        // With an exponent of 1 anybody can sign.
        if !is_odd(modulus) || !is_odd(exponent) || exponent == [1] {
            return Err(KeyError::Point);
        }
        let components = RsaPublicKeyComponents { n: Box::from(modulus), e: Box::from(exponent) };
        components.to_parsed_public_key(&RSA_PSS_2048_8192_SHA512).map_err(|_| KeyError::Point)?;
        Ok(Self { material: Material::Rsa(Arc::new(components)), only: None })
    }

    /// A secret that signer and verifier share.
    #[must_use]
    pub fn hmac(secret: &[u8]) -> Self {
        Self { material: Material::Hmac(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, secret))), only: None }
    }

    /// The same key, for this algorithm alone.
    ///
    /// # Errors
    /// [`Disagreement::Key`] when the key is of another kind.
    pub fn only_for(self, algorithm: Algorithm) -> Result<Self, Disagreement> {
        match self.kinds().contains(&algorithm) {
            true => Ok(Self { only: Some(algorithm), ..self }),
            false => Err(Disagreement::Key(algorithm)),
        }
    }

    /// The key as SAIP knows it, if it is of a kind that SAIP uses.
    #[must_use]
    pub fn public(&self) -> Option<&PublicKey> {
        match &self.material {
            Material::Public(key) => Some(key),
            Material::P384(_) | Material::Rsa(_) | Material::Hmac(_) => None,
        }
    }

    /// The algorithm that key, `alg` and verifier agree on (RFC 9421 section 3.2 step 6).
    ///
    /// # Errors
    /// [`Disagreement`] says who does not.
    pub fn algorithm(&self, alg: Option<&str>, taken: Algorithms) -> Result<Algorithm, Disagreement> {
        let named = alg.map(|name| Algorithm::parse(name).ok_or(Disagreement::Unknown)).transpose()?;
        let algorithm = match (named, self.only, self.kinds()) {
            (Some(named), Some(only), _) if named != only => return Err(Disagreement::Key(named)),
            (Some(named), _, kinds) if !kinds.contains(&named) => return Err(Disagreement::Key(named)),
            (Some(algorithm), ..) | (None, Some(algorithm), _) | (None, None, &[algorithm]) => algorithm,
            (None, None, _) => return Err(Disagreement::Open),
        };
        if taken.contain(algorithm) { Ok(algorithm) } else { Err(Disagreement::NotTaken(algorithm)) }
    }

    fn kinds(&self) -> &'static [Algorithm] {
        match &self.material {
            Material::Public(key) => match key.key_type() {
                KeyType::Ed25519 => &[Algorithm::Ed25519],
                KeyType::P256 => &[Algorithm::EcdsaP256Sha256],
            },
            Material::P384(_) => &[Algorithm::EcdsaP384Sha384],
            Material::Rsa(_) => &[Algorithm::RsaPssSha512, Algorithm::RsaV15Sha256],
            Material::Hmac(_) => &[Algorithm::HmacSha256],
        }
    }

    /// Checks a signature over a signature base, by the algorithm that [`VerificationKey::algorithm`] gave.
    ///
    /// # Errors
    /// [`BadSignature`], without saying in what way.
    pub fn verify(&self, algorithm: Algorithm, base: &str, signature: Bytes<'_>) -> Result<(), BadSignature> {
        let base = base.as_bytes();
        let rsa = |key: &RsaPublicKeyComponents<Box<[u8]>>, padding: &RsaParameters| {
            key.verify(padding, base, &signature.octets()).map_err(|_| BadSignature)
        };
        match (&self.material, algorithm) {
            (Material::Public(key), Algorithm::Ed25519 | Algorithm::EcdsaP256Sha256) => {
                key.verify(base, &signature.exactly().ok_or(BadSignature)?)
            }
            (Material::P384(key), Algorithm::EcdsaP384Sha384) => {
                key.verify_sig(base, &signature.octets()).map_err(|_| BadSignature)
            }
            (Material::Rsa(key), Algorithm::RsaPssSha512) => rsa(key, &RSA_PSS_2048_8192_SHA512),
            (Material::Rsa(key), Algorithm::RsaV15Sha256) => rsa(key, &RSA_PKCS1_2048_8192_SHA256),
            (Material::Hmac(key), Algorithm::HmacSha256) => {
                hmac::verify(key, base, &signature.octets()).map_err(|_| BadSignature)
            }
            _ => Err(BadSignature),
        }
    }
}

impl From<PublicKey> for VerificationKey {
    fn from(key: PublicKey) -> Self {
        Self { material: Material::Public(Arc::new(key)), only: None }
    }
}

impl fmt::Debug for VerificationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds: Vec<_> = self.kinds().iter().map(|kind| kind.name()).collect();
        write!(f, "VerificationKey({})", kinds.join(" or "))
    }
}

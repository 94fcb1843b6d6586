//! The issuer's side.

use super::{Pair, Public};
use avouch_wire::privacy_pass::{IssuerKey, TOKEN_TYPE};
use blind_rsa_signatures::{DefaultRng, Error, SecretKey};

/// Octets of a `TokenRequest` (RFC 9578 section 6.1): type, the last octet of the key's name, the blinded input.
const REQUEST: usize = 2 + 1 + 256;

/// Signs whatever it is asked to.
pub struct Issuer {
    pair: Pair,
    key: IssuerKey,
}

impl Issuer {
    /// An issuer with a key of its own.
    ///
    /// # Errors
    /// [`Error`] when no key could be made.
    pub fn generate() -> Result<Self, Error> {
        Self::of(Pair::generate(&mut DefaultRng, 2048)?)
    }

    /// An issuer with this key, PKCS #8 in PEM.
    ///
    /// # Errors
    /// [`Error`] when it is none.
    pub fn from_pem(pem: &str) -> Result<Self, Error> {
        let sk = SecretKey::from_pem(pem)?;
        Self::of(Pair { pk: sk.public_key()?, sk })
    }

    fn of(pair: Pair) -> Result<Self, Error> {
        let spki = Public::to_spki(&pair.pk)?;
        let key = IssuerKey::from_spki(&spki).map_err(|_| Error::EncodingError)?;
        Ok(Self { pair, key })
    }

    /// Its public key.
    #[must_use]
    pub const fn key(&self) -> &IssuerKey {
        &self.key
    }

    /// The `TokenResponse` to a `TokenRequest`; `None` if that is not for its key.
    #[must_use]
    pub fn respond(&self, request: &[u8]) -> Option<Vec<u8>> {
        let [high, low, key_id, blinded @ ..] = request else { return None };
        let last = self.key.id().as_bytes().last();
        let is_ours = u16::from_be_bytes([*high, *low]) == TOKEN_TYPE && last == Some(key_id);
        (is_ours && request.len() == REQUEST)
            .then(|| self.pair.sk.blind_sign(blinded).ok())?
            .map(|signed| signed.0)
    }
}

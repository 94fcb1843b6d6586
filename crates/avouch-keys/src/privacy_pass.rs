//! An issuer of Privacy Pass tokens that is its own client: what it issues is as good as a token that was issued
//! blindly (RFC 9578 section 6), and no secret to it. That is enough to show how tokens are redeemed, and nobody's
//! privacy.

use crate::entropy::{Entropy, SystemEntropy};
use crate::secret::KeyError;
use avouch_wire::privacy_pass::{IssuerKey, Token, TokenChallenge};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PSS_SHA384};
use std::fmt;

/// A key that signs tokens and nothing else.
pub struct TokenKey {
    key: KeyPair,
    public: IssuerKey,
}

impl TokenKey {
    /// A new key of 2048 bits.
    ///
    /// # Errors
    /// [`KeyError`] when none could be made.
    pub fn generate() -> Result<Self, KeyError> {
        let key = KeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyError::Refused)?;
        let public = IssuerKey::from_rsa(key.public_key().as_ref()).map_err(|_| KeyError::Refused)?;
        Ok(Self { key, public })
    }

    /// Its public part.
    #[must_use]
    pub const fn public(&self) -> &IssuerKey {
        &self.public
    }

    /// A token for a challenge, with a fresh nonce.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn issue(&self, challenge: &TokenChallenge) -> Result<Token, KeyError> {
        let mut nonce = [0; 32];
        SystemEntropy.fill(&mut nonce)?;
        let (digest, id) = (challenge.digest(), *self.public.id().as_bytes());
        let input = Token::new(nonce, digest, id, [0; 256]).input();
        let mut authenticator = [0; 256];
        let signed = self.key.sign(&RSA_PSS_SHA384, &SystemRandom::new(), &input, &mut authenticator);
        signed.map_err(|_| KeyError::Refused)?;
        Ok(Token::new(nonce, digest, id, authenticator))
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenKey({})", self.public.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_for_its_challenge_and_unlike_any_other() {
        let key = TokenKey::generate().unwrap();
        let challenge = TokenChallenge::new("issuer.example", [1; 32], "www.shop.example").unwrap();
        let (one, other) = (key.issue(&challenge).unwrap(), key.issue(&challenge).unwrap());
        assert!(key.public().verify(&one).is_ok() && key.public().verify(&other).is_ok());
        assert_ne!(one.nonce(), other.nonce());
        assert_eq!(one.challenge_digest(), &challenge.digest());
        assert!(TokenKey::generate().unwrap().public().verify(&one).is_err());
        assert_eq!(format!("{key:?}"), format!("TokenKey({})", key.public().id()));
    }
}

//! What is there without the feature: nothing.

use avouch_wire::key::{KeyType, PublicKey};

use super::{TokenError, TokenPlace};

/// A key of a token, of which there is none.
pub(crate) enum TokenKey {}

impl TokenKey {
    pub(crate) const fn public(&self) -> &PublicKey {
        match *self {}
    }

    pub(crate) const fn sign(&self, _: &[u8]) -> Result<[u8; 64], TokenError> {
        match *self {}
    }
}

pub(crate) const fn create(_: &TokenPlace, _: KeyType) -> Result<TokenKey, TokenError> {
    Err(TokenError::NotBuilt)
}

pub(crate) const fn open(_: &TokenPlace) -> Result<TokenKey, TokenError> {
    Err(TokenError::NotBuilt)
}

pub(crate) const fn public(_: &TokenPlace) -> Result<PublicKey, TokenError> {
    Err(TokenError::NotBuilt)
}

//! Keys that a token holds, where no file does.

use avouch_wire::key::{KeyType, PublicKey};

use super::problem::StoreError;
use crate::secret::SecretKey;
use crate::token::{self, TokenError, TokenPlace};

/// Has a token make a key of this label.
///
/// # Errors
/// [`super::Problem::Token`].
pub fn create_in_token(place: &TokenPlace, key_type: KeyType) -> Result<SecretKey, StoreError> {
    token::create(place, key_type).map(SecretKey::in_token).map_err(at(place))
}

pub(super) fn open(place: &TokenPlace) -> Result<SecretKey, StoreError> {
    token::open(place).map(SecretKey::in_token).map_err(at(place))
}

pub(super) fn public(place: &TokenPlace) -> Result<PublicKey, StoreError> {
    token::public(place).map_err(at(place))
}

fn at(place: &TokenPlace) -> impl Fn(TokenError) -> StoreError {
    let path = place.name().into();
    move |error| StoreError { path: std::path::PathBuf::clone(&path), problem: error.into() }
}

//! What an authenticator says of itself and its user (section 6.1).

use super::MAX_AUTHENTICATOR_DATA;
use crate::content::ContentDigest;
use thiserror::Error;

/// Flags (section 6.1): the user was present, was verified; a key is attached, extensions are.
const PRESENT: u8 = 0x01;
const VERIFIED: u8 = 0x04;
const KEY: u8 = 0x40;
const EXTENSIONS: u8 = 0x80;

/// Why octets are no authenticator data of an assertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AuthenticatorDataError {
    /// Shorter than any, or longer than any.
    #[error("have a length that none has")]
    Length,
    /// With a new key, as only registrations have.
    #[error("hold a new key")]
    Key,
    /// More, or less, than the flags tell of.
    #[error("do not end where their flags say")]
    End,
}

/// The authenticator data of an assertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthenticatorData {
    /// SHA-256 of the host the passkey is for.
    pub party: ContentDigest,
    /// Somebody touched it.
    pub user_present: bool,
    /// It verified who.
    pub user_verified: bool,
    /// How often it signed, or zero where it does not count.
    pub count: u32,
}

impl AuthenticatorData {
    /// Reads the authenticator data of an assertion. Extensions are signed with the rest; none is asked for, so
    /// none is read.
    ///
    /// # Errors
    /// [`AuthenticatorDataError`].
    pub fn read(octets: &[u8]) -> Result<Self, AuthenticatorDataError> {
        if octets.len() > MAX_AUTHENTICATOR_DATA {
            return Err(AuthenticatorDataError::Length);
        }
        let (party, rest) = octets.split_first_chunk::<32>().ok_or(AuthenticatorDataError::Length)?;
        let (&[flags, count @ ..], rest) =
            rest.split_first_chunk::<5>().ok_or(AuthenticatorDataError::Length)?;
        if flags & KEY != 0 {
            return Err(AuthenticatorDataError::Key);
        }
        if rest.is_empty() != (flags & EXTENSIONS == 0) {
            return Err(AuthenticatorDataError::End);
        }
        Ok(Self {
            party: ContentDigest(*party),
            user_present: flags & PRESENT != 0,
            user_verified: flags & VERIFIED != 0,
            count: u32::from_be_bytes(count),
        })
    }
}

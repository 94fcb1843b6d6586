//! Passkeys: assertions of WebAuthn (Level 3), by which operators sign in.
//!
//! A browser has an authenticator sign what it was asked (the client data, JSON) and where (the
//! authenticator data, octets). [`Assertion::verify`] holds both to what was expected and the signature to the key.
//!
//! In scope: assertions by ES256 and Ed25519 with the user verified. Out of scope: attestation, and the CBOR in
//! which a new key is described: a key is taken from the browser as SubjectPublicKeyInfo and proves itself by its
//! first assertion; who may bring one, sessions and challenges (avouch-console); counters of signatures, which passkeys that
//! are on several devices leave at zero.
//!
//! Specification: <https://www.w3.org/TR/webauthn-3/>, sections 5.8.1, 6.1 and 7.2.

mod authenticator_data;
mod client_data;
mod signature;
#[cfg(test)]
mod tests;

pub use authenticator_data::{AuthenticatorData, AuthenticatorDataError};
pub use client_data::{ClientData, ClientDataError};

use crate::content::ContentDigest;
use crate::http_signature::subject_public_key;
use crate::key::{KeyType, PublicKey};
use thiserror::Error;

/// The longest name of a credential, in octets (section 4, "Credential ID").
pub const MAX_CREDENTIAL_ID: usize = 1023;

/// The longest client data read, in octets. What browsers send has some 150.
pub const MAX_CLIENT_DATA: usize = 4096;

/// The longest authenticator data read, in octets: 37, and extensions nobody asked for.
pub const MAX_AUTHENTICATOR_DATA: usize = 1024;

/// What a challenge has: 256 bits, drawn for one assertion.
pub type Challenge = [u8; 32];

/// Who asks: what an assertion must be made for.
#[derive(Clone, Copy, Debug)]
pub struct RelyingParty<'a> {
    /// The host passkeys are made for (RP ID).
    pub id: &'a str,
    /// The origin of the page that asks, as browsers write it.
    pub origin: &'a str,
}

/// What a browser sends as proof.
#[derive(Clone, Copy, Debug)]
pub struct Assertion<'a> {
    /// `clientDataJSON`.
    pub client_data: &'a [u8],
    /// `authenticatorData`.
    pub authenticator_data: &'a [u8],
    /// `signature`: DER of r and s for ES256, 64 octets for Ed25519.
    pub signature: &'a [u8],
}

/// Why an assertion proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AssertionError {
    /// The client data are not well formed.
    #[error("the client data {0}")]
    ClientData(#[from] ClientDataError),
    /// The authenticator data are not well formed.
    #[error("the authenticator data {0}")]
    AuthenticatorData(#[from] AuthenticatorDataError),
    /// It answers another challenge.
    #[error("it answers another challenge")]
    Challenge,
    /// It was made at another origin.
    #[error("it was made at another origin")]
    Origin,
    /// It was made for another host.
    #[error("it was made for another host")]
    RelyingParty,
    /// Nobody touched the authenticator.
    #[error("nobody was present")]
    Presence,
    /// The authenticator did not verify who touched it.
    #[error("the authenticator did not verify its user; choose one with a PIN or biometrics")]
    Verification,
    /// The signature does not hold under the key.
    #[error("the signature does not hold")]
    Signature,
}

/// The key of a new passkey, as `getPublicKey()` gives it: SubjectPublicKeyInfo in DER. `None` unless it is Ed25519 or
/// P-256.
#[must_use]
pub fn key(spki: &[u8]) -> Option<PublicKey> {
    let (key, _) = subject_public_key(spki).ok()?;
    key.public().cloned()
}

impl Assertion<'_> {
    /// The challenge that it says it answers, by which the one who asked finds what was asked.
    ///
    /// # Errors
    /// [`ClientDataError`].
    pub fn challenge(&self) -> Result<Challenge, ClientDataError> {
        ClientData::read(self.client_data).map(|data| data.challenge)
    }

    /// Holds it to what was asked, and to the key (section 7.2, steps 10 to 20).
    ///
    /// # Errors
    /// [`AssertionError`] says what is not as it should be.
    pub fn verify(
        &self,
        party: RelyingParty<'_>,
        challenge: &Challenge,
        key: &PublicKey,
    ) -> Result<(), AssertionError> {
        let client = ClientData::read(self.client_data)?;
        if client.challenge != *challenge {
            return Err(AssertionError::Challenge);
        }
        if client.origin != party.origin {
            return Err(AssertionError::Origin);
        }
        let data = AuthenticatorData::read(self.authenticator_data)?;
        if data.party != ContentDigest::of(party.id.as_bytes()) {
            return Err(AssertionError::RelyingParty);
        }
        if !data.user_present {
            return Err(AssertionError::Presence);
        }
        if !data.user_verified {
            return Err(AssertionError::Verification);
        }
        let signature = match key.key_type() {
            KeyType::Ed25519 => self.signature.try_into().ok(),
            KeyType::P256 => signature::p256(self.signature),
        };
        let signed = [self.authenticator_data, &ContentDigest::of(self.client_data).0].concat();
        let holds = signature.is_some_and(|signature| key.verify(&signed, &signature).is_ok());
        if holds { Ok(()) } else { Err(AssertionError::Signature) }
    }
}

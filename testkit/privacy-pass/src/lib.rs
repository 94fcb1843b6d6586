//! An issuer of Privacy Pass tokens and its client, for tests: both sides of RFC 9578 section 6, so that what
//! verifies tokens is tested with tokens that were really issued blindly, by arithmetic that is not ours.
//!
//! In scope: token type 2, the octets of `TokenRequest` and `TokenResponse`. Out of scope: HTTP between the two,
//! attestation, and everything an issuer needs to be one: it asks nobody anything.

mod client;
mod issuer;

pub use client::{Pending, ask};
pub use issuer::Issuer;

use avouch_wire::privacy_pass::{Challenged, IssuerKey, Token, TokenChallenge};
use blind_rsa_signatures::{Deterministic, Error, KeyPair, PSS, PublicKey, Sha384};

type Pair = KeyPair<Sha384, PSS, Deterministic>;
type Public = PublicKey<Sha384, PSS, Deterministic>;

/// Has a token issued for a challenge.
///
/// # Errors
/// [`Error`], which no challenge and no key that this crate made should lead to.
pub fn issue(issuer: &Issuer, challenge: &TokenChallenge) -> Result<Token, Error> {
    let (pending, request) = ask(challenge, issuer.key())?;
    let response = issuer.respond(&request).ok_or(Error::VerificationFailed)?;
    pending.finish(&response)
}

/// The first challenge in values of `WWW-Authenticate` that is by this key.
pub fn challenge_by<'f>(key: &IssuerKey, fields: impl Iterator<Item = &'f str>) -> Option<TokenChallenge> {
    let challenged = fields.filter_map(|field| Challenged::read(field).ok()).flatten();
    let mut own = challenged.filter(|one| {
        let named = one.token_key().and_then(|spki| IssuerKey::from_spki(&spki).ok());
        named.as_ref() == Some(key)
    });
    TokenChallenge::parse(&own.next()?.challenge()?).ok()
}

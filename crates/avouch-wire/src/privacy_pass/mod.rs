//! Privacy Pass: tokens by which an attester vouches for a client without naming it
//! (RFC 9577, and RFC 9578 token type 2, which anyone can verify: Blind RSA with 2048 bits).
//!
//! A site challenges ([`TokenChallenge`], [`Challenged`]); the client has an issuer sign a token for that
//! challenge, blindly; it sends the token along ([`read_authorization`], [`Token`]), and the site verifies it
//! by the issuer's public key ([`IssuerKey`]).

mod authorization;
mod challenge;
mod context;
mod context_keys;
mod issuer_key;
mod parameters;
#[cfg(test)]
mod rfc;
mod token;
mod www_authenticate;

pub use authorization::{AuthorizationError, is_private_token, read as read_authorization};
pub use challenge::{ChallengeError, TokenChallenge};
pub use context::{ContextKey, ContextKeyId, EPOCH, Epoch, LIFETIME};
pub use context_keys::{ContextKeys, Held};
pub use issuer_key::{IssuerKey, IssuerKeyError};
pub use parameters::FieldError;
pub use token::{Token, TokenError};
pub use www_authenticate::{Challenged, MAX_CHALLENGES};

/// Blind RSA with 2048 bits, publicly verifiable (RFC 9578 section 8.1): the one token type that is read.
pub const TOKEN_TYPE: u16 = 2;

/// The authentication scheme (RFC 9577 section 2), compared without regard to case.
pub const SCHEME: &str = "PrivateToken";

/// The longest field value that is read, in octets: a token has 472 characters, and a challenge with its
/// key about 600.
pub const MAX_FIELD: usize = 4096;

/// Whether a token type is one of those that mean nothing, which clients send so that servers stay used to
/// what they do not know (RFC 9577 section 6.2.1).
#[must_use]
pub const fn is_grease(token_type: u16) -> bool {
    matches!(
        token_type,
        0x0000
            | 0x02aa
            | 0x1132
            | 0x2e96
            | 0x3cd3
            | 0x4473
            | 0x5a63
            | 0x6d32
            | 0x7f3f
            | 0x8d07
            | 0x916b
            | 0xa6a4
            | 0xbeab
            | 0xc3f3
            | 0xda42
            | 0xe944
            | 0xf057
    )
}

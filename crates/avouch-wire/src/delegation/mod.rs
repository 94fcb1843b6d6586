//! Delegation tokens: a domain says which key or network acts for it, where, and for how long.
//!
//! A JWS in compact form (RFC 7515 section 3.1), signed by a key the domain publishes. Draft section: VICDM 6.3;
//! the encoding is an avouch extension, described in `docs/formats/delegation.md`.

mod grant;
mod json;
mod scope;
mod subject;
#[cfg(test)]
mod tests;
mod token;

pub use grant::{Grant, GrantError, MAX_ID, MAX_LIFETIME, MAX_LISTED};
pub use scope::{Scope, ScopeError};
pub use subject::{Subject, SubjectError};
pub use token::{FIELD, MAX_OCTETS, TYPE, Token, TokenError};

//! Keys held by a token of a PKCS#11 module: an HSM, a smart card, SoftHSM.
//!
//! A key is P-256 or Ed25519, made by the token, sensitive and not extractable. It is named by an RFC 7512 URI
//! ([`TokenPlace`]); the PIN stands in a file. The module is foreign code that runs in this process, and sees what it
//! is given; each of its signatures is verified before it is used. Signing blocks for as long as the token takes.
//!
//! Built with the feature `pkcs11`; without it such keys are named, and refused.

mod place;
mod problem;

#[cfg(not(feature = "pkcs11"))]
mod absent;
#[cfg(feature = "pkcs11")]
mod module;

#[cfg(not(feature = "pkcs11"))]
pub(crate) use absent::{TokenKey, create, open, public};
#[cfg(feature = "pkcs11")]
pub(crate) use module::{TokenKey, create, open, public};
pub use place::{PlaceError, TokenPlace};
pub use problem::{Said, TokenError};

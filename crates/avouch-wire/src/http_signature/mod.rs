//! HTTP message signatures (RFC 9421): what is covered, the string that is signed, and the keys
//! that verify it.
//!
//! A message carries its signatures in two dictionaries, `Signature-Input` and `Signature`; each is
//! read and judged by itself, for one of them may be an intermediary's. What no signature
//! of avouch's needs and attackers like is refused where it is read: components that stand twice, names
//! and parameters nobody knows, times that are no whole seconds.
//!
//! In scope: requests and responses, every derived component, fields with `sf key bs tr req`, the
//! six algorithms of the RFC. Out of scope: which signatures a site asks for and what they prove
//! (avouch-engine), making them (avouch-keys), finding keys (avouch-gather).

mod algorithm;
#[cfg(test)]
mod appendix_b;
mod base;
mod component;
mod digest;
mod input;
mod jwk;
mod key;
mod message;
mod pem;
mod query;
mod times;

pub use algorithm::{Algorithm, Algorithms, Disagreement};
pub use base::{BaseError, Hindrance};
pub use component::{Component, ComponentError, Form, Part};
pub use digest::{DigestError, FieldDigest};
pub use input::{Labelled, MAX_SIGNATURES, Signature, SignatureError, SignatureInput, SignaturesError, read};
pub(crate) use jwk::quoted;
pub use jwk::{Jwk, JwkError, Thumbprint};
pub use key::VerificationKey;
pub use message::{Message, Start};
pub(crate) use pem::subject_public_key;
pub use pem::{GivenError, PemError, given};
pub use times::{TimeError, TimeRules};

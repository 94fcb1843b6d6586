//! Public keys, their names, and the verification of signatures.
//!
//! Two kinds sign SAIP: Ed25519 (RFC 8032) and ECDSA on P-256 with SHA-256 (FIPS 186-5). Both
//! verify strictly, so that one statement has one meaning to every verifier.

mod carried;
mod ed25519;
mod fingerprint;
mod multiples;
mod public;
#[cfg(test)]
mod strictness;

use carried::Carried;
use ed25519::Ed25519;
pub use fingerprint::Fingerprint;
pub use public::{BadSignature, KeyError, KeyType, PublicKey};

//! Secret keys: made, kept encrypted at rest, and used to sign statements; nothing else sees them.

pub mod assertion;
pub mod entropy;
pub mod passphrase;
pub mod saip;
pub mod spki;
pub mod store;

mod secret;

pub use secret::{KeyError, SecretKey};

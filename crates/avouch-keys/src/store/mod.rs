//! Keys at rest: one key in one file, encrypted with a passphrase.
//!
//! What a file holds is described in `docs/formats/keys.md`; OpenSSL reads it and its files are read here.

mod envelope;
mod file;
mod locator;
mod problem;

pub(crate) use file::read_secret;
pub use file::{Description, Listed, Protection, create, describe, list, open};
pub use locator::{Locator, LocatorError};
pub use problem::{Cost, Problem, Step, StoreError};

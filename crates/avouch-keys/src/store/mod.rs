//! Keys at rest: one key in one file, encrypted with a passphrase or wrapped by a TPM.
//!
//! What a file holds is described in `docs/formats/keys.md`; OpenSSL reads it and its files are read here.

mod block;
mod envelope;
mod file;
mod locator;
mod problem;
mod tokens;
mod wrapped;

pub(crate) use block::{BlockError, block};
pub use file::{Description, Keeper, Listed, Protection, create, describe, list, open};
pub(crate) use file::{place_secret, read_secret, replace_secret};
pub use locator::{Locator, LocatorError};
pub use problem::{Cost, Problem, Step, StoreError};
pub use tokens::create_in_token;
pub use wrapped::{create_in, open_in};

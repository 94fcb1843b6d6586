//! The pages, each in a file of its own.

pub(crate) mod health;
pub(crate) mod identities;
pub(crate) mod keys;
pub(crate) mod policy;
pub(crate) mod record;
pub(crate) mod requests;
pub(crate) mod traffic;

//! Structured field values (RFC 9651): what `Signature-Input`, `Signature`, `Signature-Agent` and
//! `Content-Digest` are written in.
//!
//! Reading is strict. Where the RFC lets a parser choose, this one refuses: base64 without its
//! padding or with bits left over, and a name that stands twice in a dictionary or among
//! parameters, of which other parsers keep the last.
//!
//! What is read borrows from the field. Writing gives the one serialisation the RFC knows, which
//! signatures are made over.

mod item;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use read::Reader;
pub(crate) use write::Serialise;

pub use item::{BareItem, Bytes, Dictionary, InnerList, Item, List, Member, Parameters};

use thiserror::Error;

/// Longest field value in octets, all its lines together: four signatures with a dozen components
/// each fit twice.
pub const MAX_FIELD: usize = 8192;

/// Most members of a list or dictionary, items of an inner list, and parameters of an item: bounds
/// the comparison of each name with each.
pub const MAX_MEMBERS: usize = 64;

/// Why a text is not a structured field value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum StructuredError {
    /// Longer than [`MAX_FIELD`].
    #[error("is longer than {MAX_FIELD} octets")]
    TooLong,
    /// More than [`MAX_MEMBERS`] in one place.
    #[error("at octet {0}: there are more than {MAX_MEMBERS} members, items or parameters")]
    TooMany(usize),
    /// A name twice.
    #[error("at octet {0}: the name stands twice")]
    Repeated(usize),
    /// Something else was expected here.
    #[error("at octet {0}: expected {1}")]
    Expected(usize, &'static str),
}

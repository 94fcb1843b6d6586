//! Names: who may be meant, and how it is written.
//!
//! A name is checked once, when it is read; a [`Domain`] or [`AgentId`] cannot be wrong afterwards.

mod agent;
mod domain;
mod identity;

pub use agent::{AgentId, Instance};
pub use domain::Domain;
pub use identity::Identity;

use thiserror::Error;

/// Longest name in octets, as text without the trailing dot (RFC 1035 section 2.3.4).
pub const MAX_NAME: usize = 253;

/// Longest label in octets (RFC 1035 section 2.3.4).
pub const MAX_LABEL: usize = 63;

/// Why a text is not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NameError {
    /// Nothing there.
    #[error("is empty")]
    Empty,
    /// More octets than allowed.
    #[error("is longer than {0} octets")]
    TooLong(usize),
    /// A label that is empty, too long, or begins or ends with an octet it may not.
    #[error(
        "label {0} is empty, longer than 63 octets, or begins or ends with an octet that may not stand there"
    )]
    Label(usize),
    /// An octet outside the alphabet, at this offset.
    #[error("octet {0} is outside the alphabet")]
    Octet(usize),
    /// A domain with a single label.
    #[error("has fewer than two labels")]
    SingleLabel,
    /// An agent id with more than four labels.
    #[error("has more than four labels")]
    TooManyLabels,
    /// A domain whose last label is all digits, as an address would be.
    #[error("ends in a label of digits only")]
    Numeric,
    /// A public suffix, under which strangers register names.
    #[error("is a public suffix, which is nobody's identity")]
    PublicSuffix,
}

/// Checks a label: 1–63 octets, beginning and ending with a letter or digit.
pub(crate) fn is_label(label: &[u8]) -> bool {
    let ends = [label.first(), label.last()];
    label.len() <= MAX_LABEL && ends.iter().all(|end| end.is_some_and(u8::is_ascii_alphanumeric))
}

//! Names: who may be meant, and how it is written.
//!
//! A name is checked once, when it is read; a [`Domain`] or [`AgentId`] cannot be wrong afterwards.

mod agent;
mod domain;
mod identity;

pub use agent::{AgentId, Instance, ancestors};
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

/// What a pass over the labels of a name finds.
#[derive(Clone, Copy)]
pub(crate) struct Labels {
    /// How many there are.
    pub(crate) count: usize,
    /// Whether a capital letter stands in one.
    pub(crate) has_capital: bool,
    /// Whether the last is of digits only.
    pub(crate) ends_in_digits: bool,
}

/// Reads labels of 1–63 octets, divided by dots. Each begins and ends with a letter or digit, and may
/// hold between them what `is_inner` allows.
pub(crate) fn labels(text: &str, is_inner: impl Fn(u8) -> bool) -> Result<Labels, NameError> {
    let mut found = Labels { count: 0, has_capital: false, ends_in_digits: true };
    let (mut start, mut inside) = (0, false);
    for (at, octet) in text.bytes().enumerate() {
        match octet {
            b'0'..=b'9' => inside = true,
            b'a'..=b'z' => (inside, found.ends_in_digits) = (true, false),
            b'A'..=b'Z' => (inside, found.ends_in_digits, found.has_capital) = (true, false, true),
            // Here `inside` says that what came before may end a label.
            b'.' if inside && at - start <= MAX_LABEL => {
                (start, inside, found.ends_in_digits) = (at + 1, false, true);
                found.count += 1;
            }
            b'.' => return Err(NameError::Label(found.count)),
            _ if !is_inner(octet) => return Err(NameError::Octet(at)),
            _ if at == start => return Err(NameError::Label(found.count)),
            _ => (inside, found.ends_in_digits) = (false, false),
        }
    }
    if !inside || text.len() - start > MAX_LABEL {
        return Err(NameError::Label(found.count));
    }
    found.count += 1;
    Ok(found)
}

//! The parts of a report that have rules of their own.

use crate::record::{ReportTo, ReportToError};
use std::borrow::Cow;
use std::fmt;
use thiserror::Error;

/// Longest code in octets; the longest reason has half of it.
const MAX_CODE: usize = 64;

/// Longest report id in octets.
const MAX_ID: usize = 128;

/// Longest name of an organisation in octets.
const MAX_ORGANIZATION: usize = 256;

/// Why a text is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WordError {
    /// Not a code.
    #[error("is not 1 to {MAX_CODE} octets of a-z 0-9 and -")]
    Code,
    /// Not a report id.
    #[error("is not 1 to {MAX_ID} octets of A-Z a-z 0-9 . _ and -")]
    Id,
    /// Not the name of an organisation.
    #[error("is not a name of 1 to {MAX_ORGANIZATION} octets without control characters and invisible marks")]
    Organization,
    /// Not a mailbox.
    #[error("is not a mailbox such as reports@shop.example: it {0}")]
    Mailbox(ReportToError),
}

/// A word of a closed list that may be longer elsewhere: a mechanism, a reason, a standing in DNSSEC.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(Cow<'static, str>);

impl Code {
    /// Reads a code.
    ///
    /// # Errors
    /// [`WordError::Code`].
    pub fn parse(text: &str) -> Result<Self, WordError> {
        is_code(text).then(|| Self(Cow::Owned(text.to_owned()))).ok_or(WordError::Code)
    }

    /// A code of ours.
    ///
    /// # Errors
    /// [`WordError::Code`].
    pub fn of(text: &'static str) -> Result<Self, WordError> {
        is_code(text).then_some(Self(Cow::Borrowed(text))).ok_or(WordError::Code)
    }

    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_code(text: &str) -> bool {
    let fits = |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-';
    (1..=MAX_CODE).contains(&text.len()) && text.bytes().all(fits)
}

/// What names a report.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReportId(String);

impl ReportId {
    /// Reads an id.
    ///
    /// # Errors
    /// [`WordError::Id`].
    pub fn parse(text: &str) -> Result<Self, WordError> {
        let fits = |octet: u8| octet.is_ascii_alphanumeric() || b"._-".contains(&octet);
        let good = (1..=MAX_ID).contains(&text.len()) && text.bytes().all(fits);
        good.then(|| Self(text.to_owned())).ok_or(WordError::Id)
    }
}

/// The name of whoever reports.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Organization(String);

impl Organization {
    /// Reads a name.
    ///
    /// # Errors
    /// [`WordError::Organization`].
    pub fn parse(text: &str) -> Result<Self, WordError> {
        let good = (1..=MAX_ORGANIZATION).contains(&text.len()) && !text.chars().any(is_unprintable);
        good.then(|| Self(text.to_owned())).ok_or(WordError::Organization)
    }
}

/// Whether a character of a stranger's text could move a cursor, or has no shape of its own, and joins, separates or
/// turns what stands around it: a name must look like what it is.
#[must_use]
pub fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// A mailbox, as `mailto:` of a record takes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mailbox {
    text: String,
    domain: String,
}

impl Mailbox {
    /// Reads a mailbox.
    ///
    /// # Errors
    /// [`WordError::Mailbox`].
    pub fn parse(text: &str) -> Result<Self, WordError> {
        let to = ReportTo::parse(&format!("mailto:{text}")).map_err(WordError::Mailbox)?;
        Ok(Self { text: text.to_owned(), domain: to.host().as_str().to_owned() })
    }

    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The domain behind the `@`, in lower case.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }
}

macro_rules! shown {
    ($($name:ident . $part:tt),+) => {
        $(impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.$part)
            }
        })+
    };
}

shown!(Code.0, ReportId.0, Organization.0, Mailbox.text);

/// What requests came to, as far as a report tells: those that claim no domain are in none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// Class 3.
    Verified,
    /// Class 2.
    Partial,
    /// Class 0: by a key that is published for testing.
    Anonymous,
    /// Class 1: a claim that failed.
    Invalid,
    /// Class 1: a claim that could not be checked, and may be another time.
    UndeterminedTemporary,
    /// Class 1: a claim that cannot be checked until something is mended.
    UndeterminedPermanent,
}

impl Standing {
    /// All, in the order of trust.
    pub const ALL: [Self; 6] = [
        Self::Verified,
        Self::Partial,
        Self::Anonymous,
        Self::UndeterminedTemporary,
        Self::UndeterminedPermanent,
        Self::Invalid,
    ];

    /// The class it belongs to.
    #[must_use]
    pub const fn class(self) -> u8 {
        match self {
            Self::Verified => 3,
            Self::Partial => 2,
            Self::Anonymous => 0,
            Self::Invalid | Self::UndeterminedTemporary | Self::UndeterminedPermanent => 1,
        }
    }

    /// As in a verdict.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Partial => "partial",
            Self::Anonymous => "anonymous",
            Self::Invalid => "invalid",
            Self::UndeterminedTemporary | Self::UndeterminedPermanent => "undetermined",
        }
    }

    /// As in a verdict, of those that could not be checked.
    #[must_use]
    pub const fn cause(self) -> Option<&'static str> {
        match self {
            Self::UndeterminedTemporary => Some("temporary"),
            Self::UndeterminedPermanent => Some("permanent"),
            Self::Verified | Self::Partial | Self::Anonymous | Self::Invalid => None,
        }
    }
}

//! What structured field values are made of.

use super::StructuredError;
use super::read::Reader;
use crate::octets;
use data_encoding::{BASE64, BASE64_NOPAD};

/// A value without parameters (RFC 9651 section 3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BareItem<'a> {
    /// A whole number of up to 15 digits.
    Integer(i64),
    /// A number with a fraction, in thousandths; up to 12 digits before the point.
    Decimal(i64),
    /// A string as it stands between its quotes: `"` and `\` are still escaped.
    String(&'a str),
    /// A token.
    Token(&'a str),
    /// A byte sequence.
    Bytes(Bytes<'a>),
    /// A truth value.
    Boolean(bool),
    /// A date, in Unix seconds.
    Date(i64),
    /// A string of Unicode as it stands between its quotes: percent-encoded, and valid UTF-8.
    DisplayString(&'a str),
}

impl<'a> BareItem<'a> {
    /// The integer, if it is one.
    #[must_use]
    pub const fn integer(self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(number),
            _ => None,
        }
    }

    /// The string, if it is one that needs no escape.
    #[must_use]
    pub fn plain_string(self) -> Option<&'a str> {
        match self {
            Self::String(text) if octets::all(text.as_bytes(), |octet| octet != b'\\') => Some(text),
            _ => None,
        }
    }
}

/// The octets of a byte sequence, checked and not yet decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes<'a>(&'a str);

impl<'a> Bytes<'a> {
    /// Takes base64 with its padding and without bits left over; `None` for anything else.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let digits = text.trim_end_matches('=');
        let last = digits.bytes().last().unwrap_or(b'A');
        let ends = match text.len() - digits.len() {
            0 => true,
            1 => b"AEIMQUYcgkosw048".contains(&last),
            2 => b"AQgw".contains(&last),
            _ => false,
        };
        let is_digit = |octet: u8| octet.is_ascii_alphanumeric() | (octet == b'+') | (octet == b'/');
        (ends && text.len().is_multiple_of(4) && octets::all(digits.as_bytes(), is_digit))
            .then_some(Self(text))
    }

    /// As it was read.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// The octets.
    #[must_use]
    pub fn octets(self) -> Vec<u8> {
        // Checked when it was read. Were it not, nothing would be no signature and no digest.
        BASE64.decode(self.0.as_bytes()).unwrap_or_default()
    }

    /// The octets, if there are exactly `N` of them, without allocating.
    #[must_use]
    pub fn exactly<const N: usize>(self) -> Option<[u8; N]> {
        let (digits, mut octets) = (self.0.trim_end_matches('='), [0; N]);
        if BASE64_NOPAD.decode_len(digits.len()) != Ok(N) {
            return None;
        }
        BASE64_NOPAD.decode_mut(digits.as_bytes(), &mut octets).ok().map(|_| octets)
    }
}

/// Names and values behind an item or inner list (RFC 9651 section 3.1.2), in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters<'a>(pub(super) Vec<(&'a str, BareItem<'a>)>);

impl<'a> Parameters<'a> {
    /// The value of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<BareItem<'a>> {
        self.iter().find(|(own, _)| *own == name).map(|(_, value)| value)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, BareItem<'a>)> {
        self.0.iter().copied()
    }

    /// Adds one at the end; the name is the caller's to keep unique.
    pub fn push(&mut self, name: &'a str, value: BareItem<'a>) {
        self.0.push((name, value));
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A value with its parameters (RFC 9651 section 3.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item<'a> {
    /// The value.
    pub bare: BareItem<'a>,
    /// Its parameters.
    pub parameters: Parameters<'a>,
}

impl<'a> Item<'a> {
    /// Reads a field whose value is one item.
    ///
    /// # Errors
    /// [`StructuredError`] says where the text breaks.
    pub fn parse(text: &'a str) -> Result<Self, StructuredError> {
        Reader::whole(text, Reader::item)
    }
}

/// Items in parentheses, with parameters of their own (RFC 9651 section 3.1.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InnerList<'a> {
    /// The items.
    pub items: Vec<Item<'a>>,
    /// The list's own parameters.
    pub parameters: Parameters<'a>,
}

/// What stands in a list or dictionary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Member<'a> {
    /// One item.
    Item(Item<'a>),
    /// Several, in parentheses.
    List(InnerList<'a>),
}

/// Members one after the other (RFC 9651 section 3.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List<'a>(pub(super) Vec<Member<'a>>);

impl<'a> List<'a> {
    /// Reads a field whose value is a list; an empty text is an empty list.
    ///
    /// # Errors
    /// [`StructuredError`] says where the text breaks.
    pub fn parse(text: &'a str) -> Result<Self, StructuredError> {
        Reader::whole(text, Reader::list)
    }

    /// Its members.
    #[must_use]
    pub fn members(&self) -> &[Member<'a>] {
        &self.0
    }
}

/// Members by name (RFC 9651 section 3.2), in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dictionary<'a>(pub(super) Vec<(&'a str, Member<'a>)>);

impl<'a> Dictionary<'a> {
    /// Reads a field whose value is a dictionary; an empty text is an empty dictionary.
    ///
    /// # Errors
    /// [`StructuredError`] says where the text breaks.
    pub fn parse(text: &'a str) -> Result<Self, StructuredError> {
        Reader::whole(text, Reader::dictionary)
    }

    /// The member of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Member<'a>> {
        self.0.iter().find(|(own, _)| *own == name).map(|(_, member)| member)
    }

    /// All of them.
    #[must_use]
    pub fn members(&self) -> &[(&'a str, Member<'a>)] {
        &self.0
    }

    /// All of them, to keep.
    #[must_use]
    pub fn into_members(self) -> Vec<(&'a str, Member<'a>)> {
        self.0
    }
}

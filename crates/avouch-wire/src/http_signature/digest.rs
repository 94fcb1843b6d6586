//! Digests of content, as `Content-Digest` carries them (RFC 9530).

use super::{Form, Part, SignatureInput};
use crate::content::{ContentDigest, ContentDigests};
use crate::structured::{BareItem, Dictionary, Member, StructuredError};
use data_encoding::BASE64;
use std::fmt;
use thiserror::Error;

/// Why a `Content-Digest` says nothing about the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DigestError {
    /// No dictionary.
    #[error("Content-Digest {0}")]
    Structured(#[from] StructuredError),
    /// A digest that is no byte sequence of its algorithm's length.
    #[error("Content-Digest: {0} is not a byte sequence of {1} octets")]
    Length(&'static str, usize),
    /// Only algorithms that are unknown, or known to be broken.
    #[error("Content-Digest holds neither sha-256 nor sha-512")]
    Unknown,
}

/// What `Content-Digest` says: one digest at least, each of which must be that of the content.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FieldDigest {
    sha256: Option<[u8; 32]>,
    sha512: Option<[u8; 64]>,
}

impl FieldDigest {
    /// Reads the field, its lines joined by commas. Algorithms other than `sha-256` and `sha-512`
    /// are passed over.
    ///
    /// # Errors
    /// [`DigestError`].
    pub fn parse(text: &str) -> Result<Self, DigestError> {
        let dictionary = Dictionary::parse(text)?;
        let digest =
            Self { sha256: octets(&dictionary, "sha-256")?, sha512: octets(&dictionary, "sha-512")? };
        if digest.sha256.is_none() && digest.sha512.is_none() {
            Err(DigestError::Unknown)
        } else {
            Ok(digest)
        }
    }

    /// Of the field, what a signature covers: all of it, or single members; `None` where it covers none that are
    /// known.
    ///
    /// # Errors
    /// [`DigestError`] where something is covered and says nothing.
    pub fn covered_by(input: &SignatureInput<'_>, text: &str) -> Result<Option<Self>, DigestError> {
        let (mut sha256, mut sha512) = (false, false);
        for component in input.components() {
            let Part::Field { name: "content-digest", form, trailer: false } = component.part() else {
                continue;
            };
            let all = matches!(form, Form::Joined | Form::Structured | Form::Bytes);
            sha256 |= all || form == Form::Member("sha-256");
            sha512 |= all || form == Form::Member("sha-512");
        }
        if !sha256 && !sha512 {
            return Ok(None);
        }
        let whole = Self::parse(text)?;
        let covered =
            Self { sha256: whole.sha256.filter(|_| sha256), sha512: whole.sha512.filter(|_| sha512) };
        if covered == (Self { sha256: None, sha512: None }) {
            Err(DigestError::Unknown)
        } else {
            Ok(Some(covered))
        }
    }

    /// What two of them say together, of one field.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { sha256: self.sha256.or(other.sha256), sha512: self.sha512.or(other.sha512) }
    }

    /// The `sha-256` digest of content, to be written.
    #[must_use]
    pub fn of(content: &[u8]) -> Self {
        Self::from(ContentDigest::of(content))
    }

    /// Whether every digest is that of the content; `None` where one was not computed.
    #[must_use]
    pub fn is_of(&self, content: &ContentDigests) -> Option<bool> {
        let sha256 = self.sha256.is_none_or(|own| own == content.sha256.0);
        let sha512 = match (self.sha512, content.sha512) {
            (None, _) => true,
            (Some(own), Some(actual)) => own == actual,
            (Some(_), None) if sha256 => return None,
            (Some(_), None) => false,
        };
        Some(sha256 && sha512)
    }

    /// Whether the content's SHA-512 has to be computed.
    #[must_use]
    pub const fn needs_sha512(&self) -> bool {
        self.sha512.is_some()
    }
}

fn octets<const N: usize>(
    dictionary: &Dictionary<'_>,
    name: &'static str,
) -> Result<Option<[u8; N]>, DigestError> {
    let Some(member) = dictionary.get(name) else { return Ok(None) };
    let bytes = match member {
        Member::Item(item) => match item.bare {
            BareItem::Bytes(bytes) => bytes.exactly(),
            _ => None,
        },
        Member::List(_) => None,
    };
    bytes.map(Some).ok_or(DigestError::Length(name, N))
}

impl From<ContentDigest> for FieldDigest {
    fn from(digest: ContentDigest) -> Self {
        Self { sha256: Some(digest.0), sha512: None }
    }
}

/// The field's value.
impl fmt::Display for FieldDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sha256 = self.sha256.map(|octets| format!("sha-256=:{}:", BASE64.encode(&octets)));
        let sha512 = self.sha512.map(|octets| format!("sha-512=:{}:", BASE64.encode(&octets)));
        f.write_str(&sha256.into_iter().chain(sha512).collect::<Vec<_>>().join(", "))
    }
}

impl fmt::Debug for FieldDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FieldDigest({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_of(field: &str, content: &[u8]) -> bool {
        FieldDigest::parse(field).unwrap().is_of(&ContentDigests::of(content)).unwrap()
    }

    #[test]
    fn the_digests_of_rfc_9530_and_9421_are_those_of_their_content() {
        let sha256 = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:";
        assert!(is_of(sha256, b"{\"hello\": \"world\"}\n"));
        let sha512 = "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:";
        assert!(is_of(sha512, b"{\"hello\": \"world\"}"));
        assert!(!is_of(sha512, b"{\"hello\": \"World\"}"));
        assert!(is_of(&format!("md5=:AAAA:, {sha512}"), b"{\"hello\": \"world\"}"));
        assert!(!is_of(&format!("{sha256}, {sha512}"), b"{\"hello\": \"world\"}"), "each must match");
        assert!(is_of(&FieldDigest::of(b"abc").to_string(), b"abc"));
        let without = ContentDigests::from(ContentDigest::of(b"{\"hello\": \"world\"}"));
        let is_of = |field: &str| FieldDigest::parse(field).unwrap().is_of(&without);
        assert_eq!(is_of(sha512), None, "was not computed");
        assert_eq!(is_of(&format!("{sha256}, {sha512}")), Some(false), "one that differs is enough");
    }

    #[test]
    fn what_says_nothing_is_refused() {
        assert_eq!(FieldDigest::parse(""), Err(DigestError::Unknown));
        assert_eq!(FieldDigest::parse("md5=:AAAA:"), Err(DigestError::Unknown));
        assert_eq!(FieldDigest::parse("sha-256=:AAAA:"), Err(DigestError::Length("sha-256", 32)));
        assert_eq!(FieldDigest::parse("sha-256"), Err(DigestError::Length("sha-256", 32)));
        assert!(matches!(FieldDigest::parse("SHA-256=:AAAA:"), Err(DigestError::Structured(_))));
    }
}

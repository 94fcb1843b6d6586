//! Digests of content, as `Content-Digest` carries them (RFC 9530).

use crate::structured::{BareItem, Dictionary, Member, StructuredError};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Context, SHA256, SHA512};
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

    /// The `sha-256` digest of content, to be written.
    #[must_use]
    pub fn of(content: &[u8]) -> Self {
        let digest = crate::content::ContentDigest::of(content);
        Self { sha256: Some(digest.0), sha512: None }
    }

    /// Digests content as it streams by, with the algorithms this one holds.
    #[must_use]
    pub fn hasher(&self) -> DigestHasher {
        DigestHasher {
            sha256: self.sha256.map(|_| Context::new(&SHA256)),
            sha512: self.sha512.map(|_| Context::new(&SHA512)),
        }
    }

    /// Whether every digest is that of the content a hasher saw.
    #[must_use]
    pub fn is_of(&self, seen: DigestHasher) -> bool {
        let matches = |own: Option<&[u8]>, seen: Option<Context>| match (own, seen) {
            (None, _) => true,
            (Some(own), Some(seen)) => verify_slices_are_equal(own, seen.finish().as_ref()).is_ok(),
            (Some(_), None) => false,
        };
        matches(self.sha256.as_ref().map(|own| &own[..]), seen.sha256)
            & matches(self.sha512.as_ref().map(|own| &own[..]), seen.sha512)
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

/// Digests content as it streams by.
#[derive(Clone)]
pub struct DigestHasher {
    sha256: Option<Context>,
    sha512: Option<Context>,
}

impl DigestHasher {
    /// Takes the next octets.
    pub fn update(&mut self, octets: &[u8]) {
        self.sha256.iter_mut().chain(&mut self.sha512).for_each(|context| context.update(octets));
    }
}

impl fmt::Debug for DigestHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DigestHasher(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_of(field: &str, content: &[u8]) -> bool {
        let digest = FieldDigest::parse(field).unwrap();
        let mut hasher = digest.hasher();
        content.chunks(3).for_each(|piece| hasher.update(piece));
        digest.is_of(hasher)
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

//! Keys that are trusted without proof.

use std::fmt;

use hickory_resolver::proto::dnssec::rdata::DNSKEY;
use hickory_resolver::proto::dnssec::{TrustAnchors, Verifier};
use hickory_resolver::proto::rr::Name;
use hickory_resolver::proto::serialize::txt::trust_anchor::{Entry, Parser};

/// The public key of a zone that is trusted without proof (RFC 4033 section 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustAnchor {
    zone: Name,
    key: DNSKEY,
}

/// A text that holds no usable trust anchors.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnchorError {
    /// The text is not a list of DNSKEY records.
    #[error("not a DNSKEY record ({0}); write `zone. 3600 IN DNSKEY 257 3 13 …`, DS records are not read")]
    Syntax(String),
    /// The text holds no record at all.
    #[error("no DNSKEY record in it")]
    Empty,
    /// The key's algorithm cannot be verified here.
    #[error("the key of {0} has an algorithm that cannot be verified here; use 8, 13, 14 or 15")]
    Algorithm(String),
}

impl TrustAnchor {
    /// Reads DNSKEY records in the syntax of zone files, one per line, as `dnssec-keygen` writes them.
    ///
    /// # Errors
    /// [`AnchorError`] when any line is not such a record, or none is.
    pub fn parse(text: &str) -> Result<Vec<Self>, AnchorError> {
        let entries = Parser::new(text).parse().map_err(|error| AnchorError::Syntax(error.to_string()))?;
        if entries.is_empty() {
            return Err(AnchorError::Empty);
        }
        entries.into_iter().map(Self::verifiable).collect()
    }

    /// The key of a zone.
    pub(crate) const fn of_zone(zone: Name, key: DNSKEY) -> Self {
        Self { zone, key }
    }

    fn verifiable(entry: Entry) -> Result<Self, AnchorError> {
        let Entry::DNSKEY(record) = entry else { return Err(AnchorError::Empty) };
        let (zone, key) = (record.name().clone(), record.data().clone());
        if key.algorithm().is_supported() && key.key().is_ok() {
            return Ok(Self { zone, key });
        }
        Err(AnchorError::Algorithm(zone.to_ascii()))
    }

    pub(super) fn add_to(&self, anchors: &mut TrustAnchors) {
        anchors.insert_with_name(self.key.public_key(), (&self.zone).into());
    }
}

/// The record, as [`TrustAnchor::parse`] reads it.
impl fmt::Display for TrustAnchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} 3600 IN DNSKEY {}", self.zone, self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = ". 3600 IN DNSKEY 257 3 13 \
        mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+KkxLbxILfDLUT0rAK9iUzy1L53eKGQ==\n";

    #[test]
    fn is_written_as_it_is_read() {
        let anchors = TrustAnchor::parse(KEY).unwrap();
        assert_eq!(anchors.len(), 1);
        assert_eq!(TrustAnchor::parse(&anchors[0].to_string()).unwrap(), anchors);
    }

    #[test]
    fn a_ds_record_and_an_empty_text_are_refused() {
        let ds = ". 3600 IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n";
        assert!(matches!(TrustAnchor::parse(ds), Err(AnchorError::Syntax(_))));
        assert_eq!(TrustAnchor::parse("; nothing\n"), Err(AnchorError::Empty));
    }

    #[test]
    fn a_key_of_an_unknown_algorithm_is_refused() {
        let text = KEY.replace(" 13 ", " 200 ");
        assert!(matches!(TrustAnchor::parse(&text), Err(AnchorError::Algorithm(_))));
    }
}

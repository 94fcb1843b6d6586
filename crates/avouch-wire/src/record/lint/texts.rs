//! What a text is that is not a record.

use super::Concern;
use crate::record::{Reading, Record};

/// Tags by which the rest of a record is known; the others are tags of DKIM and DMARC as well.
const TELLING: [&[u8]; 6] = [b"pk", b"ip", b"asn", b"re", b"exp", b"rua"];

/// Tags that may stand in it, too.
const OTHERS: [&[u8]; 2] = [b"k", b"t"];

/// Octets of base64url that are taken for the rest of a key, when a key beside them is broken.
const REST_OF_KEY: std::ops::RangeInclusive<usize> = 8..=87;

/// Whether a text is, or was meant to be, a record.
pub(super) fn is_meant(text: &[u8]) -> bool {
    text.windows(5).any(|window| window.eq_ignore_ascii_case(b"saip1"))
        || text.get(..6).is_some_and(|start| start.eq_ignore_ascii_case(b"v=saip"))
}

/// What there is to say of a text that is not read as a record, beside the others at its name.
pub(super) fn foreign(text: &[u8], all: &[&[u8]]) -> Concern {
    if is_meant(text) {
        zone_syntax(text).unwrap_or(Concern::NotRecognised)
    } else if is_rest(text) || (is_rest_of_key(text) && all.iter().any(|other| has_broken_key(other))) {
        Concern::Fragment
    } else {
        Concern::Foreign
    }
}

/// Quotes or backslashes, which no record holds.
pub(super) fn zone_syntax(text: &[u8]) -> Option<Concern> {
    let held = |octet| text.contains(&octet);
    match (held(b'"'), held(b'\\')) {
        (true, _) => Some(Concern::ZoneSyntax("quotes")),
        (false, true) => Some(Concern::ZoneSyntax("backslashes")),
        (false, false) => None,
    }
}

/// Whether a text is made of pairs with tags of ours.
fn is_rest(text: &[u8]) -> bool {
    let pairs = || text.split(|octet| *octet == b';').map(<[u8]>::trim_ascii).filter(|pair| !pair.is_empty());
    let tag = |pair: &'_ [u8]| {
        pair.split(|octet| *octet == b'=').next().map(<[u8]>::trim_ascii).map(<[u8]>::to_vec)
    };
    let is_one = |pair: &[u8], tags: &[&[u8]]| {
        pair.contains(&b'=') && tag(pair).is_some_and(|tag| tags.contains(&tag.as_slice()))
    };
    pairs().any(|pair| is_one(pair, &TELLING))
        && pairs().all(|pair| is_one(pair, &TELLING) || is_one(pair, &OTHERS))
}

fn is_rest_of_key(text: &[u8]) -> bool {
    let is_base64url = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
    REST_OF_KEY.contains(&text.len()) && text.iter().all(is_base64url)
}

fn has_broken_key(text: &[u8]) -> bool {
    matches!(Record::read(text), Reading::Broken { error, .. } if error.flaw.code().starts_with("key-"))
}

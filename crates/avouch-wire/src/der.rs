//! The little of DER (X.690) that keys and signatures are written in: each value in its one spelling.

/// Tags.
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;

/// An element that is all there is.
pub(crate) fn alone(tag: u8, der: &[u8]) -> Option<&[u8]> {
    element(tag, der).filter(|(_, rest)| rest.is_empty()).map(|(content, _)| content)
}

/// The content of an element in DER, and what follows it. Lengths have one form, and two octets at most.
pub(crate) fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = match der.strip_prefix(&[tag])? {
        [0x82, high @ 0x01..=0xff, low, rest @ ..] => (usize::from(*high) << 8 | usize::from(*low), rest),
        [0x81, length @ 0x80..=0xff, rest @ ..] | [length @ 0x00..=0x7f, rest @ ..] => {
            (usize::from(*length), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// A positive integer without the zero that DER puts before a high bit.
pub(crate) fn positive(integer: &[u8]) -> Option<&[u8]> {
    match integer {
        [0, rest @ ..] if matches!(rest, [0x80..=0xff, ..]) => Some(rest),
        [0x01..=0x7f, ..] => Some(integer),
        _ => None,
    }
}

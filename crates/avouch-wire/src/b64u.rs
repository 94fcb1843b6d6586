//! base64url without padding (RFC 4648 section 5), strictly: no padding, no other alphabet, no
//! non-zero trailing bits, so that each value has exactly one spelling.

use data_encoding::BASE64URL_NOPAD;
use thiserror::Error;

/// Why a text is not the base64url of what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum B64uError {
    /// Padding, another alphabet, or bits left over.
    #[error("is not base64url without padding")]
    Encoding,
    /// Another number of octets than expected.
    #[error("does not hold the number of octets it should")]
    Length,
}

/// Decodes exactly `N` octets, without allocating.
///
/// # Errors
/// [`B64uError`].
pub fn decode<const N: usize>(text: &str) -> Result<[u8; N], B64uError> {
    let mut octets = [0; N];
    if BASE64URL_NOPAD.decode_len(text.len()) != Ok(N) {
        return Err(B64uError::Length);
    }
    BASE64URL_NOPAD.decode_mut(text.as_bytes(), &mut octets).map_err(|_| B64uError::Encoding)?;
    Ok(octets)
}

/// Decodes any number of octets.
///
/// # Errors
/// [`B64uError::Encoding`].
pub fn decode_vec(text: &str) -> Result<Vec<u8>, B64uError> {
    BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| B64uError::Encoding)
}

/// Encodes.
#[must_use]
pub fn encode(octets: &[u8]) -> String {
    BASE64URL_NOPAD.encode(octets)
}

/// Encodes 32 octets into 43 characters, without allocating.
#[must_use]
pub fn encode_32(octets: &[u8; 32]) -> [u8; 43] {
    let mut text = [0; 43];
    BASE64URL_NOPAD.encode_mut(octets, &mut text);
    text
}

/// Whether every octet stands in the alphabet.
#[must_use]
pub fn is_alphabet(text: &str) -> bool {
    let stands = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_';
    // Looks at every octet, also after a bad one, so that the compiler can look at many at once.
    text.bytes().fold(true, |all, octet| all & stands(octet))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_has_one_spelling() {
        assert_eq!(decode::<1>("_w"), Ok([0xff]));
        assert_eq!(decode::<1>("_x"), Err(B64uError::Encoding), "trailing bits");
        assert_eq!(decode::<1>("_w=="), Err(B64uError::Length), "padding");
        assert_eq!(decode::<1>("/w"), Err(B64uError::Encoding), "the other alphabet");
        assert_eq!(decode::<2>("_w"), Err(B64uError::Length));
        assert_eq!(decode_vec("_w=="), Err(B64uError::Encoding));
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        let octets = [7; 32];
        assert_eq!(decode::<32>(&encode(&octets)), Ok(octets));
        assert_eq!(encode_32(&octets).as_slice(), encode(&octets).as_bytes());
    }
}

//! base64url without padding (RFC 4648 section 5), strictly: no padding, no other alphabet, no
//! non-zero trailing bits, so that each value has exactly one spelling.

use crate::octets;
use data_encoding::BASE64URL_NOPAD;
use std::fmt;
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

/// The base64url of exactly `N` octets, checked and not yet decoded: whoever reads a message checks
/// all that it holds, and decodes only what it comes to use.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Text<'a, const N: usize>(&'a str);

impl<'a, const N: usize> Text<'a, N> {
    /// Takes a text of which [`Text::octets`] will give `N` octets: all of the alphabet, and no bits
    /// left over in the last character.
    ///
    /// # Errors
    /// [`B64uError`].
    pub fn parse(text: &'a str) -> Result<Self, B64uError> {
        holds(text, N).map(|()| Self(text))
    }

    /// Encodes `octets` into `buffer`, in place of what is there.
    #[must_use]
    pub fn of(octets: &[u8; N], buffer: &'a mut String) -> Self {
        *buffer = encode(octets);
        Self(buffer)
    }

    /// As it was read.
    #[must_use]
    pub const fn as_str(&self) -> &'a str {
        self.0
    }

    /// What it stands for.
    #[must_use]
    pub fn octets(&self) -> [u8; N] {
        // Checked when it was read. Were it not, zeros would be no key, signature or digest.
        decode(self.0).unwrap_or([0; N])
    }
}

impl Text<'static, 64> {
    /// Stands where a signature is still to be made; as a signature it holds for nothing.
    pub const UNSIGNED: Self =
        Self("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
}

impl<const N: usize> fmt::Debug for Text<'_, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Whether a text is the base64url of this number of octets, without decoding it: all of the alphabet, and no bits left
/// over in the last character.
pub(crate) fn holds(text: &str, octets: usize) -> Result<(), B64uError> {
    if text.len() != (octets * 4).div_ceil(3) {
        return Err(B64uError::Length);
    }
    let last = text.bytes().last().unwrap_or(b'A');
    let ends = match octets % 3 {
        0 => true,
        1 => b"AQgw".contains(&last),
        _ => b"AEIMQUYcgkosw048".contains(&last),
    };
    if ends && is_alphabet(text) { Ok(()) } else { Err(B64uError::Encoding) }
}

/// Decodes into the beginning of a buffer, and gives what was decoded.
pub(crate) fn decode_into<'b>(text: &str, buffer: &'b mut [u8]) -> Result<&'b [u8], B64uError> {
    let length = BASE64URL_NOPAD.decode_len(text.len()).map_err(|_| B64uError::Length)?;
    let octets = buffer.get_mut(..length).ok_or(B64uError::Length)?;
    BASE64URL_NOPAD.decode_mut(text.as_bytes(), octets).map_err(|_| B64uError::Encoding)?;
    Ok(octets)
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
    let stands = |octet: u8| octet.is_ascii_alphanumeric() | (octet == b'-') | (octet == b'_');
    octets::all(text.as_bytes(), stands)
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
    fn a_text_is_taken_exactly_if_it_can_be_decoded() {
        fn agrees<const N: usize>() {
            for octets in [[0; N], [0xff; N], [0x5a; N]] {
                let text = encode(&octets);
                assert_eq!(Text::parse(&text).map(|text| text.octets()), Ok(octets), "{text}");
                assert_eq!(Text::of(&octets, &mut String::new()).as_str(), text);
            }
            let good = encode(&[0; N]);
            for at in 0..good.len() {
                for octet in 0..0x80_u8 {
                    let mut text = good.clone().into_bytes();
                    text[at] = octet;
                    let text = String::from_utf8(text).unwrap();
                    assert_eq!(
                        Text::<N>::parse(&text).map(|text| text.octets()),
                        decode::<N>(&text),
                        "{text}"
                    );
                }
            }
            for text in ["", "A", good.split_at(1).1, &format!("{good}A"), &format!("{good}=")] {
                assert_eq!(Text::<N>::parse(text).map(drop), Err(B64uError::Length), "{text}");
            }
        }
        agrees::<31>();
        agrees::<32>();
        agrees::<33>();
        agrees::<64>();
        assert_eq!(Text::parse(Text::UNSIGNED.as_str()), Ok(Text::UNSIGNED));
        assert_eq!(Text::<2>::parse("\u{e9}A").map(drop), Err(B64uError::Encoding), "not ASCII");
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        let octets = [7; 32];
        assert_eq!(decode::<32>(&encode(&octets)), Ok(octets));
        assert_eq!(encode_32(&octets).as_slice(), encode(&octets).as_bytes());
    }
}

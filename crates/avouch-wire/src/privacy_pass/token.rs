//! `Token` (RFC 9577 section 2.2) of type 2 (RFC 9578 section 6.3).

use super::TOKEN_TYPE;
use data_encoding::BASE64URL;
use std::fmt;
use thiserror::Error;

/// Octets of a token.
const LENGTH: usize = 2 + 3 * 32 + 256;

/// A token. That it holds is not said; [`super::IssuerKey::verify`] says that.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Box<Parts>);

#[derive(Clone, PartialEq, Eq)]
struct Parts {
    nonce: [u8; 32],
    challenge_digest: [u8; 32],
    key_id: [u8; 32],
    authenticator: [u8; 256],
}

/// Why something is no token of this type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TokenError {
    /// Not base64url with its padding (RFC 9577 section 2.2).
    #[error("is not base64url, padded to a multiple of 4 characters")]
    Encoding,
    /// Another token type.
    #[error("token type {0:#06x} is not 0x0002")]
    Type(u16),
    /// Another length than that of the type.
    #[error("a token of type 0x0002 has 354 octets, this one {0}")]
    Length(usize),
}

impl Token {
    /// Puts a token together: what the client drew, the digest of a challenge, the name of a key, and what
    /// that key signed.
    #[must_use]
    pub fn new(
        nonce: [u8; 32],
        challenge_digest: [u8; 32],
        key_id: [u8; 32],
        authenticator: [u8; 256],
    ) -> Self {
        Self(Box::new(Parts { nonce, challenge_digest, key_id, authenticator }))
    }

    /// Reads a token.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn parse(octets: &[u8]) -> Result<Self, TokenError> {
        let length = TokenError::Length(octets.len());
        let (token_type, rest) = octets.split_first_chunk().ok_or(length)?;
        let token_type = u16::from_be_bytes(*token_type);
        if token_type != TOKEN_TYPE {
            return Err(TokenError::Type(token_type));
        }
        let (nonce, rest) = rest.split_first_chunk().ok_or(length)?;
        let (challenge_digest, rest) = rest.split_first_chunk().ok_or(length)?;
        let (key_id, rest) = rest.split_first_chunk().ok_or(length)?;
        let authenticator = rest.try_into().map_err(|_| length)?;
        Ok(Self::new(*nonce, *challenge_digest, *key_id, authenticator))
    }

    /// Reads a token as fields carry it: base64url with padding, which this type happens not to need.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn parse_text(text: &str) -> Result<Self, TokenError> {
        Self::parse(&BASE64URL.decode(text.as_bytes()).map_err(|_| TokenError::Encoding)?)
    }

    /// What the client drew; it makes the token unique.
    #[must_use]
    pub const fn nonce(&self) -> &[u8; 32] {
        &self.0.nonce
    }

    /// SHA-256 of the challenge it was made for.
    #[must_use]
    pub const fn challenge_digest(&self) -> &[u8; 32] {
        &self.0.challenge_digest
    }

    /// SHA-256 of the issuer's key.
    #[must_use]
    pub const fn key_id(&self) -> &[u8; 32] {
        &self.0.key_id
    }

    /// The issuer's signature.
    #[must_use]
    pub const fn authenticator(&self) -> &[u8; 256] {
        &self.0.authenticator
    }

    /// What is signed (RFC 9577 section 2.2.1).
    #[must_use]
    pub fn input(&self) -> Vec<u8> {
        let Parts { nonce, challenge_digest, key_id, .. } = &*self.0;
        let mut input = Vec::with_capacity(LENGTH);
        input.extend(TOKEN_TYPE.to_be_bytes());
        [nonce, challenge_digest, key_id].into_iter().for_each(|part| input.extend(part));
        input
    }

    /// All of it.
    #[must_use]
    pub fn octets(&self) -> Vec<u8> {
        let mut octets = self.input();
        octets.extend(self.authenticator());
        octets
    }

    /// As fields carry it.
    #[must_use]
    pub fn text(&self) -> String {
        BASE64URL.encode(&self.octets())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({})", BASE64URL.encode(self.nonce()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> Token {
        Token::new([1; 32], [2; 32], [3; 32], [4; 256])
    }

    #[test]
    fn the_parts_lie_where_they_were_put() {
        let token = token();
        assert_eq!((token.nonce(), token.challenge_digest()), (&[1; 32], &[2; 32]));
        assert_eq!((token.key_id(), token.authenticator()), (&[3; 32], &[4; 256]));
        assert_eq!(token.input(), [&[0, 2][..], &[1; 32], &[2; 32], &[3; 32]].concat());
        assert_eq!(Token::parse(&token.octets()), Ok(token.clone()));
        assert_eq!(Token::parse_text(&token.text()), Ok(token));
    }

    #[test]
    fn a_token_has_one_length_one_type_and_one_spelling() {
        let octets = token().octets();
        for end in [0, 1, 2, 97, 353] {
            assert_eq!(Token::parse(&octets[..end]), Err(TokenError::Length(end)));
        }
        assert_eq!(Token::parse(&[octets.as_slice(), &[0]].concat()), Err(TokenError::Length(355)));
        let mut other = octets.clone();
        other[1] = 1;
        assert_eq!(Token::parse(&other), Err(TokenError::Type(1)));
        let text = token().text();
        assert_eq!(text.len(), 472);
        for bad in [
            text.replacen('B', "+", 1),
            format!("{text}===="),
            text.replacen('B', " ", 1),
            text.split_at(471).0.into(),
        ] {
            assert_eq!(Token::parse_text(&bad), Err(TokenError::Encoding), "{bad}");
        }
    }
}

//! The `Authorization` field with which a client redeems a token (RFC 9577 section 2.2).

use super::parameters::{FieldError, Item, Items, is_token, once};
use super::{SCHEME, Token, TokenError, is_grease};
use thiserror::Error;

/// Why credentials of this scheme are no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AuthorizationError {
    /// The field cannot be read.
    #[error("Authorization: {0}")]
    Field(#[from] FieldError),
    /// The token in it cannot.
    #[error("token: {0}")]
    Token(#[from] TokenError),
}

/// Reads a value of `Authorization`: `None` when it is not of this scheme, and then it says nothing here, nor
/// does a token of a type that clients send in order to mean nothing.
///
/// # Errors
/// [`AuthorizationError`].
pub fn read(value: &[u8]) -> Result<Option<Token>, AuthorizationError> {
    if !is_private_token(value) {
        return Ok(None);
    }
    let text = std::str::from_utf8(value).map_err(|error| FieldError::Syntax(error.valid_up_to()))?;
    let mut token = None;
    for item in Items::of(text)?.skip(1) {
        match item? {
            Item::Parameter(name, value) if name.eq_ignore_ascii_case("token") => {
                once(&mut token, "token", value)?;
            }
            Item::Parameter(..) => {}
            // Credentials are of one scheme, and this one has parameters.
            Item::Scheme(_) | Item::Opaque => return Err(FieldError::Syntax(SCHEME.len() + 1).into()),
        }
    }
    match Token::parse_text(token.ok_or(FieldError::Missing("token"))?) {
        Ok(token) => Ok(Some(token)),
        Err(TokenError::Type(other)) if is_grease(other) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether a value of `Authorization` is of this scheme.
#[must_use]
pub fn is_private_token(value: &[u8]) -> bool {
    let value = value.trim_ascii_start();
    value.split_at_checked(SCHEME.len()).is_some_and(|(scheme, rest)| {
        scheme.eq_ignore_ascii_case(SCHEME.as_bytes()) && rest.first().is_none_or(|next| !is_token(*next))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn token() -> Token {
        Token::new([1; 32], [2; 32], [3; 32], [4; 256])
    }

    #[test]
    fn a_token_is_read_bare_and_quoted_whatever_stands_around_it() {
        let text = token().text();
        for value in [
            format!("PrivateToken token=\"{text}\""),
            format!("PrivateToken token={text}"),
            format!("privatetoken  x=\"a, token=b\", TOKEN = \"{text}\" ,"),
            format!("PrivateToken token=\"{text}\", extensions=\"AAA=\""),
        ] {
            assert_eq!(read(value.as_bytes()), Ok(Some(token())), "{value}");
        }
    }

    #[test]
    fn other_schemes_say_nothing() {
        for value in [
            "",
            "Basic eA==",
            "Bearer PrivateToken",
            "PrivateTokens token=x",
            "PrivateToken-v2 token=x",
            "Private token=x",
            "\u{ff}",
        ] {
            assert_eq!(read(value.as_bytes()), Ok(None), "{value}");
        }
    }

    #[test]
    fn what_is_of_the_scheme_and_no_token_is_refused() {
        let text = token().text();
        for value in [
            "PrivateToken".to_owned(),
            "PrivateToken x=y".to_owned(),
            format!("PrivateToken {text}"),
            format!("PrivateToken token=\"{text}\", token=\"{text}\""),
            format!("PrivateToken token=\"{text}\", Basic eA=="),
            format!("PrivateToken token=\"{text}\" x=y"),
            format!("PrivateToken token=\"{text}"),
            format!("PrivateToken token=\"{text}=\""),
            format!("PrivateToken token=\"{}\"", text.split_at(468).0),
            format!("PrivateToken token=\"{text}AAAA\""),
            format!("PrivateToken token=\"\\{text}\""),
            "PrivateToken token=\"\"".to_owned(),
            format!("PrivateToken token=\"{}\"", text.replacen("AAI", "AAE", 1)),
        ] {
            assert!(read(value.as_bytes()).is_err(), "{value}");
        }
    }

    #[test]
    fn a_token_that_means_nothing_is_none() {
        for token_type in [0x0000_u16, 0x02aa, 0xf057] {
            let octets = [&token_type.to_be_bytes()[..], b"random"].concat();
            let value = format!("PrivateToken token=\"{}\"", data_encoding::BASE64URL.encode(&octets));
            assert_eq!(read(value.as_bytes()), Ok(None));
        }
        let octets = [&0x02ab_u16.to_be_bytes()[..], b"random"].concat();
        let value = format!("PrivateToken token=\"{}\"", data_encoding::BASE64URL.encode(&octets));
        assert_eq!(read(value.as_bytes()), Err(TokenError::Type(0x02ab).into()));
    }

    proptest! {
        #[test]
        fn no_octets_make_the_parser_panic(octets in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = read(&octets);
            let _ = read(&[b"PrivateToken ", octets.as_slice()].concat());
        }
    }
}

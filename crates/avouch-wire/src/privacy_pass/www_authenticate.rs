//! The `WWW-Authenticate` field with which a site asks for tokens (RFC 9577 section 2.1).

use super::parameters::{FieldError, Item, Items, once};
use super::{IssuerKey, SCHEME, TokenChallenge};
use data_encoding::BASE64URL;
use std::fmt;

/// The most challenges of this scheme in one field that are looked at.
pub const MAX_CHALLENGES: usize = 16;

/// A challenge as it stands in the field, nothing decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenged<'a> {
    challenge: &'a str,
    token_key: Option<&'a str>,
    /// For how many seconds the site will take tokens for it, where it says so.
    pub max_age: Option<u64>,
}

impl<'a> Challenged<'a> {
    /// The challenges of this scheme in a field; those of others are passed over, and so are parameters
    /// that nobody defined.
    ///
    /// # Errors
    /// [`FieldError`].
    pub fn read(field: &'a str) -> Result<Vec<Self>, FieldError> {
        let (mut found, mut open): (Vec<Self>, Option<Parameters<'_>>) = (Vec::new(), None);
        for item in Items::of(field)? {
            match item? {
                Item::Scheme(scheme) => {
                    found.extend(open.take().map(Parameters::close).transpose()?);
                    let is_ours = scheme.eq_ignore_ascii_case(SCHEME) && found.len() < MAX_CHALLENGES;
                    open = is_ours.then(Parameters::default);
                }
                Item::Parameter(name, value) => {
                    open.as_mut().map_or(Ok(()), |open| open.take(name, value))?;
                }
                Item::Opaque => {}
            }
        }
        found.extend(open.map(Parameters::close).transpose()?);
        Ok(found)
    }

    /// The octets of the challenge, of whatever token type; `None` if they are not base64url with padding.
    #[must_use]
    pub fn challenge(&self) -> Option<Vec<u8>> {
        BASE64URL.decode(self.challenge.as_bytes()).ok()
    }

    /// The octets of the issuer's key, where it stands there and is base64url with padding.
    #[must_use]
    pub fn token_key(&self) -> Option<Vec<u8>> {
        BASE64URL.decode(self.token_key?.as_bytes()).ok()
    }

    /// The value of the field that asks for a token for this challenge, by this key, within so many seconds.
    pub fn write(challenge: &TokenChallenge, key: &IssuerKey, max_age: u64) -> impl fmt::Display {
        let (challenge, key) = (BASE64URL.encode(&challenge.octets()), key.text());
        format!("{SCHEME} challenge=\"{challenge}\", token-key=\"{key}\", max-age=\"{max_age}\"")
    }
}

/// The parameters of a challenge while it is read.
#[derive(Default)]
struct Parameters<'a> {
    challenge: Option<&'a str>,
    token_key: Option<&'a str>,
    max_age: Option<&'a str>,
}

impl<'a> Parameters<'a> {
    fn take(&mut self, name: &str, value: &'a str) -> Result<(), FieldError> {
        match name.to_ascii_lowercase().as_str() {
            "challenge" => once(&mut self.challenge, "challenge", value),
            "token-key" => once(&mut self.token_key, "token-key", value),
            "max-age" => once(&mut self.max_age, "max-age", value),
            _ => Ok(()),
        }
    }

    fn close(self) -> Result<Challenged<'a>, FieldError> {
        Ok(Challenged {
            challenge: self.challenge.ok_or(FieldError::Missing("challenge"))?,
            token_key: self.token_key,
            max_age: self.max_age.and_then(|text| text.parse().ok()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::rfc;
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let challenge = TokenChallenge::new("issuer.example", [7; 32], "www.shop.example").unwrap();
        let key = IssuerKey::from_spki(&rfc::octets(rfc::KEY)).unwrap();
        let field = Challenged::write(&challenge, &key, 200).to_string();
        let read = Challenged::read(&field).unwrap();
        let [one] = read.as_slice() else { panic!("one challenge: {field}") };
        assert_eq!(one.challenge(), Some(challenge.octets()));
        assert_eq!(one.token_key(), Some(rfc::octets(rfc::KEY)));
        assert_eq!(one.max_age, Some(200));
    }

    #[test]
    fn challenges_of_other_schemes_are_passed_over() {
        let field = "SAIP, Basic realm=\"challenge=\", PrivateToken challenge=AAIA, x=y, Negotiate eA==";
        let read = Challenged::read(field).unwrap();
        assert_eq!(read, [Challenged { challenge: "AAIA", token_key: None, max_age: None }]);
        assert_eq!(Challenged::read("Basic realm=a"), Ok(vec![]));
    }

    #[test]
    fn a_challenge_without_one_or_with_two_is_refused() {
        assert_eq!(Challenged::read("PrivateToken token-key=AAAA"), Err(FieldError::Missing("challenge")));
        let twice = "PrivateToken challenge=AAAA, challenge=AAAA";
        assert_eq!(Challenged::read(twice), Err(FieldError::Repeated("challenge")));
        assert_eq!(
            Challenged::read("PrivateToken challenge=AAA").unwrap()[0].challenge(),
            None,
            "its padding lacks"
        );
        let many = vec!["PrivateToken challenge=AAAA"; 100].join(", ");
        assert_eq!(Challenged::read(&many).unwrap().len(), MAX_CHALLENGES);
    }
}

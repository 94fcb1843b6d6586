//! `TokenChallenge` (RFC 9577 section 2.1): what a token is to be made for.

use super::TOKEN_TYPE;
use aws_lc_rs::digest;
use thiserror::Error;

/// What a token is to be made for. Only this token type, with the structure that is the default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenChallenge {
    issuer: String,
    context: Option<[u8; 32]>,
    origins: String,
}

/// Why octets are no challenge of this token type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ChallengeError {
    /// Another token type.
    #[error("token type {0:#06x} is not 0x0002")]
    Type(u16),
    /// It ends too early, or goes on after its end.
    #[error("the lengths in it do not add up to its length")]
    Length,
    /// The redemption context has neither 0 nor 32 octets.
    #[error("a redemption context of {0} octets, which has 0 or 32")]
    Context(u8),
    /// The issuer's name is empty, or holds octets outside 0x21–0x7E.
    #[error("the issuer's name is empty or holds octets outside 0x21–0x7E")]
    Issuer,
    /// A name of an origin is empty, or holds octets outside 0x21–0x7E.
    #[error("a name in origin_info is empty or holds octets outside 0x21–0x7E")]
    Origins,
}

impl TokenChallenge {
    /// A challenge for tokens of this issuer, which count at one origin and in one context. `None` if a name
    /// is empty, longer than 65 535 octets, or holds what names do not: octets outside 0x21–0x7E, or a comma.
    #[must_use]
    pub fn new(issuer: &str, context: [u8; 32], origin: &str) -> Option<Self> {
        let fits = |name: &str| is_name(name) && !name.contains(',') && u16::try_from(name.len()).is_ok();
        (fits(issuer) && fits(origin)).then(|| Self {
            issuer: issuer.to_owned(),
            context: Some(context),
            origins: origin.to_owned(),
        })
    }

    /// Reads a challenge.
    ///
    /// # Errors
    /// [`ChallengeError`].
    pub fn parse(octets: &[u8]) -> Result<Self, ChallengeError> {
        let (token_type, rest) = octets.split_first_chunk().ok_or(ChallengeError::Length)?;
        let token_type = u16::from_be_bytes(*token_type);
        if token_type != TOKEN_TYPE {
            return Err(ChallengeError::Type(token_type));
        }
        let (issuer, rest) = lp16(rest).ok_or(ChallengeError::Length)?;
        let (&length, rest) = rest.split_first().ok_or(ChallengeError::Length)?;
        let (context, rest) = match length {
            0 => (None, rest),
            32 => {
                let (context, rest) = rest.split_first_chunk().ok_or(ChallengeError::Length)?;
                (Some(*context), rest)
            }
            length => return Err(ChallengeError::Context(length)),
        };
        let (origins, rest) = lp16(rest).ok_or(ChallengeError::Length)?;
        if !rest.is_empty() {
            return Err(ChallengeError::Length);
        }
        let issuer = std::str::from_utf8(issuer).ok().filter(|name| is_name(name));
        let issuer = issuer.ok_or(ChallengeError::Issuer)?.to_owned();
        let origins = std::str::from_utf8(origins).map_err(|_| ChallengeError::Origins)?;
        if !origins.is_empty() && !origins.split(',').all(is_name) {
            return Err(ChallengeError::Origins);
        }
        Ok(Self { issuer, context, origins: origins.to_owned() })
    }

    /// As it is sent, and digested.
    #[must_use]
    pub fn octets(&self) -> Vec<u8> {
        let context = self.context.as_ref().map_or(&[][..], |context| context);
        let mut octets = Vec::with_capacity(7 + self.issuer.len() + context.len() + self.origins.len());
        octets.extend(TOKEN_TYPE.to_be_bytes());
        put_lp16(&mut octets, &self.issuer);
        octets.push(if context.is_empty() { 0 } else { 32 });
        octets.extend(context);
        put_lp16(&mut octets, &self.origins);
        octets
    }

    /// SHA-256 of [`TokenChallenge::octets`], which a token carries.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let digest = digest::digest(&digest::SHA256, &self.octets());
        digest.as_ref().first_chunk().copied().unwrap_or_default()
    }

    /// The issuer's name.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The redemption context; `None` where the site would take the token at any time.
    #[must_use]
    pub const fn context(&self) -> Option<&[u8; 32]> {
        self.context.as_ref()
    }

    /// Where the token counts: nowhere named means anywhere.
    pub fn origins(&self) -> impl Iterator<Item = &str> {
        self.origins.split(',').filter(|name| !name.is_empty())
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|octet| octet.is_ascii_graphic())
}

fn lp16(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = octets.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

/// Names are no longer than their length can say: they were read so, or checked by [`TokenChallenge::new`].
fn put_lp16(octets: &mut Vec<u8>, text: &str) {
    octets.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
    octets.extend(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn challenge() -> TokenChallenge {
        TokenChallenge::new("issuer.example", [7; 32], "www.shop.example:8443").unwrap()
    }

    #[test]
    fn what_is_written_reads_back_and_nothing_around_it_does() {
        let octets = challenge().octets();
        assert_eq!(TokenChallenge::parse(&octets), Ok(challenge()));
        for end in 0..octets.len() {
            assert!(TokenChallenge::parse(&octets[..end]).is_err(), "{end}");
        }
        let longer = [octets.as_slice(), b"x"].concat();
        assert_eq!(TokenChallenge::parse(&longer), Err(ChallengeError::Length));
    }

    #[test]
    fn other_types_contexts_and_names_are_refused() {
        let change = |at: usize, to: u8| {
            let mut octets = challenge().octets();
            octets[at] = to;
            TokenChallenge::parse(&octets)
        };
        assert_eq!(change(1, 1), Err(ChallengeError::Type(1)));
        assert_eq!(change(1, 3), Err(ChallengeError::Type(3)));
        assert_eq!(change(4, b' '), Err(ChallengeError::Issuer));
        assert_eq!(change(18, 31), Err(ChallengeError::Context(31)));
        assert_eq!(change(18, 33), Err(ChallengeError::Context(33)));
        assert_eq!(change(53, b','), Err(ChallengeError::Origins));
        assert_eq!(change(53, 0xff), Err(ChallengeError::Origins));
        assert_eq!(TokenChallenge::parse(&[0, 2, 0, 0, 0, 0, 0]), Err(ChallengeError::Issuer));
    }

    #[test]
    fn a_challenge_is_made_of_names_only() {
        for bad in ["", "a b", "a,b", "ä.example", &"a".repeat(65_536)] {
            assert_eq!(TokenChallenge::new(bad, [0; 32], "a"), None);
            assert_eq!(TokenChallenge::new("a", [0; 32], bad), None);
        }
    }

    proptest! {
        #[test]
        fn no_octets_make_the_parser_panic(octets in prop::collection::vec(any::<u8>(), 0..80), of_type: bool) {
            let octets = if of_type { [&[0, 2, 0, 1][..], &octets].concat() } else { octets };
            if let Ok(challenge) = TokenChallenge::parse(&octets) {
                prop_assert_eq!(challenge.octets(), octets);
            }
        }
    }
}

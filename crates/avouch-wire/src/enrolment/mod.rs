//! How an agent asks a registrar to publish its key (`docs/formats/registrar.md`; an avouch extension for VICDM draft
//! section 6.4, which leaves it open).

mod pattern;
mod question;

pub use pattern::{AgentPattern, PatternError};
pub use question::{Enrolment, EnrolmentError, Fault, MAX_QUESTION};

use aws_lc_rs::digest::{SHA256, digest};

use crate::b64u;
use crate::context::ENROLMENT_TOKEN;

/// What a token begins with, so that whoever finds one knows what it is.
const PREFIX: &str = "avouch-enrol-";

/// SHA-256 of a token: what a registrar keeps of it.
pub type TokenDigest = [u8; 32];

/// The text of a token: `avouch-enrol-`, then 32 random octets in base64url.
#[must_use]
pub fn token_text(random: &[u8; 32]) -> String {
    format!("{PREFIX}{}", b64u::encode(random))
}

/// The digest of a token; `None` when the text is none.
#[must_use]
pub fn token_digest(text: &str) -> Option<TokenDigest> {
    digest_under(ENROLMENT_TOKEN, text)
}

/// The digest of a token under the context of what it is for: a token for one thing is none for another.
pub(crate) fn digest_under(context: &[u8], text: &str) -> Option<TokenDigest> {
    let random: [u8; 32] = b64u::decode(text.strip_prefix(PREFIX)?).ok()?;
    digest(&SHA256, &[context, &random].concat()).as_ref().try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_its_digest_and_near_misses_are_none() {
        let text = token_text(&[7; 32]);
        assert_eq!(text.len(), 56);
        let digest = token_digest(&text).unwrap();
        assert_ne!(token_digest(&token_text(&[8; 32])).unwrap(), digest);
        for near in [
            text.split_at(1).1,
            text.split_at(55).0,
            &format!("{text}="),
            &format!("{text} "),
            &text.to_uppercase(),
            "",
        ] {
            assert_eq!(token_digest(near), None, "{near}");
        }
    }
}

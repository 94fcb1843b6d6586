//! The signer of a partner, whose key a site's operator registered under a name.

use crate::entropy::SystemEntropy;
use crate::secret::SecretKey;
use crate::web_bot_auth::{Fields, Named, RequestToSign, SignError, sign_whole};
use avouch_wire::time::Time;

/// The label of the signature; another than that of a bot's, which may stand beside it.
const LABEL: &str = "partner";

/// How the site knows the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Speaker<'a> {
    /// The name of the key.
    pub keyid: &'a str,
    /// The tag that is agreed upon, if one is.
    pub tag: Option<&'a str>,
    /// How long the signature lasts, in seconds.
    pub lifetime: u64,
}

/// Signs method, site, path, query and content, for once.
///
/// # Errors
/// [`SignError`].
pub fn sign(
    key: &SecretKey,
    speaker: Speaker<'_>,
    request: RequestToSign<'_>,
    now: Time,
) -> Result<Fields, SignError> {
    let Speaker { keyid, tag, lifetime } = speaker;
    let name = Named { label: LABEL, keyid, tag, lifetime };
    sign_whole(key, name, (Vec::new(), Vec::new()), request, now, &mut SystemEntropy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::Fixed;
    use avouch_wire::authority::{Authority, Scheme};
    use avouch_wire::content::ContentDigest;
    use avouch_wire::http_signature::read;
    use avouch_wire::key::KeyType;
    use avouch_wire::target::Target;

    #[test]
    fn all_that_is_asked_is_covered_under_the_name_that_was_agreed() {
        let key = SecretKey::generate(KeyType::Ed25519, &mut Fixed(1)).unwrap();
        let (target, authority) = (
            Target::parse("GET", "/a?b").unwrap(),
            Authority::parse("api.shop.example", Scheme::Https).unwrap(),
        );
        let request = |content| RequestToSign {
            method: "POST",
            scheme: Scheme::Https,
            authority: &authority,
            target: &target,
            content,
        };
        let signed = |keyid, lifetime, content| {
            sign(&key, Speaker { keyid, tag: Some("api"), lifetime }, request(content), Time::from_seconds(5))
        };
        let fields = signed("one", 60, Some(ContentDigest::of(b"hello"))).unwrap();
        let [(_, digest), (_, input), (_, signature)] = fields.as_slice() else { panic!("{fields:?}") };
        assert!(digest.starts_with("sha-256=:"));
        let one = read(input, signature).unwrap().remove(0);
        let input = one.signature.unwrap().input;
        let covered: Vec<_> = input.components().iter().map(ToString::to_string).collect();
        let all =
            ["@method", "@authority", "@path", "@query", "content-digest"].map(|name| format!("\"{name}\""));
        assert_eq!(covered, all);
        assert_eq!((input.keyid, input.tag, input.expires), (Some("one"), Some("api"), Some(65)));
        assert!(input.nonce.is_some());
        assert_eq!(signed("one", 60, None).unwrap().len(), 2, "no content, no digest");
        assert_eq!(signed("one", 0, None), Err(SignError::Lifetime));
        assert!(matches!(signed("o\"e", 60, None), Err(SignError::Signature(_))));
    }
}

//! The signer of a key directory: each of its keys says which site it is served for
//! (draft-meunier-http-message-signatures-directory, section "Binding keys to the directory authority").

use crate::http_signature::{self, Members};
use crate::secret::SecretKey;
use crate::web_bot_auth::SignError;
use avouch_wire::authority::{Authority, Scheme};
use avouch_wire::http_signature::{Component, Message, SignatureInput, Start, Thumbprint};
use avouch_wire::time::Time;
use avouch_wire::web_bot_auth::{DIRECTORY_TAG, WELL_KNOWN};

/// Signs the answer that brings a directory, once by each of its keys, for the site that was asked. The answer itself
/// is not covered, as the draft has it: a key says where it is published, not beside which others.
///
/// # Errors
/// [`SignError`].
pub fn sign(
    keys: &[SecretKey],
    authority: &Authority<'_>,
    lifetime: u64,
    now: Time,
) -> Result<Members, SignError> {
    let start = Start::Request {
        method: "GET",
        scheme: Scheme::Https.as_str(),
        authority: authority.as_str(),
        path: WELL_KNOWN,
        target: WELL_KNOWN,
    };
    let asked = Message { start, fields: &[], trailers: &[], request: None };
    let answer =
        Message { start: Start::Response { status: 200 }, fields: &[], trailers: &[], request: Some(&asked) };
    let created = now.seconds();
    let expires = created.checked_add(lifetime).filter(|expires| *expires > created);
    let expires = expires.ok_or(SignError::Lifetime)?;
    let (mut inputs, mut signatures) = (Vec::new(), Vec::new());
    for (number, key) in (1..).zip(keys) {
        let keyid = Thumbprint::of(key.public()).to_string();
        let mut input = SignatureInput::covering(vec![Component::of_request("@authority")?])?;
        (input.created, input.expires) = (Some(created), Some(expires));
        (input.keyid, input.tag) = (Some(keyid.as_str()), Some(DIRECTORY_TAG));
        let signed = http_signature::sign(key, &format!("sig{number}"), input, &answer)?;
        inputs.push(signed.signature_input);
        signatures.push(signed.signature);
    }
    Ok(Members { signature_input: inputs.join(", "), signature: signatures.join(", ") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::Fixed;
    use avouch_wire::http_signature::{Algorithms, VerificationKey, read};
    use avouch_wire::key::KeyType;

    #[test]
    fn each_key_signs_for_the_site_and_for_no_other() {
        let keys = [(KeyType::Ed25519, 1), (KeyType::P256, 2)]
            .map(|(key_type, seed)| SecretKey::generate(key_type, &mut Fixed(seed)).unwrap());
        let site = Authority::parse("bot.example:8443", Scheme::Https).unwrap();
        let now = Time::from_seconds(1_790_000_000);
        let signed = sign(&keys, &site, 3600, now).unwrap();
        let read = read(&signed.signature_input, &signed.signature).unwrap();
        assert_eq!(read.len(), 2);
        for (key, one) in keys.iter().zip(read) {
            let signature = one.signature.unwrap();
            let input = &signature.input;
            assert_eq!(input.keyid, Some(Thumbprint::of(key.public()).to_string().as_str()));
            assert_eq!((input.created, input.expires), (Some(1_790_000_000), Some(1_790_003_600)));
            assert_eq!(input.tag, Some("http-message-signatures-directory"));
            let holds = |authority: &str| {
                let start = Start::Request {
                    method: "GET",
                    scheme: "https",
                    authority,
                    path: WELL_KNOWN,
                    target: WELL_KNOWN,
                };
                let asked = Message { start, fields: &[], trailers: &[], request: None };
                let start = Start::Response { status: 200 };
                let base = input
                    .base(&Message { start, fields: &[], trailers: &[], request: Some(&asked) })
                    .unwrap();
                let key = VerificationKey::from(key.public().clone());
                let algorithm = key.algorithm(None, Algorithms::DEFAULT).unwrap();
                key.verify(algorithm, &base, signature.octets).is_ok()
            };
            assert!(holds("bot.example:8443"));
            assert!(!holds("bot.example") && !holds("other.example:8443"));
        }
    }

    #[test]
    fn a_signature_without_a_lifetime_is_not_made() {
        let keys = [SecretKey::generate(KeyType::Ed25519, &mut Fixed(1)).unwrap()];
        let site = Authority::parse("bot.example", Scheme::Https).unwrap();
        assert_eq!(sign(&keys, &site, 0, Time::from_seconds(1)), Err(SignError::Lifetime));
        assert!(sign(&keys, &site, 1, Time::from_seconds(1)).is_ok());
    }
}

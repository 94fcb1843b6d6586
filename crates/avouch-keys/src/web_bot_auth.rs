//! The signer of a bot: it says which domain answers for it, in the manner of Web Bot Auth.

use crate::entropy::{Entropy, NoRandomness, SystemEntropy};
use crate::http_signature::{self, Members};
use crate::secret::SecretKey;
use avouch_wire::authority::{Authority, Scheme};
use avouch_wire::content::ContentDigest;
use avouch_wire::http_signature::{
    Component, ComponentError, FieldDigest, Message, SignatureInput, Start, Thumbprint,
};
use avouch_wire::target::Target;
use avouch_wire::time::Time;
use avouch_wire::web_bot_auth::{Dialect, FIELD, TAG};
use data_encoding::BASE64;

/// The label of the signature, and in a dictionary the key of its member.
const LABEL: &str = "sig1";

/// 256 bits, as the drafts show.
const NONCE_OCTETS: usize = 32;

/// Why a request was not signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The message could not be signed.
    #[error(transparent)]
    Signature(#[from] http_signature::SignError),
    /// A component cannot be covered; a defect of avouch.
    #[error(transparent)]
    Component(#[from] ComponentError),
    /// The generator failed.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// The lifetime is 0, or the time lies beyond what can be written.
    #[error("a signature lasts a second at least")]
    Lifetime,
}

/// How a bot speaks of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Speaker<'a> {
    /// The form of `Signature-Agent`.
    pub dialect: Dialect,
    /// The URL in it: an origin, or of dialect D the URL of the keys.
    pub url: &'a str,
    /// How long the signature lasts, in seconds.
    pub lifetime: u64,
}

/// What is signed of a request.
#[derive(Debug, Clone, Copy)]
pub struct RequestToSign<'a> {
    /// The method as sent.
    pub method: &'a str,
    /// `http` or `https`.
    pub scheme: Scheme,
    /// The site.
    pub authority: &'a Authority<'a>,
    /// The target in origin form as it will be sent.
    pub target: &'a Target<'a>,
    /// The digest of the content; `None` where there is none, which is not covered then.
    pub content: Option<ContentDigest>,
}

/// The fields of a signed request, in the order they are sent.
pub type Fields = Vec<(&'static str, String)>;

/// Signs method, site, path, query, `Signature-Agent` and content, for once.
///
/// # Errors
/// [`SignError`].
pub fn sign(
    key: &SecretKey,
    speaker: Speaker<'_>,
    request: RequestToSign<'_>,
    now: Time,
) -> Result<Fields, SignError> {
    sign_with(key, speaker, request, now, &mut SystemEntropy)
}

fn sign_with(
    key: &SecretKey,
    speaker: Speaker<'_>,
    request: RequestToSign<'_>,
    now: Time,
    entropy: &mut impl Entropy,
) -> Result<Fields, SignError> {
    let agent = format!("\"{}\"", speaker.url);
    let (agent, covered) = match speaker.dialect {
        Dialect::A | Dialect::D => (agent, Component::named(FIELD)?),
        Dialect::B => (format!("{LABEL}={agent}"), Component::member(FIELD, LABEL)?),
        Dialect::C => (format!("{LABEL}={agent};type=directory"), Component::member(FIELD, LABEL)?),
    };
    let own = vec![("Signature-Agent", agent)];
    let keyid = Thumbprint::of(key.public()).to_string();
    let name = Named { label: LABEL, keyid: &keyid, tag: Some(TAG), lifetime: speaker.lifetime };
    sign_whole(key, name, (own, vec![covered]), request, now, entropy)
}

/// How a signature of a request is called.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Named<'a> {
    pub(crate) label: &'a str,
    pub(crate) keyid: &'a str,
    pub(crate) tag: Option<&'a str>,
    pub(crate) lifetime: u64,
}

/// Signs method, site, path, query and content, and what a profile adds: fields, and the components that cover them.
pub(crate) fn sign_whole(
    key: &SecretKey,
    name: Named<'_>,
    (mut fields, covered): (Fields, Vec<Component<'_>>),
    request: RequestToSign<'_>,
    now: Time,
    entropy: &mut impl Entropy,
) -> Result<Fields, SignError> {
    let mut nonce = [0; NONCE_OCTETS];
    entropy.fill(&mut nonce)?;
    let nonce = BASE64.encode(&nonce);
    let mut components = ["@method", "@authority", "@path", "@query"]
        .map(Component::named)
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    components.extend(covered);
    if let Some(content) = request.content {
        fields.push(("Content-Digest", FieldDigest::from(content).to_string()));
        components.push(Component::named("content-digest")?);
    }
    let created = now.seconds();
    let mut input = SignatureInput::covering(components)?;
    input.created = Some(created);
    input.expires = created.checked_add(name.lifetime).filter(|expires| *expires > created);
    if input.expires.is_none() {
        return Err(SignError::Lifetime);
    }
    (input.nonce, input.keyid, input.tag) = (Some(nonce.as_str()), Some(name.keyid), name.tag);
    let sent: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    let start = Start::Request {
        method: request.method,
        scheme: request.scheme.as_str(),
        authority: request.authority.as_str(),
        path: request.target.path(),
        target: request.target.path(),
    };
    let message = Message { start, fields: &sent, trailers: &[], request: None };
    let Members { signature_input, signature } = http_signature::sign(key, name.label, input, &message)?;
    fields.extend([("Signature-Input", signature_input), ("Signature", signature)]);
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::Fixed;
    use avouch_wire::http_signature::{Algorithms, TimeRules, VerificationKey, read};
    use avouch_wire::key::KeyType;
    use avouch_wire::web_bot_auth::Agents;

    #[test]
    fn what_is_signed_in_any_dialect_verifies_and_names_the_bot() {
        let key = SecretKey::generate(KeyType::Ed25519, &mut Fixed(1)).unwrap();
        let target = Target::parse("POST", "/prices?page=2").unwrap();
        let authority = Authority::parse("www.shop.example", Scheme::Https).unwrap();
        let content = Some(ContentDigest::of(b"hello"));
        let request = RequestToSign {
            method: "POST",
            scheme: Scheme::Https,
            authority: &authority,
            target: &target,
            content,
        };
        let now = Time::from_seconds(1_790_000_000);
        for (dialect, url) in [
            (Dialect::A, "https://bot.example"),
            (Dialect::B, "https://bot.example"),
            (Dialect::C, "https://bot.example"),
            (Dialect::D, "https://bot.example/keys.json"),
        ] {
            let fields = sign(&key, Speaker { dialect, url, lifetime: 60 }, request, now).unwrap();
            let value = |name: &str| {
                fields.iter().find(|(own, _)| *own == name).map(|(_, value)| value.as_str()).unwrap()
            };
            let signature = read(value("Signature-Input"), value("Signature")).unwrap().remove(0);
            let (label, signature) = (signature.label, signature.signature.unwrap());
            let agent = Agents::parse(value("Signature-Agent"))
                .unwrap()
                .of(label, &signature.input, |_| false)
                .unwrap();
            assert_eq!((agent.dialect, agent.domain.as_str()), (dialect, "bot.example"));
            assert_eq!(signature.input.check_times(now.seconds(), TimeRules::DEFAULT), Ok(()));
            assert_eq!(signature.input.check_times(now.seconds() + 60, TimeRules::DEFAULT).ok(), None);
            let holds = |path: &str| {
                let sent: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
                let start = Start::Request {
                    method: "POST",
                    scheme: "https",
                    authority: "www.shop.example",
                    path,
                    target: path,
                };
                let base = signature
                    .input
                    .base(&Message { start, fields: &sent, trailers: &[], request: None })
                    .unwrap();
                let key = VerificationKey::from(key.public().clone());
                let algorithm = key.algorithm(None, Algorithms::DEFAULT).unwrap();
                key.verify(algorithm, &base, signature.octets).is_ok()
            };
            assert!(holds("/prices?page=2") && !holds("/prices?page=3"));
        }
    }

    #[test]
    fn a_signature_without_a_lifetime_is_not_made() {
        let key = SecretKey::generate(KeyType::Ed25519, &mut Fixed(1)).unwrap();
        let target = Target::parse("GET", "/").unwrap();
        let authority = Authority::parse("www.shop.example", Scheme::Https).unwrap();
        let request = RequestToSign {
            method: "GET",
            scheme: Scheme::Https,
            authority: &authority,
            target: &target,
            content: None,
        };
        let speaker = Speaker { dialect: Dialect::A, url: "https://bot.example", lifetime: 0 };
        assert_eq!(sign(&key, speaker, request, Time::from_seconds(1)), Err(SignError::Lifetime));
        let quoted = Speaker { url: "https://bot.example\"", lifetime: 60, ..speaker };
        assert!(
            sign(&key, quoted, request, Time::from_seconds(1)).is_ok(),
            "the field is the caller's to check"
        );
    }
}

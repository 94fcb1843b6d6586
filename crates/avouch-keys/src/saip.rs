//! The signer: it says who sends a request and proves it, in the `SAIP` header.
//!
//! It builds every signed string itself from the parts of a request, always in the full form, which binds the
//! receiving site.

mod uncertified;

pub(crate) use uncertified::Uncertified;

use avouch_wire::authority::Authority;
use avouch_wire::b64u::{self, Text};
use avouch_wire::content::ContentDigest;
use avouch_wire::key::{KeyType, PublicKey};
use avouch_wire::name::{AgentId, Domain, Instance};
use avouch_wire::saip::{self, Form, Header, RequestParts, Seal, Signed, request_string};
use avouch_wire::target::Target;
use avouch_wire::time::Time;

use crate::entropy::{Entropy, NoRandomness, SystemEntropy};
use crate::secret::{KeyError, SecretKey};

/// 144 bits: two requests of one second share a nonce never, and 18 octets are 24 characters exactly.
const NONCE_OCTETS: usize = 18;

/// Longest method: the longest registered one has 17 octets, and signed strings count its length in 16 bits.
const MAX_METHOD: usize = 64;

/// Why a request was not signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// Only a stateless request may leave out the domain.
    #[error("without a domain only a stateless request can be signed, by a pseudonym")]
    NoDomain,
    /// Not a token (RFC 9110 §5.6.2) of 1–64 octets.
    #[error("the method is not a token of at most {MAX_METHOD} letters, digits and marks")]
    Method,
    /// The generator or the library failed.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Who speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Speaker {
    /// The domain that answers for the agent; absent, the sender is a pseudonym.
    pub domain: Option<Domain<'static>>,
    /// The agent; `_` is the domain itself.
    pub agent: AgentId<'static>,
    /// The machine, where several share the agent's key.
    pub instance: Option<Instance<'static>>,
}

impl Speaker {
    /// The header value of a bare claim, which names the speaker and proves nothing.
    ///
    /// # Errors
    /// [`SignError::NoDomain`].
    pub fn bare_claim(&self) -> Result<String, SignError> {
        match self.domain {
            Some(_) => Ok(self.header(None).to_string()),
            None => Err(SignError::NoDomain),
        }
    }

    fn header<'a>(&'a self, signed: Option<Signed<'a>>) -> Header<'a> {
        Header {
            domain: self.domain.as_ref().map(Domain::borrowed),
            domain_text: self.domain.as_ref().map_or("", Domain::as_str),
            agent: self.agent.borrowed(),
            instance: self.instance.as_ref().map(Instance::borrowed),
            signed,
            has_unknown: false,
        }
    }
}

/// How the signature is tied to the signer's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A new key of this type signs the request, the signer's key certifies it, and it is wiped: the
    /// signer's key, which may be slow or guarded hardware, never touches the request string.
    Rolling(KeyType),
    /// The signer's key signs the request; verifiers look it up by the agent's name.
    Direct,
    /// The signer's key signs the request and travels along. With a domain it is the domain's own key,
    /// without one a pseudonym.
    Stateless,
}

/// What is signed of a request.
#[derive(Debug, Clone, Copy)]
pub struct RequestToSign<'a> {
    /// The method as it will be sent.
    pub method: &'a str,
    /// The target as it will be sent.
    pub target: &'a Target<'a>,
    /// The site the request is for.
    pub authority: &'a Authority<'a>,
    /// The digest of the content, so that nobody can swap it; absent, the content is not covered.
    pub content: Option<ContentDigest>,
}

/// A long-term key and the name it speaks for.
#[derive(Debug)]
pub struct Signer {
    key: SecretKey,
    speaker: Speaker,
}

/// The parts of a signature being made, as text where the header holds text.
pub(crate) struct Draft<'a> {
    request: RequestToSign<'a>,
    pub(crate) timestamp: u64,
    pub(crate) nonce: String,
    pub(crate) content: Option<Text<'a, 32>>,
}

impl Signer {
    /// Binds a key to the name it speaks for. Whether the key is published there is for verifiers to find out.
    #[must_use]
    pub const fn new(key: SecretKey, speaker: Speaker) -> Self {
        Self { key, speaker }
    }

    /// The public part of the long-term key, to be published.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        self.key.public()
    }

    /// The long-term key, for what else it signs.
    #[must_use]
    pub const fn key(&self) -> &SecretKey {
        &self.key
    }

    /// Who speaks.
    #[must_use]
    pub const fn speaker(&self) -> &Speaker {
        &self.speaker
    }

    /// The value of the `SAIP` header for this request, sent now.
    ///
    /// # Errors
    /// [`SignError`].
    pub fn sign(&self, request: RequestToSign<'_>, mode: Mode, now: Time) -> Result<String, SignError> {
        self.sign_with(request, mode, now, &mut SystemEntropy)
    }

    /// As [`Signer::sign`], drawing the nonce and then the rolling key from `entropy`. Given the same octets,
    /// an Ed25519 header comes out the same; ECDSA signatures differ each time.
    ///
    /// # Errors
    /// [`SignError`].
    pub fn sign_with(
        &self,
        request: RequestToSign<'_>,
        mode: Mode,
        now: Time,
        entropy: &mut impl Entropy,
    ) -> Result<String, SignError> {
        if self.speaker.domain.is_none() && mode != Mode::Stateless {
            return Err(SignError::NoDomain);
        }
        let mut buffer = String::new();
        match mode {
            Mode::Rolling(key_type) => {
                let (request, tbs) = self.prepare(request, key_type, now, entropy)?;
                Ok(request.header(&self.certify(&tbs)?, None))
            }
            Mode::Direct => {
                let draft = Draft::of(request, now, entropy, &mut buffer)?;
                self.finish(&draft, &self.key, saip::Mode::Direct)
            }
            Mode::Stateless => {
                let draft = Draft::of(request, now, entropy, &mut buffer)?;
                let key = b64u::encode(self.public().octets());
                self.finish(&draft, &self.key, saip::Mode::Stateless { key: &key })
            }
        }
    }

    /// Signs what certifies a rolling key, or a batch of them: a string that this crate built of typed parts.
    pub(crate) fn certify(&self, message: &[u8]) -> Result<[u8; 64], KeyError> {
        self.key.sign(message)
    }

    /// Signs the request with `key` and writes the header.
    fn finish(&self, draft: &Draft<'_>, key: &SecretKey, mode: saip::Mode<'_>) -> Result<String, SignError> {
        let mut signed = draft.signed(key, mode);
        let mut text = Vec::new();
        let header = self.speaker.header(None);
        request_string(&mut text, &header, &signed, Some(key.public().fingerprint()), draft.parts());
        let mut buffer = String::new();
        let signature = Text::of(&key.sign(&text)?, &mut buffer);
        signed.seal = Seal::Signature { algorithm: key.public().key_type(), signature };
        Ok(self.speaker.header(Some(signed)).to_string())
    }
}

impl<'d> Draft<'d> {
    /// Draws the nonce; `buffer` holds the digest of the content.
    pub(crate) fn of(
        request: RequestToSign<'d>,
        now: Time,
        entropy: &mut impl Entropy,
        buffer: &'d mut String,
    ) -> Result<Self, SignError> {
        if !is_method(request.method) {
            return Err(SignError::Method);
        }
        let nonce = nonce(entropy).map_err(KeyError::from)?;
        let content = request.content.map(|digest| Text::of(&digest.0, buffer));
        Ok(Self { request, timestamp: now.seconds(), nonce, content })
    }

    /// The signed part of the header, its signature still blank.
    fn signed<'a>(&'a self, key: &SecretKey, mode: saip::Mode<'a>) -> Signed<'a> {
        Signed {
            mode,
            form: Form::Full(self.request.authority.as_str()),
            timestamp: self.timestamp,
            nonce: &self.nonce,
            content: self.content,
            seal: Seal::unsigned(key.public().key_type()),
        }
    }

    pub(crate) fn parts(&self) -> RequestParts<'_> {
        RequestParts { method: self.request.method, path: self.request.target.path() }
    }
}

fn nonce(entropy: &mut impl Entropy) -> Result<String, NoRandomness> {
    let mut octets = [0; NONCE_OCTETS];
    entropy.fill(&mut octets)?;
    Ok(b64u::encode(&octets))
}

fn is_method(method: &str) -> bool {
    let is_token = |octet: u8| octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet);
    (1..=MAX_METHOD).contains(&method.len()) && method.bytes().all(is_token)
}

#[cfg(test)]
mod tests {
    use avouch_wire::authority::Scheme;
    use avouch_wire::saip::rcert_tbs;

    use super::*;
    use crate::entropy::Fixed;

    const NOW: Time = Time::from_seconds(1_790_000_000);
    const BOTH: [KeyType; 2] = [KeyType::Ed25519, KeyType::P256];

    fn speaker() -> Speaker {
        Speaker {
            domain: Some(Domain::parse("acme.example").unwrap()),
            agent: AgentId::parse("crawler-7").unwrap(),
            instance: Some(AgentId::parse("nyc-042").unwrap()),
        }
    }

    fn signer(key_type: KeyType) -> Signer {
        Signer::new(SecretKey::generate(key_type, &mut Fixed(0)).unwrap(), speaker())
    }

    fn sign(signer: &Signer, mode: Mode, entropy: u64) -> Result<String, SignError> {
        let request = RequestToSign {
            method: "GET",
            target: &Target::parse("GET", "/a?b=c;path=/d").unwrap(),
            authority: &Authority::parse("WWW.shop.example:443", Scheme::Https).unwrap(),
            content: Some(ContentDigest::of(b"")),
        };
        signer.sign_with(request, mode, NOW, &mut Fixed(entropy))
    }

    /// What a verifier does with the keys, and nothing it does with names, times and nonces.
    fn holds(text: &str, method: &str, path: &str, published: &PublicKey) -> bool {
        let Ok(header) = Header::parse(text) else { return false };
        let signed = header.signed.as_ref().unwrap();
        let Form::Full(aud) = signed.form else { return false };
        let request = RequestParts { method, path };
        let mut out = Vec::new();
        let key = match signed.mode {
            saip::Mode::Direct => published.clone(),
            saip::Mode::Stateless { key } => match PublicKey::from_b64u(key) {
                Ok(key) if key == *published => key,
                _ => return false,
            },
            saip::Mode::Rolling { key, certificate, .. } => {
                let Ok(rolling) = PublicKey::from_b64u(key) else { return false };
                rcert_tbs(&mut out, &header, signed, aud, rolling.octets(), request);
                if published.verify(&out, &certificate.octets()).is_err() {
                    return false;
                }
                rolling
            }
            saip::Mode::Registry(_) => return false,
        };
        request_string(&mut out, &header, signed, Some(key.fingerprint()), request);
        let Seal::Signature { algorithm, signature } = signed.seal else { return false };
        algorithm == key.key_type() && key.verify(&out, &signature.octets()).is_ok()
    }

    fn every_way() -> Vec<(Signer, Mode)> {
        let modes =
            [Mode::Rolling(KeyType::Ed25519), Mode::Rolling(KeyType::P256), Mode::Direct, Mode::Stateless];
        BOTH.into_iter().flat_map(|key_type| modes.map(|mode| (signer(key_type), mode))).collect()
    }

    #[test]
    fn what_is_signed_in_any_mode_with_any_key_verifies() {
        for (signer, mode) in every_way() {
            let text = sign(&signer, mode, 1).unwrap();
            assert!(holds(&text, "GET", "/a?b=c;path=/d", signer.public()), "{mode:?}: {text}");
            let other = SecretKey::generate(signer.public().key_type(), &mut Fixed(9)).unwrap();
            assert!(!holds(&text, "GET", "/a?b=c;path=/d", other.public()), "another's key: {mode:?}");
        }
    }

    /// Replaces the last character but one of a value, which changes bits that count whatever the value is.
    fn bend(text: &str, name: &str) -> String {
        let start = text.find(&format!("{name}=\"")).unwrap() + name.len() + 2;
        let at = start + text.split_at(start).1.find('"').unwrap() - 2;
        let mut octets = text.as_bytes().to_vec();
        octets[at] = if octets[at] == b'1' { b'2' } else { b'1' };
        String::from_utf8(octets).unwrap()
    }

    #[test]
    fn changing_any_value_breaks_it() {
        for (signer, mode) in every_way() {
            let text = sign(&signer, mode, 1).unwrap();
            let names: Vec<_> =
                text.split("; ").map(|pair| pair.split_once('=').unwrap().0.to_owned()).collect();
            assert!(names.len() >= 9, "{names:?}");
            for name in names {
                let bent = bend(&text, &name);
                assert_ne!(bent, text);
                assert!(!holds(&bent, "GET", "/a?b=c;path=/d", signer.public()), "{name} in {mode:?}");
            }
            assert!(!holds(&text, "GEU", "/a?b=c;path=/d", signer.public()));
            assert!(!holds(&text, "GET", "/a?b=c;path=/e", signer.public()));
            assert!(!holds(
                &text.replace("; inst=\"nyc-042\"", ""),
                "GET",
                "/a?b=c;path=/d",
                signer.public()
            ));
        }
    }

    #[test]
    fn another_request_of_the_same_agent_lends_nothing() {
        let signer = signer(KeyType::Ed25519);
        let (one, two) = (
            sign(&signer, Mode::Rolling(KeyType::Ed25519), 1).unwrap(),
            sign(&signer, Mode::Rolling(KeyType::Ed25519), 2).unwrap(),
        );
        let value = |text: &str, name: &str| {
            text.split("; ").find(|pair| pair.starts_with(&format!("{name}="))).unwrap().to_owned()
        };
        for name in ["nonce", "rpk", "rcert", "sig"] {
            let mixed = one.replace(&value(&one, name), &value(&two, name));
            assert_ne!(mixed, one);
            assert!(!holds(&mixed, "GET", "/a?b=c;path=/d", signer.public()), "{name}");
        }
    }

    #[test]
    fn the_header_says_what_it_was_given() {
        let text = sign(&signer(KeyType::P256), Mode::Rolling(KeyType::Ed25519), 1).unwrap();
        let header = Header::parse(&text).unwrap();
        let signed = header.signed.unwrap();
        assert_eq!((header.domain_text, header.agent.as_str()), ("acme.example", "crawler-7"));
        assert_eq!(header.instance.unwrap().as_str(), "nyc-042");
        assert_eq!((signed.timestamp, signed.nonce.len()), (1_790_000_000, 24));
        assert_eq!(signed.form, Form::Full("www.shop.example"));
        assert_eq!(signed.content.unwrap().octets(), ContentDigest::of(b"").0);
        assert_eq!(signed.seal.algorithm(), "ed25519", "that of the key that signs the request");
    }

    #[test]
    fn the_same_octets_make_the_same_header_and_fresh_ones_another() {
        let signer = signer(KeyType::Ed25519);
        let rolling = |entropy| sign(&signer, Mode::Rolling(KeyType::Ed25519), entropy).unwrap();
        assert_eq!(rolling(1), rolling(1));
        assert_ne!(rolling(1), rolling(2));
    }

    #[test]
    fn without_a_domain_only_a_pseudonym_can_sign() {
        let mut signer = signer(KeyType::Ed25519);
        signer.speaker.domain = None;
        let text = sign(&signer, Mode::Stateless, 1).unwrap();
        assert!(holds(&text, "GET", "/a?b=c;path=/d", signer.public()));
        assert_eq!(Header::parse(&text).unwrap().domain, None);
        assert_eq!(sign(&signer, Mode::Direct, 1), Err(SignError::NoDomain));
        assert_eq!(sign(&signer, Mode::Rolling(KeyType::P256), 1), Err(SignError::NoDomain));
        assert_eq!(signer.speaker.bare_claim(), Err(SignError::NoDomain));
    }

    #[test]
    fn a_bare_claim_names_and_proves_nothing() {
        let claim = speaker().bare_claim().unwrap();
        assert_eq!(claim, "dom=\"acme.example\"; id=\"crawler-7\"; inst=\"nyc-042\"");
        assert_eq!(Header::parse(&claim).unwrap().signed, None);
    }

    #[test]
    fn a_method_that_could_be_read_as_something_else_is_not_signed() {
        let signer = signer(KeyType::Ed25519);
        let target = Target::parse("GET", "/").unwrap();
        let authority = Authority::parse("shop.example", Scheme::Https).unwrap();
        let sign = |method| {
            let request = RequestToSign { method, target: &target, authority: &authority, content: None };
            signer.sign(request, Mode::Direct, NOW).map(drop)
        };
        assert_eq!(sign("M-SEARCH"), Ok(()));
        for method in ["", "GET;path=/", "GET /", "G\u{c9}T", "A".repeat(65).as_str()] {
            assert_eq!(sign(method), Err(SignError::Method), "{method}");
        }
    }
}

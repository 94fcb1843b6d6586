//! What the gateway tells an upstream about a request it let through, signed so that nothing between the two
//! can say it instead: a JWS in compact form (RFC 7515 §3.1), ES256.

use avouch_wire::b64u;
use avouch_wire::key::{KeyType, PublicKey};
use avouch_wire::name::Identity;
use avouch_wire::time::Time;
use serde::Serialize;

use crate::entropy::Entropy;
use crate::secret::{KeyError, SecretKey};

/// Seconds an assertion lives: it is read at once, by a machine whose clock may be off by a little.
pub const LIFETIME: u64 = 60;

/// The media type in the `typ` header, which keeps a token of another purpose from passing for this one.
pub const TYPE: &str = "avouch-verdict+jwt";

/// What is asserted of one request. Each text stands in the token as it is given.
#[derive(Debug, Clone, Copy)]
pub struct Assertion<'a> {
    /// Who asserts: the gateway's name.
    pub issuer: &'a str,
    /// The upstream that is told.
    pub audience: &'a str,
    /// The request's identifier, unique to it.
    pub request_id: &'a str,
    /// The method as received.
    pub method: &'a str,
    /// The authority the request is for.
    pub authority: &'a str,
    /// The request target in origin form, as received, with its query.
    pub path: &'a str,
    /// The class, 0–3.
    pub class: u8,
    /// The standing, as verdicts write it.
    pub standing: &'a str,
    /// Who sent the request; present in classes 2 and 3 only.
    pub identity: Option<&'a Identity>,
    /// By which mechanism that is known.
    pub mechanism: &'a str,
    /// What was decided.
    pub decision: &'a str,
}

/// A P-256 key that signs assertions and nothing else.
#[derive(Debug)]
pub struct AssertionKey(SecretKey);

/// ES256 wants a P-256 key, and this is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("assertions are signed with a p256 key: make one with `avouch key new --type p256`")]
pub struct NotP256;

#[derive(Serialize)]
struct Head<'a> {
    typ: &'a str,
    alg: &'a str,
    kid: &'a str,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    iat: u64,
    exp: u64,
    jti: &'a str,
    method: &'a str,
    authority: &'a str,
    path: &'a str,
    class: u8,
    standing: &'a str,
    identity: Option<String>,
    mechanism: &'a str,
    decision: &'a str,
}

/// A JSON Web Key Set (RFC 7517 §5).
#[derive(Serialize)]
struct KeySet<'a> {
    keys: [Key<'a>; 1],
}

#[derive(Serialize)]
struct Key<'a> {
    kty: &'a str,
    crv: &'a str,
    x: String,
    y: String,
    #[serde(rename = "use")]
    purpose: &'a str,
    alg: &'a str,
    kid: String,
}

impl AssertionKey {
    /// A new key, for a gateway that is given none: upstreams read its public part anew after each start.
    ///
    /// # Errors
    /// [`KeyError::NoRandomness`] when the source fails.
    pub fn generate(entropy: &mut impl Entropy) -> Result<Self, KeyError> {
        SecretKey::generate(KeyType::P256, entropy).map(Self)
    }

    /// Dedicates a stored key to assertions.
    ///
    /// # Errors
    /// [`NotP256`].
    pub fn new(key: SecretKey) -> Result<Self, NotP256> {
        match key.public().key_type() {
            KeyType::P256 => Ok(Self(key)),
            KeyType::Ed25519 => Err(NotP256),
        }
    }

    /// The public part.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        self.0.public()
    }

    /// The signed assertion: issued now, void after [`LIFETIME`]. `kid` is the key's fingerprint as written
    /// everywhere in avouch, `sha256:…`.
    ///
    /// # Errors
    /// [`KeyError::Refused`] is not expected of a key that was once made.
    pub fn sign(&self, assertion: &Assertion<'_>, now: Time) -> Result<String, KeyError> {
        let kid = self.public().fingerprint().to_string();
        let mut token = encode(&Head { typ: TYPE, alg: "ES256", kid: &kid })?;
        token.push('.');
        token.push_str(&encode(&claims(assertion, now))?);
        let signature = self.0.sign(token.as_bytes())?;
        token.push('.');
        token.push_str(&b64u::encode(&signature));
        Ok(token)
    }

    /// The JSON Web Key Set with the public part, as it is served to upstreams.
    ///
    /// # Errors
    /// [`KeyError::Refused`] is not expected of a key that was once made.
    pub fn key_set(&self) -> Result<String, KeyError> {
        // 0x04 ‖ x ‖ y (SEC 1 §2.3.3), x and y of 32 octets each (RFC 7518 §6.2.1).
        let Some((x, y)) = self.public().octets().get(1..).and_then(|xy| xy.split_at_checked(32)) else {
            return Err(KeyError::Refused);
        };
        let key = Key {
            kty: "EC",
            crv: "P-256",
            x: b64u::encode(x),
            y: b64u::encode(y),
            purpose: "sig",
            alg: "ES256",
            kid: self.public().fingerprint().to_string(),
        };
        serde_json::to_string(&KeySet { keys: [key] }).map_err(|_| KeyError::Refused)
    }
}

fn claims<'a>(assertion: &Assertion<'a>, now: Time) -> Claims<'a> {
    Claims {
        iss: assertion.issuer,
        aud: assertion.audience,
        iat: now.seconds(),
        exp: now.seconds().saturating_add(LIFETIME),
        jti: assertion.request_id,
        method: assertion.method,
        authority: assertion.authority,
        path: assertion.path,
        class: assertion.class,
        standing: assertion.standing,
        identity: assertion.identity.map(Identity::to_string),
        mechanism: assertion.mechanism,
        decision: assertion.decision,
    }
}

fn encode(part: &impl Serialize) -> Result<String, KeyError> {
    let json = serde_json::to_vec(part).map_err(|_| KeyError::Refused)?;
    Ok(b64u::encode(&json))
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
    use serde_json::{Value, json};

    use super::*;
    use crate::entropy::Fixed;

    fn key() -> AssertionKey {
        AssertionKey::generate(&mut Fixed(1)).unwrap()
    }

    fn signed() -> String {
        let identity = Identity::parse("crawler-7@acme.example").unwrap();
        let assertion = Assertion {
            issuer: "gateway.shop.example",
            audience: "http://127.0.0.1:8080",
            request_id: "01J",
            method: "GET",
            authority: "www.shop.example",
            path: "/a?q=\"x\"",
            class: 3,
            standing: "verified",
            identity: Some(&identity),
            mechanism: "saip-rolling",
            decision: "accept",
        };
        key().sign(&assertion, Time::from_millis(1_790_000_000_999)).unwrap()
    }

    fn part(token: &str, index: usize) -> Value {
        let text = token.split('.').nth(index).unwrap();
        serde_json::from_slice(&b64u::decode_vec(text).unwrap()).unwrap()
    }

    #[test]
    fn it_says_what_was_judged_and_for_how_long() {
        let kid = key().public().fingerprint().to_string();
        assert_eq!(part(&signed(), 0), json!({"typ": "avouch-verdict+jwt", "alg": "ES256", "kid": kid}));
        assert_eq!(
            part(&signed(), 1),
            json!({
                "iss": "gateway.shop.example", "aud": "http://127.0.0.1:8080", "iat": 1_790_000_000,
                "exp": 1_790_000_060, "jti": "01J", "method": "GET", "authority": "www.shop.example",
                "path": "/a?q=\"x\"", "class": 3, "standing": "verified",
                "identity": "crawler-7@acme.example", "mechanism": "saip-rolling", "decision": "accept"
            })
        );
    }

    /// As an upstream does it: the key from the served set, the signature by another library call.
    #[test]
    fn an_upstream_verifies_it_with_the_served_key_and_refuses_a_changed_one() {
        let set: Value = serde_json::from_str(&key().key_set().unwrap()).unwrap();
        let coordinate = |name: &str| b64u::decode_vec(set["keys"][0][name].as_str().unwrap()).unwrap();
        let point = [vec![4], coordinate("x"), coordinate("y")].concat();
        let served = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
        let token = signed();
        assert_eq!(set["keys"][0]["kid"], part(&token, 0)["kid"]);
        let (message, signature) = token.rsplit_once('.').unwrap();
        let signature = b64u::decode_vec(signature).unwrap();
        assert!(served.verify(message.as_bytes(), &signature).is_ok());
        let mut changed = message.as_bytes().to_vec();
        *changed.last_mut().unwrap() ^= 1;
        assert!(served.verify(&changed, &signature).is_err());
    }

    #[test]
    fn only_a_p256_key_can_be_dedicated_to_it() {
        let made = |key_type| AssertionKey::new(SecretKey::generate(key_type, &mut Fixed(1)).unwrap());
        assert!(made(KeyType::P256).is_ok());
        assert_eq!(made(KeyType::Ed25519).err(), Some(NotP256));
    }
}

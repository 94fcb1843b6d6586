//! Keys as JSON (RFC 7517), and their names (RFC 7638).

use super::{Algorithm, Disagreement, VerificationKey};
use crate::b64u;
use crate::key::{KeyError, KeyType, PublicKey};
use aws_lc_rs::digest::{SHA256, digest};
use serde::Deserialize;
use std::fmt;
use thiserror::Error;

/// Times beyond this are milliseconds, which some directories write: as seconds they would lie in
/// the year 5138.
const MOST_SECONDS: u64 = 100_000_000_000;

/// Most octets of a foreign text that an error keeps: it is remembered, and logged, with the directory
/// it stands in.
const MAX_QUOTED: usize = 64;

/// Why a JSON object is no key that verifies here.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum JwkError {
    /// Not an object with the members a JWK has.
    #[error("is not a JWK: {0}")]
    Json(String),
    /// A kind of key that verifies nothing here.
    #[error("has kty {0} and crv {1}; OKP with Ed25519, EC with P-256 or P-384, and RSA verify here")]
    Kind(String, String),
    /// A member is missing.
    #[error("lacks {0}")]
    Missing(&'static str),
    /// A member is not base64url, or of another length than its curve asks for.
    #[error("{0} is not base64url of the length it should have")]
    Encoding(&'static str),
    /// The members make no key.
    #[error("{0}")]
    Key(#[from] KeyError),
    /// `use` or `key_ops` say that it does not verify.
    #[error("is not for signatures, by its use or key_ops")]
    Use,
    /// The private part stands beside it, so that anyone can sign with it.
    #[error("gives its private part away; replace the key")]
    Private,
}

/// The name of a key: SHA-256 of its required members (RFC 7638). Written as 43 characters of base64url.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Thumbprint([u8; 32]);

impl Thumbprint {
    /// Reads the written form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        b64u::decode(text).ok().map(Self)
    }

    /// The thumbprint of a key of a kind that SAIP uses.
    #[must_use]
    pub fn of(key: &PublicKey) -> Self {
        Self::of_members(&format!("{{{}}}", required(key)))
    }

    /// The 32 octets.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn of_members(json: &str) -> Self {
        let mut octets = [0; 32];
        octets.iter_mut().zip(digest(&SHA256, json.as_bytes()).as_ref()).for_each(|(to, from)| *to = *from);
        Self(octets)
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&b64u::encode(&self.0))
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A public key as a directory lists it.
#[derive(Clone, Debug)]
pub struct Jwk {
    /// The key.
    pub key: VerificationKey,
    /// Its name, computed; `kid` says nothing here.
    pub thumbprint: Thumbprint,
    /// From when on it counts, in Unix seconds.
    pub not_before: Option<u64>,
    /// From when on it no longer counts, in Unix seconds.
    pub expires: Option<u64>,
    /// Whether `alg` is missing, or none that the key could have; the key's kind says enough.
    pub odd_algorithm: bool,
}

/// The members that matter; others are nobody's business.
#[derive(Deserialize)]
struct Members {
    kty: String,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    d: Option<serde::de::IgnoredAny>,
    k: Option<serde::de::IgnoredAny>,
    alg: Option<String>,
    #[serde(rename = "use")]
    used_for: Option<String>,
    key_ops: Option<Vec<String>>,
    nbf: Option<u64>,
    exp: Option<u64>,
}

impl Jwk {
    /// Reads a public key.
    ///
    /// # Errors
    /// [`JwkError`] says what is wrong with it.
    pub fn parse(json: &str) -> Result<Self, JwkError> {
        let members: Members =
            serde_json::from_str(json).map_err(|error| JwkError::Json(quoted(&error.to_string())))?;
        if members.d.is_some() || members.k.is_some() {
            return Err(JwkError::Private);
        }
        let is_for_signatures = members.used_for.as_deref().is_none_or(|used_for| used_for == "sig")
            && members.key_ops.as_ref().is_none_or(|all| all.iter().any(|one| one == "verify"));
        if !is_for_signatures {
            return Err(JwkError::Use);
        }
        let (key, thumbprint) = members.key()?;
        let named = members.alg.as_deref().and_then(Algorithm::of_jwk);
        let (key, odd_algorithm) = match named.map(|algorithm| key.clone().only_for(algorithm)) {
            Some(Ok(key)) => (key, false),
            Some(Err(
                Disagreement::Key(_) | Disagreement::Unknown | Disagreement::Open | Disagreement::NotTaken(_),
            ))
            | None => (key, true),
        };
        let (not_before, expires) = (members.nbf.map(seconds), members.exp.map(seconds));
        Ok(Self { key, thumbprint, not_before, expires, odd_algorithm })
    }
}

impl Jwk {
    /// A key of a kind that SAIP uses, written for a directory; its `kid` is its thumbprint, as the drafts ask.
    #[must_use]
    pub fn write(key: &PublicKey, not_before: Option<u64>, expires: Option<u64>) -> String {
        let members = required(key);
        let times = [("nbf", not_before), ("exp", expires)];
        let times: String =
            times.into_iter().filter_map(|(name, time)| Some(format!(r#","{name}":{}"#, time?))).collect();
        format!(r#"{{{members},"kid":"{}","use":"sig"{times}}}"#, Thumbprint::of(key))
    }
}

/// The members of its thumbprint, in their order.
fn required(key: &PublicKey) -> String {
    let octets = key.octets();
    match key.key_type() {
        KeyType::Ed25519 => format!(r#""crv":"Ed25519","kty":"OKP","x":"{}""#, b64u::encode(octets)),
        KeyType::P256 => {
            // Behind the octet that says "uncompressed", which other kinds of key may begin with, too.
            let point = octets.get(1..).unwrap_or_default();
            let (x, y) = point.split_at(point.len() / 2);
            format!(r#""crv":"P-256","kty":"EC","x":"{}","y":"{}""#, b64u::encode(x), b64u::encode(y))
        }
    }
}

impl Members {
    fn key(&self) -> Result<(VerificationKey, Thumbprint), JwkError> {
        match (self.kty.as_str(), self.crv.as_deref().unwrap_or_default()) {
            ("OKP", "Ed25519") => {
                let key = PublicKey::from_octets(&fixed::<32>("x", self.x.as_deref())?)?;
                Ok((key.clone().into(), Thumbprint::of(&key)))
            }
            ("EC", "P-256") => {
                let (x, y) = (fixed::<32>("x", self.x.as_deref())?, fixed::<32>("y", self.y.as_deref())?);
                let key = PublicKey::from_octets(&[&[0x04], &x[..], &y[..]].concat())?;
                Ok((key.clone().into(), Thumbprint::of(&key)))
            }
            ("EC", "P-384") => {
                let (x, y) = (fixed::<48>("x", self.x.as_deref())?, fixed::<48>("y", self.y.as_deref())?);
                Ok(p384([&[0x04], &x[..], &y[..]].concat().as_slice())?)
            }
            ("RSA", _) => {
                let (n, e) = (number("n", self.n.as_deref())?, number("e", self.e.as_deref())?);
                Ok(rsa(&n, &e)?)
            }
            (kty, crv) => Err(JwkError::Kind(quoted(kty), quoted(crv))),
        }
    }
}

/// A key of P-384, 97 octets uncompressed, and its name.
pub(super) fn p384(octets: &[u8]) -> Result<(VerificationKey, Thumbprint), KeyError> {
    let key = VerificationKey::p384(octets)?;
    // Behind the octet that says "uncompressed".
    let point = octets.get(1..).unwrap_or_default();
    let (x, y) = point.split_at(point.len() / 2);
    let (x, y) = (b64u::encode(x), b64u::encode(y));
    Ok((key, Thumbprint::of_members(&format!(r#"{{"crv":"P-384","kty":"EC","x":"{x}","y":"{y}"}}"#))))
}

/// An RSA key, and its name.
pub(super) fn rsa(n: &[u8], e: &[u8]) -> Result<(VerificationKey, Thumbprint), KeyError> {
    let key = VerificationKey::rsa(n, e)?;
    let (n, e) = (b64u::encode(n), b64u::encode(e));
    Ok((key, Thumbprint::of_members(&format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#))))
}

fn fixed<const N: usize>(name: &'static str, text: Option<&str>) -> Result<[u8; N], JwkError> {
    b64u::decode(text.ok_or(JwkError::Missing(name))?).map_err(|_| JwkError::Encoding(name))
}

/// A number without leading zeros (RFC 7518 section 2), so that one key has one name.
fn number(name: &'static str, text: Option<&str>) -> Result<Vec<u8>, JwkError> {
    let octets =
        b64u::decode_vec(text.ok_or(JwkError::Missing(name))?).map_err(|_| JwkError::Encoding(name))?;
    if matches!(octets.first(), None | Some(0)) { Err(JwkError::Encoding(name)) } else { Ok(octets) }
}

/// As much of a text as an error may keep.
pub(crate) fn quoted(text: &str) -> String {
    text.get(..text.floor_char_boundary(MAX_QUOTED)).unwrap_or_default().to_owned()
}

const fn seconds(time: u64) -> u64 {
    if time > MOST_SECONDS { time / 1000 } else { time }
}

/// The example key of RFC 7638 section 3.1.
#[cfg(test)]
pub(super) const EXAMPLE_MODULUS: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";

#[cfg(test)]
mod tests {
    use super::super::Algorithms;
    use super::EXAMPLE_MODULUS as N;
    use super::*;

    /// The example key of RFC 8037 appendix A.2, whose thumbprint stands in A.3.
    const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

    fn okp(more: &str) -> Result<Jwk, JwkError> {
        Jwk::parse(&format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{X}"{more}}}"#))
    }

    fn rsa(more: &str) -> Result<Jwk, JwkError> {
        Jwk::parse(&format!(r#"{{"kty":"RSA","n":"{N}","e":"AQAB"{more}}}"#))
    }

    #[test]
    fn thumbprints_are_those_of_the_rfcs() {
        let jwk = okp(r#","kid":"something else","use":"sig","nbf":1700000000,"exp":1800000000000"#).unwrap();
        assert_eq!(jwk.thumbprint.to_string(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        assert_eq!((jwk.not_before, jwk.expires), (Some(1_700_000_000), Some(1_800_000_000)));
        assert_eq!(rsa("").unwrap().thumbprint.to_string(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        assert_eq!(Thumbprint::parse(&jwk.thumbprint.to_string()), Some(jwk.thumbprint));
        assert_eq!(Thumbprint::of(jwk.key.public().unwrap()), jwk.thumbprint);
    }

    #[test]
    fn what_is_written_reads_as_the_same_key() {
        let p256 = "BGsX0fLhLEJH-Lzm5WOkQPJ3A32BLeszoPShOUXYmMKWT-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU";
        // Of Ed25519, and begins with the octet that points of P-256 begin with.
        let like_a_point = "BCjZx_TA-SWiOXwB8uAUxN_LFw1BhzicA8-LzKu4zgE";
        for key in [X, p256, like_a_point] {
            let key = PublicKey::from_b64u(key).unwrap();
            let jwk = Jwk::parse(&Jwk::write(&key, Some(1), None)).unwrap();
            assert_eq!((jwk.key.public(), jwk.thumbprint), (Some(&key), Thumbprint::of(&key)));
            assert_eq!((jwk.not_before, jwk.expires), (Some(1), None));
        }
        let key = PublicKey::from_b64u(like_a_point).unwrap();
        assert_eq!(Thumbprint::of(&key).to_string(), "uahgwuY0RNKC-7lFgHZGE4oKcsJnqIhb0LD_kbUtqs0");
    }

    #[test]
    fn alg_decides_only_what_the_kind_of_key_leaves_open() {
        let algorithm = |jwk: Result<Jwk, JwkError>, alg| {
            let jwk = jwk.unwrap();
            (jwk.key.algorithm(alg, Algorithms::of(&Algorithm::ALL)), jwk.odd_algorithm)
        };
        assert_eq!(algorithm(okp(""), None), (Ok(Algorithm::Ed25519), true));
        assert_eq!(algorithm(okp(r#","alg":"EdDSA""#), Some("ed25519")), (Ok(Algorithm::Ed25519), false));
        assert_eq!(algorithm(okp(r#","alg":"RS256""#), None), (Ok(Algorithm::Ed25519), true));
        assert_eq!(algorithm(okp(""), Some("hmac-sha256")).0, Err(Disagreement::Key(Algorithm::HmacSha256)));
        assert_eq!(algorithm(okp(""), Some("Ed25519")).0, Err(Disagreement::Unknown));
        assert_eq!(algorithm(rsa(""), None).0, Err(Disagreement::Open));
        assert_eq!(algorithm(rsa(""), Some("rsa-v1_5-sha256")).0, Ok(Algorithm::RsaV15Sha256));
        let (pss, v15) = (r#","alg":"PS512""#, Some("rsa-v1_5-sha256"));
        assert_eq!(algorithm(rsa(pss), None).0, Ok(Algorithm::RsaPssSha512));
        assert_eq!(algorithm(rsa(pss), v15).0, Err(Disagreement::Key(Algorithm::RsaV15Sha256)));
        let taken = rsa("").unwrap().key.algorithm(v15, Algorithms::DEFAULT);
        assert_eq!(taken, Err(Disagreement::NotTaken(Algorithm::RsaV15Sha256)));
    }

    #[test]
    fn each_rule_refuses_its_near_miss() {
        let refused = |json: &str| Jwk::parse(json).unwrap_err();
        assert!(matches!(refused("[]"), JwkError::Json(_)));
        assert!(matches!(refused(r#"{"crv":"Ed25519"}"#), JwkError::Json(_)));
        assert!(matches!(okp(r#","x":"twice""#), Err(JwkError::Json(_))));
        assert_eq!(refused(r#"{"kty":"OKP","crv":"Ed25519"}"#), JwkError::Missing("x"));
        assert_eq!(refused(r#"{"kty":"OKP","crv":"Ed25519","x":"AA=="}"#), JwkError::Encoding("x"));
        assert_eq!(
            refused(r#"{"kty":"OKP","crv":"X25519","x":"AA"}"#),
            JwkError::Kind("OKP".into(), "X25519".into())
        );
        assert_eq!(refused(r#"{"kty":"oct"}"#), JwkError::Kind("oct".into(), String::new()));
        assert_eq!(refused(r#"{"kty":"oct","k":"AA"}"#), JwkError::Private);
        assert_eq!(okp(r#","d":"AA""#).unwrap_err(), JwkError::Private);
        assert_eq!(okp(r#","use":"enc""#).unwrap_err(), JwkError::Use);
        assert_eq!(okp(r#","key_ops":["sign"]"#).unwrap_err(), JwkError::Use);
        let zeros = b64u::encode(&[0; 32]);
        let off_the_curve = format!(r#"{{"kty":"EC","crv":"P-256","x":"{zeros}","y":"{zeros}"}}"#);
        assert_eq!(refused(&off_the_curve), JwkError::Key(KeyError::Point));
        let short = b64u::encode(&[0xff; 255]);
        assert_eq!(
            refused(&format!(r#"{{"kty":"RSA","n":"{short}","e":"AQAB"}}"#)),
            JwkError::Key(KeyError::Length(255))
        );
        let modulus =
            |octets| format!(r#"{{"kty":"RSA","n":"{}","e":"AQAB"}}"#, b64u::encode(&vec![0xff; octets]));
        assert!(Jwk::parse(&modulus(512)).is_ok());
        assert_eq!(refused(&modulus(513)), JwkError::Key(KeyError::Length(513)));
        let zero = format!("AA{N}AA").replace('=', "");
        assert!(Jwk::parse(&format!(r#"{{"kty":"RSA","n":"{zero}","e":"AQAB"}}"#)).is_err(), "leading zero");
    }

    #[test]
    fn what_an_error_keeps_of_a_foreign_text_is_short() {
        let long = "\u{e4}".repeat(100_000);
        let kept = |json: &str| match Jwk::parse(json) {
            Err(JwkError::Kind(kty, crv)) => kty.capacity() + crv.capacity(),
            Err(JwkError::Json(text)) => text.capacity(),
            other => panic!("{other:?}"),
        };
        assert_eq!(kept(&format!(r#"{{"kty":"{long}","crv":"{long}"}}"#)), 2 * MAX_QUOTED);
        assert!(kept(&format!(r#"{{"kty":"oct","nbf":"{long}"}}"#)) <= MAX_QUOTED);
    }
}

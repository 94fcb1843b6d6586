//! A token as it travels.

use super::json::Object;
use super::{Grant, GrantError, Scope, Subject};
use crate::authority::{Authority, Scheme};
use crate::b64u;
use crate::http_signature::quoted;
use crate::key::{BadSignature, Fingerprint, KeyType, PublicKey};
use crate::name::Domain;
use serde::Serialize;
use std::borrow::Cow;
use thiserror::Error;

/// The field a token is sent in.
pub const FIELD: &str = "SAIP-Delegation";

/// The media type in `typ`, which keeps a token of another purpose from passing for this one.
pub const TYPE: &str = "saip-delegation+jwt";

/// The most octets of a token.
pub const MAX_OCTETS: usize = 4096;

/// Members of a JWS header that bring in a key, or rules, from elsewhere (RFC 7515 section 4.1).
const FOREIGN: [&str; 3] = ["crit", "jwk", "jku"];

/// Why a text is no delegation token.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TokenError {
    /// Too long.
    #[error("has {0} octets; 4096 is the most")]
    Length(usize),
    /// Not a compact JWS.
    #[error("is not three parts of base64url with dots between")]
    Form,
    /// A part is not base64url.
    #[error("the {0} is not base64url without padding")]
    Encoding(&'static str),
    /// A part is not a JSON object of members that stand once.
    #[error("the {part}: {detail}")]
    Json {
        /// Which part.
        part: &'static str,
        /// What the reader says.
        detail: String,
    },
    /// A member that brings in a key or rules from elsewhere.
    #[error(
        "the header holds {0:?}; a token is verified with a key that its domain publishes, and nothing else"
    )]
    Foreign(String),
    /// A member is missing.
    #[error("the {part} lacks {name}")]
    Missing {
        /// Which part.
        part: &'static str,
        /// Which member.
        name: &'static str,
    },
    /// A member breaks a rule.
    #[error("the {part}: {name} {detail}")]
    Invalid {
        /// Which part.
        part: &'static str,
        /// Which member.
        name: &'static str,
        /// Which rule.
        detail: String,
    },
    /// What it says breaks a rule.
    #[error("the claims: {0}")]
    Grant(#[from] GrantError),
}

/// A delegation token that can be read; whether it is true, [`Token::verify`] says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    grant: Grant,
    key: Fingerprint,
    key_type: KeyType,
    signed: Cow<'a, str>,
    signature: [u8; 64],
}

#[derive(Serialize)]
struct Head<'a> {
    typ: &'a str,
    alg: &'a str,
    kid: String,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: String,
    nbf: u64,
    exp: u64,
    scope: Vec<String>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    aud: Vec<&'a str>,
    jti: &'a str,
}

impl<'a> Token<'a> {
    /// Reads a token.
    ///
    /// # Errors
    /// [`TokenError`] says what breaks which rule.
    pub fn parse(text: &'a str) -> Result<Self, TokenError> {
        if text.len() > MAX_OCTETS {
            return Err(TokenError::Length(text.len()));
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(TokenError::Form)?;
        let (head, claims) = signed.split_once('.').ok_or(TokenError::Form)?;
        if claims.contains('.') {
            return Err(TokenError::Form);
        }
        let (key_type, key) = read_head(&Object::read(head, "header")?)?;
        let grant = read_claims(&Object::read(claims, "claims")?)?;
        grant.check()?;
        let signature = b64u::decode(signature).map_err(|_| TokenError::Encoding("signature"))?;
        Ok(Self { grant, key, key_type, signed: Cow::Borrowed(signed), signature })
    }

    /// The same, owning its text.
    #[must_use]
    pub fn into_owned(self) -> Token<'static> {
        Token { signed: Cow::Owned(self.signed.into_owned()), ..self }
    }

    /// What is to be signed by `key`: header and claims of a token that says this.
    ///
    /// # Errors
    /// [`TokenError`], where what it says breaks a rule or does not fit.
    pub fn signing_input(grant: &Grant, key: &PublicKey) -> Result<String, TokenError> {
        grant.check()?;
        let head = Head { typ: TYPE, alg: algorithm(key.key_type()), kid: key.fingerprint().to_string() };
        let claims = Claims {
            iss: grant.issuer.as_str(),
            sub: grant.subject.to_string(),
            nbf: grant.not_before,
            exp: grant.expires,
            scope: grant.scopes.iter().map(Scope::to_string).collect(),
            aud: grant.audience.iter().map(Authority::as_str).collect(),
            jti: &grant.id,
        };
        let text = [encode(&head, "header")?, encode(&claims, "claims")?].join(".");
        // A dot and 64 octets in base64url follow.
        let octets = text.len() + 1 + 86;
        if octets > MAX_OCTETS { Err(TokenError::Length(octets)) } else { Ok(text) }
    }

    /// What it says, if it is true.
    #[must_use]
    pub const fn grant(&self) -> &Grant {
        &self.grant
    }

    /// The key that is said to have signed it.
    #[must_use]
    pub const fn key(&self) -> &Fingerprint {
        &self.key
    }

    /// Whether `key` is the one it names, and signed it. Whether the domain publishes that key is for the caller to
    /// find out.
    ///
    /// # Errors
    /// [`BadSignature`].
    pub fn verify(&self, key: &PublicKey) -> Result<(), BadSignature> {
        if *key.fingerprint() != self.key || key.key_type() != self.key_type {
            return Err(BadSignature);
        }
        key.verify(self.signed.as_bytes(), &self.signature)
    }
}

const fn algorithm(key_type: KeyType) -> &'static str {
    match key_type {
        KeyType::Ed25519 => "EdDSA",
        KeyType::P256 => "ES256",
    }
}

fn encode(part: &impl Serialize, name: &'static str) -> Result<String, TokenError> {
    let json = serde_json::to_vec(part)
        .map_err(|error| TokenError::Json { part: name, detail: error.to_string() })?;
    Ok(b64u::encode(&json))
}

fn read_head(head: &Object) -> Result<(KeyType, Fingerprint), TokenError> {
    let is_foreign = |name: &&str| FOREIGN.contains(name) || name.starts_with("x5");
    if let Some(name) = head.names().find(is_foreign) {
        return Err(TokenError::Foreign(quoted(name)));
    }
    if head.text("typ")? != TYPE {
        return Err(head.invalid("typ", "is not saip-delegation+jwt"));
    }
    let named = head.text("alg")?;
    let key_type = [KeyType::Ed25519, KeyType::P256].into_iter().find(|kind| algorithm(*kind) == named);
    let key_type = key_type.ok_or_else(|| head.invalid("alg", "is neither EdDSA nor ES256"))?;
    let key = Fingerprint::parse(head.text("kid")?);
    Ok((key_type, key.ok_or_else(|| head.invalid("kid", "is not sha256: and 43 characters of base64url"))?))
}

fn read_claims(claims: &Object) -> Result<Grant, TokenError> {
    let issuer = Domain::parse(claims.text("iss")?);
    let subject = Subject::parse(claims.text("sub")?);
    // Sites are named as SAIP names them in `aud`, in the one spelling of those served by https.
    let audience = claims.list("aud", |text| {
        let authority = Authority::parse(text, Scheme::Https).map_err(|error| error.to_string())?;
        if authority.as_str() == text {
            Ok(authority.into_owned())
        } else {
            Err(format!("is written {authority}"))
        }
    });
    Ok(Grant {
        issuer: issuer.map_err(|error| claims.invalid("iss", &error.to_string()))?.into_owned(),
        subject: subject.map_err(|error| claims.invalid("sub", &error.to_string()))?,
        not_before: claims.seconds("nbf")?,
        expires: claims.seconds("exp")?,
        scopes: claims.list("scope", Scope::parse)?.ok_or_else(|| claims.missing("scope"))?,
        audience: audience?.unwrap_or_default(),
        id: claims.text("jti")?.to_owned(),
    })
}

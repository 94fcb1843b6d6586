//! Key directories: what stands behind a URL of `Signature-Agent`.

use super::agent::MAX_URL;
use crate::http_signature::{Jwk, JwkError, Thumbprint, quoted};
use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;

/// The tag of signatures on a directory (section "Binding keys to the directory authority" of
/// draft-meunier-http-message-signatures-directory).
pub const DIRECTORY_TAG: &str = "http-message-signatures-directory";

/// The media type of a directory.
pub const MEDIA_TYPE: &str = "application/http-message-signatures-directory+json";

/// Longest document in octets.
pub const MAX_DIRECTORY: usize = 256 * 1024;

/// Most keys in a document; others are refused with it, for a key left out would be a key removed.
pub const MAX_KEYS: usize = 100;

/// Why a document says nothing about keys.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DirectoryError {
    /// Longer than [`MAX_DIRECTORY`].
    #[error("is longer than {MAX_DIRECTORY} octets")]
    TooLong,
    /// Neither a JWK Set nor a JWK.
    #[error("is no JWK Set: {0}")]
    Json(String),
    /// More than [`MAX_KEYS`].
    #[error("holds more than {MAX_KEYS} keys")]
    TooMany,
    /// A metadata document of another URL than the one it stands at, or of none.
    #[error("client_id is not the URL of the document")]
    ClientId,
    /// Where the keys stand is longer than a URL of `Signature-Agent` may be.
    #[error("jwks_uri is longer than {MAX_URL} octets")]
    JwksUri,
    /// Neither keys nor a place for them.
    #[error("holds neither keys, jwks nor jwks_uri")]
    Nothing,
}

/// The keys a URL gives, and what is odd about the document.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    keys: Vec<Jwk>,
    flaws: Vec<(usize, JwkError)>,
    bare: bool,
}

/// A Client ID Metadata Document, as far as its keys go.
#[derive(Clone, Debug)]
pub enum Document {
    /// It holds them.
    Keys(Directory),
    /// They stand at this URL.
    JwksUri(String),
}

#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow)]
    keys: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    jwks: Option<&'a RawValue>,
    jwks_uri: Option<String>,
    client_id: Option<String>,
    kty: Option<serde::de::IgnoredAny>,
}

impl Directory {
    /// Reads a JWK Set (RFC 7517 section 5), or a single JWK, which some serve in its place. Keys
    /// that verify nothing here are left out and reported.
    ///
    /// # Errors
    /// [`DirectoryError`].
    pub fn parse(json: &[u8]) -> Result<Self, DirectoryError> {
        match read(json)? {
            Members { keys: Some(keys), .. } => Self::of(&keys),
            Members { kty: Some(_), .. } => {
                let text = std::str::from_utf8(json).map_err(|error| no_json(&error))?;
                let mut directory = Self { bare: true, ..Self::default() };
                directory.add(0, text);
                Ok(directory)
            }
            _ => Err(DirectoryError::Nothing),
        }
    }

    fn of(keys: &[&RawValue]) -> Result<Self, DirectoryError> {
        if keys.len() > MAX_KEYS {
            return Err(DirectoryError::TooMany);
        }
        let mut directory = Self::default();
        keys.iter().enumerate().for_each(|(at, key)| directory.add(at, key.get()));
        Ok(directory)
    }

    fn add(&mut self, at: usize, json: &str) {
        match Jwk::parse(json) {
            Ok(jwk) => self.keys.push(jwk),
            Err(error) => self.flaws.push((at, error)),
        }
    }

    /// The key of this thumbprint.
    #[must_use]
    pub fn find(&self, thumbprint: &Thumbprint) -> Option<&Jwk> {
        self.keys.iter().find(|jwk| jwk.thumbprint == *thumbprint)
    }

    /// Leaves out all other keys.
    pub fn retain(&mut self, counts: impl Fn(&Thumbprint) -> bool) {
        self.keys.retain(|jwk| counts(&jwk.thumbprint));
    }

    /// Every key that verifies.
    #[must_use]
    pub fn keys(&self) -> &[Jwk] {
        &self.keys
    }

    /// Keys that were left out: which one, counted from 0, and why.
    #[must_use]
    pub fn flaws(&self) -> &[(usize, JwkError)] {
        &self.flaws
    }

    /// Whether the document is a key alone, and no JWK Set.
    #[must_use]
    pub const fn is_bare(&self) -> bool {
        self.bare
    }
}

impl Document {
    /// Reads a Client ID Metadata Document that stands at `url`, which it has to name itself (section 4.1 of
    /// draft-ietf-oauth-client-id-metadata-document-01): a copy of it elsewhere says nothing.
    ///
    /// # Errors
    /// [`DirectoryError`].
    pub fn parse(json: &[u8], url: &str) -> Result<Self, DirectoryError> {
        let members = read(json)?;
        if members.client_id.as_deref() != Some(url) {
            return Err(DirectoryError::ClientId);
        }
        match (members.jwks, members.jwks_uri, members.keys) {
            (Some(jwks), ..) => Directory::parse(jwks.get().as_bytes()).map(Self::Keys),
            (None, Some(url), _) if url.len() > MAX_URL => Err(DirectoryError::JwksUri),
            (None, Some(url), _) => Ok(Self::JwksUri(url)),
            (None, None, Some(keys)) => Directory::of(&keys).map(Self::Keys),
            (None, None, None) => Err(DirectoryError::Nothing),
        }
    }
}

fn read(json: &[u8]) -> Result<Members<'_>, DirectoryError> {
    if json.len() > MAX_DIRECTORY {
        return Err(DirectoryError::TooLong);
    }
    serde_json::from_slice(json).map_err(|error| no_json(&error))
}

fn no_json(error: &dyn std::error::Error) -> DirectoryError {
    DirectoryError::Json(quoted(&error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// B.1.4 of RFC 9421, and its thumbprint as the Web Bot Auth drafts print it.
    const KEY: &str =
        r#"{"kty":"OKP","crv":"Ed25519","kid":"ignored","x":"JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs"}"#;
    const THUMBPRINT: &str = "poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U";

    fn found(json: &str) -> usize {
        let thumbprint = Thumbprint::parse(THUMBPRINT).unwrap();
        let directory = Directory::parse(json.as_bytes()).unwrap();
        usize::from(directory.find(&thumbprint).is_some()) + directory.flaws().len() * 10
    }

    #[test]
    fn keys_are_found_by_what_they_are() {
        assert_eq!(found(&format!(r#"{{"keys":[{KEY}]}}"#)), 1);
        assert_eq!(found(&format!(r#"{{"keys":[{{"kty":"oct"}},{KEY}],"purpose":"x"}}"#)), 11);
        assert_eq!(found(r#"{"keys":[]}"#), 0);
        assert_eq!(found(KEY), 1);
        assert!(Directory::parse(KEY.as_bytes()).unwrap().is_bare());
    }

    #[test]
    fn what_is_no_directory_is_refused() {
        let refused = |json: &str| Directory::parse(json.as_bytes()).unwrap_err();
        assert_eq!(refused("{}"), DirectoryError::Nothing);
        assert!(matches!(refused("<html>"), DirectoryError::Json(_)));
        assert!(matches!(refused(r#"{"keys":{}}"#), DirectoryError::Json(_)));
        assert!(matches!(refused(r#"{"keys":[],"keys":[]}"#), DirectoryError::Json(_)));
        assert!(matches!(refused(r#"{"keys":[]} x"#), DirectoryError::Json(_)));
        let many = |count: usize| format!(r#"{{"keys":[{}]}}"#, vec!["{}"; count].join(","));
        assert_eq!(Directory::parse(many(MAX_KEYS).as_bytes()).unwrap().flaws().len(), MAX_KEYS);
        assert_eq!(refused(&many(MAX_KEYS + 1)), DirectoryError::TooMany);
        assert_eq!(refused(&" ".repeat(MAX_DIRECTORY + 1)), DirectoryError::TooLong);
    }

    #[test]
    fn a_metadata_document_holds_keys_or_says_where_they_are() {
        const URL: &str = "https://bot.example/card";
        let parse =
            |members: &str| Document::parse(format!(r#"{{"client_id":"{URL}"{members}}}"#).as_bytes(), URL);
        let keys = |members: &str| match parse(members) {
            Ok(Document::Keys(directory)) => directory.keys().len(),
            other => panic!("{other:?}"),
        };
        assert_eq!(keys(&format!(r#","jwks":{{"keys":[{KEY}]}},"jwks_uri":"y""#)), 1);
        assert_eq!(keys(&format!(r#","keys":[{KEY}]"#)), 1);
        let place = parse(r#","jwks_uri":"https://bot.example/keys""#);
        assert!(matches!(place, Ok(Document::JwksUri(url)) if url == "https://bot.example/keys"));
        let long = |octets| parse(&format!(r#","jwks_uri":"{}""#, "x".repeat(octets))).map(drop);
        assert_eq!((long(512), long(513)), (Ok(()), Err(DirectoryError::JwksUri)));
        assert_eq!(parse("").unwrap_err(), DirectoryError::Nothing);
    }

    #[test]
    fn a_metadata_document_counts_at_its_own_url_only() {
        let at = |client_id: &str, url: &str| {
            Document::parse(format!(r#"{{{client_id}"keys":[]}}"#).as_bytes(), url).map(drop)
        };
        let own = r#""client_id":"https://bot.example/card","#;
        assert_eq!(at(own, "https://bot.example/card"), Ok(()));
        assert_eq!(at(own, "https://bot.example/card?copy"), Err(DirectoryError::ClientId));
        assert_eq!(at(own, "https://bot.example/Card"), Err(DirectoryError::ClientId));
        assert_eq!(at("", "https://bot.example/card"), Err(DirectoryError::ClientId));
    }
}

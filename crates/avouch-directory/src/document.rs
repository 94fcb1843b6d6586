//! The document: a JWK Set.

use avouch_wire::http_signature::{Jwk, Thumbprint};
use avouch_wire::key::PublicKey;
use avouch_wire::time::Time;
use avouch_wire::web_bot_auth::MAX_KEYS;

/// When keys count: from the one moment on, until the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Validity {
    /// `nbf`.
    pub not_before: Option<Time>,
    /// `exp`.
    pub expires: Option<Time>,
}

/// Why there is no such document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// More keys than verifiers read.
    #[error("verifiers read {MAX_KEYS} keys at most")]
    TooMany,
    /// The same key twice.
    #[error("the key {0} is given twice")]
    Twice(Thumbprint),
    /// `exp` does not lie after `nbf`.
    #[error("the keys would end before they begin")]
    Validity,
}

/// A JWK Set of public keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document(String);

impl Document {
    /// Of these keys, in this order, all of the same validity.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub fn new(keys: &[PublicKey], validity: Validity) -> Result<Self, DocumentError> {
        if keys.len() > MAX_KEYS {
            return Err(DocumentError::TooMany);
        }
        for (at, key) in keys.iter().enumerate() {
            if keys.iter().take(at).any(|other| other == key) {
                return Err(DocumentError::Twice(Thumbprint::of(key)));
            }
        }
        let Validity { not_before, expires } = validity;
        if not_before.zip(expires).is_some_and(|(from, until)| until <= from) {
            return Err(DocumentError::Validity);
        }
        let (from, until) = (not_before.map(Time::seconds), expires.map(Time::seconds));
        let keys: Vec<_> = keys.iter().map(|key| Jwk::write(key, from, until)).collect();
        Ok(Self(format!("{{\"keys\":[\n  {}\n]}}\n", keys.join(",\n  "))))
    }

    /// The JSON text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use avouch_keys::SecretKey;
    use avouch_keys::entropy::SystemEntropy;
    use avouch_wire::key::KeyType;
    use avouch_wire::web_bot_auth::Directory;

    fn keys(count: usize) -> Vec<PublicKey> {
        let key = |_| SecretKey::generate(KeyType::Ed25519, &mut SystemEntropy).unwrap().public().clone();
        (0..count).map(key).collect()
    }

    #[test]
    fn what_is_made_is_read_as_it_was_meant() {
        let (from, until) = (Time::from_seconds(1_790_000_000), Time::from_seconds(1_790_000_001));
        let keys = keys(2);
        let document =
            Document::new(&keys, Validity { not_before: Some(from), expires: Some(until) }).unwrap();
        let read = Directory::parse(document.as_str().as_bytes()).unwrap();
        assert_eq!((read.keys().len(), read.flaws().len(), read.is_bare()), (2, 0, false));
        for key in &keys {
            let jwk = read.find(&Thumbprint::of(key)).unwrap();
            assert_eq!((jwk.not_before, jwk.expires), (Some(1_790_000_000), Some(1_790_000_001)));
        }
    }

    #[test]
    fn what_verifiers_would_not_read_is_not_made() {
        let made = |keys: &[PublicKey], not_before, expires| {
            let at = |seconds: Option<u64>| seconds.map(Time::from_seconds);
            Document::new(keys, Validity { not_before: at(not_before), expires: at(expires) }).map(drop)
        };
        let keys = keys(101);
        assert_eq!(made(&keys[..100], None, None), Ok(()));
        assert_eq!(made(&keys, None, None), Err(DocumentError::TooMany));
        let twice = [keys[0].clone(), keys[1].clone(), keys[0].clone()];
        assert_eq!(made(&twice, None, None), Err(DocumentError::Twice(Thumbprint::of(&keys[0]))));
        assert_eq!(made(&keys[..1], Some(5), Some(6)), Ok(()));
        assert_eq!(made(&keys[..1], Some(5), Some(5)), Err(DocumentError::Validity));
    }
}

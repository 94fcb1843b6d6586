//! A directory whose keys are at hand, and sign it.

use crate::document::{Document, DocumentError, Validity};
use avouch_keys::http_signature::Members;
use avouch_keys::web_bot_auth::SignError;
use avouch_keys::{SecretKey, directory};
use avouch_wire::authority::Authority;
use avouch_wire::b64u;
use avouch_wire::content::ContentDigest;
use avouch_wire::http_signature::{MAX_SIGNATURES, TimeRules};
use avouch_wire::time::Time;

/// The shortest a signature may last: less would end on its way through caches.
const SHORTEST: u64 = 60;

/// Characters of an entity tag: 96 bits of the document's digest.
const TAG_LENGTH: usize = 16;

/// How long a signature lasts, in seconds: between a minute and a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime(u64);

/// A lifetime that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a signature lasts between {SHORTEST} s and {} s, which is as long as verifiers take", TimeRules::DEFAULT.max_lifetime)]
pub struct LifetimeError;

impl Lifetime {
    /// An hour.
    pub const HOUR: Self = Self(60 * 60);

    /// So many seconds.
    ///
    /// # Errors
    /// [`LifetimeError`].
    pub fn new(seconds: u64) -> Result<Self, LifetimeError> {
        let fits = (SHORTEST..=TimeRules::DEFAULT.max_lifetime).contains(&seconds);
        fits.then_some(Self(seconds)).ok_or(LifetimeError)
    }

    /// In seconds.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.0
    }

    /// How long an answer may be kept, in seconds: one that a cache hands on at the last moment still has half of its
    /// signatures' lifetime before it.
    #[must_use]
    pub const fn kept(self) -> u64 {
        self.0 / 2
    }
}

/// Why a directory cannot be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnsignableError {
    /// There is no such document.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// More keys than verifiers read signatures.
    #[error("verifiers read {MAX_SIGNATURES} signatures of an answer at most, and each key makes one")]
    TooMany,
    /// No key.
    #[error("there is no key")]
    Nothing,
}

/// A document, the keys in it, and the site it is served for.
#[derive(Debug)]
pub struct Directory {
    document: Document,
    tag: String,
    keys: Vec<SecretKey>,
    site: Authority<'static>,
    lifetime: Lifetime,
}

impl Directory {
    /// Of these keys, for this site.
    ///
    /// # Errors
    /// [`UnsignableError`].
    pub fn new(
        keys: Vec<SecretKey>,
        validity: Validity,
        site: Authority<'static>,
        lifetime: Lifetime,
    ) -> Result<Self, UnsignableError> {
        if keys.len() > MAX_SIGNATURES {
            return Err(UnsignableError::TooMany);
        }
        if keys.is_empty() {
            return Err(UnsignableError::Nothing);
        }
        let public: Vec<_> = keys.iter().map(|key| key.public().clone()).collect();
        let document = Document::new(&public, validity)?;
        let digest = b64u::encode(&ContentDigest::of(document.as_str().as_bytes()).0);
        let tag = format!("\"{}\"", digest.chars().take(TAG_LENGTH).collect::<String>());
        Ok(Self { document, tag, keys, site, lifetime })
    }

    /// The document.
    #[must_use]
    pub const fn document(&self) -> &Document {
        &self.document
    }

    /// Its entity tag, in quotes: it changes with the document alone, for signatures are no part of it.
    pub(crate) fn tag(&self) -> &str {
        &self.tag
    }

    /// The site it is served for.
    #[must_use]
    pub const fn site(&self) -> &Authority<'static> {
        &self.site
    }

    /// How long its signatures last.
    #[must_use]
    pub const fn lifetime(&self) -> Lifetime {
        self.lifetime
    }

    /// The fields of its signatures, made now.
    ///
    /// # Errors
    /// [`SignError`]: the library failed, or the clock stands at the end of time.
    pub fn sign(&self, now: Time) -> Result<Members, SignError> {
        directory::sign(&self.keys, &self.site, self.lifetime.seconds(), now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use avouch_keys::entropy::SystemEntropy;
    use avouch_wire::authority::Scheme;
    use avouch_wire::key::KeyType;

    fn directory(keys: usize) -> Result<Directory, UnsignableError> {
        let keys = (0..keys).map(|_| SecretKey::generate(KeyType::Ed25519, &mut SystemEntropy).unwrap());
        let site = Authority::parse("bot.example", Scheme::Https).unwrap();
        Directory::new(keys.collect(), Validity::default(), site, Lifetime::HOUR)
    }

    #[test]
    fn as_many_keys_sign_as_verifiers_read_signatures() {
        assert!(directory(1).is_ok() && directory(MAX_SIGNATURES).is_ok());
        assert_eq!(directory(MAX_SIGNATURES + 1).err(), Some(UnsignableError::TooMany));
        assert_eq!(directory(0).err(), Some(UnsignableError::Nothing));
    }

    #[test]
    fn a_signature_lasts_as_long_as_verifiers_take_and_outlives_caches() {
        assert_eq!((Lifetime::new(59), Lifetime::new(86_401)), (Err(LifetimeError), Err(LifetimeError)));
        assert!(Lifetime::new(60).is_ok() && Lifetime::new(86_400).is_ok());
        assert_eq!((Lifetime::HOUR.seconds(), Lifetime::HOUR.kept()), (3600, 1800));
    }
}

//! Signatures under keys that the site's operator registered: of partners whom it knows by other means.

use super::signature::{keep, unreadable};
use super::{Coverage, Unreadable};
use crate::reason::Reason;
use avouch_wire::content::ContentDigest;
use avouch_wire::context;
use avouch_wire::http_signature::{
    Algorithm, Algorithms, Labelled, Signature, SignaturesError, TimeRules, VerificationKey,
};
use avouch_wire::name::{Domain, Identity};
use avouch_wire::web_bot_auth::TAG;
use std::collections::BTreeMap;
use thiserror::Error;

/// A key, and whose the operator says it is.
#[derive(Clone, Debug)]
pub struct RegisteredKey {
    keyid: Box<str>,
    key: VerificationKey,
    algorithms: Algorithms,
    /// Where one is left, which `alg` need not name then.
    only: Option<Algorithm>,
    identity: Identity,
    tag: Option<Box<str>>,
    coverage: Coverage,
    lives: (Option<u64>, Option<u64>),
    replay: [u8; 32],
}

/// Why a key cannot be registered.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RegisterError {
    /// The key makes no signatures by this algorithm.
    #[error("the key is none for {0}")]
    Algorithm(Algorithm),
    /// None of the algorithms that count unless told otherwise is the key's.
    #[error("the key is for an algorithm that counts only where `algorithms` names it")]
    NoAlgorithm,
    /// The tag of Web Bot Auth.
    #[error("the tag {TAG} is that of Web Bot Auth, whose keys stand in directories")]
    Tag,
    /// Two keys have this name.
    #[error("two keys have the keyid {0:?}")]
    Twice(String),
}

impl RegisteredKey {
    /// A key by the name that signatures have for it. Without `algorithms` those of the key count that only the holder
    /// of a private key can use, RSA v1.5 aside.
    ///
    /// # Errors
    /// [`RegisterError`].
    pub fn new(
        keyid: &str,
        key: VerificationKey,
        identity: Identity,
        algorithms: Option<&[Algorithm]>,
    ) -> Result<Self, RegisterError> {
        let can = |one: &Algorithm| key.algorithm(Some(one.name()), Algorithms::of(&[*one])).is_ok();
        if let Some(other) = algorithms.and_then(|named| named.iter().find(|one| !can(one))) {
            return Err(RegisterError::Algorithm(*other));
        }
        let taken = algorithms.map_or(Algorithms::DEFAULT, Algorithms::of);
        let left: Vec<_> = Algorithm::ALL.into_iter().filter(|one| taken.contain(*one) && can(one)).collect();
        let only = match left.as_slice() {
            [] => return Err(RegisterError::NoAlgorithm),
            [only] => Some(*only),
            _ => None,
        };
        let instance = identity.agent.clone();
        Ok(Self {
            keyid: keyid.into(),
            key,
            algorithms: Algorithms::of(&left),
            only,
            identity: Identity { instance, ..identity },
            tag: None,
            coverage: Coverage::default(),
            lives: (None, None),
            replay: ContentDigest::of(&[context::REGISTERED_KEY, keyid.as_bytes()].concat()).0,
        })
    }

    /// The same, for signatures with this tag. Those of a key without one have none.
    ///
    /// # Errors
    /// [`RegisterError::Tag`].
    pub fn with_tag(self, tag: &str) -> Result<Self, RegisterError> {
        if tag == TAG { Err(RegisterError::Tag) } else { Ok(Self { tag: Some(tag.into()), ..self }) }
    }

    /// The same, for signatures that cover this.
    #[must_use]
    pub fn covering(self, coverage: Coverage) -> Self {
        Self { coverage, ..self }
    }

    /// The same, from and until these Unix seconds.
    #[must_use]
    pub fn within(self, not_before: Option<u64>, expires: Option<u64>) -> Self {
        Self { lives: (not_before, expires), ..self }
    }

    /// The name that signatures have for it.
    #[must_use]
    pub fn keyid(&self) -> &str {
        &self.keyid
    }

    /// Whose it is.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(crate) const fn key(&self) -> &VerificationKey {
        &self.key
    }

    /// The algorithm that a signature says, or the one there is.
    pub(crate) fn alg<'s>(&self, named: Option<&'s str>) -> Option<&'s str> {
        named.or(self.only.map(Algorithm::name))
    }

    pub(crate) const fn algorithms(&self) -> Algorithms {
        self.algorithms
    }

    pub(crate) const fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// Until when it counts, where it counts at `now` (Unix seconds).
    pub(crate) fn live(&self, now: u64) -> Result<Option<u64>, Reason> {
        let (not_before, expires) = self.lives;
        let is_live = not_before.is_none_or(|from| from <= now) && expires.is_none_or(|until| now < until);
        if is_live { Ok(expires) } else { Err(Reason::KeyExpired) }
    }

    /// What stands for it in the replay table: its name, which is signed.
    pub(crate) const fn replay(&self) -> &[u8; 32] {
        &self.replay
    }
}

/// The keys that are registered with a site, by their names.
#[derive(Clone, Debug)]
pub struct KeyRegister {
    keys: BTreeMap<Box<str>, RegisteredKey>,
    pub(crate) times: TimeRules,
}

impl Default for KeyRegister {
    fn default() -> Self {
        Self { keys: BTreeMap::new(), times: TimeRules::DEFAULT }
    }
}

impl KeyRegister {
    /// Registers a key.
    ///
    /// # Errors
    /// [`RegisterError::Twice`]: of two keys with one name it would be open which is meant.
    pub fn add(&mut self, key: RegisteredKey) -> Result<(), RegisterError> {
        if self.keys.contains_key(&key.keyid) {
            return Err(RegisterError::Twice(key.keyid.into_string()));
        }
        self.keys.insert(key.keyid.clone(), key);
        Ok(())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Every key.
    pub fn keys(&self) -> impl Iterator<Item = &RegisteredKey> {
        self.keys.values()
    }

    /// The key of a signature with this name and tag.
    #[must_use]
    pub fn find(&self, keyid: Option<&str>, tag: Option<&str>) -> Option<&RegisteredKey> {
        self.keys.get(keyid?).filter(|key| key.tag.as_deref() == tag)
    }

    /// Whether a text that cannot be read names a key of these, which is not among `others`.
    fn is_named_in(&self, text: &str, others: &[&str]) -> bool {
        let named = text.split("keyid=\"").skip(1).filter_map(|rest| rest.split_once('"'));
        named.into_iter().any(|(keyid, _)| self.keys.contains_key(keyid) && !others.contains(&keyid))
    }
}

/// The signatures of a request under registered keys.
#[derive(Clone, Debug)]
pub(crate) struct Partner<'a> {
    pub(crate) candidates: Vec<Presented<'a>>,
}

/// One signature under a registered key.
#[derive(Clone, Debug)]
pub(crate) struct Presented<'a> {
    pub(crate) label: &'a str,
    pub(crate) signature: Signature<'a>,
    pub(crate) key: &'a RegisteredKey,
}

impl<'a> Partner<'a> {
    /// Those of the signatures whose key is registered; `None` where none is: others are nobody's business. One that
    /// cannot be read is a claim where it is the only place for a registered name.
    pub(super) fn read(
        input: &str,
        signatures: &Result<Vec<Labelled<'a>>, SignaturesError>,
        register: &'a KeyRegister,
    ) -> Result<Option<Self>, Unreadable> {
        let signatures = match signatures {
            Ok(signatures) => signatures,
            Err(error) if register.is_named_in(input, &[]) => {
                return Err(Unreadable::with(Reason::SignatureMalformed, error.to_string()));
            }
            Err(_) => return Ok(None),
        };
        let readable = || signatures.iter().filter_map(|one| Some((one.label, one.signature.as_ref().ok()?)));
        let candidates: Vec<_> = readable()
            .filter_map(|(label, signature)| {
                let key = register.find(signature.input.keyid, signature.input.tag)?;
                Some(Presented { label, signature: signature.clone(), key })
            })
            .collect();
        if !candidates.is_empty() {
            return Ok(Some(Self { candidates }));
        }
        let named: Vec<_> = readable().filter_map(|(_, signature)| signature.input.keyid).collect();
        match signatures.iter().find_map(|one| one.signature.as_ref().err()) {
            Some(error) if register.is_named_in(input, &named) => Err(unreadable(error)),
            _ => Ok(None),
        }
    }

    /// Whose the keys are, by the first of them.
    pub(crate) fn identity(&self) -> Option<&Identity> {
        self.candidates.first().map(|presented| presented.key.identity())
    }

    /// The domains that are claimed.
    pub(crate) fn domains(&self) -> impl Iterator<Item = &Domain<'_>> {
        self.candidates.iter().map(|presented| &presented.key.identity.domain)
    }

    /// Leaves only the signatures that pass.
    pub(super) fn keep(
        &mut self,
        check: impl Fn(&Presented<'a>) -> Result<(), Reason>,
    ) -> Result<(), Reason> {
        keep(&mut self.candidates, check)
    }

    /// Leaves only the signature that proves the claim.
    pub(super) fn single_out(&mut self, at: usize) {
        self.candidates.truncate(at.saturating_add(1));
        self.candidates.drain(..at.min(self.candidates.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use avouch_wire::key::PublicKey;

    fn ed25519() -> VerificationKey {
        PublicKey::from_b64u("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap().into()
    }

    fn register(
        key: VerificationKey,
        algorithms: Option<&[Algorithm]>,
    ) -> Result<RegisteredKey, RegisterError> {
        RegisteredKey::new("one", key, Identity::parse("bot@acme.example").unwrap(), algorithms)
    }

    #[test]
    fn a_key_is_registered_for_its_own_algorithms_only() {
        let own = register(ed25519(), None).unwrap();
        assert_eq!((own.alg(None), own.alg(Some("x"))), (Some("ed25519"), Some("x")));
        for other in [Algorithm::HmacSha256, Algorithm::EcdsaP256Sha256, Algorithm::RsaV15Sha256] {
            let both = [Algorithm::Ed25519, other];
            assert_eq!(register(ed25519(), Some(&both)).err(), Some(RegisterError::Algorithm(other)));
        }
        let secret = VerificationKey::hmac(&[7; 32]);
        assert_eq!(register(secret.clone(), None).err(), Some(RegisterError::NoAlgorithm));
        assert!(register(secret, Some(&[Algorithm::HmacSha256])).is_ok());
        assert_eq!(own.clone().with_tag(TAG).err(), Some(RegisterError::Tag));
        assert!(own.with_tag("partner").is_ok());
    }

    #[test]
    fn a_name_stands_for_one_key_and_with_one_tag() {
        let mut register = KeyRegister::default();
        assert!(register.is_empty());
        let key = self::register(ed25519(), None).unwrap();
        register.add(key.clone()).unwrap();
        assert_eq!(register.add(key), Err(RegisterError::Twice("one".to_owned())));
        assert!(register.find(Some("one"), None).is_some());
        for (keyid, tag) in
            [(None, None), (Some("two"), None), (Some("one"), Some("t")), (Some("one"), Some(TAG))]
        {
            assert!(register.find(keyid, tag).is_none(), "{keyid:?} {tag:?}");
        }
    }

    #[test]
    fn a_key_counts_within_its_own_times() {
        let key = register(ed25519(), None).unwrap().within(Some(10), Some(20));
        assert_eq!([9, 10, 19, 20].map(|now| key.live(now).is_ok()), [false, true, true, false]);
    }
}

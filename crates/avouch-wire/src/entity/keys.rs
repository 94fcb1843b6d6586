//! The derivation of keys, from the secret of an agent to the MAC of a request.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest;
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use zeroize::Zeroizing;

use crate::b64u;
use crate::context::{RE_AGENT, RE_ROLLING, RE_VERIFIER};
use crate::key::BadSignature;
use crate::name::{AgentId, Domain};

/// Seconds in an epoch, for which a verifier's key counts.
pub const EPOCH: u64 = 300;

/// The epoch that a request signed at `timestamp` belongs to.
#[must_use]
pub const fn epoch_of(timestamp: u64) -> u64 {
    timestamp / EPOCH
}

/// What a verifier's key is for. Names are in lower case.
#[derive(Clone, Copy, Debug)]
pub struct KeyName<'a> {
    /// The registration entity.
    pub entity: &'a Domain<'a>,
    /// The authority of the site.
    pub audience: &'a str,
    /// The agent's domain.
    pub domain: &'a Domain<'a>,
    /// The agent.
    pub agent: &'a AgentId<'a>,
    /// See [`epoch_of`].
    pub epoch: u64,
}

/// What an agent shares with its registration entity. Wiped when dropped, and not shown by `Debug`.
#[derive(Clone)]
pub struct EnrolmentSecret(Zeroizing<[u8; 32]>);

impl EnrolmentSecret {
    /// A secret of 32 random octets.
    #[must_use]
    pub fn from_octets(octets: [u8; 32]) -> Self {
        Self(Zeroizing::new(octets))
    }

    /// Reads base64url, as a registration entity sends it; `None` when it is not 32 octets.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        b64u::decode(text).ok().map(Self::from_octets)
    }

    /// As [`EnrolmentSecret::parse`] reads it. Wiped when dropped.
    #[must_use]
    pub fn b64u(&self) -> Zeroizing<String> {
        Zeroizing::new(b64u::encode(&self.0[..]))
    }

    /// K_v: the key of one verifier, for one agent and one epoch.
    #[must_use]
    pub fn verifier_key(&self, name: &KeyName<'_>) -> VerifierKey {
        let mut mac = hmac::Context::with_key(&hmac::Key::new(HMAC_SHA256, &self.0[..]));
        mac.update(RE_VERIFIER);
        let texts = [name.entity.as_str(), name.audience, name.domain.as_str(), name.agent.as_str()];
        texts.iter().for_each(|text| lp16(text.as_bytes(), |octets| mac.update(octets)));
        mac.update(&name.epoch.to_be_bytes());
        VerifierKey(octets_of(&mac.sign()))
    }
}

/// In constant time.
impl PartialEq for EnrolmentSecret {
    fn eq(&self, other: &Self) -> bool {
        verify_slices_are_equal(&self.0[..], &other.0[..]).is_ok()
    }
}

impl Eq for EnrolmentSecret {}

impl fmt::Debug for EnrolmentSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EnrolmentSecret(..)")
    }
}

/// K_v: what a verifier holds of an agent for one epoch. Wiped when dropped, compared in constant time, and not shown
/// by `Debug`.
#[derive(Clone)]
pub struct VerifierKey(Zeroizing<[u8; 32]>);

impl VerifierKey {
    /// Reads base64url, as a registration entity sends it; `None` when it is not 32 octets.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        b64u::decode(text).ok().map(|octets| Self(Zeroizing::new(octets)))
    }

    /// As [`VerifierKey::parse`] reads it. Wiped when dropped.
    #[must_use]
    pub fn b64u(&self) -> Zeroizing<String> {
        Zeroizing::new(b64u::encode(&self.0[..]))
    }

    /// The MAC over the canonical string of a request, by the key of its instance and number (K_n).
    #[must_use]
    pub fn seal(&self, instance: &str, sequence: u64, message: &[u8]) -> [u8; 32] {
        *octets_of(&hmac::sign(&self.rolling(instance, sequence), message))
    }

    /// Whether `mac` is that MAC; compared in constant time.
    ///
    /// # Errors
    /// [`BadSignature`] when it is not.
    pub fn verify(
        &self,
        instance: &str,
        sequence: u64,
        message: &[u8],
        mac: &[u8; 32],
    ) -> Result<(), BadSignature> {
        hmac::verify(&self.rolling(instance, sequence), message, mac).map_err(|_| BadSignature)
    }

    /// K_n. The library wipes it when it is dropped.
    fn rolling(&self, instance: &str, sequence: u64) -> hmac::Key {
        let mut mac = hmac::Context::with_key(&hmac::Key::new(HMAC_SHA256, &self.0[..]));
        mac.update(RE_ROLLING);
        lp16(instance.as_bytes(), |octets| mac.update(octets));
        mac.update(&sequence.to_be_bytes());
        hmac::Key::new(HMAC_SHA256, &octets_of(&mac.sign())[..])
    }
}

impl PartialEq for VerifierKey {
    fn eq(&self, other: &Self) -> bool {
        verify_slices_are_equal(&self.0[..], &other.0[..]).is_ok()
    }
}

impl Eq for VerifierKey {}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerifierKey(..)")
    }
}

/// What stands for an agent of a registration entity where others are known by their key's fingerprint.
#[must_use]
pub fn agent_name(entity: &Domain<'_>, domain: &Domain<'_>, agent: &AgentId<'_>) -> [u8; 32] {
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(RE_AGENT);
    for text in [entity.as_str(), domain.as_str(), agent.as_str()] {
        lp16(text.as_bytes(), |octets| hash.update(octets));
    }
    let mut octets = [0; 32];
    octets.iter_mut().zip(hash.finish().as_ref()).for_each(|(to, from)| *to = *from);
    octets
}

/// Two octets of length, then the octets. Names and authorities are never as long as 65,536 octets.
fn lp16(octets: &[u8], mut put: impl FnMut(&[u8])) {
    put(&u16::try_from(octets.len()).unwrap_or(u16::MAX).to_be_bytes());
    put(octets);
}

/// The 32 octets of a tag.
fn octets_of(tag: &hmac::Tag) -> Zeroizing<[u8; 32]> {
    let mut octets = Zeroizing::new([0; 32]);
    octets.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Names {
        entity: Domain<'static>,
        audience: &'static str,
        domain: Domain<'static>,
        agent: AgentId<'static>,
        epoch: u64,
    }

    impl Names {
        fn new() -> Self {
            Self {
                entity: Domain::parse("re.example").unwrap(),
                audience: "www.shop.example",
                domain: Domain::parse("acme.example").unwrap(),
                agent: AgentId::parse("crawler-7").unwrap(),
                epoch: epoch_of(1_790_000_000),
            }
        }

        fn key(&self) -> VerifierKey {
            let Self { entity, audience, domain, agent, epoch } = self;
            let name = KeyName { entity, audience, domain, agent, epoch: *epoch };
            EnrolmentSecret::from_octets([7; 32]).verifier_key(&name)
        }
    }

    fn hmac_of(key: &[u8], message: &[u8]) -> Vec<u8> {
        hmac::sign(&hmac::Key::new(HMAC_SHA256, key), message).as_ref().to_vec()
    }

    #[test]
    fn keys_are_derived_as_the_format_says() {
        let epoch = 5_966_666_u64;
        let name =
            b"avouch re verifier v1\0\0\x0are.example\0\x10www.shop.example\0\x0cacme.example\0\x09crawler-7";
        let verifier = hmac_of(&[7; 32], &[&name[..], &epoch.to_be_bytes()].concat());
        assert_eq!(Names::new().key().0.to_vec(), verifier);
        let rolling =
            hmac_of(&verifier, &[b"avouch re rolling v1\0\0\x02m1", &9_u64.to_be_bytes()[..]].concat());
        assert_eq!(Names::new().key().seal("m1", 9, b"string").to_vec(), hmac_of(&rolling, b"string"));
    }

    #[test]
    fn another_name_site_epoch_instance_or_number_is_another_key() {
        let key = Names::new().key();
        let others = [
            Names { entity: Domain::parse("re2.example").unwrap(), ..Names::new() },
            Names { audience: "www.rival.example", ..Names::new() },
            Names { domain: Domain::parse("acme2.example").unwrap(), ..Names::new() },
            Names { agent: AgentId::parse("crawler-8").unwrap(), ..Names::new() },
            Names { epoch: 5_966_667, ..Names::new() },
        ];
        assert!(others.iter().all(|other| other.key() != key));
        assert_eq!(Names::new().key(), key);
        let mac = key.seal("m1", 9, b"string");
        assert_eq!(key.verify("m1", 9, b"string", &mac), Ok(()));
        let changed = mac.map(|octet| octet ^ 1);
        for (instance, sequence, message, mac) in [
            ("m2", 9, &b"string"[..], mac),
            ("", 9, b"string", mac),
            ("m1", 10, b"string", mac),
            ("m1", 9, b"strinh", mac),
            ("m1", 9, b"string", changed),
        ] {
            assert_eq!(key.verify(instance, sequence, message, &mac), Err(BadSignature));
        }
        assert!(others.iter().all(|other| other.key().verify("m1", 9, b"string", &mac).is_err()));
    }

    #[test]
    fn parts_of_a_name_do_not_run_into_each_other() {
        let of = |entity, domain, agent| {
            let [entity, domain] = [entity, domain].map(|name| Domain::parse(name).unwrap());
            agent_name(&entity, &domain, &AgentId::parse(agent).unwrap())
        };
        let one = of("re.example", "acme.example", "a");
        assert_eq!(one, of("re.example", "acme.example", "a"));
        for other in [
            of("re.examplea", "cme.example", "a"),
            of("re.example", "acme.examplea", "a"),
            of("re.example", "acme.example", "b"),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn a_key_is_read_as_written_and_never_printed() {
        let key = Names::new().key();
        assert_eq!(VerifierKey::parse(&key.b64u()), Some(key.clone()));
        for text in ["", "AAAA", &b64u::encode(&[1; 33]), &format!("{}=", *key.b64u())] {
            assert_eq!(VerifierKey::parse(text), None, "{text}");
        }
        let secret = EnrolmentSecret::from_octets([7; 32]);
        assert_eq!(format!("{key:?} {secret:?}"), "VerifierKey(..) EnrolmentSecret(..)");
    }

    #[test]
    fn an_epoch_lasts_for_five_minutes() {
        assert_eq!(
            [0, 299, 300, 1_789_999_799, 1_789_999_800].map(epoch_of),
            [0, 0, 1, 5_966_665, 5_966_666]
        );
    }
}

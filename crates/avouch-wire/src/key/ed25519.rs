//! Keys of Ed25519, and the check of their signatures.

use super::multiples::{OfBase, OfKey};
use super::{BadSignature, KeyError};
use aws_lc_rs::digest;
use curve25519_dalek::scalar::Scalar;
use ed25519_dalek::{Signature, Verifier as _, VerifyingKey};
use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// A key under which so many signatures held has its [multiples](OfKey) computed. That takes as long as some
/// four checks, and saves two fifths of each that follows.
const OFTEN: u32 = 64;

/// Most keys with [multiples](OfKey) at once in a process, which are 65 MiB. Others are checked as well, without them.
const MAX_OFTEN: usize = 1_024;

/// How many there are.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// DER before the 32 octets of an Ed25519 key (RFC 8410 section 4).
const ED25519_SPKI: &[u8] = &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A key that passed every check on its encoding.
#[derive(Debug)]
pub(super) struct Ed25519 {
    key: VerifyingKey,
    /// Signatures that held, up to [`OFTEN`].
    held: AtomicU32,
    multiples: OnceLock<Arc<Counted>>,
}

impl Ed25519 {
    pub(super) fn read(octets: &[u8; 32]) -> Result<Self, KeyError> {
        if !is_canonical(octets) {
            return Err(KeyError::Point);
        }
        if is_small_order(octets) {
            return Err(KeyError::SmallOrder);
        }
        let key = VerifyingKey::from_bytes(octets).map_err(|_| KeyError::Point)?;
        Ok(Self { key, held: AtomicU32::new(0), multiples: OnceLock::new() })
    }

    pub(super) fn octets(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// The check of RFC 8032 section 5.1.7, without the cofactor: `S` below the group order, and `R` the octets of
    /// S·B − H(R, A, M)·A.
    pub(super) fn verify(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), BadSignature> {
        let signature = Signature::from_bytes(signature);
        if let Some(multiples) = self.multiples.get() {
            return multiples.verify(self.octets(), message, &signature);
        }
        self.key.verify(message, &signature).map_err(|_| BadSignature)?;
        self.held();
        Ok(())
    }

    /// Counts a signature that held. Whoever counts the one that makes it often computes the multiples, and nobody
    /// waits for that.
    fn held(&self) {
        if self.held.load(Ordering::Relaxed) < OFTEN && self.held.fetch_add(1, Ordering::Relaxed) == OFTEN - 1
        {
            self.compute_multiples();
        }
    }

    pub(super) fn compute_multiples(&self) {
        if let Some(multiples) = Counted::of(&self.key, &COUNT) {
            // Only one is ever computed for a key, and it stays.
            let _ = self.multiples.set(Arc::new(multiples));
        }
    }
}

impl Clone for Ed25519 {
    fn clone(&self) -> Self {
        let held = AtomicU32::new(self.held.load(Ordering::Relaxed));
        Self { key: self.key, held, multiples: self.multiples.clone() }
    }
}

/// The SubjectPublicKeyInfo of a key.
pub(super) fn spki(octets: &[u8; 32]) -> [u8; 44] {
    let mut spki = [0; 44];
    spki.iter_mut().zip(ED25519_SPKI.iter().chain(octets)).for_each(|(to, from)| *to = *from);
    spki
}

/// The multiples of −A for a key A.
struct Counted {
    multiples: OfKey,
    /// Where they count.
    count: &'static AtomicUsize,
}

impl Counted {
    /// None, if there are too many already.
    fn of(key: &VerifyingKey, count: &'static AtomicUsize) -> Option<Self> {
        let one_more = |others: usize| (others < MAX_OFTEN).then_some(others + 1);
        count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(Self { multiples: OfKey::of(-key.to_edwards()), count })
    }

    fn verify(&self, key: &[u8; 32], message: &[u8], signature: &Signature) -> Result<(), BadSignature> {
        let s = Scalar::from_canonical_bytes(*signature.s_bytes()).into_option().ok_or(BadSignature)?;
        let mut hash = digest::Context::new(&digest::SHA512);
        [signature.r_bytes(), &key[..], message].into_iter().for_each(|part| hash.update(part));
        let hash = hash.finish();
        let k = Scalar::from_bytes_mod_order_wide(hash.as_ref().try_into().map_err(|_| BadSignature)?);
        let r = OfBase::shared().times(&s) + self.multiples.times(&k);
        if r.compress().as_bytes() == signature.r_bytes() { Ok(()) } else { Err(BadSignature) }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Counted")
    }
}

/// Whether the y coordinate is written as a number below the prime 2^255 - 19 (RFC 8032 section
/// 5.1.3). The other non-canonical spellings, a sign bit with x = 0, are of small order.
pub(super) fn is_canonical(octets: &[u8; 32]) -> bool {
    let [lowest, middle @ .., highest] = octets;
    highest & 0x7f != 0x7f || middle.iter().any(|octet| *octet != 0xff) || *lowest < 0xed
}

/// The y coordinates, little-endian, of the eight points whose order divides 8: those of order 4 (y = 0), the
/// identity (1), of order 2 (-1) and the two of order 8. To ask the curve instead takes three doublings.
const SMALL_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    first_octet(1),
    [
        0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
    ],
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5,
        0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a,
        0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
];

const fn first_octet(octet: u8) -> [u8; 32] {
    let mut octets = [0; 32];
    let [first, ..] = &mut octets;
    *first = octet;
    octets
}

/// Whether a canonical encoding is that of a point of small order, whatever its sign bit.
pub(super) fn is_small_order(octets: &[u8; 32]) -> bool {
    let mut y = *octets;
    let [.., highest] = &mut y;
    *highest &= 0x7f;
    SMALL_ORDER.contains(&y)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::{Signer as _, SigningKey};
    use proptest::prelude::*;

    fn signer(seed: u8) -> (SigningKey, Ed25519) {
        let signer = SigningKey::from_bytes(&[seed; 32]);
        let key = Ed25519::read(signer.verifying_key().as_bytes()).unwrap();
        (signer, key)
    }

    #[test]
    fn a_key_gets_its_multiples_after_signatures_that_held_and_only_those() {
        let (signer, key) = signer(1);
        let signature = signer.sign(b"message").to_bytes();
        for _ in 0..OFTEN * 2 {
            assert_eq!(key.verify(b"other", &signature), Err(BadSignature));
        }
        for _ in 1..OFTEN {
            assert_eq!(key.verify(b"message", &signature), Ok(()));
        }
        assert!(key.multiples.get().is_none());
        assert_eq!(key.clone().verify(b"message", &signature), Ok(()));
        assert!(key.multiples.get().is_none(), "a clone counts for itself");
        assert_eq!(key.verify(b"message", &signature), Ok(()));
        assert!(key.multiples.get().is_some());
        assert!(key.clone().multiples.get().is_some(), "and takes the multiples along");
        assert_eq!(key.verify(b"message", &signature), Ok(()));
        assert_eq!(key.verify(b"other", &signature), Err(BadSignature));
    }

    #[test]
    fn there_are_so_many_multiples_and_no_more() {
        static COUNT: AtomicUsize = AtomicUsize::new(MAX_OFTEN - 1);
        let (_, key) = signer(2);
        let last = Counted::of(&key.key, &COUNT);
        assert!(last.is_some() && Counted::of(&key.key, &COUNT).is_none());
        drop(last);
        assert!(Counted::of(&key.key, &COUNT).is_some(), "what is dropped makes room");
    }

    proptest! {
        #[test]
        fn multiples_change_no_answer(
            seed: u8,
            message: Vec<u8>,
            bit in 0_usize..512,
            spoilt in prop::bool::weighted(0.7),
        ) {
            let (signer, key) = signer(seed);
            let mut signature = signer.sign(&message).to_bytes();
            if spoilt {
                signature[bit / 8] ^= 1 << (bit % 8);
            }
            let without = key.verify(&message, &signature);
            prop_assert_eq!(without.is_ok(), !spoilt);
            key.compute_multiples();
            let with = key.verify(&message, &signature);
            prop_assert_eq!(with, without);
        }
    }
}

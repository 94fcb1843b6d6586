//! The secret key of a hash, so that nobody outside can choose what collides.

use core::hash::{BuildHasher, Hash, Hasher};
use std::fmt;
use std::hash::RandomState;

use siphasher::sip128::Hasher128;
use siphasher::{sip, sip128};

/// A 128-bit key for SipHash.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct HashKey([u8; 16]);

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey(..)")
    }
}

impl HashKey {
    /// A fresh key. The standard library keys its own tables from the system's randomness; two
    /// outputs of such a keyed function are two words as unpredictable as that key.
    pub(crate) fn random() -> Self {
        let random = RandomState::new();
        Self(((u128::from(random.hash_one(0_u8)) << 64) | u128::from(random.hash_one(1_u8))).to_le_bytes())
    }

    pub(crate) const fn from_octets(octets: [u8; 16]) -> Self {
        Self(octets)
    }

    pub(crate) const fn octets(&self) -> &[u8; 16] {
        &self.0
    }

    /// The hash of a value, for a place in a table.
    pub(crate) fn of(&self, value: &(impl Hash + ?Sized)) -> u64 {
        let mut hasher = self.hasher();
        value.hash(&mut hasher);
        hasher.finish()
    }

    /// The hash of a value in 128 bits, to stand for the value itself: that two meet would take 2^64 of them.
    pub(crate) fn name(&self, value: &(impl Hash + ?Sized)) -> u128 {
        let mut hasher = sip128::SipHasher24::new_with_key(&self.0);
        value.hash(&mut hasher);
        hasher.finish128().as_u128()
    }

    /// A hasher of 64 bits: SipHash-2-4.
    pub(crate) fn hasher(&self) -> sip::SipHasher24 {
        sip::SipHasher24::new_with_key(&self.0)
    }
}

//! The secret key of a hash, so that nobody outside can choose what collides.

use core::hash::BuildHasher;
use std::hash::RandomState;

use siphasher::{sip, sip128};

/// A 128-bit key for SipHash.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct HashKey([u8; 16]);

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

    /// A hasher of 64 bits: SipHash-2-4.
    pub(crate) fn hasher(&self) -> sip::SipHasher24 {
        sip::SipHasher24::new_with_key(&self.0)
    }

    /// A hasher of 128 bits, where the hash stands for the thing itself: SipHash-2-4.
    pub(crate) fn wide_hasher(&self) -> sip128::SipHasher24 {
        sip128::SipHasher24::new_with_key(&self.0)
    }
}

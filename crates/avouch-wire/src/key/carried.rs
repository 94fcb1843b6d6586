//! An Ed25519 key that came along with what it signed, and is used for that alone.

use super::ed25519::{is_canonical, is_small_order};
use super::{BadSignature, KeyError};
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use ed25519_dalek::VerifyingKey;

/// A key that passed every check on its encoding but one: whether it is a point of the curve. To find that out is an
/// eighth of checking a signature, and whoever checks one finds it out there.
///
/// It verifies by aws-lc, which is faster where nothing is kept of a key, and decides alike: `S` below the group order,
/// no cofactor, `R` compared as octets. Each edge case of `strictness.rs` is tried by both.
#[derive(Clone)]
pub(super) struct Carried([u8; 32]);

impl Carried {
    pub(super) fn read(octets: [u8; 32]) -> Result<Self, KeyError> {
        if !is_canonical(&octets) {
            return Err(KeyError::Point);
        }
        if is_small_order(&octets) {
            return Err(KeyError::SmallOrder);
        }
        Ok(Self(octets))
    }

    pub(super) const fn octets(&self) -> &[u8; 32] {
        &self.0
    }

    pub(super) fn is_point(&self) -> bool {
        VerifyingKey::from_bytes(&self.0).is_ok()
    }

    /// Never holds where the key is no point.
    pub(super) fn verify(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), BadSignature> {
        UnparsedPublicKey::new(&ED25519, &self.0).verify(message, signature).map_err(|_| BadSignature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::{Signer as _, SigningKey};
    use proptest::prelude::*;

    #[test]
    fn what_is_no_point_verifies_nothing_and_is_told_apart() {
        let signature = SigningKey::from_bytes(&[1; 32]).sign(b"message").to_bytes();
        let mut others = 0;
        for low in 2..=u8::MAX {
            let mut octets = [0; 32];
            octets[0] = low;
            let Ok(key) = Carried::read(octets) else { continue };
            assert!(key.verify(b"message", &signature).is_err());
            others += usize::from(!key.is_point());
        }
        assert!(others > 50, "about half of all are none: {others}");
    }

    proptest! {
        #[test]
        fn it_answers_as_any_key_does(
            seed: u8,
            message: Vec<u8>,
            bit in 0_usize..512,
            spoilt in prop::bool::weighted(0.7),
        ) {
            let signer = SigningKey::from_bytes(&[seed; 32]);
            let octets = signer.verifying_key().to_bytes();
            let mut signature = signer.sign(&message).to_bytes();
            if spoilt {
                signature[bit / 8] ^= 1 << (bit % 8);
            }
            let (key, carried) = (super::super::Ed25519::read(&octets).unwrap(), Carried::read(octets).unwrap());
            prop_assert!(carried.is_point());
            prop_assert_eq!(carried.verify(&message, &signature), key.verify(&message, &signature));
            prop_assert_eq!(carried.verify(&message, &signature).is_ok(), !spoilt);
        }

        #[test]
        fn it_is_read_as_any_key_is_once_it_is_a_point(octets: [u8; 32]) {
            let carried = Carried::read(octets).and_then(|key| if key.is_point() { Ok(()) } else { Err(KeyError::Point) });
            prop_assert_eq!(carried, super::super::Ed25519::read(&octets).map(drop));
        }
    }
}

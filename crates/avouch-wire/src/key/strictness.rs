//! Edge cases on which verifiers are known to differ. Each is computed here, not copied, so that the test says
//! why the case is what it is.

use super::{Carried, Ed25519, KeyError, PublicKey};
use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::Identity;

const MESSAGE: &[u8] = b"avouch";

/// The group order L of Ed25519, 2^252 + 27742317777372353535851937790883648493, little-endian.
const L: [u8; 32] = {
    let mut octets = [0; 32];
    let low = 27_742_317_777_372_353_535_851_937_790_883_648_493_u128.to_le_bytes();
    let mut i = 0;
    while i < low.len() {
        octets[i] = low[i];
        i += 1;
    }
    octets[31] = 0x10;
    octets
};

/// The field prime 2^255 - 19, little-endian.
const P: [u8; 32] = {
    let mut octets = [0xff; 32];
    octets[0] = 0xed;
    octets[31] = 0x7f;
    octets
};

/// Little-endian sum of equal lengths; a carry out of the top is the caller's concern.
fn sum(one: [u8; 32], other: [u8; 32]) -> [u8; 32] {
    let mut carry = 0;
    core::array::from_fn(|i| {
        carry += u16::from(one[i]) + u16::from(other[i]);
        let [low, high] = carry.to_le_bytes();
        carry = u16::from(high);
        low
    })
}

/// `factor` times the point, without reducing the factor modulo L.
fn times(factor: [u8; 32], point: EdwardsPoint) -> EdwardsPoint {
    let bits = factor.iter().rev().flat_map(|octet| (0..8).rev().map(move |bit| octet >> bit & 1 == 1));
    bits.fold(EdwardsPoint::identity(), |sum, bit| {
        let doubled = sum + sum;
        if bit { doubled + point } else { doubled }
    })
}

/// The points whose order divides 8: L times a point outside the large subgroup has such an order, and where
/// that order is 8 its multiples are all of them.
fn small_order_points() -> Vec<EdwardsPoint> {
    let decompress =
        |y: u8| CompressedEdwardsY(core::array::from_fn(|i| if i == 0 { y } else { 0 })).decompress();
    let of_order_8 = (2..=u8::MAX)
        .filter_map(decompress)
        .map(|point| times(L, point))
        .find(|torsion| *torsion + torsion + torsion + torsion != EdwardsPoint::identity())
        .unwrap();
    let all: Vec<_> =
        (0..8).map(|n| (0..n).fold(EdwardsPoint::identity(), |sum, _| sum + of_order_8)).collect();
    assert_eq!(all[7] + of_order_8, EdwardsPoint::identity());
    all
}

#[test]
fn every_key_of_small_order_is_refused_in_every_spelling() {
    let mut spellings = 0;
    for point in small_order_points() {
        let canonical = point.compress().to_bytes();
        let mut y = canonical;
        y[31] &= 0x7f;
        // y + p is a second spelling where it stays below 2^255; the sign of x = 0 is another one's.
        let mut forms = vec![y];
        if y.iter().skip(1).all(|octet| *octet == 0) && y[0] < 19 {
            forms.push(sum(y, P));
        }
        for form in forms {
            for sign in [0, 0x80] {
                let mut octets = form;
                octets[31] |= sign;
                let refused = PublicKey::from_octets(&octets);
                assert!(matches!(refused, Err(KeyError::SmallOrder | KeyError::Point)), "{octets:02x?}");
                spellings += 1;
            }
        }
    }
    assert!(spellings > 16);
}

#[test]
fn every_canonical_key_of_small_order_is_known_as_such_and_its_neighbours_are_not() {
    let refusal = |octets: [u8; 32]| PublicKey::from_octets(&octets).err();
    let mut points = 0;
    for point in small_order_points() {
        let octets = point.compress().to_bytes();
        assert_eq!(refusal(octets), Some(KeyError::SmallOrder), "{octets:02x?}");
        points += 1;
        for bit in 0..255 {
            let mut near = octets;
            near[bit / 8] ^= 1 << (bit % 8);
            let weak = ed25519_dalek::VerifyingKey::from_bytes(&near).is_ok_and(|key| key.is_weak());
            let refused = refusal(near);
            assert!(
                if weak { refused.is_some() } else { refused != Some(KeyError::SmallOrder) },
                "{near:02x?}"
            );
        }
    }
    assert_eq!(points, 8);
}

#[test]
fn a_key_spelled_with_y_above_the_prime_is_refused_and_its_canonical_spelling_is_not() {
    let mut refused = 0;
    for low in 0..19 {
        let mut y = [0; 32];
        y[0] = low;
        if PublicKey::from_octets(&y).is_ok() {
            assert_eq!(PublicKey::from_octets(&sum(y, P)), Err(KeyError::Point), "y = {low}");
            refused += 1;
        }
    }
    assert!(refused > 3);
}

/// A signer who may choose everything, as an attacker may: S = r + H(R ‖ A ‖ M) · a, whatever R and A are.
fn sign_as(secret: Scalar, r: Scalar, big_r: EdwardsPoint, key: EdwardsPoint) -> [u8; 64] {
    sign_with(secret, r, big_r.compress().to_bytes(), key)
}

/// The same, with R in these octets.
fn sign_with(secret: Scalar, r: Scalar, big_r: [u8; 32], key: EdwardsPoint) -> [u8; 64] {
    let mut hash = digest::Context::new(&digest::SHA512);
    [&big_r[..], &key.compress().to_bytes(), MESSAGE].iter().for_each(|part| hash.update(part));
    let k = Scalar::from_bytes_mod_order_wide(hash.finish().as_ref().try_into().unwrap());
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&big_r);
    signature[32..].copy_from_slice((r + k * secret).as_bytes());
    signature
}

/// Whether it holds, which neither multiples of the key nor where it came from must change.
fn holds(key: EdwardsPoint, signature: &[u8; 64]) -> bool {
    let octets = key.compress().to_bytes();
    let (key, carried) = (Ed25519::read(&octets).unwrap(), Carried::read(octets).unwrap());
    let without = key.verify(MESSAGE, signature);
    assert_eq!(carried.verify(MESSAGE, signature), without, "{signature:02x?}");
    key.compute_multiples();
    assert_eq!(key.verify(MESSAGE, signature), without, "{signature:02x?}");
    without.is_ok()
}

#[test]
fn s_not_below_the_group_order_is_refused() {
    let (secret, r) = (Scalar::from(7_u8), Scalar::from(11_u8));
    let key = EdwardsPoint::mul_base(&secret);
    let signature = sign_as(secret, r, EdwardsPoint::mul_base(&r), key);
    assert!(holds(key, &signature));
    let mut s: [u8; 32] = signature[32..].try_into().unwrap();
    for _ in 0..7 {
        s = sum(s, L);
        let mut bent = signature;
        bent[32..].copy_from_slice(&s);
        assert!(!holds(key, &bent));
    }
}

/// Verifiers that multiply by the cofactor accept these; those that do not, refuse. Here they are refused.
#[test]
fn a_signature_that_holds_only_up_to_the_cofactor_is_refused() {
    let (secret, r) = (Scalar::from(7_u8), Scalar::from(11_u8));
    let (key, big_r) = (EdwardsPoint::mul_base(&secret), EdwardsPoint::mul_base(&r));
    let small = small_order_points();
    assert!(holds(key, &sign_as(secret, r, big_r, key)));
    for torsion in small.iter().skip(1) {
        let bent = sign_as(secret, r, big_r + torsion, key);
        assert!(!holds(key, &bent), "R of mixed order");
    }
    let mixed = key + small[1];
    let refused = (1..=16_u8)
        .map(|r| sign_as(secret, r.into(), EdwardsPoint::mul_base(&r.into()), mixed))
        .filter(|signature| !holds(mixed, signature))
        .count();
    assert!(refused > 0, "A of mixed order: only where 8 divides the hash can the equation hold");
}

/// For every pair of components of small order in A and R, and at the ends of the scalars; `holds` compares.
#[test]
fn multiples_decide_alike_whatever_is_added_to_key_and_signature() {
    let small = small_order_points();
    let mut held = 0;
    for secret in [Scalar::ONE, -Scalar::ONE, Scalar::from(7_u8)] {
        for (in_key, in_r) in small.iter().flat_map(|one| small.iter().map(move |other| (one, other))) {
            let r = Scalar::from(11_u8);
            let key = EdwardsPoint::mul_base(&secret) + in_key;
            held += usize::from(holds(key, &sign_as(secret, r, EdwardsPoint::mul_base(&r) + in_r, key)));
        }
    }
    // About one in eight, for what is added makes up for each other by chance.
    assert!((3..3 * 64 / 2).contains(&held), "{held}");
}

#[test]
fn r_is_compared_in_its_canonical_octets() {
    let (secret, identity) = (Scalar::from(7_u8), EdwardsPoint::identity());
    let key = EdwardsPoint::mul_base(&secret);
    assert!(holds(key, &sign_as(secret, Scalar::ZERO, identity, key)), "r of zero, with the key");
    let canonical = identity.compress().to_bytes();
    let mut signed = canonical;
    signed[31] |= 0x80;
    for other in [sum(canonical, P), signed] {
        assert!(!holds(key, &sign_with(secret, Scalar::ZERO, other, key)), "{other:02x?}");
    }
}

/// With S = 0 and R the identity, a key of small order would sign everything; for any other key it is nothing.
#[test]
fn r_of_the_identity_signs_nothing() {
    let key = EdwardsPoint::mul_base(&Scalar::from(7_u8));
    let mut signature = [0; 64];
    signature[0] = 1;
    assert!(!holds(key, &signature));
    assert!(!holds(key, &[0; 64]));
    assert!(!holds(key, &[0xff; 64]));
}

/// The group order n of P-256 (SP 800-186 §3.2.1.3), big-endian.
const N: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
    0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// The field prime of P-256, 2^256 - 2^224 + 2^192 + 2^96 - 1, big-endian.
const P256_PRIME: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
];

fn reversed(mut octets: [u8; 32]) -> [u8; 32] {
    octets.reverse();
    octets
}

/// n - s, big-endian: n + (2^256 - 1 - s) + 1, modulo 2^256.
fn negated(s: [u8; 32]) -> [u8; 32] {
    let mut one = [0; 32];
    one[0] = 1;
    reversed(sum(sum(reversed(N), reversed(s.map(|octet| !octet))), one))
}

fn p256() -> (PublicKey, [u8; 64]) {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let signature = pair.sign(&SystemRandom::new(), MESSAGE).unwrap();
    (PublicKey::from_octets(pair.public_key().as_ref()).unwrap(), signature.as_ref().try_into().unwrap())
}

fn halves(r: &[u8; 32], s: &[u8; 32]) -> [u8; 64] {
    [*r, *s].concat().try_into().unwrap()
}

#[test]
fn both_signs_of_s_are_valid_and_no_third_value() {
    let (key, signature) = p256();
    let (r, s) = (signature[..32].try_into().unwrap(), signature[32..].try_into().unwrap());
    assert!(key.verify(MESSAGE, &halves(&r, &s)).is_ok());
    assert!(key.verify(MESSAGE, &halves(&r, &negated(s))).is_ok());
    assert_eq!(negated(negated(s)), s);
    assert!(key.verify(MESSAGE, &halves(&s, &r)).is_err());
    assert!(key.verify(b"avoucg", &halves(&r, &s)).is_err());
}

#[test]
fn r_and_s_of_zero_or_not_below_the_order_are_refused() {
    let (key, signature) = p256();
    let (r, s): ([u8; 32], [u8; 32]) =
        (signature[..32].try_into().unwrap(), signature[32..].try_into().unwrap());
    let (zero, all, mut above) = ([0; 32], [0xff; 32], N);
    above[31] += 1;
    for edge in [zero, N, above, P256_PRIME, all] {
        assert!(key.verify(MESSAGE, &halves(&edge, &s)).is_err(), "r = {edge:02x?}");
        assert!(key.verify(MESSAGE, &halves(&r, &edge)).is_err(), "s = {edge:02x?}");
        for other in [zero, N, above, P256_PRIME, all] {
            assert!(key.verify(MESSAGE, &halves(&edge, &other)).is_err(), "both");
        }
    }
}

#[test]
fn a_p256_coordinate_above_the_prime_is_refused() {
    // The first x whose curve equation has a solution; x + p still fits in 256 bits.
    let small = (0..=u8::MAX)
        .filter_map(|x| {
            let mut compressed = [0; 33];
            (compressed[0], compressed[32]) = (2, x);
            PublicKey::from_record_octets(&compressed).ok()
        })
        .next()
        .unwrap();
    let mut octets: [u8; 65] = small.octets().try_into().unwrap();
    assert!(PublicKey::from_octets(&octets).is_ok());
    let x: [u8; 32] = octets[1..33].try_into().unwrap();
    octets[1..33].copy_from_slice(&reversed(sum(reversed(x), reversed(P256_PRIME))));
    assert_eq!(PublicKey::from_octets(&octets), Err(KeyError::Point));
}

#[test]
fn the_point_at_infinity_and_other_forms_of_p256_are_refused() {
    let (key, _) = p256();
    let octets = key.octets();
    assert!(matches!(PublicKey::from_record_octets(&[0]), Err(KeyError::Length(1))));
    assert_eq!(PublicKey::from_octets(&[0; 65]), Err(KeyError::Point));
    let zero_point = [&[4][..], &[0; 64]].concat();
    assert_eq!(PublicKey::from_octets(&zero_point), Err(KeyError::Point));
    for first in [0, 2, 3, 5, 6, 7] {
        let other = [&[first], &octets[1..]].concat();
        assert_eq!(PublicKey::from_record_octets(&other), Err(KeyError::Point), "{first}");
    }
    for first in [0, 1, 4, 5, 6] {
        let other = [&[first], &octets[1..33]].concat();
        assert!(PublicKey::from_record_octets(&other).is_err(), "{first}");
    }
}

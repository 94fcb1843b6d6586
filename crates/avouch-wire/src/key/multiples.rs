//! Multiples of a point of edwards25519, kept so that a product with it takes some additions and few doublings.
//!
//! The library that the check of signatures rests on keeps such tables too. It reads the whole of them whatever it needs,
//! as it has to with secrets. Nothing here is secret: keys, signatures and messages were sent by whoever asks, so a table
//! can be large, and what is read of it is what is needed.

use curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use std::array::from_fn;
use std::sync::LazyLock;

/// Those of a key, for every second of its digits of five bits: 65 KiB.
pub(super) type OfKey = Multiples<51, 16, 2>;

/// Those of the base point, which everybody has, for digits of eight bits: 640 KiB.
pub(super) type OfBase = Multiples<32, 128, 1>;

/// For one in `EVERY` digits of a scalar, the point times what that digit counts, once to `LARGEST` times. That is how
/// far a digit goes: they have signs. A scalar is below the group's order, of 253 bits, and has so many `DIGITS`.
pub(super) struct Multiples<const DIGITS: usize, const LARGEST: usize, const EVERY: usize>(
    Box<[[EdwardsPoint; LARGEST]]>,
);

impl<const DIGITS: usize, const LARGEST: usize, const EVERY: usize> Multiples<DIGITS, LARGEST, EVERY> {
    const BITS: usize = LARGEST.ilog2() as usize + 1;

    pub(super) fn of(point: EdwardsPoint) -> Self {
        let mut unit = point;
        let row = |_| {
            let mut next = EdwardsPoint::default();
            let row = from_fn(|_| {
                next += unit;
                next
            });
            unit = doubled(unit, EVERY * Self::BITS);
            row
        };
        Self((0..DIGITS.div_ceil(EVERY)).map(row).collect())
    }

    /// The point times a scalar. How long it takes tells the scalar, which must not be secret.
    pub(super) fn times(&self, scalar: &Scalar) -> EdwardsPoint {
        let digits = Self::digits(scalar);
        let terms = self.terms(&digits);
        (0..EVERY).rev().fold(EdwardsPoint::default(), |sum, first| {
            let terms = terms.iter().zip(&digits).skip(first).step_by(EVERY);
            let sum = if first + 1 == EVERY { sum } else { doubled(sum, Self::BITS) };
            terms.fold(sum, |sum, (term, digit)| match digit.signum() {
                1 => sum + term,
                -1 => sum - term,
                _ => sum,
            })
        })
    }

    /// What stands for digits, all fetched before the first is added: so memory that is far away is waited for once.
    fn terms(&self, digits: &[i16; DIGITS]) -> [EdwardsPoint; DIGITS] {
        let rows = self.0.iter().flat_map(|row| [row; EVERY]);
        let mut terms = rows.zip(digits).map(|(row, digit)| {
            row.get(usize::from(digit.unsigned_abs()).wrapping_sub(1)).copied().unwrap_or_default()
        });
        from_fn(|_| terms.next().unwrap_or_default())
    }

    /// The digits of a scalar from the lowest, each above −`LARGEST` and at most `LARGEST`.
    fn digits(scalar: &Scalar) -> [i16; DIGITS] {
        let octets = scalar.as_bytes();
        let octet = |at: usize| octets.get(at).copied().unwrap_or(0);
        let largest = LARGEST as i16;
        let mut carry = 0;
        from_fn(|at| {
            let (first, shift) = (at * Self::BITS / 8, at * Self::BITS % 8);
            let bits = u16::from_le_bytes([octet(first), octet(first + 1)]) >> shift;
            let digit = (bits as i16 & (2 * largest - 1)) + carry;
            carry = i16::from(digit > largest);
            digit - carry * 2 * largest
        })
    }
}

fn doubled(point: EdwardsPoint, times: usize) -> EdwardsPoint {
    (0..times).fold(point, |point, _| point + point)
}

impl OfBase {
    pub(super) fn shared() -> &'static Self {
        static BASE: LazyLock<OfBase> = LazyLock::new(|| OfBase::of(ED25519_BASEPOINT_POINT));
        &BASE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scalar(octets: [u8; 32]) -> Scalar {
        Scalar::from_bytes_mod_order(octets)
    }

    fn agrees(point: &EdwardsPoint, times: &Scalar) {
        assert_eq!(OfKey::of(*point).times(times), point * times);
        assert_eq!(OfBase::shared().times(times), EdwardsPoint::mul_base(times));
    }

    #[test]
    fn scalars_at_the_ends_of_every_digit_come_out_right() {
        let mut highest = [0; 32];
        highest[31] = 0x10;
        let highest = scalar(highest);
        let ends = [Scalar::ZERO, Scalar::ONE, -Scalar::ONE, highest, highest - Scalar::ONE];
        let same = |bits: u32, digit: u64| {
            let unit = Scalar::from(1_u64 << bits);
            (0..250 / bits).fold(Scalar::ZERO, |sum, _| sum * unit + Scalar::from(digit))
        };
        let five = [15, 16, 17, 31].map(|digit| same(5, digit));
        let eight = [127, 128, 129, 255].map(|digit| same(8, digit));
        let point = EdwardsPoint::mul_base(&Scalar::from(7_u8));
        ends.iter().chain(&five).chain(&eight).for_each(|times| agrees(&point, times));
    }

    /// Digits make up the scalar they were taken from.
    fn whole<const DIGITS: usize, const LARGEST: usize>(scalar: &Scalar) {
        let digits = Multiples::<DIGITS, LARGEST, 1>::digits(scalar);
        let again = digits.into_iter().rev().fold(Scalar::ZERO, |sum, digit| {
            assert!(usize::from(digit.unsigned_abs()) <= LARGEST);
            let size = Scalar::from(digit.unsigned_abs());
            sum * Scalar::from(2 * LARGEST as u64) + if digit < 0 { -size } else { size }
        });
        assert_eq!(again, *scalar);
    }

    proptest! {
        #[test]
        fn digits_make_up_the_scalar(octets: [u8; 32]) {
            whole::<51, 16>(&scalar(octets));
            whole::<32, 128>(&scalar(octets));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn agrees_with_the_library_whatever_is_multiplied(point: [u8; 32], times: [u8; 32]) {
            agrees(&EdwardsPoint::mul_base(&scalar(point)), &scalar(times));
        }
    }
}

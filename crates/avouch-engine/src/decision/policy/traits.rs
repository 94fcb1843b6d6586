//! What a verdict can be, as bits, so that most rules are decided by one AND.

use core::ops::BitAnd;

use crate::evidence::Persistence;
use crate::verdict::{Class, KeyTier, Mechanism, Standing, Validation, Verdict};

/// A set of verdicts, as far as rules tell them apart without looking at names: one bit for each
/// value in four groups. A verdict has one bit in each group; a rule has those it accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Traits(u32);

/// Standings, undetermined ones by cause.
const STANDINGS: u32 = 0b111_1111;
const MECHANISM: u32 = 7;
const MECHANISMS: u32 = ((1 << Mechanism::ALL.len()) - 1) << MECHANISM;
const TIER: u32 = 23;
const TIERS: u32 = 0b111 << TIER;
const DNSSEC: u32 = 26;
const VALIDATIONS: u32 = 0b1_1111 << DNSSEC;

// A mechanism too many would run into the key tiers.
const _: () = assert!(MECHANISMS < 1 << TIER, "too many mechanisms for their group of bits");

const GROUPS: [u32; 4] = [STANDINGS, MECHANISMS, TIERS, VALIDATIONS];

/// Every standing.
pub(super) const EVERY_STANDING: [Standing; 7] = [
    Standing::Verified,
    Standing::Partial,
    Standing::Anonymous,
    Standing::Pseudonymous,
    Standing::Undetermined(Persistence::Temporary),
    Standing::Undetermined(Persistence::Permanent),
    Standing::Invalid,
];

/// Every outcome of validation, and that there was none.
pub(super) const EVERY_VALIDATION: [Option<Validation>; 5] = [
    None,
    Some(Validation::Secure),
    Some(Validation::Insecure),
    Some(Validation::Bogus),
    Some(Validation::Indeterminate),
];

/// Every key tier.
pub(super) const EVERY_TIER: [KeyTier; 3] = [KeyTier::Unknown, KeyTier::Software, KeyTier::Tpm];

impl Traits {
    /// Every verdict.
    pub(super) const ALL: Self = Self(STANDINGS | MECHANISMS | TIERS | VALIDATIONS);

    /// The bits of one verdict.
    pub(super) fn of(verdict: &Verdict) -> Self {
        Self::one(verdict.standing(), verdict.mechanism(), verdict.key_tier(), verdict.dnssec())
    }

    /// The bits of a verdict with these values.
    pub(super) const fn one(
        standing: Standing,
        mechanism: Mechanism,
        tier: KeyTier,
        dnssec: Option<Validation>,
    ) -> Self {
        Self(standing_bit(standing) | mechanism_bit(mechanism) | tier_bit(tier) | dnssec_bit(dnssec))
    }

    /// The verdicts whose standing passes `accept`.
    pub(super) fn standings(accept: impl Fn(Standing) -> bool) -> Self {
        let accepted = EVERY_STANDING.into_iter().filter(|standing| accept(*standing));
        Self::only(STANDINGS, accepted.map(standing_bit))
    }

    /// The verdicts of one of these classes.
    pub(super) fn classes(classes: &[Class]) -> Self {
        Self::standings(|standing| classes.contains(&standing.class()))
    }

    /// The verdicts reached by one of these mechanisms.
    pub(super) fn mechanisms(mechanisms: &[Mechanism]) -> Self {
        Self::only(MECHANISMS, mechanisms.iter().copied().map(mechanism_bit))
    }

    /// The verdicts whose key is in one of these tiers.
    pub(super) fn tiers(tiers: &[KeyTier]) -> Self {
        Self::only(TIERS, tiers.iter().copied().map(tier_bit))
    }

    /// The verdicts that rest on DNS answers validated like this.
    pub(super) fn dnssec(validations: &[Validation]) -> Self {
        Self::only(VALIDATIONS, validations.iter().copied().map(Some).map(dnssec_bit))
    }

    fn only(group: u32, bits: impl Iterator<Item = u32>) -> Self {
        Self(Self::ALL.0 & !group | bits.fold(0, |all, bit| all | bit))
    }

    /// Whether every verdict of `other` is one of this set's.
    pub(super) const fn contain(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    /// Whether no verdict is in the set: a group without a value.
    pub(super) fn is_empty(self) -> bool {
        GROUPS.into_iter().any(|group| self.0 & group == 0)
    }
}

impl BitAnd for Traits {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

const fn standing_bit(standing: Standing) -> u32 {
    match standing {
        Standing::Anonymous => 1,
        Standing::Pseudonymous => 1 << 1,
        Standing::Invalid => 1 << 2,
        Standing::Undetermined(Persistence::Temporary) => 1 << 3,
        Standing::Undetermined(Persistence::Permanent) => 1 << 4,
        Standing::Partial => 1 << 5,
        Standing::Verified => 1 << 6,
    }
}

const fn mechanism_bit(mechanism: Mechanism) -> u32 {
    1 << (MECHANISM + mechanism as u32)
}

const fn tier_bit(tier: KeyTier) -> u32 {
    match tier {
        KeyTier::Unknown => 1 << TIER,
        KeyTier::Software => 2 << TIER,
        KeyTier::Tpm => 4 << TIER,
    }
}

const fn dnssec_bit(dnssec: Option<Validation>) -> u32 {
    match dnssec {
        None => 1 << DNSSEC,
        Some(Validation::Secure) => 2 << DNSSEC,
        Some(Validation::Insecure) => 4 << DNSSEC,
        Some(Validation::Bogus) => 8 << DNSSEC,
        Some(Validation::Indeterminate) => 16 << DNSSEC,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_a_bit_of_its_own_within_its_group() {
        let bits: Vec<u32> = EVERY_STANDING
            .into_iter()
            .map(standing_bit)
            .chain(Mechanism::ALL.into_iter().map(mechanism_bit))
            .chain(EVERY_TIER.into_iter().map(tier_bit))
            .chain(EVERY_VALIDATION.into_iter().map(dnssec_bit))
            .collect();
        assert!(bits.iter().all(|bit| bit.count_ones() == 1));
        assert_eq!(bits.iter().fold(0, |all, bit| all | bit), Traits::ALL.0);
        assert_eq!(bits.len(), Traits::ALL.0.count_ones() as usize);
    }
}

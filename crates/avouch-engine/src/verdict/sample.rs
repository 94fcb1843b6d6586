//! Verdicts made up for the tests of later stages.

use super::{KeyTier, Mechanism, Reasons, Standing, Unchecked, Verdict};
use crate::reason::Reason;
use avouch_wire::key::Fingerprint;
use avouch_wire::name::Identity;

impl Verdict {
    /// A verdict of this standing, with nothing else to it.
    pub(crate) fn sample(standing: Standing) -> Self {
        Self {
            standing,
            identity: None,
            claimed: None,
            mechanism: Mechanism::None,
            via: None,
            attester: None,
            pseudonym: None,
            key_tier: KeyTier::Unknown,
            reasons: Reasons::new(),
            checks: Vec::new(),
            not_checked: Vec::new(),
            valid_until: None,
            next_sequence: None,
        }
    }

    pub(crate) fn with_identity(mut self, written: &str) -> Self {
        self.identity = Some(Identity::parse(written).unwrap());
        self
    }

    pub(crate) fn with_mechanism(mut self, mechanism: Mechanism) -> Self {
        self.mechanism = mechanism;
        self
    }

    pub(crate) fn with_pseudonym(mut self, key: Fingerprint) -> Self {
        self.pseudonym = Some(key);
        self
    }

    pub(crate) fn with_key_tier(mut self, tier: KeyTier) -> Self {
        self.key_tier = tier;
        self
    }

    pub(crate) fn with_unchecked(mut self, what: Unchecked) -> Self {
        self.not_checked.push(what);
        self
    }

    pub(crate) fn with_reason(mut self, reason: Reason) -> Self {
        self.reasons.push(reason);
        self
    }
}

//! Who is there, by all the evidence: a class, a standing, an identity, and why.

mod check;
mod document;
mod mechanism;
#[cfg(test)]
mod sample;
mod table;
mod together;

pub use check::{Check, CheckName, Outcome, Unchecked, Validation};
pub use mechanism::Mechanism;
pub(crate) use table::Conclusion;
pub(crate) use together::{Holding, together};

use crate::claim::Claim;
use crate::evidence::{Persistence, Trail};
use crate::reason::Reason;
use avouch_wire::delegation::Subject;
use avouch_wire::key::Fingerprint;
use avouch_wire::name::Identity;
use avouch_wire::time::Time;
use smallvec::SmallVec;

/// How well the sender is known (VICDM draft section 4.2). Trust orders them 3, 2, 0, 1: a claim
/// that cannot be proved is trusted less than no claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Class {
    /// 0: no claim.
    Anonymous = 0,
    /// 1: a claim that failed or could not be checked.
    Unverifiable = 1,
    /// 2: consistent with DNS, without cryptographic proof of this request.
    Partial = 2,
    /// 3: proved by cryptography.
    Verified = 3,
}

impl Class {
    /// The number of the class.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }
}

/// The class, refined by how it came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Class 0: no claim.
    Anonymous,
    /// Class 0: a key nobody vouches for.
    Pseudonymous,
    /// Class 1: a claim that failed.
    Invalid,
    /// Class 1: a claim that could not be checked.
    Undetermined(Persistence),
    /// Class 2.
    Partial,
    /// Class 3.
    Verified,
}

impl Standing {
    /// The class this standing belongs to.
    #[must_use]
    pub const fn class(self) -> Class {
        match self {
            Self::Anonymous | Self::Pseudonymous => Class::Anonymous,
            Self::Invalid | Self::Undetermined(_) => Class::Unverifiable,
            Self::Partial => Class::Partial,
            Self::Verified => Class::Verified,
        }
    }

    /// As written in logs and policies.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Pseudonymous => "pseudonymous",
            Self::Invalid => "invalid",
            Self::Undetermined(_) => "undetermined",
            Self::Partial => "partial",
            Self::Verified => "verified",
        }
    }
}

/// Where the signing key is kept, as far as this verifier checked it itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum KeyTier {
    /// Nothing was attested.
    #[default]
    Unknown,
    /// Attested to be in software.
    Software,
    /// Attested to be in a TPM.
    Tpm,
}

/// Reasons, the deciding one first. Nearly every verdict has one or two, which take no memory of their own.
pub(crate) type Reasons = SmallVec<[Reason; 8]>;

/// The judgement on one request. Only this module makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    standing: Standing,
    identity: Option<Identity>,
    claimed: Option<String>,
    mechanism: Mechanism,
    via: Option<Subject>,
    attester: Option<String>,
    pseudonym: Option<Fingerprint>,
    key_tier: KeyTier,
    reasons: Reasons,
    checks: Vec<Check>,
    not_checked: Vec<Unchecked>,
    valid_until: Option<Time>,
    next_sequence: Option<u64>,
}

impl Verdict {
    /// Puts a verdict together from what judgement came to.
    pub(crate) fn reach(conclusion: &Conclusion, claim: Option<&Claim<'_>>, mut trail: Trail) -> Self {
        conclusion.freshness().into_iter().for_each(|freshness| freshness.note(&mut trail));
        let standing = conclusion.standing();
        let established = matches!(standing.class(), Class::Partial | Class::Verified);
        // A token that something else stood in for says nothing of who acted.
        let by_token = established && conclusion.mechanism() == Mechanism::DelegationToken;
        let token = claim.filter(|_| by_token).and_then(Claim::token);
        let mut reasons = trail.noticed;
        reasons.insert(0, conclusion.reason());
        Self {
            standing,
            identity: claim.filter(|_| established).and_then(|claim| claim.identity(conclusion.mechanism())),
            claimed: claim.filter(|_| !established).and_then(Claim::name),
            mechanism: conclusion.mechanism(),
            via: token.map(|token| token.grant().subject),
            attester: claim.filter(|_| conclusion.is_vouched_for()).and_then(Claim::attester),
            pseudonym: conclusion.pseudonym(),
            key_tier: KeyTier::Unknown,
            reasons,
            checks: trail.checks,
            not_checked: trail.not_checked,
            valid_until: trail.valid_until,
            next_sequence: None,
        }
    }

    /// That of a request without a claim, for a decision that takes another for one: nothing is known of it. It is
    /// decided by, and told to nobody.
    pub(crate) fn unclaimed() -> Self {
        Self {
            standing: Standing::Anonymous,
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

    /// The same, of a request whose number was counted: `next` is the least that is accepted after it.
    pub(crate) fn counted_up_to(self, next: Option<u64>) -> Self {
        Self { next_sequence: next, ..self }
    }

    /// What becomes of a verdict when the content that streamed by was not the content that was
    /// signed: the claim failed.
    #[must_use]
    pub fn with_body_mismatch(mut self) -> Self {
        self.standing = Standing::Invalid;
        self.mechanism = Mechanism::None;
        (self.via, self.attester, self.pseudonym) = (None, None, None);
        self.claimed = self.claimed.or_else(|| self.identity.take().map(|identity| identity.to_string()));
        self.next_sequence = None;
        self.reasons.retain(|reason| !reason.says_proved());
        self.reasons.insert(0, Reason::BodyMismatch);
        self.not_checked.retain(|unchecked| *unchecked != Unchecked::Body);
        let check = Check { name: CheckName::Body, outcome: Outcome::Fail, detail: "".into(), dnssec: None };
        self.checks.push(check);
        self
    }

    /// The class.
    #[must_use]
    pub const fn class(&self) -> Class {
        self.standing.class()
    }

    /// The standing.
    #[must_use]
    pub const fn standing(&self) -> Standing {
        self.standing
    }

    /// Who it is; only in classes 2 and 3.
    #[must_use]
    pub const fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// Who it was said to be, where that is not established.
    #[must_use]
    pub fn claimed(&self) -> Option<&str> {
        self.claimed.as_deref()
    }

    /// What established it.
    #[must_use]
    pub const fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// Who acts for the domain, where a delegation token says so.
    #[must_use]
    pub const fn via(&self) -> Option<Subject> {
        self.via
    }

    /// The domain of whoever vouches for the client, where a Privacy Pass token says so.
    #[must_use]
    pub fn attester(&self) -> Option<&str> {
        self.attester.as_deref()
    }

    /// The key a pseudonymous sender is known by.
    #[must_use]
    pub const fn pseudonym(&self) -> Option<&Fingerprint> {
        self.pseudonym.as_ref()
    }

    /// Where the signing key is kept.
    #[must_use]
    pub const fn key_tier(&self) -> KeyTier {
        self.key_tier
    }

    /// For an undetermined claim, whether trying again can help.
    #[must_use]
    pub const fn cause(&self) -> Option<Persistence> {
        match self.standing {
            Standing::Undetermined(cause) => Some(cause),
            _ => None,
        }
    }

    /// Why, the deciding reason first.
    #[must_use]
    pub fn reasons(&self) -> &[Reason] {
        &self.reasons
    }

    /// How the DNS answer behind the verdict was validated, where there was one.
    #[must_use]
    pub fn dnssec(&self) -> Option<Validation> {
        self.checks.iter().find_map(|check| check.dnssec)
    }

    /// What was checked, in order.
    #[must_use]
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// What the verdict does not cover.
    #[must_use]
    pub fn not_checked(&self) -> &[Unchecked] {
        &self.not_checked
    }

    /// The least sequence number that is accepted next of who sent this, where requests are counted and this one was
    /// accepted. It is told to the sender, and is no part of the document.
    #[must_use]
    pub const fn next_sequence(&self) -> Option<u64> {
        self.next_sequence
    }

    /// The moment from which the evidence would have to be gathered anew.
    #[must_use]
    pub const fn valid_until(&self) -> Option<Time> {
        self.valid_until
    }
}

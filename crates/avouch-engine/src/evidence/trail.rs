//! The trail of checks that leads to a verdict, and the ways a claim falls short.

use super::{Cause, Persistence};
use crate::reason::Reason;
use crate::verdict::{Check, CheckName, Outcome, Reasons, Unchecked, Validation};
use avouch_wire::time::Time;
use std::borrow::Cow;

/// How a claim falls short: it failed, or it could not be found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shortfall {
    Failed(Reason),
    Unknown(Reason, Persistence),
}

impl Shortfall {
    /// What it means that something could not be looked up.
    pub(crate) const fn unknown(cause: Cause) -> Self {
        let reason = match cause {
            Cause::NotAsked => Reason::NotLookedUp,
            Cause::Timeout => Reason::DnsTimeout,
            Cause::ServerFailure => Reason::DnsFailure,
            Cause::Unreachable => Reason::DnsUnreachable,
            Cause::Budget => Reason::LookupBudget,
            Cause::Bogus => Reason::DnssecBogus,
            Cause::Indeterminate => Reason::DnssecIndeterminate,
            Cause::DirectoryUnreachable => Reason::DirectoryUnreachable,
            Cause::DirectoryUnusable => Reason::DirectoryUnusable,
            Cause::EntityUnreachable => Reason::EntityUnreachable,
            Cause::EntityUnusable => Reason::EntityUnusable,
        };
        Self::Unknown(reason, cause.persistence())
    }

    /// A revocation arrived between gathering the evidence and using it.
    pub(crate) const fn of_changed_epoch() -> Self {
        Self::Unknown(Reason::RevocationChanged, Persistence::Temporary)
    }

    /// An answer was there, but its time to live ran out before it was weighed.
    pub(crate) const fn of_expired_answer() -> Self {
        Self::Unknown(Reason::AnswerExpired, Persistence::Temporary)
    }

    /// The address says nothing about the client, and no claim is lowered for it.
    pub(crate) const fn of_untrusted_proxy() -> Self {
        Self::Unknown(Reason::PeerIsUntrustedProxy, Persistence::Temporary)
    }

    /// Of two ways that both fell short, what they mean together: not knowing one of them is not
    /// knowing.
    pub(crate) const fn or_undetermined(self, other: Self) -> Self {
        match (self, other) {
            (Self::Failed(_), Self::Unknown(..)) => other,
            (Self::Failed(_) | Self::Unknown(..), _) => self,
        }
    }

    pub(crate) const fn outcome(self) -> Outcome {
        match self {
            Self::Failed(_) => Outcome::Fail,
            Self::Unknown(..) => Outcome::Undetermined,
        }
    }
}

/// What was checked, what was left, what was noticed, and how long all of it may be relied on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trail {
    pub(crate) checks: Vec<Check>,
    pub(crate) not_checked: Vec<Unchecked>,
    pub(crate) noticed: Reasons,
    pub(crate) valid_until: Option<Time>,
}

/// Checks on the longest path a claim takes; the list is made once, at that size.
const LONGEST: usize = 10;

impl Trail {
    pub(crate) fn new() -> Self {
        Self { checks: Vec::with_capacity(LONGEST), ..Self::default() }
    }

    pub(crate) fn note(
        &mut self,
        name: CheckName,
        outcome: Outcome,
        detail: impl Into<Cow<'static, str>>,
        dnssec: Option<Validation>,
    ) {
        self.checks.push(Check { name, outcome, detail: detail.into(), dnssec });
    }

    pub(crate) fn pass(&mut self, name: CheckName) {
        self.note(name, Outcome::Pass, "", None);
    }

    /// Notes how a check came out and hands the result on.
    pub(crate) fn record<T>(
        &mut self,
        name: CheckName,
        result: Result<T, Shortfall>,
    ) -> Result<T, Shortfall> {
        let outcome = result.as_ref().err().map_or(Outcome::Pass, |shortfall| shortfall.outcome());
        self.note(name, outcome, "", None);
        result
    }

    /// Takes over what another trail noted.
    pub(crate) fn take(&mut self, other: Self) {
        self.checks.extend(other.checks);
        self.not_checked.extend(other.not_checked);
        self.noticed.extend(other.noticed);
        other.valid_until.into_iter().for_each(|until| self.valid_until(until));
    }

    /// Shortens how long the verdict may be relied on.
    pub(crate) fn valid_until(&mut self, until: Time) {
        self.valid_until = Some(self.valid_until.map_or(until, |before| before.min(until)));
    }
}

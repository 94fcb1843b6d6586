//! Policies: rules compiled at load, the first that matches decides.
//!
//! After the rules of a file, and without a file, the model's own table stands ([`Policy::model`]),
//! so every request meets a rule.

mod cases;
mod explain;
mod findings;
mod glob;
mod matcher;
mod model;
mod network;
mod outline;
mod parse;
mod traits;

use core::net::IpAddr;
use std::sync::Arc;

use avouch_wire::key::Fingerprint;
use avouch_wire::name::{Domain, Identity};
use avouch_wire::settings::Rate;
use avouch_wire::target::NormalPath;

pub use cases::{Came, CaseResult};
pub use explain::{Explained, Matching, Mismatch};
pub use findings::{Finding, FindingKind};
pub use outline::Outlined;

use matcher::Matcher;
use network::Place;
use traits::Traits;

use super::{Action, Limit, Priority, Subject};
use crate::verdict::{Standing, Verdict};

/// The most rules a policy may have. Matching is linear; a thousand plain rules cost a few
/// microseconds, a tenth of a signature check.
pub const MAX_RULES: usize = 1_000;

/// A policy, compiled: the rules of its file and then the model's table.
#[derive(Clone, Debug)]
pub struct Policy {
    rules: Box<[Rule]>,
    /// The last row of the model's table: what no other rule matched is treated as invalid.
    otherwise: Rule,
}

/// What rules see of a request beside the verdict.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'r> {
    /// The method as sent.
    pub method: &'r str,
    /// The path, normalised.
    pub path: &'r NormalPath<'r>,
    /// The authority in its one spelling.
    pub authority: &'r str,
    /// The client's address: the peer's, or the one a trusted proxy named.
    pub address: IpAddr,
    /// The autonomous systems that originate that address; none where they are not known, which no
    /// `asn` condition matches.
    pub asns: &'r [u32],
}

/// All that rules see: of a verdict what they can ask about, and the request.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    traits: Traits,
    identity: Option<&'a Identity>,
    pseudonym: Option<&'a Fingerprint>,
    facts: &'a Facts<'a>,
    /// The client's address as networks are compared with it.
    address: Place,
}

/// One rule.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    /// Its name in logs.
    pub(super) name: Arc<str>,
    /// Where it begins in the file, from 1; 0 for the model's own.
    line: usize,
    /// The verdicts it accepts: all its `parts` together.
    traits: Traits,
    /// What its conditions on the verdict accept one by one, by key; only `explain` reads them.
    parts: Box<[(&'static str, Traits)]>,
    matchers: Box<[Matcher]>,
    pub(super) treatment: Treatment,
}

/// What happens to the requests a rule matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Treatment {
    pub(super) action: Action,
    /// `None`: that of the verdict's class.
    pub(super) priority: Option<Priority>,
    pub(super) quota: Option<Quota>,
}

/// A rate limit as a rule states it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Quota {
    pub(super) limit: Limit,
    rate: Rate,
    burst: u32,
    per: Per,
}

/// What a rate limit counts together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Per {
    Agent,
    Domain,
    Address,
    Pseudonym,
}

impl Policy {
    /// The rule that decides.
    pub(super) fn rule_for(&self, view: &View<'_>) -> &Rule {
        self.rules.iter().find(|rule| rule.matches(view)).unwrap_or(&self.otherwise)
    }

    /// The names of all rules, in their order: those of the file, then the model's own.
    pub fn rule_names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.rules.iter().chain([&self.otherwise]).map(|rule| &rule.name)
    }

    /// Whether a rule asks for the autonomous system. Without a source for it such a rule never
    /// matches, which a loader should say.
    #[must_use]
    pub fn asks_for_asn(&self) -> bool {
        self.rules.iter().flat_map(|rule| &rule.matchers).any(|matcher| matches!(matcher, Matcher::Asn(_)))
    }

    /// The domains that a rule which allows names in full. They have a reserved share of the
    /// replay table (`docs/formats/replay.md`).
    pub fn named_domains(&self) -> impl Iterator<Item = Domain<'_>> {
        let allowing = self.rules.iter().filter(|rule| rule.treatment.action.allows());
        let names = allowing.flat_map(|rule| &rule.matchers).flat_map(Matcher::domains);
        names.filter_map(|name| Domain::host(name).ok())
    }
}

impl Rule {
    /// The priority it gives a verdict of this standing.
    pub(super) fn priority(&self, standing: Standing) -> Priority {
        self.treatment.priority.unwrap_or_else(|| Priority::of(standing))
    }

    fn matches(&self, view: &View<'_>) -> bool {
        let allows = self.treatment.action.allows();
        self.traits.contain(view.traits) && self.matchers.iter().all(|matcher| matcher.holds(view, allows))
    }
}

impl Quota {
    /// Whose cell this limit moves. Who has no identity, or no key, is counted by address: a
    /// pseudonym costs nothing to make, so by itself it is no subject.
    pub(super) fn subject<'a>(&self, view: &View<'a>) -> Subject<'a> {
        match (self.per, view.identity, view.pseudonym) {
            (Per::Agent, Some(identity), _) => Subject::Agent(&identity.domain, identity.agent.as_ref()),
            (Per::Domain, Some(identity), _) => Subject::Domain(&identity.domain),
            (Per::Pseudonym, _, Some(key)) => Subject::Pseudonym(key),
            (Per::Agent | Per::Domain | Per::Address | Per::Pseudonym, _, _) => {
                Subject::address(view.facts.address)
            }
        }
    }
}

impl<'a> View<'a> {
    /// What rules see of this verdict and request.
    pub(super) fn of(verdict: &'a Verdict, facts: &'a Facts<'a>) -> Self {
        Self::with(Traits::of(verdict), verdict.identity(), verdict.pseudonym(), facts)
    }

    fn with(
        traits: Traits,
        identity: Option<&'a Identity>,
        pseudonym: Option<&'a Fingerprint>,
        facts: &'a Facts<'a>,
    ) -> Self {
        Self { traits, identity, pseudonym, facts, address: Place::of_client(facts.address) }
    }
}

#[cfg(test)]
mod tests;

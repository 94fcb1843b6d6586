//! What loads and still is probably not what its author meant.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use avouch_wire::target::NormalPath;

use super::glob::{Labels, PathGlob};
use super::matcher::Matcher;
use super::network::Network;
use super::traits::{EVERY_STANDING, EVERY_TIER, EVERY_VALIDATION, Traits};
use super::{Facts, Per, Policy, Rule, View};
use crate::decision::{Action, Priority};
use crate::verdict::{Class, KeyTier, Mechanism, Standing};

/// A warning about a policy that loads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule it is about.
    pub rule: Arc<str>,
    /// Where that begins in the file, from 1.
    pub line: usize,
    /// What was found.
    pub kind: FindingKind,
}

/// What can be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FindingKind {
    /// A claim that failed or could not be checked is treated better than none (against VICDM draft
    /// section 4.2: a client that asserts an identity it cannot prove is trusted less).
    UnprovedFavoured,
    /// A proven sender is treated worse than an anonymous one.
    ProvedDisfavoured,
    /// No request without a claim is let in anywhere (against VICDM draft section 4.1).
    AnonymousRefused,
    /// Rules above match everything this one could.
    Unreachable,
    /// A limit per pseudonym, for pseudonyms anyone can make.
    EvadableLimit,
}

impl FindingKind {
    /// What was found, in a sentence.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::UnprovedFavoured => {
                "Claims that fail or cannot be checked (class 1) fare better here than no claim (class 0)."
            }
            Self::ProvedDisfavoured => {
                "Proven senders (class 3) fare worse here than anonymous ones (class 0)."
            }
            Self::AnonymousRefused => "Requests without a claim (class 0) are refused everywhere.",
            Self::Unreachable => "This rule never decides: rules above it match everything it could.",
            Self::EvadableLimit => "This limit counts by pseudonym, and a new key is a new pseudonym.",
        }
    }

    /// What to do about it.
    #[must_use]
    pub const fn fix(self) -> &'static str {
        match self {
            Self::UnprovedFavoured => {
                "Add `class = [0, 2, 3]` to its `when`, or treat class 0 at least as well."
            }
            Self::ProvedDisfavoured => "Limit the rule to class 0 and 1, or treat class 3 at least as well.",
            Self::AnonymousRefused => {
                "Let class 0 in somewhere, throttled or with low priority; or set `require` on the routes that need proof."
            }
            Self::Unreachable => "Move it up, narrow the rules above it, or remove it.",
            Self::EvadableLimit => "Use `per = \"address\"`, or name the pseudonyms in `when`.",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, line, kind } = self;
        write!(f, "line {line}: rule `{rule}`: {}\n  fix: {}", kind.sentence(), kind.fix())
    }
}

impl Policy {
    /// What loads and still is probably not meant, by rule. Decided by trying every kind of
    /// verdict on a request of each kind the rules tell apart.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        let mut found: Vec<_> = self.unreachable().chain(self.evadable()).collect();
        self.out_of_order(&mut found);
        found.extend(self.anonymous_refused());
        found.sort_by_key(|finding| (finding.line, finding.kind));
        found.dedup();
        found
    }

    /// The rules of the file.
    fn own(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().filter(|rule| rule.line > 0)
    }

    fn unreachable(&self) -> impl Iterator<Item = Finding> {
        let mut left = every_verdict();
        let mut above: Vec<&Rule> = Vec::new();
        self.own().filter_map(move |rule| {
            let decides = left.iter().any(|one| rule.traits.contain(*one))
                && !above.iter().any(|other| other.covers(rule));
            if rule.matchers.is_empty() {
                left.retain(|one| !rule.traits.contain(*one));
            }
            above.push(rule);
            (!decides).then(|| rule.finding(FindingKind::Unreachable))
        })
    }

    fn evadable(&self) -> impl Iterator<Item = Finding> {
        let names_keys = |rule: &Rule| rule.matchers.iter().any(|m| matches!(m, Matcher::Pseudonym(_)));
        let by_key = |rule: &Rule| rule.treatment.quota.as_ref().is_some_and(|q| q.per == Per::Pseudonym);
        let evadable = self.own().filter(move |rule| by_key(rule) && !names_keys(rule));
        evadable.map(|rule| rule.finding(FindingKind::EvadableLimit))
    }

    fn out_of_order(&self, found: &mut Vec<Finding>) {
        for probe in self.probes() {
            let anonymous = self.treated(&probe, NOBODY).merit(Standing::Anonymous);
            for (standing, traits) in every_kind() {
                let rule = self.treated(&probe, traits);
                let merit = rule.merit(standing);
                let kind = match standing.class() {
                    Class::Unverifiable if merit > anonymous => FindingKind::UnprovedFavoured,
                    Class::Verified if merit < anonymous => FindingKind::ProvedDisfavoured,
                    _ => continue,
                };
                let finding = rule.finding(kind);
                if !found.contains(&finding) {
                    found.push(finding);
                }
            }
        }
    }

    fn anonymous_refused(&self) -> Option<Finding> {
        let mut rules = self.probes().map(|probe| self.treated(&probe, NOBODY)).peekable();
        let first = *rules.peek()?;
        rules
            .all(|rule| !rule.treatment.action.allows())
            .then(|| first.finding(FindingKind::AnonymousRefused))
    }

    /// A plain request, and one that fits the conditions of each rule.
    fn probes(&self) -> impl Iterator<Item = Probe> {
        core::iter::once(Probe::plain()).chain(self.own().map(Probe::fitting))
    }

    fn treated(&self, probe: &Probe, traits: Traits) -> &Rule {
        let path = NormalPath::of(&probe.path);
        let facts = Facts {
            method: &probe.method,
            path: &path,
            authority: &probe.authority,
            address: probe.address,
            asns: probe.asn.as_slice(),
        };
        self.rule_for(&View::with(traits, None, None, &facts))
    }
}

/// How well a rule treats: what it does, with which priority, at which rate.
type Merit = (u8, Priority, u64);

impl Rule {
    fn finding(&self, kind: FindingKind) -> Finding {
        Finding { rule: Arc::clone(&self.name), line: self.line, kind }
    }

    /// Whether this rule, standing above, takes everything `below` could match by the same
    /// conditions. A rule that allows leaves ambiguous paths to one that refuses.
    fn covers(&self, below: &Self) -> bool {
        self.traits.contain(below.traits)
            && self.matchers.iter().all(|matcher| below.matchers.contains(matcher))
            && (below.treatment.action.allows() || !self.treatment.action.allows())
    }

    fn merit(&self, standing: Standing) -> Merit {
        let action = match self.treatment.action {
            Action::Unavailable | Action::Reject => 0,
            Action::Challenge => 1,
            Action::Throttle => 2,
            Action::Monitor | Action::Accept => 3,
        };
        let rate = self.treatment.quota.as_ref().map_or(u64::MAX, |quota| quota.limit.per_hour());
        (action, self.priority(standing), rate)
    }
}

/// A verdict on somebody who claims nothing.
const NOBODY: Traits = Traits::one(Standing::Anonymous, Mechanism::None, KeyTier::Unknown, None);

/// Every kind of verdict that rules can tell apart.
fn every_kind() -> impl Iterator<Item = (Standing, Traits)> {
    EVERY_STANDING.into_iter().flat_map(|standing| {
        Mechanism::ALL.into_iter().flat_map(move |mechanism| {
            EVERY_TIER.into_iter().flat_map(move |tier| {
                EVERY_VALIDATION
                    .into_iter()
                    .map(move |dnssec| (standing, Traits::one(standing, mechanism, tier, dnssec)))
            })
        })
    })
}

fn every_verdict() -> Vec<Traits> {
    every_kind().map(|(_, traits)| traits).collect()
}

/// A request made up to try rules on.
struct Probe {
    method: String,
    path: String,
    authority: String,
    address: IpAddr,
    asn: Option<u32>,
}

impl Probe {
    fn plain() -> Self {
        Self {
            method: "GET".into(),
            path: "/".into(),
            authority: String::new(),
            address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            asn: None,
        }
    }

    fn fitting(rule: &Rule) -> Self {
        let mut probe = Self::plain();
        for matcher in &rule.matchers {
            match matcher {
                Matcher::Method(list) => probe.method = list.first().map_or(probe.method, |m| m.to_string()),
                Matcher::Path(list) => probe.path = list.first().map_or(probe.path, PathGlob::example),
                Matcher::Authority(list) => {
                    probe.authority = list.first().map_or(probe.authority, Labels::example)
                }
                Matcher::Ip(list) => probe.address = list.first().map_or(probe.address, Network::example),
                Matcher::Asn(list) => probe.asn = list.first().copied(),
                Matcher::Pseudonym(_) | Matcher::Domain(_) | Matcher::Identity(_) => {}
            }
        }
        probe
    }
}

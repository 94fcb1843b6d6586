//! A look into a running gateway: what it remembers, what is in force, what another policy would have done.

use std::net::IpAddr;
use std::sync::Arc;

use avouch_engine::decision::{Action, Facts, Policy, decide};
use avouch_engine::verdict::Class;
use avouch_gather::examination::Examination;
use avouch_gather::meter::RateTable;
use avouch_gather::networks::Networks;
use avouch_gather::{Cached, Entities, EntityFigures, replay};
use avouch_wire::authority::{Authority, Scheme};
use avouch_wire::record::Place;
use avouch_wire::target::NormalPath;
use avouch_wire::time::Time;
use http::HeaderMap;

use crate::access_log::Told;
use crate::config::Config;
use crate::gate::Gate;
use crate::hits::PolicyHits;
use crate::numbers::Top;
use crate::recent::Remembered;
use crate::snapshot::{Destination, Snapshot};
use crate::tally::Counts;
use crate::trust::Remote;

/// A look into a running gateway, for whoever shows it to its operator.
#[derive(Clone)]
pub struct Insight(pub(crate) Arc<Gate>);

/// A policy in force, and the part of the site it is for.
#[derive(Clone, Debug)]
pub struct InForce {
    /// The path prefix of its route; `None` for what no route holds.
    pub route: Option<String>,
    /// The beginning of its digest, or `model`.
    pub version: Arc<str>,
    /// Its file, as it was read; the model's table has none.
    pub text: Option<Arc<str>>,
    /// Its rules.
    pub policy: Arc<Policy>,
    pub(crate) hits: PolicyHits,
}

impl InForce {
    /// The policy's file, or `model`: what its rules are counted under.
    #[must_use]
    pub fn name(&self) -> &str {
        self.hits.policy()
    }

    /// How often a rule decided since the start, or since it came into its file.
    #[must_use]
    pub fn hits(&self, rule: &str) -> u64 {
        self.hits.requests(rule)
    }
}

/// What a draft of a policy would have done.
#[derive(Clone, Debug, Default)]
pub struct WhatIf {
    /// Requests that were decided anew.
    pub compared: usize,
    /// Requests that were not: another policy decides about them, their path was cut in the log, or they did not come
    /// to a decision.
    pub left_out: usize,
    /// Those that would have been treated in another way, newest first.
    pub changes: Vec<Change>,
}

/// A request that a draft treats in another way.
#[derive(Clone, Debug)]
pub struct Change {
    /// The request.
    pub request: Arc<Remembered>,
    /// What was decided, and by which rule.
    pub was: (Action, Option<Arc<str>>),
    /// What the draft decides, and by which rule.
    pub would_be: (Action, Option<Arc<str>>),
}

impl Insight {
    /// The gateway's time.
    #[must_use]
    pub fn now(&self) -> Time {
        self.0.clock.now()
    }

    /// Who a client of the operator's listener is: the other end of its connection, or whom a trusted proxy names.
    #[must_use]
    pub fn client(&self, remote: Remote, headers: &HeaderMap) -> IpAddr {
        self.0.snapshot().peer(remote, Scheme::Http, headers).address
    }

    /// The configuration in force.
    #[must_use]
    pub fn config(&self) -> Config {
        self.0.snapshot().config.clone()
    }

    /// Data on networks in use.
    #[must_use]
    pub fn networks(&self) -> Arc<Networks> {
        self.0.judge.networks()
    }

    /// How full the replay table is.
    #[must_use]
    pub fn nonces(&self) -> replay::Stats {
        self.0.judge.nonces().stats()
    }

    /// How many requests have ended since the start.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.0.recent.as_ref().map(|recent| recent.tally.counts()).unwrap_or_default()
    }

    /// Who came most and who was claimed most since the start, at most so many of each standing.
    #[must_use]
    pub fn identities(&self, most: usize) -> Vec<Top> {
        self.0.numbers.identities.top(most)
    }

    /// Lines that the access log dropped, because the disk was slower than the requests.
    #[must_use]
    pub fn log_lines_dropped(&self) -> u64 {
        self.0.log.dropped()
    }

    /// What the caches hold.
    #[must_use]
    pub fn cached(&self) -> Cached {
        self.0.judge.cached()
    }

    /// The registration entities that are asked, whether each is heard, and the agents whose keys are held.
    pub fn entities(&self) -> Vec<(String, EntityFigures)> {
        let entities = self.0.judge.entities().into_iter().flat_map(Entities::figures);
        entities.map(|(name, figures)| (name.to_owned(), figures)).collect()
    }

    /// What stands at a name and above it now, asked by the gateway's own resolver and past its cache.
    pub async fn examine(&self, place: &Place) -> Examination {
        self.0.judge.examine(place).await
    }

    /// Whether it is stopping.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.0.is_stopping()
    }

    /// What is remembered, newest first: `[limits] remembered` of each class, and as many that were not judged.
    #[must_use]
    pub fn requests(&self) -> Vec<Arc<Remembered>> {
        self.0.recent.as_ref().map(|recent| recent.all()).unwrap_or_default()
    }

    /// What is remembered of one class (`None`: not judged), newest first.
    #[must_use]
    pub fn requests_of(&self, class: Option<Class>) -> Vec<Arc<Remembered>> {
        self.0.recent.as_ref().map(|recent| recent.of(class)).unwrap_or_default()
    }

    /// The request of this name, where it is remembered.
    #[must_use]
    pub fn request(&self, id: &str) -> Option<Arc<Remembered>> {
        self.0.recent.as_ref()?.named(id)
    }

    /// The policies in force, in the order in which routes are tried.
    #[must_use]
    pub fn policies(&self) -> Vec<InForce> {
        let snapshot = self.0.snapshot();
        let in_force = |(route, to): (Option<&str>, &Destination)| InForce {
            route: route.map(ToOwned::to_owned),
            version: Arc::clone(&to.policy.version),
            text: to.policy.text.clone(),
            policy: Arc::clone(&to.policy.policy),
            hits: to.policy.hits.clone(),
        };
        snapshot.destinations().map(in_force).collect()
    }

    /// What a draft would have done in place of the policy of this version, about the requests that are remembered.
    ///
    /// The requests are decided anew in the order in which they came, by their verdicts as they were, on the routes of
    /// now; rates begin at rest, and see only what is remembered.
    #[must_use]
    pub fn what_if(&self, draft: &Policy, version: &str) -> WhatIf {
        let snapshot = self.0.snapshot();
        let meter = RateTable::new(snapshot.config.limits.rates);
        let mut what_if = WhatIf::default();
        for request in self.requests().into_iter().rev() {
            match self.decided_anew(&snapshot, &request, (draft, version), &meter) {
                Some((was, would_be)) => {
                    what_if.compared += 1;
                    if was.0 != would_be.0 {
                        what_if.changes.push(Change { request, was, would_be });
                    }
                }
                None => what_if.left_out += 1,
            }
        }
        what_if.changes.reverse();
        what_if
    }

    fn decided_anew(
        &self,
        snapshot: &Snapshot,
        request: &Remembered,
        (draft, version): (&Policy, &str),
        meter: &RateTable,
    ) -> Option<(Ruled, Ruled)> {
        let (verdict, was) = (request.verdict.as_ref()?, request.decision.as_ref()?);
        let told = Told::parse(&request.line).ok()?;
        let authority = Authority::parse(told.authority.as_deref()?, request.scheme).ok()?;
        let path = told.whole_path()?;
        let path = NormalPath::of(path.split('?').next()?);
        let to = snapshot.destination(&path).ok()?;
        if *to.policy.version != *version {
            return None;
        }
        let asns = match draft.asks_for_asn() {
            true => self.networks().current_origins(request.address, self.now()),
            false => Vec::new(),
        };
        let (method, authority, address) = (told.method.as_str(), authority.as_str(), request.address);
        let facts = Facts { method, path: &path, authority, address, asns: &asns };
        let decision = decide(verdict, &facts, draft, to.terms, meter, request.time);
        Some(((was.action, was.rule.clone()), (decision.action, decision.rule)))
    }
}

/// An action, and the rule that decided on it.
type Ruled = (Action, Option<Arc<str>>);

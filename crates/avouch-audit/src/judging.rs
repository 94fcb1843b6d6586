//! The second pass: each pair of crawler and address is judged once, as the gateway judges.

use crate::report::Report;
use crate::tally::Tally;
use avouch_dns::Dns;
use avouch_engine::claim::Catalogue;
use avouch_engine::evidence::{Evidence, NoRoots};
use avouch_engine::pipeline::{self, Opened, Site, Step};
use avouch_engine::reason::Reason;
use avouch_engine::request::{Content, Head, Peer, Request, is_private};
use avouch_engine::verdict::{CheckName, Outcome as Passed, Standing, Verdict};
use avouch_gather::clock::Clock;
use avouch_gather::networks::Networks;
use avouch_gather::{Directories, Lookups, budget, cache};
use avouch_wire::authority::Scheme;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::JoinSet;

/// Addresses judged at the same time. A resolver on the same machine answers thousands of questions
/// a second; one that is shared should not be made to.
const AT_ONCE: usize = 64;

/// Look-ups one address may cause in a second. Each is judged once, so the budget that guards a
/// gateway against one client would only slow down networks that share a /64.
const LOOKUPS: u32 = 1_000_000;

/// The host of the request that is judged in place of those in the log; nothing depends on it.
const HOST: &[u8] = b"audit.invalid";

/// What became of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The address is one of the crawler's: the operator publishes it, or DNS leads there and back.
    Confirmed,
    /// It is not.
    Lied,
    /// It could not be found out, for this reason. Never counted as a lie.
    Undetermined(Reason),
    /// The operator publishes nothing that could be asked, or ranges that were not given.
    NotCheckable,
}

/// What was found out about one pair.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) outcome: Outcome,
    /// The name its address points to, whoever chose it.
    pub(crate) pointer: Option<Box<str>>,
}

impl Default for Finding {
    fn default() -> Self {
        Self { outcome: Outcome::Undetermined(Reason::NotLookedUp), pointer: None }
    }
}

/// Judges what was read.
pub struct Auditor {
    site: Site,
    lookups: Option<Lookups>,
    networks: Networks,
    clock: Arc<dyn Clock>,
}

/// What the workers of one audit share.
struct Work {
    auditor: Auditor,
    tally: Arc<Tally>,
    next: AtomicUsize,
    findings: Mutex<Vec<Finding>>,
    progress: Arc<dyn Fn(usize) + Send + Sync>,
}

impl Work {
    /// Takes one pair after the other, until none is left.
    async fn run(self: Arc<Self>) {
        loop {
            let at = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(pair) = self.tally.pairs.get(at) else { return };
            let finding = self.auditor.judge_one(usize::from(pair.crawler), pair.address).await;
            let mut findings = self.findings.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(place) = findings.get_mut(at) {
                *place = finding;
            }
            drop(findings);
            (self.progress)(at + 1);
        }
    }
}

impl Auditor {
    /// An auditor that knows `networks` and asks `dns`; without it published ranges are all there is.
    #[must_use]
    pub fn new(
        catalogue: Arc<Catalogue>,
        dns: Option<Dns>,
        networks: Networks,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let budget = budget::Settings { per_second: LOOKUPS, burst: LOOKUPS, ..budget::Settings::default() };
        let lookups = |dns| {
            let (cache, directories) = (cache::Settings::default(), Directories::Unreachable);
            let lookups = Lookups::new(dns, directories, cache, budget, Arc::clone(&clock));
            lookups.use_networks(networks.clone());
            lookups
        };
        let site = Site {
            authorities: Vec::new(),
            accept_draft: false,
            catalogue,
            bots: None,
            passes: None,
            registered: Arc::default(),
            entities: None,
            named: BTreeSet::default(),
        };
        Self { site, lookups: dns.map(lookups), networks, clock }
    }

    /// Judges every pair of a tally. `progress` is told how many are done, from several threads.
    pub async fn judge(self, tally: Tally, progress: Arc<dyn Fn(usize) + Send + Sync>) -> Report {
        let catalogue = Arc::clone(&self.site.catalogue);
        let work = Arc::new(Work {
            findings: Mutex::new(vec![Finding::default(); tally.pairs()]),
            next: AtomicUsize::new(0),
            auditor: self,
            tally: Arc::new(tally),
            progress,
        });
        let mut workers = JoinSet::new();
        for _ in 0..AT_ONCE.min(work.tally.pairs()) {
            workers.spawn(Arc::clone(&work).run());
        }
        // What a thread of ours dies of is not caught, but passed on.
        workers.join_all().await;
        let findings = std::mem::take(&mut *work.findings.lock().unwrap_or_else(PoisonError::into_inner));
        Report::new(Arc::clone(&work.tally), findings, &catalogue)
    }

    /// Judges a request by this crawler from this address, with the gateway's own pipeline.
    async fn judge_one(&self, crawler: usize, address: IpAddr) -> Finding {
        let mut crawlers = self.site.catalogue.crawlers();
        let agent = crawlers.nth(crawler).and_then(|crawler| crawler.agents().first());
        let Some(agent) = agent else { return Finding::default() };
        let peer = match is_private(address) {
            true => Peer::untrusted_proxy(address),
            false => Peer::client(address),
        };
        let head = Head {
            method: "GET",
            target: "/",
            authority: None,
            scheme: Scheme::Https,
            fields: || [("host", HOST), ("user-agent", agent.as_bytes())].into_iter(),
            peer,
            content: Content::Empty,
        };
        let Ok(request) = Request::read(head) else { return Finding::default() };
        match pipeline::open(&request, &self.site, self.clock.now()) {
            Step::Settled(verdict) => Finding::of(&verdict, None),
            Step::Next(opened) => self.weigh(opened, &peer).await,
        }
    }

    async fn weigh(&self, opened: Opened<'_>, peer: &Peer) -> Finding {
        let evidence = match &self.lookups {
            Some(lookups) => lookups.look_up(opened.questions(), peer, self.clock.now()).await,
            None => {
                Evidence { network: self.networks.network(opened.questions(), peer), ..Evidence::default() }
            }
        };
        let now = self.clock.now();
        let pointer = evidence.network.pointers.found(now).and_then(|names| names.first().cloned());
        match opened.weigh(&evidence, &NoRoots, now) {
            Step::Settled(verdict) => Finding::of(&verdict, pointer),
            // Nothing was signed, so there is nothing to commit and no such step.
            Step::Next(_) => Finding::default(),
        }
    }
}

impl Finding {
    fn of(verdict: &Verdict, pointer: Option<String>) -> Self {
        let reason = verdict.reasons().first().copied().unwrap_or(Reason::NotLookedUp);
        let outcome = match verdict.standing() {
            Standing::Partial | Standing::Verified => Outcome::Confirmed,
            Standing::Invalid => Outcome::Lied,
            Standing::Undetermined(_) if reason == Reason::CrawlerNotCheckable => Outcome::NotCheckable,
            Standing::Undetermined(_) | Standing::Anonymous | Standing::Pseudonymous => {
                Outcome::Undetermined(reason)
            }
        };
        let confirmed = verdict
            .checks()
            .iter()
            .find(|check| check.name == CheckName::ForwardConfirmed && check.outcome == Passed::Pass);
        let pointer = confirmed.map(|check| check.detail.to_string()).or(pointer);
        Self { outcome, pointer: pointer.map(String::into_boxed_str) }
    }
}

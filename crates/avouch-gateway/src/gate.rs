//! What all requests share: the configuration in force, the judge, the queues, the log.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use avouch_acme::Keeper;
use avouch_engine::decision::{Decision, Facts, decide};
use avouch_engine::reason::Reason;
use avouch_engine::verdict::Verdict;
use avouch_gather::Judge;
use avouch_gather::clock::Clock;
use avouch_gather::meter::RateTable;
use avouch_gather::networks::Networks;
use avouch_gather::networks::feeds::Feeds;
use avouch_keys::assertion::{Assertion, AssertionKey};
use avouch_reports::Reports;
use avouch_store::Store;
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::access_log::{AccessLog, Books, Entry, Head, RequestId};
use crate::admission::Admission;
use crate::ages::Ages;
use crate::answers::Problem;
use crate::audit::{Audit, Change};
use crate::config::{Config, Scope, StorePlace};
use crate::expiry::Expiry;
use crate::numbers::Numbers;
use crate::recent::Recent;
use crate::snapshot::{Destination, Snapshot};
use crate::traces::Traces;
use crate::trust::Peer;

/// The parts of a gateway that last from its start to its end.
pub(crate) struct Gate {
    pub(crate) snapshot: ArcSwap<Snapshot>,
    pub(crate) judge: Judge,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) log: Arc<AccessLog>,
    pub(crate) numbers: Arc<Numbers>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) assertion_key: AssertionKey,
    pub(crate) ages: Ages,
    pub(crate) expiry: Expiry,
    /// Range files that are fetched, where the configuration of the start asks for any.
    pub(crate) feeds: Option<Feeds>,
    /// Held while data on networks are put in place of those before.
    replacing: Mutex<()>,
    pub(crate) reports: Option<Arc<Reports>>,
    /// The audit log, where there is one.
    pub(crate) audit: Option<Arc<Audit>>,
    /// Traces of requests, where they are wanted.
    pub(crate) traces: Option<Arc<Traces>>,
    /// What a group of gateways shares, where this one is of a group.
    pub(crate) store: Option<Arc<Store>>,
    /// The last requests, where somebody can look at them.
    pub(crate) recent: Option<Arc<Recent>>,
    /// Who keeps the certificate, where an authority is asked for it.
    pub(crate) acme: Option<Arc<Keeper>>,
    /// What is published for registration entities, where the site works with some.
    pub(crate) verifier: Option<Bytes>,
    pub(crate) meter: Arc<RateTable>,
    requests: Arc<Semaphore>,
    stopping: AtomicBool,
    start: u64,
    count: AtomicU64,
}

/// What a gate is made of, opened already.
pub(crate) struct Parts {
    pub(crate) snapshot: Snapshot,
    pub(crate) judge: Judge,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) log: AccessLog,
    pub(crate) numbers: Numbers,
    pub(crate) assertion_key: AssertionKey,
    pub(crate) feeds: Option<Feeds>,
    pub(crate) reports: Option<Arc<Reports>>,
    pub(crate) audit: Option<Arc<Audit>>,
    pub(crate) traces: Option<Arc<Traces>>,
    pub(crate) store: Option<Arc<Store>>,
    pub(crate) recent: Option<Arc<Recent>>,
    pub(crate) acme: Option<Arc<Keeper>>,
    pub(crate) verifier: Option<Bytes>,
}

/// The table of rates, which tells a group what it admits where the group counts them together.
fn meter(config: &Config) -> RateTable {
    match &config.store.place {
        StorePlace::Shared(shared) if shared.rates == Scope::Group => {
            RateTable::in_group(config.limits.rates)
        }
        StorePlace::Shared(_) | StorePlace::Memory | StorePlace::File(_) => {
            RateTable::new(config.limits.rates)
        }
    }
}

impl Gate {
    pub(crate) fn new(parts: Parts) -> Self {
        let limits = &parts.snapshot.config.limits;
        parts.numbers.nonces_limit.set(limits.nonces as f64);
        Self {
            admission: Admission::new(limits.forwarded, limits.waiting, limits.wait),
            meter: Arc::new(meter(&parts.snapshot.config)),
            requests: Arc::new(Semaphore::new(limits.requests)),
            stopping: AtomicBool::new(false),
            // The standard library seeds each of these from the system's randomness.
            start: RandomState::new().build_hasher().finish(),
            count: AtomicU64::new(0),
            snapshot: ArcSwap::from_pointee(parts.snapshot),
            judge: parts.judge,
            clock: parts.clock,
            log: Arc::new(parts.log),
            numbers: Arc::new(parts.numbers),
            assertion_key: parts.assertion_key,
            ages: Ages::default(),
            expiry: Expiry::default(),
            feeds: parts.feeds,
            replacing: Mutex::default(),
            reports: parts.reports,
            audit: parts.audit,
            traces: parts.traces,
            store: parts.store,
            recent: parts.recent,
            acme: parts.acme,
            verifier: parts.verifier,
        }
    }

    /// The configuration in force now. A request takes it once.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Whether a stop was asked for.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Says that a stop was asked for.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Begins a request's line in the log.
    pub(crate) fn begin<'h>(&self, peer: &Peer, head: impl Into<Head<'h>>) -> Box<Entry> {
        let head = head.into();
        let id = RequestId(self.start, self.count.fetch_add(1, Ordering::Relaxed));
        let now = (self.clock.now(), Instant::now());
        let books = Books {
            log: Arc::clone(&self.log),
            numbers: Arc::clone(&self.numbers),
            reports: self.reports.clone(),
            audit: self.audit.clone(),
            recent: self.recent.clone(),
        };
        let mut entry = Entry::begin(books, id, now, peer, head);
        entry.trace = self.traces.as_ref().map(|traces| Box::new(traces.begin(id, peer, head.headers)));
        entry
    }

    /// Writes to the audit log what happened to the gateway, where there is one.
    pub(crate) fn audit(&self, change: &Change<'_>) {
        if let Some(audit) = &self.audit {
            audit.note(change.record(self.clock.now(), &self.snapshot().versions()));
        }
    }

    /// A place among the requests in any stage.
    pub(crate) fn place(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.requests).try_acquire_owned().map_err(|_| Problem::of(Reason::Overloaded))
    }

    /// Reads the tables of networks, and follows the feeds of the configuration. One that cannot be used is told
    /// in the log and counted, and the last good data stay: no site should stay down, nor keep an old policy, for
    /// what another publishes.
    pub(crate) fn load_networks(&self, config: &Config) {
        let _alone = self.replacing.lock();
        let now = self.clock.now();
        let (mut networks, broken) = config.networks.load(&self.judge.networks(), now);
        if let Some(feeds) = &self.feeds {
            let every = config.fetch.as_ref().map(|fetch| fetch.every).unwrap_or_default();
            feeds.follow(config.feeds.iter().cloned(), every, now);
            feeds.put_into(&mut networks);
        }
        for error in broken {
            tracing::error!("data on networks not loaded, those before stay: {error}");
            self.numbers.refused_data.increment(1);
        }
        self.judge.use_networks(networks);
    }

    /// Puts to use what was fetched.
    pub(crate) fn use_feeds(&self) {
        let _alone = self.replacing.lock();
        let mut networks = Networks::clone(&self.judge.networks());
        self.feeds.iter().for_each(|feeds| feeds.put_into(&mut networks));
        self.judge.use_networks(networks);
    }

    /// The autonomous systems that originate an address, where a rule asks for them.
    pub(crate) fn origins(&self, to: &Destination, address: IpAddr) -> Vec<u32> {
        match to.policy.asks_for_asn {
            true => self.judge.networks().current_origins(address, self.clock.now()),
            false => Vec::new(),
        }
    }

    /// What happens with a request that was judged so.
    pub(crate) fn decide(&self, verdict: &Verdict, facts: &Facts<'_>, to: &Destination) -> Decision {
        let decision = decide(verdict, facts, &to.policy.policy, to.terms, &*self.meter, self.clock.now());
        to.policy.hits.count(&decision);
        decision
    }

    /// The signed word to the upstream, where its route wants one.
    pub(crate) fn assert(
        &self,
        request: &avouch_engine::request::Request<'_>,
        snapshot: &Snapshot,
        to: &Destination,
        entry: &Entry,
    ) -> Option<String> {
        let verdict = entry.verdict.as_deref().filter(|_| to.assertion)?;
        let upstream = to.way.as_ref().map(|way| way.upstream.to_string());
        let authority = request.authority().as_str();
        let assertion = Assertion {
            issuer: snapshot.config.authorities.first().map_or("avouch", |authority| authority.as_str()),
            audience: upstream.as_deref().unwrap_or(authority),
            request_id: &entry.id.to_string(),
            method: request.method(),
            authority,
            path: request.path(),
            class: entry.class().unwrap_or(verdict.class()).number(),
            standing: verdict.standing().name(),
            identity: verdict.identity(),
            mechanism: verdict.mechanism().name(),
            decision: entry.told(),
        };
        self.assertion_key.sign(&assertion, self.clock.now()).ok()
    }
}

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
use http::Request;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::access_log::{AccessLog, Books, Entry, RequestId};
use crate::admission::Admission;
use crate::ages::Ages;
use crate::answers::Problem;
use crate::config::Config;
use crate::expiry::Expiry;
use crate::numbers::Numbers;
use crate::snapshot::{Destination, Snapshot};
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
    /// What a group of gateways shares, where this one is of a group.
    pub(crate) store: Option<Arc<Store>>,
    /// Who keeps the certificate, where an authority is asked for it.
    pub(crate) acme: Option<Arc<Keeper>>,
    meter: RateTable,
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
    pub(crate) store: Option<Arc<Store>>,
    pub(crate) acme: Option<Arc<Keeper>>,
}

impl Gate {
    pub(crate) fn new(parts: Parts) -> Self {
        let limits = &parts.snapshot.config.limits;
        Self {
            admission: Admission::new(limits.forwarded, limits.waiting, limits.wait),
            meter: RateTable::new(limits.rates),
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
            store: parts.store,
            acme: parts.acme,
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
    pub(crate) fn begin<B>(&self, peer: &Peer, request: &Request<B>) -> Box<Entry> {
        let id = RequestId(self.start, self.count.fetch_add(1, Ordering::Relaxed));
        let now = (self.clock.now(), Instant::now());
        let books = Books {
            log: Arc::clone(&self.log),
            numbers: Arc::clone(&self.numbers),
            reports: self.reports.clone(),
        };
        Entry::begin(books, id, now, peer.address, request)
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
        decide(verdict, facts, &to.policy.policy, to.terms, &self.meter, self.clock.now())
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

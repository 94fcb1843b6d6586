//! Carries the questions of a claim to the DNS, through the one cache and the budget.

use crate::budget::{Budget, Source};
use crate::cache::AnswerCache;
use crate::clock::Clock;
use crate::directories::{self, Directories};
use crate::entities::Entities;
use crate::examination::Examination;
use crate::networks::Networks;
use crate::{budget, cache};
use arc_swap::ArcSwap;
use avouch_dns::{Dns, Txt};
use avouch_engine::evidence::{
    Answer, DirectoryQuestion, EntityQuestion, Evidence, Network, NetworkQuestion, Questions, Records,
    Registered,
};
use avouch_engine::request::{AddressEvidence, Peer};
use avouch_wire::record::Place;
use avouch_wire::record::{Level, Published};
use avouch_wire::time::Time;
use avouch_wire::web_bot_auth::Directory;
use futures_util::future::join_all;
use std::net::IpAddr;
use std::sync::Arc;

/// All look-ups of a verifier: our cache before the DNS, the budget between them.
pub struct Lookups {
    dns: Dns,
    directories: Directories,
    clock: Arc<dyn Clock>,
    budget: Budget,
    records: AnswerCache<String, Arc<Records>>,
    addresses: AnswerCache<String, Arc<Vec<IpAddr>>>,
    pointers: AnswerCache<IpAddr, Arc<Vec<String>>>,
    keys: AnswerCache<DirectoryQuestion, Arc<Directory>>,
    networks: ArcSwap<Networks>,
    entities: Option<Entities>,
}

/// How many answers are held, those that something was found in and the others together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cached {
    /// Records of agents and domains.
    pub records: usize,
    /// Addresses of names.
    pub addresses: usize,
    /// Names of addresses.
    pub pointers: usize,
    /// Directories of keys.
    pub directories: usize,
}

impl Lookups {
    /// Look-ups that start with an empty cache.
    #[must_use]
    pub fn new(
        dns: Dns,
        directories: Directories,
        cache: cache::Settings,
        budget: budget::Settings,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            dns,
            directories,
            budget: Budget::new(budget),
            records: AnswerCache::new(cache, Arc::clone(&clock)),
            addresses: AnswerCache::new(cache, Arc::clone(&clock)),
            pointers: AnswerCache::new(cache, Arc::clone(&clock)),
            keys: AnswerCache::new(
                cache::Settings { found: directories::REMEMBERED, ttl_cap: None, ..cache },
                Arc::clone(&clock),
            ),
            networks: ArcSwap::default(),
            entities: None,
            clock,
        }
    }

    /// The same, which ask these registration entities, too.
    #[must_use]
    pub fn asking(self, entities: Entities) -> Self {
        Self { entities: Some(entities), ..self }
    }

    /// The registration entities that are asked.
    #[must_use]
    pub const fn entities(&self) -> Option<&Entities> {
        self.entities.as_ref()
    }

    /// What the caches hold.
    #[must_use]
    pub fn cached(&self) -> Cached {
        Cached {
            records: self.records.len(),
            addresses: self.addresses.len(),
            pointers: self.pointers.len(),
            directories: self.keys.len(),
        }
    }

    /// What stands at a name and above it now, past the cache: whoever asks wants to know what there is, not what is
    /// remembered of it.
    pub async fn examine(&self, place: &Place) -> Examination {
        Examination::of(&self.dns, place, self.clock.now()).await
    }

    /// Puts other data on networks in place of those before.
    pub fn use_networks(&self, networks: Networks) {
        self.networks.store(Arc::new(networks));
    }

    /// The data on networks that are in use.
    #[must_use]
    pub fn networks(&self) -> Arc<Networks> {
        self.networks.load_full()
    }

    /// The answers to the questions of a claim, if all of them are at hand.
    pub fn recall(&self, questions: &Questions, now: Time) -> Option<Evidence> {
        let (Some(name), None) = (questions.record(), &questions.network) else { return None };
        let directory = match &questions.directory {
            Some(question) => self.keys.peek(question, now)?,
            None => Answer::default(),
        };
        let record = self.records.peek(name, now)?;
        let leads_on = questions.lead_on(&record, now);
        let revocations = match leads_on {
            true => {
                questions.revocations().map(|name| self.records.peek(name, now)).collect::<Option<_>>()?
            }
            false => Vec::new(),
        };
        let registered = match (&self.entities, questions.entity.as_deref()) {
            (Some(entities), Some(question)) if leads_on => entities.peek(question, now)?,
            _ => Answer::default(),
        };
        Some(Evidence { record, revocations, directory, registered, ..Evidence::default() })
    }

    /// Answers the questions of a claim made by `peer`. Questions about an address that is no
    /// evidence are not asked.
    pub async fn look_up(&self, questions: &Questions, peer: &Peer, now: Time) -> Evidence {
        let source = Source::from(peer.address);
        let record = async {
            match questions.record() {
                Some(name) => self.records(name, source, now).await,
                None => Answer::default(),
            }
        };
        let network = async {
            match &questions.network {
                Some(question) if peer.evidence == AddressEvidence::Client => {
                    self.network(question, peer.address, now).await
                }
                _ => Network::default(),
            }
        };
        let directory = async {
            match &questions.directory {
                Some(question) => self.directory(question, source, now).await,
                None => Answer::default(),
            }
        };
        let (record, network, directory) = tokio::join!(record, network, directory);
        if !questions.lead_on(&record, now) {
            return Evidence { record, network, directory, ..Evidence::default() };
        }
        let revocations = join_all(questions.revocations().map(|name| self.records(name, source, now)));
        let registered = self.registered(questions.entity.as_deref(), source, now);
        let (revocations, registered) = tokio::join!(revocations, registered);
        Evidence { record, revocations, network, directory, registered, ..Evidence::default() }
    }

    /// What the registration entity says that a claim names, where it is one that is asked.
    async fn registered(
        &self,
        question: Option<&EntityQuestion>,
        source: Source,
        now: Time,
    ) -> Answer<Arc<Registered>> {
        let (Some(entities), Some(question)) = (&self.entities, question) else { return Answer::default() };
        if let Some(answer) = entities.peek(question, now) {
            return answer;
        }
        entities.look_up(question, || self.budget.admit(source, self.clock.now())).await
    }

    async fn records(&self, name: &str, source: Source, now: Time) -> Answer<Arc<Records>> {
        if let Some(answer) = self.records.peek(name, now) {
            return answer;
        }
        self.records
            .get(&name.to_owned(), || {
                self.ask(source, |now| async move { unite(name, self.dns.txt(name, now).await) })
            })
            .await
    }

    async fn directory(
        &self,
        question: &DirectoryQuestion,
        source: Source,
        now: Time,
    ) -> Answer<Arc<Directory>> {
        if let Some(answer) = self.keys.peek(question, now) {
            return answer;
        }
        let look_up = |now| async move { self.directories.look_up(question, now).await };
        self.keys.get(question, || self.ask(source, look_up)).await
    }

    async fn network(&self, question: &NetworkQuestion, address: IpAddr, now: Time) -> Network {
        let held = self.held(question, address);
        // What the ranges confirm, names need not.
        if held.is_within_ranges(now) {
            return held;
        }
        let source = Source::from(address);
        let forward = async {
            match &question.forward {
                Some(domain) => self.addresses(domain.as_str(), source, now).await,
                None => Answer::default(),
            }
        };
        let pointers = async {
            match question.within.is_empty() {
                true => Answer::default(),
                false => self.pointers(address, source, now).await,
            }
        };
        let delegation = async {
            match &question.delegation {
                Some(name) => self.records(name, source, now).await,
                None => Answer::default(),
            }
        };
        let (pointers, forward, delegation) = tokio::join!(pointers, forward, delegation);
        let names: Vec<String> = match pointers.found(now) {
            Some(names) => question.worth_confirming(names).cloned().collect(),
            None => Vec::new(),
        };
        let answers = join_all(names.iter().map(|name| self.addresses(name, source, now))).await;
        Network {
            pointers,
            confirmations: names.into_iter().zip(answers).collect(),
            forward,
            delegation,
            ..held
        }
    }

    /// What data on this machine say: of a crawler its ranges, of anybody else the origins.
    fn held(&self, question: &NetworkQuestion, address: IpAddr) -> Network {
        self.networks.load().answer(question, address)
    }

    async fn addresses(&self, name: &str, source: Source, now: Time) -> Answer<Arc<Vec<IpAddr>>> {
        if let Some(answer) = self.addresses.peek(name, now) {
            return answer;
        }
        let key = name.to_owned();
        let look_up = |now| async move { self.dns.addresses(name, now).await.map(Arc::new) };
        self.addresses.get(&key, || self.ask(source, look_up)).await
    }

    async fn pointers(&self, address: IpAddr, source: Source, now: Time) -> Answer<Arc<Vec<String>>> {
        if let Some(answer) = self.pointers.peek(&address, now) {
            return answer;
        }
        let look_up = |now| async move { self.dns.pointers(address, now).await.map(Arc::new) };
        self.pointers.get(&address, || self.ask(source, look_up)).await
    }

    /// Asks, if the source's budget admits it. The time is read when the question leaves, so that
    /// waiting for a place never makes an answer last longer than its TTL.
    async fn ask<V, F>(&self, source: Source, look_up: impl FnOnce(Time) -> F) -> Answer<V>
    where
        F: Future<Output = Answer<V>>,
    {
        let now = self.clock.now();
        match self.budget.admit(source, now) {
            Ok(_admission) => look_up(now).await,
            Err(cause) => Answer::Unknown(cause),
        }
    }
}

/// What stands at a `_saip` name, asked for outside of any request.
pub async fn records(dns: &Dns, name: &str, now: Time) -> Answer<Arc<Records>> {
    unite(name, dns.txt(name, now).await)
}

/// What the TXT records at a name publish.
fn unite(name: &str, answer: Answer<Txt>) -> Answer<Arc<Records>> {
    let level = if name.starts_with("_saip.") { Level::Domain } else { Level::Agent };
    answer.map(|txt| {
        let published = Published::unite(txt.records.iter().map(|text| &**text), level);
        Arc::new(Records { published, wildcard: txt.wildcard })
    })
}

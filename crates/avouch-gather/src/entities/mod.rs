//! Registration entities: the keys of agents are asked for, and revocations heard of
//! (`docs/formats/registration-entity.md`).
//!
//! In scope: one question for each agent, site and epoch, however many requests wait for it; questions of several
//! agents in one; keys for as long as they may be used and not longer; a stream of events from each entity, which takes
//! effect at once. Only entities that the operator configured are asked, whatever a header says.
//!
//! Out of scope: whether a domain names the entity and what a key proves (`avouch-engine`), the sequence of requests
//! ([`crate::replay`]).
//!
//! Limits: `known` for keys, `desk` for questions, `unfound` for what there is nothing of. Keys are wiped when they end
//! or are forgotten, and never printed; what TLS and HTTP held of an answer is freed and not wiped.

mod desk;
mod figures;
mod known;
mod lines;
mod name;
mod pace;
mod stream;
#[cfg(test)]
mod tests;
mod trouble;
mod unfound;

use crate::clock::Clock;
use crate::https::Client;
use avouch_dns::Dns;
use avouch_engine::evidence::{Answer, Cause, EntityQuestion, Registered};
use avouch_keys::SecretKey;
use avouch_tls::Connector;
use avouch_wire::authority::Authority;
use avouch_wire::name::Domain;
use avouch_wire::time::Time;
use desk::Desk;
use futures_util::future::join_all;
use ipnet::IpNet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub use figures::EntityFigures;

/// How long a question or the beginning of a stream may take, from the look-up of the host.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often keys that have ended are wiped.
const SWEEP: Duration = Duration::from_secs(1);

/// A registration entity that the operator works with.
pub struct EntitySettings {
    /// Its name, in lower case.
    pub entity: Domain<'static>,
    /// Where it answers by HTTPS.
    pub port: u16,
    /// What opens TLS; it is to offer HTTP/1.1.
    pub connector: Connector,
    /// Networks that are not public, and where it may stand all the same.
    pub allowed_networks: Vec<IpNet>,
}

/// The registration entities of a verifier. Cloning is cheap, and clones share everything.
#[derive(Clone)]
pub struct Entities(Arc<State>);

struct State {
    desks: Vec<Arc<Desk>>,
    /// By which site streams are asked for.
    audience: Authority<'static>,
    /// How often something was forgotten that a request may rest on.
    forgotten: Arc<AtomicU64>,
    clock: Arc<dyn Clock>,
}

impl Entities {
    /// Entities of which nothing is known yet. `key` proves that the questions are those of the sites asked for, and
    /// `audience` is one of these. [`Entities::keep`] hears of revocations.
    #[must_use]
    pub fn new(
        settings: Vec<EntitySettings>,
        (key, audience): (Arc<SecretKey>, Authority<'static>),
        dns: &Dns,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let forgotten = Arc::default();
        let desk = |EntitySettings { entity, port, connector, allowed_networks }| {
            let client = Client::new(dns.clone(), connector, allowed_networks, PATIENCE);
            let shared = (Arc::clone(&key), Arc::clone(&forgotten), Arc::clone(&clock));
            Arc::new(Desk::new(entity, port, client, shared))
        };
        let desks = settings.into_iter().map(desk).collect();
        Self(Arc::new(State { desks, audience, forgotten, clock }))
    }

    fn desk(&self, entity: &Domain<'_>) -> Option<&Arc<Desk>> {
        self.0.desks.iter().find(|desk| desk.entity.as_str() == entity.as_str())
    }

    /// What is at hand.
    pub(crate) fn peek(&self, question: &EntityQuestion, now: Time) -> Option<Answer<Arc<Registered>>> {
        self.desk(&question.entity)?.peek(question, now)
    }

    /// What the entity says, asked now unless it is at hand or was asked already. `admit` says whether whoever sent the
    /// request may cause a question; who waits for another's need not ask it.
    pub(crate) async fn look_up<A: Send + 'static>(
        &self,
        question: &EntityQuestion,
        admit: impl FnOnce() -> Result<A, Cause>,
    ) -> Answer<Arc<Registered>> {
        match self.desk(&question.entity) {
            Some(desk) => desk.look_up(question, || Ok(Box::new(admit()?) as _)).await,
            None => Answer::default(),
        }
    }

    /// How often something was forgotten that requests under way may rest on. It never falls.
    pub(crate) fn forgotten(&self) -> u64 {
        self.0.forgotten.load(Ordering::Acquire)
    }

    /// Hears of revocations, and wipes what has ended, for as long as it is polled.
    pub async fn keep(&self) {
        let State { desks, audience, clock, .. } = &*self.0;
        let streams = join_all(desks.iter().map(|desk| desk.keep_hearing(audience)));
        let sweeping = async {
            loop {
                tokio::time::sleep(SWEEP).await;
                desks.iter().for_each(|desk| desk.sweep(clock.now()));
            }
        };
        tokio::join!(streams, sweeping);
    }

    /// What became of everything so far, by entity.
    pub fn figures(&self) -> impl Iterator<Item = (&str, EntityFigures)> {
        self.0.desks.iter().map(|desk| (desk.entity.as_str(), desk.figures()))
    }
}

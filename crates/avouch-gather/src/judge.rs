//! The judge: drives a request through the engine's pipeline and fetches what it asks for.

use crate::clock::Clock;
use crate::directories::Directories;
use crate::entities::Entities;
use crate::examination::Examination;
use crate::lookups::{Cached, Lookups};
use crate::networks::Networks;
use crate::replay::{Nonces, Shared, StoreError, Used};
use crate::roots::Roots;
use crate::{budget, cache, replay};
use avouch_dns::Dns;
use avouch_engine::evidence::{Epoch, Network};
use avouch_engine::pipeline::{self, Committed, Nonce, NotCommitted, Site, Step};
use avouch_engine::request::Request;
use avouch_engine::verdict::Verdict;
use avouch_wire::record::Place;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::time::Instant;

/// How a judge is made.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The answer cache.
    pub cache: cache::Settings,
    /// The look-up budget.
    pub budget: budget::Settings,
    /// The replay table.
    pub replay: replay::Settings,
    /// Whether the replay table is shared by nobody and lives for one request, as when a captured
    /// request is judged offline. Verdicts then list `replay` as not checked.
    pub private: bool,
}

/// Judges requests. One instance serves all requests of a verifier, and one function serves the
/// gateway and `avouch verify` alike.
pub struct Judge {
    lookups: Lookups,
    nonces: Nonces,
    roots: Roots,
    shared: Option<Arc<dyn Shared>>,
    private: bool,
    epoch: AtomicU64,
    clock: Arc<dyn Clock>,
}

impl Judge {
    /// A judge with an empty cache and the replay table its settings name.
    ///
    /// # Errors
    /// [`StoreError`] when the folder of the replay table cannot be used.
    pub fn new(
        settings: &Settings,
        dns: Dns,
        directories: Directories,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            lookups: Lookups::new(dns, directories, settings.cache, settings.budget, Arc::clone(&clock)),
            nonces: Nonces::open(&settings.replay, Arc::clone(&clock))?,
            roots: Roots::new(),
            shared: None,
            private: settings.private,
            epoch: AtomicU64::new(0),
            clock,
        })
    }

    /// The same, which commits nonces among all that share this table, after its own.
    #[must_use]
    pub fn sharing(self, shared: Arc<dyn Shared>) -> Self {
        Self { shared: Some(shared), ..self }
    }

    /// The same, which asks these registration entities. What they say is revoked undoes verdicts under way.
    #[must_use]
    pub fn asking(self, entities: Entities) -> Self {
        Self { lookups: self.lookups.asking(entities), ..self }
    }

    /// The registration entities that are asked, for their upkeep and their figures.
    #[must_use]
    pub const fn entities(&self) -> Option<&Entities> {
        self.lookups.entities()
    }

    /// Judges one request for `site`.
    pub async fn judge(&self, request: &Request<'_>, site: &Site) -> Box<Verdict> {
        self.judge_timed(request, site, &mut None).await
    }

    /// The same, and notes from when to when answers were looked up that were not at hand.
    pub async fn judge_timed(
        &self,
        request: &Request<'_>,
        site: &Site,
        looked_up: &mut Option<(Instant, Instant)>,
    ) -> Box<Verdict> {
        let mut opened = match pipeline::open(request, site, self.clock.now()) {
            Step::Settled(verdict) => return verdict,
            Step::Next(opened) => opened,
        };
        let epoch = self.epoch();
        let (questions, now) = (opened.questions(), self.clock.now());
        let mut evidence = match self.lookups.recall(questions, now) {
            Some(evidence) => evidence,
            // Boxed, because this future is large, and a request whose answers are at hand
            // should not have to carry it around.
            None => {
                let begun = Instant::now();
                let evidence = Box::pin(self.lookups.look_up(questions, request.peer(), now)).await;
                *looked_up = Some((begun, Instant::now()));
                evidence
            }
        };
        if let Some(questions) = opened.ask_more(&evidence, now) {
            let begun = looked_up.map_or_else(Instant::now, |(begun, _)| begun);
            let more = Box::pin(self.lookups.look_up(&questions, request.peer(), now)).await;
            *looked_up = Some((begun, Instant::now()));
            evidence.network = Network { origins: evidence.network.origins, ..more.network };
        }
        evidence.epoch = epoch;
        let proved = match opened.weigh(&evidence, &self.roots, self.clock.now()) {
            Step::Settled(verdict) => return verdict,
            Step::Next(proved) => proved,
        };
        proved.certified_root().into_iter().for_each(|root| self.roots.remember(root));
        let committed = match (proved.nonce(), &self.shared) {
            (None, _) => None,
            (Some(nonce), None) => Some(self.commit(nonce)),
            (Some(nonce), Some(shared)) => Some(Box::pin(self.commit_among(&**shared, nonce)).await),
        };
        proved.conclude(committed, self.epoch())
    }

    /// Says that a revocation was heard of: verdicts under way that rest on earlier evidence come
    /// out undetermined.
    pub fn revoked(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// Puts other data on networks in place of those before. Requests under way may use either.
    pub fn use_networks(&self, networks: Networks) {
        self.lookups.use_networks(networks);
    }

    /// The data on networks that are in use.
    #[must_use]
    pub fn networks(&self) -> Arc<Networks> {
        self.lookups.networks()
    }

    /// What the caches of look-ups hold.
    #[must_use]
    pub fn cached(&self) -> Cached {
        self.lookups.cached()
    }

    /// What stands at a name and above it now.
    pub async fn examine(&self, place: &Place) -> Examination {
        self.lookups.examine(place).await
    }

    /// The nonces that were used, for their upkeep and their figures.
    #[must_use]
    pub const fn nonces(&self) -> &Nonces {
        &self.nonces
    }

    fn epoch(&self) -> Epoch {
        let forgotten = self.entities().map_or(0, Entities::forgotten);
        Epoch(self.epoch.load(Ordering::Acquire).wrapping_add(forgotten))
    }

    fn commit(&self, nonce: Nonce<'_>) -> Result<Committed, NotCommitted> {
        self.nonces.commit(used(&nonce))?;
        Ok(if self.private { nonce.committed_privately() } else { nonce.committed() })
    }

    async fn commit_among(&self, shared: &dyn Shared, nonce: Nonce<'_>) -> Result<Committed, NotCommitted> {
        self.nonces.commit_among(shared, used(&nonce), nonce.challenge(), self.clock.now()).await?;
        Ok(nonce.committed())
    }
}

const fn used<'a>(nonce: &Nonce<'a>) -> Used<'a> {
    Used {
        key: nonce.key(),
        nonce: nonce.nonce(),
        signed: nonce.timestamp(),
        until: nonce.until(),
        share: nonce.share(),
        of_this_start: nonce.challenge().is_some(),
        sequence: nonce.sequence(),
    }
}

#[cfg(test)]
mod bots;
#[cfg(test)]
mod partners;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod together;

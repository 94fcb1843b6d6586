//! A registration entity: agents register and share a secret with it, verifiers ask it for keys, and hear of what is
//! revoked.

mod agents;
mod asked;
pub mod config;
mod owners;
mod refusal;
mod rules;
mod run;
mod sites;
mod start;
mod stream;
mod telling;
#[cfg(test)]
mod tests;
mod verifiers;

pub use config::Config;
pub use refusal::{Refusal, Unchanged};
pub use rules::{Actor, KEPT, MAX_AGENTS, MAX_ASKED, MAX_NOTED, MAX_TOKENS, MAX_TURNS, Rules, Scope, WINDOW};
pub use run::{StartError, check, run};
pub use start::{StartFault, Started};

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use avouch_gather::clock::Clock;
use avouch_gather::https::Client;
use avouch_keys::entity::Root;
use avouch_store::ledger::Ledger;
use avouch_wire::name::Domain;
use avouch_wire::time::Time;
use axum::Router;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;

use crate::desk::{Desk, Lane};
use sites::Sites;
use stream::{ALIVE, BEHIND, Places};
use telling::{Telling, Told};

/// How often what counts no more is forgotten.
const TIDY: Duration = Duration::from_secs(60);

/// What an entity is made of.
pub struct Parts {
    /// Its host.
    pub entity: Domain<'static>,
    /// What secrets are derived of.
    pub root: Root,
    /// The database.
    pub ledger: Ledger,
    /// The file of the mark beside it.
    pub mark: PathBuf,
    /// By what sites are asked.
    pub client: Client,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Whether the database is an older copy, and meant to be.
    pub restored: bool,
}

/// An entity that runs for as long as its tasks do.
pub struct Entity {
    shared: Arc<Shared>,
}

/// What every question is answered from.
pub(crate) struct Shared {
    rules: Rules,
    /// For reading alone.
    ledger: Ledger,
    desk: Desk,
    clock: Arc<dyn Clock>,
    sites: Sites,
    events: broadcast::Sender<Told>,
    places: Places,
    stop: watch::Receiver<bool>,
    /// Questions of before are not answered: whether their nonces were used is not known.
    from: Option<u64>,
    alive: Duration,
}

impl Entity {
    /// Looks at its database and starts its tasks. They end after `stop` says so, once this is dropped.
    ///
    /// # Errors
    /// [`StartFault`]: the database is an older copy, or does not belong to the root or the mark.
    pub async fn start(
        parts: Parts,
        tasks: &mut JoinSet<()>,
        stop: watch::Receiver<bool>,
    ) -> Result<Self, StartFault> {
        Self::start_with(parts, tasks, stop, ALIVE).await
    }

    async fn start_with(
        parts: Parts,
        tasks: &mut JoinSet<()>,
        stop: watch::Receiver<bool>,
        alive: Duration,
    ) -> Result<Self, StartFault> {
        let Parts { entity, root, ledger, mark, client, clock, restored } = parts;
        let started = start::start(&ledger, (&mark, root.mark()), restored, clock.now()).await?;
        let (events, _) = broadcast::channel(BEHIND);
        let telling = Telling::new(mark, started.state, events.clone());
        let (desk, working) = Desk::open(ledger.clone(), telling);
        tasks.spawn(working);
        let rules = Rules { entity, root: Arc::new(root), noted: Arc::default() };
        tasks.spawn(tidy(rules.clone(), desk.clone(), Arc::clone(&clock), stop.clone()));
        let (sites, places, from) = (Sites::new(client), Places::default(), started.from);
        Ok(Self {
            shared: Arc::new(Shared { rules, ledger, desk, clock, sites, events, places, stop, from, alive }),
        })
    }

    /// What verifiers and agents ask.
    pub fn for_strangers(&self) -> Router {
        agents::router(Arc::clone(&self.shared)).merge(verifiers::router(Arc::clone(&self.shared)))
    }

    /// What those ask who run it.
    pub fn for_owner(&self) -> Router {
        owners::router(Arc::clone(&self.shared))
    }
}

impl Shared {
    /// Whether a question is for this entity, and of now.
    fn is_timely(&self, entity: &Domain<'_>, time: u64, now: Time) -> Result<(), Refusal> {
        self.rules.is_timely(entity, time, now)?;
        if self.from.is_some_and(|from| time <= from) { Err(Refusal::Restored) } else { Ok(()) }
    }
}

async fn tidy(rules: Rules, desk: Desk, clock: Arc<dyn Clock>, mut stop: watch::Receiver<bool>) {
    loop {
        let (rules, now) = (rules.clone(), clock.now());
        let done =
            desk.run(Lane::First, move |ledger| Box::pin(async move { rules.tidy(ledger, now).await }));
        if let Err(error) = done.await {
            tracing::warn!(%error, "what counts no more is not forgotten yet");
        }
        tokio::select! {
            _ = stop.wait_for(|stopping| *stopping) => return,
            () = tokio::time::sleep(TIDY) => {}
        }
    }
}

//! The registrar: agents enrol by a token and the proof that they hold a key, and the DNS says so.

mod agents;
mod attesting;
mod owners;
mod place;
mod publishing;
mod rules;
#[cfg(test)]
mod tests;

pub use crate::desk::Unavailable;
pub use attesting::{Attesting, AttestingError, NotAttested};
pub use place::{Place, ZoneError, own_zone};
pub use publishing::Standing;
pub use rules::{Actor, MAX_PENDING, Refusal, Rules, Scope, Unchanged};

use std::sync::Arc;

use avouch_dns::own::AtParent;
use avouch_gather::clock::Clock;
use avouch_store::ledger::Ledger;
use axum::Router;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::desk::{Desk, Nothing};
use publishing::Publishing;

/// Who speaks by a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Decides everything.
    Owner,
    /// Lets agents in, and puts out agents and fleets; makes no tokens, changes no agent's key, and forgets nothing.
    Operator,
}

/// A registrar that runs for as long as its tasks do.
pub struct Registrar {
    shared: Arc<Shared>,
}

/// What every question is answered from.
pub(crate) struct Shared {
    pub(crate) rules: Rules,
    /// For reading alone.
    pub(crate) ledger: Ledger,
    pub(crate) desk: Desk,
    pub(crate) attesting: Attesting,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) standing: watch::Receiver<Standing>,
    /// What the parent of a zone of our own needs.
    pub(crate) at_parent: Option<AtParent>,
}

impl Registrar {
    /// Starts its tasks: one that writes, one that publishes with this TTL at a name server or in a zone of our own. They
    /// end after `stop` says so, once this is dropped.
    pub fn start(
        rules: Rules,
        ledger: Ledger,
        (place, ttl): (impl Into<Place>, u32),
        attesting: Attesting,
        clock: Arc<dyn Clock>,
        tasks: &mut JoinSet<()>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let (desk, working) = Desk::open(ledger.clone(), Nothing);
        let (tell, standing) = watch::channel(Standing::default());
        tasks.spawn(working);
        let place = place.into();
        let at_parent = match &place {
            Place::Own(zone) => Some(zone.at_parent()),
            Place::Elsewhere(_) => None,
        };
        let publishing = Publishing {
            rules: rules.clone(),
            desk: desk.clone(),
            place,
            ttl,
            clock: Arc::clone(&clock),
            standing: tell,
            stop,
        };
        tasks.spawn(publishing.run());
        Self { shared: Arc::new(Shared { rules, ledger, desk, attesting, clock, standing, at_parent }) }
    }

    /// What agents ask.
    pub fn for_agents(&self) -> Router {
        agents::router(Arc::clone(&self.shared))
    }

    /// What those ask who run it.
    pub fn for_role(&self, role: Role) -> Router {
        owners::router(Arc::clone(&self.shared), role)
    }
}

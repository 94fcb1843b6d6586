//! Where records stand: at a name server of others, or in a zone of our own.

use std::sync::Arc;
use std::time::Duration;

use avouch_dns::own::{Settings, Zone, ZoneFault};
use avouch_dns::publish::{Change, PublishError, Publisher, Standing};
use avouch_keys::zone::ZoneKey;
use avouch_store::ledger::{Agent, AgentState, Ledger, LedgerError, Publication, Transaction};
use avouch_wire::key::PublicKey;
use avouch_wire::name::AgentId;
use avouch_wire::record::Record;
use avouch_wire::time::Time;

use super::Rules;

/// How long changes gather before they are sent to a name server together.
const GATHER: Duration = Duration::from_millis(500);

/// The same for a zone of our own, where a round is a commit and no message.
const GATHER_OWN: Duration = Duration::from_millis(100);

/// Where records stand.
#[derive(Clone, Debug)]
pub enum Place {
    /// In a zone elsewhere, whose primary takes changes.
    Elsewhere(Arc<Publisher>),
    /// In a zone that is served from this process.
    Own(Arc<Zone>),
}

impl From<Publisher> for Place {
    fn from(publisher: Publisher) -> Self {
        Self::Elsewhere(Arc::new(publisher))
    }
}

impl From<Arc<Zone>> for Place {
    fn from(zone: Arc<Zone>) -> Self {
        Self::Own(zone)
    }
}

/// Why a zone of our own cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ZoneError {
    /// What it is called, or its key.
    #[error("{0}")]
    Fault(#[from] ZoneFault),
    /// The ledger does not say what stands in it.
    #[error("{0}")]
    Ledger(#[from] LedgerError),
    /// What the ledger says cannot stand in it.
    #[error("{0}")]
    Content(#[from] PublishError),
}

impl Place {
    pub(super) const fn gather(&self) -> Duration {
        match self {
            Self::Elsewhere(_) => GATHER,
            Self::Own(_) => GATHER_OWN,
        }
    }

    /// The serial under which changes will stand, on the disk once the transaction is: a zone of our own never shows one
    /// that a restart could take back.
    pub(super) async fn serial(&self, ledger: &mut Transaction, now: Time) -> Result<u32, LedgerError> {
        match self {
            Self::Elsewhere(_) => Ok(0),
            Self::Own(zone) => ledger.next_serial(&zone.at_parent().zone, now).await,
        }
    }

    /// Makes changes, all or none.
    pub(super) async fn send(
        &self,
        some: &[Publication],
        (ttl, serial): (u32, u32),
        now: Time,
    ) -> Result<(), PublishError> {
        let change = |due: &Publication| Change { name: due.name.clone(), texts: due.texts.clone(), ttl };
        let changes: Vec<Change> = some.iter().map(change).collect();
        match self {
            // Nobody else's hand is in it.
            Self::Own(zone) => zone.apply(&changes, serial),
            Self::Elsewhere(publisher) => {
                let fresh = some.iter().filter(|due| due.fresh);
                let nothing: Vec<_> = fresh.filter_map(|due| Standing::nothing(&due.name)).collect();
                publisher.publish_over(&nothing, &changes, now).await
            }
        }
    }
}

/// A zone of our own with everything in it that the ledger says, whatever of it was still to be published: for agents that
/// are enrolled their keys, for what is revoked a record that says so.
///
/// # Errors
/// [`ZoneError`].
pub async fn own_zone(
    rules: &Rules,
    ledger: &Ledger,
    settings: &Settings,
    key: ZoneKey,
    now: Time,
) -> Result<Arc<Zone>, ZoneError> {
    let mut ledger = ledger.begin().await?;
    let serial = ledger.next_serial(&settings.name, now).await?;
    let zone = Zone::new(settings, key, serial)?;
    let mut after = String::new();
    loop {
        let agents = ledger.agents(None, &after).await?;
        let Some(last) = agents.last() else { break };
        last.id.clone_into(&mut after);
        let mut changes = Vec::with_capacity(agents.len());
        for agent in &agents {
            let (id, Some(record)) = (read(agent)?, record(agent)?) else { continue };
            changes.push(Change {
                name: rules.name(&id),
                texts: vec![record.to_string()],
                ttl: settings.ttl,
            });
        }
        zone.apply(&changes, serial)?;
    }
    ledger.commit().await?;
    Ok(Arc::new(zone))
}

fn read(agent: &Agent) -> Result<AgentId<'_>, LedgerError> {
    AgentId::parse(&agent.id).map_err(|_| LedgerError::Damaged { what: "an agent" })
}

/// What stands for an agent in the DNS; nothing for one that waits for an approval.
fn record(agent: &Agent) -> Result<Option<Record>, LedgerError> {
    match agent.state {
        AgentState::Pending => Ok(None),
        AgentState::Revoked => Ok(Some(Record::revocation())),
        AgentState::Enrolled => {
            let key = PublicKey::from_octets(&agent.key);
            key.map(|key| Some(Record::of_key(key))).map_err(|_| LedgerError::Damaged { what: "an agent" })
        }
    }
}

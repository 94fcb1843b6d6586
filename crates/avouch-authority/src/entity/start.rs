//! What is made of a database at the start: a new one, the one that was here before, or an older copy of it.
//!
//! An older copy would take back what was said: numbers that are used would count again, and so would secrets that were
//! changed. So it is refused; and where it is taken on purpose, or nobody can tell, every agent gets another secret and a
//! floor above all that there were, both of which it asks for by its key.

use std::path::Path;
use std::time::Duration;

use avouch_keys::entropy::{Entropy, SystemEntropy};
use avouch_store::ledger::entity::{Agent, AgentState, Mark, Name, State, Tables};
use avouch_store::ledger::{Ledger, LedgerError, Transaction};
use avouch_wire::entity::{Event, Happening};
use avouch_wire::time::Time;

use super::rules::{Actor, WINDOW, next_floor, note};

/// Seconds between floors of databases that were restored: more than agents ask for, so that such a floor is above
/// every one that was given before, and the clock fits in a floor for a thousand years.
const PACE: u64 = 8;

/// Why it does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartFault {
    /// The database fails.
    #[error("{0}")]
    Ledger(#[from] LedgerError),
    /// Another root.
    #[error(
        "the file of the root is that of another registration entity than the database: restore the one that belongs to it"
    )]
    OtherRoot,
    /// A mark of another database.
    #[error("the mark is that of another database: name the one that belongs to it, or remove it")]
    OtherMark,
    /// The database is an older copy.
    #[error(
        "the database is an older copy: it knows {found} changes of {told} that were told, and {revoked} revocations \
         are missing in it. Restore a newer one; or run once with --restored, and every agent fetches its secret again, \
         and revoke again what is missing"
    )]
    Older {
        /// Changes in it.
        found: u64,
        /// Changes that were told.
        told: u64,
        /// Revocations that it does not have.
        revoked: u64,
    },
    /// The generator failed.
    #[error("the system gives no randomness")]
    NoRandomness,
}

/// How it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Started {
    /// How far it has come.
    pub state: State,
    /// Questions of before then are not answered: whether their nonces were used is not known.
    pub from: Option<u64>,
}

/// Looks at the database and its mark, and writes down whatever has to be.
///
/// # Errors
/// [`StartFault`]; nothing was changed.
pub(super) async fn start(
    ledger: &Ledger,
    (mark, root): (&Path, [u8; 32]),
    restored: bool,
    now: Time,
) -> Result<Started, StartFault> {
    let told = Mark::read(mark).map_err(LedgerError::from)?;
    let mut begun = ledger.begin().await?;
    let found = begun.entity().state().await?;
    let fresh = State { revision: 0, event: 0, ground: 0, revoked: 0, agents: 0, root };
    let is_other_mark = told.is_some_and(|told| told.root != root);
    let started = match (found, told) {
        (Some(found), _) if found.root != root => return Err(StartFault::OtherRoot),
        _ if is_other_mark => return Err(StartFault::OtherMark),
        (found, Some(told)) if found.map_or(0, |found| found.revision) < told.revision && !restored => {
            let found = found.unwrap_or(fresh);
            return Err(StartFault::Older {
                found: found.revision,
                told: told.revision,
                revoked: told.revoked.saturating_sub(found.revoked),
            });
        }
        (None, None) => Started { state: fresh, from: None },
        (Some(found), Some(told)) if found.revision >= told.revision && !restored => {
            Started { state: found, from: None }
        }
        (found, told) => lift(&mut begun, found.unwrap_or(fresh), told, now).await?,
    };
    begun.entity().put_state(&started.state).await?;
    begun.commit().await?;
    // Crash before here: the mark is behind the database, which is as it should be.
    Mark::from(started.state).write(mark).map_err(LedgerError::from)?;
    Ok(started)
}

/// Lifts whatever could have been told of since the copy was made.
async fn lift(
    ledger: &mut Transaction,
    found: State,
    told: Option<Mark>,
    now: Time,
) -> Result<Started, StartFault> {
    let ground = (now.seconds() / PACE) << 32;
    let event = found.event.max(told.map_or(0, |told| told.event)).saturating_add(1).max(now.millis());
    let revision = found.revision.max(told.map_or(0, |told| told.revision)).saturating_add(1);
    let ground = ground.max(next_floor(found.ground));
    let mut tables = ledger.entity();
    let agents = renew(&mut tables, ground, now).await?;
    let line = Event { number: event, happening: Happening::Reset }.write();
    tables.add_event(event, &line, now).await?;
    let detail = format!("{agents} agents fetch their secrets again");
    note(ledger, now, Actor("start"), "lift", "restored", detail).await?;
    tracing::warn!(agents, "the database is an older copy, or may be: every agent fetches its secret again");
    // Asked by a clock that is ahead, too.
    let from = now.after(Duration::from_secs(WINDOW)).seconds();
    Ok(Started { state: State { revision, event, ground, ..found }, from: Some(from) })
}

/// Another secret, which is told nobody yet, and a floor above all others, for every agent.
async fn renew(tables: &mut Tables<'_>, ground: u64, now: Time) -> Result<u64, StartFault> {
    let (mut count, mut after) = (0, Name { domain: String::new(), id: String::new() });
    loop {
        let page = tables.agents(Some(AgentState::Registered), &after).await?;
        let Some(last) = page.last() else { return Ok(count) };
        after = last.name.clone();
        for agent in page {
            let mut salt = [0; 32];
            SystemEntropy.fill(&mut salt).map_err(|_| StartFault::NoRandomness)?;
            let (version, floor) = (agent.version.saturating_add(1), ground.max(next_floor(agent.floor)));
            let agent = Agent { version, epoch: 0, salt, former: None, floor, changed: now, ..agent };
            tables.put_agent(&agent).await?;
            count += 1;
        }
    }
}

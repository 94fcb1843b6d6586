//! What happens after each commit and before anybody is answered: verifiers hear of events, in the order of their numbers,
//! and the mark is written. In that order, so that no full disk keeps a revocation from being heard.

use std::path::PathBuf;
use std::sync::Arc;

use avouch_store::ledger::entity::{Mark, State};
use avouch_store::ledger::{Ledger, LedgerError};
use tokio::sync::broadcast;

use super::rules::state;
use crate::desk::Afterwards;

/// Most events that are read at once.
const PAGE: usize = 256;

/// An event as streams get it.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) number: u64,
    /// The line, without its line feed.
    pub(super) line: Arc<str>,
}

pub(super) struct Telling {
    mark: PathBuf,
    told: State,
    events: broadcast::Sender<Told>,
}

impl Telling {
    pub(super) const fn new(mark: PathBuf, told: State, events: broadcast::Sender<Told>) -> Self {
        Self { mark, told, events }
    }
}

impl Afterwards for Telling {
    async fn committed(&mut self, ledger: &Ledger) -> Result<(), LedgerError> {
        let mut reading = ledger.begin().await?;
        let mut tables = reading.entity();
        let now = state(&mut tables).await?;
        if now.revision == self.told.revision {
            return Ok(());
        }
        while self.told.event < now.event {
            let events = tables.events(self.told.event, PAGE).await?;
            // All of them were written in what was committed.
            let Some((last, _)) = events.last() else { break };
            self.told.event = *last;
            for (number, line) in events {
                // Nobody listens, perhaps.
                let _ = self.events.send(Told { number, line: line.into() });
            }
        }
        let (mark, path) = (Mark::from(now), self.mark.clone());
        let written = tokio::task::spawn_blocking(move || mark.write(&path)).await;
        // A task that is not cancelled and does not panic ends.
        written.unwrap_or(Ok(()))?;
        self.told = now;
        Ok(())
    }
}

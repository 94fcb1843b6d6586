//! Where signatures are made: a bounded number at once, each by a thread that may block.
//!
//! This file alone knows how a signature comes about. A key in hardware takes its time, and a queue that makes many
//! signatures of one takes this place without anybody else noticing.

use std::sync::Arc;
use std::time::Duration;

use avouch_gather::clock::Clock;
use tokio::sync::Semaphore;

use crate::config::{Limits, Protocols};
use crate::identity::{Identity, Question, SignError};

/// Why there is no signature.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// As many wait as may, or the wait was too long.
    #[error(
        "more requests are to be signed than the key signs; `[limits] waiting` and `wait` say how many wait, and how long"
    )]
    Busy,
    /// The request cannot be signed.
    #[error("{0}")]
    Sign(#[from] SignError),
    /// The thread ended without a result; a defect of avouch.
    #[error("signing broke off")]
    Broken,
}

/// Signs, a bounded number at once.
pub(crate) struct Desk {
    identity: Arc<Identity>,
    clock: Arc<dyn Clock>,
    /// Places for those that are signed and those that wait.
    room: Semaphore,
    /// Threads.
    hands: Arc<Semaphore>,
    wait: Duration,
}

impl Desk {
    pub(crate) fn new(identity: Identity, clock: Arc<dyn Clock>, limits: &Limits) -> Self {
        Self {
            identity: Arc::new(identity),
            clock,
            room: Semaphore::new(limits.signatures.saturating_add(limits.waiting)),
            hands: Arc::new(Semaphore::new(limits.signatures)),
            wait: limits.wait,
        }
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The fields that sign a request. Every call makes a signature of its own, with its own nonce.
    pub(crate) async fn sign(
        &self,
        by: Protocols,
        question: Question,
    ) -> Result<Vec<(&'static str, String)>, DeskError> {
        let _place = self.room.try_acquire().map_err(|_| DeskError::Busy)?;
        let hand = tokio::time::timeout(self.wait, Arc::clone(&self.hands).acquire_owned()).await;
        let hand = hand.map_err(|_| DeskError::Busy)?.map_err(|_| DeskError::Broken)?;
        let (identity, clock) = (Arc::clone(&self.identity), Arc::clone(&self.clock));
        let signing = tokio::task::spawn_blocking(move || {
            // Held by the thread: whoever asked may be gone before it is done.
            let _hand = hand;
            identity.sign(by, &question, clock.now())
        });
        Ok(signing.await.map_err(|_| DeskError::Broken)??)
    }
}

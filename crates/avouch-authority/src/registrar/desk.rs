//! One transaction at a time, with all that waits for one in it.
//!
//! What a commit costs is the disk's time, whatever is in it. So whoever asks meanwhile goes into the next, together
//! with the others; each learns what became of it when it is on the disk.

use std::sync::Arc;

use avouch_store::ledger::{Ledger, LedgerError, Transaction};
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

/// Most that go into one transaction; they wait for each other.
const TOGETHER: usize = 128;

/// Most that wait; beyond that nobody can wait as long as it would take.
const WAITING: usize = 1_024;

/// Why nothing happened, or nobody knows.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Unavailable {
    /// Too many wait.
    #[error("too many wait for the database")]
    Busy,
    /// The database failed. What was asked may be asked again.
    #[error("{0}")]
    Database(Arc<LedgerError>),
    /// The registrar stops.
    #[error("the registrar stops")]
    Stopping,
}

/// Says what became of it, once that is known.
type Say = Box<dyn FnOnce(Result<(), Unavailable>) + Send>;

type Job =
    Box<dyn for<'t> FnOnce(&'t mut Transaction) -> BoxFuture<'t, (Result<(), LedgerError>, Say)> + Send>;

/// Where jobs are handed in. The last one dropped ends the desk.
#[derive(Clone)]
pub(crate) struct Desk(mpsc::Sender<Job>);

impl Desk {
    /// Opens a desk before a ledger. What it returns runs until nobody can hand in any more.
    pub(crate) fn open(ledger: Ledger) -> (Self, impl Future<Output = ()> + Send) {
        let (hand_in, jobs) = mpsc::channel(WAITING);
        (Self(hand_in), work(ledger, jobs))
    }

    /// Does something within a transaction, and says what came of it when that is on the disk.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl for<'t> FnOnce(&'t mut Transaction) -> BoxFuture<'t, Result<T, LedgerError>> + Send + 'static,
    ) -> Result<T, Unavailable> {
        let (say, said) = oneshot::channel();
        let job: Job = Box::new(move |ledger| {
            Box::pin(async move {
                let (done, made) = match job(ledger).await {
                    Ok(made) => (Ok(()), Some(made)),
                    Err(error) => (Err(error), None),
                };
                let say: Say = Box::new(move |committed| {
                    // Whoever asked may have gone; it asks again.
                    let _ = say.send(committed.and(made.ok_or(Unavailable::Stopping)));
                });
                (done, say)
            })
        });
        self.0.try_send(job).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Unavailable::Busy,
            mpsc::error::TrySendError::Closed(_) => Unavailable::Stopping,
        })?;
        said.await.unwrap_or(Err(Unavailable::Stopping))
    }
}

async fn work(ledger: Ledger, mut jobs: mpsc::Receiver<Job>) {
    let mut together = Vec::with_capacity(TOGETHER);
    while jobs.recv_many(&mut together, TOGETHER).await > 0 {
        let mut told = Vec::with_capacity(together.len());
        let done = transact(&ledger, together.drain(..), &mut told).await;
        if let Err(error) = &done {
            tracing::error!(%error, "nothing of {} changes took place", told.len());
        }
        let done = done.map_err(|error| Unavailable::Database(Arc::new(error)));
        told.into_iter().for_each(|say| say(done.clone()));
    }
    ledger.close().await;
}

/// All of them, or none. Those after one at which the database failed are dropped, and so told that nothing happened.
async fn transact(
    ledger: &Ledger,
    jobs: impl Iterator<Item = Job>,
    told: &mut Vec<Say>,
) -> Result<(), LedgerError> {
    let mut transaction = ledger.begin().await?;
    for job in jobs {
        let (done, say) = job(&mut transaction).await;
        told.push(say);
        done?;
    }
    transaction.commit().await
}

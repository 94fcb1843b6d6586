//! One transaction at a time, with all that waits for one in it.
//!
//! What a commit costs is the disk's time, whatever is in it. So whoever asks meanwhile goes into the next, together
//! with the others; each learns what became of it when it is on the disk.

use std::sync::Arc;
use std::time::Duration;

use avouch_store::ledger::{Ledger, LedgerError, Transaction};
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

/// Most that go into one transaction; they wait for each other.
const TOGETHER: usize = 128;

/// Most that wait of agents; beyond that nobody can wait as long as it would take. As many of everybody else, who go
/// first: no crowd of strangers keeps an owner from revoking.
const WAITING: usize = 1_024;

/// The longest that a transaction may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why nothing happened, or nobody knows.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Unavailable {
    /// Too many wait.
    #[error("too many wait for the database")]
    Busy,
    /// The database failed. What was asked may be asked again.
    #[error("{0}")]
    Database(Arc<LedgerError>),
    /// The service stops.
    #[error("the service stops")]
    Stopping,
}

/// Says what became of it, once that is known.
type Say = Box<dyn FnOnce(Result<(), Unavailable>) + Send>;

type Job =
    Box<dyn for<'t> FnOnce(&'t mut Transaction) -> BoxFuture<'t, (Result<(), LedgerError>, Say)> + Send>;

/// What is to be done after a commit, before anybody learns of it.
pub(crate) trait Afterwards: Send + 'static {
    /// Does it. Where it fails, whoever handed something in learns that nobody knows what became of it.
    fn committed(&mut self, ledger: &Ledger) -> impl Future<Output = Result<(), LedgerError>> + Send;
}

/// Nothing.
pub(crate) struct Nothing;

impl Afterwards for Nothing {
    async fn committed(&mut self, _: &Ledger) -> Result<(), LedgerError> {
        Ok(())
    }
}

/// Where jobs are handed in. The last one dropped ends the desk.
#[derive(Clone)]
pub(crate) struct Desk {
    first: mpsc::Sender<Job>,
    then: mpsc::Sender<Job>,
}

/// Whose job it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Those who run the service, and what it does of itself.
    First,
    /// Agents.
    Then,
}

impl Desk {
    /// Opens a desk before a ledger. What it returns runs until nobody can hand in any more.
    pub(crate) fn open(ledger: Ledger, after: impl Afterwards) -> (Self, impl Future<Output = ()> + Send) {
        let (first, first_jobs) = mpsc::channel(WAITING);
        let (then, jobs) = mpsc::channel(WAITING);
        (Self { first, then }, work(ledger, after, first_jobs, jobs))
    }

    /// Does something within a transaction, and says what came of it when that is on the disk.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        lane: Lane,
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
        let hand_in = if lane == Lane::First { &self.first } else { &self.then };
        hand_in.try_send(job).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Unavailable::Busy,
            mpsc::error::TrySendError::Closed(_) => Unavailable::Stopping,
        })?;
        said.await.unwrap_or(Err(Unavailable::Stopping))
    }
}

async fn work(
    ledger: Ledger,
    mut after: impl Afterwards,
    mut first: mpsc::Receiver<Job>,
    mut then: mpsc::Receiver<Job>,
) {
    let (mut of_first, mut of_then) = (Vec::with_capacity(TOGETHER), Vec::with_capacity(TOGETHER));
    loop {
        let taken = tokio::select! {
            biased;
            taken = first.recv_many(&mut of_first, TOGETHER) => taken,
            taken = then.recv_many(&mut of_then, TOGETHER) => taken,
        };
        // Both are handed out, and dropped, together.
        if taken == 0 {
            break;
        }
        let mut told = Vec::with_capacity(taken);
        let together = of_first.drain(..).chain(of_then.drain(..));
        let transacting = async {
            transact(&ledger, together, &mut told).await?;
            after.committed(&ledger).await
        };
        let done = tokio::time::timeout(PATIENCE, transacting).await;
        let done = done.unwrap_or(Err(LedgerError::Slow));
        if let Err(error) = &done {
            tracing::error!(%error, "{} changes did not take place, or nobody was told", told.len());
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

//! What is queued goes to the name server, in order, until it stands there.
//!
//! Publishing the same again does no harm, so after a crash whatever had not been marked as done is done once more.

use std::sync::Arc;
use std::time::Duration;

use avouch_dns::publish::{Change, MAX_CHANGES, PublishError, Publisher, Refusal};
use avouch_gather::clock::Clock;
use avouch_store::ledger::Publication;
use avouch_wire::time::Time;
use tokio::sync::watch;

use super::Rules;
use crate::desk::{Desk, Lane, Unavailable};

/// How long changes gather before they are published together.
const GATHER: Duration = Duration::from_millis(500);

/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// So many refusals one after the other, and it is not about single names.
const IN_A_ROW: usize = 16;

/// How publishing goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Names that were published since the start.
    pub published: u64,
    /// Rounds since the start in which something could not be published.
    pub failed: u64,
    /// What kept something of the last round from being published; nothing where all was.
    pub trouble: Option<String>,
}

/// What publishes.
pub(crate) struct Publishing {
    pub(crate) rules: Rules,
    pub(crate) desk: Desk,
    pub(crate) publisher: Publisher,
    pub(crate) ttl: u32,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) standing: watch::Sender<Standing>,
    pub(crate) stop: watch::Receiver<bool>,
}

/// What became of those that were due.
#[derive(Default)]
struct Outcome {
    done: Vec<Publication>,
    postponed: Vec<Publication>,
    /// Something of another hand's stands there.
    taken: Vec<Publication>,
    trouble: Option<PublishError>,
}

impl Publishing {
    /// Publishes what is due until told to stop.
    pub(crate) async fn run(mut self) {
        while !self.is_stopping() {
            match self.round().await {
                // There may be more.
                Ok(some) if some == MAX_CHANGES => continue,
                Ok(_) => {}
                Err(error) => tracing::error!(%error, "cannot find out what is to be published"),
            }
            tokio::select! {
                () = tokio::time::sleep(GATHER) => {}
                _ = self.stop.changed() => {}
            }
        }
    }

    fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    /// What is due, once; how much that was.
    async fn round(&self) -> Result<usize, Unavailable> {
        let now = self.clock.now();
        let due = self
            .desk
            .run(Lane::First, move |ledger| Box::pin(async move { ledger.due(now, MAX_CHANGES).await }))
            .await?;
        if due.is_empty() {
            return Ok(0);
        }
        let count = due.len();
        let outcome = self.publish(due).await;
        let published = outcome.done.len();
        let (rules, tried, trouble) = (self.rules.clone(), self.clock.now(), outcome.trouble);
        let (done, postponed, taken) = (outcome.done, outcome.postponed, outcome.taken);
        let left = self
            .desk
            .run(Lane::First, move |ledger| {
                Box::pin(async move {
                    for publication in &done {
                        ledger.published(publication).await?;
                    }
                    for publication in &postponed {
                        ledger.postponed(publication, tried.after(pause(publication.tries))).await?;
                    }
                    for publication in &taken {
                        rules.taken(ledger, publication, tried).await?;
                    }
                    ledger.waiting().await.map(|(_, _, tried)| tried)
                })
            })
            .await?;
        told(&self.standing, published, trouble.as_ref(), left);
        Ok(count)
    }

    /// All together, or, where one of them is what the server does not take, each alone.
    async fn publish(&self, due: Vec<Publication>) -> Outcome {
        let mut outcome = Outcome::default();
        match self.send(&due).await {
            Ok(()) => outcome.done = due,
            Err(error) if error.is_about_names() => {
                let (mut left, mut in_a_row) = (due.into_iter(), 0);
                for one in left.by_ref() {
                    match self.send(std::slice::from_ref(&one)).await {
                        Ok(()) => {
                            in_a_row = 0;
                            outcome.done.push(one);
                        }
                        Err(PublishError::Refused { refusal: Refusal::Changed, .. }) if one.fresh => {
                            self.found(one, &mut outcome).await;
                        }
                        Err(error) => {
                            in_a_row += 1;
                            let goes_on =
                                error.is_about_names() && in_a_row < IN_A_ROW && !self.is_stopping();
                            outcome.trouble = Some(error);
                            outcome.postponed.push(one);
                            if !goes_on {
                                break;
                            }
                        }
                    }
                }
                outcome.postponed.extend(left);
            }
            Err(error) => (outcome.trouble, outcome.postponed) = (Some(error), due),
        }
        outcome
    }

    async fn send(&self, some: &[Publication]) -> Result<(), PublishError> {
        let change =
            |due: &Publication| Change { name: due.name.clone(), texts: due.texts.clone(), ttl: self.ttl };
        let changes: Vec<Change> = some.iter().map(change).collect();
        let fresh = some.iter().filter(|due| due.fresh);
        let nothing: Vec<_> =
            fresh.filter_map(|due| avouch_dns::publish::Standing::nothing(&due.name)).collect();
        self.publisher.publish_over(&nothing, &changes, self.clock.now()).await
    }

    /// Something stands where nothing was to stand: ours, after an answer that was lost, or another's.
    async fn found(&self, one: Publication, outcome: &mut Outcome) {
        match self.publisher.standing(&one.name).await {
            Ok(found)
                if found.texts() == one.texts.iter().map(|text| text.as_bytes()).collect::<Vec<_>>() =>
            {
                outcome.done.push(one);
            }
            Ok(_) => outcome.taken.push(one),
            Err(error) => {
                tracing::warn!(%error, "cannot find out what stands at a name that is to be published");
                outcome.postponed.push(one);
            }
        }
    }
}

/// Counts a round. Trouble is said once, until it is another, and is over when nothing that was tried waits.
fn told(standing: &watch::Sender<Standing>, published: usize, error: Option<&PublishError>, left: u64) {
    standing.send_modify(|standing| {
        standing.published += published as u64;
        standing.failed += u64::from(error.is_some());
        match error.map(ToString::to_string) {
            Some(now) if standing.trouble.as_ref() != Some(&now) => {
                tracing::error!("records are not published; they wait, and are tried again: {now}");
                standing.trouble = Some(now);
            }
            None if left == 0 && standing.trouble.take().is_some() => {
                tracing::info!("all records are published again");
            }
            _ => {}
        }
    });
}

/// A second, then twice as long each time.
fn pause(tries: u32) -> Duration {
    Duration::from_secs(1 << tries.min(6)).min(LONGEST_PAUSE)
}

/// How long something has waited.
pub(crate) fn waited(since: Option<Time>, now: Time) -> Duration {
    since.map_or(Duration::ZERO, |since| now.since(since))
}

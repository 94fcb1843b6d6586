//! What is queued goes to the name server, in order, until it stands there.
//!
//! Publishing the same again does no harm, so after a crash whatever had not been marked as done is done once more.

use std::sync::Arc;
use std::time::Duration;

use avouch_dns::publish::{Change, MAX_CHANGES, PublishError, Publisher};
use avouch_gather::clock::Clock;
use avouch_store::ledger::Publication;
use avouch_wire::time::Time;
use tokio::sync::watch;

use super::desk::{Desk, Unavailable};

/// How long changes gather before they are published together.
const GATHER: Duration = Duration::from_millis(500);

/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

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

/// Publishes what is due until told to stop.
pub(crate) async fn publish(
    desk: Desk,
    publisher: Publisher,
    ttl: u32,
    clock: Arc<dyn Clock>,
    standing: watch::Sender<Standing>,
    mut stop: watch::Receiver<bool>,
) {
    while !*stop.borrow() {
        match once(&desk, &publisher, ttl, &*clock, &standing).await {
            // There may be more.
            Ok(some) if some == MAX_CHANGES => continue,
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "cannot find out what is to be published"),
        }
        tokio::select! {
            () = tokio::time::sleep(GATHER) => {}
            _ = stop.changed() => {}
        }
    }
}

/// One message; how many changes were in it.
async fn once(
    desk: &Desk,
    publisher: &Publisher,
    ttl: u32,
    clock: &dyn Clock,
    standing: &watch::Sender<Standing>,
) -> Result<usize, Unavailable> {
    let now = clock.now();
    let due = desk.run(move |ledger| Box::pin(async move { ledger.due(now, MAX_CHANGES).await })).await?;
    let count = due.len();
    let (mut done, mut postponed, mut trouble) = (Vec::new(), Vec::new(), None);
    let send = async |some: &[Publication]| {
        let change = |due: &Publication| Change { name: due.name.clone(), texts: due.texts.clone(), ttl };
        let changes: Vec<Change> = some.iter().map(change).collect();
        publisher.publish(&changes, clock.now()).await
    };
    if due.is_empty() {
        return Ok(0);
    }
    match send(&due).await {
        Ok(()) => done = due,
        // One of them is refused, and the others with it: alone, each is judged by itself.
        Err(error) if !error.is_temporary() && count > 1 => {
            for one in due {
                match send(std::slice::from_ref(&one)).await {
                    Ok(()) => done.push(one),
                    Err(error) => {
                        trouble = Some(error);
                        postponed.push(one);
                    }
                }
            }
        }
        Err(error) => (trouble, postponed) = (Some(error), due),
    }
    told(standing, done.len(), trouble.as_ref());
    let tried = clock.now();
    desk.run(move |ledger| {
        Box::pin(async move {
            for publication in &done {
                ledger.published(publication).await?;
            }
            for publication in &postponed {
                ledger.postponed(publication, tried.after(pause(publication.tries))).await?;
            }
            Ok(())
        })
    })
    .await?;
    Ok(count)
}

/// Counts a round. Trouble is said once, until it is another.
fn told(standing: &watch::Sender<Standing>, published: usize, error: Option<&PublishError>) {
    standing.send_modify(|standing| {
        let trouble = error.map(ToString::to_string);
        match &trouble {
            None if standing.trouble.is_some() => tracing::info!("all records are published again"),
            Some(now) if standing.trouble.as_ref() != Some(now) => {
                tracing::error!("records are not published; they wait, and are tried again: {now}");
            }
            _ => {}
        }
        standing.published += published as u64;
        standing.failed += u64::from(error.is_some());
        standing.trouble = trouble;
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

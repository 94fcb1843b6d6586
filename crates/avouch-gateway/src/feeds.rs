//! Range files that are fetched: asked for at their time, put to use at once, told in the log and by figures.

use std::sync::Arc;
use std::time::Duration;

use avouch_gather::networks::feeds::{Asked, Came};

use crate::gate::Gate;

/// How often is looked whether a feed is due.
const LOOK: Duration = Duration::from_secs(1);

/// Asks each feed at its time, for as long as the gateway runs.
pub(crate) async fn keep(gate: Arc<Gate>) {
    let Some(feeds) = gate.feeds.clone() else { return };
    loop {
        while let Some(asked) = feeds.ask_next(&*gate.clock).await {
            if matches!(asked.came, Came::Renewed | Came::Unchanged) {
                let gate = Arc::clone(&gate);
                let _ = tokio::task::spawn_blocking(move || gate.use_feeds()).await;
            }
            // What is told to be in use is.
            tell(&gate, &asked);
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn tell(gate: &Gate, Asked { feed, came, unkept }: &Asked) {
    let (of, url) = (&feed.crawler, &feed.url);
    let outcome = match came {
        Came::Renewed => {
            tracing::info!("ranges of {of} renewed from {url}");
            "renewed"
        }
        Came::Unchanged => "unchanged",
        Came::Refused(refusal) => {
            tracing::warn!("ranges of {of} from {url} not used, those before stay: {refusal}");
            gate.numbers.refused_data.increment(1);
            "refused"
        }
        Came::Failed(error) => {
            tracing::warn!("ranges of {of} not fetched, those before stay: {url} {error}");
            "failed"
        }
    };
    gate.numbers.fetched(of, outcome);
    if let Some(error) = unkept {
        tracing::error!("ranges of {of} from {url} are in use, and lost at the next start: {error}");
    }
}

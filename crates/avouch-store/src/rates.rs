//! Rates of a group: what each gateway admitted, added up. No request waits for it.

use std::sync::Arc;
use std::time::Duration;

use avouch_gather::meter::{Admitted, RateTable};
use avouch_wire::time::Time;
use tokio::time::MissedTickBehavior;

use crate::store::{Store, Unavailable};
use crate::trouble::Trouble;

/// How often gateways tell each other what they admitted: for so long each knows of its own only.
const TELL: Duration = Duration::from_millis(200);

/// Cells in one question, so that Redis does nothing else for no longer than a millisecond.
const AT_ONCE: usize = 256;

impl Store {
    /// Tells the group what this table admits, and the table what the others did, for as long as it is polled. While
    /// the store is out of reach what is admitted meanwhile counts here only.
    pub async fn keep_rates(self: Arc<Self>, table: Arc<RateTable>, clock: impl Fn() -> Time) {
        let mut tick = tokio::time::interval(TELL);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            for told in table.admitted().chunks(AT_ONCE) {
                let now = clock();
                // Whoever is not told now is told of what comes next.
                let Ok(ahead) = self.admitted(told, now).await else { break };
                told.iter().zip(ahead).for_each(|(admitted, ahead)| table.learn(admitted, ahead, now));
            }
        }
    }

    /// Adds up what was admitted; gives for each cell how far ahead of `now` all of the group have brought it.
    ///
    /// # Errors
    /// The store is out of reach, or full.
    pub(crate) async fn admitted(&self, told: &[Admitted], now: Time) -> Result<Vec<Duration>, Unavailable> {
        let line = self.line().ok_or(Unavailable)?;
        let names: Vec<Vec<u8>> = told.iter().map(|admitted| self.rate(&admitted.name)).collect();
        let names: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
        let steps = told.iter().flat_map(|Admitted { requests, limit, since, .. }| {
            let age = now.since(*since).min(LONGEST);
            [age, limit.interval().saturating_mul(*requests), limit.reach()].map(micros)
        });
        let steps: Vec<String> = steps.collect();
        let steps: Vec<&[u8]> = steps.iter().map(String::as_bytes).collect();
        let answer = line.add_up(&names, &steps, self.deadline()).await;
        match answer {
            Ok(ahead) if ahead.len() == told.len() => {
                Ok(ahead.into_iter().map(Duration::from_micros).collect())
            }
            Ok(_) => Err(self.note(&line, Trouble::Untold)),
            Err(trouble) => Err(self.note(&line, trouble)),
        }
    }
}

/// The longest that what was admitted waits to be told; who waits longer had no store to tell, or a clock that stepped.
const LONGEST: Duration = Duration::from_secs(10);

fn micros(span: Duration) -> String {
    span.as_micros().to_string()
}

//! The events of one entity, as they happen.

use super::desk::Desk;
use super::lines::Lines;
use super::trouble::Trouble;
use crate::https::Stream;
use crate::pauses;
use avouch_keys::entity;
use avouch_keys::entropy::SystemEntropy;
use avouch_wire::authority::Authority;
use avouch_wire::entity::{Event, EventQuestion};
use hyper::body::{Body, Bytes};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::timeout;

/// After so long without a line the stream is broken off: an entity says every 10 s that it is there.
pub(super) const SILENCE: Duration = Duration::from_secs(25);

/// The pause after a stream that ended, of which up to a half is left out, and after each further one twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

impl Desk {
    /// Hears of revocations, and again when the stream has ended, for as long as it is polled.
    pub(super) async fn keep_hearing(&self, audience: &Authority<'static>) {
        let (random, mut failures, mut told) = (RandomState::new(), 0_u32, None::<String>);
        loop {
            let trouble = self.hear(audience, &mut failures, &mut told).await;
            self.counts.listening.store(false, Ordering::Relaxed);
            failures = failures.saturating_add(1);
            let text = trouble.to_string();
            if told.as_ref() != Some(&text) {
                tracing::warn!(
                    "nothing is heard of revocations by the registration entity {}, which then count at the end of the epoch: it {text}",
                    self.entity
                );
            }
            told = Some(text);
            let whole = pauses::after(failures, FIRST_PAUSE, LONGEST_PAUSE);
            tokio::time::sleep(pauses::shortened(whole, 2, random.hash_one(failures))).await;
        }
    }

    /// Hears of revocations until the stream ends; gives why.
    async fn hear(
        &self,
        audience: &Authority<'static>,
        failures: &mut u32,
        told: &mut Option<String>,
    ) -> Trouble {
        let (mut lines, _connection) = match self.begin(audience).await {
            Ok(stream) => (Lines::of(stream.body), stream.connection),
            Err(trouble) => return trouble,
        };
        self.counts.listening.store(true, Ordering::Relaxed);
        loop {
            match next(&mut lines).await {
                Ok(event) => self.take_in(event),
                Err(trouble) => {
                    if matches!(trouble, Trouble::NoEvent(_)) {
                        self.forget();
                    }
                    return trouble;
                }
            }
            // One that ends at once is not to be asked for without a pause.
            *failures = 0;
            if told.as_deref() != Some("") {
                tracing::info!("revocations by the registration entity {} are heard of", self.entity);
                *told = Some(String::new());
            }
        }
    }

    async fn begin(&self, audience: &Authority<'static>) -> Result<Stream, Trouble> {
        let now = self.clock.now();
        let question = EventQuestion {
            entity: self.entity.clone(),
            audience: audience.clone(),
            time: now.seconds(),
            nonce: entity::nonce(&mut SystemEntropy)?,
            after: self.known.read().unwrap_or_else(PoisonError::into_inner).last(),
        };
        let signed = self.sign(question).await?;
        Ok(self.client.follow(signed.question(), now).await?)
    }

    fn take_in(&self, event: Event) {
        let number = event.number;
        let (heard, in_use) =
            self.known.write().unwrap_or_else(PoisonError::into_inner).hear(event, &self.names);
        // After the keys are gone: who reads the count later finds none, and who read it before is told.
        if in_use {
            self.forgotten.fetch_add(1, Ordering::AcqRel);
        }
        self.counts.heard(heard);
        tracing::debug!(entity = %self.entity, number, ?heard, "event");
    }

    /// What cannot be read may be a revocation.
    fn forget(&self) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let last = known.last();
        if known.reset(last) {
            self.forgotten.fetch_add(1, Ordering::AcqRel);
        }
    }
}

/// The next event of a stream.
pub(super) async fn next<B: Body<Data = Bytes> + Unpin>(lines: &mut Lines<B>) -> Result<Event, Trouble> {
    let line = timeout(SILENCE, lines.next()).await.map_err(|_| Trouble::Silent)??;
    Event::read(&line).map_err(Trouble::NoEvent)
}

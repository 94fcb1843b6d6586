//! What verifiers ask: for keys, and for what is revoked from now on.

use std::sync::Arc;

use avouch_wire::entity::{
    Asker, EVENT_PATH, Event, EventQuestion, Happening, KEY_PATH, KeyAnswer, KeyQuestion, MAX_QUESTION,
};
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::Response;
use axum::routing::post;
use axum::{Extension, Router};
use http::HeaderMap;

use super::Shared;
use super::asked::{Fault, counted, credentials, secret};
use super::refusal::Refusal;
use super::rules::state;
use super::stream::{Line, Place};
use crate::desk::Lane;
use crate::serving::Lasting;

/// Most events that are sent to who missed them.
const MAX_MISSED: usize = 1_024;

pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route(KEY_PATH, post(keys))
        .route(EVENT_PATH, post(events))
        .layer(DefaultBodyLimit::max(MAX_QUESTION))
        .with_state(shared)
}

async fn keys(State(shared): State<Arc<Shared>>, fields: HeaderMap, body: Bytes) -> Response {
    match shared.keys(&fields, &body).await {
        Ok(answer) => secret(answer.write()),
        Err(fault) => fault.answer(Asker::Verifier),
    }
}

async fn events(
    State(shared): State<Arc<Shared>>,
    lasting: Option<Extension<Lasting>>,
    fields: HeaderMap,
    body: Bytes,
) -> Response {
    let held = lasting.map(|Extension(lasting)| lasting.hold());
    match shared.events(&fields, &body).await {
        Ok(line) => line.answer(held),
        Err(fault) => fault.answer(Asker::Verifier),
    }
}

impl Shared {
    async fn keys(&self, fields: &HeaderMap, body: &[u8]) -> Result<KeyAnswer, Fault> {
        let credentials = credentials(fields, Asker::Verifier)?;
        let asked = KeyQuestion::read(body)?;
        let now = self.clock.now();
        self.is_timely(&asked.entity, asked.time, now)?;
        self.rules.may_ask_for(&asked.agents, now)?;
        self.sites.signed(&asked.audience, &credentials, (KEY_PATH, body), now).await?;
        let (rules, clock) = (self.rules.clone(), Arc::clone(&self.clock));
        let answering = self.desk.run(Lane::Then, move |ledger| {
            Box::pin(async move { rules.keys(ledger, &asked, clock.now()).await })
        });
        Ok(answering.await??)
    }

    async fn events(&self, fields: &HeaderMap, body: &[u8]) -> Result<Line, Fault> {
        let credentials = credentials(fields, Asker::Verifier)?;
        let asked = EventQuestion::read(body)?;
        let now = self.clock.now();
        self.is_timely(&asked.entity, asked.time, now)?;
        self.sites.signed(&asked.audience, &credentials, (EVENT_PATH, body), now).await?;
        let who = counted(&asked.audience);
        let place = Place::take(&self.places, who.clone()).ok_or(Refusal::TooManyStreams)?;
        // Before what was missed is read: what happens meanwhile comes twice, and is passed over, and nothing is lost.
        let events = self.events.subscribe();
        let (rules, clock) = (self.rules.clone(), Arc::clone(&self.clock));
        let answering = self.desk.run(Lane::Then, move |ledger| {
            Box::pin(async move {
                let taken = rules.take(ledger, (&who, &asked.nonce, asked.time), clock.now()).await?;
                if let Err(refusal) = taken {
                    return Ok(Err(refusal));
                }
                let mut tables = ledger.entity();
                let latest = state(&mut tables).await?.event;
                let missed = tables.events(asked.after, MAX_MISSED + 1).await?;
                Ok(Ok((missed_lines(asked.after, latest, missed), latest)))
            })
        });
        let (missed, latest) = answering.await??;
        Ok(Line::new(missed, latest, (events, self.stop.clone()), place, self.alive))
    }
}

/// What is sent to who knows everything up to `after`: all that came since, or that it is not known any more.
fn missed_lines(after: u64, latest: u64, missed: Vec<(u64, String)>) -> Vec<String> {
    let ends = (missed.first().map(|(first, _)| *first), missed.last().map(|(last, _)| *last));
    let is_whole = missed.len() <= MAX_MISSED && ends == (after.checked_add(1), Some(latest));
    if after == latest {
        // A sign of life, so that whoever asked knows that it is heard.
        vec![Event { number: latest, happening: Happening::Alive }.write()]
    } else if is_whole {
        missed.into_iter().map(|(_, line)| line).collect()
    } else {
        vec![Event { number: latest, happening: Happening::Reset }.write()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_missed_something_gets_all_of_it_or_a_reset() {
        let lines = |after, latest, missed: &[u64]| {
            missed_lines(after, latest, missed.iter().map(|number| (*number, number.to_string())).collect())
        };
        let reset = |latest| vec![Event { number: latest, happening: Happening::Reset }.write()];
        assert_eq!(lines(3, 5, &[4, 5]), ["4", "5"]);
        assert_eq!(lines(3, 3, &[]), ["{\"event\":3,\"kind\":\"alive\"}"]);
        assert_eq!(lines(0, 0, &[]), ["{\"event\":0,\"kind\":\"alive\"}"]);
        assert_eq!(lines(3, 6, &[5, 6]), reset(6), "the first is not kept any more");
        assert_eq!(lines(3, 6, &[]), reset(6), "none is");
        assert_eq!(lines(9, 6, &[]), reset(6), "it knows what never happened here");
        assert_eq!(lines(u64::MAX, 6, &[]), reset(6));
        let many: Vec<u64> = (1..=1025).collect();
        assert_eq!(lines(0, 1025, &many), reset(1025), "more than are sent");
        assert_eq!(lines(1, 1025, &many[1..]).len(), 1024);
    }
}

//! What agents ask: to be registered, for another secret, and for another beginning of their sequence.

use std::net::SocketAddr;
use std::sync::Arc;

use avouch_wire::entity::{
    Asker, Credentials, FloorAnswer, MAX_QUESTION, REGISTER_PATH, RegistrationQuestion, Renegotiation,
    Rotation, SECRET_PATH, SEQUENCE_PATH, SecretAnswer, token_digest,
};
use avouch_wire::key::PublicKey;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use http::{HeaderMap, HeaderValue, header};

use super::Shared;
use super::asked::{Fault, credentials, draw, secret};
use super::refusal::Refusal;
use super::rules::{key_of, name};
use crate::desk::{Lane, Unavailable};

pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route(REGISTER_PATH, post(register))
        .route(SECRET_PATH, post(rotate))
        .route(SEQUENCE_PATH, post(renegotiate))
        .layer(DefaultBodyLimit::max(MAX_QUESTION))
        .with_state(shared)
}

async fn register(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    fields: HeaderMap,
    body: Bytes,
) -> Response {
    let from = from.ip().to_canonical().to_string();
    told(shared.register(&fields, &body, from).await)
}

async fn rotate(State(shared): State<Arc<Shared>>, fields: HeaderMap, body: Bytes) -> Response {
    told(shared.rotate(&fields, &body).await)
}

async fn renegotiate(State(shared): State<Arc<Shared>>, fields: HeaderMap, body: Bytes) -> Response {
    match shared.renegotiate(&fields, &body).await {
        Ok(floor) => {
            let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
            (json, FloorAnswer { floor }.write()).into_response()
        }
        Err(fault) => fault.answer(Asker::Agent),
    }
}

fn told(answer: Result<SecretAnswer, Fault>) -> Response {
    match answer {
        Ok(answer) => secret(answer.write()),
        Err(fault) => fault.answer(Asker::Agent),
    }
}

impl Shared {
    async fn register(&self, fields: &HeaderMap, body: &[u8], from: String) -> Result<SecretAnswer, Fault> {
        let credentials = credentials(fields, Asker::Agent)?;
        let asked = RegistrationQuestion::read(body)?;
        let now = self.clock.now();
        self.is_timely(&asked.entity, asked.time, now)?;
        // First: whoever has no token costs no signature check, and keeps nobody waiting.
        let digest = token_digest(&asked.token).unwrap_or_default();
        let mut reading = self.ledger.begin().await.map_err(failed)?;
        if reading.entity().token(&digest).await.map_err(failed)?.is_none() {
            return Err(Refusal::TokenUnknown.into());
        }
        drop(reading);
        credentials.verify(&asked.key, REGISTER_PATH, body).map_err(|_| Refusal::Signature)?;
        let (rules, clock, salt) = (self.rules.clone(), Arc::clone(&self.clock), draw()?);
        let registering = self.desk.run(Lane::Then, move |ledger| {
            Box::pin(async move { rules.register(ledger, &asked, (salt, &from), clock.now()).await })
        });
        Ok(registering.await??)
    }

    async fn rotate(&self, fields: &HeaderMap, body: &[u8]) -> Result<SecretAnswer, Fault> {
        let Rotation(asked) = Rotation::read(body)?;
        let key = self.signer(&asked, fields, (SECRET_PATH, body)).await?;
        let (rules, clock, salt) = (self.rules.clone(), Arc::clone(&self.clock), draw()?);
        let rotating = self.desk.run(Lane::Then, move |ledger| {
            Box::pin(
                async move { rules.rotate(ledger, (&asked, key.fingerprint()), salt, clock.now()).await },
            )
        });
        Ok(rotating.await??)
    }

    async fn renegotiate(&self, fields: &HeaderMap, body: &[u8]) -> Result<u64, Fault> {
        let asked = Renegotiation::read(body)?;
        let key = self.signer(&asked, fields, (SEQUENCE_PATH, body)).await?;
        let (rules, clock) = (self.rules.clone(), Arc::clone(&self.clock));
        let renegotiating = self.desk.run(Lane::Then, move |ledger| {
            Box::pin(async move { rules.renegotiate(ledger, (&asked, key.fingerprint()), clock.now()).await })
        });
        Ok(renegotiating.await??)
    }

    /// The key of a registered agent, which signed this question. Beside those who write: a signature that does not hold
    /// keeps nobody waiting.
    async fn signer(
        &self,
        asked: &Renegotiation,
        fields: &HeaderMap,
        (path, body): (&'static str, &[u8]),
    ) -> Result<PublicKey, Fault> {
        let credentials: Credentials = credentials(fields, Asker::Agent)?;
        self.is_timely(&asked.entity, asked.time, self.clock.now())?;
        let mut reading = self.ledger.begin().await.map_err(failed)?;
        let agent = reading.entity().agent(&name(&asked.domain, &asked.agent)).await.map_err(failed)?;
        drop(reading);
        let key = key_of(&agent.ok_or(Refusal::NotRegistered)?).map_err(failed)?;
        credentials.verify(&key, path, body).map_err(|_| Refusal::Signature)?;
        Ok(key)
    }
}

fn failed(error: avouch_store::ledger::LedgerError) -> Unavailable {
    Unavailable::Database(Arc::new(error))
}

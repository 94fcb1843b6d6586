//! What agents ask: `POST /v1/enrolments`, and before it for a challenge `POST /v1/attestations`.

use std::net::SocketAddr;
use std::sync::Arc;

use avouch_store::ledger::{AgentState, Held};
use avouch_wire::enrolment::{Enrolment, EnrolmentError, Fault, MAX_QUESTION};
use avouch_wire::time::Time;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use http::{StatusCode, header};
use serde::Serialize;

use super::attesting::NotAttested;
use super::{Refusal, Shared};
use crate::answers::{problem, unavailable};
use crate::desk::{Lane, Unavailable};

/// What became of it.
#[derive(Serialize)]
struct Enrolled {
    agent: String,
    /// `enrolled`, or `pending` an approval.
    state: &'static str,
    /// Where the record stands, or will.
    name: String,
}

pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/v1/enrolments", post(enrol))
        .route("/v1/attestations", post(challenge))
        .layer(DefaultBodyLimit::max(MAX_QUESTION))
        .with_state(shared)
}

/// A challenge to the TPM that an agent presents. Nothing is kept of it.
async fn challenge(State(shared): State<Arc<Shared>>, question: Bytes) -> Response {
    let (asked, tpm) = match Enrolment::read_presented(&question, &shared.rules.domain) {
        Ok(read) => read,
        Err(error) => return problem(StatusCode::BAD_REQUEST, malformed(&error), error),
    };
    let now = match proven(&shared, &asked).await {
        Ok(now) => now,
        Err(refused) => return refused,
    };
    match shared.attesting.challenge(&asked, &tpm, now) {
        Ok(challenge) => ([(header::CONTENT_TYPE, "application/json")], challenge.write()).into_response(),
        Err(fault) => unattested(&fault),
    }
}

async fn enrol(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    question: Bytes,
) -> Response {
    let domain = shared.rules.domain.borrowed();
    let asked = match Enrolment::read(&question, &domain) {
        Ok(asked) => asked,
        Err(error) => return problem(StatusCode::BAD_REQUEST, malformed(&error), error),
    };
    let now = match proven(&shared, &asked).await {
        Ok(now) => now,
        Err(refused) => return refused,
    };
    let held = match asked.attestation.as_ref().map(|said| shared.attesting.judge(&asked, said, now)) {
        None => Held::unknown(),
        Some(Ok(held)) => held,
        Some(Err(fault)) => return unattested(&fault),
    };
    let enrolled = Enrolled {
        agent: asked.agent.to_string(),
        state: "",
        name: asked.agent.record_name(&domain).unwrap_or_default(),
    };
    let (rules, from) = (shared.rules.clone(), from.ip().to_canonical().to_string());
    let outcome = shared
        .desk
        .run(Lane::Then, move |ledger| {
            Box::pin(async move { rules.enrol(ledger, (&asked, &held), &from, now).await })
        })
        .await;
    match outcome {
        Ok(Ok(state)) => {
            let status = if state == AgentState::Pending { StatusCode::ACCEPTED } else { StatusCode::OK };
            (status, axum::Json(Enrolled { state: state.name(), ..enrolled })).into_response()
        }
        Ok(Err(refusal)) => refused(refusal),
        Err(error) => unavailable(&error),
    }
}

/// When it is, if whoever asks holds a token and the key.
async fn proven(shared: &Shared, asked: &Enrolment) -> Result<Time, Response> {
    // First, and beside the others: whoever has no token costs no signature check, and keeps nobody waiting.
    match known(shared, asked).await {
        Ok(true) => {}
        Ok(false) => return Err(refused(Refusal::TokenUnknown)),
        Err(error) => return Err(unavailable(&error)),
    }
    let now = shared.clock.now();
    asked.holds(&shared.rules.domain, now.seconds()).map_err(|fault| {
        let reason = match fault {
            Fault::Time => "time",
            Fault::Signature => "proof",
        };
        problem(StatusCode::FORBIDDEN, reason, fault)
    })?;
    Ok(now)
}

fn unattested(fault: &NotAttested) -> Response {
    let status = match fault {
        NotAttested::Busy => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::FORBIDDEN,
    };
    problem(status, fault.code(), fault)
}

async fn known(shared: &Shared, asked: &Enrolment) -> Result<bool, Unavailable> {
    shared.ledger.knows(&asked.token).await.map_err(|error| Unavailable::Database(Arc::new(error)))
}

fn refused(refusal: Refusal) -> Response {
    problem(status_of(refusal), refusal.code(), refusal)
}

const fn malformed(error: &EnrolmentError) -> &'static str {
    match error {
        EnrolmentError::Document(_) => "malformed",
        EnrolmentError::Agent(_) | EnrolmentError::NoAgent => "agent",
        EnrolmentError::Key(_) => "key",
        EnrolmentError::Token => "token",
        EnrolmentError::Proof => "proof",
        EnrolmentError::Tpm(_) | EnrolmentError::NotPresented => "tpm",
        EnrolmentError::Attestation(_) | EnrolmentError::HalfAttested => "attestation",
    }
}

const fn status_of(refusal: Refusal) -> StatusCode {
    match refusal {
        Refusal::TokenUnknown => StatusCode::UNAUTHORIZED,
        Refusal::TokenExpired
        | Refusal::TokenUsedUp
        | Refusal::AgentNotAllowed
        | Refusal::NotAttested
        | Refusal::Revoked => StatusCode::FORBIDDEN,
        Refusal::KeyConflict => StatusCode::CONFLICT,
        Refusal::TooManyPending => StatusCode::SERVICE_UNAVAILABLE,
    }
}

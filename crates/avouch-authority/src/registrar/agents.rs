//! What agents ask: `POST /v1/enrolments`.

use std::net::SocketAddr;
use std::sync::Arc;

use avouch_store::ledger::AgentState;
use avouch_wire::enrolment::{Enrolment, EnrolmentError, Fault, MAX_QUESTION};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use http::StatusCode;
use serde::Serialize;

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
    let enrol = post(enrol).layer(DefaultBodyLimit::max(MAX_QUESTION));
    Router::new().route("/v1/enrolments", enrol).with_state(shared)
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
    // First, and beside the others: whoever has no token costs no signature check, and keeps nobody waiting.
    match known(&shared, &asked).await {
        Ok(true) => {}
        Ok(false) => return refused(Refusal::TokenUnknown),
        Err(error) => return unavailable(&error),
    }
    let now = shared.clock.now();
    if let Err(fault) = asked.holds(&domain, now.seconds()) {
        let reason = match fault {
            Fault::Time => "time",
            Fault::Signature => "proof",
        };
        return problem(StatusCode::FORBIDDEN, reason, fault);
    }
    let enrolled = Enrolled {
        agent: asked.agent.to_string(),
        state: "",
        name: asked.agent.record_name(&domain).unwrap_or_default(),
    };
    let (rules, from) = (shared.rules.clone(), from.ip().to_canonical().to_string());
    let outcome = shared
        .desk
        .run(Lane::Then, move |ledger| Box::pin(async move { rules.enrol(ledger, &asked, &from, now).await }))
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

async fn known(shared: &Shared, asked: &Enrolment) -> Result<bool, Unavailable> {
    let failed = |error| Unavailable::Database(Arc::new(error));
    let mut reading = shared.ledger.begin().await.map_err(failed)?;
    Ok(reading.token(&asked.token).await.map_err(failed)?.is_some())
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

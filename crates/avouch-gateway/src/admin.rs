//! The operator's listener: health, numbers, the keys of assertions.

use std::sync::Arc;

use avouch_wire::entity::VERIFIER_PATH;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;

use crate::answers;
use crate::gate::Gate;

/// Prometheus' text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4";

pub(crate) fn router(gate: Arc<Gate>) -> Router {
    Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/.well-known/avouch/jwks.json", get(keys))
        .route(VERIFIER_PATH, get(verifier))
        .with_state(gate)
}

/// Whether new requests are welcome: not while stopping.
async fn ready(State(gate): State<Arc<Gate>>) -> impl IntoResponse {
    match gate.is_stopping() {
        false => (StatusCode::OK, "ok\n"),
        true => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n"),
    }
}

async fn metrics(State(gate): State<Arc<Gate>>) -> impl IntoResponse {
    gate.numbers.log_dropped.absolute(gate.log.dropped());
    gate.numbers.clock.set(gate.clock.now().seconds() as f64);
    gate.numbers.nonces.set(f64::from(u32::try_from(gate.judge.nonces().stats().held).unwrap_or(u32::MAX)));
    if let Some(audit) = &gate.audit {
        audit.figures().for_each(|(target, figures)| gate.numbers.audit(target, figures));
    }
    gate.traces.iter().for_each(|traces| gate.numbers.traces(traces.exporter.figures()));
    ([(header::CONTENT_TYPE, METRICS_TYPE)], gate.numbers.render(&gate.snapshot().hits))
}

async fn verifier(State(gate): State<Arc<Gate>>) -> Response<Body> {
    let missing = || answers::nothing(StatusCode::NOT_FOUND);
    gate.verifier_document().unwrap_or_else(missing).map(Body::new)
}

async fn keys(State(gate): State<Arc<Gate>>) -> impl IntoResponse {
    match gate.assertion_key.key_set() {
        Ok(keys) => ([(header::CONTENT_TYPE, "application/jwk-set+json")], keys).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

//! `POST /v1/judge`: a server in any language asks who is behind a request, and what it deserves.
//!
//! The question is a request in JSON ([`question`]), the answer verdict and decision ([`answer`]). It goes the way of
//! any other: the same claim, evidence, verdict and policy, one line in the log, its nonce used up. Whoever asks
//! names the client's address, so only `trusted_proxies` may. `docs/formats/judge-api.md` says it all in words,
//! `GET /v1/openapi.json` to programs.

mod answer;
mod openapi;
mod question;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, DefaultBodyLimit, FromRequest as _, Request, State};
use axum::routing::{get, post};
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use crate::gate::Gate;
use crate::received::Received;
use crate::snapshot::Snapshot;
use crate::trust::Remote;
use answer::Answer;
use question::{Object, Question};

/// Longest question in octets: the largest head there is, with every octet escaped, and room.
const MAX_QUESTION: usize = 512 * 1024;

pub(crate) fn router(gate: Arc<Gate>) -> Router {
    let judge = post(judge).layer(DefaultBodyLimit::max(MAX_QUESTION));
    Router::new()
        .route("/v1/judge", judge)
        .route("/v1/openapi.json", get(async || json(StatusCode::OK, openapi::document())))
        .with_state(gate)
}

async fn judge(
    State(gate): State<Arc<Gate>>,
    ConnectInfo(remote): ConnectInfo<Remote>,
    question: Request,
) -> Response<Body> {
    let snapshot = gate.snapshot();
    let received = match read(&snapshot, remote, question).await {
        Ok(received) => received,
        Err((status, detail)) => return problem(status, &detail),
    };
    let (entry, next) = received.judge(&gate, &snapshot).await;
    json(StatusCode::OK, serde_json::to_vec(&Answer::of(&entry, next).await).unwrap_or_default())
}

/// The question, or what is wrong with it. Nothing is read of a stranger's.
async fn read(
    snapshot: &Snapshot,
    remote: Remote,
    question: Request,
) -> Result<Received, (StatusCode, String)> {
    if !snapshot.config.trusted_proxies.holds(remote) {
        let detail =
            "whoever asks says who the client is: name this address (or \"unix\") in `trusted_proxies`";
        return Err((StatusCode::FORBIDDEN, detail.to_owned()));
    }
    // A page that makes its own name lead here would be of this origin.
    if question.headers().contains_key(header::ORIGIN) {
        let detail = "browsers are not answered: have the server ask, which sends no `Origin`";
        return Err((StatusCode::FORBIDDEN, detail.to_owned()));
    }
    let kind = question.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default();
    if !kind.trim().eq_ignore_ascii_case("application/json") {
        let detail = "the question is JSON: send it with `Content-Type: application/json`";
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, detail.to_owned()));
    }
    let limit = snapshot.config.limits.head_time;
    let text = tokio::time::timeout(limit, Bytes::from_request(question, &()));
    let text = text.await.map_err(|_| {
        (StatusCode::REQUEST_TIMEOUT, format!("the question took longer than {} s", limit.as_secs_f64()))
    })?;
    let text = text.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            (StatusCode::PAYLOAD_TOO_LARGE, format!("the question is longer than {MAX_QUESTION} octets"))
        }
        status => (status, rejection.body_text()),
    })?;
    let Object(question): Object<Question<'_>> = serde_json::from_slice(&text).map_err(|error| {
        (StatusCode::BAD_REQUEST, format!("the question is not as it should be: {error}"))
    })?;
    question
        .received(&snapshot.config.trusted_proxies)
        .map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))
}

fn json(status: StatusCode, text: Vec<u8>) -> Response<Body> {
    let mut answer = Response::new(Body::from(text));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// What is wrong with a question (RFC 9457); nothing was judged.
fn problem(status: StatusCode, detail: &str) -> Response<Body> {
    let title = status.canonical_reason().unwrap_or("Error");
    let document = openapi::Fault { kind: "about:blank", title, status: status.as_u16(), detail };
    let mut answer = json(status, serde_json::to_vec(&document).unwrap_or_default());
    let kind = HeaderValue::from_static("application/problem+json");
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    answer
}

//! Answers that say what is wrong.

use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::desk::Unavailable;

/// Seconds after which to ask again while something is out of order.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

/// Why there is nothing of it (RFC 9457).
#[derive(Serialize)]
pub(crate) struct Problem {
    #[serde(rename = "type")]
    kind: &'static str,
    reason: &'static str,
    detail: String,
}

/// An answer that says what is wrong, and how to mend it.
pub(crate) fn problem(status: StatusCode, reason: &'static str, detail: impl ToString) -> Response {
    let problem = Problem { kind: "about:blank", reason, detail: detail.to_string() };
    let mut answer = (status, axum::Json(problem)).into_response();
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        answer.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
    }
    answer
}

pub(crate) fn unavailable(error: &Unavailable) -> Response {
    // What the database says is for the log.
    let detail = match error {
        Unavailable::Busy => "too many ask at once: ask again",
        Unavailable::Database(_) => "the database fails: ask again later",
        Unavailable::Stopping => "the service stops: ask again later",
    };
    problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
}

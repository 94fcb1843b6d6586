//! The description for programs (OpenAPI 3.1).

use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use super::answer::Answer;
use super::question::Question;

/// What is wrong with a question (RFC 9457). Nothing was judged.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Fault<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'a str,
    /// The status in words.
    pub(super) title: &'a str,
    /// The status code.
    #[schema(example = 400)]
    pub(super) status: u16,
    /// What is wrong, where, and how to mend it.
    pub(super) detail: &'a str,
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "avouch: who is behind a request",
        description = "Judges a request that another server received. Served where `[verify]` listens, for `trusted_proxies` alone.",
    ),
    paths(judge)
)]
struct Description;

/// Judge a request.
///
/// It is judged as if avouch had received it: its nonce is used up, it counts for rates, and stands in the log.
#[utoipa::path(
    post,
    path = "/v1/judge",
    request_body = Question<'_>,
    responses(
        (status = 200, description = "The request was judged, or refused for what it is.", body = Answer<'_>),
        (status = 400, description = "The question describes no request.", body = Fault<'_>, content_type = "application/problem+json"),
        (status = 403, description = "Whoever asks is not among `trusted_proxies`.", body = Fault<'_>, content_type = "application/problem+json"),
        (status = 408, description = "The question did not arrive in time.", body = Fault<'_>, content_type = "application/problem+json"),
        (status = 413, description = "The question is longer than 512 KiB.", body = Fault<'_>, content_type = "application/problem+json"),
        (status = 415, description = "The question is not sent as `application/json`.", body = Fault<'_>, content_type = "application/problem+json"),
    )
)]
#[expect(dead_code, reason = "what the description is derived from")]
const fn judge() {}

/// The document.
pub(super) fn document() -> Vec<u8> {
    serde_json::to_vec(&Description::openapi()).unwrap_or_default()
}

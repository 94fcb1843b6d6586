//! The answers avouch itself gives: one table from reasons to status codes, one shape.
//!
//! `application/problem+json` (RFC 9457): `type` is the reason's documentation, `reason` its
//! code, and how much more is told is the route's to say. No answer names other identities,
//! rules or policies.

use std::time::Duration;

use avouch_engine::decision::Refusal;
use avouch_engine::reason::Reason;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use crate::access_log::RequestId;
use crate::body::{AnswerBody, BodyError};
use crate::config::{Disclose, Upstream};
use crate::forward::ForwardError;

/// How long a client that was shed should stay away, when nothing better is known.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(5);

/// An answer in place of the upstream's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// What is answered.
    pub(crate) status: StatusCode,
    /// Why.
    pub(crate) reason: Reason,
    /// When trying again can help, and after how long.
    pub(crate) retry: Option<Duration>,
}

impl Problem {
    /// A failure on the way, with the status that belongs to it.
    pub(crate) const fn of(reason: Reason) -> Self {
        let (status, retry) = match reason {
            Reason::RequestMalformed => (StatusCode::BAD_REQUEST, None),
            Reason::BodyMismatch => (StatusCode::FORBIDDEN, None),
            Reason::RateLimited => (StatusCode::TOO_MANY_REQUESTS, Some(RETRY_AFTER)),
            Reason::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, Some(RETRY_AFTER)),
            Reason::UpstreamUnreachable => (StatusCode::BAD_GATEWAY, Some(RETRY_AFTER)),
            Reason::UpstreamTimeout => (StatusCode::GATEWAY_TIMEOUT, Some(RETRY_AFTER)),
            _ => (StatusCode::FORBIDDEN, None),
        };
        Self { status, reason, retry }
    }

    /// What a refusal answers.
    pub(crate) fn refused(refusal: &Refusal) -> Self {
        Self {
            status: StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::FORBIDDEN),
            reason: refusal.reason(),
            retry: refusal.retry_after().or(refusal.is_retryable().then_some(RETRY_AFTER)),
        }
    }

    /// What a client is told whose request was let through and did not get through.
    pub(crate) fn not_forwarded(error: &ForwardError, upstream: &Upstream) -> Self {
        tracing::warn!(%upstream, "not forwarded: {error}");
        match error {
            ForwardError::Unreachable(_) | ForwardError::Broken(_) | ForwardError::Switched => {
                Self::of(Reason::UpstreamUnreachable)
            }
            ForwardError::ConnectTimeout | ForwardError::AnswerTimeout => Self::of(Reason::UpstreamTimeout),
            ForwardError::Body(error) => Self::of_body(error),
        }
    }

    /// What a client is told whose body cannot be passed on.
    pub(crate) fn of_body(error: &BodyError) -> Self {
        match error {
            BodyError::Mismatch => Self::of(Reason::BodyMismatch),
            BodyError::Paused => {
                Self { status: StatusCode::REQUEST_TIMEOUT, ..Self::of(Reason::RequestMalformed) }
            }
            BodyError::Broken(_) => Self::of(Reason::RequestMalformed),
        }
    }
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    title: &'a str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    retryable: bool,
    request_id: String,
}

/// What a bot is asked to sign (RFC 9421 section 5.1): all that `not_checked` would name otherwise, but
/// the content, which most requests of bots have none of.
const ACCEPT_SIGNATURE: &str = "sig1=(\"@method\" \"@authority\" \"@path\" \"@query\" \"signature-agent\");created;expires;tag=\"web-bot-auth\"";

/// What a challenge asks for beside a SAIP header.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    /// Whether signatures of bots are taken.
    pub(crate) bots: bool,
    /// Privacy Pass challenges, values of `WWW-Authenticate`.
    pub(crate) tokens: Vec<String>,
}

/// The answer, telling as much as `disclose` allows. A challenge says which proofs are taken.
pub(crate) fn answer(
    problem: Problem,
    id: RequestId,
    disclose: Disclose,
    asked: Option<Asked>,
) -> Response<AnswerBody> {
    let told = disclose != Disclose::None;
    let documentation = problem.reason.documentation();
    let document = Document {
        kind: if told { &documentation } else { "about:blank" },
        title: problem.status.canonical_reason().unwrap_or("Error"),
        status: problem.status.as_u16(),
        detail: (disclose == Disclose::Full).then(|| problem.reason.sentence()),
        reason: told.then(|| problem.reason.code()),
        retryable: problem.retry.is_some(),
        request_id: id.to_string(),
    };
    let text = serde_json::to_vec(&document).unwrap_or_default();
    let mut answer = Response::new(AnswerBody::own(Bytes::from(text)));
    *answer.status_mut() = problem.status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(after) = problem.retry {
        headers.insert(
            header::RETRY_AFTER,
            HeaderValue::from(after.as_secs() + u64::from(after.subsec_nanos() > 0)),
        );
    }
    if let Some(asked) = asked {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("SAIP"));
        let tokens = asked.tokens.into_iter().filter_map(|token| HeaderValue::try_from(token).ok());
        tokens.for_each(|token| _ = headers.append(header::WWW_AUTHENTICATE, token));
        if asked.bots {
            headers.insert("accept-signature", HeaderValue::from_static(ACCEPT_SIGNATURE));
        }
    }
    answer
}

/// A status, and nothing more to say.
pub(crate) fn nothing(status: StatusCode) -> Response<AnswerBody> {
    let mut answer = Response::new(AnswerBody::empty());
    *answer.status_mut() = status;
    answer
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;
    use avouch_wire::http_signature::{Component, SignatureInput};
    use avouch_wire::structured::{Dictionary, Member};
    use avouch_wire::web_bot_auth;

    async fn document(disclose: Disclose) -> serde_json::Value {
        let answer = answer(Problem::of(Reason::Overloaded), RequestId(1, 2), disclose, None);
        assert!(!answer.headers().contains_key("accept-signature"), "no signature would help");
        assert_eq!(answer.status(), 503);
        assert_eq!(answer.headers()["retry-after"], "5");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        let text = answer.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice(&text).unwrap()
    }

    #[test]
    fn a_challenge_asks_for_the_signatures_that_are_read() {
        let problem = Problem { status: StatusCode::UNAUTHORIZED, ..Problem::of(Reason::ClassRequired) };
        let asked = |reads_bots| {
            let asked = Some(Asked { bots: reads_bots, tokens: Vec::new() });
            let answer = answer(problem, RequestId(1, 2), Disclose::Code, asked);
            assert_eq!(answer.headers()["www-authenticate"], "SAIP");
            answer.headers().get("accept-signature").map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(asked(false), None);
        // It is a dictionary of inner lists, of components that can be covered.
        let asked = asked(true).unwrap();
        let dictionary = Dictionary::parse(&asked).unwrap();
        let [(_, Member::List(list))] = dictionary.members() else { panic!("one signature: {asked}") };
        assert_eq!(list.parameters.get("tag").and_then(|tag| tag.plain_string()), Some(web_bot_auth::TAG));
        let named = list.items.iter().map(|item| Component::named(item.bare.plain_string().unwrap()));
        let covered = named.collect::<Result<Vec<_>, _>>().unwrap();
        assert!(SignatureInput::covering(covered).unwrap().components().len() > 1);
    }

    #[tokio::test]
    async fn a_route_decides_how_much_is_told() {
        let full = document(Disclose::Full).await;
        assert_eq!(full["reason"], "overloaded");
        assert_eq!(full["detail"], Reason::Overloaded.sentence());
        assert_eq!(full["type"], Reason::Overloaded.documentation());
        assert_eq!(full["retryable"], true);
        assert_eq!(full["request_id"], "00000000000000010000000000000002");
        let code = document(Disclose::Code).await;
        assert_eq!((&code["reason"], &code["detail"]), (&"overloaded".into(), &serde_json::Value::Null));
        let none = document(Disclose::None).await;
        assert_eq!((&none["reason"], &none["type"]), (&serde_json::Value::Null, &"about:blank".into()));
    }
}

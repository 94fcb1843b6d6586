//! The listener that nginx's `auth_request` asks.
//!
//! nginx sends the original request's fields and says in `X-Original-Method`, `X-Original-URI`,
//! `X-Forwarded-Host`, `X-Forwarded-Proto` and `X-Forwarded-For` what it was; that is believed
//! from `trusted_proxies` only. It understands 2xx, 401 and 403, so every refusal is one of the
//! last two; `Avouch-Reason` and `Avouch-Retry-After` say more. Every answer carries all
//! `Avouch-*` fields, `-` when empty. The body is not seen, which the verdict says.

use std::sync::Arc;

use avouch_engine::request::Content;
use avouch_wire::privacy_pass::is_private_token;
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::http::request::Parts;
use axum::routing::any;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri, header};

use crate::access_log::Entry;
use crate::answers::{self, Problem};
use crate::body::AnswerBody;
use crate::config::Disclose;
use crate::gate::Gate;
use crate::listen::Shown;
use crate::received::Received;
use crate::snapshot::Snapshot;
use crate::trust::{Peer, Remote};
use crate::{Refused, outgoing};

const ORIGINAL_METHOD: HeaderName = HeaderName::from_static("x-original-method");
const ORIGINAL_URI: HeaderName = HeaderName::from_static("x-original-uri");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const REASON: HeaderName = HeaderName::from_static("avouch-reason");
const RETRY_AFTER: HeaderName = HeaderName::from_static("avouch-retry-after");

pub(crate) fn router(gate: Arc<Gate>) -> Router {
    Router::new().route("/verify", any(verify)).with_state(gate)
}

async fn verify(
    State(gate): State<Arc<Gate>>,
    ConnectInfo(remote): ConnectInfo<Remote>,
    request: axum::extract::Request,
) -> Response<Body> {
    let snapshot = gate.snapshot();
    let (mut parts, _) = request.into_parts();
    let asked = snapshot.config.trusted_proxies.holds(remote) && original(&mut parts).is_some();
    let peer = snapshot.peer(remote, snapshot.default_scheme(), &parts.headers);
    let received = Received { parts, peer, content: Content::Streaming, shown: Shown::Untold };
    let mut entry = received.begin(&gate);
    let mut assertion = None;
    let outcome = match asked {
        true => received.treat(&gate, &snapshot, &mut entry).await.map(|made| assertion = made),
        false => Err(Problem::of(avouch_engine::reason::Reason::RequestMalformed).into()),
    };
    let mut answer = match outcome {
        Ok(()) => allowed(),
        Err(Refused(problem, disclose)) => {
            entry.problem = Some(problem.reason.code());
            refused(&snapshot, &gate, &peer, &entry, problem, disclose)
        }
    };
    outgoing::tell(answer.headers_mut(), &entry, assertion.as_deref());
    entry.answered(answer.status());
    answer.map(|body| Body::new(body.logged(entry)))
}

/// Puts the original request in place of the subrequest; `None` when the proxy does not say what
/// it was, or says it in a way that cannot be read.
fn original(parts: &mut Parts) -> Option<()> {
    parts.method = Method::from_bytes(parts.headers.get(ORIGINAL_METHOD)?.as_bytes()).ok()?;
    parts.uri = Uri::try_from(parts.headers.get(ORIGINAL_URI)?.as_bytes()).ok()?;
    let host = parts.headers.get(FORWARDED_HOST)?.clone();
    parts.headers.insert(header::HOST, host);
    // nginx never writes it, so this one is the client's.
    parts.headers.remove(header::FORWARDED);
    Some(())
}

fn allowed() -> Response<AnswerBody> {
    let mut answer = Response::new(AnswerBody::empty());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    answer
}

/// Puts all challenges on one line: of several nginx passes on the first only, before 1.23. Clients that read no
/// further than the first of a list find a token asked for there.
fn on_one_line(headers: &mut HeaderMap) {
    let (tokens, others): (Vec<_>, Vec<_>) = headers
        .get_all(header::WWW_AUTHENTICATE)
        .iter()
        .map(HeaderValue::as_bytes)
        .partition(|value| is_private_token(value));
    if let Ok(line) = HeaderValue::from_bytes(&[tokens, others].concat().join(&b", "[..]))
        && !line.is_empty()
    {
        headers.insert(header::WWW_AUTHENTICATE, line);
    }
}

fn refused(
    snapshot: &Snapshot,
    gate: &Gate,
    peer: &Peer,
    entry: &Entry,
    problem: Problem,
    disclose: Disclose,
) -> Response<AnswerBody> {
    let status = match problem.status {
        StatusCode::UNAUTHORIZED => StatusCode::UNAUTHORIZED,
        _ => StatusCode::FORBIDDEN,
    };
    let problem = Problem { status, ..problem };
    let asked = snapshot.asks(&problem, entry.authority(), peer.scheme, gate.clock.now());
    let mut answer = answers::answer(problem, entry.id, disclose, asked);
    on_one_line(answer.headers_mut());
    let retry = answer.headers_mut().remove(header::RETRY_AFTER);
    answer.headers_mut().insert(RETRY_AFTER, retry.unwrap_or(HeaderValue::from_static("-")));
    if disclose != Disclose::None {
        answer.headers_mut().insert(REASON, HeaderValue::from_static(problem.reason.code()));
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_stand_on_one_line_with_those_for_tokens_first() {
        let mut headers = HeaderMap::new();
        on_one_line(&mut headers);
        assert!(headers.is_empty());
        for value in ["SAIP", "PrivateToken challenge=\"a\"", "PrivateToken challenge=\"b\""] {
            headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static(value));
        }
        on_one_line(&mut headers);
        let lines: Vec<_> = headers.get_all(header::WWW_AUTHENTICATE).iter().collect();
        assert_eq!(lines, ["PrivateToken challenge=\"a\", PrivateToken challenge=\"b\", SAIP"]);
    }
}

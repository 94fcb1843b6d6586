//! The listener that proxies ask about each request: nginx, Caddy, HAProxy, Traefik, Envoy.
//!
//! A proxy sends the original request's fields and says what it was, in its own [`Dialect`]; that is
//! believed from `trusted_proxies` only. Where it does not understand a status, the refusal is another that
//! it does; `Avouch-Reason` and `Avouch-Retry-After` say more. Every answer carries all `Avouch-*` fields,
//! `-` when empty: a field that is missing some proxies leave as the client sent it. The body is not seen,
//! which the verdict says.

use std::sync::Arc;

use avouch_engine::request::Content;
use avouch_wire::entity::VERIFIER_PATH;
use avouch_wire::privacy_pass::is_private_token;
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::http::request::Parts;
use axum::routing::{any, get};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri, header};

use crate::access_log::Entry;
use crate::answers::{self, Problem};
use crate::body::AnswerBody;
use crate::config::Disclose;
use crate::dialect::{Dialect, Original};
use crate::gate::Gate;
use crate::listen::Shown;
use crate::received::{self, Received};
use crate::snapshot::Snapshot;
use crate::trust::{Peer, Remote};
use crate::{Refused, outgoing};

/// What is asked for.
const PATH: &str = "/verify";

const REASON: HeaderName = HeaderName::from_static("avouch-reason");
const RETRY_AFTER: HeaderName = HeaderName::from_static("avouch-retry-after");

/// What every question is answered from.
struct Desk {
    gate: Arc<Gate>,
    dialect: Dialect,
}

pub(crate) fn router(gate: Arc<Gate>, dialect: Dialect) -> Router {
    let router = match dialect.original {
        Original::Fields { .. } => Router::new().route(PATH, any(verify)),
        Original::Question => Router::new().fallback(verify),
    };
    let router = router.route(VERIFIER_PATH, get(published));
    router.with_state(Arc::new(Desk { gate, dialect }))
}

/// What the site publishes for registration entities, which the proxy may fetch here.
async fn published(State(desk): State<Arc<Desk>>) -> Response<Body> {
    let missing = || answers::nothing(StatusCode::NOT_FOUND);
    desk.gate.verifier_document().unwrap_or_else(missing).map(Body::new)
}

async fn verify(
    State(desk): State<Arc<Desk>>,
    ConnectInfo(remote): ConnectInfo<Remote>,
    request: axum::extract::Request,
) -> Response<Body> {
    let Desk { gate, dialect } = &*desk;
    let snapshot = gate.snapshot();
    let (mut parts, _) = request.into_parts();
    let asked =
        snapshot.config.trusted_proxies.holds(remote) && original(&dialect.original, &mut parts).is_some();
    let peer = snapshot.peer(remote, snapshot.default_scheme(), &parts.headers);
    let received = Received { parts, peer, content: Content::Streaming, shown: Shown::Untold };
    let mut entry = received.begin(gate);
    let mut assertion = None;
    let outcome = match asked {
        true => received.treat(gate, &snapshot, &mut entry).await.map(|made| assertion = made),
        false => Err(Problem::of(avouch_engine::reason::Reason::RequestMalformed).into()),
    };
    let mut answer = match outcome {
        Ok(()) => {
            let mut answer = allowed(dialect);
            outgoing::tell_next(answer.headers_mut(), entry.next_sequence());
            answer
        }
        Err(Refused(problem, disclose)) => {
            entry.problem = Some(problem.reason.code());
            refused((&snapshot, gate, dialect), &peer, &entry, problem, disclose)
        }
    };
    match dialect.passed_on && answer.status() != dialect.allowed {
        true => outgoing::tell_nothing(answer.headers_mut(), &entry),
        false => outgoing::tell(answer.headers_mut(), &entry, assertion.as_deref()),
    }
    entry.answered(answer.status());
    answer.map(|body| Body::new(body.logged(entry)))
}

/// Puts the original request in place of the question; `None` when the proxy does not say what it was, or
/// says it twice, or in a way that cannot be read.
fn original(said: &Original, parts: &mut Parts) -> Option<()> {
    match said {
        Original::Fields { method, target, host } => {
            parts.method = Method::from_bytes(only(&parts.headers, method)?.as_bytes()).ok()?;
            parts.uri = received::target(only(&parts.headers, target)?.as_bytes())?;
            let host = only(&parts.headers, host)?.clone();
            parts.headers.insert(header::HOST, host);
        }
        Original::Question => {
            only(&parts.headers, &header::HOST)?;
            let target = parts.uri.path_and_query()?.as_str().strip_prefix(PATH)?;
            parts.uri = target.starts_with('/').then(|| Uri::try_from(target).ok()).flatten()?;
        }
    }
    // None of the proxies writes it, so this one is the client's.
    parts.headers.remove(header::FORWARDED);
    Some(())
}

/// The value of a field that a proxy sets, and sets once.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

fn allowed(dialect: &Dialect) -> Response<AnswerBody> {
    answers::nothing(dialect.allowed)
}

/// Puts all challenges on one line: of several nginx passes on the first only, before 1.23. Clients that read no
/// further than the first of a list find a token asked for there.
pub(crate) fn on_one_line(headers: &mut HeaderMap) {
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
    (snapshot, gate, dialect): (&Snapshot, &Gate, &Dialect),
    peer: &Peer,
    entry: &Entry,
    problem: Problem,
    disclose: Disclose,
) -> Response<AnswerBody> {
    let status = match problem.status {
        status if !dialect.two_refusals || status == StatusCode::UNAUTHORIZED => status,
        _ => StatusCode::FORBIDDEN,
    };
    let problem = Problem { status, ..problem };
    let asked = snapshot.asks(&problem, entry.authority(), peer.scheme, gate.clock.now());
    let mut answer = answers::answer(problem, entry.id, disclose, asked);
    on_one_line(answer.headers_mut());
    let retry = answer.headers().get(header::RETRY_AFTER).cloned();
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

//! The life of a request: reverse proxy and forward-auth with a verdict on each request.

mod access_log;
mod admission;
mod answers;
mod body;
pub mod config;
mod forward;
mod gate;
mod hygiene;
mod listen;
mod numbers;
mod outgoing;
mod run;
mod snapshot;
pub mod trust;

use avouch_engine::reason::Reason;
use avouch_engine::request::{Content, Head, Request};
use http::request::Parts;
use http::{Response, StatusCode};
use hyper::body::{Body, Incoming};

use access_log::Entry;
use admission::Priority;
use answers::Problem;
use body::{AnswerBody, RequestBody};
use config::Disclose;
use forward::ForwardError;
use gate::Gate;
use listen::Origin;
use snapshot::Snapshot;
use trust::Peer;

pub use run::{Gateway, Running, StartError};

/// A request that is not forwarded: what is answered, and how much of the reason is told.
struct Refused(Problem, Disclose);

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self(problem, Disclose::default())
    }
}

/// One request, from its head to the last octet of its answer.
async fn serve(origin: &Origin, request: http::Request<Incoming>) -> Response<AnswerBody> {
    let gate = &origin.gate;
    let snapshot = gate.snapshot();
    let peer = snapshot.client(origin, request.headers());
    let mut entry = gate.begin(&peer, &request);
    let answer = match treat(gate, &snapshot, &peer, &mut entry, request).await {
        Ok(answer) => answer,
        Err(Refused(problem, disclose)) => {
            entry.problem = Some(problem.reason.code());
            answers::answer(problem, entry.id, disclose)
        }
    };
    entry.answered(answer.status());
    answer.map(|body| body.logged(entry))
}

/// Request, claim, evidence, verdict, decision; then the upstream, if it is let through.
async fn treat(
    gate: &Gate,
    snapshot: &Snapshot,
    peer: &Peer,
    entry: &mut Entry,
    mut incoming: http::Request<Incoming>,
) -> Result<Response<AnswerBody>, Refused> {
    entry.place = Some(gate.place()?);
    let switch = forward::upgrade_asked(&mut incoming);
    let (parts, body) = incoming.into_parts();
    let body = RequestBody::new(body, snapshot.config.limits.body_pause);
    let content = if body.is_end_stream() { Content::Empty } else { Content::Streaming };
    let request = read(&parts, peer, content)?;
    let to = snapshot.destination(request.path())?;
    drop(request);
    entry.treatment.decision = "accept";
    let slot = gate.admission.enter(Priority::Low).await.map_err(|_| Problem::of(Reason::Overloaded))?;
    let outgoing = outgoing::request(parts, body, peer, entry, None);
    let answered = match switch {
        Some(switch) => switch.send(&to.pool, outgoing, snapshot.patience(), ()).await,
        None => forward::send(&to.pool, outgoing, snapshot.patience()).await,
    };
    let mut answer = answered.map_err(|error| failed(&error))?;
    hygiene::clean_answer(&mut answer);
    Ok(answer.map(|relay| AnswerBody::relayed(relay, slot)))
}

/// Reads a head strictly; what cannot be read without doubt is answered 400.
fn read<'a>(parts: &'a Parts, peer: &Peer, content: Content) -> Result<Request<'a>, Problem> {
    let head = Head {
        method: parts.method.as_str(),
        target: parts.uri.path_and_query().map_or("/", |path| path.as_str()),
        authority: parts.uri.authority().map(http::uri::Authority::as_str),
        scheme: peer.scheme,
        fields: parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())),
        peer: peer.into(),
        content,
    };
    Request::read(head).map_err(|error| {
        tracing::debug!(%error, "request refused");
        Problem::of(Reason::RequestMalformed)
    })
}

/// What a client is told when its request did not get through.
fn failed(error: &ForwardError) -> Problem {
    tracing::warn!(%error, "not forwarded");
    match error {
        ForwardError::Unreachable(_) | ForwardError::Broken(_) | ForwardError::Switched => {
            Problem::of(Reason::UpstreamUnreachable)
        }
        ForwardError::ConnectTimeout | ForwardError::AnswerTimeout => Problem::of(Reason::UpstreamTimeout),
        ForwardError::Body(body::BodyError::Mismatch) => Problem::of(Reason::BodyMismatch),
        ForwardError::Body(_) => {
            Problem::of(Reason::RequestMalformed).with_status(StatusCode::REQUEST_TIMEOUT)
        }
    }
}

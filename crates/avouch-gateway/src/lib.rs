//! The life of a request: reverse proxy and forward-auth with a verdict on each request.
//!
//! `serve` below is the story; each step has a module. In scope: connections, headers, bodies,
//! timeouts, queues, logs. Out of scope: who somebody is and what happens to them
//! (`avouch-engine`), looking things up (`avouch-gather`), TLS itself (`avouch-tls`).
//! Limits: [`config::Limits`], every one with its reason. Formats: `docs/formats/`.
//!
//! ```
//! use avouch_gateway::config::Config;
//!
//! let config = Config::parse("gateway.toml", "listen = '[::]:8443'\nupstream = 'http://127.0.0.1:8080'")?;
//! assert_eq!(config.mode.as_str(), "observe");
//! # Ok::<(), avouch_wire::settings::Problems>(())
//! ```

mod access_log;
mod acme;
mod admin;
mod admission;
mod ages;
mod answers;
mod audit;
mod body;
pub mod config;
mod desk;
mod dialect;
mod entities;
mod expiry;
mod feeds;
mod forward;
mod gate;
mod grpc;
mod hits;
mod hygiene;
mod incoming;
mod insight;
mod judge_api;
mod listen;
mod load;
mod numbers;
mod outgoing;
mod passes;
mod received;
mod recent;
mod registered;
mod reload;
mod run;
mod snapshot;
mod spoe;
mod tally;
mod traces;
pub mod trust;
mod verify;

use avouch_engine::decision::{Facts, Outcome, Permit};
use avouch_engine::reason::Reason;
use avouch_engine::request::{Content, Request};
use avouch_wire::target::NormalPath;
use http::Response;
use hyper::body::Incoming;
use tokio::time::Instant;

use access_log::Entry;
use answers::Problem;
use body::{AnswerBody, RequestBody};
use config::Disclose;
use gate::Gate;
use listen::Origin;
use snapshot::{Destination, Snapshot};
use trust::Peer;

pub use access_log::{Explanation, Point, Step, Told, UnreadableLine};
pub use desk::{Desk, Judged};
pub use entities::VerifierKeyFault;
pub use insight::{Change, InForce, Insight, WhatIf};
pub use listen::{Passed, PassedError};
pub use load::{LoadError, LoadErrors, resolver, resolvers, store as store_settings};
pub use numbers::{Counted, Top};
pub use recent::Remembered;
pub use registered::{KeyFault, RegisterFault, RegisterFileError, from_file as registered_keys};
pub use reload::ReloadError;
pub use run::{Console, Gateway, Running, StartError, Surroundings, run};
pub use tally::Counts;

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
    let peer = snapshot.peer(origin.remote, origin.scheme, request.headers());
    let mut entry = gate.begin(&peer, &request);
    let answer = match treat(origin, &snapshot, &peer, &mut entry, request).await {
        Ok(answer) => answer,
        Err(Refused(problem, disclose)) => {
            entry.problem = Some(problem.reason.code());
            let asked = snapshot.asks(&problem, entry.authority(), peer.scheme, gate.clock.now());
            answers::answer(problem, entry.id, disclose, asked)
        }
    };
    entry.answered(answer.status());
    answer.map(|body| body.logged(entry))
}

/// A request makes a claim; the verdict says who it is; the decision says what happens.
async fn treat(
    origin: &Origin,
    snapshot: &Snapshot,
    peer: &Peer,
    entry: &mut Entry,
    mut request: http::Request<Incoming>,
) -> Result<Response<AnswerBody>, Refused> {
    let gate = &*origin.gate;
    entry.place = Some(gate.place()?);
    let switch = forward::upgrade_asked(&mut request);
    let (mut parts, body) = request.into_parts();
    incoming::bounded(&parts, &snapshot.config.limits)?;
    let mut body = RequestBody::new(body, snapshot.config.limits.body_pause);
    let (content, signed) = incoming::content(&parts, &mut body, &snapshot.site).await?;
    let request = incoming::read(&parts, peer, content)?;
    let shown = origin.shown.of(&request, snapshot.brought_by_proxy(origin.remote, peer));
    if let Some(document) = gate.published(snapshot, &request) {
        return Ok(document);
    }
    let request = request.over(shown);
    let path = NormalPath::of(request.path());
    let to = snapshot.destination(&path)?;
    // Where clients connect the configuration names one.
    let way = to.way.as_ref().ok_or_else(|| Problem::of(Reason::UpstreamUnreachable))?;

    let permit = judge(gate, snapshot, &request, &path, to, entry).await?;
    if content == Content::Streaming && entry.holds_to_content() {
        entry.mismatch = signed.map(|signed| body.hold_to(signed));
    }
    let assertion = gate.assert(&request, snapshot, to, entry);
    drop(path);
    if snapshot.site.passes.is_some() {
        hygiene::keep_tokens_back(&mut parts.headers);
    }
    let slot = gate.admission.enter(permit.priority()).await.map_err(|_| Problem::of(Reason::Overloaded))?;
    let begun = Instant::now();
    let outgoing = outgoing::request(parts, body, peer, entry, assertion.as_deref());
    let answered = match switch {
        Some(switch) => Box::pin(switch.send(&permit, &way.pool, outgoing, snapshot.patience())).await,
        None => forward::send(&permit, &way.pool, outgoing, snapshot.patience()).await,
    };
    entry.was_sent(begun);
    let mut answer =
        answered.map_err(|error| Refused(Problem::not_forwarded(&error, &way.upstream), to.disclose))?;
    hygiene::clean_answer(&mut answer);
    outgoing::tell_next(answer.headers_mut(), entry.next_sequence());
    Ok(answer.map(|relay| AnswerBody::relayed(relay, slot)))
}

/// Who it is, and what happens.
async fn judge(
    gate: &Gate,
    snapshot: &Snapshot,
    request: &Request<'_>,
    path: &NormalPath<'_>,
    to: &Destination,
    entry: &mut Entry,
) -> Result<Permit, Refused> {
    let (begun, mut looked_up) = (Instant::now(), None);
    let verdict = gate.judge.judge_timed(request, &snapshot.site, &mut looked_up).await;
    entry.was_judged(begun, looked_up);
    let (method, authority, address) =
        (request.method(), request.authority().as_str(), request.peer().address);
    let asns = gate.origins(to, address);
    let facts = Facts { method, path, authority, address, asns: &asns };
    let decision = gate.decide(&verdict, &facts, to);
    match &entry.decided(verdict, decision, &to.policy.version).outcome {
        Outcome::Permit(permit) => Ok(permit.clone()),
        Outcome::Refuse(refusal) => Err(Refused(Problem::refused(refusal), to.disclose)),
    }
}

//! `envoy.service.auth.v3.Authorization/Check`: Envoy's `ext_authz` filter asks by gRPC.
//!
//! The question is a request as Envoy received it ([`question`]), the answer lets it go on with our fields or says what
//! the client is answered ([`answer`]). It goes the way of any other: the same claim, evidence, verdict and policy, one
//! line in the log, its nonce used up. Envoy names the client's address, so only `trusted_proxies` may ask. A question
//! that describes no request is answered with a refusal, and never by a failure of the call, which some configurations
//! of Envoy let through.

mod answer;
mod question;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use avouch_engine::reason::Reason;
use axum::extract::ConnectInfo;
use axum::{Extension, Router};
use envoy_types::ext_authz::v3::pb::{Authorization, AuthorizationServer, CheckRequest, CheckResponse};
use tonic::{Request, Response, Status};

use crate::answers::{self, Problem};
use crate::config::Disclose;
use crate::gate::Gate;
use crate::judge_api;
use crate::received::{Next, Received};
use crate::snapshot::Snapshot;
use crate::trust::Remote;
use question::QuestionError;

/// Where the methods of the service are; it knows one, and says so of others.
const SERVICE: &str = "/envoy.service.auth.v3.Authorization/{method}";

/// The one that is asked.
const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";

/// Longest question in octets: a head as large as Envoy takes in its widest default, and as much content as is worth
/// a wait, several times over.
const MAX_QUESTION: usize = 1 << 20;

/// What a connection's questions are answered from.
struct Desk {
    gate: Arc<Gate>,
    remote: Remote,
    /// Whether the log says already that who asks is not trusted.
    is_told: AtomicBool,
}

/// Answers the questions of one connection.
pub(crate) fn router(gate: &Arc<Gate>, remote: Remote) -> Router {
    let desk = Desk { gate: Arc::clone(gate), remote, is_told: AtomicBool::new(false) };
    let config = &gate.snapshot().config;
    // A stranger is refused whatever it asks, and takes up no more room than a head does.
    let longest = if config.trusted_proxies.holds(remote) { MAX_QUESTION } else { config.limits.head_size.0 };
    let service = AuthorizationServer::new(desk).max_decoding_message_size(longest);
    let json = judge_api::router(Arc::clone(gate)).layer(Extension(ConnectInfo(remote)));
    Router::new().route_service(SERVICE, service).merge(json)
}

#[tonic::async_trait]
impl Authorization for Desk {
    async fn check(&self, request: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        let snapshot = self.gate.snapshot();
        let answer = match self.read(&snapshot, request.get_ref()) {
            Ok(received) => {
                let (mut entry, next) = received.judge(&self.gate, &snapshot).await;
                match next {
                    Next::Permit(told) => {
                        let takes_tokens = snapshot.site.passes.is_some();
                        let next = entry.next_sequence();
                        answer::permit((told, next), &received.parts.headers, takes_tokens)
                    }
                    Next::Refuse(refusal) => answer::refuse(&mut entry, refusal, None).await,
                }
            }
            Err(error) => self.malformed(&snapshot, &error).await,
        };
        Ok(Response::new(answer))
    }
}

impl Desk {
    fn read(&self, snapshot: &Snapshot, asked: &CheckRequest) -> Result<Received, QuestionError> {
        match snapshot.config.trusted_proxies.holds(self.remote) {
            true => question::received(asked, &snapshot.config.trusted_proxies),
            false => Err(QuestionError::Stranger),
        }
    }

    /// Refuses what describes no request, which the log shows by the question's own head.
    async fn malformed(&self, snapshot: &Snapshot, error: &QuestionError) -> CheckResponse {
        match error {
            QuestionError::Stranger if !self.is_told.swap(true, Ordering::Relaxed) => {
                tracing::warn!(address = %self.remote.address, "a proxy's question is refused: {error}");
            }
            _ => tracing::debug!(address = %self.remote.address, "a question is refused: {error}"),
        }
        let question = http::Request::post(CHECK).body(()).unwrap_or_default();
        let peer = snapshot.peer(self.remote, snapshot.default_scheme(), question.headers());
        let mut entry = self.gate.begin(&peer, &question);
        let problem = Problem::of(Reason::RequestMalformed);
        entry.problem = Some(problem.reason.code());
        entry.answered(problem.status);
        let refusal = answers::answer(problem, entry.id, Disclose::default(), None);
        answer::refuse(&mut entry, refusal, Some(error)).await
    }
}

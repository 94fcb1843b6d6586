//! HAProxy asks by its Stream Processing Offload Engine, in frames (`avouch_wire::spop`).
//!
//! The question is a request as HAProxy is about to forward it ([`question`]), the answer sets variables by which
//! HAProxy lets it go on with our fields or answers the client ([`answer`]). It goes the way of any other: the same
//! claim, evidence, verdict and policy, one line in the log, its nonce used up. HAProxy names the client's address, so
//! only `trusted_proxies` may ask. A question that describes no request is answered with a refusal. Where no answer
//! comes the variables are not set, for which the configuration that is shipped refuses.

mod answer;
mod question;

use std::sync::Arc;

use avouch_engine::reason::Reason;
use avouch_wire::spop::{Id, Message};
use http::StatusCode;

use crate::access_log::Entry;
use crate::answers::{self, Problem};
use crate::config::Disclose;
use crate::gate::Gate;
use crate::received::{Next, Received};
use crate::snapshot::Snapshot;
use crate::trust::Remote;
use question::QuestionError;

/// A question that was read, and what it is answered from.
pub(crate) struct Question {
    gate: Arc<Gate>,
    snapshot: Arc<Snapshot>,
    remote: Remote,
    id: Id,
    asked: Result<Received, QuestionError>,
}

impl Question {
    /// Reads one, by the configuration in force now.
    pub(crate) fn read(gate: &Arc<Gate>, remote: Remote, id: Id, messages: &[Message<'_>]) -> Self {
        let snapshot = gate.snapshot();
        let trusted = &snapshot.config.trusted_proxies;
        let asked = match trusted.holds(remote) {
            true => question::received(messages, trusted),
            false => Err(QuestionError::Stranger),
        };
        Self { gate: Arc::clone(gate), snapshot, remote, id, asked }
    }

    /// The answer, in a frame of at most `longest` octets.
    pub(crate) async fn answer(self, longest: u32) -> Vec<u8> {
        let (mut entry, variables) = match &self.asked {
            Ok(received) => {
                let (mut entry, next) = received.judge(&self.gate, &self.snapshot).await;
                let variables = match next {
                    Next::Permit(told) => {
                        let takes_tokens = self.snapshot.site.passes.is_some();
                        answer::permit(&told, &received.parts.headers, takes_tokens)
                    }
                    Next::Refuse(refusal) => answer::refuse(&mut entry, refusal).await,
                };
                (entry, variables)
            }
            Err(error) => self.malformed(error).await,
        };
        if let Some(octets) = variables.frame(self.id, longest) {
            return octets;
        }
        // An assertion repeats the target, which may be nearly as long as a frame.
        tracing::warn!(address = %self.remote.address, longest, "an answer is longer than max-frame-size: refused");
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        entry.problem = Some(Reason::RequestMalformed.code());
        entry.answered(status);
        answer::Variables::of(status).frame(self.id, longest).unwrap_or_default()
    }

    /// Refuses what describes no request.
    async fn malformed(&self, error: &QuestionError) -> (Box<Entry>, answer::Variables) {
        tracing::debug!(address = %self.remote.address, "a question is refused: {error}");
        let nothing = http::Request::new(());
        let peer = self.snapshot.peer(self.remote, self.snapshot.default_scheme(), nothing.headers());
        let mut entry = self.gate.begin(&peer, &nothing);
        let problem = Problem::of(Reason::RequestMalformed);
        entry.problem = Some(problem.reason.code());
        entry.answered(problem.status);
        let refusal = answers::answer(problem, entry.id, Disclose::default(), None);
        let variables = answer::refuse(&mut entry, refusal).await.explained(&error.to_string());
        (entry, variables)
    }
}

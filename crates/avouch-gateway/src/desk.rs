//! A gateway asked by the program it runs in, which received the request itself.

use std::net::SocketAddr;
use std::sync::Arc;

use avouch_engine::request::Content;
use avouch_engine::verdict::Verdict;
use avouch_wire::entity::VERIFIER_PATH;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Response};
use http_body_util::BodyExt as _;

use crate::body::AnswerBody;
use crate::gate::Gate;
use crate::listen::Shown;
use crate::received::{Next, Received};
use crate::snapshot::Snapshot;
use crate::trust::Remote;
use crate::{hygiene, incoming, outgoing};

/// Where a program asks. Cloning is cheap.
#[derive(Clone)]
pub struct Desk(pub(crate) Arc<Gate>);

/// A request that may go on, and what was found.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Who it is.
    pub verdict: Verdict,
    /// What policy and route ask for: `accept`, `monitor`, `throttle`, `challenge`, `reject` or `unavailable`,
    /// whatever the mode made of it.
    pub action: &'static str,
    /// `anonymous` where it was decided upon as if it had claimed nothing, because a fault on this side kept its claim
    /// from being accepted and its route says so: then the fields in its head say class 0.
    pub treated_as: Option<&'static str>,
    /// The request's name in the log.
    pub request_id: String,
    /// The least sequence number that is accepted next of who sent it, where requests are counted; see
    /// [`Judged::answered`].
    pub next_sequence: Option<u64>,
}

impl Judged {
    /// Sets in the head of the answer what the sender is to know of it: `SAIP-Next-Seq`.
    pub fn answered(&self, answer: &mut HeaderMap) {
        outgoing::tell_next(answer, self.next_sequence);
    }
}

impl Desk {
    /// Judges a request of which this is the head. One that may go on has the `Avouch-*` fields in its head, and none
    /// that the client sent by these names; another is to be answered as given.
    ///
    /// `connection` is the other end of the connection it came by, `None` for a Unix socket. Whose word about the
    /// client is taken, and which scheme clients use, is the configuration's to say.
    ///
    /// # Errors
    /// The answer to give in place of one's own.
    pub async fn judge(
        &self,
        parts: &mut Parts,
        connection: Option<SocketAddr>,
        is_empty: bool,
    ) -> Result<Judged, Response<Bytes>> {
        let gate = &*self.0;
        let snapshot = gate.snapshot();
        let remote = connection.map_or_else(Remote::unix, Remote::tcp);
        let peer = snapshot.peer(remote, snapshot.default_scheme(), &parts.headers);
        let content = if is_empty { Content::Empty } else { Content::Streaming };
        let received = Received { parts: parts.clone(), peer, content, shown: Shown::Untold };
        if let Some(document) = published(gate, &snapshot, &received) {
            return Err(whole(document).await);
        }
        let (entry, next) = received.judge(gate, &snapshot).await;
        match (next, &entry.verdict, entry.decision()) {
            (Next::Permit(told), Some(verdict), Some(decision)) => {
                hygiene::clear_ours(&mut parts.headers);
                parts.headers.extend(told);
                if snapshot.site.passes.is_some() {
                    hygiene::keep_tokens_back(&mut parts.headers);
                }
                let (verdict, action) = (Verdict::clone(verdict), decision.action.as_str());
                Ok(Judged {
                    verdict,
                    action,
                    treated_as: entry.treated_as(),
                    request_id: entry.id.to_string(),
                    next_sequence: entry.next_sequence(),
                })
            }
            (Next::Refuse(answer), ..) => Err(whole(answer).await),
            // What may go on was judged and decided upon.
            (Next::Permit(_), ..) => Err(denied()),
        }
    }
}

/// What is published for registration entities, where that is asked for.
fn published(gate: &Gate, snapshot: &Snapshot, received: &Received) -> Option<Response<AnswerBody>> {
    if received.parts.uri.path() != VERIFIER_PATH {
        return None;
    }
    let request = incoming::read(&received.parts, &received.peer, received.content).ok()?;
    gate.published(snapshot, &request)
}

/// An answer of ours, which is held in memory.
async fn whole(answer: Response<AnswerBody>) -> Response<Bytes> {
    let (head, body) = answer.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    Response::from_parts(head, body)
}

/// An answer to a defect of ours.
fn denied() -> Response<Bytes> {
    let mut answer = Response::new(Bytes::new());
    *answer.status_mut() = http::StatusCode::FORBIDDEN;
    answer
}

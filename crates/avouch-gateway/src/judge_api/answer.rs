//! Verdict and decision, as whoever asked reads them.

use std::collections::BTreeMap;

use avouch_engine::decision::Outcome;
use avouch_wire::verdict::VerdictDocument;
use http::{HeaderMap, HeaderValue, Response};
use http_body_util::BodyExt as _;
use serde::Serialize;
use utoipa::ToSchema;

use crate::access_log::Entry;
use crate::body::AnswerBody;
use crate::outgoing;
use crate::received::Next;

/// What came of a question. Either `permit` is set or `refusal`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer<'a> {
    /// The name of this request in the log: 32 hexadecimal digits.
    #[schema(example = "9f86d081884c7d650000000000000001")]
    request_id: String,
    /// Who it is; `null` where the request could not be read without doubt, or was shed.
    #[schema(required)]
    verdict: Option<VerdictDocument<'a>>,
    /// What policy and route ask for; `null` where it did not come to that.
    #[schema(required)]
    decision: Option<DecisionDocument<'a>>,
    /// The request may go on.
    #[schema(required)]
    permit: Option<PermitDocument>,
    /// The request is to be answered so, and must not go on.
    #[schema(required)]
    refusal: Option<RefusalDocument>,
}

/// What policy and route ask for.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DecisionDocument<'a> {
    /// `accept`, `monitor`, `throttle`, `challenge`, `reject` or `unavailable`, whatever the mode made of it.
    action: &'static str,
    /// The rule that decided; `null` where it was the route's `require` or a fault on this side.
    #[schema(required)]
    rule: Option<&'a str>,
    /// The version of the policy.
    #[schema(required)]
    policy: Option<&'a str>,
    /// Whether the mode carries it out.
    carried_out: bool,
    /// `anonymous` where it was decided upon as if it had claimed nothing, because a fault on this side kept its
    /// claim from being accepted and its route says so (`on_fault`): then the fields to set say class 0. Else `null`.
    #[schema(required)]
    treated_as: Option<&'static str>,
}

/// How a request goes on.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PermitDocument {
    /// The fields to set on it, all of them, in place of any that the client sent by these names.
    headers: BTreeMap<String, String>,
    /// The fields to set on the answer to it, in place of any that the site set by these names: `saip-next-seq` for an
    /// agent that counts its requests; else none.
    answer_headers: BTreeMap<String, String>,
}

/// How a request is answered in place of the site.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RefusalDocument {
    /// The status code.
    #[schema(example = 403)]
    status: u16,
    /// The fields of the answer, in order: name and value.
    headers: Vec<(String, String)>,
    /// Its content: a problem document (RFC 9457).
    body: String,
}

impl<'a> Answer<'a> {
    pub(super) async fn of(entry: &'a Entry, next: Next) -> Self {
        let carried_out = |outcome: &Outcome| match outcome {
            Outcome::Permit(permit) => permit.withheld().is_none(),
            Outcome::Refuse(_) => true,
        };
        let decision = entry.decision().map(|decision| DecisionDocument {
            action: decision.action.as_str(),
            rule: decision.rule.as_deref(),
            policy: entry.policy(),
            carried_out: carried_out(&decision.outcome),
            treated_as: entry.treated_as(),
        });
        let (permit, refusal) = match next {
            Next::Permit(told) => (Some(PermitDocument::of(&told, entry.next_sequence())), None),
            Next::Refuse(answer) => (None, Some(RefusalDocument::of(answer).await)),
        };
        let verdict = entry.verdict.as_ref().map(|verdict| verdict.document());
        Self { request_id: entry.id.to_string(), verdict, decision, permit, refusal }
    }
}

impl PermitDocument {
    fn of(told: &HeaderMap, next: Option<u64>) -> Self {
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let map =
            |fields: &HeaderMap| fields.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let mut answered = HeaderMap::new();
        outgoing::tell_next(&mut answered, next);
        Self { headers: map(told), answer_headers: map(&answered) }
    }
}

impl RefusalDocument {
    async fn of(answer: Response<AnswerBody>) -> Self {
        let (parts, body) = answer.into_parts();
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        // It is one of ours, held in memory.
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let body = String::from_utf8_lossy(&body).into_owned();
        Self { status: parts.status.as_u16(), headers, body }
    }
}

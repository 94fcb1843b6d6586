//! Between the validator and the servers: asks with CD, keeps what was asked within one look-up,
//! and remembers what went unanswered.
//!
//! What happens here comes before validation, so nothing done here can make an answer more
//! trusted than whoever sits on the path to the server could make it.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use avouch_engine::evidence::Cause;
use futures_util::stream::{self, Stream};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::xfer::{DnsHandle, FirstAnswer};
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::dnssec::rdata::DNSSECRData;
use hickory_resolver::proto::op::{DnsRequest, DnsResponse, Query, ResponseCode};
use hickory_resolver::proto::rr::{RData, Record, RecordType};

use super::{Pool, standing};

/// How many questions the validation of one answer may take. An unsigned IPv6 reverse name needs
/// about a hundred (its 34 labels are tried as zone cuts); a chain made to burn time has no end.
const MAX_QUESTIONS: usize = 300;

type Outcome = Result<DnsResponse, NetError>;

/// The servers, as the validator of one look-up sees them.
#[derive(Clone)]
pub(super) struct Witness {
    pool: Pool,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    exchanges: Mutex<Exchanges>,
    failure: OnceLock<Cause>,
}

#[derive(Default)]
struct Exchanges {
    asked: usize,
    outcomes: HashMap<Query, Outcome>,
}

impl Witness {
    pub(super) fn new(pool: Pool) -> Self {
        Self { pool, seen: Arc::default() }
    }

    /// Why the first question that went unanswered did; `None` when all were answered.
    pub(super) fn failure(&self) -> Option<Cause> {
        self.seen.failure.get().copied()
    }

    async fn exchange(self, mut request: DnsRequest) -> Outcome {
        let Some(query) = request.queries.first().cloned() else {
            return Err(NetError::Message("a request without a question"));
        };
        if let Some(known) = self.seen.recall(&query) {
            return known;
        }
        request.metadata.checking_disabled = true;
        let result = self.pool.send(request).first_answer().await;
        let outcome = match result {
            Ok(response) => Ok(only_what_was_asked(response, &query)),
            Err(error) => Err(seen_from_the_parent(error, &query)),
        };
        if let Err(cause) = outcome.as_ref().map_err(standing::unanswered)
            && let Some(cause) = cause
        {
            self.seen.fail(cause);
        }
        self.seen.remember(query, outcome.clone());
        outcome
    }
}

impl Seen {
    fn recall(&self, query: &Query) -> Option<Outcome> {
        let mut exchanges = self.exchanges.lock().unwrap_or_else(PoisonError::into_inner);
        exchanges.asked += 1;
        if exchanges.asked > MAX_QUESTIONS {
            self.fail(Cause::Indeterminate);
            return Some(Err(NetError::Message("too many questions for one answer")));
        }
        exchanges.outcomes.get(query).cloned()
    }

    fn remember(&self, query: Query, outcome: Outcome) {
        let mut exchanges = self.exchanges.lock().unwrap_or_else(PoisonError::into_inner);
        exchanges.outcomes.insert(query, outcome);
    }

    /// The first failure is kept: later ones follow from it.
    fn fail(&self, cause: Cause) {
        let _first = self.failure.set(cause);
    }
}

impl DnsHandle for Witness {
    type Response = Pin<Box<dyn Stream<Item = Outcome> + Send>>;
    type Runtime = TokioRuntimeProvider;

    fn send(&self, request: DnsRequest) -> Self::Response {
        Box::pin(stream::once(self.clone().exchange(request)))
    }
}

/// Takes out of a positive answer what the question does not need: other names' records (aliases
/// are followed by asking for their targets) and sections that would each have to be validated.
/// Proof that a wildcard was rightly used stays.
fn only_what_was_asked(mut response: DnsResponse, query: &Query) -> DnsResponse {
    response.additionals.clear();
    response.answers.retain(|record| record.name == query.name);
    if response.answers.is_empty() {
        return response;
    }
    response.metadata.response_code = ResponseCode::NoError;
    if response.answers.iter().any(standing::is_synthesised) {
        response.authorities.retain(is_denial);
    } else {
        response.authorities.clear();
    }
    response
}

/// Lifts the start of authority of a delegation's DS answer out of the child zone.
///
/// DS records belong to the parent (RFC 4035 section 3.1.4.1), but some servers that have both
/// zones answer from the child. hickory then asks whether the child is signed in order to find
/// out whether the child is signed, until it runs out of depth and calls the unsigned zone bogus
/// (hickory-dns issue 3974). Named after the parent, the same unsigned record makes it ask about
/// the parent: insecure below an unsigned zone, bogus below a signed one.
fn seen_from_the_parent(mut error: NetError, query: &Query) -> NetError {
    let NetError::Dns(DnsError::NoRecordsFound(none)) = &mut error else { return error };
    let from_child = |record: &Record| record.record_type() == RecordType::SOA && record.name == query.name;
    let authorities = none.authorities.as_deref().unwrap_or_default();
    if query.query_type == RecordType::DS
        && let Some(mut start) = authorities.iter().find(|record| from_child(record)).cloned()
    {
        start.name = query.name.base_name();
        none.authorities = Some(Arc::from([start]));
        none.soa = None;
    }
    error
}

fn is_denial(record: &Record) -> bool {
    let covered = match &record.data {
        RData::DNSSEC(DNSSECRData::RRSIG(signature)) => signature.input().type_covered,
        other => other.record_type(),
    };
    matches!(covered, RecordType::NSEC | RecordType::NSEC3)
}

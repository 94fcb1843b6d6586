//! What is remembered of a request for its line in the log.

use std::net::IpAddr;
use std::sync::Arc;

use avouch_engine::evidence::Persistence;
use avouch_engine::verdict::Verdict;
use avouch_wire::time::Time;
use http::{HeaderValue, Method, StatusCode, Uri};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::AccessLog;
use super::line::Line;
use crate::numbers::Numbers;

/// A request's line, written when this is dropped: at the end of its answer, or when the client
/// went away before.
pub(crate) struct Entry {
    log: Arc<AccessLog>,
    numbers: Arc<Numbers>,
    time: Time,
    begun: Instant,
    pub(crate) id: RequestId,
    pub(crate) peer: IpAddr,
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) host: Option<HeaderValue>,
    pub(crate) verdict: Option<Box<Verdict>>,
    pub(crate) treatment: Treatment,
    pub(crate) problem: Option<&'static str>,
    /// The request's place among all, held as long as this.
    pub(crate) place: Option<OwnedSemaphorePermit>,
    status: Option<StatusCode>,
    bytes: u64,
    complete: bool,
}

/// What was decided, as the log names it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Treatment {
    /// The action, `unavailable`, or `-` before a decision.
    pub(crate) decision: &'static str,
    /// The rule that decided.
    pub(crate) rule: Option<Arc<str>>,
    /// The version of the policy it stands in.
    pub(crate) policy: Option<Arc<str>>,
}

/// Names a request in log, headers and answers: 16 hexadecimal digits that differ from start to
/// start, then 16 that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestId(pub(crate) u64, pub(crate) u64);

impl std::fmt::Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}{:016x}", self.0, self.1)
    }
}

impl Entry {
    pub(crate) fn begin<B>(
        log: Arc<AccessLog>,
        numbers: Arc<Numbers>,
        id: RequestId,
        (time, begun): (Time, Instant),
        peer: IpAddr,
        request: &http::Request<B>,
    ) -> Box<Self> {
        Box::new(Self {
            log,
            numbers,
            time,
            begun,
            id,
            peer,
            method: request.method().clone(),
            uri: request.uri().clone(),
            host: request.headers().get(http::header::HOST).cloned(),
            verdict: None,
            treatment: Treatment::default(),
            problem: None,
            place: None,
            status: None,
            bytes: 0,
            complete: true,
        })
    }

    /// The answer begins with this status.
    pub(crate) fn answered(&mut self, status: StatusCode) {
        self.status = Some(status);
    }

    /// So many octets of the answer's body left.
    pub(crate) fn sent(&mut self, octets: usize) {
        self.bytes += octets as u64;
    }

    /// The answer's body ended too early.
    pub(crate) fn broke_off(&mut self) {
        self.complete = false;
    }

    fn line(&self) -> String {
        let mut line = Line::new();
        line.shown("time", self.time);
        line.shown("request_id", self.id);
        line.shown("peer", self.peer);
        line.text("method", self.method.as_str());
        line.maybe("authority", self.authority());
        line.text("path", self.uri.path_and_query().map_or("", |path| path.as_str()));
        match self.status {
            Some(status) => line.plain("status", status.as_u16()),
            None => line.plain("status", "null"),
        }
        line.plain("bytes", self.bytes);
        line.plain("duration_us", self.begun.elapsed().as_micros());
        if !self.complete {
            line.plain("complete", false);
        }
        if let Some(verdict) = &self.verdict {
            write_verdict(&mut line, verdict);
        }
        line.text("decision", self.treatment.decision);
        line.maybe("rule", self.treatment.rule.as_deref());
        line.maybe("policy", self.treatment.policy.as_deref());
        if let Some(problem) = self.problem {
            line.text("problem", problem);
        }
        line.end()
    }

    fn authority(&self) -> Option<&str> {
        let named = self.uri.authority().map(http::uri::Authority::as_str);
        named.or_else(|| self.host.as_ref().and_then(|host| host.to_str().ok()))
    }
}

fn write_verdict(line: &mut Line, verdict: &Verdict) {
    line.plain("class", verdict.class().number());
    line.text("standing", verdict.standing().name());
    line.maybe("identity", verdict.identity());
    line.maybe("instance", verdict.identity().and_then(|identity| identity.instance.as_ref()));
    line.maybe("claimed", verdict.claimed());
    line.text("mechanism", verdict.mechanism().name());
    if let Some(pseudonym) = verdict.pseudonym() {
        line.shown("pseudonym", pseudonym);
    }
    if let Some(cause) = verdict.cause() {
        let cause = match cause {
            Persistence::Temporary => "temporary",
            Persistence::Permanent => "permanent",
        };
        line.text("cause", cause);
    }
    if let Some(dnssec) = verdict.dnssec() {
        line.text("dnssec", dnssec.name());
    }
    line.list("reasons", verdict.reasons().iter().map(|reason| reason.code()));
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.numbers.finished(
            self.verdict.as_deref(),
            self.treatment.decision,
            self.status,
            self.begun.elapsed(),
        );
        if self.log.is_on() {
            self.log.write(self.line().as_bytes());
        }
    }
}

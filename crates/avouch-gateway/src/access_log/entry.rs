//! What is remembered of a request for its line in the log.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use avouch_engine::decision::{Action, Decision, Outcome};
use avouch_engine::reason::Reason;
use avouch_engine::verdict::{Class, Standing, Verdict};
use avouch_reports::Reports;
use avouch_wire::authority::Scheme;
use avouch_wire::time::Time;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::AccessLog;
use super::line::Line;
use crate::audit::Audit;
use crate::config::Prefixes;
use crate::numbers::Numbers;
use crate::recent::{Recent, Remembered};
use crate::traces::{Span, Trace};
use crate::trust::Peer;

/// Where what became of a request is noted.
pub(crate) struct Books {
    pub(crate) log: Arc<AccessLog>,
    pub(crate) numbers: Arc<Numbers>,
    pub(crate) reports: Option<Arc<Reports>>,
    pub(crate) recent: Option<Arc<Recent>>,
    pub(crate) audit: Option<Arc<Audit>>,
}

/// A request's line, written when this is dropped: at the end of its answer, or when the client
/// went away before.
pub(crate) struct Entry {
    books: Books,
    pub(super) time: Time,
    begun: Instant,
    pub(crate) id: RequestId,
    pub(crate) peer: IpAddr,
    scheme: Scheme,
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) host: Option<HeaderValue>,
    pub(crate) agent: Option<HeaderValue>,
    pub(crate) verdict: Option<Box<Verdict>>,
    decision: Option<Decision>,
    /// The version of the policy that decided.
    policy: Option<Arc<str>>,
    pub(crate) problem: Option<&'static str>,
    /// Set when the content that streamed by was not what was signed.
    pub(crate) mismatch: Option<Arc<AtomicBool>>,
    /// Its place in a trace, where requests are traced.
    pub(crate) trace: Option<Box<Trace>>,
    /// The request's place among all, held as long as this.
    pub(crate) place: Option<OwnedSemaphorePermit>,
    pub(super) status: Option<StatusCode>,
    bytes: u64,
    complete: bool,
}

/// Names a request in log, headers and answers: 16 hexadecimal digits that differ from start to
/// start, then 16 that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestId(pub(crate) u64, pub(crate) u64);

impl RequestId {
    /// As it is written everywhere.
    pub(crate) fn digits(self) -> [u8; 32] {
        let mut digits = [0; 32];
        let octets = [self.0.to_be_bytes(), self.1.to_be_bytes()];
        for (two, octet) in digits.chunks_exact_mut(2).zip(octets.as_flattened()) {
            let digit = |value: u8| if value < 10 { b'0' + value } else { b'a' - 10 + value };
            two.copy_from_slice(&[digit(octet >> 4), digit(octet & 0xf)]);
        }
        digits
    }
}

impl std::fmt::Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(std::str::from_utf8(&self.digits()).map_err(|_| std::fmt::Error)?)
    }
}

/// What a line is begun with.
#[derive(Clone, Copy)]
pub(crate) struct Head<'h> {
    pub(crate) method: &'h Method,
    pub(crate) uri: &'h Uri,
    pub(crate) headers: &'h HeaderMap,
}

impl<'h, B> From<&'h http::Request<B>> for Head<'h> {
    fn from(request: &'h http::Request<B>) -> Self {
        Self { method: request.method(), uri: request.uri(), headers: request.headers() }
    }
}

impl<'h> From<&'h Parts> for Head<'h> {
    fn from(parts: &'h Parts) -> Self {
        Self { method: &parts.method, uri: &parts.uri, headers: &parts.headers }
    }
}

impl Entry {
    pub(crate) fn begin(
        books: Books,
        id: RequestId,
        (time, begun): (Time, Instant),
        peer: &Peer,
        head: Head<'_>,
    ) -> Box<Self> {
        Box::new(Self {
            books,
            time,
            begun,
            id,
            peer: peer.address,
            scheme: peer.scheme,
            method: head.method.clone(),
            uri: head.uri.clone(),
            host: head.headers.get(http::header::HOST).cloned(),
            agent: head.headers.get(http::header::USER_AGENT).cloned(),
            verdict: None,
            decision: None,
            policy: None,
            problem: None,
            mismatch: None,
            trace: None,
            place: None,
            status: None,
            bytes: 0,
            complete: true,
        })
    }

    /// It was judged and decided so.
    pub(crate) fn decided(
        &mut self,
        verdict: Box<Verdict>,
        decision: Decision,
        policy: &Arc<str>,
    ) -> &Decision {
        self.verdict = Some(verdict);
        self.policy = Some(Arc::clone(policy));
        self.decision.insert(decision)
    }

    /// It was judged from then until now; look-ups took their part of it.
    pub(crate) fn was_judged(&mut self, begun: Instant, looked_up: Option<Span>) {
        if let Some(trace) = &mut self.trace {
            (trace.judged, trace.looked_up) = (Some((begun, Instant::now())), looked_up);
        }
    }

    /// It was with the upstream from then until now.
    pub(crate) fn was_sent(&mut self, begun: Instant) {
        if let Some(trace) = &mut self.trace {
            trace.sent = Some((begun, Instant::now()));
        }
    }

    /// The class that the upstream is told: that of the verdict, or 0 where a fault of ours kept the claim from being
    /// accepted and it was decided upon as if it had claimed nothing.
    pub(crate) fn class(&self) -> Option<Class> {
        let class = self.verdict.as_ref()?.class();
        Some(if self.treated_as().is_some() { Class::Anonymous } else { class })
    }

    /// The standing that it was decided upon by, where that is not the verdict's.
    pub(crate) fn treated_as(&self) -> Option<&'static str> {
        let is_excused = self.decision.as_ref().is_some_and(|decision| decision.as_anonymous);
        is_excused.then(|| Standing::Anonymous.name())
    }

    /// The least sequence number that is accepted next of who sent it, where requests are counted.
    pub(crate) fn next_sequence(&self) -> Option<u64> {
        self.verdict.as_ref()?.next_sequence()
    }

    /// Whether the upstream will be told something that rests on signed content.
    pub(crate) fn holds_to_content(&self) -> bool {
        self.class().is_some_and(|class| class != Class::Unverifiable)
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

    /// The line of a log that keeps so much of addresses; one that is not of requests alone says what it is of.
    fn line(&self, took: Duration, addresses: Prefixes, event: Option<&str>) -> Vec<u8> {
        let mut line = Line::new();
        line.shown("time", self.time);
        if let Some(event) = event {
            line.text("event", event);
        }
        line.shown("request_id", self.id);
        line.shown("peer", addresses.of(self.peer));
        line.text("method", self.method.as_str());
        line.maybe("authority", self.authority());
        line.text("path", self.uri.path_and_query().map_or("", |path| path.as_str()));
        match &self.agent {
            Some(agent) => line.text("user_agent", &String::from_utf8_lossy(agent.as_bytes())),
            None => line.null("user_agent"),
        }
        match self.status {
            Some(status) => line.plain("status", status.as_u16()),
            None => line.null("status"),
        }
        line.plain("bytes", self.bytes);
        line.plain("duration_us", u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        if !self.complete {
            line.plain("complete", false);
        }
        if let Some(verdict) = &self.verdict {
            line.json("verdict", &verdict.document());
        }
        if let Some(standing) = self.treated_as() {
            line.text("treated_as", standing);
        }
        line.maybe("decision", self.action().map(Action::as_str));
        line.maybe("rule", self.decision.as_ref().and_then(|decision| decision.rule.as_deref()));
        line.maybe("policy", self.policy.as_deref());
        if let Some(Outcome::Permit(permit)) = self.decision.as_ref().map(|decision| &decision.outcome) {
            line.plain("audit", permit.is_audited());
            line.plain("carried_out", permit.withheld().is_none());
        }
        if let Some(problem) = self.problem {
            line.text("problem", problem);
        }
        line.end()
    }

    /// What is remembered when it has ended; verdict and decision go with it.
    fn remembered(&mut self, mut line: Vec<u8>) -> Remembered {
        line.pop();
        Remembered {
            id: self.id.to_string(),
            time: self.time,
            address: self.peer,
            shown: self.books.log.addresses().of(self.peer).to_string(),
            scheme: self.scheme,
            verdict: self.verdict.take(),
            decision: self.decision.take(),
            line: line.into_boxed_slice(),
        }
    }

    /// What the upstream is told of the decision; `-` for nothing.
    pub(crate) fn told(&self) -> &'static str {
        match self.decision.as_ref().map(|decision| &decision.outcome) {
            Some(Outcome::Permit(permit)) => permit.told().map_or("-", Action::as_str),
            Some(Outcome::Refuse(refusal)) => refusal.action().as_str(),
            None => "-",
        }
    }

    /// What was decided, where it came to that.
    pub(crate) const fn decision(&self) -> Option<&Decision> {
        self.decision.as_ref()
    }

    /// The version of the policy that decided.
    pub(crate) fn policy(&self) -> Option<&str> {
        self.policy.as_deref()
    }

    fn action(&self) -> Option<Action> {
        self.decision.as_ref().map(|decision| decision.action)
    }

    /// The site that is asked for, as the client names it.
    pub(crate) fn authority(&self) -> Option<&str> {
        let named = self.uri.authority().map(http::uri::Authority::as_str);
        named.or_else(|| self.host.as_ref().and_then(|host| host.to_str().ok()))
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if self.mismatch.as_ref().is_some_and(|mismatch| mismatch.load(Ordering::Relaxed)) {
            self.problem = Some(Reason::BodyMismatch.code());
            self.verdict = self.verdict.take().map(|verdict| Box::new(verdict.with_body_mismatch()));
        }
        let took = self.begun.elapsed();
        let Books { log, numbers, reports, audit, recent } = &self.books;
        numbers.finished(self.verdict.as_deref(), self.action(), self.problem, self.status, took);
        if !self.complete {
            numbers.broken.increment(1);
        }
        if let Some(verdict) = self.verdict.as_deref().filter(|_| self.treated_as().is_some()) {
            numbers.excused(verdict);
        }
        if let Some((reports, verdict)) = reports.as_ref().zip(self.verdict.as_deref()) {
            reports.count(verdict, self.peer);
        }
        if let Some(trace) = self.trace.take().filter(|trace| trace.is_sampled()) {
            trace.end(self.time, self.begun, self.traced(log.addresses()));
        }
        if let Some(audit) = audit {
            let line = |event: &str| self.line(took, audit.addresses(), Some(event));
            if let Some(record) = self.audited(line, audit.addresses()) {
                audit.note(record);
            }
        }
        if !log.is_on() && recent.is_none() {
            return;
        }
        let line = self.line(took, log.addresses(), None);
        log.write(&line);
        if let Some(recent) = recent.clone() {
            recent.keep(self.verdict.as_ref().map(|verdict| verdict.class()), self.remembered(line));
        }
    }
}

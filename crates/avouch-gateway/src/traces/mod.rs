//! Traces of requests by OTLP, for some requests: the request, its judgement with the look-ups in it, the upstream.
//!
//! The trace a request belongs to is taken from `traceparent` of those whose word is taken, and else begins here, by
//! the name of the request; the upstream is told. A request never waits for the collector.

mod document;
mod exporter;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use avouch_wire::time::Time;
use avouch_wire::trace_context::TraceParent;
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;

use crate::access_log::RequestId;
use crate::config::{Follow, Traces as Settings};
use crate::trust::{Peer, Through};

pub(crate) use document::Facts;
pub(crate) use exporter::{Exporter, Figures};

const PARENT: HeaderName = HeaderName::from_static("traceparent");
const STATE: HeaderName = HeaderName::from_static("tracestate");

/// Decides which requests are traced, and hands on what was found.
pub(crate) struct Traces {
    one_in: u64,
    follow: Follow,
    begun: AtomicU64,
    pub(crate) exporter: Exporter,
}

/// A request's place in its trace, and when what happened to it.
pub(crate) struct Trace {
    traces: Arc<Traces>,
    trace: u128,
    /// The span that the request came by.
    parent: Option<u64>,
    spans: Spans,
    sampled: bool,
    /// Judgement, the look-ups in it, and the exchange with the upstream until the head of its answer.
    pub(crate) judged: Option<Span>,
    pub(crate) looked_up: Option<Span>,
    pub(crate) sent: Option<Span>,
}

/// From when to when.
pub(crate) type Span = (Instant, Instant);

/// The names of a request's spans, none of which is zero.
#[derive(Clone, Copy, Debug)]
struct Spans {
    request: u64,
    judge: u64,
    lookups: u64,
    upstream: u64,
}

impl Spans {
    /// Names that differ from request to request, and from start to start.
    fn of(id: RequestId) -> Self {
        let name = |at: u64| scattered(id.0 ^ scattered(id.1.wrapping_mul(4).wrapping_add(at))).max(1);
        Self { request: name(0), judge: name(1), lookups: name(2), upstream: name(3) }
    }
}

impl Traces {
    pub(crate) fn new(settings: &Settings, exporter: Exporter) -> Self {
        Self { one_in: settings.one_in, follow: settings.follow, begun: AtomicU64::new(0), exporter }
    }

    /// The place of a request in a trace: the one it names, where that is believed, else a new one.
    pub(crate) fn begin(self: &Arc<Self>, id: RequestId, peer: &Peer, headers: &HeaderMap) -> Trace {
        let believed = self.follow == Follow::Anyone || peer.through == Through::TrustedProxy;
        let named = if believed { named(headers) } else { None };
        let trace = named.map_or_else(|| new_trace(id), |named| named.trace());
        let sampled = named.map_or_else(
            || self.begun.fetch_add(1, Ordering::Relaxed).is_multiple_of(self.one_in),
            |named| named.sampled,
        );
        Trace {
            traces: Arc::clone(self),
            trace,
            parent: named.map(|named| named.span()),
            spans: Spans::of(id),
            sampled,
            judged: None,
            looked_up: None,
            sent: None,
        }
    }
}

impl Trace {
    /// Tells the upstream which trace its part belongs to. What others of a trace that is not followed said goes no
    /// further.
    pub(crate) fn tell(&self, headers: &mut HeaderMap) {
        if self.parent.is_none() {
            headers.remove(STATE);
        }
        let value = TraceParent::new(self.trace, self.spans.upstream, self.sampled)
            .and_then(|parent| HeaderValue::try_from(parent.to_string()).ok());
        match value {
            Some(value) => _ = headers.insert(PARENT, value),
            None => _ = headers.remove(PARENT),
        }
    }

    /// Whether it is recorded.
    pub(crate) const fn is_sampled(&self) -> bool {
        self.sampled
    }

    /// Hands on what was found of a request that began then and there.
    pub(crate) fn end(self, time: Time, begun: Instant, facts: Facts) {
        let traces = Arc::clone(&self.traces);
        traces.exporter.push(document::spans(&self, (time, begun), facts));
    }
}

/// The trace that a request names, once.
fn named(headers: &HeaderMap) -> Option<TraceParent> {
    let mut values = headers.get_all(PARENT).iter();
    let value = values.next().filter(|_| values.next().is_none())?;
    TraceParent::parse(value.as_bytes())
}

/// A trace by the name of the request it begins with, so that either leads to the other.
fn new_trace(id: RequestId) -> u128 {
    (u128::from(id.0) << 64 | u128::from(id.1)).max(1)
}

/// Spreads numbers that follow each other over all of 64 bits (SplitMix64).
const fn scattered(number: u64) -> u64 {
    let z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

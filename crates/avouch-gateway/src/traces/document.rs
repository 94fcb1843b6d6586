//! Spans in the JSON of OTLP (opentelemetry-proto 1.3, `trace/v1/trace.proto`; numbers of 64 bits are text, names of
//! traces and spans hexadecimal).

use std::time::Duration;

use avouch_wire::time::Time;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Span, Trace};

/// Octets of a text that is sent; a longer one is cut.
const LONGEST: usize = 256;

/// The kinds of spans that there are here.
const INTERNAL: u8 = 1;
const SERVER: u8 = 2;
const CLIENT: u8 = 3;

/// The status of a span that failed.
const ERROR: u8 = 2;

/// What is told of a request: names of OpenTelemetry's conventions for HTTP, and ours.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) texts: Vec<(&'static str, String)>,
    /// Of the answer; none where the client went away before.
    pub(crate) status: Option<u16>,
}

/// One span.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    trace_id: String,
    span_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<String>,
    name: &'static str,
    kind: u8,
    start_time_unix_nano: String,
    end_time_unix_nano: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attributes: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Value>,
}

/// The spans of a request that has ended now.
pub(super) fn spans(trace: &Trace, (time, begun): (Time, Instant), facts: Facts) -> Vec<Document> {
    let names = &trace.spans;
    let start = Duration::from_millis(time.millis());
    let nanos = |at: Instant| (start + at.saturating_duration_since(begun)).as_nanos().to_string();
    let span = |name, kind, id: u64, parent: Option<u64>, (from, to): Span| Document {
        trace_id: format!("{:032x}", trace.trace),
        span_id: format!("{id:016x}"),
        parent_span_id: parent.map(|parent| format!("{parent:016x}")),
        name,
        kind,
        start_time_unix_nano: nanos(from),
        end_time_unix_nano: nanos(to),
        attributes: Vec::new(),
        status: None,
    };
    let mut request = span("request", SERVER, names.request, trace.parent, (begun, Instant::now()));
    request.attributes = facts.texts.iter().map(|(name, value)| text(name, value)).collect();
    if let Some(status) = facts.status {
        let number = json!({ "intValue": status.to_string() });
        request.attributes.push(json!({ "key": "http.response.status_code", "value": number }));
    }
    request.status = facts.status.is_none_or(|status| status >= 500).then(|| json!({ "code": ERROR }));
    let parts = [
        ("judge", INTERNAL, names.judge, names.request, trace.judged),
        ("lookups", INTERNAL, names.lookups, names.judge, trace.looked_up),
        ("upstream", CLIENT, names.upstream, names.request, trace.sent),
    ];
    let parts = parts
        .into_iter()
        .filter_map(|(name, kind, id, parent, times)| Some(span(name, kind, id, Some(parent), times?)));
    std::iter::once(request).chain(parts).collect()
}

/// What is posted to a collector.
pub(super) fn request(spans: &[Document]) -> Vec<u8> {
    let version = env!("CARGO_PKG_VERSION");
    let resource = [text("service.name", "avouch"), text("service.version", version)];
    let scope = json!({ "name": "avouch", "version": version });
    let document = json!({ "resourceSpans": [{
        "resource": { "attributes": resource },
        "scopeSpans": [{ "scope": scope, "spans": spans }],
    }] });
    document.to_string().into_bytes()
}

fn text(name: &str, value: &str) -> Value {
    let value = value.split_at(value.floor_char_boundary(LONGEST)).0;
    json!({ "key": name, "value": { "stringValue": value } })
}

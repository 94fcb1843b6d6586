//! Traces: which a request belongs to, what the upstream is told, and what a collector gets.

use std::sync::Arc;
use std::time::Duration;

use avouch_gateway::Running;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use testkit::raw::{Raw, exchange};
use testkit::upstream::Upstream;

use super::gateway_with_zone;
use super::operating::get;
use super::verdicts::Agent;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// A site whose traces go to a collector.
struct Site {
    upstream: Upstream,
    collector: Upstream,
    running: Running,
    agent: Agent,
}

impl Site {
    async fn start(traces: &str, more: &str) -> Self {
        let (upstream, collector) = (Upstream::start().await.unwrap(), Upstream::start().await.unwrap());
        let agent = Agent::new();
        let lines = format!(
            "admin.listen = '127.0.0.1:0'\nauthorities = ['www.shop.example']\n{more}\n[traces]\ncollector = '{}'\n{traces}",
            collector.url()
        );
        let running = gateway_with_zone(&upstream, &lines, &agent.record).await;
        Self { upstream, collector, running, agent }
    }

    /// Sends a request that anybody may send, with these fields.
    async fn send(&self, fields: &str) {
        let request = format!("GET /page?secret HTTP/1.1\r\nHost: www.shop.example\r\n{fields}\r\n");
        exchange(self.running.addresses[0], request).await.unwrap().unwrap();
    }

    /// The trace, span and flags that the upstream was told last, and the trace state.
    fn told(&self) -> (String, String, String, Option<String>) {
        let last = self.upstream.received().pop().unwrap();
        let parent = last.field("traceparent").unwrap().to_owned();
        let parts: Vec<_> = parent.split('-').map(str::to_owned).collect();
        assert_eq!((parts.len(), parts[0].as_str()), (4, "00"));
        (parts[1].clone(), parts[2].clone(), parts[3].clone(), last.field("tracestate").map(str::to_owned))
    }

    /// Ends the gateway; gives what the collector got, as OpenTelemetry's own types read it.
    async fn spans(self) -> Vec<Span> {
        self.running.stop().await;
        let posts = self.collector.received();
        let mut spans = Vec::new();
        for post in posts {
            assert_eq!(post.line(), "POST /v1/traces HTTP/1.1");
            assert_eq!(post.field("content-type"), Some("application/json"));
            let read: ExportTraceServiceRequest = serde_json::from_slice(&post.body).unwrap();
            for resource in read.resource_spans {
                let name = &resource.resource.as_ref().unwrap().attributes[0];
                assert_eq!((name.key.as_str(), text(name.value.clone())), ("service.name", "avouch".into()));
                spans.extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
            }
        }
        spans
    }
}

fn text(value: Option<opentelemetry_proto::tonic::common::v1::AnyValue>) -> String {
    match value.unwrap().value.unwrap() {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        other => panic!("{other:?}"),
    }
}

fn attribute(span: &Span, key: &str) -> Option<String> {
    span.attributes.iter().find(|one| one.key == key).map(|one| text(one.value.clone()))
}

fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn named<'s>(spans: &'s [Span], name: &str) -> &'s Span {
    spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("no {name} in {spans:?}"))
}

#[tokio::test]
async fn a_signed_request_is_a_trace_of_judgement_look_ups_and_upstream() {
    let site = Site::start("one_in = 1", "").await;
    exchange(site.running.addresses[0], site.agent.request("/page?secret", None, b"")).await.unwrap();
    let (trace, told, flags, _) = site.told();
    let id = site.upstream.received()[0].field("avouch-request-id").unwrap().to_owned();
    assert_eq!(
        (trace.as_str(), flags.as_str()),
        (id.as_str(), "01"),
        "it begins here, by the request's name"
    );
    let spans = site.spans().await;
    assert_eq!(spans.len(), 4);
    let (request, judge) = (named(&spans, "request"), named(&spans, "judge"));
    let (lookups, upstream) = (named(&spans, "lookups"), named(&spans, "upstream"));
    assert!(spans.iter().all(|span| hexadecimal(&span.trace_id) == trace && span.span_id.len() == 8));
    assert_eq!(hexadecimal(&upstream.span_id), told, "the upstream's part hangs on the exchange with it");
    assert!(request.parent_span_id.is_empty());
    assert!([judge, upstream].iter().all(|span| span.parent_span_id == request.span_id));
    assert_eq!(lookups.parent_span_id, judge.span_id);
    assert_eq!([request, judge, lookups, upstream].map(|span| span.kind), [2, 1, 1, 3]);
    for (outer, inner) in [(request, judge), (judge, lookups), (request, upstream)] {
        assert!(outer.start_time_unix_nano <= inner.start_time_unix_nano);
        assert!(inner.start_time_unix_nano <= inner.end_time_unix_nano);
        assert!(inner.end_time_unix_nano <= outer.end_time_unix_nano);
    }
    for (key, value) in [
        ("http.request.method", "GET"),
        ("url.path", "/page"),
        ("server.address", "www.shop.example"),
        ("client.address", "127.0.0.1"),
        ("http.response.status_code", "200"),
        ("avouch.class", "3"),
        ("avouch.standing", "verified"),
        ("avouch.identity", "bot@acme.example"),
        ("avouch.mechanism", "saip-rolling"),
        ("avouch.decision", "accept"),
        ("avouch.rule", "model/verified"),
        ("avouch.request_id", &id),
    ] {
        assert_eq!(attribute(request, key).as_deref(), Some(value), "{key}");
    }
    assert!(!format!("{spans:?}").contains("secret"), "queries hold what is nobody's business");
}

#[tokio::test]
async fn a_trusted_proxys_trace_is_continued_and_a_strangers_is_not() {
    let parent = format!("Traceparent: 00-{TRACE}-{PARENT}-01\r\nTracestate: a=b\r\n");
    let site = Site::start("one_in = 1000", "trusted_proxies = '127.0.0.1'").await;
    site.send("").await;
    site.send(&format!("X-Forwarded-For: 192.0.2.7\r\n{parent}")).await;
    let (trace, span, flags, state) = site.told();
    assert_eq!((trace.as_str(), flags.as_str(), state.as_deref()), (TRACE, "01", Some("a=b")));
    assert_ne!(span, PARENT);
    site.send(&format!("X-Forwarded-For: 192.0.2.7\r\n{}", parent.replace("-01\r", "-00\r"))).await;
    assert_eq!(site.told().2, "00", "what the proxy does not record is not recorded here");
    let twice = format!("X-Forwarded-For: 192.0.2.7\r\n{parent}{parent}");
    for (from, fields) in [("127.0.0.1", twice), ("127.0.0.2", parent)] {
        let mut client = Raw::connect_from(from.parse().unwrap(), site.running.addresses[0]).await.unwrap();
        client.send(format!("GET / HTTP/1.1\r\nHost: www.shop.example\r\n{fields}\r\n")).await.unwrap();
        client.answer().await.unwrap().unwrap();
        let (trace, _, flags, state) = site.told();
        assert_ne!(trace, TRACE);
        assert_eq!((flags.as_str(), state), ("00", None), "one in a thousand, and this is not it");
    }
    let spans = site.spans().await;
    let request = spans.iter().find(|span| hexadecimal(&span.trace_id) == TRACE && span.kind == 2).unwrap();
    assert_eq!(hexadecimal(&request.parent_span_id), PARENT);
    assert_eq!(spans.iter().filter(|span| span.name == "request").count(), 2, "the first, and the proxy's");
}

#[tokio::test]
async fn where_anyone_is_followed_everybodys_trace_is_continued() {
    let site = Site::start("one_in = 1000\nfollow = 'anyone'", "").await;
    site.send(&format!("Traceparent: 00-{TRACE}-{PARENT}-01\r\n")).await;
    assert_eq!(site.told().0, TRACE);
    site.send(&format!("Traceparent: 00-{}-{PARENT}-01\r\n", TRACE.to_uppercase())).await;
    assert_ne!(site.told().0, TRACE, "that is none");
    site.running.stop().await;
}

#[tokio::test]
async fn without_traces_the_field_is_left_alone() {
    let upstream = Upstream::start().await.unwrap();
    let running = super::gateway(&upstream, "").await;
    let request = "GET / HTTP/1.1\r\nHost: a.example\r\nTraceparent: whatever\r\n\r\n";
    exchange(running.addresses[0], request).await.unwrap();
    assert_eq!(upstream.received()[0].field("traceparent"), Some("whatever"));
    running.stop().await;
}

/// The number of spans with an outcome.
async fn count(running: &Running, outcome: &str) -> u64 {
    let text = get(running.admin.unwrap(), "/metrics").await.text();
    let series = format!("avouch_trace_spans_total{{outcome=\"{outcome}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(series.as_str())).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_hangs_holds_no_request_up_and_what_it_misses_is_counted() {
    // It takes connections and says nothing.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let upstream = Upstream::start().await.unwrap();
    let lines = format!(
        "admin.listen = '127.0.0.1:0'\n[traces]\none_in = 1\ncollector = 'http://{}'",
        listener.local_addr().unwrap()
    );
    let running = super::gateway(&upstream, &lines).await;
    let mut client = Raw::connect(running.addresses[0]).await.unwrap();
    for _ in 0..3000 {
        client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await.unwrap();
        assert_eq!(client.answer().await.unwrap().unwrap().status(), 200);
    }
    assert!(count(&running, "dropped").await > 0);
    while count(&running, "failed").await == 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(count(&running, "sent").await, 0);
    let stopping = tokio::time::Instant::now();
    running.stop().await;
    assert!(stopping.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_collector_that_refuses_is_counted_and_one_that_takes_is_too() {
    let refusing = Upstream::answering(Arc::new(|_: &testkit::message::Message| {
        b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n".to_vec()
    }));
    for (collector, outcome) in
        [(refusing.await.unwrap(), "failed"), (Upstream::start().await.unwrap(), "sent")]
    {
        let upstream = Upstream::start().await.unwrap();
        let lines =
            format!("admin.listen = '127.0.0.1:0'\n[traces]\none_in = 1\ncollector = '{}'", collector.url());
        let running = super::gateway(&upstream, &lines).await;
        get(running.addresses[0], "/").await;
        while count(&running, outcome).await == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(count(&running, outcome).await, 3, "the request, its judgement and the upstream");
        running.stop().await;
    }
}

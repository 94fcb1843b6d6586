//! Envoy, by its ext_authz filter over gRPC.

use std::fs;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use testkit::process::Process;
use tokio::time::sleep;

use super::grpc_verifier::{self, Asked};
use super::world::{CLIENT, OPEN, Proxy, SITE, World, get, verify};
use super::{outages, targets};

/// Where the page has Envoy write its own log, and where it stands here.
const LOG: (&str, &str) = ("/var/log/envoy/access.log", "envoy.log");

static PROXY: Proxy = Proxy {
    program: "envoy",
    manual: include_str!("../../../../docs/operate/envoy-grpc.md"),
    gateway: 0,
    guard: ("- remove_on_match: { key_matcher: { prefix: avouch } }", "- remove: x-nothing"),
    start: |place| {
        let port = |port: u16| format!("port_value: {port}");
        let here = [
            (
                "address: \"::\", port_value: 443, ipv4_compat: true",
                &*format!("address: {}, {}", place.front.ip(), port(place.front.port())),
            ),
            ("port_value: 8080", &port(place.site.port())),
            ("port_value: 9181", &port(place.verify.port())),
            LOG,
        ];
        place.write("envoy.yaml", &place.block(PROXY.manual, "yaml", 0, &here));
        let mut envoy = Command::new(place.tools.path("envoy"));
        let own = [
            "-c",
            "envoy.yaml",
            "--disable-hot-restart",
            "--concurrency",
            "1",
            "--file-flush-interval-msec",
            "50",
        ];
        Box::new(Process::start(envoy.args(own).current_dir(place.folder)).unwrap())
    },
    status: |status| status,
    clears_by_prefix: true,
    joins: ", ",
    passes_answer: |_| true,
};

behind_every_proxy!(PROXY);

#[tokio::test(flavor = "multi_thread")]
async fn without_an_answer_nothing_gets_through() {
    outages::nothing_gets_through_by(&PROXY, grpc_verifier::failing).await;
}

/// avouch itself says which fields of a client's are to go, so that a page without the line does no harm.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_line_that_removes_them_none_arrives_either() {
    let Some(world) = World::new(&PROXY).await else { return };
    let running = world.gateway().await;
    let front = world.front_with(verify(&running), PROXY.guard).await;
    let request =
        get(OPEN, "Avouch-Class: 3\r\nAvouch_Class: 3\r\nAvouch.Later: 3\r\nX_Forwarded_For: ::1\r\n");
    let answer = world.send(front.address, CLIENT, request).await.unwrap();
    assert_eq!(answer.status(), 200, "{}", answer.head);
    running.stop().await;
    let reached = world.reached().pop().unwrap();
    assert_eq!(reached.fields("avouch-class"), ["0"], "{}", reached.head);
    for name in ["avouch_class", "avouch.later", "x_forwarded_for"] {
        assert!(reached.fields(name).is_empty(), "{name}: {}", reached.head);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_is_judged_as_it_was_sent() {
    let Some(world) = World::new(&PROXY).await else { return };
    let asked = Asked::default();
    let (address, _accepting) = grpc_verifier::remembering(asked.clone()).await;
    let told = || {
        let attributes = asked.last().attributes.unwrap();
        assert_eq!(attributes.tls_session.unwrap().sni, SITE);
        let fields = attributes.request.unwrap().http.unwrap().header_map.unwrap().headers;
        fields.into_iter().map(|field| (field.key.into_bytes(), field.raw_value)).collect()
    };
    targets::every_field_is_told_as_it_was_sent(&world, address, told).await;
}

/// As some who set Envoy up leave it, such as Envoy Gateway.
#[tokio::test(flavor = "multi_thread")]
async fn without_raw_fields_and_tls_a_signature_holds_all_the_same() {
    let Some(world) = World::new(&PROXY).await else { return };
    let running = world.gateway().await;
    let lines = "encode_raw_headers: true\n                      include_tls_session: true";
    let front = world.front_with(verify(&running), (lines, "encode_raw_headers: false")).await;
    let key = ["--key", "file:agent.key", "--dom", "acme.example", "--id", "crawler-7"];
    let signed = world.sign(&[&key[..], &[&format!("https://{SITE}/closed")]].concat());
    for (fields, status) in [(&*signed, 200), (&signed, 403), ("", 401)] {
        let answer = world.send(front.address, CLIENT, get("/closed", fields)).await.unwrap();
        assert_eq!(answer.status(), status, "{}", answer.head);
    }
    running.stop().await;
    assert_eq!(world.log()[0]["verdict"]["class"], 3, "{}", world.log()[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn content_that_is_sent_along_whole_is_held_to_its_digest() {
    let Some(world) = World::new(&PROXY).await else { return };
    let running = world.gateway().await;
    let front = world.front_with(verify(&running), ("# with_request_body", "with_request_body")).await;
    let content = "colour=blue";
    fs::write(world.folder.path().join("content"), content).unwrap();
    let signed = || {
        let key = ["--key", "file:agent.key", "--dom", "acme.example", "--id", "crawler-7"];
        let what = ["--method", "POST", "--body", "content"];
        let url = format!("https://{SITE}/closed");
        world.sign(&[&key[..], &what, &[&url]].concat())
    };
    let post = |content: &str, framing: &str| {
        get("/closed", &format!("{}{framing}", signed())).replacen("GET", "POST", 1) + content
    };
    let length = format!("Content-Length: {}\r\n", content.len());
    let chunked = format!("{:x}\r\n{content}\r\n0\r\n\r\n", content.len());
    let long = "x".repeat(65_536 + 11);
    let requests = [
        (post(content, &length), 200),
        (post("colour=gold", &length), 403),
        // Nothing says that this is all of it.
        (post(&chunked, "Transfer-Encoding: chunked\r\n"), 200),
        (post(&long, &format!("Content-Length: {}\r\n", long.len())), 200),
    ];
    for (request, status) in requests {
        let answer = world.send(front.address, CLIENT, request).await.unwrap();
        assert_eq!(answer.status(), status, "{}", answer.text());
    }
    running.stop().await;
    let log = world.log();
    let seen = |line: &Value| !line["verdict"]["not_checked"].as_array().unwrap().contains(&"body".into());
    assert_eq!(log.iter().map(seen).collect::<Vec<_>>(), [true, true, false, false], "{log:#?}");
    assert_eq!(log[1]["verdict"]["reasons"][0], "body-mismatch", "{}", log[1]);
}

/// Why `Content-Length` is asked: Envoy calls content whole that fills what it may hold, before it knows the end.
#[tokio::test(flavor = "multi_thread")]
async fn envoy_calls_content_whole_that_fills_what_it_may_hold() {
    let Some(world) = World::new(&PROXY).await else { return };
    let asked = Asked::default();
    let (address, _accepting) = grpc_verifier::remembering(asked.clone()).await;
    let line =
        ("# with_request_body: { max_request_bytes: 65536", "with_request_body: { max_request_bytes: 2");
    let front = world.front_with(address, line).await;
    let answered = world.post_by_http2(front.address, ("x-envoy-auth-partial-body", "true"), "x-end").await;
    assert_eq!(answered, Some(200));
    let http = asked.last().attributes.unwrap().request.unwrap().http.unwrap();
    let fields = http.header_map.unwrap().headers;
    let said = fields.iter().filter(|field| field.key == "x-envoy-auth-partial-body");
    let said: Vec<_> = said.map(|field| (field.value.as_str(), &field.raw_value[..])).collect();
    assert_eq!(said, [("", &b"false"[..])], "the client's word is not there");
    assert_eq!(http.raw_body, b"hi");
}

#[tokio::test(flavor = "multi_thread")]
async fn envoys_own_log_says_who_asked() {
    let Some(world) = World::new(&PROXY).await else { return };
    let running = world.gateway().await;
    let front = world.front(verify(&running)).await;
    let key = ["--key", "file:agent.key", "--dom", "acme.example", "--id", "crawler-7"];
    let signed = world.sign(&[&key[..], &[&format!("https://{SITE}/closed")]].concat());
    for fields in [&*signed, ""] {
        world.send(front.address, CLIENT, get("/closed", fields)).await.unwrap();
    }
    let mut text = String::new();
    for _ in 0..100 {
        text = fs::read_to_string(front.folder().join(LOG.1)).unwrap_or_default();
        if text.lines().filter(|line| line.contains("/closed")).count() == 2 {
            break;
        }
        sleep(Duration::from_millis(50)).await;
    }
    running.stop().await;
    let lines: Vec<_> = text.lines().filter(|line| line.contains("/closed")).collect();
    assert_eq!(
        lines,
        [
            "GET /closed 200 class=3 identity=crawler-7@acme.example decision=accept",
            "GET /closed 401 class=0 identity=- decision=challenge"
        ]
    );
}

//! What holds for every proxy, whichever it is.

use std::net::SocketAddr;

use serde_json::{Value, json};
use testkit::message::Message;

use super::cases::{self, Case};
use super::world::{CLIENT, CRAWLER, OPEN, Proxy, SITE, World, get, verify};

/// What avouch tells of a request.
pub(crate) const TOLD: [&str; 7] = [
    "avouch-class",
    "avouch-standing",
    "avouch-identity",
    "avouch-mechanism",
    "avouch-decision",
    "avouch-request-id",
    "avouch-assertion",
];

/// What came of one request.
struct Seen {
    answer: Message,
    reached: Option<Message>,
}

async fn send_all(world: &World, to: SocketAddr, cases: &[Case]) -> Vec<Seen> {
    let mut seen = Vec::new();
    for case in cases {
        let before = world.reached().len();
        let answer = world.send(to, case.from, &case.request).await.unwrap_or_default();
        seen.push(Seen { answer, reached: world.reached().into_iter().nth(before) });
    }
    seen
}

/// What the upstream is told, but for what differs from request to request.
fn told(reached: &Message) -> Vec<Option<String>> {
    let shown = |(name, value): (&str, &str)| match name {
        "avouch-request-id" => value.len().to_string(),
        "avouch-assertion" => value.split('.').count().to_string(),
        _ => value.to_owned(),
    };
    TOLD.iter().map(|name| reached.field(name).map(|value| shown((name, value)))).collect()
}

/// The parts of a line of the log that say who it was and what was decided.
fn judged(line: &Value) -> Value {
    let verdict = &line["verdict"];
    let parts = ["class", "standing", "identity", "claimed", "mechanism", "reasons"];
    json!([
        parts.map(|name| &verdict[name]),
        line["decision"],
        line["rule"],
        line["method"],
        line["path"],
        line["authority"],
        line["peer"]
    ])
}

/// Every request comes to the same, asked of the gateway itself and through the proxy.
pub(super) async fn same_verdicts(proxy: &'static Proxy) {
    let Some(world) = World::new(proxy).await else { return };
    let running = world.gateway().await;
    let direct = send_all(&world, running.addresses[0], &cases::all(&world)).await;
    running.stop().await;
    let own = world.log();
    let (running, cases) = (world.gateway().await, cases::all(&world));
    let front = world.front(verify(&running)).await;
    let asked = send_all(&world, front.address, &cases).await;
    running.stop().await;
    let lines = world.log().split_off(own.len());
    assert_eq!(lines.len(), own.len());
    for (at, case) in cases.iter().enumerate() {
        let (name, verdict) = (case.name, &own[at]["verdict"]);
        assert_eq!(direct[at].answer.status(), case.status, "{name}: {}", own[at]);
        assert_eq!(verdict["class"], case.class, "{name}: {verdict}");
        assert!(verdict["reasons"].as_array().unwrap().contains(&case.reason.into()), "{name}: {verdict}");
        assert_eq!(judged(&lines[at]), judged(&own[at]), "{name}");
        let status = if case.status == 200 { 200 } else { (proxy.status)(case.status) };
        assert_eq!(asked[at].answer.status(), status, "{name}: {}", asked[at].answer.head);
        assert_eq!(asked[at].reached.is_some(), case.status == 200, "{name}");
        assert_eq!(asked[at].reached.as_ref().map(told), direct[at].reached.as_ref().map(told), "{name}");
        refusal(proxy, case, &direct[at].answer, &asked[at].answer);
    }
}

/// What the client learns from a refusal.
fn refusal(proxy: &Proxy, case: &Case, gateway: &Message, proxied: &Message) {
    if case.status == 401 {
        assert_eq!(proxied.field("www-authenticate"), Some("SAIP"), "{}: {}", case.name, proxied.head);
    }
    if case.status == 200 || !(proxy.passes_answer)(case.status) {
        return;
    }
    for name in ["retry-after", "accept-signature", "content-type", "cache-control"] {
        // How long to wait has become less meanwhile.
        let shown = |answer: &Message| {
            answer.field(name).map(|value| if name == "retry-after" { "" } else { value }.to_owned())
        };
        assert_eq!(shown(proxied), shown(gateway), "{}: {name}: {}", case.name, proxied.head);
    }
    for name in TOLD.iter().filter(|name| **name != "avouch-request-id") {
        assert!(matches!(proxied.fields(name)[..], [] | ["-"]), "{}: {}", case.name, proxied.head);
    }
    let problem = |answer: &Message| {
        let mut document: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        document["request_id"] = Value::Null;
        document
    };
    assert_eq!(problem(proxied), problem(gateway), "{}: {}", case.name, proxied.text());
}

/// Fields by which some proxy, somewhere, says what a request was and who sent it.
fn forged() -> Vec<String> {
    let address = CRAWLER.to_string();
    [
        "X-Original-URI: /closed",
        "X-Original-Url: /closed",
        "X-Forwarded-Uri: /closed",
        "X-Original-URI: /closed\r\nX-Forwarded-Uri: /closed",
        "X-Original-URI: /closed\r\nX-Original-URI: /closed",
        "X-Forwarded-Uri: /closed\r\nX-Forwarded-Uri: /closed",
        "X_Forwarded_Uri: /closed",
        "X-Original-Method: PUT",
        "X-Forwarded-Method: PUT",
        "X-Original-Method: PUT\r\nX-Forwarded-Method: PUT",
        "X-HTTP-Method-Override: PUT",
        "X-Forwarded-Host: other.example",
        "X-Forwarded-Host: other.example\r\nX-Forwarded-Host: other.example",
        "X-Original-Host: other.example",
        "X-Forwarded-Proto: http",
        "X-Forwarded-Port: 1",
        "X-Envoy-Original-Path: /closed",
        "X-Envoy-Original-Dst-Host: other.example",
        "Connection: X-Forwarded-Uri, X-Original-URI, X-Forwarded-Method, X-Original-Method\r\nX-Forwarded-Uri: /closed",
        "Connection: X-Forwarded-For, X-Forwarded-Host, X-Forwarded-Proto",
    ]
    .into_iter()
    .map(str::to_owned)
    .chain([
        format!("X-Forwarded-For: {address}"),
        format!("X-Forwarded-For: {address}\r\nX-Forwarded-For: {address}"),
        format!("X-Forwarded-For: {address}, 127.0.0.1"),
        format!("X_Forwarded_For: {address}"),
        format!("Forwarded: for={address};host=other.example;proto=http"),
        format!("X-Real-IP: {address}"),
        format!("X-Envoy-External-Address: {address}"),
        format!("True-Client-IP: {address}"),
    ])
    .collect()
}

/// What a client says in the words of any proxy changes neither what is judged nor who it is.
pub(super) async fn clients_words_count_for_nothing(proxy: &'static Proxy) {
    let Some(world) = World::new(proxy).await else { return };
    let running = world.gateway().await;
    let front = world.front(verify(&running)).await;
    let forged = forged();
    let mut sent = 0;
    for fields in &forged {
        let request = get(OPEN, &format!("User-Agent: Googlebot\r\n{fields}\r\n"));
        let answer = world.send(front.address, CLIENT, request).await.unwrap_or_default();
        sent += usize::from(answer.status() == 200);
        assert!(matches!(answer.status(), 200 | 400 | 403), "{fields}: {}", answer.head);
    }
    // Had one of them been believed, the crawler would have been confirmed, or /closed refused.
    let reached = world.reached();
    assert_eq!(reached.len(), sent);
    for one in &reached {
        assert_eq!(one.field("avouch-class"), Some("1"), "{}", one.head);
        assert!(one.line().starts_with("GET /open HTTP/1."), "{}", one.head);
    }
    running.stop().await;
    for line in world.log().iter().filter(|line| line["status"].as_u64() < Some(300)) {
        let asked = [&line["method"], &line["path"], &line["authority"], &line["peer"]];
        assert_eq!(json!(asked), json!(["GET", OPEN, SITE, CLIENT.to_string()]), "{line}");
        assert_eq!(line["verdict"]["reasons"][0], "crawler-not-confirmed", "{line}");
    }
    assert!(sent > forged.len() / 2, "{sent} of {} were let through to be looked at", forged.len());
}

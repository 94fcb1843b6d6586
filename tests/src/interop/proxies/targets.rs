//! Requests whose target, method or host two programs might read differently.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::Value;
use testkit::message::Message;
use testkit::upstream::Upstream;

use super::battery::TOLD;
use super::world::{CLIENT, OPEN, Proxy, SITE, World, get, verify};

/// A request line, and the fields that name the site.
const HEADS: [(&str, &str); 28] = [
    ("GET /open HTTP/1.1", "Host: www.shop.example"),
    ("GET https://www.shop.example/open HTTP/1.1", "Host: www.shop.example"),
    ("GET https://other.example/open HTTP/1.1", "Host: www.shop.example"),
    (
        "GET http://other.example/closed HTTP/1.1",
        "Host: www.shop.example\r\nX-Forwarded-Host: www.shop.example",
    ),
    ("GET https://www.shop.example/open HTTP/1.1", "Host: other.example"),
    ("GET /open HTTP/1.1", "Host: WWW.SHOP.EXAMPLE"),
    ("GET /open HTTP/1.1", "Host: www.shop.example:443"),
    ("GET /open HTTP/1.1", "Host: www.shop.example\r\nHost: other.example"),
    ("GET /open HTTP/1.1", "Host: other.example\r\nHost: www.shop.example"),
    ("GET /open HTTP/1.1", "Host: www.shop.example, other.example"),
    ("GET /open HTTP/1.1", "X-Host: www.shop.example"),
    ("GET /open HTTP/1.0", "Host: www.shop.example"),
    ("GET //open HTTP/1.1", "Host: www.shop.example"),
    ("GET /./open HTTP/1.1", "Host: www.shop.example"),
    ("GET /open/../closed HTTP/1.1", "Host: www.shop.example"),
    ("GET /open/%2e%2e/closed HTTP/1.1", "Host: www.shop.example"),
    ("GET /open%2f..%2fclosed HTTP/1.1", "Host: www.shop.example"),
    ("GET /%6fpen HTTP/1.1", "Host: www.shop.example"),
    ("GET /open?a=/../closed&b=%2F HTTP/1.1", "Host: www.shop.example"),
    ("GET /open? HTTP/1.1", "Host: www.shop.example"),
    ("GET /open#/closed HTTP/1.1", "Host: www.shop.example"),
    ("GET /open;/closed HTTP/1.1", "Host: www.shop.example"),
    ("GET /open\\closed HTTP/1.1", "Host: www.shop.example"),
    ("GET /open%00 HTTP/1.1", "Host: www.shop.example"),
    ("GET /open /closed HTTP/1.1", "Host: www.shop.example"),
    ("get /open HTTP/1.1", "Host: www.shop.example"),
    ("PURGE /open HTTP/1.1", "Host: www.shop.example"),
    ("OPTIONS * HTTP/1.1", "Host: www.shop.example"),
];

/// Fields that a claim may be in, or a signature may cover: names, and values line by line.
pub(super) const FIELDS: [(&str, &[&str]); 8] = [
    ("saip", &["v=1"]),
    ("signature-input", &["sig1=(\"x-any\");created=1", "sig2=(\"@method\");created=2"]),
    ("signature", &["sig1=:AA==:", "sig2=:AQ==:"]),
    ("x-any", &["1", "2", "3", "", "4"]),
    ("content-digest", &["sha-256=:AA==:"]),
    ("authorization", &["PrivateToken token=\"AA\""]),
    ("user-agent", &["a (b; c) d"]),
    ("accept", &["*/*;q=0.1"]),
];

/// What reaches the site is what was judged, octet by octet.
pub(super) async fn what_is_forwarded_was_judged(proxy: &'static Proxy) {
    let Some(world) = World::new(proxy).await else { return };
    let running = world.gateway().await;
    let front = world.front(verify(&running)).await;
    for (line, host) in HEADS {
        let request = format!("{line}\r\n{host}\r\nConnection: close\r\n\r\n");
        let _ = world.send(front.address, CLIENT, request).await;
    }
    for host in [SITE, "other.example", "www.shop.example:443"] {
        let _ = world.post_by_http2(front.address, ("host", host), "").await;
    }
    running.stop().await;
    let log: BTreeMap<String, Value> =
        world.log().into_iter().map(|line| (text(&line["request_id"]), line)).collect();
    let reached = world.reached();
    for message in &reached {
        let judged = &log[message.field("avouch-request-id").expect("it was judged")];
        let mut line = message.line().split(' ');
        assert_eq!(line.next(), judged["method"].as_str(), "{}", message.head);
        assert_eq!(line.next(), judged["path"].as_str(), "{}", message.head);
        assert_eq!(message.field("host"), judged["authority"].as_str(), "{}", message.head);
    }
    let plain = reached.iter().filter(|message| message.line().starts_with("GET /open HTTP"));
    assert!(plain.count() >= 4, "the ordinary ones get through at {SITE}");
}

/// What avouch is asked about has every field of the client's, in the order it was sent.
pub(super) async fn fields_are_judged_as_they_were_sent(proxy: &'static Proxy) {
    let Some(world) = World::new(proxy).await else { return };
    let told = TOLD.map(|name| format!("{name}: -\r\n")).concat();
    let yes = format!("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n{told}\r\n");
    let verifier = Upstream::answering(Arc::new(move |_: &Message| yes.clone().into_bytes())).await.unwrap();
    let front = world.front(verifier.address).await;
    let answer = world.send(front.address, CLIENT, get(OPEN, &lines())).await.unwrap();
    assert_eq!(answer.status(), 200, "{}", answer.head);
    let asked = verifier.received().pop().unwrap();
    for (name, values) in FIELDS {
        assert_eq!(asked.fields(name).join(", "), values.join(proxy.joins), "{name}: {}", asked.head);
    }
    assert_eq!(asked.body, b"");
}

/// The same where a verifier is told of fields octet by octet, line by line; `told` gives what it was last told.
pub(super) async fn every_field_is_told_as_it_was_sent(
    world: &World,
    verifier: SocketAddr,
    told: impl FnOnce() -> Vec<(Vec<u8>, Vec<u8>)>,
) {
    let front = world.front(verifier).await;
    let mut request = get(OPEN, &lines()).into_bytes();
    // Not UTF-8, as fields may be.
    request.splice(request.len() - 2.., *b"x-octets: \xe9\xff\r\n\r\n");
    let answer = world.send(front.address, CLIENT, request).await.unwrap();
    assert_eq!(answer.status(), 200, "{}", answer.head);
    let fields = told();
    let said = |name: &str| -> Vec<&[u8]> {
        fields.iter().filter(|(said, _)| said == name.as_bytes()).map(|(_, value)| &value[..]).collect()
    };
    for (name, values) in FIELDS {
        let values: Vec<_> = values.iter().map(|value| value.as_bytes()).collect();
        assert_eq!(said(name), values, "{name}");
    }
    assert_eq!(said("x-octets"), [b"\xe9\xff"]);
}

/// The fields as a request has them.
fn lines() -> String {
    let lines = FIELDS
        .iter()
        .flat_map(|(name, values)| values.iter().map(move |value| format!("{name}: {value}\r\n")));
    lines.collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

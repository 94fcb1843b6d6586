//! `POST /v1/judge`: what is asked and answered.

use std::net::SocketAddr;

use avouch_engine::decision::Action;
use avouch_gateway::Running;
use avouch_gateway::config::Endpoint;
use serde_json::{Value, json};
use testkit::message::Message;
use testkit::raw::{Raw, exchange};
use testkit::upstream::Upstream;

use super::gateway_with_zone;
use super::verdicts::Agent;

const LINES: &str = "verify.listen = '127.0.0.1:0'\ntrusted_proxies = '127.0.0.1'\nmode = 'enforce'\nauthorities = 'www.shop.example'\n\
                     [[route]]\npath = '/members'\nrequire = 3";

/// A gateway that can be asked, and where.
pub(crate) async fn gateway(records: &str) -> (Running, SocketAddr) {
    let upstream = Upstream::start().await.unwrap();
    let running = gateway_with_zone(&upstream, LINES, records).await;
    let address = running.verify.as_ref().and_then(Endpoint::tcp).unwrap();
    (running, address)
}

fn post(kind: &str, text: &str) -> String {
    let head = format!("POST /v1/judge HTTP/1.1\r\nHost: avouch\r\nContent-Type: {kind}\r\n");
    format!("{head}Content-Length: {}\r\n\r\n{text}", text.len())
}

async fn ask(address: SocketAddr, question: &Value) -> Message {
    exchange(address, post("application/json", &question.to_string())).await.unwrap().unwrap()
}

fn json(answer: &Message) -> Value {
    serde_json::from_slice(&answer.body).unwrap()
}

fn question(target: &str, more: &[[&str; 2]]) -> Value {
    let headers = [&[["Host", "www.shop.example"], ["Avouch-Class", "3"]], more].concat();
    json!({ "method": "GET", "scheme": "http", "target": target, "headers": headers, "address": "203.0.113.9" })
}

/// The SAIP field of a request that an agent signed.
fn saip(request: &[u8]) -> String {
    let head = std::str::from_utf8(request).unwrap();
    head.split("\r\n").find_map(|line| line.strip_prefix("SAIP: ")).unwrap().to_owned()
}

#[tokio::test]
async fn whoever_asks_gets_what_to_tell_the_site_or_what_to_answer() {
    let agent = Agent::new();
    let (running, address) = gateway(&agent.record).await;

    let anonymous = json(&ask(address, &question("/", &[])).await);
    assert_eq!((&anonymous["refusal"], &anonymous["decision"]["action"]), (&Value::Null, &json!("accept")));
    let told = &anonymous["permit"]["headers"];
    assert_eq!(told.as_object().unwrap().len(), 7, "every field, whatever is known: {told}");
    assert_eq!((&told["avouch-class"], &told["avouch-identity"]), (&json!("0"), &json!("-")));
    assert_eq!(told["avouch-request-id"], anonymous["request_id"]);

    let refused = json(&ask(address, &question("/members", &[])).await);
    let refusal = &refused["refusal"];
    assert_eq!((&refused["permit"], &refusal["status"]), (&Value::Null, &json!(401)));
    assert!(
        refusal["headers"].as_array().unwrap().contains(&json!(["www-authenticate", "SAIP"])),
        "{refusal}"
    );
    let problem: Value = serde_json::from_str(refusal["body"].as_str().unwrap()).unwrap();
    assert_eq!((&problem["reason"], &problem["status"]), (&json!("class-required"), &json!(401)));

    let signed = saip(&agent.request("/members", None, b""));
    let asked = question("/members", &[["SAIP", &signed]]);
    let proved = json(&ask(address, &asked).await);
    assert_eq!(proved["permit"]["headers"]["avouch-identity"], "bot@acme.example", "{proved}");
    assert_eq!(proved["verdict"]["class"], 3);
    let again = json(&ask(address, &asked).await);
    assert_eq!((&again["permit"], &again["verdict"]["reasons"][0]), (&Value::Null, &json!("replayed")));
    running.stop().await;
}

#[tokio::test]
async fn a_request_that_nobody_can_read_is_refused_and_not_judged() {
    let (running, address) = gateway("").await;
    let two_hosts = json(&ask(address, &question("/", &[["Host", "other.example"]])).await);
    assert_eq!((&two_hosts["verdict"], &two_hosts["refusal"]["status"]), (&Value::Null, &json!(400)));
    let long = format!("/{}", "a".repeat(32 * 1024));
    assert_eq!(json(&ask(address, &question(&long, &[])).await)["refusal"]["status"], 414);
    let fields: Vec<_> = (0..20).map(|n| [format!("x-{n}"), "a".repeat(4 * 1024)]).collect();
    let mut wide = question("/", &[]);
    wide["headers"].as_array_mut().unwrap().extend(fields.iter().map(|field| json!(field)));
    assert_eq!(json(&ask(address, &wide).await)["refusal"]["status"], 431, "80 KiB in all");
    wide["headers"].as_array_mut().unwrap().truncate(17);
    assert!(json(&ask(address, &wide).await)["refusal"].is_null(), "less than 64 KiB");
    let connect =
        json!({ "method": "CONNECT", "scheme": "http", "target": "www.shop.example:443", "headers": [] });
    assert_eq!(json(&ask(address, &connect).await)["refusal"]["status"], 405);
    running.stop().await;
}

#[tokio::test]
async fn a_question_that_is_none_is_answered_with_what_is_wrong() {
    let (running, address) = gateway("").await;
    let good = question("/", &[]).to_string();
    let cases = [
        (post("text/plain", &good), 415, "application/json"),
        (
            post("application/json", &good).replacen("\r\n", "\r\nOrigin: http://rebound.example\r\n", 1),
            403,
            "browsers are not answered",
        ),
        (post("application/json", "{"), 400, "EOF while parsing an object at line 1 column 1"),
        (
            post(
                "application/json",
                r#"["GET","http","/",null,[["Host","www.shop.example"]],null,null,"none"]"#,
            ),
            400,
            "expected an object",
        ),
        (
            post("application/json", &good.replacen('{', "{\"method\":\"PUT\",", 1)),
            400,
            "duplicate field `method`",
        ),
        (post("application/json", &good.replace("\"/\"", "\"/\\ud800\"")), 400, "hex escape"),
        (post("application/json", &good.replace("scheme", "schema")), 400, "unknown field `schema`"),
        (post("application/json", &good.replace("203.0.113.9", "0.0.0.0")), 400, "`address`"),
        (post("application/json; charset=utf-8", &good.replace("\"http\"", "\"gopher\"")), 400, "`scheme`"),
        (post("application/json", &format!("{good}{}", " ".repeat(512 * 1024))), 413, "524288 octets"),
    ];
    for (sent, status, detail) in cases {
        let answer = exchange(address, sent).await.unwrap().unwrap();
        assert_eq!(
            (answer.status(), answer.field("content-type")),
            (status, Some("application/problem+json"))
        );
        let problem = json(&answer);
        assert!(problem["detail"].as_str().unwrap().contains(detail), "{problem}");
        assert_eq!(problem["status"], status);
    }
    let mut stranger = Raw::connect_from("127.0.0.2".parse().unwrap(), address).await.unwrap();
    stranger.send(post("application/json", &good)).await.unwrap();
    let refused = stranger.answer().await.unwrap().unwrap();
    assert_eq!(refused.status(), 403);
    assert!(refused.text().contains("trusted_proxies"), "{}", refused.text());
    let got = exchange(address, "GET /v1/judge HTTP/1.1\r\nHost: avouch\r\n\r\n").await.unwrap().unwrap();
    assert_eq!((got.status(), got.field("allow")), (405, Some("POST")));
    running.stop().await;
}

/// The schema by this name, resolved.
fn schema<'a>(document: &'a Value, name: &str) -> &'a Value {
    let found = &document["components"]["schemas"][name];
    assert!(found.is_object(), "{name} is described");
    found
}

#[tokio::test]
async fn every_member_of_question_and_answer_is_described_for_programs() {
    let (running, address) = gateway("").await;
    let text =
        exchange(address, "GET /v1/openapi.json HTTP/1.1\r\nHost: avouch\r\n\r\n").await.unwrap().unwrap();
    let document = json(&text);
    assert_eq!(document["openapi"], "3.1.0");
    for always in [
        "Answer",
        "VerdictDocument",
        "DecisionDocument",
        "IdentityDocument",
        "KeyTierDocument",
        "RefusalDocument",
    ] {
        let described = schema(&document, always);
        let required = described["required"].as_array().map_or(0, Vec::len);
        assert_eq!(
            required,
            described["properties"].as_object().unwrap().len(),
            "{always}: every member is there"
        );
    }
    let members = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let described = |name: &str| members(&schema(&document, name)["properties"]);
    let answer = json(&ask(address, &question("/", &[])).await);
    assert_eq!(described("Answer"), members(&answer));
    assert_eq!(described("VerdictDocument"), members(&answer["verdict"]));
    assert_eq!(described("DecisionDocument"), members(&answer["decision"]));
    let action =
        schema(&document, "DecisionDocument")["properties"]["action"]["description"].as_str().unwrap();
    let actions = Action::WORDS.iter().map(|(word, _)| *word).chain([Action::Unavailable.as_str()]);
    let mut named: Vec<_> = action.split('`').skip(1).step_by(2).collect();
    named.sort_unstable();
    let mut actions: Vec<_> = actions.collect();
    actions.sort_unstable();
    assert_eq!(named, actions, "{action}");
    assert_eq!(described("PermitDocument"), members(&answer["permit"]));
    let refused = json(&ask(address, &question("/members", &[])).await);
    assert_eq!(described("RefusalDocument"), members(&refused["refusal"]));
    let fault = json(&ask(address, &json!({})).await);
    assert_eq!(described("Fault"), members(&fault));
    assert_eq!(
        described("Question"),
        ["address", "authority", "content", "headers", "method", "scheme", "target", "tls"]
    );
    running.stop().await;
}

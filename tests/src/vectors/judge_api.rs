//! Each vector put as a question to `POST /v1/judge`, as a server in another language would.

use super::{compare, difference, gateway, written};
use avouch_gateway::Gateway;
use avouch_gateway::config::Endpoint;
use serde_json::{Value, json};
use std::net::SocketAddr;
use testkit::message::Message;
use testkit::raw::exchange;
use testkit::upstream::Upstream;
use testkit::vector::{Case, Expect, Vector};

#[tokio::test]
async fn every_vector_is_judged_as_it_says_for_whoever_asks() {
    let mut differences = Vec::new();
    let upstream = Upstream::start().await.unwrap();
    for case in Vector::all().iter().flat_map(Vector::cases) {
        let folder = tempfile::tempdir().unwrap();
        let own = "verify.listen = '127.0.0.1:0'\n";
        let config = gateway::config(case, (&upstream, own, "['127.0.0.1']"), folder.path());
        let running = Gateway::start(config, gateway::surroundings(case)).await.unwrap();
        let address = running.verify.as_ref().and_then(Endpoint::tcp).unwrap();
        let came = ask(address, case).await;
        running.stop().await;
        differences.extend(difference(&case.name, &case.expect, &came));
    }
    compare(&differences);
    assert!(upstream.received().is_empty(), "whoever asks forwards, not the gateway");
}

/// The verdict, or that there is none: the question describes no request, or one that nobody can read.
async fn ask(address: SocketAddr, case: &Case) -> Expect {
    let Some(question) = question(case) else { return Expect::Refused };
    let answer = post(address, &question.to_string()).await;
    if answer.status() == 400 {
        return Expect::Refused;
    }
    assert_eq!(answer.status(), 200, "{}: {}", case.name, answer.text());
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_ne!(answer["permit"].is_null(), answer["refusal"].is_null(), "{answer}");
    written(&answer["verdict"], &answer["decision"]["action"])
}

async fn post(address: SocketAddr, text: &str) -> Message {
    let head = "POST /v1/judge HTTP/1.1\r\nHost: avouch\r\nContent-Type: application/json\r\n";
    exchange(address, format!("{head}Content-Length: {}\r\n\r\n{text}", text.len())).await.unwrap().unwrap()
}

/// The message in JSON, as a server's own parser would hand it on: a character for each octet. `None` where it has no
/// target.
fn question(case: &Case) -> Option<Value> {
    let end = case.message.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let (head, content) = case.message.split_at(end);
    let head: String = head.iter().copied().map(char::from).collect();
    let mut lines = head.split("\r\n");
    let mut words = lines.next()?.splitn(3, ' ');
    let (method, target) = (words.next()?, words.next()?);
    let fields: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| [name, value.trim_matches([' ', '\t'])])
        .collect();
    let content = content.get(4..).unwrap_or_default();
    let content = if content.is_empty() { json!("none") } else { read(content) };
    let address = (!case.unlisted_proxy).then_some(case.peer);
    let seen = case.sni.is_some() || !case.certificate_names.is_empty();
    let tls = seen.then(|| json!({ "server_name": case.sni, "certificate_names": case.certificate_names }));
    Some(
        json!({ "method": method, "scheme": "https", "target": target, "headers": fields, "address": address, "content": content, "tls": tls }),
    )
}

fn read(content: &[u8]) -> Value {
    let digests = avouch_wire::content::ContentDigests::of(content);
    let b64u = |octets: &[u8]| avouch_wire::b64u::encode(octets);
    json!({ "read": { "sha256": b64u(&digests.sha256.0), "sha512": digests.sha512.map(|octets| b64u(&octets)) } })
}

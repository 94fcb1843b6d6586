//! What is said at every edge of a request whose claim a fault of ours kept from being accepted.

use avouch_gateway::config::Endpoint;
use avouch_keys::saip::Mode;
use avouch_wire::b64u;
use serde_json::{Value, json};
use testkit::raw::exchange;

use super::super::crash::now;
use super::super::world::{Agent, Ask, SITE};
use super::{PATIENCE, Site, came};

/// Where what the store could not accept is taken for silence, and the site is told with a signature.
const TOLD: &str = "/told";

#[tokio::test]
async fn every_edge_says_the_same_of_what_was_taken_for_silence() {
    let (bot, folder) = (Agent::new("bot", "acme.example"), tempfile::tempdir().unwrap());
    let log = folder.path().join("access.log");
    // A start without a mark: whatever was signed until now may have been accepted before.
    let lines = format!(
        "store.fresh = false\nverify.listen = '127.0.0.1:0'\ntrusted_proxies = '127.0.0.1'\nlog.access = '{}'\n\
         [[route]]\npath = '{TOLD}'\nmode = 'enforce'\non_fault = 'anonymous'\nassertion = true",
        log.display()
    );
    let site = Site::knowing(&bot.record(), &lines).await;
    let signed = || bot.request(Ask::get(TOLD).at(now()).by(Mode::Direct));

    let answer = exchange(site.running.addresses[0], signed()).await.unwrap().unwrap();
    assert_eq!(came(&answer), "200 0 undetermined - accept");
    let told = site.upstream.received().pop().unwrap();
    assert_eq!(told.field("avouch-mechanism"), Some("-"));
    let assertion = told.field("avouch-assertion").unwrap().split('.').nth(1).unwrap();
    let asserted: Value = serde_json::from_slice(&b64u::decode_vec(assertion).unwrap()).unwrap();
    assert_eq!(
        (&asserted["class"], &asserted["standing"]),
        (&json!(0), &json!("undetermined")),
        "{asserted}"
    );
    assert!(asserted["identity"].is_null(), "{asserted}");

    let header = bot.header(Ask::get(TOLD).at(now()).by(Mode::Direct));
    let question = json!({ "method": "GET", "scheme": "http", "target": TOLD, "address": "203.0.113.9",
        "headers": [["Host", SITE], ["SAIP", header]] })
    .to_string();
    let asked = site.running.verify.as_ref().and_then(Endpoint::tcp).unwrap();
    let post = format!(
        "POST /v1/judge HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{question}",
        question.len()
    );
    let judged: Value = serde_json::from_slice(&exchange(asked, post).await.unwrap().unwrap().body).unwrap();
    let verdict = &judged["verdict"];
    assert_eq!((&verdict["class"], &verdict["standing"]), (&json!(1), &json!("undetermined")), "{judged}");
    assert_eq!(judged["decision"]["treated_as"], "anonymous", "{judged}");
    assert_eq!(judged["permit"]["headers"]["avouch-class"], "0", "{judged}");

    let written = async {
        loop {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            if text.lines().count() == 2 && text.ends_with('\n') {
                return text;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    let text = tokio::time::timeout(PATIENCE, written).await.expect("two lines");
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(
            (&line["verdict"]["class"], &line["treated_as"]),
            (&json!(1), &json!("anonymous")),
            "{line}"
        );
        assert_eq!(
            (&line["decision"], &line["rule"]),
            (&json!("accept"), &json!("model/anonymous")),
            "{line}"
        );
    }
    assert_eq!(site.undetermined("replay-start-rule", "anonymous").await, 2.0);
}

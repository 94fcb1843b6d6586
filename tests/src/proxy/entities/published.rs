//! What the site publishes for registration entities, and what an operator sees of them.

use super::*;
use avouch_gateway::config::Endpoint;

async fn get(address: std::net::SocketAddr, method: &str, path: &str, host: &str) -> Message {
    let mut raw = testkit::raw::Raw::connect(address).await.unwrap();
    raw.send(format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")).await.unwrap();
    let answer = if method == "HEAD" { raw.answer_to_head().await } else { raw.answer().await };
    answer.unwrap().unwrap()
}

#[tokio::test]
async fn the_key_of_the_verifier_stands_at_its_own_names_and_nowhere_else() {
    let world = World::new().await;
    let running = world.start(world.config("", &world.tables())).await;
    let site = running.addresses[0];
    let own = get(site, "GET", VERIFIER_PATH, SITE).await;
    assert_eq!((own.status(), own.field("content-type")), (200, Some("application/json")));
    assert_eq!(VerifierDocument::read(&own.body).unwrap().keys.len(), 1);
    let head = get(site, "HEAD", VERIFIER_PATH, SITE).await;
    assert_eq!((head.status(), head.field("content-type")), (200, Some("application/json")));
    assert_eq!(world.upstream.received().len(), 0, "no upstream need know of it");
    for (method, path, host) in [
        ("GET", VERIFIER_PATH, "www.rival.example"),
        ("POST", VERIFIER_PATH, SITE),
        ("GET", "/.well-known/avouch/verifier.json?a", SITE),
        ("GET", "/.well-known/avouch/Verifier.json", SITE),
        ("GET", "/.well-known/avouch/verifier.json/", SITE),
    ] {
        let before = world.upstream.received().len();
        assert_ne!(get(site, method, path, host).await.body, own.body, "{method} {path} of {host}");
        assert_eq!(world.upstream.received().len(), before + 1, "{method} {path} of {host}");
    }
    assert_eq!(get(running.admin.unwrap(), "GET", VERIFIER_PATH, "localhost").await.body, own.body);
    running.stop().await;
    let without = world.start(world.config("", "")).await;
    assert_eq!(get(without.addresses[0], "GET", VERIFIER_PATH, SITE).await.field("saip-next-seq"), None);
    assert_eq!(get(without.admin.unwrap(), "GET", VERIFIER_PATH, "localhost").await.status(), 404);
    without.stop().await;
}

#[tokio::test]
async fn a_proxy_that_asks_finds_the_key_and_what_to_tell_the_agent() {
    let world = World::new().await;
    let lines = "verify.listen = '127.0.0.1:0'\ntrusted_proxies = '127.0.0.1'";
    let running = world.start(world.config(lines, &world.tables())).await;
    let verify = running.verify.as_ref().and_then(Endpoint::tcp).unwrap();
    let document = get(verify, "GET", VERIFIER_PATH, "auth").await;
    world.entity.trusts(VerifierDocument::read(&document.body).unwrap());
    let ask = async |sequence| {
        let saip = world.signed(sequence);
        let question = format!(
            "GET /verify HTTP/1.1\r\nHost: auth\r\nX-Original-Method: GET\r\nX-Original-URI: /a?b\r\n\
             X-Forwarded-Host: {SITE}\r\nX-Forwarded-For: 203.0.113.9\r\nSAIP: {saip}\r\n\r\n"
        );
        exchange(verify, question).await.unwrap().unwrap()
    };
    let answer = ask(5).await;
    assert_eq!((answer.field("avouch-class"), answer.field("saip-next-seq")), (Some("3"), Some("6")));
    let again = ask(5).await;
    let fields = ["avouch-reason", "saip-next-seq"].map(|name| again.field(name));
    assert_eq!((again.status(), fields), (403, [Some("sequence-behind"), None]));
    running.stop().await;
}

#[tokio::test]
async fn a_server_that_asks_in_json_is_told_what_to_answer() {
    let world = World::new().await;
    let lines = "verify.listen = '127.0.0.1:0'\ntrusted_proxies = '127.0.0.1'";
    let running = world.start(world.config(lines, &world.tables())).await;
    world.introduce(&running).await;
    let verify = running.verify.as_ref().and_then(Endpoint::tcp).unwrap();
    let body = serde_json::json!({
        "method": "GET", "target": "/a?b", "scheme": "http", "address": "203.0.113.9",
        "headers": [["host", SITE], ["saip", world.signed(5)]],
    });
    let body = body.to_string();
    let question = format!(
        "POST /v1/judge HTTP/1.1\r\nHost: avouch\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = exchange(verify, question).await.unwrap().unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(answer["permit"]["answer_headers"], serde_json::json!({ "saip-next-seq": "6" }), "{answer}");
    running.stop().await;
}

#[tokio::test]
async fn a_server_in_rust_publishes_the_key_and_tells_its_agents_itself() {
    let world = World::new().await;
    let config = world.config("", &world.tables());
    let avouch = avouch_tower::Avouch::start_in(config, world.surroundings()).await.unwrap();
    let connection = |_: &http::Extensions| Some("203.0.113.9:1".parse().unwrap());
    let own = || async { ([("saip-next-seq", "99")], "site") };
    let router = axum::Router::new().fallback(axum::routing::get(own)).layer(avouch.layer(connection));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let document = get(address, "GET", VERIFIER_PATH, SITE).await;
    world.entity.trusts(VerifierDocument::read(&document.body).unwrap());
    let ask = async |sequence| {
        let saip = world.signed(sequence);
        let request = format!("GET /a?b HTTP/1.1\r\nHost: {SITE}\r\nSAIP: {saip}\r\n\r\n");
        exchange(address, request).await.unwrap().unwrap()
    };
    let answer = ask(5).await;
    assert_eq!((answer.text(), answer.fields("saip-next-seq")), ("site".to_owned(), vec!["6"]));
    let again = ask(5).await;
    assert_eq!((again.status(), again.fields("saip-next-seq").len()), (403, 0));
    assert_eq!(get(address, "GET", "/", SITE).await.fields("saip-next-seq").len(), 0);
    avouch.stop().await;
}

#[tokio::test]
async fn figures_show_whether_revocations_are_heard_of() {
    let world = World::new().await;
    let running = world.gateway().await;
    assert_eq!(world.comes(&running, &world.signed(1)).await, verified(2));
    world.entity.raise("acme.example", "crawler-7", 1 << 32);
    let shows = async |line: &str| {
        for _ in 0..500 {
            let text = get(running.admin.unwrap(), "GET", "/metrics", "localhost").await.text();
            if text.lines().any(|told| told == line) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        false
    };
    for line in [
        "avouch_entity_listening{entity=\"re.example\"} 1",
        "avouch_entity_agents{entity=\"re.example\"} 1",
        "avouch_entity_questions_total{entity=\"re.example\",outcome=\"answered\"} 1",
        "avouch_entity_events_total{entity=\"re.example\",kind=\"floor\"} 1",
    ] {
        assert!(shows(line).await, "{line}");
    }
    assert_eq!(world.comes(&running, &world.signed(2)).await.2, "sequence-behind", "it begins elsewhere now");
    assert_eq!(world.comes(&running, &world.signed((1 << 32) + 1)).await, verified((1 << 32) + 2));
    world.entity.is_deaf(true);
    world.entity.cut();
    assert!(shows("avouch_entity_listening{entity=\"re.example\"} 0").await);
    running.stop().await;
}

#[tokio::test]
async fn a_check_tells_what_keeps_entities_from_being_asked() {
    let world = World::new().await;
    assert!(Gateway::check(world.config("", &world.tables())).is_ok());
    for (from, to, told) in [
        ("verifier.key", "none.key", "[entities]: "),
        ("roots.pem", "none.pem", "none.pem"),
        ("[[reg", "passphrase_file = '/none/words'\n[[reg", "/none/words"),
    ] {
        let tables = world.tables().replacen(from, to, 1);
        let problems = Gateway::check(world.config("", &tables)).unwrap_err().to_string();
        assert!(problems.contains(told), "{problems}");
    }
}

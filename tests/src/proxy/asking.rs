//! The listener where proxies and servers ask: strangers get no further there than at the site's.

use std::net::SocketAddr;
use std::time::Duration;

use avouch_gateway::Running;
use avouch_gateway::config::Endpoint;
use testkit::raw::Raw;
use testkit::upstream::Upstream;

use super::gateway;

const STRANGER: [u8; 4] = [127, 0, 0, 2];

const HEAD: &str = "POST /v1/judge HTTP/1.1\r\nHost: avouch\r\nContent-Type: application/json\r\nContent-Length: 524288\r\n\r\n";

async fn listener(limits: &str) -> (Running, SocketAddr, Upstream) {
    let upstream = Upstream::start().await.unwrap();
    let lines =
        format!("verify.listen = '127.0.0.1:0'\ntrusted_proxies = '127.0.0.1'\nlimits = {{ {limits} }}");
    let running = gateway(&upstream, &lines).await;
    let address = running.verify.as_ref().and_then(Endpoint::tcp).unwrap();
    (running, address, upstream)
}

async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), what).await.expect("in time")
}

#[tokio::test]
async fn nothing_is_read_of_a_strangers_question() {
    let (running, address, _upstream) = listener("").await;
    let mut stranger = Raw::connect_from(STRANGER.into(), address).await.unwrap();
    stranger.send(HEAD).await.unwrap();
    let refused = in_time(stranger.answer()).await.unwrap().unwrap();
    assert_eq!(refused.status(), 403, "the answer does not wait for the content");
    running.stop().await;
}

#[tokio::test]
async fn who_is_slow_to_ask_is_let_go() {
    let (running, address, _upstream) = listener("head_time = '200ms'").await;
    let mut asks = Raw::connect(address).await.unwrap();
    asks.send(format!("{HEAD}{{")).await.unwrap();
    assert_eq!(in_time(asks.answer()).await.unwrap().unwrap().status(), 408);

    let mut stranger = Raw::connect_from(STRANGER.into(), address).await.unwrap();
    stranger.send("GET /verify HTTP/1.1\r\nHost:").await.unwrap();
    let answer = in_time(stranger.answer()).await.unwrap();
    assert!(answer.is_none_or(|answer| answer.status() == 408));

    // A proxy's connection stays open meanwhile, for its next question.
    let mut proxy = Raw::connect(address).await.unwrap();
    for _ in 0..2 {
        proxy.send("GET /v1/openapi.json HTTP/1.1\r\nHost: avouch\r\n\r\n").await.unwrap();
        assert_eq!(in_time(proxy.answer()).await.unwrap().unwrap().status(), 200);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    running.stop().await;
}

/// What is beyond the limits of a site is refused by name; what is far beyond is not even kept.
#[tokio::test]
async fn a_head_may_be_as_long_as_at_the_site() {
    let (running, address, _upstream) = listener("head_fields = 200, head_size = '64KiB'").await;
    let head = "GET /verify HTTP/1.1\r\nHost: auth\r\nX-Original-Method: GET\r\nX-Original-URI: /\r\n\
                X-Forwarded-Host: www.shop.example\r\nX-Forwarded-For: 203.0.113.9\r\n";
    let ask = async |fields: usize, length: usize| {
        let fields: String = (0..fields).map(|n| format!("x-{n}: {}\r\n", "a".repeat(length))).collect();
        let mut proxy = Raw::connect(address).await.unwrap();
        let _ = proxy.send(format!("{head}{fields}\r\n")).await;
        let answer = in_time(proxy.answer()).await.ok().flatten()?;
        Some((answer.status(), answer.field("avouch-class").is_some()))
    };
    assert_eq!(ask(190, 8).await, Some((204, true)));
    assert_eq!(ask(210, 8).await, Some((403, true)), "more fields than there may be");
    assert_eq!(ask(15, 4 << 10).await, Some((204, true)));
    assert_eq!(ask(17, 4 << 10).await, Some((403, true)), "more octets than there may be");
    assert!(ask(90, 4 << 10).await.is_none_or(|answer| answer == (431, false)));
    running.stop().await;
}

#[tokio::test]
async fn a_stranger_cannot_take_every_connection_that_proxies_ask_by() {
    let (running, address, _upstream) = listener("connections_per_source = 2").await;
    let ask = "GET /v1/openapi.json HTTP/1.1\r\nHost: avouch\r\n\r\n";
    let mut open = Vec::new();
    for allowed in [true, true, false] {
        let mut stranger = Raw::connect_from(STRANGER.into(), address).await.unwrap();
        let _ = stranger.send(ask).await;
        let answered = in_time(stranger.answer()).await.is_ok_and(|answer| answer.is_some());
        assert_eq!(answered, allowed);
        open.push(stranger);
    }
    for _ in 0..3 {
        let mut proxy = Raw::connect(address).await.unwrap();
        proxy.send(ask).await.unwrap();
        assert!(in_time(proxy.answer()).await.unwrap().is_some(), "a proxy is not counted");
        open.push(proxy);
    }
    running.stop().await;
}

#[tokio::test]
async fn a_question_under_way_is_answered_before_the_end() {
    let (running, address, _upstream) = listener("").await;
    let question = r#"{"method":"GET","scheme":"http","target":"/","headers":[["Host","a.example"]]}"#;
    let head = HEAD.replace("524288", &question.len().to_string());
    let _silent = Raw::connect(address).await.unwrap();
    let mut idle = Raw::connect(address).await.unwrap();
    idle.send("GET /v1/openapi.json HTTP/1.1\r\nHost: avouch\r\n\r\n").await.unwrap();
    assert!(in_time(idle.answer()).await.unwrap().is_some());
    let mut asks = Raw::connect(address).await.unwrap();
    asks.send(&head).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let stopping = tokio::spawn(running.stop());
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(Raw::connect(address).await.is_err(), "no more are taken");
    asks.send(question).await.unwrap();
    assert_eq!(in_time(asks.answer()).await.unwrap().unwrap().status(), 200);
    in_time(stopping).await.expect("connections without a question keep nobody waiting");
}

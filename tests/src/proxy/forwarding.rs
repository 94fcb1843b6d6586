//! What passes through, and what does not.

use std::sync::Arc;

use testkit::message::Message;
use testkit::raw::{Raw, exchange};
use testkit::upstream::Upstream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::gateway;

#[tokio::test]
async fn a_request_reaches_the_upstream_with_our_headers_and_its_own() {
    let upstream = Upstream::start().await.unwrap();
    let running = gateway(&upstream, "").await;
    let answer = exchange(
        running.addresses[0],
        "GET /a?b HTTP/1.1\r\nHost: www.shop.example\r\nAvouch-Class: 3\r\nX-Own: 1\r\nX-Forwarded-For: 9.9.9.9\r\n\r\n",
    );
    let answer = answer.await.unwrap().unwrap();
    assert_eq!((answer.status(), answer.text().as_str()), (200, "ok"));
    let received = upstream.wait_for(1).await;
    let request = &received[0];
    assert_eq!(request.line(), "GET /a?b HTTP/1.1");
    assert_eq!(request.field("host"), Some("www.shop.example"));
    assert_eq!(request.field("x-own"), Some("1"));
    assert_eq!(request.field("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(request.field("avouch-identity"), Some("-"));
    for name in ["class", "standing", "mechanism", "decision", "request-id", "assertion"] {
        assert!(request.field(&format!("avouch-{name}")).is_some(), "{name}");
    }
    assert_ne!(request.field("avouch-class"), Some("3"));
    running.stop().await;
}

#[tokio::test]
async fn requests_share_connections_both_sides() {
    let upstream = Upstream::start().await.unwrap();
    let running = gateway(&upstream, "").await;
    let mut client = Raw::connect(running.addresses[0]).await.unwrap();
    for number in 0..5 {
        client.send(format!("GET /{number} HTTP/1.1\r\nHost: a.example\r\n\r\n")).await.unwrap();
        assert_eq!(client.answer().await.unwrap().unwrap().text(), "ok");
    }
    assert_eq!(upstream.received().len(), 5);
    running.stop().await;
}

#[tokio::test]
async fn bodies_stream_both_ways_with_their_framing() {
    let echo = |request: &Message| {
        let mut answer =
            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", request.body.len()).into_bytes();
        answer.extend(&request.body);
        answer
    };
    let upstream = Upstream::answering(Arc::new(echo)).await.unwrap();
    let running = gateway(&upstream, "").await;
    let body = "x".repeat(1 << 20);
    let head = format!("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: {}\r\n\r\n", body.len());
    let answer = exchange(running.addresses[0], head + &body).await.unwrap().unwrap();
    assert_eq!(answer.text(), body);
    let chunked = "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, Avouch-Class\r\n\r\n\
                   3;ext=1\r\nabc\r\n0\r\nX-Sum: 7\r\nAvouch-Class: 3\r\n\r\n";
    assert_eq!(exchange(running.addresses[0], chunked).await.unwrap().unwrap().text(), "abc");
    let received = upstream.wait_for(2).await;
    assert_eq!(received[0].field("content-length"), Some("1048576"));
    assert_eq!(received[1].text(), "abc");
    assert_eq!(received[1].trailers, ["x-sum: 7"]);
    assert!(!String::from_utf8_lossy(&received[1].octets).contains("ext=1"));
    running.stop().await;
}

#[tokio::test]
async fn protocols_are_switched_both_ways() {
    let accept = |request: &Message| match request.field("upgrade") {
        Some(name) => {
            format!("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: {name}\r\n\r\n")
                .into_bytes()
        }
        None => b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec(),
    };
    let upstream = Upstream::answering(Arc::new(accept)).await.unwrap();
    let running = gateway(&upstream, "").await;
    let ask = |name: &str| {
        format!("GET /chat HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: {name}\r\n\r\n")
    };
    let mut client = Raw::connect(running.addresses[0]).await.unwrap();
    client.send(ask("websocket")).await.unwrap();
    let answer = client.answer().await.unwrap().unwrap();
    assert_eq!((answer.status(), answer.field("upgrade")), (101, Some("websocket")));
    let (mut stream, early) = client.into_parts();
    assert_eq!(early, b"");
    stream.write_all(b"hello").await.unwrap();
    let mut back = [0; 5];
    stream.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"hello");
    drop(stream);
    // HTTP inside HTTP would not be judged, so the wish for it is not passed on.
    assert_eq!(exchange(running.addresses[0], ask("h2c")).await.unwrap().unwrap().status(), 200);
    assert_eq!(upstream.wait_for(2).await[1].field("upgrade"), None);
    running.stop().await;
}

#[tokio::test]
async fn an_upstream_that_is_not_there_is_a_502_problem() {
    let upstream = Upstream::start().await.unwrap();
    let running = gateway(&upstream, "").await;
    drop(upstream);
    let answer =
        exchange(running.addresses[0], "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await.unwrap().unwrap();
    assert_eq!((answer.status(), answer.field("content-type")), (502, Some("application/problem+json")));
    assert!(answer.text().contains("\"upstream-unreachable\""), "{}", answer.text());
    running.stop().await;
}

#[tokio::test]
async fn a_closed_idle_upstream_connection_is_replaced() {
    let close = |_: &Message| b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok".to_vec();
    let upstream = Upstream::answering(Arc::new(close)).await.unwrap();
    let running = gateway(&upstream, "").await;
    for _ in 0..3 {
        let answer =
            exchange(running.addresses[0], "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await.unwrap();
        assert_eq!(answer.unwrap().status(), 200);
    }
    running.stop().await;
}

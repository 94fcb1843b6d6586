//! Connections: TLS, PROXY v2, the slow, and more than there is room for.

use std::sync::Arc;
use std::time::Duration;

use avouch_tls::{Connector, Protocol};
use bytes::Bytes;
use http_body_util::Empty;
use hyper_util::rt::{TokioExecutor, TokioIo};
use testkit::certificate::Certificate;
use testkit::message::{Kind, Message, Messages};
use testkit::raw::{Raw, exchange};
use testkit::upstream::{OK, Upstream};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::{gateway, proxy_header};

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: www.shop.example\r\n\r\n";

#[tokio::test]
async fn tls_speaks_http1_and_http2_by_alpn() {
    let folder = tempfile::tempdir().unwrap();
    let made = Certificate::of(&["www.shop.example"]).unwrap();
    std::fs::write(folder.path().join("cert"), &made.certificate).unwrap();
    std::fs::write(folder.path().join("key"), &made.key).unwrap();
    let upstream = Upstream::start().await.unwrap();
    let lines = format!("tls = {{ cert = '{0}/cert', key = '{0}/key' }}", folder.path().display());
    let running = gateway(&upstream, &lines).await;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let connector = Connector::trusting(made.certificate.as_bytes(), &[protocol]).unwrap();
        let stream = TcpStream::connect(running.addresses[0]).await.unwrap();
        let mut secured = connector.connect("www.shop.example", stream).await.unwrap();
        assert_eq!(secured.protocol(), protocol);
        match protocol {
            Protocol::Http1 => {
                secured.write_all(REQUEST.as_bytes()).await.unwrap();
                let answer = Messages::new(secured).next(Kind::Answer).await.unwrap().unwrap();
                assert_eq!(answer.status(), 200);
            }
            Protocol::Http2 => {
                let (mut sender, connection) =
                    hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(secured))
                        .await
                        .unwrap();
                tokio::spawn(connection);
                let request =
                    http::Request::get("https://www.shop.example/").body(Empty::<Bytes>::new()).unwrap();
                assert_eq!(sender.send_request(request).await.unwrap().status(), 200);
            }
        }
    }
    let received = upstream.wait_for(2).await;
    assert!(received.iter().all(|request| request.field("x-forwarded-proto") == Some("https")));
    assert_eq!(
        exchange(running.addresses[0], REQUEST).await.unwrap().unwrap_or_default().status(),
        0,
        "not TLS"
    );
    running.stop().await;
}

#[tokio::test]
async fn a_proxy_header_is_believed_from_trusted_proxies_only() {
    let with_header = [proxy_header([203, 0, 113, 7]), REQUEST.into()].concat();
    let upstream = Upstream::start().await.unwrap();
    let running = gateway(&upstream, "trusted_proxies = '127.0.0.1'").await;
    assert_eq!(exchange(running.addresses[0], &with_header).await.unwrap().unwrap().status(), 200);
    assert_eq!(exchange(running.addresses[0], REQUEST).await.unwrap().unwrap().status(), 200);
    let mut stranger = Raw::connect_from("127.0.0.2".parse().unwrap(), running.addresses[0]).await.unwrap();
    stranger.send(&with_header).await.unwrap();
    assert_eq!(stranger.answer().await.unwrap().unwrap().status(), 400);
    let seen: Vec<_> = upstream
        .received()
        .iter()
        .map(|request| request.field("x-forwarded-for").unwrap().to_owned())
        .collect();
    assert_eq!(seen, ["203.0.113.7", "127.0.0.1"]);
    running.stop().await;
}

#[tokio::test]
async fn the_slow_are_let_go() {
    let upstream = Upstream::answering(Arc::new(|_: &Message| OK.to_vec())).await.unwrap();
    let running =
        gateway(&upstream, "limits = { head_time = '200ms', body_pause = '200ms', upstream_head = '200ms' }")
            .await;
    let mut silent = Raw::connect(running.addresses[0]).await.unwrap();
    assert_eq!(silent.answer().await.unwrap(), None);
    let mut head = Raw::connect(running.addresses[0]).await.unwrap();
    head.send("GET / HTTP/1.1\r\nHost: www.shop").await.unwrap();
    assert!(head.answer().await.unwrap().is_none_or(|answer| answer.status() == 408));
    let mut body = Raw::connect(running.addresses[0]).await.unwrap();
    body.send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 9\r\n\r\nabc").await.unwrap();
    assert_eq!(body.answer().await.unwrap().unwrap().status(), 408);
    running.stop().await;
    assert!(upstream.received().iter().all(|request| !request.complete));
}

#[tokio::test]
async fn an_http2_client_that_opens_no_window_does_not_keep_its_place_at_the_upstream() {
    let upstream = Upstream::start().await.unwrap();
    let lines = "limits = { forwarded = 1, waiting = 1, wait = '10ms', body_pause = '400ms' }";
    let running = gateway(&upstream, lines).await;
    let stream = TcpStream::connect(running.addresses[0]).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(0)
        .handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("http://www.shop.example/").body(Empty::<Bytes>::new()).unwrap();
    let held = sender.send_request(request).await.unwrap();
    assert_eq!(held.status(), 200, "the head comes, the body has no room");
    let ask = || async { exchange(running.addresses[0], REQUEST).await.unwrap().unwrap().status() };
    assert_eq!(ask().await, 503, "its place is taken");
    while ask().await != 200 {}
    drop(held);
    running.stop().await;
}

#[tokio::test]
async fn one_source_cannot_take_every_connection() {
    let upstream = Upstream::start().await.unwrap();
    let lines = "limits = { connections_per_source = 2 }\ntrusted_proxies = '127.0.0.9'";
    let running = gateway(&upstream, lines).await;
    let connect = |last: u8| Raw::connect_from([127, 0, 0, last].into(), running.addresses[0]);
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut connection = connect(2).await.unwrap();
        connection.send(REQUEST).await.unwrap();
        assert_eq!(connection.answer().await.unwrap().unwrap().status(), 200);
        held.push(connection);
    }
    let mut crowded = connect(2).await.unwrap();
    let _ = crowded.send(REQUEST).await;
    assert!(!matches!(crowded.answer().await, Ok(Some(_))), "closed without an answer");
    for other in [3, 9, 9, 9] {
        let mut connection = connect(other).await.unwrap();
        connection.send(REQUEST).await.unwrap();
        assert_eq!(connection.answer().await.unwrap().unwrap().status(), 200, "from 127.0.0.{other}");
        held.push(connection);
    }
    drop(held);
    // Until the gateway has seen that they are gone, the source has none to give.
    loop {
        let mut again = connect(2).await.unwrap();
        let sent = again.send(REQUEST).await;
        if sent.is_ok() && matches!(again.answer().await, Ok(Some(answer)) if answer.status() == 200) {
            break;
        }
        tokio::task::yield_now().await;
    }
    running.stop().await;
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_is_a_504() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let lines = format!(
        "limits.upstream_head = '200ms'\n[[route]]\npath = '/'\nupstream = 'http://{}'",
        listener.local_addr().unwrap()
    );
    let upstream = Upstream::start().await.unwrap();
    let running = gateway(&upstream, &lines).await;
    let answer = exchange(running.addresses[0], REQUEST).await.unwrap().unwrap();
    assert_eq!((answer.status(), answer.field("retry-after")), (504, Some("5")));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_full_queue_answers_503() {
    let gate = Arc::new(Semaphore::new(0));
    let (waiting, entered) = (Arc::clone(&gate), Arc::new(Semaphore::new(0)));
    let arrived = Arc::clone(&entered);
    let slow = move |_: &Message| {
        arrived.add_permits(1);
        let waiting = Arc::clone(&waiting);
        let handle = tokio::runtime::Handle::current();
        tokio::task::block_in_place(|| handle.block_on(async { waiting.acquire().await.unwrap().forget() }));
        OK.to_vec()
    };
    let upstream = Upstream::answering(Arc::new(slow)).await.unwrap();
    let running = gateway(&upstream, "limits = { forwarded = 1, waiting = 1, wait = '10s' }").await;
    let address = running.addresses[0];
    let ask = || tokio::spawn(async move { exchange(address, REQUEST).await.unwrap().unwrap().status() });
    let first = ask();
    entered.acquire().await.unwrap().forget();
    let others = [ask(), ask()];
    let shed = async {
        loop {
            if let Some(done) = others.iter().position(|other| other.is_finished()) {
                return done;
            }
            tokio::task::yield_now().await;
        }
    };
    let shed = tokio::time::timeout(Duration::from_secs(5), shed).await.unwrap();
    gate.add_permits(2);
    assert_eq!(first.await.unwrap(), 200);
    for (index, other) in others.into_iter().enumerate() {
        assert_eq!(other.await.unwrap(), if index == shed { 503 } else { 200 });
    }
    running.stop().await;
}

//! An upstream that is away, slow, or breaks off.

use std::sync::Arc;

use testkit::message::Message;
use testkit::raw::{Raw, exchange};
use testkit::upstream::Upstream;

use super::super::world::anonymous;
use super::{Site, came};

/// A site whose path `/away` goes there.
async fn site(address: std::net::SocketAddr) -> Site {
    let lines = format!(
        "limits.upstream_head = '300ms'\n[[route]]\npath = '/away'\nmode = 'observe'\nupstream = 'http://{address}'"
    );
    Site::knowing("", &lines).await
}

async fn sent(site: &Site) -> String {
    came(&exchange(site.running.addresses[0], anonymous("/away")).await.unwrap().unwrap())
}

#[tokio::test]
async fn an_upstream_that_is_down_is_a_502_in_every_mode_and_counted() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let site = site(address).await;
    assert_eq!(sent(&site).await, "502 upstream-unreachable");
    assert_eq!(site.figure("avouch_problems_total{reason=\"upstream-unreachable\"}").await, 1.0);
    assert_eq!(site.figure("avouch_answers_total{status=\"5xx\"}").await, 1.0);
    assert_eq!(site.figure("avouch_requests_total{class=\"0\",decision=\"accept\"}").await, 1.0);
}

#[tokio::test]
async fn an_upstream_that_is_slow_is_a_504_in_every_mode_and_counted() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let site = site(silent.local_addr().unwrap()).await;
    assert_eq!(sent(&site).await, "504 upstream-timeout");
    assert_eq!(site.figure("avouch_problems_total{reason=\"upstream-timeout\"}").await, 1.0);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_never_completed_and_counted() {
    let half =
        |_: &Message| b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\nconnection: close\r\n\r\nhalf".to_vec();
    let upstream = Upstream::answering(Arc::new(half)).await.unwrap();
    // After this answer the test's upstream waits for another request, so a client of its own ends it.
    let relay = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, behind) = (relay.local_addr().unwrap(), upstream.address);
    tokio::spawn(async move {
        let (mut near, _) = relay.accept().await.unwrap();
        let mut far = tokio::net::TcpStream::connect(behind).await.unwrap();
        let _ = tokio::time::timeout(
            std::time::Duration::from_millis(500),
            tokio::io::copy_bidirectional(&mut near, &mut far),
        )
        .await;
    });
    let site = site(address).await;
    let mut client = Raw::connect(site.running.addresses[0]).await.unwrap();
    client.send(anonymous("/away")).await.unwrap();
    let answer = client.answer().await.unwrap();
    assert!(answer.is_none_or(|answer| !answer.complete));
    site.shows("avouch_broken_answers_total", |broken| broken == 1.0).await;
}

//! Verifiers that are not there, or do not answer as they should.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use testkit::message::{Kind, Messages};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::battery::TOLD;
use super::world::{CLIENT, OPEN, Proxy, World, get};

/// How a verifier fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Not at all: it lets everything through.
    Well,
    /// It says nothing.
    Hangs,
    /// It lets through, an octet a second.
    Trickles,
    /// It lets through, with a head of twelve megabytes.
    Oversized,
    /// It refuses, with content that never ends.
    Endless,
    /// It says something that is not HTTP.
    Babbles,
    /// It ends the connection.
    HangsUp,
    /// It answers that it is broken.
    Broken,
    /// It sends elsewhere.
    Redirects,
}

pub(super) const WAYS: [Way; 9] = [
    Way::Well,
    Way::Hangs,
    Way::Trickles,
    Way::Oversized,
    Way::Endless,
    Way::Babbles,
    Way::HangsUp,
    Way::Broken,
    Way::Redirects,
];

/// A verifier that fails as it is told; and where.
async fn verifier(way: Arc<AtomicUsize>) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepting = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, Arc::clone(&way)));
        }
    });
    (address, accepting)
}

async fn answer(stream: TcpStream, way: Arc<AtomicUsize>) {
    let mut messages = Messages::new(stream);
    let told = TOLD.map(|name| format!("{name}: 3\r\n")).concat();
    while let Ok(Some(_)) = messages.next(Kind::Request).await {
        let stream = messages.stream();
        let whole = format!("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n{told}\r\n");
        let said = match WAYS[way.load(Ordering::SeqCst)] {
            Way::Well => stream.write_all(whole.as_bytes()).await,
            Way::Hangs => return sleep(Duration::from_secs(120)).await,
            Way::Trickles => {
                for octet in whole.bytes() {
                    if stream.write_all(&[octet]).await.is_err() {
                        return;
                    }
                    sleep(Duration::from_secs(1)).await;
                }
                return;
            }
            Way::Oversized => {
                let long = format!("x-long: {}\r\n", "x".repeat(1000)).repeat(12_000);
                let head = format!("HTTP/1.1 200 OK\r\n{long}{told}content-length: 0\r\n\r\n");
                stream.write_all(head.as_bytes()).await
            }
            Way::Endless => {
                let head = "HTTP/1.1 403 Forbidden\r\ntransfer-encoding: chunked\r\n\r\n";
                let _ = stream.write_all(head.as_bytes()).await;
                let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
                // More than any proxy should keep.
                for _ in 0..4096 {
                    if stream.write_all(chunk.as_bytes()).await.is_err() {
                        break;
                    }
                }
                return;
            }
            Way::Babbles => stream.write_all(b"I am not a web server.\r\n\r\n").await,
            Way::HangsUp => return,
            Way::Broken => {
                stream.write_all(b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n").await
            }
            Way::Redirects => {
                stream.write_all(b"HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n").await
            }
        };
        if said.is_err() {
            return;
        }
    }
}

/// However the verifier fails, the site gets nothing and the client is refused.
pub(super) async fn nothing_gets_through(proxy: &'static Proxy) {
    nothing_gets_through_by(proxy, verifier).await;
}

/// The same, with a verifier that answers in the proxy's way.
pub(super) async fn nothing_gets_through_by(
    proxy: &'static Proxy,
    verifier: impl AsyncFn(Arc<AtomicUsize>) -> (SocketAddr, JoinHandle<()>),
) {
    let Some(world) = World::new(proxy).await else { return };
    let way = Arc::new(AtomicUsize::new(0));
    let (address, accepting) = verifier(Arc::clone(&way)).await;
    let front = world.front(address).await;
    let well = world.send(front.address, CLIENT, get(OPEN, "")).await.unwrap();
    assert_eq!((well.status(), world.reached().len()), (200, 1));
    for (at, name) in WAYS.iter().enumerate().skip(1) {
        way.store(at, Ordering::SeqCst);
        let asking = world.send(front.address, CLIENT, get(OPEN, "Avouch-Class: 3\r\n"));
        // Who waits gets nothing either.
        let patience = if *name == Way::Trickles { 12 } else { 35 };
        let answer = timeout(Duration::from_secs(patience), asking).await.ok().flatten().unwrap_or_default();
        assert!(answer.status() == 0 || answer.status() >= 302, "{name:?}: {}", answer.head);
        assert!(answer.status() != 0 || *name != Way::Hangs, "the client is told");
        assert_eq!(world.reached().len(), 1, "{name:?}");
    }
    // Connections that are kept open end, too.
    way.store(WAYS.iter().position(|way| *way == Way::HangsUp).unwrap(), Ordering::SeqCst);
    accepting.abort();
    let _ = accepting.await;
    let answer =
        world.send(front.address, CLIENT, get(OPEN, "Avouch-Class: 3\r\n")).await.unwrap_or_default();
    assert!(answer.status() >= 500, "{}", answer.head);
    assert_eq!(world.reached().len(), 1, "stopped");
}

//! A verifier that HAProxy asks in frames: it remembers what it is asked, and fails as it is told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use avouch_wire::spop::{Action, Fields, Frame, Id, Message, Offer, Trouble, Value, agent_hello, disconnect};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::battery::TOLD;
use super::outages::{WAYS, Way};
use super::verifier;

/// The fields of a head, line by line.
type Head = Vec<(Vec<u8>, Vec<u8>)>;

/// The heads it was asked about.
pub(super) type Asked = verifier::Asked<Head>;

/// The head that is asked about.
fn head(messages: &[Message<'_>]) -> Head {
    let [Message { arguments, .. }] = messages else { panic!("one message") };
    let fields = arguments.iter().find(|(name, _)| *name == "fields").map(|(_, value)| *value);
    let Some(Value::Binary(octets)) = fields else { panic!("the fields are there") };
    let head = Fields::of(octets).map(|field| field.map(|(name, value)| (name.to_vec(), value.to_vec())));
    head.collect::<Result<_, _>>().unwrap()
}

/// One that fails as `way` says; and where.
pub(super) async fn failing(way: Arc<AtomicUsize>) -> (SocketAddr, JoinHandle<()>) {
    start(way, Asked::default()).await
}

/// One that lets everything through; and where.
pub(super) async fn remembering(asked: Asked) -> (SocketAddr, JoinHandle<()>) {
    start(Arc::default(), asked).await
}

async fn start(way: Arc<AtomicUsize>, asked: Asked) -> (SocketAddr, JoinHandle<()>) {
    verifier::start(move |stream| serve(stream, Arc::clone(&way), asked.clone())).await
}

async fn frame(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let length = stream.read_u32().await.ok()?;
    let mut frame = vec![0; length as usize];
    stream.read_exact(&mut frame).await.ok()?;
    Some(frame)
}

async fn serve(mut stream: TcpStream, way: Arc<AtomicUsize>, asked: Asked) -> Option<()> {
    loop {
        let octets = frame(&mut stream).await?;
        let (id, messages) = match Frame::read(&octets).unwrap() {
            Frame::HaproxyHello(pairs) => {
                let hello = agent_hello(Offer::read(&pairs).unwrap(), u32::MAX).write();
                stream.write_all(&hello).await.ok()?;
                continue;
            }
            Frame::Notify(id, messages) => (id, messages),
            other => {
                assert!(matches!(other, Frame::HaproxyDisconnect(_)), "{other:?}");
                let end = disconnect(Trouble::None, "").write();
                return stream.write_all(&end).await.ok();
            }
        };
        asked.remember(head(&messages));
        answer(&mut stream, id, WAYS[way.load(Ordering::SeqCst)]).await?;
    }
}

/// All variables of a permit, and another of this length.
fn yes(id: Id, status: u32, long: usize) -> Vec<u8> {
    let long = "x".repeat(long);
    let names = TOLD.map(|name| name.trim_start_matches("avouch-").replace('-', "_"));
    let told = names.iter().map(|name| Action::Set { name, value: Value::Text(b"3") });
    let long = Action::Set { name: "body", value: Value::Text(long.as_bytes()) };
    let status = Action::Set { name: "status", value: Value::Uint32(status) };
    Frame::Ack(id, told.chain([long, status]).collect()).write()
}

async fn answer(stream: &mut TcpStream, id: Id, way: Way) -> Option<()> {
    let said = match way {
        Way::Well => stream.write_all(&yes(id, 200, 0)).await,
        Way::Hangs => {
            sleep(Duration::from_secs(120)).await;
            return None;
        }
        Way::Trickles => {
            for octet in yes(id, 200, 0) {
                stream.write_all(&[octet]).await.ok()?;
                sleep(Duration::from_secs(1)).await;
            }
            return None;
        }
        Way::Oversized => stream.write_all(&yes(id, 200, 12_000_000)).await,
        Way::Endless => {
            // As long as a frame can say it is.
            stream.write_all(&[0xff; 4]).await.ok()?;
            for _ in 0..4096 {
                stream.write_all(&[b'x'; 0x10000]).await.ok()?;
            }
            return None;
        }
        Way::Babbles => stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await,
        Way::HangsUp => return None,
        Way::Broken => stream.write_all(&disconnect(Trouble::Late, "broken").write()).await,
        Way::Redirects => stream.write_all(&yes(id, 302, 0)).await,
    };
    said.ok()
}

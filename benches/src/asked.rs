//! What a proxy's question about a verified request costs beside its two signature checks, against a bare hyper server
//! that is sent the same, makes two such checks, and answers.

use crate::check::Bare;
use crate::figure::{Figure, time};
use crate::player::{CONNECTIONS, Load, Player, fastest, until_told_to_end};
use crate::world::{PATH, SITE, sign_at, signer, zone};
use avouch_dns::{Dns, ZoneFiles};
use avouch_engine::evidence::Dnssec;
use avouch_gateway::config::{Config, Endpoint};
use avouch_gateway::{Gateway, Surroundings};
use avouch_gather::clock::{Clock as _, SystemClock};
use avouch_keys::saip::Signer;
use bytes::Bytes;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

/// Agents that ask, each over a connection of its own.
const AGENTS: usize = CONNECTIONS;

/// Questions about each in a round.
const QUESTIONS: usize = 250;

/// Rounds of both in turn; the fastest of each counts, as everywhere.
const ROUNDS: usize = 9;

pub(crate) fn figures() -> Vec<Figure> {
    let signers: Vec<Signer> = (0..AGENTS).map(signer).collect();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("zone");
    std::fs::write(&file, zone(&signers)).expect("a file");
    let verifier = Player::start("verifier", &[&file.display().to_string()]);
    let hyper = Player::start("hyper", &[]);
    let runtime = Runtime::new().expect("a runtime");
    let round = |player: &Player, load: &Load| {
        let before = player.seconds();
        runtime.block_on(load.send(player.address));
        (player.seconds() - before) * 1e6 / load.count() as f64
    };
    let (mut asked, mut bare, mut checked) = (Vec::new(), Vec::new(), Vec::new());
    for at in 0..=ROUNDS {
        let load = questions(&signers);
        let took = [round(&verifier, &load), round(&hyper, &load), signatures(&signers)];
        // The first round warms up: keys are looked up, and become known for coming often.
        if at > 0 {
            asked.push(took[0]);
            bare.push(took[1]);
            checked.push(took[2]);
        }
    }
    let (asked, bare, checked) = (fastest(&asked), fastest(&bare), fastest(&checked));
    vec![Figure {
        name: "proxy's question, processor time of a verified request / a bare hyper server, both beside two signature checks",
        ratio: (asked - checked) / (bare - checked),
        goal: 1.2,
        limit: 1.2,
        detail: format!("({asked:.1} - {checked:.1}) µs / ({bare:.1} - {checked:.1}) µs, access log on"),
    }]
}

/// Questions as nginx asks them, about requests that were signed just now.
fn questions(signers: &[Signer]) -> Load {
    let now = SystemClock::new().now();
    let of = |signer: &Signer| (0..QUESTIONS).map(|_| question(&sign_at(signer, now))).collect();
    Load { requests: Arc::new(signers.iter().map(of).collect()), begins: b"HTTP/1.1 204 ", ends: b"\r\n\r\n" }
}

fn question(saip: &str) -> Vec<u8> {
    format!(
        "GET /verify HTTP/1.1\r\nHost: avouch\r\nX-Original-Method: GET\r\nX-Original-URI: {PATH}\r\n\
         X-Forwarded-Host: {SITE}\r\nX-Forwarded-Proto: https\r\nX-Forwarded-For: 203.0.113.9\r\n\
         user-agent: acme-crawler/1.0 (+https://acme.example/bot)\r\naccept: text/html\r\n\
         accept-encoding: gzip, br\r\nSAIP: {saip}\r\n\r\n"
    )
    .into_bytes()
}

/// What two bare signature checks take, in microseconds.
fn signatures(signers: &[Signer]) -> f64 {
    let bare = pairs(signers);
    let took = time(|| (0..20).for_each(|_| assert!(bare.iter().all(Bare::check))));
    took.as_secs_f64() * 1e6 / (20 * bare.len()) as f64
}

fn pairs(signers: &[Signer]) -> Vec<Bare> {
    let now = SystemClock::new().now();
    signers.iter().map(|signer| Bare::of(&sign_at(signer, now), signer.public())).collect()
}

/// A gateway that proxies ask, and that knows the zone in this file.
pub(crate) async fn verifier(words: &[&str]) {
    let zone = words.first().map(|file| std::fs::read_to_string(file).expect("a zone"));
    let files: Vec<_> = zone.iter().map(|zone| ("acme", zone.as_str())).collect();
    let zones = ZoneFiles::parse(&files, Dnssec::Insecure).expect("sound");
    let folder = tempfile::tempdir().expect("a folder");
    let policy = folder.path().join("policy.toml");
    std::fs::write(&policy, crate::check::TYPICAL).expect("a file");
    let text = format!(
        "mode = 'enforce'\nauthorities = '{SITE}'\ntrusted_proxies = '127.0.0.1'\nverify.listen = '127.0.0.1:0'\n\
         policy.file = '{}'\nlog.access = '{}'\nstore.fresh = true\n\
         limits.nonces = 4194304\n",
        policy.display(),
        folder.path().join("access.log").display()
    );
    let config = Config::parse("bench.toml", &text).expect("sound");
    let surroundings = Surroundings { dns: Some(Dns::Zones(zones)), ..Surroundings::default() };
    let running = Gateway::start(config, surroundings).await.expect("starts");
    until_told_to_end(running.verify.as_ref().and_then(Endpoint::tcp).expect("it listens")).await;
    running.stop().await;
}

/// Serves connections as hyper does by itself, and checks two signatures for each request.
pub(crate) fn bare() -> impl Fn(TcpStream) -> BoxFuture {
    let signers: Vec<Signer> = (0..AGENTS).map(signer).collect();
    let pairs = Arc::new(pairs(&signers));
    let connections = AtomicUsize::new(0);
    move |client| {
        let (pairs, at) = (Arc::clone(&pairs), connections.fetch_add(1, Ordering::Relaxed) % AGENTS);
        Box::pin(async move {
            let answer = service_fn(async |_: Request<Incoming>| {
                assert!(pairs.get(at).is_some_and(Bare::check));
                let mut answer = Response::new(Empty::<Bytes>::new());
                *answer.status_mut() = StatusCode::NO_CONTENT;
                Ok::<_, Infallible>(answer)
            });
            let connection =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(client), answer);
            let _ = connection.await;
        })
    }
}

type BoxFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

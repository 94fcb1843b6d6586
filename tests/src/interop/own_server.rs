//! The servers of the manual that ask avouch about the requests they receive.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use testkit::bind::free_port;
use testkit::message::Message;
use testkit::peers::require;
use testkit::process::Process;
use testkit::raw::exchange;
use testkit::upstream::Upstream;
use tokio::net::TcpStream;

use super::world::{block, put};
use crate::proxy::judging::gateway;
use crate::proxy::verdicts::Agent;

const MANUAL: &str = include_str!("../../../docs/operate/own-server.md");

/// Runs a server of the manual, which asks avouch there; where it listens.
async fn run(
    program: &str,
    (language, file): (&str, &str),
    avouch: SocketAddr,
    own: &[(&str, &str)],
) -> Option<(Process, SocketAddr)> {
    let peers = require(&[program])?;
    let folder = tempfile::tempdir().unwrap();
    let text = put(&block(MANUAL, language, 0), &[&[("127.0.0.1:9181", &*avouch.to_string())], own].concat());
    std::fs::write(folder.path().join(file), text).unwrap();
    let port = free_port().unwrap();
    let mut command = Command::new(peers.path(program));
    let process = Process::start(command.arg(folder.path().join(file)).arg(port.to_string())).unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    for _ in 0..300 {
        if TcpStream::connect(address).await.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Some((process, address))
}

async fn a_server_of_the_manual_asks(program: &str, code: (&str, &str)) {
    let agent = Agent::new();
    let (running, address) = gateway(&agent.record).await;
    let Some((_server, site)) = run(program, code, address, &[]).await else { return };
    let get = |path: &str, more: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: www.shop.example\r\nConnection: close\r\n{more}\r\n")
    };
    let answer = async |request: Vec<u8>| exchange(site, request).await.unwrap().unwrap();

    let anonymous = answer(get("/", "Avouch-Class: 3\r\n").into_bytes()).await;
    assert_eq!((anonymous.status(), anonymous.text().as_str()), (200, "0 -\n"));
    let refused = answer(get("/members", "").into_bytes()).await;
    assert_eq!((refused.status(), refused.field("www-authenticate")), (401, Some("SAIP")));
    let path = "/members?a=%2F&b=c+d";
    let signed = agent.request(path, None, b"");
    let proved = answer(signed.clone()).await;
    assert_eq!((proved.status(), proved.text().as_str()), (200, "3 bot@acme.example\n"));
    assert_eq!(answer(signed).await.status(), 403, "a replay");
    let other = agent.request(path, None, b"");
    let other = String::from_utf8(other).unwrap().replace("b=c+d", "b=c+e").into_bytes();
    assert_eq!(answer(other).await.status(), 403, "another target than was signed");
    running.stop().await;
    assert_eq!(answer(get("/", "").into_bytes()).await.status(), 503, "without an answer nothing is served");
}

/// What no avouch answers.
const BROKEN: [&str; 9] = [
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
    "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnull",
    "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine",
    "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"permit\":",
    "HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n{\"permit\":null,\"refusal\":null}",
    "HTTP/1.1 204 No Content\r\n\r\n",
    "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
    "nothing",
];

async fn a_server_of_the_manual_survives_a_broken_answer(
    program: &str,
    code: (&str, &str),
    patience: (&str, &str),
) {
    let count = AtomicUsize::new(0);
    let broken =
        move |_: &Message| BROKEN[count.fetch_add(1, Ordering::Relaxed) % BROKEN.len()].as_bytes().to_vec();
    let verifier = Upstream::answering(Arc::new(broken)).await.unwrap();
    let Some((_server, site)) = run(program, code, verifier.address, &[patience]).await else { return };
    for answer in BROKEN {
        let request = "GET / HTTP/1.1\r\nHost: www.shop.example\r\nConnection: close\r\n\r\n";
        assert_eq!(exchange(site, request).await.unwrap().unwrap().status(), 503, "{answer}");
    }
}

#[tokio::test]
async fn the_manuals_server_in_python_survives_a_broken_answer() {
    a_server_of_the_manual_survives_a_broken_answer(
        "python3",
        ("python", "site.py"),
        ("timeout=10", "timeout=1"),
    )
    .await;
}

#[tokio::test]
async fn the_manuals_server_in_node_survives_a_broken_answer() {
    a_server_of_the_manual_survives_a_broken_answer("node", ("js", "site.mjs"), ("10_000", "1_000")).await;
}

#[tokio::test]
async fn the_manuals_server_in_python_asks() {
    a_server_of_the_manual_asks("python3", ("python", "site.py")).await;
}

#[tokio::test]
async fn the_manuals_server_in_node_asks() {
    a_server_of_the_manual_asks("node", ("js", "site.mjs")).await;
}

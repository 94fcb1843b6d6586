//! A gateway behind a Unix socket: who is believed, and what becomes of the socket.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use avouch_gateway::config::{Config, Endpoint};
use avouch_gateway::{Gateway, Running, StartError, Surroundings};
use testkit::bind::free_port;
use testkit::message::{Kind, Message, Messages};
use testkit::nginx::Nginx;
use testkit::peers::require;
use testkit::upstream::Upstream;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

use super::{gateway, gateway_at, proxy_header};

async fn exchange(socket: &Path, request: &str) -> Message {
    let mut stream = UnixStream::connect(socket).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    Messages::new(stream).next(Kind::Answer).await.unwrap().unwrap()
}

/// A gateway that listens on this socket too.
async fn listening(upstream: &Upstream, socket: &Path, lines: &str) -> Running {
    gateway_at(upstream, &format!("['127.0.0.1:0', 'unix:{}']", socket.display()), lines, "").await
}

fn request(told: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: www.shop.example\r\n{told}\r\n")
}

#[tokio::test]
async fn the_word_of_a_proxy_on_a_unix_socket_is_taken_only_when_it_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("site.sock");
    let named = request("X-Forwarded-For: 203.0.113.7\r\n");
    for (trusted, told, client) in [
        ("trusted_proxies = 'unix'", &named, "203.0.113.7"),
        ("trusted_proxies = 'unix'", &request(""), "unknown"),
        ("trusted_proxies = '127.0.0.0/8'", &named, "unknown"),
    ] {
        let upstream = Upstream::start().await.unwrap();
        let running = listening(&upstream, &socket, trusted).await;
        assert_eq!(exchange(&socket, told).await.status(), 200);
        let received = upstream.wait_for(1).await;
        assert_eq!(received[0].field("x-forwarded-for"), Some(client), "{trusted}");
        running.stop().await;
    }
}

#[tokio::test]
async fn a_proxy_header_on_a_unix_socket_names_the_client() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("site.sock");
    let upstream = Upstream::start().await.unwrap();
    let running = listening(&upstream, &socket, "trusted_proxies = 'unix'").await;
    for (at, (source, client)) in
        [([203, 0, 113, 7], "203.0.113.7"), ([0, 0, 0, 0], "unknown")].into_iter().enumerate()
    {
        let mut stream = UnixStream::connect(&socket).await.unwrap();
        stream.write_all(&[proxy_header(source), request("").into_bytes()].concat()).await.unwrap();
        let answer = Messages::new(stream).next(Kind::Answer).await.unwrap().unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(upstream.wait_for(at + 1).await[at].field("x-forwarded-for"), Some(client));
    }
    running.stop().await;
}

#[tokio::test]
async fn auth_request_is_answered_on_a_unix_socket_too() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("verify.sock");
    let asked = request("").replacen("GET / ", "GET /verify ", 1).replace(
        "\r\n\r\n",
        "\r\nX-Original-Method: GET\r\nX-Original-URI: /\r\nX-Forwarded-Host: www.shop.example\r\n\
         X-Forwarded-Proto: https\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n",
    );
    for (trusted, status) in [("'unix'", 204), ("'127.0.0.1'", 403)] {
        let upstream = Upstream::start().await.unwrap();
        let lines = format!("trusted_proxies = {trusted}\nverify.listen = 'unix:{}'", socket.display());
        let running = gateway(&upstream, &lines).await;
        assert_eq!(running.verify, Some(Endpoint::Unix(socket.clone())));
        assert_eq!(exchange(&socket, &asked).await.status(), status, "trusting {trusted}");
        running.stop().await;
        assert!(!socket.exists(), "closed with the gateway");
    }
}

#[tokio::test]
async fn a_socket_is_the_groups_goes_with_its_gateway_and_is_taken_from_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("site.sock");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    assert!(socket.exists(), "as after a crash");
    let upstream = Upstream::start().await.unwrap();
    let running = listening(&upstream, &socket, "").await;
    assert_eq!(running.listening[1], Endpoint::Unix(socket.clone()));
    assert_eq!(socket.metadata().unwrap().permissions().mode() & 0o777, 0o660);
    assert!(start(&upstream, &socket).await.is_err_and(|error| error.to_string().contains("in use")));
    assert_eq!(exchange(&socket, &request("")).await.status(), 200, "the first still answers");
    running.stop().await;
    assert!(!socket.exists());
    let program = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    assert!(start(&upstream, &socket).await.is_err(), "another program listens there");
    drop(program);
    std::fs::remove_file(&socket).unwrap();
    std::fs::write(&socket, "somebody's").unwrap();
    assert!(start(&upstream, &socket).await.is_err());
    assert_eq!(std::fs::read(&socket).unwrap(), b"somebody's", "what is no socket stays");
}

#[tokio::test]
async fn a_gateway_that_lost_its_socket_neither_loses_its_right_to_it_nor_removes_anothers() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("site.sock");
    let upstream = Upstream::start().await.unwrap();
    let running = listening(&upstream, &socket, "").await;
    std::fs::remove_file(&socket).unwrap();
    assert!(start(&upstream, &socket).await.is_err(), "the first still holds the lock");
    std::fs::remove_file(folder.path().join("site.sock.lock")).unwrap();
    let second = listening(&upstream, &socket, "").await;
    running.stop().await;
    assert_eq!(exchange(&socket, &request("")).await.status(), 200, "the second's socket stays");
    second.stop().await;
    assert!(!socket.exists());
}

async fn start(upstream: &Upstream, socket: &Path) -> Result<(), StartError> {
    let text = format!("listen = 'unix:{}'\nupstream = '{}'", socket.display(), upstream.url());
    Gateway::start(Config::parse("test", &text).unwrap(), Surroundings::default()).await.map(drop)
}

#[tokio::test]
async fn a_real_nginx_reaches_the_gateway_by_its_socket() {
    let Some(tools) = require(&["nginx", "curl"]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("site.sock");
    let upstream = Upstream::start().await.unwrap();
    let running = listening(&upstream, &socket, "trusted_proxies = 'unix'").await;
    let port = free_port().unwrap();
    let site = format!(
        "server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://unix:{}; proxy_set_header Host \
         www.shop.example; proxy_set_header X-Forwarded-For $remote_addr; }} }}",
        socket.display()
    );
    let _front = Nginx::start(&tools, &site).unwrap();
    let mut curl = Command::new(tools.path("curl"));
    curl.args(["-sS", "--interface", "127.0.0.7", "-H", "X-Forwarded-For: 66.249.66.1"])
        .arg(format!("http://127.0.0.1:{port}/"));
    let answer = tokio::task::spawn_blocking(move || curl.output().unwrap()).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&answer.stdout), "ok", "{answer:?}");
    let received = upstream.wait_for(1).await;
    assert_eq!(received[0].field("x-forwarded-for"), Some("127.0.0.7"), "nginx's word, not the client's");
    running.stop().await;
}

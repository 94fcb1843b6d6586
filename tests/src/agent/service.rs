//! The signing service, and the programs of the manual that ask it.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use serde_json::{Value, json};
use testkit::message::{Kind, Message, Messages};
use testkit::peers::require;
use testkit::raw::exchange;
use testkit::upstream::{OK, Upstream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::world::{Agent, World, anonymous, proved, says_who};
use crate::interop::world::{block, put};

const MANUAL: &str = include_str!("../../../docs/operate/agent.md");

fn socket(world: &World) -> PathBuf {
    world.folder.path().join("sign.sock")
}

fn agent(world: &World, more: &str) -> Agent {
    world.agent_with("", &format!("[signer]\nsocket = '{}'\n{more}", socket(world).display()))
}

async fn send(world: &World, octets: &[u8]) -> Message {
    let mut stream = UnixStream::connect(socket(world)).await.unwrap();
    // What is refused is not read to its end.
    let _ = stream.write_all(octets).await;
    Messages::new(stream).next(Kind::Answer).await.unwrap().unwrap()
}

async fn ask(world: &World, question: &Value) -> (u16, Value) {
    let text = question.to_string();
    let head = format!(
        "POST /v1/sign HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        text.len()
    );
    let answer = send(world, format!("{head}{text}").as_bytes()).await;
    (answer.status(), serde_json::from_slice(&answer.body).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_service_signs_is_verified_once_and_for_what_was_asked() {
    let world = World::new().await;
    let agent = agent(&world, "");
    let (status, answer) = ask(&world, &json!({ "method": "GET", "url": world.listed("/a?b=c") })).await;
    assert_eq!((status, &answer["signed"]), (200, &json!(true)), "{answer}");
    let [name, value] = [0, 1].map(|at| answer["headers"][0][at].as_str().unwrap().to_owned());
    let site = std::net::SocketAddr::from(([127, 0, 0, 1], world.port));
    let request = |path: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n{name}: {value}\r\n\r\n", world.port)
    };
    for path in ["/a?b=c", "/a?b=c", "/a?b=d"] {
        exchange(site, request(path)).await.unwrap();
    }
    let told: Vec<_> = world.told().into_iter().map(|[class, ..]| class).collect();
    assert_eq!(told, ["3", "1", "1"], "a replay, and another target");
    agent.stop();
    assert!(!socket(&world).exists());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_is_no_destination_is_not_signed_for() {
    let world = World::new().await;
    let agent = agent(&world, "");
    for url in [
        world.unlisted("/"),
        "https://www.shop.example/".into(),
        world.listed("/").replace("http:", "https:"),
    ] {
        let (status, answer) = ask(&world, &json!({ "method": "GET", "url": url })).await;
        let is_listed = url.contains("127.0.0.1");
        assert_eq!((status, &answer["signed"]), (200, &json!(is_listed)), "{url}: {answer}");
        assert_eq!(answer["headers"].as_array().unwrap().is_empty(), !is_listed);
        assert!(answer["strip"].as_array().unwrap().contains(&json!("saip")));
    }
    agent.stop();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_is_none_is_refused_and_says_why() {
    let world = World::new().await;
    let agent = agent(&world, "");
    let good = json!({ "method": "GET", "url": world.listed("/") });
    assert_eq!(ask(&world, &good).await.0, 200);
    for (member, value, said) in [
        ("method", json!("GE T"), "the method"),
        ("url", json!("/a"), "the URL"),
        ("content", json!("all"), "cannot be read"),
        ("content", json!({ "sha256": "short" }), "`content`"),
        ("digest", json!("AAAA"), "unknown field"),
    ] {
        let mut question = good.clone();
        question[member] = value;
        let (status, answer) = ask(&world, &question).await;
        assert_eq!(status, 400, "{question}");
        assert!(answer["detail"].as_str().unwrap().contains(said), "{answer}");
    }
    let long = json!({ "method": "GET", "url": format!("https://a.example/{}", "a".repeat(70_000)) });
    assert_eq!(ask(&world, &long).await.0, 413);
    for (request, status) in [
        ("GET /v1/sign HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        ("POST /v1/other HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 404),
        ("POST /v1/sign HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}", 415),
    ] {
        assert_eq!(send(&world, request.as_bytes()).await.status(), status, "{request}");
    }
    agent.stop();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_may_connect_and_is_named_may_ask() {
    let world = World::new().await;
    let question = json!({ "method": "GET", "url": world.listed("/") });
    let own = std::fs::metadata("/proc/self").unwrap().uid();
    let named = agent(&world, &format!("users = [{own}]\n"));
    assert_eq!(std::fs::metadata(socket(&world)).unwrap().permissions().mode() & 0o777, 0o660);
    assert_eq!(ask(&world, &question).await.0, 200);
    named.stop();
    let other = agent(&world, &format!("users = [{}]\n", own + 1));
    let (status, answer) = ask(&world, &question).await;
    assert_eq!(status, 403, "{answer}");
    let mut held = Vec::new();
    for _ in 0..8 {
        held.push(UnixStream::connect(socket(&world)).await.unwrap());
    }
    let mut further = UnixStream::connect(socket(&world)).await.unwrap();
    assert_eq!(further.read(&mut [0]).await.unwrap(), 0, "they hold no place that others need");
    drop(held);
    other.stop();
    world.stop().await;
}

/// Runs a program of the manual, which asks the service and sends what it is told to these URLs.
async fn a_program_of_the_manual_signs(program: &str, (language, file): (&str, &str)) {
    let Some(peers) = require(&[program]) else { return };
    // One path leads from the destination to the site's other name.
    let moved = |request: &Message| match request.line().contains("/moved") {
        true => {
            let host = request.field("host").unwrap_or_default().replace("127.0.0.1", "localhost");
            format!("HTTP/1.1 302 Found\r\nlocation: http://{host}/\r\ncontent-length: 0\r\n\r\n")
                .into_bytes()
        }
        false => OK.to_vec(),
    };
    let world = World::with(Upstream::answering(Arc::new(moved)).await.unwrap(), "").await;
    let agent = agent(&world, "");
    let text = put(
        &block(MANUAL, language, 0),
        &[("/run/avouch-agent/sign.sock", &socket(&world).display().to_string())],
    );
    std::fs::write(world.folder.path().join(file), text).unwrap();
    let mut command = Command::new(peers.path(program));
    command.env_remove("http_proxy").current_dir(world.folder.path());
    let urls = [world.listed("/a?b=%2F"), world.unlisted("/"), world.listed("/moved")];
    let output = tokio::task::block_in_place(|| command.arg(file).args(&urls).output().unwrap());
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "200 ok\n".repeat(3), "{said}");
    let expected = [proved("saip-rolling"), anonymous(), proved("saip-rolling"), anonymous()];
    assert_eq!(world.told(), expected);
    let received = world.upstream.received();
    assert!([1, 3].iter().all(|at| says_who(&received[*at]).is_empty()));
    agent.stop();
    // Without an answer nothing is sent.
    let mut again = Command::new(peers.path(program));
    let output = again.current_dir(world.folder.path()).arg(file).arg(&urls[0]).output().unwrap();
    assert!(!output.status.success());
    assert_eq!(world.told().len(), expected.len());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manuals_program_in_python_signs() {
    a_program_of_the_manual_signs("python3", ("python", "signed.py")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manuals_program_in_node_signs() {
    a_program_of_the_manual_signs("node", ("js", "signed.mjs")).await;
}

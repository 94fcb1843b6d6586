//! The forward proxy, for plain http.

use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use testkit::message::Message;
use testkit::peers::require;
use testkit::raw::{Raw, exchange};
use testkit::upstream::{OK, Upstream};

use super::world::{Agent, World, anonymous, dns, proved, says_who};
use crate::interop::world::{block, put};

const MANUAL: &str = include_str!("../../../docs/operate/agent.md");

#[tokio::test(flavor = "multi_thread")]
async fn plain_curl_is_verified_at_a_destination_and_anonymous_elsewhere() {
    let Some(_) = require(&["curl"]) else { return };
    let world = World::new().await;
    let agent = world.agent("", "");
    assert_eq!(agent.curled(&[&world.listed("/prices?a=%2F&b=c+d")]), "ok");
    assert_eq!(agent.curled(&[&world.unlisted("/prices")]), "ok");
    assert_eq!(agent.curled(&["-d", "q=1", &world.listed("/order")]), "ok");
    assert_eq!(agent.curled(&["-I", &world.listed("/head")]).lines().next(), Some("HTTP/1.1 200 OK"));
    assert_eq!(
        world.told(),
        [proved("saip-rolling"), anonymous(), proved("saip-rolling"), proved("saip-rolling")]
    );
    let received = world.upstream.received();
    assert_eq!(received[0].line(), "GET /prices?a=%2F&b=c+d HTTP/1.1");
    assert_eq!(says_who(&received[1]), [""; 0], "{}", received[1].head);
    for field in ["via", "forwarded", "proxy-connection"] {
        assert!(received.iter().all(|request| request.field(field).is_none()), "{field} tells of the agent");
    }
    let checked = received[2].field("avouch-not-checked").unwrap_or_default();
    assert!(!checked.contains("body"), "the content is covered: {checked}");
    agent.stop();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guides_configuration_does_what_it_says() {
    let Some(_) = require(&["curl"]) else { return };
    let world = World::new().await;
    // Within a list a block is indented.
    let manual: Vec<_> = MANUAL.lines().map(|line| line.strip_prefix("   ").unwrap_or(line)).collect();
    let text = block(&manual.join("\n"), "toml", 0);
    let here = [
        ("www.shop.example", &*format!("127.0.0.1:{}", world.port)),
        ("127.0.0.1:8118\"", "127.0.0.1:0\"\nallow_networks = \"127.0.0.0/8\""),
        ("127.0.0.1:9190", "127.0.0.1:0"),
    ];
    let agent = Agent::start(world.folder.path(), &format!("{}{}", put(&text, &here), dns(&world.zones)));
    assert_eq!(agent.curled(&[&world.listed("/prices")]), "ok");
    assert_eq!(world.told(), [proved("saip-rolling")]);
    assert_eq!(
        agent.curled(&["--noproxy", "*", &format!("http://{}/readyz", agent.admin)]).get(..5),
        Some("ready")
    );
    agent.stop();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pythons_own_library_is_verified_through_the_proxy() {
    let Some(peers) = require(&["python3"]) else { return };
    let world = World::new().await;
    let agent = world.agent("sign = ['saip', 'web-bot-auth']", "");
    let program = "import sys, urllib.request\nfor url in sys.argv[1:]: print(urllib.request.urlopen(url).read().decode())";
    let mut python = Command::new(peers.path("python3"));
    python
        .env_remove("no_proxy")
        .env_remove("NO_PROXY")
        .env("http_proxy", format!("http://{}", agent.proxy.unwrap()));
    let output = python.args(["-c", program, &world.listed("/"), &world.unlisted("/")]).output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "ok\nok\n",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(world.told(), [proved("saip-rolling"), anonymous()]);
    let received = world.upstream.received();
    let mut both = says_who(&received[0]);
    both.sort_unstable();
    assert_eq!(both, ["saip", "signature", "signature-agent", "signature-input"]);
    agent.stop();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_program_says_of_itself_is_replaced_at_a_destination_and_taken_away_elsewhere() {
    let Some(_) = require(&["curl"]) else { return };
    let world = World::new().await;
    let agent = world.agent("", "");
    let forged = [
        "-H",
        "SAIP: v=1; dom=\"evil.example\"; id=\"x\"",
        "-H",
        "saip_delegation: x",
        "-H",
        "SAIP-Next-Seq: 7",
        "-H",
        "Signature: sig1=:AA==:",
        "-H",
        "Signature-Input: sig1=();created=1",
        "-H",
        "Signature-Agent: \"https://evil.example\"",
        "-H",
        "Connection: saip",
        "-H",
        "Proxy-Authorization: Basic c2VjcmV0",
    ];
    for url in [world.listed("/"), world.unlisted("/")] {
        assert_eq!(agent.curled(&[&forged[..], &[&url]].concat()), "ok");
    }
    assert_eq!(world.told(), [proved("saip-rolling"), anonymous()]);
    let received = world.upstream.received();
    assert_eq!(says_who(&received[0]), ["saip"], "{}", received[0].head);
    assert!(!received[0].head.contains("evil.example") && received[0].fields("saip").len() == 1);
    assert_eq!(says_who(&received[1]), [""; 0], "{}", received[1].head);
    assert!(received.iter().all(|request| request.field("proxy-authorization").is_none()));
    agent.stop();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn content_is_covered_up_to_its_limit_and_longer_content_goes_on_uncovered() {
    let Some(_) = require(&["curl"]) else { return };
    let world = World::new().await;
    let agent = world.agent("limits.body = '1KiB'", "");
    let file = world.folder.path().join("content");
    for (length, how) in [(1024, ""), (1025, ""), (300_000, ""), (1025, "Transfer-Encoding: chunked")] {
        std::fs::write(&file, vec![b'x'; length]).unwrap();
        let content = format!("@{}", file.display());
        assert_eq!(agent.curled(&["--data-binary", &content, "-H", how, &world.listed("/")]), "ok");
    }
    assert_eq!(world.told(), vec![proved("saip-rolling"); 4]);
    let received = world.upstream.received();
    let lengths: Vec<_> = received.iter().map(|request| request.body.len()).collect();
    assert_eq!(lengths, [1024, 1025, 300_000, 1025], "whole in any case");
    let figures = agent.operator("/metrics").await.text();
    assert!(figures.contains("avouch_agent_uncovered_total 3\n"), "{figures}");
    assert!(figures.contains("avouch_agent_requests_total{outcome=\"signed\"} 4\n"), "{figures}");
    agent.stop();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_sent_again_is_signed_again() {
    // The first connection is closed as soon as it is idle, at the moment the second request may take it.
    let count = AtomicUsize::new(0);
    let closing = move |_: &Message| match count.fetch_add(1, Ordering::SeqCst) % 2 {
        0 => OK.to_vec(),
        _ => b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok".to_vec(),
    };
    let world = World::with(Upstream::answering(Arc::new(closing)).await.unwrap(), "").await;
    let agent = world.agent("", "");
    for _ in 0..20 {
        let request = format!("GET {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n\r\n", world.listed("/"), world.port);
        assert_eq!(exchange(agent.proxy.unwrap(), request).await.unwrap().unwrap().status(), 200);
    }
    assert_eq!(world.told(), vec![proved("saip-rolling"); 20], "no nonce was sent twice");
    agent.stop();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_are_each_signed_for_themselves() {
    const PROGRAMS: usize = 16;
    const REQUESTS: usize = 20;
    let world = World::new().await;
    let agent = world.agent("", "");
    let programs: Vec<_> = (0..PROGRAMS)
        .map(|program| {
            let (proxy, host) = (agent.proxy.unwrap(), format!("127.0.0.1:{}", world.port));
            tokio::spawn(async move {
                let mut client = Raw::connect(proxy).await.unwrap();
                for request in 0..REQUESTS {
                    let line = format!("GET http://{host}/{program}/{request} HTTP/1.1");
                    client.send(format!("{line}\r\nHost: {host}\r\n\r\n")).await.unwrap();
                    assert_eq!(client.answer().await.unwrap().unwrap().status(), 200);
                }
            })
        })
        .collect();
    for program in programs {
        program.await.unwrap();
    }
    assert_eq!(world.told(), vec![proved("saip-rolling"); PROGRAMS * REQUESTS]);
    agent.stop();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_for_a_proxy_or_not_for_one_site_is_refused() {
    let world = World::new().await;
    let agent = world.agent("", "");
    let (proxy, port) = (agent.proxy.unwrap(), world.port);
    let (listed, own) = (world.listed("/"), format!("Host: 127.0.0.1:{port}\r\n"));
    let refused = async |line: &str, fields: &str| {
        let answer =
            exchange(proxy, format!("{line} HTTP/1.1\r\n{fields}Connection: close\r\n\r\n")).await.unwrap();
        let answer = answer.unwrap();
        (answer.status(), answer.field("proxy-status").unwrap_or_default().to_owned())
    };
    let error = |token: &str| format!("avouch-agent; error={token}");
    for (line, fields) in [
        ("GET /", &*own),
        (&*format!("GET {listed}"), "Host: www.shop.example\r\n"),
        (&*format!("GET {listed}"), &*format!("{own}{own}")),
        (&*format!("GET {listed}"), ""),
        (&*format!("GET http://user@127.0.0.1:{port}/"), &*own),
        (&*format!("GET ftp://127.0.0.1:{port}/"), &*own),
    ] {
        assert_eq!(refused(line, fields).await, (400, error("http_request_error")), "{line} {fields}");
    }
    assert_eq!(refused(&format!("TRACE {listed}"), &own).await, (405, error("http_request_denied")));
    assert_eq!(world.told().len(), 0);
    agent.stop();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn content_that_is_framed_in_two_ways_reaches_the_site_in_one_or_not_at_all() {
    let world = World::new().await;
    let agent = world.agent("", "");
    for site in [world.listed("/"), world.unlisted("/")] {
        let host = site.trim_start_matches("http://").trim_end_matches('/');
        let request = format!(
            "POST {site} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        );
        let answer = exchange(agent.proxy.unwrap(), request).await.unwrap();
        let received = world.upstream.received();
        match answer.map(|answer| answer.status()) {
            Some(200) => {
                let last = received.last().unwrap();
                assert!(last.complete && last.body == b"hello", "{}", last.head);
            }
            other => assert!(other.is_none_or(|status| status == 400), "{other:?}"),
        }
    }
    agent.stop();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_the_public_internet_is_within_reach_unless_it_is_named() {
    let Some(_) = require(&["curl"]) else { return };
    let world = World::new().await;
    let agent = world.agent_with("", "[proxy]\nlisten = '127.0.0.1:0'\n");
    for host in ["127.0.0.1", "localhost", "[::1]", "169.254.169.254", "10.0.0.1"] {
        let url = format!("http://{host}:{}/", world.port);
        assert_eq!(agent.status(&["-g", &url]), "403", "{host}");
    }
    assert_eq!(agent.status(&["http://no-such-host.invalid/"]), "502");
    assert_eq!(world.told().len(), 0);
    agent.stop();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_is_sent_to_itself_notices() {
    let Some(_) = require(&["curl"]) else { return };
    let world = World::new().await;
    let agent = world.agent("", "");
    let own = format!("http://{}/", agent.proxy.unwrap());
    // By its own address, and by a request that is one for a proxy again.
    assert_eq!(agent.status(&[&own]), "508");
    // A port where nobody listens is something else.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(agent.status(&[&format!("http://{closed}/")]), "502");
    agent.stop();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_lets_a_request_end_and_takes_no_more() {
    let (started, release) = (Arc::new(tokio::sync::Notify::new()), Arc::new(std::sync::Barrier::new(2)));
    let (told, wait) = (Arc::clone(&started), Arc::clone(&release));
    let slow = move |_: &Message| {
        told.notify_one();
        tokio::task::block_in_place(|| wait.wait());
        OK.to_vec()
    };
    let world = World::with(Upstream::answering(Arc::new(slow)).await.unwrap(), "").await;
    let mut agent = world.agent("", "");
    let proxy = agent.proxy.unwrap();
    let mut client = Raw::connect(proxy).await.unwrap();
    let request = format!("GET {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n\r\n", world.listed("/"), world.port);
    client.send(&request).await.unwrap();
    started.notified().await;
    agent.process.signal("TERM").unwrap();
    while Raw::connect(proxy).await.is_ok() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    tokio::task::block_in_place(|| release.wait());
    assert_eq!(client.answer().await.unwrap().unwrap().status(), 200);
    let ended = tokio::task::block_in_place(|| agent.process.wait().unwrap());
    assert_eq!(ended.code(), Some(0));
    world.stop().await;
}

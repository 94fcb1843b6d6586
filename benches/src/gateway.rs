//! The gateway's processor time for an unverified request: against copying the same octets, and against nginx that asks
//! the same gateway.

use crate::figure::Figure;
use crate::player::{CONNECTIONS, Load, Player, connect, fastest, seconds_of, until_told_to_end};
use avouch_dns::{Dns, ZoneFiles};
use avouch_engine::evidence::Dnssec;
use avouch_gateway::config::Config;
use avouch_gateway::{Gateway, Surroundings};
use std::net::SocketAddr;
use std::sync::Arc;
use testkit::bind::free_port;
use testkit::nginx::Nginx;
use testkit::peers::{Peers, require};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

/// Requests on each connection in a round: about half a second of the copy's processor time.
const REQUESTS: usize = 1_000;

/// Rounds of both in turn; the fastest of each counts, as everywhere.
const ROUNDS: usize = 9;

const REQUEST: &[u8] = b"GET /products/42?colour=blue HTTP/1.1\r\nhost: www.shop.example\r\n\
    user-agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
    accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
    accept-language: en-US,en;q=0.5\r\naccept-encoding: gzip, deflate, br\r\n\
    connection: keep-alive\r\ncookie: session=0123456789abcdef0123456789abcdef\r\n\r\n";

const ANSWER_HEAD: &str = "HTTP/1.1 200 OK\r\ndate: Sat, 21 Nov 2026 12:00:00 GMT\r\n\
    content-type: text/html; charset=utf-8\r\ncache-control: no-cache\r\ncontent-length: 500\r\n\r\n";

/// How every answer ends, wherever its head was changed on the way.
const ANSWER_END: &[u8] = b"</html>\n";

/// Processor time of the gateway with access log and header hygiene.
pub(crate) fn figures() -> Vec<Figure> {
    let upstream = Player::start("upstream", &[]);
    let of_upstream = upstream.address.to_string();
    let gateway = Player::start("gateway", &[&of_upstream]);
    let copy = Player::start("copy", &[&of_upstream]);
    let verifier = Player::start("verifier", &[]);
    let nginx: Vec<_> = require(&["nginx"])
        .into_iter()
        .flat_map(|tools| {
            [false, true].map(|is_kept| front(&tools, upstream.address, verifier.address, is_kept))
        })
        .collect();
    let load = Load {
        requests: Arc::new(vec![vec![REQUEST.to_vec(); REQUESTS]; CONNECTIONS]),
        begins: b"HTTP/1.1 200 ",
        ends: ANSWER_END,
    };
    let runtime = Runtime::new().expect("a runtime");
    let round = |address, seconds: &dyn Fn() -> f64| {
        let before = seconds();
        runtime.block_on(load.send(address));
        (seconds() - before) * 1e6 / load.count() as f64
    };
    let mut of_each = [const { Vec::new() }; 4];
    for at in 0..=ROUNDS {
        let mut note = |which: usize, took: f64| {
            // The first round warms up.
            of_each.get_mut(which).filter(|_| at > 0).into_iter().for_each(|rounds| rounds.push(took));
        };
        note(0, round(gateway.address, &|| gateway.seconds()));
        note(1, round(copy.address, &|| copy.seconds()));
        for (which, (nginx, port)) in nginx.iter().enumerate() {
            let both = || nginx.processes().into_iter().map(seconds_of).sum::<f64>() + verifier.seconds();
            note(2 + which, round(([127, 0, 0, 1], *port).into(), &both));
        }
    }
    let [gateway, copy, asking, kept] = of_each.each_ref().map(|rounds| fastest(rounds));
    let against_copy = Figure {
        name: "gateway, processor time of an unverified request / a raw tokio copy",
        ratio: gateway / copy,
        goal: 1.8,
        limit: 1.8,
        detail: format!("{gateway:.1} µs / {copy:.1} µs, access log and header hygiene on, assertion off"),
    };
    let against_nginx = Figure {
        name: "gateway, processor time of an unverified request / nginx that asks avouch (auth_request)",
        ratio: gateway / asking,
        goal: 0.5,
        limit: 0.5,
        detail: format!(
            "{gateway:.1} µs / {asking:.1} µs, of nginx and avouch together, as the manual sets them up; \
             {kept:.1} µs where nginx keeps its connections, which is {:.2}",
            gateway / kept
        ),
    };
    [Some(against_copy), (!nginx.is_empty()).then_some(against_nginx)].into_iter().flatten().collect()
}

/// nginx as its page in the manual has it ask about each request, but without TLS, which the others do without, too.
const MANUAL: &str = include_str!("../../docs/operate/nginx.md");

/// What keeps connections, which nginx does not by itself: the page says so.
const KEPT: &str = "proxy_http_version 1.1; proxy_set_header Connection '';";

/// nginx in front of a site, that asks a verifier; its port. Connections are kept to both, or opened each time.
fn front(tools: &Peers, site: SocketAddr, verifier: SocketAddr, is_kept: bool) -> (Nginx, u16) {
    let port = free_port().expect("a port");
    let asked = MANUAL.split("## avouch asked by nginx").nth(1).expect("a part of the page");
    let block = asked.split("```nginx\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a block");
    let plain = block.lines().filter(|line| !line.contains("ssl_certificate")).collect::<Vec<_>>().join("\n");
    let rest = if is_kept { KEPT } else { "" };
    let text = plain
        .replace("listen 443 ssl http2;", &format!("listen 127.0.0.1:{port};\nkeepalive_requests 1000000;"))
        .replace("location / {", "access_log nginx.log combined buffer=64k;\nlocation / {")
        .replace("proxy_pass http://127.0.0.1:8080;", &format!("proxy_pass http://site; {rest}"))
        .replace("proxy_pass http://127.0.0.1:9181/", &format!("{rest} proxy_pass http://avouch/"));
    let keep = if is_kept { "keepalive 64;" } else { "" };
    let upstream =
        |name: &str, server: SocketAddr| format!("upstream {name} {{ server {server}; {keep} }}\n");
    let text = upstream("site", site) + &upstream("avouch", verifier) + &text;
    (Nginx::start(tools, &text).expect("nginx starts"), port)
}

/// The gateway in front of an upstream.
pub(crate) async fn gateway(upstream: SocketAddr) {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("access.log");
    let text = format!(
        "listen = '127.0.0.1:0'\nupstream = 'http://{upstream}'\n[log]\naccess = '{}'\n",
        log.display()
    );
    let config = Config::parse("bench.toml", &text).expect("sound");
    let zones = ZoneFiles::parse(&[], Dnssec::Insecure).expect("sound");
    let surroundings = Surroundings { dns: Some(Dns::Zones(zones)), ..Surroundings::default() };
    let running = Gateway::start(config, surroundings).await.expect("starts");
    until_told_to_end(running.addresses.first().copied().expect("it listens")).await;
    running.stop().await;
    let lines = std::fs::read_to_string(log).expect("a log").lines().count();
    assert!(lines.is_multiple_of(CONNECTIONS * REQUESTS), "every request has a line: {lines}");
}

/// Passes octets on as they are.
pub(crate) async fn copy(mut client: TcpStream, upstream: SocketAddr) {
    let mut upstream = connect(upstream).await;
    let _ = copy_bidirectional(&mut client, &mut upstream).await;
}

/// Answers each request the same.
pub(crate) async fn answer(mut client: TcpStream) {
    let filler = 500 - ANSWER_END.len();
    let answer = [ANSWER_HEAD.as_bytes(), "x".repeat(filler).as_bytes(), ANSWER_END].concat();
    let mut request = Vec::with_capacity(4096);
    while client.read_buf(&mut request).await.is_ok_and(|octets| octets > 0) {
        if request.ends_with(b"\r\n\r\n") {
            request.clear();
            if client.write_all(&answer).await.is_err() {
                return;
            }
        }
    }
}

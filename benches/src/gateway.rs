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
    let nginx = require(&["nginx"]).map(|tools| front(&tools, upstream.address, verifier.address));
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
    let mut of_each = [Vec::new(), Vec::new(), Vec::new()];
    for at in 0..=ROUNDS {
        let mut note = |which: usize, took: f64| {
            // The first round warms up.
            of_each.get_mut(which).filter(|_| at > 0).into_iter().for_each(|rounds| rounds.push(took));
        };
        note(0, round(gateway.address, &|| gateway.seconds()));
        note(1, round(copy.address, &|| copy.seconds()));
        if let Some((nginx, port)) = &nginx {
            let both = || nginx.processes().into_iter().map(seconds_of).sum::<f64>() + verifier.seconds();
            note(2, round(([127, 0, 0, 1], *port).into(), &both));
        }
    }
    let [gateway, copy, asking] = of_each.each_ref().map(|rounds| fastest(rounds));
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
            "{gateway:.1} µs / {asking:.1} µs, of nginx and avouch together, connections kept between all"
        ),
    };
    [Some(against_copy), nginx.map(|_| against_nginx)].into_iter().flatten().collect()
}

/// nginx in front of a site that asks a verifier about each request, with connections kept to both, and its port.
fn front(tools: &Peers, site: SocketAddr, verifier: SocketAddr) -> (Nginx, u16) {
    let port = free_port().expect("a port");
    let fields = ["class", "standing", "identity", "mechanism", "decision", "request_id", "assertion"];
    let taken: String = fields
        .iter()
        .map(|field| format!("auth_request_set $avouch_{field} $upstream_http_avouch_{field};\n"))
        .collect();
    let told: String = fields
        .iter()
        .map(|field| format!("proxy_set_header Avouch-{} $avouch_{field};\n", field.replace('_', "-")))
        .collect();
    let site = format!(
        "upstream site {{ server {site}; keepalive 64; }}
         upstream avouch {{ server {verifier}; keepalive 64; }}
         server {{
             listen 127.0.0.1:{port};
             keepalive_requests 1000000;
             access_log nginx.log combined buffer=64k;
             location / {{
                 auth_request /avouch;
                 {taken}
                 proxy_pass http://site;
                 proxy_http_version 1.1;
                 proxy_set_header Connection '';
                 proxy_set_header Host $http_host;
                 {told}
             }}
             location = /avouch {{
                 internal;
                 proxy_pass http://avouch/verify;
                 proxy_http_version 1.1;
                 proxy_set_header Connection '';
                 proxy_pass_request_body off;
                 proxy_set_header Content-Length '';
                 proxy_set_header X-Original-Method $request_method;
                 proxy_set_header X-Original-URI $request_uri;
                 proxy_set_header X-Forwarded-Host $http_host;
                 proxy_set_header X-Forwarded-Proto $scheme;
                 proxy_set_header X-Forwarded-For $remote_addr;
             }}
         }}"
    );
    (Nginx::start(tools, &site).expect("nginx starts"), port)
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

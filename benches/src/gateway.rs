//! The gateway's processor time for an unverified request, against copying the same octets.
//!
//! Upstream, copy and gateway are processes of their own (this program again, with a part to play),
//! so that what the kernel charges them with is theirs alone.

use crate::figure::Figure;
use avouch_dns::{Dns, ZoneFiles};
use avouch_engine::evidence::Dnssec;
use avouch_gateway::config::Config;
use avouch_gateway::{Gateway, Surroundings};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// What asks this program to play a part: `--play`, the part, and the upstream's address.
const PLAY: &str = "--play";

const CONNECTIONS: usize = 32;

/// Requests on each connection in a round: about half a second of the copy's processor time.
const REQUESTS: usize = 1_000;

/// Rounds of both in turn; the fastest of each counts, as everywhere.
const ROUNDS: usize = 9;

/// Ticks of processor time in a second, as Linux shows them on every architecture.
const TICKS: f64 = 100.0;

const REQUEST: &[u8] = b"GET /products/42?colour=blue HTTP/1.1\r\nhost: www.shop.example\r\n\
    user-agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
    accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
    accept-language: en-US,en;q=0.5\r\naccept-encoding: gzip, deflate, br\r\n\
    connection: keep-alive\r\ncookie: session=0123456789abcdef0123456789abcdef\r\n\r\n";

const ANSWER_HEAD: &str = "HTTP/1.1 200 OK\r\ndate: Sat, 21 Nov 2026 12:00:00 GMT\r\n\
    content-type: text/html; charset=utf-8\r\ncache-control: no-cache\r\ncontent-length: 500\r\n\r\n";

/// How every answer ends, wherever its head was changed on the way.
const ANSWER_END: &[u8] = b"</html>\n";

/// Processor time of the gateway with access log and header hygiene against that of the copy.
pub(crate) fn figures() -> Vec<Figure> {
    let upstream = Player::start("upstream", None);
    let gateway = Player::start("gateway", Some(upstream.address));
    let copy = Player::start("copy", Some(upstream.address));
    let runtime = Runtime::new().expect("a runtime");
    let round = |player: &Player| {
        let before = player.seconds();
        runtime.block_on(load(player.address));
        (player.seconds() - before) * 1e6 / (CONNECTIONS * REQUESTS) as f64
    };
    round(&gateway);
    round(&copy);
    let (subject, limit): (Vec<_>, Vec<_>) = (0..ROUNDS).map(|_| (round(&gateway), round(&copy))).unzip();
    let (subject, limit) = (fastest(&subject), fastest(&limit));
    vec![Figure {
        name: "gateway, processor time of an unverified request / a raw tokio copy",
        ratio: subject / limit,
        goal: 2.0,
        limit: 2.0,
        detail: format!("{subject:.1} µs / {limit:.1} µs, access log and header hygiene on, assertion off"),
    }]
}

/// Plays the part these words ask for, until standard input ends; `false` if they ask for none.
#[must_use]
pub fn play(words: &[String]) -> bool {
    let mut words = words.iter().map(String::as_str);
    if words.next() != Some(PLAY) {
        return false;
    }
    let (part, upstream) = (words.next(), words.next().and_then(|address| address.parse().ok()));
    let runtime = Runtime::new().expect("a runtime");
    match (part, upstream) {
        (Some("gateway"), Some(upstream)) => runtime.block_on(gateway(upstream)),
        (Some("copy"), Some(upstream)) => {
            runtime.block_on(listen(move |client| copy(client, upstream)));
        }
        _ => runtime.block_on(listen(answer)),
    }
    true
}

/// A process that plays a part; it ends with this.
struct Player {
    process: Child,
    address: SocketAddr,
}

impl Player {
    fn start(part: &str, upstream: Option<SocketAddr>) -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut command = Command::new(program);
        command.args([PLAY, part]).args(upstream.map(|address| address.to_string()));
        let mut process =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("this program starts");
        let mut line = String::new();
        let printed = process.stdout.take().expect("piped");
        BufReader::new(printed).read_line(&mut line).expect("an address");
        Self { process, address: line.trim().parse().expect("an address") }
    }

    /// Processor time used so far, in user and kernel (proc(5)).
    fn seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).expect("alive");
        let after_name = stat.rsplit(") ").next().unwrap_or_default();
        let ticks = |at| after_name.split(' ').nth(at).and_then(|field| field.parse::<f64>().ok());
        (ticks(11).expect("user time") + ticks(12).expect("kernel time")) / TICKS
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        self.process.wait().expect("the player ends");
    }
}

fn fastest(rounds: &[f64]) -> f64 {
    rounds.iter().copied().fold(f64::INFINITY, f64::min)
}

/// Requests over several connections at once, on each one after the other.
async fn load(address: SocketAddr) {
    let clients: Vec<_> = (0..CONNECTIONS).map(|_| tokio::spawn(client(address))).collect();
    for client in clients {
        client.await.expect("every request is answered");
    }
}

async fn client(address: SocketAddr) {
    let mut stream = connect(address).await;
    let mut answer = Vec::with_capacity(4096);
    for _ in 0..REQUESTS {
        stream.write_all(REQUEST).await.expect("sent");
        answer.clear();
        while !answer.ends_with(ANSWER_END) {
            assert_ne!(stream.read_buf(&mut answer).await.expect("received"), 0, "cut off");
        }
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
    }
}

async fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).await.expect("it listens");
    stream.set_nodelay(true).expect("a socket");
    stream
}

async fn gateway(upstream: SocketAddr) {
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

/// Accepts connections and has `serve` each, until told to end.
async fn listen<F: Future<Output = ()> + Send + 'static>(serve: impl Fn(TcpStream) -> F + Send + 'static) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("a socket");
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.expect("a connection");
            client.set_nodelay(true).expect("a socket");
            tokio::spawn(serve(client));
        }
    });
    until_told_to_end(address).await;
}

async fn copy(mut client: TcpStream, upstream: SocketAddr) {
    let mut upstream = connect(upstream).await;
    let _ = copy_bidirectional(&mut client, &mut upstream).await;
}

/// Answers each request the same.
async fn answer(mut client: TcpStream) {
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

/// Says where a part is played, and waits for the end of standard input.
async fn until_told_to_end(address: SocketAddr) {
    let mut out = std::io::stdout();
    writeln!(out, "{address}").and_then(|()| out.flush()).expect("someone reads");
    let waiting = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    waiting.await.expect("waits").expect("standard input");
}

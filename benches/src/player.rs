//! Processes that play a part in a benchmark (this program again), so that what the kernel charges them with is
//! theirs alone.

use crate::{agent, asked, attack, enrolment, gateway};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// What asks this program to play a part: `--play`, the part, and words for it.
const PLAY: &str = "--play";

/// Connections that requests are sent over.
pub(crate) const CONNECTIONS: usize = 32;

/// Ticks of processor time in a second, as Linux shows them on every architecture.
const TICKS: f64 = 100.0;

/// Plays the part these words ask for, until standard input ends; `false` if they ask for none.
#[must_use]
pub fn play(words: &[String]) -> bool {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let [PLAY, part, words @ ..] = words.as_slice() else { return false };
    let upstream: Option<SocketAddr> = words.first().and_then(|address| address.parse().ok());
    let upstream = move || upstream.expect("an address");
    let runtime = Runtime::new().expect("a runtime");
    match *part {
        "gateway" => runtime.block_on(gateway::gateway(upstream())),
        "copy" => runtime.block_on(listen(move |client| gateway::copy(client, upstream()))),
        "upstream" => runtime.block_on(listen(gateway::answer)),
        "verifier" => runtime.block_on(asked::verifier(words)),
        "hyper" => runtime.block_on(listen(asked::bare())),
        "site" => runtime.block_on(attack::site(words)),
        "agent" => runtime.block_on(agent::agent(words)),
        "accepting" => runtime.block_on(agent::gateway(words)),
        "registrar" => runtime.block_on(enrolment::registrar(words)),
        "inserting" => runtime.block_on(async { listen(enrolment::inserting(words).await).await }),
        "attacker" => runtime.block_on(attack::attack(words)),
        part => unreachable!("nobody plays {part}"),
    }
    true
}

/// A process that plays a part; it ends with this.
pub(crate) struct Player {
    process: Child,
    pub(crate) address: SocketAddr,
}

impl Player {
    pub(crate) fn start(part: &str, words: &[&str]) -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut command = Command::new(program);
        command.args([PLAY, part]).args(words);
        let mut process =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("this program starts");
        let mut line = String::new();
        let printed = process.stdout.take().expect("piped");
        BufReader::new(printed).read_line(&mut line).expect("an address");
        Self { process, address: line.trim().parse().expect("an address") }
    }

    /// Processor time used so far, in user and kernel.
    pub(crate) fn seconds(&self) -> f64 {
        seconds_of(self.process.id())
    }
}

/// Processor time a process has used so far, in user and kernel (proc(5)).
pub(crate) fn seconds_of(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("alive");
    let after_name = stat.rsplit(") ").next().unwrap_or_default();
    let ticks = |at| after_name.split(' ').nth(at).and_then(|field| field.parse::<f64>().ok());
    (ticks(11).expect("user time") + ticks(12).expect("kernel time")) / TICKS
}

impl Drop for Player {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        self.process.wait().expect("the player ends");
    }
}

pub(crate) fn fastest(rounds: &[f64]) -> f64 {
    rounds.iter().copied().fold(f64::INFINITY, f64::min)
}

/// Requests, those of each connection apart, and how each answer begins and ends.
#[derive(Clone)]
pub(crate) struct Load {
    pub(crate) requests: Arc<Vec<Vec<Vec<u8>>>>,
    pub(crate) begins: &'static [u8],
    pub(crate) ends: &'static [u8],
}

impl Load {
    pub(crate) fn count(&self) -> usize {
        self.requests.iter().map(Vec::len).sum()
    }

    /// Sends them over several connections at once, on each one after the other.
    pub(crate) async fn send(&self, address: SocketAddr) {
        let clients: Vec<_> =
            (0..self.requests.len()).map(|at| tokio::spawn(self.clone().send_some(at, address))).collect();
        for client in clients {
            client.await.expect("every request is answered");
        }
    }

    async fn send_some(self, at: usize, address: SocketAddr) {
        let mut stream = connect(address).await;
        let mut answer = Vec::with_capacity(4096);
        for request in self.requests.get(at).into_iter().flatten() {
            stream.write_all(request).await.expect("sent");
            answer.clear();
            while !answer.ends_with(self.ends) {
                assert_ne!(stream.read_buf(&mut answer).await.expect("received"), 0, "cut off");
                assert!(answer.starts_with(self.begins), "{}", String::from_utf8_lossy(&answer));
            }
        }
    }
}

pub(crate) async fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).await.expect("it listens");
    stream.set_nodelay(true).expect("a socket");
    stream
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

/// Says where a part is played, and waits for the end of standard input.
pub(crate) async fn until_told_to_end(address: SocketAddr) {
    let mut out = std::io::stdout();
    writeln!(out, "{address}").and_then(|()| out.flush()).expect("someone reads");
    let waiting = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    waiting.await.expect("waits").expect("standard input");
}

//! Honest clients: so many requests a second, whatever becomes of those before.

use super::asking;
use crate::player::connect;
use crate::world::sign_at;
use avouch_gather::clock::{Clock as _, SystemClock};
use avouch_keys::saip::Signer;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout_at};

/// How long an honest client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Connections of each agent, so that a slow answer holds up few.
const CONNECTIONS: usize = 4;

/// Who sends, where, and how much.
pub(crate) struct Honest {
    pub(crate) signers: Arc<Vec<Signer>>,
    pub(crate) address: SocketAddr,
    /// Requests a second, of all together.
    pub(crate) rate: f64,
    pub(crate) lasting: Duration,
}

/// What came of it.
pub(crate) struct Outcome {
    /// The share that was answered with 200 in time.
    pub(crate) answered: f64,
    /// How long the fastest of the slowest hundredth of those took, in seconds.
    pub(crate) slowest_hundredth: f64,
}

pub(crate) fn request(saip: &str) -> Vec<u8> {
    asking(&format!("SAIP: {saip}\r\n"))
}

impl Honest {
    pub(crate) async fn send(&self) -> Outcome {
        let clients = self.signers.len() * CONNECTIONS;
        let each = (self.rate * self.lasting.as_secs_f64() / clients as f64).ceil() as usize;
        let pause = self.lasting.div_f64(each as f64);
        // Signed before, so that signing delays nothing.
        let now = SystemClock::new().now();
        let requests = (0..clients).map(|at| {
            let signer = self.signers.get(at % self.signers.len());
            signer
                .map(|signer| (0..each).map(|_| request(&sign_at(signer, now))).collect())
                .unwrap_or_default()
        });
        let requests: Vec<Vec<Vec<u8>>> = requests.collect();
        let begin = Instant::now() + Duration::from_millis(50);
        let tasks: Vec<_> = (0..clients)
            .zip(requests)
            .map(|(at, requests)| {
                let first = begin + pause.mul_f64(at as f64 / clients as f64);
                tokio::spawn(client(self.address, requests, first, pause))
            })
            .collect();
        let mut took = Vec::new();
        for task in tasks {
            took.extend(task.await.expect("a client ends"));
        }
        took.sort();
        let slow = took.get(took.len() * 99 / 100).copied().unwrap_or(PATIENCE);
        Outcome {
            answered: took.len() as f64 / (clients * each) as f64,
            slowest_hundredth: slow.as_secs_f64(),
        }
    }
}

/// Sends each request when it is due; how long those took that were answered with 200, from when they were due.
pub(crate) async fn client(
    address: SocketAddr,
    requests: Vec<Vec<u8>>,
    first: Instant,
    pause: Duration,
) -> Vec<Duration> {
    let mut stream = None;
    let mut took = Vec::new();
    for (at, request) in requests.iter().enumerate() {
        let due = first + pause.mul_f64(at as f64);
        sleep_until(due).await;
        let mut open = match stream.take() {
            Some(stream) => stream,
            None => connect(address).await,
        };
        if let Ok(Some(good)) = timeout_at(due + PATIENCE, ask(&mut open, request)).await {
            took.extend(good.then(|| due.elapsed()));
            stream = Some(open);
        }
    }
    took
}

/// Whether the answer is 200; `None` where the connection ended.
async fn ask(stream: &mut TcpStream, request: &[u8]) -> Option<bool> {
    stream.write_all(request).await.ok()?;
    let mut answer = Vec::with_capacity(2048);
    loop {
        if stream.read_buf(&mut answer).await.ok()? == 0 {
            return None;
        }
        if answer.ends_with(b"</html>\n") {
            return Some(true);
        }
        // A refusal: its connection is not used again, so its end need not be found.
        if answer.len() > 12 && !answer.starts_with(b"HTTP/1.1 200 ") {
            return None;
        }
    }
}

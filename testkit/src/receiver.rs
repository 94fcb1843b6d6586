//! An HTTPS server that keeps what is asked of it and posted to it.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use avouch_tls::Acceptor;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A request, as it came.
#[derive(Clone, Debug)]
pub struct Posted {
    /// Request line and fields.
    pub head: String,
    /// The content, by its length.
    pub body: Vec<u8>,
}

/// A server on a free loopback port.
pub struct Receiver {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

struct Shared {
    answer: Mutex<String>,
    posted: Mutex<Vec<Posted>>,
    connections: Mutex<usize>,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Receiver {
    /// Starts one that answers 204.
    ///
    /// # Errors
    ///
    /// No free port.
    pub async fn start(tls: Acceptor) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            answer: Mutex::new("204 No Content".to_owned()),
            posted: Mutex::default(),
            connections: Mutex::default(),
        });
        let mut tasks = JoinSet::new();
        let own = Arc::clone(&shared);
        tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *lock(&own.connections) += 1;
                let (own, tls) = (Arc::clone(&own), tls.clone());
                tokio::spawn(async move {
                    let _ = answer(stream, &tls, &own).await;
                });
            }
        });
        Ok(Self { address, shared, _tasks: tasks })
    }

    /// From now on it answers with this status line, and with fields that may follow it.
    pub fn answers(&self, status: &str) {
        *lock(&self.shared.answer) = status.to_owned();
    }

    /// What it was given.
    #[must_use]
    pub fn posted(&self) -> Vec<Posted> {
        lock(&self.shared.posted).clone()
    }

    /// How often somebody connected.
    #[must_use]
    pub fn connections(&self) -> usize {
        *lock(&self.shared.connections)
    }
}

async fn answer(stream: TcpStream, tls: &Acceptor, shared: &Shared) -> io::Result<()> {
    let mut stream = tls.accept(stream).await?;
    let (mut octets, mut chunk) = (Vec::new(), [0; 4096]);
    let posted = loop {
        if let Some(posted) = whole(&octets) {
            break posted;
        }
        match stream.read(&mut chunk).await? {
            0 => return Ok(()),
            read => octets.extend(chunk.iter().take(read)),
        }
    };
    lock(&shared.posted).push(posted);
    let status = lock(&shared.answer).clone();
    stream.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").as_bytes()).await?;
    stream.shutdown().await
}

/// The request, once all of it is there.
fn whole(octets: &[u8]) -> Option<Posted> {
    let end = octets.windows(4).position(|four| four == b"\r\n\r\n")?;
    let (head, rest) = octets.split_at_checked(end)?;
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    let body = rest.get(4..4 + length.unwrap_or(0))?.to_vec();
    Some(Posted { head, body })
}

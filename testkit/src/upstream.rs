//! An upstream that remembers every octet it received.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::message::{Kind, Message, Messages};

/// Makes the octets of an answer from a request.
pub type Answer = dyn Fn(&Message) -> Vec<u8> + Send + Sync;

/// A server on a free loopback port that records each request, also one that broke off.
pub struct Upstream {
    /// Where it listens.
    pub address: SocketAddr,
    recorded: Arc<Recorded>,
    _tasks: JoinSet<()>,
}

#[derive(Default)]
struct Recorded {
    messages: Mutex<Vec<Message>>,
    arrived: Notify,
}

/// How long [`Upstream::wait_for`] waits before a test fails rather than hangs.
const PATIENCE: Duration = Duration::from_secs(10);

/// The answer of an upstream that has nothing to say.
pub const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

impl Upstream {
    /// Starts one that answers each request with [`OK`].
    ///
    /// # Errors
    ///
    /// No free port.
    pub async fn start() -> io::Result<Self> {
        Self::answering(Arc::new(|_: &Message| OK.to_vec())).await
    }

    /// Starts one that answers as `answer` says. After an answer 101 it sends back whatever it gets;
    /// after an empty one it closes the connection.
    ///
    /// # Errors
    ///
    /// No free port.
    pub async fn answering(answer: Arc<Answer>) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let recorded = Arc::new(Recorded::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&recorded), answer));
        Ok(Self { address, recorded, _tasks: tasks })
    }

    /// `http://` and the address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What has arrived so far, in the order of its end.
    #[must_use]
    pub fn received(&self) -> Vec<Message> {
        self.recorded.messages().clone()
    }

    /// What arrived, once it is at least `count` messages, or what there is when they do not come.
    pub async fn wait_for(&self, count: usize) -> Vec<Message> {
        let enough = async {
            loop {
                let arrived = self.recorded.arrived.notified();
                if self.recorded.messages().len() >= count {
                    return;
                }
                arrived.await;
            }
        };
        let _ = tokio::time::timeout(PATIENCE, enough).await;
        self.received()
    }
}

impl Recorded {
    fn messages(&self) -> MutexGuard<'_, Vec<Message>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, message: Message) {
        self.messages().push(message);
        self.arrived.notify_waiters();
    }
}

async fn accept(listener: TcpListener, recorded: Arc<Recorded>, answer: Arc<Answer>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream, Arc::clone(&recorded), Arc::clone(&answer)));
    }
}

async fn serve(stream: TcpStream, recorded: Arc<Recorded>, answer: Arc<Answer>) {
    let _ = stream.set_nodelay(true);
    let mut messages = Messages::new(stream);
    while let Ok(Some(message)) = messages.next(Kind::Request).await {
        let complete = message.complete;
        let reply = if complete { answer(&message) } else { Vec::new() };
        recorded.record(message);
        if reply.is_empty() || messages.stream().write_all(&reply).await.is_err() {
            return;
        }
        if reply.starts_with(b"HTTP/1.1 101") {
            return echo(messages).await;
        }
    }
}

async fn echo(messages: Messages<TcpStream>) {
    let (stream, early) = messages.into_parts();
    let (mut from, mut to) = stream.into_split();
    if to.write_all(&early).await.is_ok() {
        let _ = tokio::io::copy(&mut from, &mut to).await;
    }
}

//! A host that answers by HTTPS, and remembers what it was asked.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use avouch_tls::Acceptor;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::certificate::Certificate;
use crate::message::{Kind, Message, Messages};

/// Makes the octets of an answer from a request; none: the connection breaks off.
pub type Answer = dyn Fn(&Message) -> Vec<u8> + Send + Sync;

/// A server on a free loopback port, one request a connection.
pub struct HttpsHost {
    /// Where it listens.
    pub address: SocketAddr,
    seen: Arc<Seen>,
    _tasks: JoinSet<()>,
}

#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    received: Mutex<Vec<Message>>,
}

impl HttpsHost {
    /// Starts one with this certificate, that answers as `answer` says.
    ///
    /// # Errors
    ///
    /// No free port, or a certificate that cannot be used.
    pub async fn start(certificate: &Certificate, answer: Arc<Answer>) -> io::Result<Self> {
        let acceptor = Acceptor::from_pem(certificate.certificate.as_bytes(), certificate.key.as_bytes());
        Self::accepting(acceptor.map_err(io::Error::other)?, answer).await
    }

    /// The same by an acceptor that is at hand.
    ///
    /// # Errors
    ///
    /// No free port.
    pub async fn accepting(acceptor: Acceptor, answer: Arc<Answer>) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let seen = Arc::new(Seen::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, acceptor, Arc::clone(&seen), answer));
        Ok(Self { address, seen, _tasks: tasks })
    }

    /// How often somebody connected.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// What it was asked so far.
    #[must_use]
    pub fn received(&self) -> Vec<Message> {
        self.seen.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn accept(listener: TcpListener, acceptor: Acceptor, seen: Arc<Seen>, answer: Arc<Answer>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        seen.connections.fetch_add(1, Ordering::SeqCst);
        connections.spawn(serve(stream, acceptor.clone(), Arc::clone(&seen), Arc::clone(&answer)));
    }
}

async fn serve(stream: TcpStream, acceptor: Acceptor, seen: Arc<Seen>, answer: Arc<Answer>) {
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let mut messages = Messages::new(stream);
    let Ok(Some(message)) = messages.next(Kind::Request).await else { return };
    let octets = answer(&message);
    seen.received.lock().unwrap_or_else(PoisonError::into_inner).push(message);
    let stream = messages.stream();
    if stream.write_all(&octets).await.is_ok() {
        let _ = stream.shutdown().await;
    }
}

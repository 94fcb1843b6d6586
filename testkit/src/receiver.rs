//! An HTTPS server that keeps what is asked of it and posted to it, and answers in one way until told otherwise.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use avouch_tls::Acceptor;

use crate::https::HttpsHost;

/// A request, as it came.
#[derive(Clone, Debug)]
pub struct Posted {
    /// Request line and fields, in lower case.
    pub head: String,
    /// The content.
    pub body: Vec<u8>,
}

/// A server on a free loopback port.
pub struct Receiver {
    /// Where it listens.
    pub address: SocketAddr,
    host: HttpsHost,
    status: Arc<Mutex<String>>,
}

impl Receiver {
    /// Starts one that answers 204.
    ///
    /// # Errors
    ///
    /// No free port.
    pub async fn start(tls: Acceptor) -> io::Result<Self> {
        let status = Arc::new(Mutex::new("204 No Content".to_owned()));
        let own = Arc::clone(&status);
        let answer = move |_: &_| {
            let status = own.lock().unwrap_or_else(PoisonError::into_inner);
            format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").into_bytes()
        };
        let host = HttpsHost::accepting(tls, Arc::new(answer)).await?;
        Ok(Self { address: host.address, host, status })
    }

    /// From now on it answers with this status line, and with fields that may follow it.
    pub fn answers(&self, status: &str) {
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = status.to_owned();
    }

    /// What it was given.
    #[must_use]
    pub fn posted(&self) -> Vec<Posted> {
        let received = self.host.received().into_iter();
        received.map(|one| Posted { head: one.head.to_ascii_lowercase(), body: one.body }).collect()
    }

    /// How often somebody connected.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.host.connections()
    }
}

//! What verifiers have in common that are asked otherwise than by HTTP: they remember, and serve whoever connects.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// What one was asked, the latest last.
pub(super) struct Asked<T>(Arc<Mutex<Vec<T>>>);

impl<T> Clone for Asked<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Asked<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> Asked<T> {
    pub(super) fn last(&self) -> T {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap()
    }

    pub(super) fn remember(&self, asked: T) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
    }
}

/// Has each connection served until this is dropped or aborted; and where.
pub(super) async fn start<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> (SocketAddr, JoinHandle<()>)
where
    F: Future<Output: Send> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepting = tokio::spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(serve(stream));
        }
    });
    (address, accepting)
}

//! From a socket to requests, within bounds, until a stop is asked for.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

use crate::body::Answer;
use crate::outbound::Ends;

/// How long a request's head may take to arrive, and how long an idle connection is kept.
const HEAD: Duration = Duration::from_secs(30);

/// Octets of a request's head.
const MAX_HEAD: usize = 64 << 10;

/// How long to wait when the kernel refuses a connection for want of file descriptors.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Room for connections, and what holds up the end until all are done.
#[derive(Clone)]
pub(crate) struct Room {
    places: Arc<Semaphore>,
    alive: mpsc::Sender<Infallible>,
    pub(crate) stop: watch::Receiver<bool>,
}

/// A place of a connection, and of the tunnel it becomes.
#[derive(Clone)]
pub(crate) struct Place {
    _permit: Arc<OwnedSemaphorePermit>,
    _alive: mpsc::Sender<Infallible>,
    pub(crate) stop: watch::Receiver<bool>,
}

impl Room {
    pub(crate) fn new(
        connections: usize,
        alive: mpsc::Sender<Infallible>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self { places: Arc::new(Semaphore::new(connections)), alive, stop }
    }

    /// A place, once there is one.
    pub(crate) async fn place(&self) -> Option<Place> {
        // Nobody closes the room.
        let permit = Arc::clone(&self.places).acquire_owned().await.ok()?;
        Some(self.of(permit))
    }

    /// A place, if there is one now.
    pub(crate) fn place_now(&self) -> Option<Place> {
        Some(self.of(Arc::clone(&self.places).try_acquire_owned().ok()?))
    }

    /// As much room again, of another size.
    pub(crate) fn beside(&self, connections: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(connections)), ..self.clone() }
    }

    fn of(&self, permit: OwnedSemaphorePermit) -> Place {
        Place { _permit: Arc::new(permit), _alive: self.alive.clone(), stop: self.stop.clone() }
    }
}

/// What answers requests of a connection.
pub(crate) trait Service: Clone + Send + Sync + 'static {
    /// The answer. `place` is for what outlives the connection.
    fn answer(
        &self,
        request: Request<Incoming>,
        ends: Ends,
        place: &Place,
    ) -> impl Future<Output = Response<Answer>> + Send;
}

/// Accepts connections of those who may connect until a stop is asked for.
pub(crate) async fn accept<S: Service>(listener: TcpListener, clients: Vec<IpNet>, room: Room, service: S) {
    let mut stop = room.stop.clone();
    loop {
        let Some(place) = room.place().await else { return };
        let accepted = tokio::select! {
            _ = stop.changed() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) if may(&clients, peer) => {
                // Of a program that is gone already, reading will tell.
                let _ = stream.set_nodelay(true);
                let service = service.clone();
                // Without its ends it is gone already.
                let Some(ends) = Ends::of(&stream) else { continue };
                tokio::spawn(async move { serve(stream, ends, &place, &service).await });
            }
            Ok((_, peer)) => {
                tracing::debug!(%peer, "connection refused: `clients` does not name its network")
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn may(clients: &[IpNet], peer: SocketAddr) -> bool {
    let address = peer.ip().to_canonical();
    address.is_loopback() || clients.iter().any(|network| network.contains(&address))
}

/// Serves a connection to its end; after a stop was asked for, only what is under way.
pub(crate) async fn serve<T, S>(stream: T, ends: Ends, place: &Place, service: &S)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service,
{
    let answer =
        service_fn(|request| async move { Ok::<_, Infallible>(service.answer(request, ends, place).await) });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(MAX_HEAD);
    let connection = server.serve_connection(TokioIo::new(stream), answer).with_upgrades();
    let finish = |connection: Pin<&mut http1::UpgradeableConnection<_, _>>| connection.graceful_shutdown();
    if let Err(error) = until_stopped(connection, place.stop.clone(), finish).await {
        tracing::debug!(%error, "a connection broke off");
    }
}

/// Serves a connection to its end; after a stop was asked for, only what is under way.
pub(crate) async fn until_stopped<C>(
    connection: C,
    mut stop: watch::Receiver<bool>,
    finish: impl FnOnce(Pin<&mut C>),
) -> hyper::Result<()>
where
    C: Future<Output = hyper::Result<()>>,
{
    let mut connection = pin!(connection);
    tokio::select! {
        biased;
        ended = connection.as_mut() => return ended,
        _ = stop.wait_for(|stop| *stop) => finish(connection.as_mut()),
    }
    connection.await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_may_connect_and_others_only_where_they_are_named() {
        let peer = |text: &str| SocketAddr::new(text.parse().unwrap(), 1);
        let named = ["10.0.0.0/8".parse().unwrap()];
        assert!(may(&[], peer("127.0.0.9")) && may(&[], peer("::1")) && may(&[], peer("::ffff:127.0.0.1")));
        assert!(!may(&[], peer("10.0.0.1")) && !may(&[], peer("1.1.1.1")));
        assert!(may(&named, peer("10.0.0.1")) && may(&named, peer("::ffff:10.0.0.1")));
        assert!(!may(&named, peer("11.0.0.1")));
    }
}

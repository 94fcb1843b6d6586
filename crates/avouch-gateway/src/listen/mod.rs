//! From a socket to requests: PROXY v2, TLS, HTTP/1.1 and HTTP/2.

mod aside;
mod door;
mod offload;
mod passed;
mod prefixed;
mod questions;
mod shown;

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use avouch_gather::room::{Room, Seat};
use avouch_tls::Protocol;
use avouch_wire::authority::Scheme;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, watch};

use crate::body::Watch;
use crate::config::{Config, Limits};
use crate::gate::Gate;
use crate::trust::Remote;
pub(crate) use aside::Aside;
use avouch_wire::proxy_protocol::{self, HeaderError, Progress, Said};
pub(crate) use door::Door;
pub(crate) use offload::Offload;
pub use passed::{Passed, PassedError};
use prefixed::Prefixed;
pub(crate) use questions::Questions;
pub(crate) use shown::Shown;

/// What an HTTP/2 connection begins with (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How long to wait when the kernel refuses a connection for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A connection and what is known of its other end.
pub(crate) struct Origin {
    pub(crate) gate: Arc<Gate>,
    pub(crate) remote: Remote,
    pub(crate) scheme: Scheme,
    pub(crate) shown: Shown,
}

/// Why a connection ends before a request was read from it.
#[derive(Debug, thiserror::Error)]
enum ConnectionError {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("{0}")]
    Proxy(#[from] HeaderError),
    #[error("nothing arrived in time")]
    Silent,
    #[error("{0}")]
    Http(#[from] hyper::Error),
}

/// What a door leads to.
pub(crate) trait Host: Clone + Send + Sync + 'static {
    /// Whether who connects from there brings the connections of others, and needs no seat of its own.
    fn is_proxy(config: &Config, remote: Remote) -> bool {
        config.trusted_proxies.holds(remote)
    }

    /// Serves a connection to its end.
    fn serve<S>(
        self,
        gate: Arc<Gate>,
        stream: S,
        remote: Remote,
        stop: watch::Receiver<bool>,
    ) -> impl Future<Output = ()> + Send
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static;
}

/// Accepts connections to `host` until a stop is asked for.
pub(crate) async fn accept<H: Host>(
    host: H,
    gate: Arc<Gate>,
    door: Door,
    room: Arc<Room>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let Some(place) = room.place().await else { return };
        let (host, served, stopping) = (host.clone(), Arc::clone(&gate), stop.clone());
        let accepted = tokio::select! {
            _ = stop.changed() => return,
            accepted = enter(host, served, &door, &room, stopping, place) => accepted,
        };
        if let Err(error) = accepted {
            gate.numbers.unaccepted.increment(1);
            tracing::warn!(%error, "cannot accept connections");
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
    }
}

/// Waits for a connection and has it served.
async fn enter<H: Host>(
    host: H,
    gate: Arc<Gate>,
    door: &Door,
    room: &Arc<Room>,
    stop: watch::Receiver<bool>,
    place: OwnedSemaphorePermit,
) -> std::io::Result<()> {
    match door {
        Door::Tcp(listener) => {
            let (stream, address) = listener.accept().await?;
            let remote = Remote::tcp(address);
            let Ok(seat) = seat::<H>(&gate, room, remote) else {
                gate.numbers.crowded.increment(1);
                tracing::debug!(address = %remote.address, "connection refused: its source has as many as it may");
                return Ok(());
            };
            // Of a client that is gone already, reading will tell.
            let _ = stream.set_nodelay(true);
            let serving = host.serve(gate, stream, remote, stop);
            tokio::spawn(holding((place, seat), serving));
        }
        Door::Unix(door) => {
            let stream = door.accept().await?;
            let serving = host.serve(gate, stream, Remote::unix(), stop);
            tokio::spawn(holding((place, None), serving));
        }
    }
    Ok(())
}

/// The source has as many connections as it may.
struct Crowded;

/// A seat among those of the connection's source, for who needs one.
fn seat<H: Host>(gate: &Gate, room: &Arc<Room>, remote: Remote) -> Result<Option<Seat>, Crowded> {
    let config = &gate.snapshot().config;
    if H::is_proxy(config, remote) {
        return Ok(None);
    }
    let most = config.limits.connections_per_source;
    room.seat(remote.address.into(), most).map(Some).ok_or(Crowded)
}

/// Gives a connection's place to the next when it has ended.
async fn holding(place: (OwnedSemaphorePermit, Option<Seat>), serving: impl Future<Output = ()>) {
    serving.await;
    drop(place);
}

/// The site, which clients connect to.
#[derive(Clone, Copy)]
pub(crate) struct Site;

impl Host for Site {
    fn is_proxy(config: &Config, remote: Remote) -> bool {
        config.trusted_proxies.holds(remote) || config.private_peers.are_proxies(remote.address)
    }

    async fn serve<S>(self, gate: Arc<Gate>, stream: S, remote: Remote, stop: watch::Receiver<bool>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        gate.numbers.connections.increment(1);
        if let Err(error) = connection(&gate, stream, remote, stop).await {
            gate.numbers.unreadable.increment(1);
            tracing::debug!(address = %remote.address, %error, "connection ended");
        }
        gate.numbers.connections.decrement(1);
    }
}

async fn connection<S>(
    gate: &Arc<Gate>,
    stream: S,
    mut remote: Remote,
    stop: watch::Receiver<bool>,
) -> Result<(), ConnectionError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let snapshot = gate.snapshot();
    let limits = &snapshot.config.limits;
    let mut stream = Prefixed::new(stream, limits.body_pause);
    let mut shown = Shown::Plain;
    if snapshot.config.trusted_proxies.holds(remote)
        && let (Said::From(told), tls) = in_time(limits.head_time, proxy_header(&mut stream)).await?
        && !told.ip().to_canonical().is_unspecified()
    {
        remote = Remote { address: told.ip().to_canonical(), told: true, ..remote };
        shown = tls;
    }
    let origin = |scheme, shown| Arc::new(Origin { gate: Arc::clone(gate), remote, scheme, shown });
    match &snapshot.acceptor {
        Some(acceptor) => {
            let accepting = async { acceptor.accept(stream).await.map_err(ConnectionError::Io) };
            let stream = in_time(limits.handshake, accepting).await?;
            let origin = origin(Scheme::Https, Shown::here(&stream, acceptor));
            match stream.protocol() {
                Protocol::Http1 => http1(stream, origin, limits, stop).await,
                Protocol::Http2 => http2(stream, origin, limits, stop).await,
            }
        }
        None if in_time(limits.head_time, begins_with_preface(&mut stream)).await? => {
            http2(stream, origin(Scheme::Http, shown), limits, stop).await
        }
        None => http1(stream, origin(Scheme::Http, shown), limits, stop).await,
    }
}

async fn in_time<T>(
    limit: Duration,
    reading: impl Future<Output = Result<T, ConnectionError>>,
) -> Result<T, ConnectionError> {
    tokio::time::timeout(limit, reading).await.map_err(|_| ConnectionError::Silent)?
}

/// Reads what a trusted proxy says of the connection, and of TLS, if it says anything.
async fn proxy_header<S>(stream: &mut Prefixed<S>) -> Result<(Said, Shown), ConnectionError>
where
    S: AsyncRead + Unpin,
{
    loop {
        if !stream.more().await? {
            return Ok((Said::Local, Shown::Plain));
        }
        match proxy_protocol::read(stream.start())? {
            Progress::More => {}
            Progress::Absent => return Ok((Said::Local, Shown::Plain)),
            Progress::Read { length, said } => {
                let shown = Shown::told(stream.start().get(..length).unwrap_or_default());
                stream.skip(length);
                return Ok((said, shown));
            }
        }
    }
}

/// Whether a plain connection speaks HTTP/2, known by its preface ("prior knowledge").
async fn begins_with_preface<S>(stream: &mut Prefixed<S>) -> Result<bool, ConnectionError>
where
    S: AsyncRead + Unpin,
{
    loop {
        let start = stream.start();
        let seen = start.len().min(PREFACE.len());
        if start.get(..seen) != PREFACE.get(..seen) {
            return Ok(false);
        }
        if seen == PREFACE.len() {
            return Ok(true);
        }
        if !stream.more().await? {
            return Ok(false);
        }
    }
}

fn http1_within(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time)
        .max_buf_size(limits.head_size.0)
        .writev(false);
    if limits.head_fields != Limits::default().head_fields {
        // Other than the default, room for fields is allocated anew for each request.
        builder.max_headers(limits.head_fields);
    }
    builder
}

fn http2_within(limits: &Limits) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(limits.head_time)
        .keep_alive_timeout(limits.head_time)
        .max_header_list_size(u32::try_from(limits.head_size.0).unwrap_or(u32::MAX))
        .max_concurrent_streams(u32::try_from(limits.streams).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(limits.pending_resets)
        .max_local_error_reset_streams(limits.error_resets);
    builder
}

async fn http1<S>(
    stream: S,
    origin: Arc<Origin>,
    limits: &Limits,
    stop: watch::Receiver<bool>,
) -> Result<(), ConnectionError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| {
        let origin = Arc::clone(&origin);
        async move { Ok::<_, Infallible>(crate::serve(&origin, request).await) }
    });
    let connection = http1_within(limits).serve_connection(TokioIo::new(stream), service).with_upgrades();
    until_stopped(connection, stop, |connection| connection.graceful_shutdown()).await
}

async fn http2<S>(
    stream: S,
    origin: Arc<Origin>,
    limits: &Limits,
    stop: watch::Receiver<bool>,
) -> Result<(), ConnectionError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let watch = Arc::new(Watch::new(limits.body_pause));
    let watching = Arc::clone(&watch);
    let service = service_fn(move |request| {
        let (origin, watch) = (Arc::clone(&origin), Arc::clone(&watching));
        async move { Ok::<_, Infallible>(crate::serve(&origin, request).await.map(|body| watch.over(body))) }
    });
    let connection = http2_within(limits).serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        ended = until_stopped(connection, stop, |connection| connection.graceful_shutdown()) => ended,
        () = watch.keep() => Ok(()),
    }
}

/// Serves a connection to its end; after a stop was asked for, only what is under way.
async fn until_stopped<C>(
    connection: C,
    mut stop: watch::Receiver<bool>,
    finish: fn(Pin<&mut C>),
) -> Result<(), ConnectionError>
where
    C: Future<Output = hyper::Result<()>>,
{
    let mut connection = pin!(connection);
    tokio::select! {
        biased;
        ended = connection.as_mut() => return Ok(ended?),
        _ = stop.changed() => finish(connection.as_mut()),
    }
    Ok(connection.await?)
}

//! Starting and stopping a registrar.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use avouch_dns::publish::{PublishError, Publisher};
use avouch_gather::clock::SystemClock;
use avouch_keys::tsig::{TsigKey, TsigKeyError};
use avouch_store::ledger::{Ledger, LedgerError};
use avouch_tls::{Acceptor, CertificateError, Protocol};
use axum::Router;
use axum::extract::ConnectInfo;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::config::Config;
use crate::registrar::{Attesting, AttestingError, Registrar, Role, Rules};
use crate::socket;

/// Connections of agents at once: half of the files that a process may usually have open.
const CONNECTIONS: usize = 512;

/// The longest that a connection lasts: an agent asks, and learns, in one.
const LASTS: Duration = Duration::from_secs(30);

/// Octets of a request's head.
const MAX_HEAD: usize = 16 << 10;

/// Questions at once on one connection of HTTP/2.
const STREAMS: u32 = 16;

/// How long to wait when the kernel refuses a connection for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The owner's socket is the user's that the registrar runs as; operators are its group.
const OF_OWNER: u32 = 0o600;
const OF_OPERATORS: u32 = 0o660;

/// Why a registrar does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database cannot be used.
    #[error("{0}")]
    Ledger(#[from] LedgerError),
    /// The TSIG key cannot be used.
    #[error("{0}")]
    Key(#[from] TsigKeyError),
    /// The zone has no name.
    #[error("{0}")]
    Publisher(#[from] PublishError),
    /// The certificate cannot be used.
    #[error("{0}")]
    Certificate(#[from] CertificateError),
    /// Nothing can be attested.
    #[error("{0}")]
    Attesting(#[from] AttestingError),
    /// The address is taken or not ours.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// A socket cannot be opened.
    #[error("cannot open the socket {}: {source}", path.display())]
    Socket {
        /// Which.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Signals cannot be received.
    #[error("cannot receive signals: {0}")]
    Signals(io::Error),
}

/// Opens everything that a configuration names but the database, the address and the sockets.
///
/// # Errors
/// [`StartError`].
pub fn check(config: &Config) -> Result<(), StartError> {
    open(config).map(drop)
}

fn open(config: &Config) -> Result<(Publisher, Option<Acceptor>, Attesting), StartError> {
    let tls =
        config.tls.as_ref().map(|(certificate, key)| Acceptor::load(certificate, key, None)).transpose()?;
    let publish = &config.publish;
    let attesting = Attesting::open(config.domain.clone(), config.attestation.as_ref())?;
    Ok((Publisher::new(publish.server, &publish.zone, TsigKey::open(&publish.tsig)?)?, tls, attesting))
}

/// Runs a registrar until the process is asked to end; `ready` learns where agents ask.
///
/// # Errors
/// [`StartError`].
pub async fn run(config: &Config, ready: impl FnOnce(SocketAddr)) -> Result<(), StartError> {
    let on = |kind| signal(kind).map_err(StartError::Signals);
    let (mut terminate, mut interrupt) = (on(SignalKind::terminate())?, on(SignalKind::interrupt())?);
    let (publisher, tls, attesting) = open(config)?;
    let ledger = Ledger::open(&config.store).await?;
    let _alone = ledger.alone().await?;
    let failed = |source| StartError::Listen { address: config.listen, source };
    let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let (stop, stopping) = watch::channel(false);
    let mut tasks = JoinSet::new();
    let rules = Rules { domain: config.domain.clone() };
    let publishing = (publisher, config.publish.ttl);
    let clock = Arc::new(SystemClock::new());
    let registrar =
        Registrar::start(rules, ledger, publishing, attesting, clock, &mut tasks, stopping.clone());
    let operators = config.operator.iter().map(|path| (path, Role::Operator, OF_OPERATORS));
    for (path, role, mode) in std::iter::once((&config.owner, Role::Owner, OF_OWNER)).chain(operators) {
        let opened = socket::open(path, mode).await;
        let opened = opened.map_err(|source| StartError::Socket { path: path.clone(), source })?;
        let (router, mut stopping, path) = (registrar.for_role(role), stopping.clone(), path.clone());
        tasks.spawn(async move {
            let stopped = async move { _ = stopping.wait_for(|stopping| *stopping).await };
            if let Err(error) = axum::serve(opened, router).with_graceful_shutdown(stopped).await {
                tracing::error!(%error, "a socket is not served any more");
            }
            let _ = std::fs::remove_file(path);
        });
    }
    let agents =
        config.limits.limit().map_or_else(|| registrar.for_agents(), |limit| registrar.for_strangers(limit));
    tasks.spawn(accept(listener, tls, agents, stopping));
    drop(registrar);
    ready(address);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    stop.send_replace(true);
    // Each ends: connections last no longer than they may, and the writer with the last who hands in.
    let ending = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(LASTS, ending).await.is_err() {
        tracing::warn!("somebody's connection is cut off");
    }
    Ok(())
}

async fn accept(
    listener: TcpListener,
    tls: Option<Acceptor>,
    router: Router,
    mut stop: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let entering = async {
            // Nobody closes the room.
            let place = Arc::clone(&room).acquire_owned().await.ok();
            listener.accept().await.map(|(stream, from)| (stream, from, place))
        };
        let entered = tokio::select! {
            _ = stop.changed() => break,
            entered = entering => entered,
        };
        match entered {
            Ok((stream, from, place)) => {
                let (tls, router, stop) = (tls.clone(), router.clone(), stop.clone());
                connections.spawn(async move {
                    let serving = async {
                        match tls {
                            None => serve(stream, Protocol::Http1, from, router, stop).await,
                            Some(tls) => match tls.accept(stream).await {
                                Ok(stream) => {
                                    let protocol = stream.protocol();
                                    serve(stream, protocol, from, router, stop).await
                                }
                                Err(error) => tracing::debug!(%error, "no handshake"),
                            },
                        }
                    };
                    let _too_long = tokio::time::timeout(LASTS, serving).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Serves a connection to its end; after a stop was asked for, only what is under way.
async fn serve<S>(
    stream: S,
    protocol: Protocol,
    from: SocketAddr,
    router: Router,
    stop: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(from));
        router.call(request)
    });
    let stream = TokioIo::new(stream);
    let ended = match protocol {
        Protocol::Http1 => {
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(LASTS).max_buf_size(MAX_HEAD);
            let connection = server.serve_connection(stream, service);
            until_stopped(connection, stop, |connection| connection.graceful_shutdown()).await
        }
        Protocol::Http2 => {
            let mut server = http2::Builder::new(TokioExecutor::new());
            let most = u32::try_from(MAX_HEAD).unwrap_or(u32::MAX);
            server.timer(TokioTimer::new()).max_header_list_size(most).max_concurrent_streams(STREAMS);
            let connection = server.serve_connection(stream, service);
            until_stopped(connection, stop, |connection| connection.graceful_shutdown()).await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
}

async fn until_stopped<C>(
    connection: C,
    mut stop: watch::Receiver<bool>,
    finish: fn(Pin<&mut C>),
) -> hyper::Result<()>
where
    C: Future<Output = hyper::Result<()>>,
{
    let mut connection = pin!(connection);
    tokio::select! {
        biased;
        ended = connection.as_mut() => return ended,
        _ = stop.changed() => finish(connection.as_mut()),
    }
    connection.await
}

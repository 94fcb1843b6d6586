//! The server: connections, and what happens to it while it runs.

use crate::answer::answer;
use crate::directory::{Directory, Lifetime, UnsignableError};
use crate::document::Validity;
use avouch_gather::clock::{Clock as _, SystemClock};
use avouch_keys::SecretKey;
use avouch_tls::{Acceptor, CertificateError, Protocol};
use avouch_wire::authority::Authority;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::convert::Infallible;
use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// How long a connection lasts: verifiers give up after some seconds, and nobody needs a second document soon.
const LASTS: Duration = Duration::from_secs(10);

/// Connections at the same time: with [`LASTS`], a hundred new ones a second.
const CONNECTIONS: usize = 1024;

/// Octets of a request's head.
const MAX_HEAD: usize = 16 * 1024;

/// Requests at the same time on a connection of HTTP/2.
const STREAMS: u32 = 8;

/// How long to wait when the kernel refuses a connection for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Opens the keys: at the start, and again when asked to. It may take its time.
pub type Keys<E> = Arc<dyn Fn() -> Result<Vec<SecretKey>, E> + Send + Sync>;

/// Certificate chain and key, PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The chain, leaf first.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// What is served, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where to listen; port 0 is one that is free.
    pub listen: SocketAddr,
    /// The site whose directory it is, as clients write it.
    pub site: Authority<'static>,
    /// When its keys count.
    pub validity: Validity,
    /// How long signatures last.
    pub lifetime: Lifetime,
    /// By https; `None`: by http, to a server that speaks https in front.
    pub tls: Option<Tls>,
}

/// Why a directory is not served; `E` says why a key cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum StartError<E> {
    /// The address is taken or not ours.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A key cannot be opened.
    #[error("{0}")]
    Keys(E),
    /// The keys make no directory.
    #[error(transparent)]
    Directory(#[from] UnsignableError),
    /// A key is in a TPM, which strangers could keep at work.
    #[error("each request would have the TPM make a signature, and it makes a few a second")]
    InTpm,
    /// The keys have ended.
    #[error("the keys have ended")]
    Ended,
    /// The certificate cannot be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// Signals cannot be received.
    #[error("cannot receive signals: {0}")]
    Signals(std::io::Error),
    /// Loading ended without a result; a defect of avouch.
    #[error("loading broke off")]
    Broken,
}

/// What is in force.
struct Served {
    directory: Directory,
    acceptor: Option<Acceptor>,
}

impl Served {
    async fn load<E: Send + 'static>(settings: &Settings, keys: &Keys<E>) -> Result<Self, StartError<E>> {
        let (settings, keys) = (settings.clone(), Arc::clone(keys));
        // Opening encrypted keys takes the better part of a second of computing.
        let loading = tokio::task::spawn_blocking(move || {
            let Settings { site, validity, lifetime, tls, .. } = settings;
            if validity.expires.is_some_and(|end| end <= SystemClock::new().now()) {
                return Err(StartError::Ended);
            }
            let keys = keys().map_err(StartError::Keys)?;
            if keys.iter().any(SecretKey::is_in_tpm) {
                return Err(StartError::InTpm);
            }
            let acceptor = tls.map(|Tls { certificate, key }| Acceptor::load(&certificate, &key, None));
            let directory = Directory::new(keys, validity, site, lifetime)?;
            Ok(Self { directory, acceptor: acceptor.transpose()? })
        });
        loading.await.unwrap_or(Err(StartError::Broken))
    }
}

/// Serves a directory until the process is asked to end: SIGTERM and SIGINT let what is under way end, SIGHUP reads
/// keys and certificate again. If they cannot be used, what was in force stays in force. `ready` is called once it
/// accepts connections.
///
/// # Errors
/// [`StartError`].
pub async fn run<E>(
    settings: Settings,
    keys: Keys<E>,
    ready: impl FnOnce(SocketAddr, &Directory),
) -> Result<(), StartError<E>>
where
    E: Display + Send + 'static,
{
    let on = |kind| signal(kind).map_err(StartError::Signals);
    let (mut terminate, mut interrupt) = (on(SignalKind::terminate())?, on(SignalKind::interrupt())?);
    let mut hangup = on(SignalKind::hangup())?;
    let served = Arc::new(Served::load(&settings, &keys).await?);
    let failed = |source| StartError::Listen { address: settings.listen, source };
    let listener = TcpListener::bind(settings.listen).await.map_err(failed)?;
    ready(listener.local_addr().map_err(failed)?, &served.directory);
    let (swap, current) = watch::channel(served);
    let (stop, stopping) = watch::channel(());
    let accepting = tokio::spawn(accept(listener, current, stopping));
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => match Served::load(&settings, &keys).await {
                Ok(served) => {
                    drop(swap.send_replace(Arc::new(served)));
                    tracing::info!("keys and certificate were read again");
                }
                Err(error) => tracing::error!(%error, "what was served goes on being served"),
            },
        }
    }
    drop(stop);
    // It ends with the last connection, and each of them lasts no longer than it may.
    let _ended = accepting.await;
    Ok(())
}

/// Accepts connections until a stop is asked for, then waits for those under way.
async fn accept(listener: TcpListener, current: watch::Receiver<Arc<Served>>, mut stop: watch::Receiver<()>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let clock = Arc::new(SystemClock::new());
    let mut connections = JoinSet::new();
    loop {
        let entering = async {
            // Nobody closes the room.
            let place = Arc::clone(&room).acquire_owned().await.ok();
            listener.accept().await.map(|(stream, _)| (stream, place))
        };
        let entered = tokio::select! {
            _ = stop.changed() => break,
            entered = entering => entered,
        };
        match entered {
            Ok((stream, place)) => {
                let (served, clock, stop) = (Arc::clone(&current.borrow()), Arc::clone(&clock), stop.clone());
                connections.spawn(async move {
                    let serving = tokio::time::timeout(LASTS, connection(stream, served, clock, stop));
                    if serving.await.is_err() {
                        tracing::debug!("a connection took longer than {} s", LASTS.as_secs());
                    }
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

/// Serves a connection to its end. Its failures are its client's.
async fn connection(
    stream: TcpStream,
    served: Arc<Served>,
    clock: Arc<SystemClock>,
    stop: watch::Receiver<()>,
) {
    // Of a client that is gone already, reading will tell.
    let _ = stream.set_nodelay(true);
    let ended = match &served.acceptor {
        None => speak(stream, Protocol::Http1, Arc::clone(&served), clock, stop).await,
        Some(acceptor) => match acceptor.accept(stream).await {
            Ok(stream) => {
                let protocol = stream.protocol();
                speak(stream, protocol, Arc::clone(&served), clock, stop).await
            }
            Err(error) => return tracing::debug!(%error, "no handshake"),
        },
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
}

async fn speak<S>(
    stream: S,
    protocol: Protocol,
    served: Arc<Served>,
    clock: Arc<SystemClock>,
    stop: watch::Receiver<()>,
) -> hyper::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| {
        let answer = answer(&served.directory, &request, clock.now());
        async move { Ok::<_, Infallible>(answer) }
    });
    let stream = TokioIo::new(stream);
    match protocol {
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
    }
}

/// Serves a connection to its end; after a stop was asked for, only what is under way.
async fn until_stopped<C>(
    connection: C,
    mut stop: watch::Receiver<()>,
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

#[cfg(test)]
mod tests {
    use super::*;
    use avouch_keys::entropy::SystemEntropy;
    use avouch_wire::authority::Scheme;
    use avouch_wire::key::KeyType;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::time::Instant;

    /// Time stands still but where nothing else is left to wait for.
    #[tokio::test(start_paused = true)]
    async fn a_connection_that_goes_nowhere_ends_and_a_stop_waits_no_longer() {
        let key = SecretKey::generate(KeyType::Ed25519, &mut SystemEntropy).unwrap();
        let site = Authority::parse("bot.example", Scheme::Https).unwrap();
        let directory = Directory::new(vec![key], Validity::default(), site, Lifetime::HOUR).unwrap();
        let (_swap, current) = watch::channel(Arc::new(Served { directory, acceptor: None }));
        let (stop, stopping) = watch::channel(());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepting = tokio::spawn(accept(listener, current, stopping));
        for said in ["", "GET /.well-known/http-message-signatures-directory HTTP/1.1\r\nHost: bot"] {
            let (began, mut answer) = (Instant::now(), Vec::new());
            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(said.as_bytes()).await.unwrap();
            client.read_to_end(&mut answer).await.unwrap();
            assert!(began.elapsed() <= LASTS + Duration::from_millis(10), "{said:?}");
            assert!(!answer.starts_with(b"HTTP/1.1 200"), "{said:?}");
        }
        let mut silent = TcpStream::connect(address).await.unwrap();
        silent.write_all(b"GET").await.unwrap();
        let began = Instant::now();
        drop(stop);
        accepting.await.unwrap();
        assert!(began.elapsed() <= LASTS + Duration::from_millis(10));
        assert!(TcpStream::connect(address).await.is_err());
    }
}

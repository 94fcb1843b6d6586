//! Connections of strangers: so many at once, each for so long, by HTTP/1.1 and HTTP/2.

use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use avouch_gather::room::{Room, Seat};
use avouch_tls::{Acceptor, Protocol};
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
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Connections of agents at once: half of the files that a process may usually have open.
const CONNECTIONS: usize = 512;

/// The longest that a connection lasts: who asks learns in one. Answers that are to last longer hold it ([`Lasting`]).
pub(crate) const LASTS: Duration = Duration::from_secs(30);

/// Octets of a request's head.
const MAX_HEAD: usize = 16 << 10;

/// Questions at once on one connection of HTTP/2.
const STREAMS: u32 = 16;

/// How long to wait when the kernel refuses a connection for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Connections at once of one source, an address of IPv4 or a /64 of IPv6: no one source takes all. A proxy on this
/// machine counts for itself.
const OF_ONE: usize = 32;

/// How many answers on a connection are to last as long as they like. Each request has that of its connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lasting(Arc<AtomicUsize>);

/// Such an answer; dropped, it is none any more.
#[derive(Debug)]
pub(crate) struct Held(Lasting);

impl Lasting {
    /// Lets the connection last for as long as this is kept.
    pub(crate) fn hold(&self) -> Held {
        self.0.fetch_add(1, Ordering::SeqCst);
        Held(self.clone())
    }

    fn is_held(&self) -> bool {
        self.0.load(Ordering::SeqCst) > 0
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A seat for one more connection, but for those from this machine, which need none; `None` where its source has as many
/// as it may.
fn seat(room: &Arc<Room>, address: IpAddr) -> Option<Option<Seat>> {
    if address.to_canonical().is_loopback() {
        return Some(None);
    }
    room.seat(address.into(), OF_ONE).map(Some)
}

/// Serves whoever connects, each for so long, until a stop is asked for and what is under way is done.
pub(crate) async fn accept(
    listener: TcpListener,
    tls: Option<Acceptor>,
    router: Router,
    lasts: Duration,
    mut stop: watch::Receiver<bool>,
) {
    let room = Arc::new(Room::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let entering = async {
            let place = room.place().await;
            listener.accept().await.map(|(stream, from)| (stream, from, place))
        };
        let entered = tokio::select! {
            _ = stop.changed() => break,
            entered = entering => entered,
        };
        match entered {
            Ok((stream, from, place)) => {
                let Some(seat) = seat(&room, from.ip()) else { continue };
                let (tls, router, stop) = (tls.clone(), router.clone(), stop.clone());
                connections.spawn(async move {
                    let lasting = Lasting::default();
                    let whose = (from, lasting.clone());
                    let mut serving = pin!(async {
                        match tls {
                            None => serve(stream, Protocol::Http1, whose, router, stop).await,
                            Some(tls) => match tls.accept(stream).await {
                                Ok(stream) => {
                                    let protocol = stream.protocol();
                                    serve(stream, protocol, whose, router, stop).await
                                }
                                Err(error) => tracing::debug!(%error, "no handshake"),
                            },
                        }
                    });
                    while tokio::time::timeout(lasts, serving.as_mut()).await.is_err() && lasting.is_held() {}
                    drop((place, seat));
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
    (from, lasting): (SocketAddr, Lasting),
    router: Router,
    stop: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(from));
        request.extensions_mut().insert(lasting.clone());
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

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Extension;
    use axum::body::{Body, Bytes};
    use axum::response::IntoResponse as _;
    use axum::routing::get;
    use futures_util::stream;
    use std::convert::Infallible;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    /// Ten octets, one each 50 ms.
    fn slow(held: Option<Held>) -> axum::response::Response {
        let octets = stream::unfold((0, held), |(count, held)| async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            (count < 10).then(|| (Ok::<_, Infallible>(Bytes::from_static(b"x")), (count + 1, held)))
        });
        Body::from_stream(octets).into_response()
    }

    #[tokio::test]
    async fn a_connection_ends_in_time_unless_an_answer_on_it_is_to_last() {
        let router = Router::new()
            .route("/cut", get(async || slow(None)))
            .route("/held", get(async |Extension(lasting): Extension<Lasting>| slow(Some(lasting.hold()))));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopping) = watch::channel(false);
        let serving = tokio::spawn(accept(listener, None, router, Duration::from_millis(200), stopping));
        for (path, is_whole) in [("/cut", false), ("/held", true)] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let asked = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
            stream.write_all(asked.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            let count = answer.split_once("\r\n\r\n").unwrap().1.matches('x').count();
            assert_eq!(count == 10, is_whole, "{path}: {count}");
            assert!(count > 0);
        }
        stop.send_replace(true);
        serving.await.unwrap();
    }

    #[test]
    fn one_source_has_so_many_connections_and_others_theirs() {
        let room = Arc::new(Room::new(CONNECTIONS));
        let enter = |address: &str| seat(&room, address.parse().unwrap());
        let mut held: Vec<_> = (0..OF_ONE).map(|_| enter("2001:db8::1").unwrap()).collect();
        assert!(enter("2001:db8::2:1").is_none(), "the same /64");
        assert!(enter("2001:db8:0:1::1").is_some() && enter("192.0.2.1").is_some());
        held.pop();
        assert!(enter("2001:db8::1").is_some());
        let mapped: Vec<_> = (0..OF_ONE).map(|_| enter("::ffff:192.0.2.1").unwrap()).collect();
        assert!(enter("192.0.2.1").is_none());
        drop((held, mapped));
        let again: Vec<_> = (0..OF_ONE).map(|_| enter("192.0.2.1")).collect();
        assert!(again.iter().all(Option::is_some), "nothing is remembered");
        let here: Vec<_> = (0..=OF_ONE).map(|_| enter("127.0.0.1")).collect();
        assert!(here.iter().all(Option::is_some));
    }
}

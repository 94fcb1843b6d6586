//! Listeners beside the site's own: where proxies and servers ask, and where operators look.
//!
//! Whoever is not among `trusted_proxies` is bounded here as at the site's: in connections, and in the time that a
//! head may take. A proxy that asks may keep its connections for as long as it likes.

use std::sync::Arc;

use axum::Router;
use axum::extract::ConnectInfo;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::prefixed::Prefixed;
use super::room::Seat;
use super::{ACCEPT_PAUSE, Door, Room, until_stopped};
use crate::gate::Gate;
use crate::trust::Remote;

/// Fields that a proxy adds to a client's when it asks; those of the manual add six at most.
const OWN_FIELDS: usize = 16;

/// Room for them: a target stands there once more.
const OWN_SIZE: usize = 16 << 10;

/// Has a router answer at a door, by HTTP/1.1, until a stop is asked for.
pub(crate) async fn attend(gate: Arc<Gate>, door: Door, router: Router, mut stop: watch::Receiver<bool>) {
    let room = Arc::new(Room::new(gate.snapshot().config.limits.connections));
    loop {
        let Some(place) = room.place().await else { return };
        let stopping = stop.clone();
        let entered = tokio::select! {
            _ = stop.changed() => return,
            entered = enter((&gate, &room), &door, &router, stopping, place) => entered,
        };
        if let Err(error) = entered {
            tracing::warn!(%error, "cannot accept connections");
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
    }
}

/// Waits for a connection and has it answered.
async fn enter(
    (gate, room): (&Arc<Gate>, &Arc<Room>),
    door: &Door,
    router: &Router,
    stop: watch::Receiver<bool>,
    place: OwnedSemaphorePermit,
) -> std::io::Result<()> {
    let (gate, router) = (Arc::clone(gate), router.clone());
    match door {
        Door::Tcp(listener) => {
            let (stream, address) = listener.accept().await?;
            let remote = Remote::tcp(address);
            let config = &gate.snapshot().config;
            // Who asks brings the requests of others, and needs no seat. Here a private address alone is no sign
            // of that: proxies have to be listed.
            let seat = match config.trusted_proxies.holds(remote) {
                true => None,
                false => match room.seat(remote.address.into(), config.limits.connections_per_source) {
                    None => {
                        gate.numbers.crowded.increment(1);
                        return Ok(());
                    }
                    seat => seat,
                },
            };
            let _ = stream.set_nodelay(true);
            tokio::spawn(answer(gate, stream, remote, router, stop, (place, seat)));
        }
        Door::Unix(door) => {
            let stream = door.accept().await?;
            tokio::spawn(answer(gate, stream, Remote::unix(), router, stop, (place, None)));
        }
    }
    Ok(())
}

/// Answers on a connection to its end, and gives its place to the next.
async fn answer<S>(
    gate: Arc<Gate>,
    stream: S,
    remote: Remote,
    router: Router,
    stop: watch::Receiver<bool>,
    place: (OwnedSemaphorePermit, Option<Seat>),
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let snapshot = gate.snapshot();
    let limits = &snapshot.config.limits;
    // Proxies keep connections to ask by: one that was closed meanwhile would cost a client its answer.
    let patience = (!snapshot.config.trusted_proxies.holds(remote)).then_some(limits.head_time);
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(remote));
        router.call(request)
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(patience)
        .max_buf_size(limits.head_size.0 + OWN_SIZE)
        .max_headers(limits.head_fields + OWN_FIELDS);
    let stream = TokioIo::new(Prefixed::new(stream, limits.body_pause));
    let connection = builder.serve_connection(stream, service);
    if let Err(error) = until_stopped(connection, stop, |connection| connection.graceful_shutdown()).await {
        tracing::debug!(address = %remote.address, %error, "connection ended");
    }
    drop(place);
}

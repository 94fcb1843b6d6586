//! Listeners beside the site's own: where proxies and servers ask, and where operators look.
//!
//! Whoever is not among `trusted_proxies` is bounded here as at the site's: in connections, and in the time that a
//! head may take. Here a private address alone is no sign of a proxy: it has to be listed. A proxy that asks may keep its connections for as long as it likes.

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
use tokio::sync::watch;

use super::prefixed::Prefixed;
use super::{Host, until_stopped};
use crate::gate::Gate;
use crate::trust::Remote;

/// Fields that a proxy adds to a client's when it asks; those of the manual add six at most.
const OWN_FIELDS: usize = 16;

/// Room for them: a target stands there once more.
const OWN_SIZE: usize = 16 << 10;

/// A router that answers by HTTP/1.1.
#[derive(Clone)]
pub(crate) struct Aside(pub(crate) Router);

impl Host for Aside {
    async fn serve<S>(self, gate: Arc<Gate>, stream: S, remote: Remote, stop: watch::Receiver<bool>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let snapshot = gate.snapshot();
        let limits = &snapshot.config.limits;
        // Proxies keep connections to ask by: one that was closed meanwhile would cost a client its answer.
        let patience = (!snapshot.config.trusted_proxies.holds(remote)).then_some(limits.head_time);
        let router = TowerToHyperService::new(self.0);
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
        if let Err(error) = until_stopped(connection, stop, |connection| connection.graceful_shutdown()).await
        {
            tracing::debug!(address = %remote.address, %error, "connection ended");
        }
    }
}

//! A tower layer that tells a server, for each request, who is behind it.
//!
//! The server stays what it is: the layer judges each request by the same code, configuration and policy as
//! `avouch gateway`. What may go on reaches the inner service with a [`Judged`] among its extensions and the
//! `Avouch-*` fields in its head; the rest is answered in its place. In scope: hooking that into a server. Out of
//! scope: everything else, which is `avouch-gateway`'s.
//!
//! ```no_run
//! use avouch_tower::{Avouch, Config, Judged};
//! use axum::extract::{ConnectInfo, Extension};
//! use axum::{Router, routing::get};
//! use std::net::SocketAddr;
//!
//! # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
//! let config = Config::parse_embedded("avouch", "authorities = ['www.shop.example']\nscheme = 'https'")?;
//! let avouch = Avouch::start(config).await?;
//! let who = async |Extension(judged): Extension<Judged>| format!("{:?}", judged.verdict.identity());
//! let site: Router = Router::new()
//!     .route("/", get(who))
//!     .layer(avouch.layer(|of| of.get::<ConnectInfo<SocketAddr>>().map(|connection| connection.0)));
//! # Ok(())
//! # }
//! ```
//!
//! Limits: a body is not read, so what a signature says of it stands in `not_checked`; TLS is not seen. The layer has
//! to see the request before anything rewrites its target or fields (`axum::Router::nest` does the one, path
//! normalisation the other): put it outermost. A request that was judged has used up its nonce, so judge it once.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use avouch_gateway::{Desk, Gateway, Running};
use bytes::Bytes;
use http::{Extensions, Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

pub use avouch_gateway::config::{Config, ConfigError};
pub use avouch_gateway::{Judged, StartError, Surroundings};

/// A verifier at work in this process. Dropped without [`Avouch::stop`], it stops at once; requests that are judged
/// after that still are, by what is in memory.
pub struct Avouch(Running);

impl Avouch {
    /// Starts it. `[verify]`, `[admin]` and `listen` of the configuration are served too, where it has them.
    ///
    /// # Errors
    /// Something the configuration names cannot be used.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        Self::start_in(config, Surroundings::default()).await
    }

    /// The same with another clock or DNS, for tests.
    ///
    /// # Errors
    /// As [`Avouch::start`].
    pub async fn start_in(config: Config, surroundings: Surroundings) -> Result<Self, StartError> {
        Gateway::start(config, surroundings).await.map(Self)
    }

    /// A layer for the server. `connection` finds the other end of the connection that a request came by among its
    /// extensions; `None` means a Unix socket, whose client only a trusted proxy can name.
    pub fn layer<F>(&self, connection: F) -> AvouchLayer<F>
    where
        F: Fn(&Extensions) -> Option<SocketAddr> + Clone,
    {
        AvouchLayer { desk: self.0.desk(), connection }
    }

    /// Writes what is to be kept (`[store]`), and ends.
    pub async fn stop(self) {
        self.0.stop().await;
    }
}

/// Puts [`AvouchService`] around a service.
#[derive(Clone)]
pub struct AvouchLayer<F> {
    desk: Desk,
    connection: F,
}

impl<S, F: Clone> Layer<S> for AvouchLayer<F> {
    type Service = AvouchService<S, F>;

    fn layer(&self, inner: S) -> Self::Service {
        AvouchService { inner, layer: self.clone() }
    }
}

/// Judges each request, and hands on to the inner service what may go on.
#[derive(Clone)]
pub struct AvouchService<S, F> {
    inner: S,
    layer: AvouchLayer<F>,
}

impl<S, F, Q, A> Service<Request<Q>> for AvouchService<S, F>
where
    S: Service<Request<Q>, Response = Response<A>> + Clone + Send + 'static,
    S::Future: Send,
    F: Fn(&Extensions) -> Option<SocketAddr> + Clone + Send + Sync + 'static,
    Q: Body + Send + 'static,
    A: From<Bytes>,
{
    type Response = Response<A>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        // The one that was polled is ready; its clone may not be.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let AvouchLayer { desk, connection } = self.layer.clone();
        Box::pin(async move {
            let (mut head, body) = request.into_parts();
            let connection = connection(&head.extensions);
            match desk.judge(&mut head, connection, body.is_end_stream()).await {
                Ok(judged) => {
                    head.extensions.insert(judged.clone());
                    let mut answer = inner.call(Request::from_parts(head, body)).await?;
                    judged.answered(answer.headers_mut());
                    Ok(answer)
                }
                Err(answer) => Ok(answer.map(A::from)),
            }
        })
    }
}

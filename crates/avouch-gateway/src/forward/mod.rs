//! Carries requests to an upstream and its answers back.

mod link;
mod pool;
mod quiet;
mod relay;
mod upgrade;

use std::error::Error as _;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use avouch_engine::decision::Permit;
use http::{Request, Response, StatusCode};

use crate::body::{BodyError, RequestBody};

pub(crate) use avouch_tls::Connector;
pub(crate) use link::Wire;
pub(crate) use pool::Pool;
pub(crate) use relay::Relay;
pub(crate) use upgrade::asked as upgrade_asked;

/// Why there is no answer from an upstream.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ForwardError {
    /// No connection could be made.
    #[error("the upstream cannot be reached: {0}")]
    Unreachable(std::io::Error),
    /// No connection was made in time.
    #[error("the upstream does not accept connections in time")]
    ConnectTimeout,
    /// The answer did not begin in time.
    #[error("the upstream does not answer in time")]
    AnswerTimeout,
    /// The connection broke, or what came over it is not HTTP.
    #[error("the upstream's answer is broken: {0}")]
    Broken(hyper::Error),
    /// It switched to a protocol nobody asked for.
    #[error("the upstream switched to another protocol than the one asked for")]
    Switched,
    /// The client's body broke off, paused for too long, or is not what was signed.
    #[error("{0}")]
    Body(BodyError),
}

/// How long to wait for an upstream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// For the head of its answer.
    pub(crate) head: Duration,
    /// For the next octet of its body.
    pub(crate) pause: Duration,
}

/// Sends a request that was let through, over an idle connection or a new one.
pub(crate) async fn send(
    _: &Permit,
    pool: &Arc<Pool>,
    mut request: Request<RequestBody>,
    patience: Patience,
) -> Result<Response<Relay>, ForwardError> {
    let mut idle = pool.reuse();
    loop {
        let reused = idle.is_some();
        let link = match idle.take() {
            Some(link) => link,
            // Rare, and large: its room is taken when needed.
            None => Box::pin(pool.open()).await?,
        };
        match exchange(pool, link, request, patience).await {
            Ok(answer) => return Ok(answer),
            // The upstream closed the idle connection at that very moment; nothing was sent.
            Err(Failed::Unsent(unsent)) if reused => request = *unsent,
            Err(Failed::Unsent(_)) => {
                return Err(ForwardError::Unreachable(std::io::ErrorKind::ConnectionAborted.into()));
            }
            Err(Failed::Sent(error)) => return Err(error),
        }
    }
}

/// Why an exchange came to nothing.
enum Failed {
    /// Nothing was sent; the request can go over another connection.
    Unsent(Box<Request<RequestBody>>),
    /// Some of it may have arrived.
    Sent(ForwardError),
}

fn exchange(
    pool: &Arc<Pool>,
    link: link::Link,
    mut request: Request<RequestBody>,
    patience: Patience,
) -> impl Future<Output = Result<Response<Relay>, Failed>> {
    let progress = request.body_mut().progress();
    let answer = within(patience.head, progress, link.send(request));
    async move {
        match answer.await.map_err(Failed::Sent)? {
            Ok((answer, _)) if answer.status() == StatusCode::SWITCHING_PROTOCOLS => {
                Err(Failed::Sent(ForwardError::Switched))
            }
            Ok((answer, link)) => {
                Ok(answer.map(|incoming| Relay::pooled(incoming, link, Arc::clone(pool), patience.pause)))
            }
            Err(mut unsent) => Err(match unsent.take_message() {
                Some(request) => Failed::Unsent(Box::new(request)),
                None => Failed::Sent(broken(unsent.into_error())),
            }),
        }
    }
}

/// Waits for an answer, counting from the last piece of the body that moved.
async fn within<T>(
    limit: Duration,
    progress: Option<Arc<AtomicU64>>,
    answer: impl Future<Output = T>,
) -> Result<T, ForwardError> {
    let mut answer = pin!(answer);
    let moved = || progress.as_ref().map_or(0, |moved| moved.load(Ordering::Relaxed));
    loop {
        let before = moved();
        match tokio::time::timeout(limit, answer.as_mut()).await {
            Ok(answer) => return Ok(answer),
            Err(_) if moved() != before => {}
            Err(_) => return Err(ForwardError::AnswerTimeout),
        }
    }
}

/// Tells a failure of the client's body from one of the upstream.
fn broken(error: hyper::Error) -> ForwardError {
    let body = error.source().and_then(|source| source.downcast_ref::<BodyError>());
    match body {
        Some(BodyError::Mismatch) => ForwardError::Body(BodyError::Mismatch),
        Some(BodyError::Paused) => ForwardError::Body(BodyError::Paused),
        Some(BodyError::Broken(_)) | None if error.is_user() => ForwardError::Body(BodyError::Broken(error)),
        Some(BodyError::Broken(_)) | None => ForwardError::Broken(error),
    }
}

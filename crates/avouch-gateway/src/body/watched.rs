//! Answers on an HTTP/2 connection, let go when their client reads nothing for too long.
//!
//! An HTTP/2 body is asked for more only when the client's window has room for it. A client that
//! opens no window therefore stops the body without its noticing, and would hold a place at the
//! upstream for ever. So each connection looks at its answers from time to time.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use super::{AnswerBody, BodyError};

/// Answers after which those that ended are cleared out of the list; more than a connection has
/// under way, by the default of `streams`.
const CLEAR: usize = 256;

/// The answers of one connection.
pub(crate) struct Watch {
    answers: Mutex<Vec<Weak<Shared>>>,
    limit: Duration,
}

/// An answer that can be taken away from its connection.
pub(crate) struct Watched(Arc<Shared>);

struct Shared(Mutex<State>);

struct State {
    /// `None` once it was taken away.
    body: Option<AnswerBody>,
    /// Since when it is the client's turn; `None` while the upstream's piece is awaited.
    ready: Option<Instant>,
}

impl Watch {
    /// Lets a client read nothing for `limit`, and for up to half of it more.
    pub(crate) fn new(limit: Duration) -> Self {
        Self { answers: Mutex::default(), limit }
    }

    /// Watches one more answer.
    pub(crate) fn over(&self, body: AnswerBody) -> Watched {
        let state = State { body: Some(body), ready: Some(Instant::now()) };
        let shared = Arc::new(Shared(Mutex::new(state)));
        let mut answers = self.answers();
        if answers.len() >= CLEAR && answers.len() == answers.capacity() {
            answers.retain(|answer| answer.strong_count() > 0);
        }
        answers.push(Arc::downgrade(&shared));
        Watched(shared)
    }

    /// Looks at the answers for as long as the connection lasts.
    pub(crate) async fn keep(&self) {
        loop {
            tokio::time::sleep(self.limit / 2).await;
            self.answers().retain(|answer| {
                let Some(answer) = answer.upgrade() else { return false };
                !answer.let_go(self.limit)
            });
        }
    }

    fn answers(&self) -> MutexGuard<'_, Vec<Weak<Shared>>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the body away if the client has left it alone for `limit`.
    fn let_go(&self, limit: Duration) -> bool {
        let mut state = self.state();
        if state.ready.is_none_or(|since| since.elapsed() < limit) {
            return false;
        }
        // With it go its place at the upstream and, as a line that says so, its entry in the log.
        if let Some(body) = state.body.take() {
            body.break_off();
        }
        true
    }
}

impl Body for Watched {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut state = self.0.state();
        let Some(body) = &mut state.body else { return Poll::Ready(Some(Err(BodyError::Paused))) };
        let polled = Pin::new(body).poll_frame(cx);
        state.ready = polled.is_ready().then(Instant::now);
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.0.state().body.as_ref().is_some_and(AnswerBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.0.state().body.as_ref().map_or_else(SizeHint::default, AnswerBody::size_hint)
    }
}

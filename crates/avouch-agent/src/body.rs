//! Content on its way: read ahead to be signed, and never waited for without end.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use avouch_wire::content::ContentHasher;
use bytes::{Bytes, BytesMut};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::Sleep;

use crate::question::Content;

/// The content of an answer to a program.
pub(crate) type Answer = UnsyncBoxBody<Bytes, BodyError>;

/// The content of a request to a site.
pub(crate) type Outgoing = UnsyncBoxBody<Bytes, BodyError>;

/// Why content does not go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("broke off: {0}")]
    Broken(#[from] hyper::Error),
    #[error("paused for too long")]
    Paused,
}

/// Content that may pause, but not for longer than its limit.
pub(crate) struct Paced {
    inner: Incoming,
    limit: Duration,
    /// Runs only while nothing arrives.
    sleep: Option<Pin<Box<Sleep>>>,
    moved: Arc<AtomicU64>,
}

impl Paced {
    pub(crate) fn new(inner: Incoming, limit: Duration) -> Self {
        Self { inner, limit, sleep: None, moved: Arc::default() }
    }

    /// Grows with each piece.
    pub(crate) fn moved(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.moved)
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(cx) {
            self.sleep = None;
            self.moved.fetch_add(1, Ordering::Relaxed);
            return Poll::Ready(frame.map(|frame| Ok(frame?)));
        }
        let limit = self.limit;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        sleep.as_mut().poll(cx).map(|()| Some(Err(BodyError::Paused)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// What was read ahead, and the rest as it comes. Trailers are left out.
struct Spliced {
    first: Option<Bytes>,
    rest: Paced,
}

impl Body for Spliced {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        let frame = ready!(Pin::new(&mut self.rest).poll_frame(cx));
        Poll::Ready(frame.filter(|frame| frame.as_ref().map_or(true, Frame::is_data)))
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let read = self.first.as_ref().map_or(0, |first| first.len() as u64);
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(read));
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(read));
        }
        hint
    }
}

/// Content to be sent, and what tells that it moves, where it does not lie in memory.
pub(crate) struct Sent {
    pub(crate) body: Outgoing,
    pub(crate) moved: Option<Arc<AtomicU64>>,
}

/// Content that is not looked at.
pub(crate) fn unseen(body: Incoming, pause: Duration) -> Sent {
    spliced(None, Paced::new(body, pause))
}

fn spliced(first: Option<Bytes>, rest: Paced) -> Sent {
    let moved = Some(rest.moved());
    Sent { body: Spliced { first, rest }.boxed_unsync(), moved }
}

/// Reads content of at most `most` octets, so that it can be signed; longer content goes on as it comes, and is not
/// covered.
pub(crate) async fn read_ahead(
    body: Incoming,
    most: usize,
    pause: Duration,
) -> Result<(Content, Sent), BodyError> {
    let mut paced = Paced::new(body, pause);
    let whole = |octets: Bytes| Sent {
        body: Full::from(octets).map_err(|never| match never {}).boxed_unsync(),
        moved: None,
    };
    if paced.size_hint().lower() > most as u64 {
        return Ok((Content::Unseen, spliced(None, paced)));
    }
    let (mut octets, mut hasher) = (BytesMut::new(), ContentHasher::new());
    while let Some(frame) = paced.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        hasher.update(&data);
        octets.extend_from_slice(&data);
        if octets.len() > most {
            return Ok((Content::Unseen, spliced(Some(octets.freeze()), paced)));
        }
    }
    let content = if octets.is_empty() { Content::None } else { Content::Read(hasher.finish()) };
    Ok((content, whole(octets.freeze())))
}

//! An upstream's answer on its way to the client.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::link::Link;
use super::pool::Pool;
use crate::body::{BodyError, Pause};

/// The body of an answer, with the connection it comes over. At its end the connection goes back
/// to the pool; dropped before that, the connection is closed, which is how HTTP/1.1 aborts.
pub(crate) struct Relay {
    incoming: Incoming,
    carrier: Carrier,
    pause: Pause,
}

enum Carrier {
    /// We drive the connection, and give it back.
    Pooled(Link, Arc<Pool>),
    /// A task of its own drives it, as after a wish to switch protocols.
    Detached,
    /// The body has ended.
    Done,
}

impl Relay {
    pub(super) fn pooled(incoming: Incoming, link: Link, pool: Arc<Pool>, pause: Duration) -> Self {
        Self::new(incoming, Carrier::Pooled(link, pool), pause)
    }

    pub(super) fn detached(incoming: Incoming, pause: Duration) -> Self {
        Self::new(incoming, Carrier::Detached, pause)
    }

    fn new(incoming: Incoming, carrier: Carrier, pause: Duration) -> Self {
        let mut relay = Self { incoming, carrier, pause: Pause::of(pause) };
        if relay.incoming.is_end_stream() {
            relay.finish();
        }
        relay
    }

    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.is_end_stream() {
            return Poll::Ready(None);
        }
        let arrived = self.poll_incoming(cx);
        let frame = ready!(self.pause.bound(cx, arrived));
        match &frame {
            Some(Ok(_)) if !self.incoming.is_end_stream() => {}
            Some(Err(_)) => self.carrier = Carrier::Done,
            Some(Ok(_)) | None => self.finish(),
        }
        Poll::Ready(frame)
    }

    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Self { incoming, carrier, .. } = self;
        let frame = match carrier {
            Carrier::Pooled(link, _) => link.poll_body(cx, incoming),
            Carrier::Detached => Pin::new(incoming).poll_frame(cx),
            Carrier::Done => Poll::Ready(None),
        };
        frame.map_err(BodyError::Broken)
    }

    fn finish(&mut self) {
        if let Carrier::Pooled(link, pool) = std::mem::replace(&mut self.carrier, Carrier::Done) {
            pool.give_back(link);
        }
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        matches!(self.carrier, Carrier::Done)
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

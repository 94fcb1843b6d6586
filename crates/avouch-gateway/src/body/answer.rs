//! An answer's body.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::BodyError;
use crate::access_log::Entry;
use crate::admission::Slot;
use crate::forward::Relay;

/// What a client gets after the head of an answer. It carries the request's log entry, which is
/// written when the last octet has left or the client has gone away.
pub(crate) struct AnswerBody {
    source: Source,
    entry: Option<Box<Entry>>,
}

enum Source {
    /// Nothing, or nothing more.
    Empty,
    /// An answer of our own.
    Own(Bytes),
    /// The upstream's answer, and the place it holds among the forwarded requests.
    Upstream(Relay, #[expect(dead_code, reason = "held until the body ends")] Slot),
}

impl AnswerBody {
    pub(crate) const fn empty() -> Self {
        Self { source: Source::Empty, entry: None }
    }

    pub(crate) const fn own(text: Bytes) -> Self {
        Self { source: Source::Own(text), entry: None }
    }

    pub(crate) const fn relayed(relay: Relay, slot: Slot) -> Self {
        Self { source: Source::Upstream(relay, slot), entry: None }
    }

    /// Has `entry` written when this body is done.
    pub(crate) fn logged(mut self, entry: Box<Entry>) -> Self {
        self.entry = Some(entry);
        self
    }

    /// Ends it before its end; the log says so.
    pub(super) fn break_off(mut self) {
        self.entry.iter_mut().for_each(|entry| entry.broke_off());
    }

    fn count(&mut self, frame: &Frame<Bytes>) {
        if let (Some(entry), Some(data)) = (&mut self.entry, frame.data_ref()) {
            entry.sent(data.len());
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = match &mut self.source {
            Source::Empty => Poll::Ready(None),
            Source::Own(text) => {
                let text = std::mem::take(text);
                Poll::Ready((!text.is_empty()).then(|| Ok(Frame::data(text))))
            }
            Source::Upstream(relay, _) => relay.poll_frame(cx),
        };
        match &polled {
            Poll::Ready(Some(Ok(frame))) => self.count(frame),
            Poll::Ready(Some(Err(_))) => {
                self.source = Source::Empty;
                self.entry.iter_mut().for_each(|entry| entry.broke_off());
            }
            Poll::Ready(None) => self.source = Source::Empty,
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Empty => true,
            Source::Own(text) => text.is_empty(),
            Source::Upstream(relay, _) => relay.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Empty => SizeHint::with_exact(0),
            Source::Own(text) => SizeHint::with_exact(text.len() as u64),
            Source::Upstream(relay, _) => relay.size_hint(),
        }
    }
}

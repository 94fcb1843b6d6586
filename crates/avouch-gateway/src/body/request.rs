//! A request's body.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use avouch_wire::content::{ContentDigest, ContentDigests, ContentHasher};
use avouch_wire::http_signature::FieldDigest;
use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::{BodyError, Pause};
use crate::hygiene;

/// The longest content that is read whole before its request is judged
/// (`docs/formats/verdict.md`): a form or an API call, and little enough for thousands at once.
pub(crate) const JUDGED_BODY: usize = 64 << 10;

/// What a client sends after its head, on its way to the upstream.
pub(crate) struct RequestBody {
    /// What was read already.
    early: VecDeque<Frame<Bytes>>,
    /// What still arrives.
    rest: Option<Incoming>,
    pause: Pause,
    check: Option<Check>,
    /// Counts pieces passed on, so that a wait for the answer begins anew with each.
    moved: Option<Arc<AtomicU64>>,
}

/// The digests that a request's content was signed with, one at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Signed {
    /// That of a SAIP header.
    pub(crate) cd: Option<ContentDigest>,
    /// Those of a `Content-Digest` that an HTTP message signature covers.
    pub(crate) field: Option<FieldDigest>,
}

impl Signed {
    fn hasher(&self) -> ContentHasher {
        match self.field.is_some_and(|field| field.needs_sha512()) {
            true => ContentHasher::of_all(),
            false => ContentHasher::new(),
        }
    }

    fn holds(&self, content: &ContentDigests) -> bool {
        self.cd.is_none_or(|cd| cd == content.sha256)
            && self.field.is_none_or(|field| field.is_of(content) == Some(true))
    }
}

/// Holds the content to its digests: each piece is passed on only when the next has arrived, so the
/// upstream never has the last octet, nor the end, of content that does not match.
struct Check {
    expected: Signed,
    hasher: ContentHasher,
    held: Option<Bytes>,
    /// Says to the request's log entry that it did not match.
    mismatch: Arc<AtomicBool>,
}

impl RequestBody {
    /// The body as it arrives, given up when it pauses for longer than `pause`.
    pub(crate) fn new(incoming: Incoming, pause: Duration) -> Self {
        let rest = (!incoming.is_end_stream()).then_some(incoming);
        Self { early: VecDeque::new(), rest, pause: Pause::of(pause), check: None, moved: None }
    }

    /// Reads ahead up to [`JUDGED_BODY`] octets. The digests of the content when that was all of
    /// it, `None` when there is more. What was read is kept in one piece: kept as it came, a
    /// body of tiny or empty pieces would take many times its length.
    pub(crate) async fn read_ahead(&mut self, signed: Signed) -> Result<Option<ContentDigests>, BodyError> {
        let (mut content, mut trailers) = (BytesMut::new(), None);
        while let Some(frame) = poll_fn(|cx| self.poll_rest(cx)).await {
            match frame?.into_data() {
                Ok(data) => content.extend_from_slice(&data),
                Err(frame) => trailers = Some(frame),
            }
            if content.len() > JUDGED_BODY {
                break;
            }
        }
        let digests = (content.len() <= JUDGED_BODY).then(|| {
            let mut hasher = signed.hasher();
            hasher.update(&content);
            hasher.finish_all()
        });
        let data = (!content.is_empty()).then(|| Frame::data(content.freeze()));
        self.early.extend(data.into_iter().chain(trailers));
        Ok(digests)
    }

    /// Passes the end on only if the whole content has these digests. The flag is set should it not.
    pub(crate) fn hold_to(&mut self, expected: Signed) -> Arc<AtomicBool> {
        let mismatch = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&mismatch);
        self.check = Some(Check { expected, hasher: expected.hasher(), held: None, mismatch });
        flag
    }

    /// A count that grows as long as the body moves; `None` when there is none.
    pub(crate) fn progress(&mut self) -> Option<Arc<AtomicU64>> {
        if self.is_end_stream() {
            return None;
        }
        Some(Arc::clone(self.moved.get_or_insert_default()))
    }

    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(frame) = self.early.pop_front() {
            return Poll::Ready(Some(Ok(frame)));
        }
        self.poll_rest(cx)
    }

    /// What arrives after what was read already.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(rest) = &mut self.rest else { return Poll::Ready(None) };
        let arrived = Pin::new(rest).poll_frame(cx).map_err(BodyError::Broken);
        let arrived = ready!(self.pause.bound(cx, arrived));
        if arrived.as_ref().is_none_or(Result::is_err) || self.rest.as_ref().is_some_and(Body::is_end_stream)
        {
            self.rest = None;
        }
        Poll::Ready(arrived.map(|frame| frame.map(clean)))
    }
}

fn clean(frame: Frame<Bytes>) -> Frame<Bytes> {
    match frame.into_trailers() {
        Ok(mut trailers) => {
            hygiene::clean_trailers(&mut trailers);
            Frame::trailers(trailers)
        }
        Err(data) => data,
    }
}

impl Check {
    /// Takes the next piece, gives the one before.
    fn pass(&mut self, data: Bytes) -> Option<Bytes> {
        if data.is_empty() {
            return None;
        }
        self.hasher.update(&data);
        self.held.replace(data)
    }

    fn holds(&self) -> bool {
        self.expected.holds(&self.hasher.clone().finish_all())
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            let next = ready!(self.poll_source(cx));
            let this = &mut *self;
            if let Some(moved) = &this.moved {
                moved.fetch_add(1, Ordering::Relaxed);
            }
            let Some(check) = &mut this.check else { return Poll::Ready(next) };
            match next.transpose()?.map(Frame::into_data) {
                Some(Ok(data)) => {
                    if let Some(before) = check.pass(data) {
                        return Poll::Ready(Some(Ok(Frame::data(before))));
                    }
                }
                end => {
                    if !check.holds() {
                        check.mismatch.store(true, Ordering::Relaxed);
                        this.rest = None;
                        return Poll::Ready(Some(Err(BodyError::Mismatch)));
                    }
                    this.early.extend(check.held.take().map(Frame::data));
                    this.early.extend(end.and_then(Result::err));
                    this.check = None;
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.check.is_none() && self.early.is_empty() && self.rest.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let waiting: u64 = self.early.iter().filter_map(Frame::data_ref).map(|data| data.len() as u64).sum();
        let held =
            self.check.as_ref().and_then(|check| check.held.as_ref()).map_or(0, |held| held.len() as u64);
        let known = waiting + held;
        let rest = self.rest.as_ref().map_or(SizeHint::with_exact(0), Body::size_hint);
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower() + known);
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + known);
        }
        hint
    }
}

//! Connections by which HAProxy asks in frames (`avouch_wire::spop`).
//!
//! A connection begins with a handshake, within `head_time`, and is for `trusted_proxies` alone. Then come questions,
//! of which as many are answered at once as HTTP/2 may have streams (`streams`), in the order in which answers are
//! found; while there are so many, no more is read. A frame that has begun has to be there within `head_time`. After a
//! stop what has arrived is answered, and nothing more is read.

use std::sync::Arc;
use std::time::Duration;

use avouch_wire::spop::{Frame, FrameError, Offer, PREFIX, Trouble, agent_hello, disconnect};
use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use super::Host;
use super::prefixed::Prefixed;
use crate::gate::Gate;
use crate::spoe::Question;
use crate::trust::Remote;

/// The longest frame that is taken: twice a head of the default limit. HAProxy offers its buffer, 16 KiB by default.
const MAX_FRAME: u32 = 128 << 10;

/// The longest handshake that is taken: HAProxy's is less than 200 octets.
const MAX_HELLO: u32 = 1 << 10;

/// How long a connection may say nothing. HAProxy ends idle ones itself long before, as its configuration says; this
/// is for those whose HAProxy is gone without a word.
const IDLE: Duration = Duration::from_secs(600);

/// The longest that a question is worked on: a look-up of a slow domain takes half of it.
const LONGEST: Duration = Duration::from_secs(10);

/// Room to read into at once.
const READ: usize = 4 << 10;

/// HAProxy, asking in frames.
#[derive(Clone, Copy)]
pub(crate) struct Offload;

impl Host for Offload {
    async fn serve<S>(self, gate: Arc<Gate>, stream: S, remote: Remote, stop: watch::Receiver<bool>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let snapshot = gate.snapshot();
        let limits = &snapshot.config.limits;
        let stream = Prefixed::new(stream, limits.body_pause);
        let mut link = Link::new(stream, limits.head_time);
        let Err(end) = connection(&gate, &mut link, remote, stop, limits.streams).await else { return };
        if let End::Io(error) = &end {
            tracing::debug!(address = %remote.address, %error, "connection of who asks ended");
        }
        if let End::Said(trouble) = end {
            tracing::debug!(address = %remote.address, %trouble, "connection of who asks is ended");
            // Whoever does not read it finds the connection closed.
            let _ = link.stream.write_all(&disconnect(trouble, &trouble.to_string()).write()).await;
            let _ = link.stream.shutdown().await;
        }
    }
}

/// How a connection ends.
enum End {
    /// It is closed or broken.
    Io(std::io::Error),
    /// This side ends it, and says why.
    Said(Trouble),
}

impl From<std::io::Error> for End {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Trouble> for End {
    fn from(trouble: Trouble) -> Self {
        Self::Said(trouble)
    }
}

impl From<FrameError> for End {
    fn from(error: FrameError) -> Self {
        Self::Said(error.into())
    }
}

async fn connection<S>(
    gate: &Arc<Gate>,
    link: &mut Link<S>,
    remote: Remote,
    mut stop: watch::Receiver<bool>,
    most: usize,
) -> Result<(), End>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let offer = match handshake(gate, link, remote).await? {
        Some(offer) => offer,
        None => return Ok(()),
    };
    // Who cannot match answers to questions is answered before the next is read.
    let most = if offer.pipelining { most } else { 1 };
    let mut answers = JoinSet::new();
    let mut is_stopping = false;
    loop {
        let has_room = answers.len() < most;
        if has_room && let Some(frame) = link.complete()? {
            match Frame::read(&frame)? {
                Frame::Notify(id, messages) => {
                    let question = Question::read(gate, remote, id, &messages);
                    answers.spawn(timeout(LONGEST, question.answer(link.longest)));
                }
                Frame::HaproxyDisconnect(_) => return Err(Trouble::None.into()),
                _ => return Err(Trouble::Invalid.into()),
            }
            continue;
        }
        if is_stopping && answers.is_empty() {
            return Err(Trouble::None.into());
        }
        tokio::select! {
            // A question that was not answered in time HAProxy gives up by itself.
            Some(answered) = answers.join_next() => if let Ok(Ok(octets)) = answered {
                link.stream.write_all(&octets).await?;
            },
            arrived = link.more(), if has_room && !is_stopping => if !arrived? { return Ok(()) },
            _ = stop.changed(), if !is_stopping => is_stopping = true,
        }
    }
}

/// Takes an offer up; `None` where nothing more is wanted.
async fn handshake<S>(gate: &Gate, link: &mut Link<S>, remote: Remote) -> Result<Option<Offer>, End>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let hello = loop {
        match link.complete()? {
            Some(frame) => break frame,
            None if link.more().await? => {}
            None => return Ok(None),
        }
    };
    let Frame::HaproxyHello(pairs) = Frame::read(&hello)? else { return Err(Trouble::Invalid.into()) };
    if !gate.snapshot().config.trusted_proxies.holds(remote) {
        tracing::warn!(address = %remote.address, "a proxy is refused: {}", Trouble::Stranger);
        return Err(Trouble::Stranger.into());
    }
    let offer = Offer::read(&pairs)?;
    link.longest = MAX_FRAME.min(offer.max_frame_size);
    link.stream.write_all(&agent_hello(offer, MAX_FRAME).write()).await?;
    link.deadline = Instant::now() + IDLE;
    if offer.healthcheck {
        link.stream.shutdown().await?;
        return Ok(None);
    }
    Ok(Some(offer))
}

/// A connection, and what was read of it and is not taken yet.
struct Link<S> {
    stream: Prefixed<S>,
    read: BytesMut,
    /// How long a frame may take to arrive.
    patience: Duration,
    /// When something has to have come.
    deadline: Instant,
    /// The longest frame.
    longest: u32,
}

impl<S: AsyncRead + Unpin> Link<S> {
    fn new(stream: Prefixed<S>, patience: Duration) -> Self {
        let deadline = Instant::now() + patience;
        Self { stream, read: BytesMut::new(), patience, deadline, longest: MAX_HELLO }
    }

    /// Takes a frame, once it is there whole.
    fn complete(&mut self) -> Result<Option<Bytes>, Trouble> {
        let Some(prefix) = self.read.first_chunk::<PREFIX>() else { return Ok(None) };
        let length = u32::from_be_bytes(*prefix);
        if length > self.longest {
            return Err(Trouble::Long);
        }
        let whole = usize::try_from(length).map_or(usize::MAX, |length| length.saturating_add(PREFIX));
        if self.read.len() < whole {
            return Ok(None);
        }
        let mut frame = self.read.split_to(whole).freeze();
        frame.advance(PREFIX);
        let patience = if self.read.is_empty() { IDLE } else { self.patience };
        self.deadline = Instant::now() + patience;
        Ok(Some(frame))
    }

    /// Reads more; `false` at the end of the connection. What was read is kept where this is given up half-way.
    async fn more(&mut self) -> Result<bool, End> {
        self.read.reserve(READ);
        let begins = self.read.is_empty();
        let read = timeout_at(self.deadline, self.stream.read_buf(&mut self.read)).await;
        let read = read.map_err(|_| Trouble::Late)??;
        if begins {
            self.deadline = Instant::now() + self.patience;
        }
        Ok(read > 0)
    }
}

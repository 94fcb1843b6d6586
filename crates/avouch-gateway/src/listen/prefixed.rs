//! A client's connection: its first octets can be read twice, and it may not stall.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// Gives back what was read from it to decide what it speaks, then reads on. A write that makes
/// no progress for too long fails: who asks and never reads the answer holds nothing for ever.
pub(super) struct Prefixed<S> {
    start: BytesMut,
    stream: S,
    patience: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
}

/// Room for the first octets of a connection: a small request or a PROXY header at once.
const START: usize = 1024;

impl<S: AsyncRead + Unpin> Prefixed<S> {
    /// A write may stand still for at most `patience`.
    pub(super) fn new(stream: S, patience: Duration) -> Self {
        Self { start: BytesMut::new(), stream, patience, stalled: None }
    }

    /// Reads more of the beginning; `false` at the end of the connection.
    pub(super) async fn more(&mut self) -> io::Result<bool> {
        if self.start.capacity() == self.start.len() {
            self.start.reserve(START);
        }
        Ok(self.stream.read_buf(&mut self.start).await? > 0)
    }

    /// What was read so far.
    pub(super) fn start(&self) -> &[u8] {
        &self.start
    }

    /// Drops the first octets.
    pub(super) fn skip(&mut self, octets: usize) {
        self.start.advance(octets.min(self.start.len()));
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Prefixed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.start.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let length = self.start.len().min(buf.remaining());
        buf.put_slice(&self.start.split_to(length));
        if self.start.is_empty() {
            self.start = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S> Prefixed<S> {
    /// Passes on what a write came to, or an error once it has been pending for too long.
    fn bound<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let patience = self.patience;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        stalled.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Prefixed<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.bound(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.bound(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn nothing_is_lost_or_read_twice() {
        let mut stream = Prefixed::new(&b"PROXYrequest"[..], Duration::from_secs(1));
        while stream.start().len() < 5 {
            assert!(stream.more().await.unwrap());
        }
        stream.skip(5);
        let mut rest = String::new();
        stream.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "request");
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_stands_still_is_given_up() {
        let (mut far, near) = tokio::io::duplex(4);
        let mut stream = Prefixed::new(near, Duration::from_secs(1));
        stream.write_all(b"1234").await.unwrap();
        assert_eq!(stream.write_all(b"5").await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        far.read_exact(&mut [0; 4]).await.unwrap();
        stream.write_all(b"5").await.unwrap();
    }
}

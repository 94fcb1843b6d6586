//! A connection of which the first octets were read already.

use std::io::IoSlice;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// Gives back what was read from it to decide what it speaks, then reads on.
pub(super) struct Prefixed<S> {
    start: BytesMut,
    stream: S,
}

/// Room for the first octets of a connection: a small request or a PROXY header at once.
const START: usize = 1024;

impl<S: AsyncRead + Unpin> Prefixed<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { start: BytesMut::new(), stream }
    }

    /// Reads more of the beginning; `false` at the end of the connection.
    pub(super) async fn more(&mut self) -> std::io::Result<bool> {
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
    ) -> Poll<std::io::Result<()>> {
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

impl<S: AsyncWrite + Unpin> AsyncWrite for Prefixed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_is_lost_or_read_twice() {
        let mut stream = Prefixed::new(&b"PROXYrequest"[..]);
        while stream.start().len() < 5 {
            assert!(stream.more().await.unwrap());
        }
        stream.skip(5);
        let mut rest = String::new();
        stream.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "request");
    }
}

//! One connection to an upstream.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::{TrySendError, http1};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::quiet::Quiet;
use super::{Connector, ForwardError};
use crate::body::RequestBody;
use crate::config::Upstream;

/// A connection that is driven by whoever uses it rather than by a task of its own: a request
/// then costs no hand-over between threads, neither on its way out nor with its answer.
pub(super) struct Link {
    sender: http1::SendRequest<RequestBody>,
    connection: Option<Driver>,
    quiet: Quiet,
}

/// Moves octets; boxed, since a link is handed on several times for each request.
type Driver = Box<http1::Connection<TokioIo<Wire>, RequestBody>>;

/// Plain or TLS.
pub(crate) enum Wire {
    Plain(TcpStream),
    Tls(Box<avouch_tls::Secured<TcpStream>>),
}

/// A send that failed: the request itself comes back when none of it was sent.
pub(super) type Unsent = TrySendError<Request<RequestBody>>;

impl Link {
    /// Connects within `limit`.
    pub(super) async fn open(
        upstream: &Upstream,
        connector: Option<&Connector>,
        limit: Duration,
        head_size: usize,
    ) -> Result<Self, ForwardError> {
        let opening = async {
            let wire = Wire::open(upstream, connector).await.map_err(ForwardError::Unreachable)?;
            let mut builder = http1::Builder::new();
            // One copy of a head into one buffer costs less than a list of its pieces.
            builder.max_buf_size(head_size).writev(false);
            builder.handshake(TokioIo::new(wire)).await.map_err(ForwardError::Broken)
        };
        let (sender, connection) =
            tokio::time::timeout(limit, opening).await.map_err(|_| ForwardError::ConnectTimeout)??;
        Ok(Self { sender, connection: Some(Box::new(connection)), quiet: Quiet::new() })
    }

    /// Sends a request and waits for the head of its answer; gives the connection back with it.
    ///
    /// Not an `async fn`: the request leaves before the first poll, and so takes no room in what
    /// waits for the answer, which every caller would hold twice.
    pub(super) fn send(
        mut self,
        request: Request<RequestBody>,
    ) -> impl Future<Output = Result<(Response<Incoming>, Self), Unsent>> {
        let mut answer = Box::pin(self.sender.try_send_request(request));
        async move {
            let Self { connection, quiet, .. } = &mut self;
            let answered = std::future::poll_fn(|cx| {
                quiet.poll(cx, |cx| {
                    drive(connection, cx);
                    answer.as_mut().poll(cx)
                })
            });
            let answer = answered.await?;
            Ok((answer, self))
        }
    }

    /// Polls a body that comes over this connection, moving octets both ways as far as they go.
    pub(super) fn poll_body(
        &mut self,
        cx: &Context<'_>,
        body: &mut Incoming,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let Self { connection, quiet, .. } = self;
        quiet.poll(cx, |cx| {
            // The first poll asks for more, the second takes what driving the connection brought.
            if let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) {
                return Poll::Ready(frame);
            }
            drive(connection, cx);
            Pin::new(&mut *body).poll_frame(cx)
        })
    }

    /// Whether another request can go over this connection: it is open, and all of the request
    /// and answer before has gone through.
    pub(super) fn is_ready(&mut self) -> bool {
        drive(&mut self.connection, &mut Context::from_waker(Waker::noop()));
        self.connection.is_some() && self.sender.is_ready()
    }

    /// Drives the connection by a task of its own, as a switch of protocols needs.
    pub(super) fn detach(self) -> http1::SendRequest<RequestBody> {
        if let Some(connection) = self.connection {
            tokio::spawn(connection.with_upgrades());
        }
        self.sender
    }
}

fn drive(connection: &mut Option<Driver>, cx: &mut Context<'_>) {
    if let Some(open) = connection
        && Pin::new(open).poll(cx).is_ready()
    {
        *connection = None;
    }
}

impl Wire {
    /// Connects, for as long as that takes.
    pub(crate) async fn open(upstream: &Upstream, connector: Option<&Connector>) -> std::io::Result<Self> {
        let stream = TcpStream::connect((upstream.host.as_str(), upstream.port)).await?;
        stream.set_nodelay(true)?;
        match connector {
            Some(connector) => {
                connector.connect(&upstream.host, stream).await.map(|secured| Self::Tls(Box::new(secured)))
            }
            None => Ok(Self::Plain(stream)),
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        match (&mut *self, bufs) {
            // A request without content is one buffer, for which the plain call costs less.
            (Self::Plain(stream), [only]) => Pin::new(stream).poll_write(cx, only),
            (Self::Plain(stream), _) => Pin::new(stream).poll_write_vectored(cx, bufs),
            (Self::Tls(stream), _) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(_) => false,
        }
    }
}

//! A connection inside TLS, whichever side opened it.

use std::pin::Pin;
use std::task::{Context, Poll};

use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsStream;
use webpki::EndEntityCert;

/// Most names of a client's certificate that are read: authorities sign no more, and each costs a comparison with each
/// request. One with more names says nothing.
pub const MAX_NAMES: usize = 100;

/// What the two sides will speak inside TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `http/1.1`, or the client named nothing.
    Http1,
    /// `h2`.
    Http2,
}

/// A TLS connection, to a server or from a client.
#[derive(Debug)]
pub struct Secured<S>(TlsStream<S>);

impl<S, T: Into<TlsStream<S>>> From<T> for Secured<S> {
    fn from(stream: T) -> Self {
        Self(stream.into())
    }
}

impl<S> Secured<S> {
    /// What ALPN settled.
    pub fn protocol(&self) -> Protocol {
        match self.0.get_ref().1.alpn_protocol() {
            Some(b"h2") => Protocol::Http2,
            _ => Protocol::Http1,
        }
    }

    /// The DNS names in the certificate that the client presented and that was verified, now or when the session began
    /// that it resumes. None where this side is the client, or where there are more than [`MAX_NAMES`].
    pub fn client_names(&self) -> Vec<String> {
        let leaf = match &self.0 {
            TlsStream::Server(stream) => {
                stream.get_ref().1.peer_certificates().and_then(<[CertificateDer<'_>]>::first)
            }
            TlsStream::Client(_) => None,
        };
        let Some(Ok(leaf)) = leaf.map(EndEntityCert::try_from) else { return Vec::new() };
        let names: Vec<_> = leaf.valid_dns_names().take(MAX_NAMES + 1).map(str::to_owned).collect();
        if names.len() > MAX_NAMES { Vec::new() } else { names }
    }

    /// The host name a client asked for, if it named one (RFC 6066 section 3); `None` where this
    /// side is the client.
    pub fn server_name(&self) -> Option<&str> {
        match &self.0 {
            TlsStream::Server(stream) => stream.get_ref().1.server_name(),
            TlsStream::Client(_) => None,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Secured<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Secured<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

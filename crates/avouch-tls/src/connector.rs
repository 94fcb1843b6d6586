//! The side that opens connections: to upstreams, and of agents to sites.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use crate::pem::{self, CertificateError};
use crate::{Protocol, Secured};

/// Opens TLS connections to servers whose certificate leads to a trusted root. Cheap to clone.
#[derive(Clone)]
pub struct Connector(TlsConnector);

impl Connector {
    /// Trusts the roots the operating system keeps, and offers `protocols` in this order.
    ///
    /// # Errors
    ///
    /// No root bundle at any of the usual places, or none of it usable.
    pub fn system(protocols: &[Protocol]) -> Result<Self, CertificateError> {
        Self::trusting(&pem::system_roots()?, protocols)
    }

    /// Trusts exactly the certificates in PEM text, and offers `protocols` in this order.
    ///
    /// # Errors
    ///
    /// Text without a usable certificate.
    pub fn trusting(roots: &[u8], protocols: &[Protocol]) -> Result<Self, CertificateError> {
        let store = pem::roots(roots)?;
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(store)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| alpn(*protocol).to_vec()).collect();
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    /// Runs the handshake on a fresh connection to `host`, a DNS name or an IP address without
    /// brackets. The caller bounds the time it may take.
    ///
    /// # Errors
    ///
    /// `host` is neither, the handshake failed, or the connection broke.
    pub async fn connect<S>(&self, host: &str, stream: S) -> std::io::Result<Secured<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = ServerName::try_from(host.to_owned()).map_err(std::io::Error::other)?;
        Ok(Secured::from(self.0.connect(name, stream).await?))
    }
}

const fn alpn(protocol: Protocol) -> &'static [u8] {
    match protocol {
        Protocol::Http1 => b"http/1.1",
        Protocol::Http2 => b"h2",
    }
}

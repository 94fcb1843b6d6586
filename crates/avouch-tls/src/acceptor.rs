//! The listener's side.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::client::verify_server_name;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::{ParsedCertificate, ResolvesServerCertUsingSni, WebPkiClientVerifier};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer as _;

use crate::pem::{self, CertificateError};
use crate::{Challenges, Secured};

/// Accepts TLS connections with one certificate. Cheap to clone.
#[derive(Clone)]
pub struct Acceptor {
    tls: TlsAcceptor,
    /// None where there is no certificate yet.
    leaf: Option<Arc<CertificateDer<'static>>>,
    challenges: Option<Challenges>,
}

impl Acceptor {
    /// From a certificate chain, leaf first, and its private key, both PEM files. Clients are asked for a certificate
    /// that leads to a root in the file `clients`, if there is one; they need not have one.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, holds no certificate or key, or a pair that does not match.
    pub fn load(certificate: &Path, key: &Path, clients: Option<&Path>) -> Result<Self, CertificateError> {
        let (certificate, key) =
            (pem::read(certificate, pem::CHAIN_LIMIT)?, pem::read(key, pem::CHAIN_LIMIT)?);
        let clients = clients.map(|roots| pem::read(roots, pem::ROOTS_LIMIT)).transpose()?;
        Self::asking(&certificate, &key, clients.as_deref())
    }

    /// From PEM text. No client is asked for a certificate.
    ///
    /// # Errors
    ///
    /// Text without certificate or key, or a pair that does not match.
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Self, CertificateError> {
        Self::asking(certificate, key, None)
    }

    /// From PEM text, as [`Acceptor::load`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn asking(certificate: &[u8], key: &[u8], clients: Option<&[u8]>) -> Result<Self, CertificateError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let chain = pem::certificates(certificate)?;
        let leaf = Arc::new(chain.first().cloned().ok_or(CertificateError::NoCertificate)?);
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let builder = match clients {
            Some(roots) => {
                let roots = Arc::new(pem::roots(roots)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
                let verifier = verifier.allow_unauthenticated().build();
                builder.with_client_cert_verifier(
                    verifier.map_err(|error| rustls::Error::General(error.to_string()))?,
                )
            }
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_single_cert(chain, pem::private_key(key)?)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { tls: TlsAcceptor::from(Arc::new(config)), leaf: Some(leaf), challenges: None })
    }

    /// As configured, with this certificate.
    pub(crate) fn over(config: ServerConfig, leaf: CertificateDer<'static>) -> Self {
        Self { tls: TlsAcceptor::from(Arc::new(config)), leaf: Some(Arc::new(leaf)), challenges: None }
    }

    /// Without a certificate: no handshake comes to an end but those of an authority.
    ///
    /// # Errors
    ///
    /// None that is known of.
    pub fn awaiting(challenges: Challenges) -> Result<Self, CertificateError> {
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(ResolvesServerCertUsingSni::new()));
        Ok(Self { tls: TlsAcceptor::from(Arc::new(config)), leaf: None, challenges: Some(challenges) })
    }

    /// The same, which answers an authority that asks whose the names are.
    #[must_use]
    pub fn answering(self, challenges: Challenges) -> Self {
        Self { challenges: Some(challenges), ..self }
    }

    /// Whether the certificate is valid for this host, a DNS name or an address without brackets, too: then one
    /// connection may carry requests for it (RFC 9113 section 9.1.1).
    #[must_use]
    pub fn covers(&self, host: &str) -> bool {
        let Some(leaf) = &self.leaf else { return false };
        let (Ok(name), Ok(leaf)) = (ServerName::try_from(host), ParsedCertificate::try_from(&**leaf)) else {
            return false;
        };
        verify_server_name(&leaf, &name).is_ok()
    }

    /// The moment after which clients no longer take the certificate, in seconds of Unix time; `None` where it cannot be
    /// read.
    #[must_use]
    pub fn expires(&self) -> Option<i64> {
        let (_, leaf) = X509Certificate::from_der(self.leaf.as_ref()?).ok()?;
        Some(leaf.validity().not_after.timestamp())
    }

    /// The moment from which clients take the certificate, in seconds of Unix time; `None` where it cannot be read.
    #[must_use]
    pub fn begins(&self) -> Option<i64> {
        let (_, leaf) = X509Certificate::from_der(self.leaf.as_ref()?).ok()?;
        Some(leaf.validity().not_before.timestamp())
    }

    /// By what an authority tells the certificate from others of its own (RFC 9773 section 4.1): the identifier of its
    /// key, and the serial number; `None` where it names no key.
    #[must_use]
    pub fn issued_as(&self) -> Option<(Vec<u8>, Vec<u8>)> {
        let (_, leaf) = X509Certificate::from_der(self.leaf.as_ref()?).ok()?;
        let key = leaf.iter_extensions().find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::AuthorityKeyIdentifier(named) => named.key_identifier.as_ref(),
            _ => None,
        })?;
        Some((key.0.to_vec(), leaf.raw_serial().to_vec()))
    }

    /// Runs the handshake on a fresh connection. The caller bounds the time it may take.
    ///
    /// # Errors
    ///
    /// The handshake failed or the connection broke.
    pub async fn accept<S>(&self, stream: S) -> std::io::Result<Secured<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let asked = self.challenges.as_ref().filter(|challenges| challenges.are_any());
        let Some(challenges) = asked else { return Ok(Secured::from(self.tls.accept(stream).await?)) };
        let start = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream).await?;
        let answer = challenges.answer(&start.client_hello());
        let Some(answer) = answer else {
            return Ok(Secured::from(start.into_stream(Arc::clone(self.tls.config())).await?));
        };
        // The handshake is the answer; nothing is said by the connection (RFC 8737 section 3).
        start.into_stream(answer).await?.shutdown().await?;
        Err(std::io::Error::new(std::io::ErrorKind::ConnectionAborted, "an authority had its answer"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Protocol;

    fn pair() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["www.shop.example".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn a_certificate_with_its_key_is_accepted_and_with_another_key_refused() {
        let (certificate, key) = pair();
        assert!(Acceptor::from_pem(certificate.as_bytes(), key.as_bytes()).is_ok());
        let (_, other) = pair();
        assert!(matches!(
            Acceptor::from_pem(certificate.as_bytes(), other.as_bytes()),
            Err(CertificateError::Refused(_))
        ));
    }

    #[test]
    fn a_certificate_says_when_it_ends() {
        let mut params = rcgen::CertificateParams::new(vec!["www.shop.example".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(2030, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        let acceptor = Acceptor::from_pem(certificate.as_bytes(), key.serialize_pem().as_bytes()).unwrap();
        assert_eq!(acceptor.expires(), Some(1_893_456_000));
    }

    #[test]
    fn swapped_files_are_named_as_what_they_lack() {
        let (certificate, key) = pair();
        assert!(matches!(
            Acceptor::from_pem(key.as_bytes(), key.as_bytes()),
            Err(CertificateError::NoCertificate)
        ));
        assert!(matches!(
            Acceptor::from_pem(certificate.as_bytes(), certificate.as_bytes()),
            Err(CertificateError::NoKey)
        ));
    }

    #[tokio::test]
    async fn client_and_server_agree_on_h2() {
        let (certificate, key) = pair();
        let acceptor = Acceptor::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
        let connector = crate::Connector::trusting(certificate.as_bytes(), &[Protocol::Http2]).unwrap();
        let (near, far) = tokio::io::duplex(1 << 14);
        let (server, client) =
            tokio::join!(acceptor.accept(far), connector.connect("www.shop.example", near));
        let server = server.unwrap();
        assert_eq!(server.protocol(), Protocol::Http2);
        assert_eq!(server.server_name(), Some("www.shop.example"));
        assert_eq!(client.unwrap().protocol(), Protocol::Http2);
    }

    #[tokio::test]
    async fn a_client_that_does_not_trust_the_certificate_refuses() {
        let (certificate, key) = pair();
        let acceptor = Acceptor::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
        let connector = crate::Connector::trusting(pair().0.as_bytes(), &[Protocol::Http1]).unwrap();
        let (near, far) = tokio::io::duplex(1 << 14);
        let (server, client) =
            tokio::join!(acceptor.accept(far), connector.connect("www.shop.example", near));
        assert!(server.is_err());
        assert!(client.is_err());
    }
}

//! How a site shows an authority over TLS that a name is its own (`tls-alpn-01`, RFC 8737).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::ClientHello;
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use crate::pem::{self, CertificateError};

/// The protocol that an authority asks by, and nobody else (RFC 8737 section 6.2).
const PROTOCOL: &[u8] = b"acme-tls/1";

/// Certificates for handshakes of an authority, by the name that it asks about. Cheap to clone; clones are one. There
/// are as many as names are asked for at once.
#[derive(Clone, Debug, Default)]
pub struct Challenges(Arc<Mutex<HashMap<String, Arc<ServerConfig>>>>);

impl Challenges {
    /// Answers for a name with this certificate, PEM, until [`Challenges::clear`].
    ///
    /// # Errors
    ///
    /// Text without certificate or key.
    pub fn put(&self, name: &str, certificate: &[u8], key: &[u8]) -> Result<(), CertificateError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let key = provider.key_provider.load_private_key(pem::private_key(key)?)?;
        // Not held to each other here: rustls reads no certificate with an extension that it must understand, and this
        // one has to have such a one.
        let shown = CertifiedKey::new(pem::certificates(certificate)?, key);
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        self.held().insert(name.to_ascii_lowercase(), Arc::new(config));
        Ok(())
    }

    /// Answers for nothing any more.
    pub fn clear(&self) {
        self.held().clear();
    }

    /// Whether anybody is answered.
    pub(crate) fn are_any(&self) -> bool {
        !self.held().is_empty()
    }

    /// What answers this client, if it asks by the protocol, and by no other, for a name that is known.
    pub(crate) fn answer(&self, hello: &ClientHello<'_>) -> Option<Arc<ServerConfig>> {
        let mut protocols = hello.alpn()?;
        let is_alone = protocols.next() == Some(PROTOCOL) && protocols.next().is_none();
        let name = hello.server_name().filter(|_| is_alone)?;
        self.held().get(&name.to_ascii_lowercase()).cloned()
    }

    fn held(&self) -> MutexGuard<'_, HashMap<String, Arc<ServerConfig>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

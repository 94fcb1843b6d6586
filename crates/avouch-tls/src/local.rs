//! An authority of this machine's own, for a proxy that its user lets look into https.
//!
//! Whoever has its key can be any site to a program that trusts it. It issues for servers alone, and for no authority
//! below it.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use std::fmt::Write as _;
use std::sync::Arc;
use time::{Duration, OffsetDateTime};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use crate::Acceptor;
use crate::pem::{self, CertificateError};

/// How long the authority lasts: programs have to be told of each new one.
const AUTHORITY: Duration = Duration::days(3650);

/// How long a certificate of it lasts. They are made while the proxy runs and kept nowhere.
const CERTIFICATE: Duration = Duration::days(7);

/// How far the clocks of programs may lag behind.
const LAG: Duration = Duration::days(1);

/// Why there is no authority, or no certificate of it.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// No key could be made, or nothing signed with it.
    #[error("no certificate could be made: {0}")]
    Made(#[from] rcgen::Error),
    /// What was made, or is at hand, cannot be used.
    #[error("{0}")]
    Certificate(#[from] CertificateError),
    /// The certificate is not that of this key.
    #[error(
        "the certificate is not of this key: remove both, and hand out the certificate that is made anew"
    )]
    Mismatch,
    /// Programs do not take it any more.
    #[error("the authority has expired: remove it, and hand out the certificate that is made anew")]
    Expired,
    /// The clock shows a time that no certificate can name.
    #[error("the clock shows no time that a certificate could name")]
    Clock,
}

/// A private key and its own certificate.
pub struct LocalAuthority {
    issuer: Issuer<'static, KeyPair>,
}

impl LocalAuthority {
    /// A private key to begin with, PEM.
    ///
    /// # Errors
    /// [`LocalError::Made`].
    pub fn new_key() -> Result<String, LocalError> {
        Ok(KeyPair::generate()?.serialize_pem())
    }

    /// The certificate of the authority with this key, PEM: the root that programs are to trust. `now` is in seconds of
    /// Unix time.
    ///
    /// # Errors
    /// [`LocalError`].
    pub fn root_of(key: &str, now: i64) -> Result<String, LocalError> {
        let key = KeyPair::from_pem(key)?;
        let mut own = params(&key);
        (own.not_before, own.not_after) = lasting(AUTHORITY, now)?;
        Ok(own.self_signed(&key)?.pem())
    }

    /// From key and certificate, both PEM.
    ///
    /// # Errors
    /// [`LocalError`]: they cannot be read, do not belong together, or have expired.
    pub fn from_pem(key: &str, root: &str, now: i64) -> Result<Self, LocalError> {
        let key = KeyPair::from_pem(key)?;
        let chain = pem::certificates(root.as_bytes())?;
        let root = chain.first().ok_or(CertificateError::NoCertificate)?;
        let (_, root) = X509Certificate::from_der(root).map_err(|_| CertificateError::NoCertificate)?;
        let own = params(&key);
        let named = root.subject().iter_common_name().next().and_then(|name| name.as_str().ok());
        let is_own = root.public_key().subject_public_key.data == key.public_key_raw();
        if !is_own || named != Some(&name(&own, &key)) {
            return Err(LocalError::Mismatch);
        }
        if root.validity().not_after.timestamp() <= now {
            return Err(LocalError::Expired);
        }
        Ok(Self { issuer: Issuer::new(own, key) })
    }

    /// What accepts connections to this host, a DNS name or an address without brackets, by HTTP/1.1, for a week.
    ///
    /// # Errors
    /// [`LocalError`].
    pub fn acceptor(&self, host: &str, now: i64) -> Result<Acceptor, LocalError> {
        // A key for each: the serial number is made of it, and no two certificates may share theirs.
        let key = KeyPair::generate()?;
        let mut leaf = CertificateParams::new(vec![host.to_owned()])?;
        (leaf.not_before, leaf.not_after) = lasting(CERTIFICATE, now)?;
        leaf.distinguished_name = rcgen::DistinguishedName::new();
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf.use_authority_key_identifier_extension = true;
        let certificate = leaf.signed_by(&key, &self.issuer)?;
        let private = PrivateKeyDer::try_from(key.serialize_der()).map_err(|_| CertificateError::NoKey)?;
        let made = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                builder.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], private)
            });
        let mut config = made.map_err(CertificateError::Refused)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Acceptor::over(config, certificate.der().clone()))
    }
}

impl std::fmt::Debug for LocalAuthority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LocalAuthority(..)")
    }
}

/// The authority with this key, but for its times. It can be made of the key alone.
fn params(key: &KeyPair) -> CertificateParams {
    let mut own = CertificateParams::default();
    own.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    own.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    own.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    own.distinguished_name = rcgen::DistinguishedName::new();
    let name = name(&own, key);
    own.distinguished_name.push(DnType::CommonName, name);
    own
}

/// What it is called, so that a user finds it among those that are trusted.
fn name(own: &CertificateParams, key: &KeyPair) -> String {
    let mut name = String::from("avouch agent ");
    for octet in own.key_identifier(key).iter().take(6) {
        // Writing to a string does not fail.
        let _ = write!(name, "{octet:02x}");
    }
    name
}

fn lasting(span: Duration, now: i64) -> Result<(OffsetDateTime, OffsetDateTime), LocalError> {
    let now = OffsetDateTime::from_unix_timestamp(now).map_err(|_| LocalError::Clock)?;
    let begin = now.checked_sub(LAG).ok_or(LocalError::Clock)?;
    Ok((begin, now.checked_add(span).ok_or(LocalError::Clock)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Connector, Protocol};

    const YEAR: i64 = 365 * 86_400;

    #[expect(clippy::disallowed_methods, reason = "rustls judges certificates by the machine's clock")]
    fn now() -> i64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        since.as_secs().try_into().unwrap()
    }

    async fn is_trusted(acceptor: Acceptor, root: &str, host: &str) -> bool {
        let connector = Connector::trusting(root.as_bytes(), &[Protocol::Http2, Protocol::Http1]).unwrap();
        let (near, far) = tokio::io::duplex(1 << 14);
        let (server, client) = tokio::join!(acceptor.accept(far), connector.connect(host, near));
        server.is_ok() && client.is_ok_and(|client| client.protocol() == Protocol::Http1)
    }

    #[tokio::test]
    async fn who_trusts_the_authority_trusts_its_certificate_for_its_host_alone() {
        let key = LocalAuthority::new_key().unwrap();
        let root = LocalAuthority::root_of(&key, now()).unwrap();
        let authority = LocalAuthority::from_pem(&key, &root, now()).unwrap();
        for host in ["www.shop.example", "127.0.0.1", "::1"] {
            assert!(is_trusted(authority.acceptor(host, now()).unwrap(), &root, host).await, "{host}");
        }
        let acceptor = authority.acceptor("www.shop.example", now()).unwrap();
        assert!(!is_trusted(acceptor.clone(), &root, "other.example").await);
        let other = LocalAuthority::root_of(&LocalAuthority::new_key().unwrap(), now()).unwrap();
        assert!(!is_trusted(acceptor, &other, "www.shop.example").await);
        let old = authority.acceptor("www.shop.example", now() - YEAR).unwrap();
        assert!(!is_trusted(old, &root, "www.shop.example").await, "it has expired");
    }

    #[test]
    fn key_and_certificate_belong_together_and_end() {
        let keys = [LocalAuthority::new_key().unwrap(), LocalAuthority::new_key().unwrap()];
        let root = LocalAuthority::root_of(&keys[0], 0).unwrap();
        assert!(LocalAuthority::from_pem(&keys[0], &root, 9 * YEAR).is_ok());
        assert!(matches!(LocalAuthority::from_pem(&keys[0], &root, 11 * YEAR), Err(LocalError::Expired)));
        assert!(matches!(LocalAuthority::from_pem(&keys[1], &root, 0), Err(LocalError::Mismatch)));
        assert!(LocalAuthority::from_pem("", &root, 0).is_err());
        assert!(LocalAuthority::from_pem(&keys[0], "", 0).is_err());
        assert!(matches!(LocalAuthority::root_of(&keys[0], i64::MAX), Err(LocalError::Clock)));
    }
}

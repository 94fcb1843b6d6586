//! A certificate chain as clients meet it: whether they accept it, for which names and until when.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError as Refusal, Error};

use crate::pem::{self, CertificateError};

/// A chain and the roots that clients trust.
#[derive(Debug)]
pub struct Chain {
    leaf: CertificateDer<'static>,
    above: Vec<CertificateDer<'static>>,
    verifier: Arc<WebPkiServerVerifier>,
}

/// Why clients refuse a chain.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ChainFault {
    /// Its time is over.
    #[error("it has expired")]
    Expired,
    /// Its time has not come.
    #[error("it is not valid yet")]
    Early,
    /// No root leads to it.
    #[error("no trusted root leads to it")]
    Untrusted,
    /// It is for other names.
    #[error("it is not for this name")]
    OtherName,
    /// What rustls says.
    #[error("{0}")]
    Other(Error),
}

impl Chain {
    /// Reads a chain, leaf first, for clients that trust the roots in a file, or those of this system.
    ///
    /// # Errors
    ///
    /// A file cannot be read, or holds no certificate.
    pub fn load(chain: &Path, roots: Option<&Path>) -> Result<Self, CertificateError> {
        let chain = pem::certificates(&pem::read(chain, pem::CHAIN_LIMIT)?)?;
        let roots = match roots {
            Some(path) => pem::read(path, pem::ROOTS_LIMIT)?,
            None => pem::system_roots()?,
        };
        let roots = Arc::new(pem::roots(&roots)?);
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider).build();
        let verifier = verifier.map_err(|error| Error::General(error.to_string()))?;
        let mut chain = chain.into_iter();
        let leaf = chain.next().ok_or(CertificateError::NoCertificate)?;
        Ok(Self { leaf, above: chain.collect(), verifier })
    }

    /// Whether a client accepts it for `host`, a DNS name or an address without brackets, so long after 1970.
    ///
    /// # Errors
    ///
    /// Why it does not.
    pub fn accepted(&self, host: &str, at: Duration) -> Result<(), ChainFault> {
        let name = ServerName::try_from(host).map_err(|_| ChainFault::OtherName)?;
        let at = UnixTime::since_unix_epoch(at);
        let verified = self.verifier.verify_server_cert(&self.leaf, &self.above, &name, &[], at);
        verified.map(drop).map_err(ChainFault::of)
    }
}

impl ChainFault {
    fn of(error: Error) -> Self {
        match error {
            Error::InvalidCertificate(Refusal::Expired | Refusal::ExpiredContext { .. }) => Self::Expired,
            Error::InvalidCertificate(Refusal::NotValidYet | Refusal::NotValidYetContext { .. }) => {
                Self::Early
            }
            Error::InvalidCertificate(Refusal::UnknownIssuer) => Self::Untrusted,
            Error::InvalidCertificate(Refusal::NotValidForName | Refusal::NotValidForNameContext { .. }) => {
                Self::OtherName
            }
            other => Self::Other(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;
    /// The first second of 2030.
    const BEGIN: u64 = 1_893_456_000;

    #[test]
    fn a_chain_is_accepted_for_its_names_in_its_time_from_its_root_and_else_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut of_root = rcgen::CertificateParams::new(Vec::new()).unwrap();
        of_root.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        let root = rcgen::CertifiedIssuer::self_signed(of_root, key).unwrap();
        let mut of_leaf = rcgen::CertificateParams::new(vec!["www.shop.example".to_owned()]).unwrap();
        of_leaf.not_before = rcgen::date_time_ymd(2030, 1, 1);
        of_leaf.not_after = rcgen::date_time_ymd(2030, 4, 1);
        let leaf = of_leaf.signed_by(&rcgen::KeyPair::generate().unwrap(), &root).unwrap();
        let mut of_other = rcgen::CertificateParams::new(Vec::new()).unwrap();
        of_other.distinguished_name.push(rcgen::DnType::CommonName, "another root");
        let other = of_other.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
        let file = |name: &str, text: String| {
            std::fs::write(folder.path().join(name), text).unwrap();
            folder.path().join(name)
        };
        let (chain, roots) = (file("chain", leaf.pem()), file("roots", root.pem()));
        let foreign = file("foreign", other.pem());
        let accepted = |roots: &Path, host: &str, day: u64| {
            Chain::load(&chain, Some(roots)).unwrap().accepted(host, Duration::from_secs(BEGIN + day * DAY))
        };
        assert_eq!(accepted(&roots, "www.shop.example", 1), Ok(()));
        assert_eq!(accepted(&roots, "www.shop.example", 89), Ok(()));
        assert_eq!(accepted(&roots, "www.shop.example", 91), Err(ChainFault::Expired));
        assert_eq!(accepted(&roots, "shop.example", 1), Err(ChainFault::OtherName));
        assert_eq!(accepted(&foreign, "www.shop.example", 1), Err(ChainFault::Untrusted));
        let early = Chain::load(&chain, Some(&roots)).unwrap();
        assert_eq!(
            early.accepted("www.shop.example", Duration::from_secs(BEGIN - DAY)),
            Err(ChainFault::Early)
        );
    }
}

//! PEM files: certificates and private keys, read with a bound.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A chain or key longer than this is a mistake: the longest real chains are under 64 KiB.
pub(crate) const CHAIN_LIMIT: u64 = 1 << 20;

/// Root bundles of operating systems are around 220 KiB.
pub(crate) const ROOTS_LIMIT: u64 = 4 << 20;

/// Where Debian, Alpine, Arch and Gentoo keep the root bundle, then Fedora, then SUSE.
const SYSTEM_ROOTS: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem"];

/// Why a certificate, key or root bundle cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The file is longer than any such file has reason to be.
    #[error("{} is longer than {limit} octets", path.display())]
    TooLong {
        /// Which file.
        path: PathBuf,
        /// The bound it exceeds, in octets.
        limit: u64,
    },
    /// There is no certificate in the PEM text.
    #[error("no certificate (BEGIN CERTIFICATE) in the PEM text")]
    NoCertificate,
    /// A file that is to name makers holds something else.
    #[error("{} holds no certificate that can be used: write PEM, or one certificate in DER", path.display())]
    NoRoot {
        /// Which file.
        path: PathBuf,
    },
    /// There is no usable private key in the PEM text.
    #[error("no unencrypted private key (BEGIN PRIVATE KEY) in the PEM text")]
    NoKey,
    /// The certificate and key do not go together, or rustls refuses them.
    #[error("certificate and key are refused: {0}")]
    Refused(#[from] rustls::Error),
}

/// Reads a whole file of at most `limit` octets.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, CertificateError> {
    let failed = |source| CertificateError::Read { path: path.to_owned(), source };
    let mut text = Vec::new();
    File::open(path).map_err(failed)?.take(limit + 1).read_to_end(&mut text).map_err(failed)?;
    if text.len() as u64 > limit {
        return Err(CertificateError::TooLong { path: path.to_owned(), limit });
    }
    Ok(text)
}

/// The root bundle that the operating system keeps, as PEM text.
pub(crate) fn system_roots() -> Result<Vec<u8>, CertificateError> {
    let mut last = CertificateError::NoCertificate;
    for path in SYSTEM_ROOTS {
        match read(Path::new(path), ROOTS_LIMIT) {
            Ok(text) => return Ok(text),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Every certificate in PEM text, at least one.
pub(crate) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|_| CertificateError::NoCertificate)?;
    if chain.is_empty() { Err(CertificateError::NoCertificate) } else { Ok(chain) }
}

/// The roots in PEM text, as many as are usable, at least one.
pub(crate) fn roots(pem: &[u8]) -> Result<RootCertStore, CertificateError> {
    let mut store = RootCertStore::empty();
    let (usable, _) = store.add_parsable_certificates(certificates(pem)?);
    if usable == 0 { Err(CertificateError::NoCertificate) } else { Ok(store) }
}

/// The first private key in PEM text.
pub(crate) fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, CertificateError> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|_| CertificateError::NoKey)
}

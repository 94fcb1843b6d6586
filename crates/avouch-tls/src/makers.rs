//! Makers of TPMs: whether a certificate of an endorsement key leads to one that the operator named.
//!
//! Chains are checked by webpki, as those of TLS are. Certificates of endorsement keys (TCG EK Credential Profile §3.2) have
//! an empty subject and a critical subjectAltName with the chip's model, which webpki knows as an extension and does not
//! look into; what it does refuse is a critical extension that it does not know, and a signature with SHA-1.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, Error, KeyUsage, anchor_from_trusted_cert};
use x509_parser::certificate::X509Certificate;
use x509_parser::oid_registry::{OID_EC_P256, Oid};
use x509_parser::prelude::FromDer as _;

use crate::pem::{self, CertificateError};

/// tcg-kp-EKCertificate, 2.23.133.8.1, as it stands in DER.
const ENDORSEMENT: &[u8] = &[0x67, 0x81, 0x05, 0x08, 0x01];

/// Octets of a P-256 key.
const POINT: usize = 65;

/// Longest name of an issuer that is kept, in characters.
const MAX_ISSUER: usize = 200;

/// The makers that an operator trusts.
#[derive(Debug, Default)]
pub struct Makers {
    roots: Vec<TrustAnchor<'static>>,
    between: Vec<CertificateDer<'static>>,
}

/// Why a certificate shows no maker.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum MakerFault {
    /// It is no certificate.
    #[error("the certificate of the endorsement key cannot be read")]
    Unreadable,
    /// It is one of something else.
    #[error("the certificate is not one of an endorsement key: it lacks the usage 2.23.133.8.1")]
    Usage,
    /// It is one of another key.
    #[error("the certificate is of another endorsement key than the one presented")]
    OtherKey,
    /// Its time is over, or has not come.
    #[error("the certificate of the endorsement key, or one above it, is not valid now")]
    Time,
    /// No root leads to it.
    #[error("no root of a TPM maker that the registrar is configured with leads to the certificate")]
    Unknown,
    /// What webpki says.
    #[error("the certificate of the endorsement key is refused: {0}")]
    Other(Error),
}

impl Makers {
    /// Reads files of certificates, PEM, or DER with one in it: of makers, and of authorities between makers and TPMs.
    ///
    /// # Errors
    /// A file that cannot be read, or holds something else.
    pub fn load(roots: &[PathBuf], between: &[PathBuf]) -> Result<Self, CertificateError> {
        let mut makers = Self::default();
        for path in roots {
            for certificate in certificates(path)? {
                let anchor = anchor_from_trusted_cert(&certificate);
                let anchor = anchor.map_err(|_| CertificateError::NoRoot { path: path.clone() })?;
                makers.roots.push(anchor.to_owned());
            }
        }
        for path in between {
            makers.between.extend(certificates(path)?);
        }
        Ok(makers)
    }

    /// The name of whoever signed a certificate, DER, if it is of the endorsement key with these octets, and leads to a
    /// root so long after 1970.
    ///
    /// # Errors
    /// [`MakerFault`].
    pub fn vouch(&self, certificate: &[u8], key: &[u8], at: Duration) -> Result<String, MakerFault> {
        let Ok(([], read)) = X509Certificate::from_der(certificate) else {
            return Err(MakerFault::Unreadable);
        };
        let usage = read.extended_key_usage().map_err(|_| MakerFault::Unreadable)?;
        let is_endorsement = |usage: &Oid<'_>| usage.as_bytes() == ENDORSEMENT;
        if !usage.is_some_and(|usage| usage.value.other.iter().any(is_endorsement)) {
            return Err(MakerFault::Usage);
        }
        if !is_of(&read, key) {
            return Err(MakerFault::OtherKey);
        }
        let der = CertificateDer::from(certificate);
        let leaf = EndEntityCert::try_from(&der).map_err(MakerFault::of)?;
        let known = aws_lc_rs::default_provider().signature_verification_algorithms.all;
        // Authorities above need not name the usage; the certificate itself did.
        let usage = KeyUsage::required_if_present(ENDORSEMENT);
        let at = UnixTime::since_unix_epoch(at);
        leaf.verify_for_usage(known, &self.roots, &self.between, at, usage, None, None)
            .map_err(MakerFault::of)?;
        Ok(read.issuer().to_string().chars().filter(|c| !c.is_control()).take(MAX_ISSUER).collect())
    }
}

/// Whether a certificate is of this key: an RSAPublicKey, under whichever name of RSA, or a point on P-256.
fn is_of(certificate: &X509Certificate<'_>, key: &[u8]) -> bool {
    let shown = certificate.public_key();
    let on_curve = || {
        let parameters = shown.algorithm.parameters.as_ref();
        parameters.and_then(|parameters| parameters.as_oid().ok()).is_some_and(|curve| curve == OID_EC_P256)
    };
    *shown.subject_public_key.data == *key && (key.len() != POINT || on_curve())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let octets = pem::read(path, pem::ROOTS_LIMIT)?;
    if X509Certificate::from_der(&octets).is_ok_and(|(rest, _)| rest.is_empty()) {
        return Ok(vec![CertificateDer::from(octets)]);
    }
    pem::certificates(&octets).map_err(|_| CertificateError::NoRoot { path: path.to_path_buf() })
}

impl MakerFault {
    fn of(error: Error) -> Self {
        match error {
            Error::CertExpired { .. } | Error::CertNotValidYet { .. } => Self::Time,
            // Somebody else who calls himself as a root does.
            Error::UnknownIssuer | Error::InvalidSignatureForPublicKey => Self::Unknown,
            other => Self::Other(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{
        BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType,
        ExtendedKeyUsagePurpose, IsCa, KeyPair,
    };

    /// The first second of 2030.
    const BEGIN: u64 = 1_893_456_000;
    const DAY: u64 = 86_400;
    const USAGE: [u64; 5] = [2, 23, 133, 8, 1];

    type Issuer = CertifiedIssuer<'static, KeyPair>;

    fn authority(name: &str, above: Option<&Issuer>) -> Issuer {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        match above {
            None => CertifiedIssuer::self_signed(params, key).unwrap(),
            Some(above) => CertifiedIssuer::signed_by(params, key, above).unwrap(),
        }
    }

    /// As makers write them: no subject, and a critical subjectAltName with a directoryName.
    fn params() -> CertificateParams {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Other(USAGE.to_vec())];
        params.not_before = rcgen::date_time_ymd(2030, 1, 1);
        params.not_after = rcgen::date_time_ymd(2030, 4, 1);
        // directoryName, CN=a.
        let name = [
            0x30, 0x10, 0xa4, 0x0e, 0x30, 0x0c, 0x31, 0x0a, 0x30, 0x08, 0x06, 0x03, 0x55, 0x04, 0x03, 0x0c,
            0x01, 0x61,
        ];
        let mut extension = CustomExtension::from_oid_content(&[2, 5, 29, 17], name.to_vec());
        extension.set_criticality(true);
        params.custom_extensions = vec![extension];
        params
    }

    struct World {
        folder: tempfile::TempDir,
        root: Issuer,
        between: Issuer,
        key: KeyPair,
    }

    impl World {
        fn new() -> Self {
            let root = authority("maker", None);
            let between = authority("works", Some(&root));
            Self { folder: tempfile::tempdir().unwrap(), between, root, key: KeyPair::generate().unwrap() }
        }

        fn file(&self, name: &str, octets: &[u8]) -> PathBuf {
            let path = self.folder.path().join(name);
            std::fs::write(&path, octets).unwrap();
            path
        }

        fn makers(&self) -> Makers {
            // Makers hand out their roots in DER.
            let root = self.file("root", self.root.der());
            let between = self.file("between", self.between.pem().as_bytes());
            Makers::load(&[root], &[between]).unwrap()
        }

        fn signed(&self, change: impl Fn(&mut CertificateParams)) -> Vec<u8> {
            let mut params = params();
            change(&mut params);
            params.signed_by(&self.key, &self.between).unwrap().der().to_vec()
        }

        fn vouch(&self, certificate: &[u8]) -> Result<String, MakerFault> {
            self.makers().vouch(certificate, self.key.public_key_raw(), Duration::from_secs(BEGIN + DAY))
        }
    }

    #[test]
    fn a_certificate_leads_to_its_maker_and_near_misses_to_nobody() {
        let world = World::new();
        let good = world.signed(|_| {});
        assert_eq!(world.vouch(&good), Ok("CN=works".to_owned()));

        let no_usage = world.signed(|params| params.extended_key_usages.clear());
        assert_eq!(world.vouch(&no_usage), Err(MakerFault::Usage));
        let of_server = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let server = world.signed(|params| params.extended_key_usages.clone_from(&of_server));
        assert_eq!(world.vouch(&server), Err(MakerFault::Usage));
        assert_eq!(world.vouch(&[good.as_slice(), &[0]].concat()), Err(MakerFault::Unreadable));
        assert_eq!(world.vouch(&good[..good.len() - 1]), Err(MakerFault::Unreadable));
        let mut changed = good.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert!(matches!(world.vouch(&changed), Err(MakerFault::Unknown | MakerFault::Other(_))));
        let authority = world.signed(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
        assert_eq!(world.vouch(&authority), Err(MakerFault::Other(Error::CaUsedAsEndEntity)));
        let own = params().self_signed(&world.key).unwrap();
        assert_eq!(world.vouch(own.der()), Err(MakerFault::Unknown), "by nobody else");
    }

    #[test]
    fn a_critical_extension_that_nobody_knows_is_refused() {
        let world = World::new();
        let with = |is_critical| {
            world.signed(|params| {
                let mut extension = CustomExtension::from_oid_content(&[2, 23, 133, 99], vec![5, 0]);
                extension.set_criticality(is_critical);
                params.custom_extensions.push(extension);
            })
        };
        assert!(world.vouch(&with(false)).is_ok());
        assert_eq!(world.vouch(&with(true)), Err(MakerFault::Other(Error::UnsupportedCriticalExtension)));
    }

    #[test]
    fn it_is_of_the_key_presented_and_of_its_time() {
        let world = World::new();
        let (makers, good) = (world.makers(), world.signed(|_| {}));
        let other = KeyPair::generate().unwrap();
        let vouch = |key: &KeyPair, day: u64| {
            makers.vouch(&good, key.public_key_raw(), Duration::from_secs(BEGIN + day * DAY))
        };
        assert!(vouch(&world.key, 0).is_ok());
        assert_eq!(vouch(&other, 0), Err(MakerFault::OtherKey));
        assert_eq!(vouch(&world.key, 91), Err(MakerFault::Time));
        let early = Duration::from_secs(BEGIN - DAY);
        assert_eq!(makers.vouch(&good, world.key.public_key_raw(), early), Err(MakerFault::Time));
    }

    #[test]
    fn only_the_makers_that_were_named_count_and_whatever_they_call_themselves() {
        let world = World::new();
        let good = world.signed(|_| {});
        let at = Duration::from_secs(BEGIN);
        let none = Makers::load(&[], &[]).unwrap();
        assert_eq!(none.vouch(&good, world.key.public_key_raw(), at), Err(MakerFault::Unknown));
        let namesake = authority("works", None);
        let namesake = world.file("namesake", namesake.pem().as_bytes());
        let by_name = Makers::load(std::slice::from_ref(&namesake), &[]).unwrap();
        assert_eq!(by_name.vouch(&good, world.key.public_key_raw(), at), Err(MakerFault::Unknown));
        let only_between = Makers::load(&[], &[world.file("b", world.between.pem().as_bytes())]).unwrap();
        assert_eq!(only_between.vouch(&good, world.key.public_key_raw(), at), Err(MakerFault::Unknown));
        let without = Makers::load(&[world.file("r", world.root.der())], &[]).unwrap();
        assert_eq!(without.vouch(&good, world.key.public_key_raw(), at), Err(MakerFault::Unknown));
        let text = world.file("t", b"no certificate");
        assert!(matches!(Makers::load(&[text], &[]), Err(CertificateError::NoRoot { .. })));
        assert!(matches!(Makers::load(&["none".into()], &[]), Err(CertificateError::Read { .. })));
    }
}

//! Certificates for tests.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// An authority that issues certificates to whoever asks.
#[derive(Debug)]
pub struct CertificateAuthority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate, PEM: the root to trust.
    pub root: String,
}

impl CertificateAuthority {
    /// A new one.
    ///
    /// # Errors
    ///
    /// No key could be made.
    pub fn new() -> Result<Self, rcgen::Error> {
        let mut own = CertificateParams::new(Vec::new())?;
        own.distinguished_name.push(DnType::CommonName, "an authority of tests");
        own.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        own.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate()?;
        let root = own.self_signed(&key)?.pem();
        Ok(Self { issuer: Issuer::new(own, key), root })
    }

    /// A certificate for these host names.
    ///
    /// # Errors
    ///
    /// One of them is no host name.
    pub fn issue(&self, names: &[&str]) -> Result<Certificate, rcgen::Error> {
        self.sign(&params(names)?)
    }

    /// A certificate for a client of these names.
    ///
    /// # Errors
    ///
    /// One of them is no host name.
    pub fn client(&self, names: &[&str]) -> Result<Certificate, rcgen::Error> {
        let mut params = params(names)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Result<Certificate, rcgen::Error> {
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Certificate { certificate, key: key.serialize_pem() })
    }
}

fn params(names: &[&str]) -> Result<CertificateParams, rcgen::Error> {
    CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
}

/// A certificate and its key, both PEM.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The certificate; unless an authority issued it, it is its own root.
    pub certificate: String,
    /// The private key.
    pub key: String,
}

impl Certificate {
    /// For these host names, self-signed.
    ///
    /// # Errors
    ///
    /// One of them is no host name.
    pub fn of(names: &[&str]) -> Result<Self, rcgen::Error> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names)?;
        Ok(Self { certificate: made.cert.pem(), key: made.signing_key.serialize_pem() })
    }

    /// The same, of years ago.
    ///
    /// # Errors
    ///
    /// As [`Certificate::of`].
    pub fn expired(names: &[&str]) -> Result<Self, rcgen::Error> {
        let mut params = params(names)?;
        (params.not_before, params.not_after) =
            (rcgen::date_time_ymd(2020, 1, 1), rcgen::date_time_ymd(2021, 1, 1));
        let key = KeyPair::generate()?;
        Ok(Self { certificate: params.self_signed(&key)?.pem(), key: key.serialize_pem() })
    }
}

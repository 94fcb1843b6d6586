//! A certificate for tests.

/// A self-signed certificate and its key, both PEM.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The certificate, which is its own root.
    pub certificate: String,
    /// The private key.
    pub key: String,
}

impl Certificate {
    /// For these host names.
    ///
    /// # Errors
    ///
    /// One of them is no host name.
    pub fn of(names: &[&str]) -> Result<Self, rcgen::Error> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names)?;
        Ok(Self { certificate: made.cert.pem(), key: made.signing_key.serialize_pem() })
    }
}

//! The site's certificate, asked for and renewed by ACME (RFC 8555).
//!
//! In scope: an account with the authority, its key kept in a folder; one order at a time, with challenges answered
//! over TLS (`tls-alpn-01`, RFC 8737) or HTTP (`http-01`); when to renew, and when to try again. A certificate is put to
//! use only if it fits its key, covers every name and is valid now; until then the one before stays.
//!
//! Out of scope: TLS itself (`avouch-tls`), listening (`avouch-gateway`), names with a star (they need `dns-01`),
//! accounts that are bound to another one (`externalAccountBinding`), and revocation.
//!
//! Limits: 100 names; answers of 256 KiB; an exchange of 30 s, an order of 5 min; between failures pauses of 5 min
//! to 6 h, or what `Retry-After` says, up to a day. The authority is asked for its advice once a day, or as often as it
//! wants, and an order that came to something is not followed by another within a day.
//!
//! In files: `keeper` tells when, and `advice` what the authority says to that; `order` tells how, `kept` what is on disk, `exchange` speaks HTTP.

mod advice;
mod exchange;
mod keeper;
mod kept;
mod order;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use avouch_gather::folder::StoreError;
use avouch_tls::{CertificateError, Challenges};

pub use keeper::{Figures, Keeper};
pub use kept::{CERTIFICATE, pem_file};

/// The directory of Let's Encrypt.
pub const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// Most names of one certificate: what authorities take.
pub const MAX_NAMES: usize = 100;

/// How an authority is shown that the names are the site's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// By a handshake on port 443, with a certificate made for it.
    #[default]
    TlsAlpn01,
    /// By a file at a well-known path on port 80.
    Http01,
}

/// Whom to ask for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The URL of the authority's directory.
    pub directory: String,
    /// Mail addresses that the authority may write to.
    pub contact: Vec<String>,
    /// The names that the certificate is for, at least one.
    pub names: Vec<String>,
    /// How the names are shown to be the site's.
    pub method: Method,
    /// Where account and certificate are kept.
    pub folder: PathBuf,
}

/// What challenges are answered with while an order is under way. Cheap to clone; clones are one.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// Over TLS.
    pub tls: Challenges,
    files: Arc<Mutex<Vec<(String, String)>>>,
}

impl Answers {
    /// What stands at `/.well-known/acme-challenge/TOKEN`.
    #[must_use]
    pub fn file(&self, token: &str) -> Option<String> {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.iter().find(|(known, _)| known == token).map(|(_, content)| content.clone())
    }

    fn put_file(&self, token: &str, content: &str) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.push((token.to_owned(), content.to_owned()));
    }

    fn clear(&self) {
        self.tls.clear();
        self.files.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Why no certificate came of an order.
#[derive(Debug, thiserror::Error)]
pub enum AcmeError {
    /// The authority refused, or could not be asked.
    #[error("{0}")]
    Authority(#[from] instant_acme::Error),
    /// The authority does not offer the way of showing it that is configured.
    #[error("the authority offers no {method} for {name}")]
    NotOffered {
        /// The way.
        method: &'static str,
        /// For which name.
        name: String,
    },
    /// The authority looked, and did not find what it asked for.
    #[error("{name} was not shown to be this site's: {why}")]
    NotShown {
        /// Which name.
        name: String,
        /// What the authority said.
        why: String,
    },
    /// What the authority issued cannot be used.
    #[error("the certificate that was issued cannot be used: {0}")]
    Certificate(#[from] CertificateError),
    /// It does not cover a name that was asked for, or is not valid now.
    #[error("the certificate that was issued is not valid now for {0}")]
    NotFor(String),
    /// The key of an answer to a challenge could not be made.
    #[error("cannot answer the challenge: {0}")]
    Answer(#[from] rcgen::Error),
    /// Account or certificate could not be kept.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The account as it is kept cannot be read.
    #[error("{0} in the folder of [acme] is damaged: remove it, and a new account is made")]
    Damaged(&'static str),
    /// The order took longer than any has reason to.
    #[error("the order took too long")]
    TooLong,
}

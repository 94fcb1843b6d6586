//! What is kept in the folder: the account, and the certificate with its key.
//!
//! Each file is replaced whole (`avouch_gather::folder`), for its owner alone. Certificate and key are one file, so that
//! no crash leaves one of them with another's counterpart.

use std::path::{Path, PathBuf};

use avouch_gather::folder::{Folder, StoreError};
use avouch_tls::Acceptor;
use avouch_wire::time::Time;
use instant_acme::AccountCredentials;
use zeroize::Zeroizing;

use crate::{AcmeError, Settings};

/// The certificate chain and its key, PEM.
pub const CERTIFICATE: &str = "certificate.pem";

const ACCOUNT: &str = "account.json";
const LOCK: &str = "acme.lock";

/// Most octets of either file.
const MOST: u64 = 256 << 10;

/// Where a folder keeps the certificate.
#[must_use]
pub fn pem_file(folder: &Path) -> PathBuf {
    folder.join(CERTIFICATE)
}

/// The folder, held by this process alone.
#[derive(Debug)]
pub(crate) struct Kept(Folder);

impl Kept {
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        Folder::take(path, LOCK).map(Self)
    }

    /// The account with this authority, if there is one. One with another authority is none.
    pub(crate) fn account(&self, directory: &str) -> Result<Option<AccountCredentials>, AcmeError> {
        let Some(text) = self.0.read(ACCOUNT, MOST)?.map(Zeroizing::new) else { return Ok(None) };
        let damaged = |_| AcmeError::Damaged(ACCOUNT);
        let document: serde_json::Value = serde_json::from_slice(&text).map_err(damaged)?;
        if document.get("directory").and_then(serde_json::Value::as_str) != Some(directory) {
            return Ok(None);
        }
        serde_json::from_slice(&text).map(Some).map_err(damaged)
    }

    pub(crate) fn keep_account(&self, account: &AccountCredentials) -> Result<(), AcmeError> {
        let text = serde_json::to_vec(account).map_err(|_| AcmeError::Damaged(ACCOUNT))?;
        Ok(self.0.replace(ACCOUNT, &Zeroizing::new(text))?)
    }

    /// Forgets an account that the authority does not know.
    pub(crate) fn forget_account(&self) -> Result<(), StoreError> {
        self.0.remove(ACCOUNT)
    }

    /// Keeps a certificate with its key.
    pub(crate) fn keep_certificate(&self, pem: &[u8]) -> Result<(), StoreError> {
        self.0.replace(CERTIFICATE, pem)
    }

    /// The certificate at hand, if it is of use for all names; `None` asks for another.
    pub(crate) fn certificate(&self, settings: &Settings, now: Time) -> Option<Acceptor> {
        let pem = self.0.read(CERTIFICATE, MOST).ok()?.map(Zeroizing::new)?;
        let acceptor = Acceptor::from_pem(&pem, &pem).ok()?;
        usable(&acceptor, &settings.names, now).is_ok().then_some(acceptor)
    }
}

/// Whether a certificate is valid now for every name; else for which it is not.
pub(crate) fn usable(acceptor: &Acceptor, names: &[String], now: Time) -> Result<(), AcmeError> {
    let is_over =
        acceptor.expires().is_none_or(|end| end <= i64::try_from(now.seconds()).unwrap_or(i64::MAX));
    let uncovered = names.iter().find(|name| is_over || !acceptor.covers(name));
    uncovered.map_or(Ok(()), |name| Err(AcmeError::NotFor(name.clone())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Method;
    use testkit::certificate::Certificate;

    fn settings(folder: &Path, names: &[&str]) -> Settings {
        Settings {
            directory: "https://a.example/dir".into(),
            contact: Vec::new(),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            method: Method::default(),
            folder: folder.to_owned(),
        }
    }

    #[test]
    fn a_certificate_is_of_use_for_its_names_and_its_time_alone() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::open(folder.path()).unwrap();
        let names = ["shop.example", "www.shop.example"];
        let now = Time::from_seconds(1_790_000_000);
        let held = |names: &[&str], now| kept.certificate(&settings(folder.path(), names), now).is_some();
        assert!(!held(&names, now), "there is none");
        let (made, expired) = (Certificate::of(&names).unwrap(), Certificate::expired(&names).unwrap());
        let pem = |made: &Certificate, key: &str| format!("{}\n{key}", made.certificate).into_bytes();
        kept.keep_certificate(&pem(&made, &made.key)).unwrap();
        assert!(held(&names, now) && held(&names[..1], now));
        assert!(!held(&["shop.example", "a.shop.example"], now), "another name");
        kept.keep_certificate(&pem(&made, &expired.key)).unwrap();
        assert!(!held(&names, now), "another's key");
        kept.keep_certificate(&pem(&expired, &expired.key)).unwrap();
        assert!(!held(&names, now), "expired");
        assert!(held(&names, Time::from_seconds(1_600_000_000)), "it was of use");
        assert!(Kept::open(folder.path()).is_err(), "one process holds the folder");
    }

    #[test]
    fn an_account_is_with_one_authority() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::open(folder.path()).unwrap();
        assert!(kept.account("https://a.example/dir").unwrap().is_none());
        let key = rcgen::KeyPair::generate().unwrap().serialize_der();
        let key = avouch_wire::b64u::encode(&key);
        let text = format!(
            r#"{{"id":"https://a.example/1","key_pkcs8":"{key}","directory":"https://a.example/dir"}}"#
        );
        std::fs::write(folder.path().join(ACCOUNT), &text).unwrap();
        assert!(kept.account("https://a.example/dir").unwrap().is_some());
        assert!(kept.account("https://b.example/dir").unwrap().is_none());
        for damaged in ["", "{", r#"{"directory":"https://a.example/dir"}"#] {
            std::fs::write(folder.path().join(ACCOUNT), damaged).unwrap();
            assert!(kept.account("https://a.example/dir").is_err(), "{damaged}");
        }
        kept.forget_account().unwrap();
        assert!(kept.account("https://a.example/dir").unwrap().is_none());
    }
}

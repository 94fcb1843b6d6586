//! Where a key is kept, as commands name it.

use std::fmt;
use std::path::{Path, PathBuf};

use super::file::{Description, Keeper, at};
use super::problem::{Problem, StoreError};
use super::tokens;
use crate::passphrase::Passphrase;
use crate::secret::SecretKey;
use crate::token::{PlaceError, TokenPlace};
use crate::tpm::{Device, DeviceError, Tpm};

/// Why a text names no key store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocatorError {
    /// What stands behind the `?` of `tpm:PATH?…`.
    #[error("`{given}`: {error}")]
    Device {
        /// What was given.
        given: String,
        /// What is wrong with the device.
        error: DeviceError,
    },
    /// What stands behind `pkcs11:`.
    #[error("a key in a token {0}")]
    Token(#[from] PlaceError),
    /// No kind in front.
    #[error("`{given}` does not say what kind of store it is: write file:{given}")]
    NoKind {
        /// What was given.
        given: String,
    },
    /// A kind that does not exist.
    #[error("`{kind}:` is no kind of key store; there are file:PATH, tpm:PATH and pkcs11:…")]
    UnknownKind {
        /// What stood before the colon.
        kind: String,
    },
    /// `file:` or `tpm:` and nothing after it.
    #[error("{kind}: wants a path: {kind}:PATH")]
    NoPath {
        /// `file` or `tpm`.
        kind: &'static str,
    },
}

/// A place that holds one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Locator {
    /// `file:PATH`: one key in one file.
    File(PathBuf),
    /// `tpm:PATH` or `tpm:PATH?DEVICE`: one key in a TPM, and what the TPM hands out of it in one file.
    Tpm {
        /// The file.
        path: PathBuf,
        /// The TPM that made the key.
        device: Device,
    },
    /// `pkcs11:token=…;object=…?module-path=…&pin-source=…`: one key in a token.
    Token(Box<TokenPlace>),
}

impl Locator {
    /// Reads `file:PATH`, `tpm:PATH` or `tpm:PATH?DEVICE`, the device as [`Device::parse`] reads it, or `pkcs11:…` as
    /// [`TokenPlace::parse`] does. A path is taken as
    /// it stands, relative ones from the working directory; that of a TPM's key has no `?`.
    ///
    /// # Errors
    /// [`LocatorError`], saying what to write instead.
    pub fn parse(text: &str) -> Result<Self, LocatorError> {
        match text.split_once(':') {
            Some(("file", "")) => Err(LocatorError::NoPath { kind: "file" }),
            Some(("file", path)) => Ok(Self::File(PathBuf::from(path))),
            Some(("tpm", rest)) => {
                let (path, device) =
                    rest.split_once('?').map_or((rest, None), |(path, device)| (path, Some(device)));
                let device = device.map(Device::parse).transpose();
                let device =
                    device.map_err(|error| LocatorError::Device { given: text.to_owned(), error })?;
                if path.is_empty() {
                    return Err(LocatorError::NoPath { kind: "tpm" });
                }
                Ok(Self::Tpm { path: path.into(), device: device.unwrap_or_default() })
            }
            Some(("pkcs11", rest)) => Ok(Self::Token(Box::new(TokenPlace::parse(rest)?))),
            Some((kind, _)) if !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_alphanumeric()) => {
                Err(LocatorError::UnknownKind { kind: kind.to_owned() })
            }
            _ => Err(LocatorError::NoKind { given: text.to_owned() }),
        }
    }

    /// The same place, with a relative path read from this folder.
    #[must_use]
    pub fn within(self, folder: &Path) -> Self {
        match self {
            Self::File(path) => Self::File(folder.join(path)),
            Self::Tpm { path, device } => Self::Tpm { path: folder.join(path), device },
            Self::Token(place) => Self::Token(Box::new(place.within(folder))),
        }
    }

    /// The file; a key in a token has none.
    #[must_use]
    pub const fn path(&self) -> Option<&PathBuf> {
        match self {
            Self::File(path) | Self::Tpm { path, .. } => Some(path),
            Self::Token(_) => None,
        }
    }

    /// What is public of the key, without opening it: a TPM is not asked, a token without its PIN.
    ///
    /// # Errors
    /// [`StoreError`], also for a file of the other kind.
    pub fn describe(&self) -> Result<Description, StoreError> {
        let (path, wanted) = match self {
            Self::File(path) => (path, Keeper::File),
            Self::Tpm { path, .. } => (path, Keeper::Tpm),
            Self::Token(place) => {
                let public = Some(tokens::public(place)?);
                return Ok(Description { keeper: Keeper::Token, encrypted: false, public });
            }
        };
        let described = super::describe(path)?;
        match (wanted, described.keeper) {
            (Keeper::File, Keeper::Tpm) => Err(at(path)(Problem::InTpm)),
            (Keeper::Tpm, Keeper::File) => Err(at(path)(Problem::NotInTpm)),
            _ => Ok(described),
        }
    }

    /// Opens the key. `passphrase` is needed iff it is in an encrypted file, and unused otherwise.
    ///
    /// # Errors
    /// [`StoreError`]. A key that its TPM does not open is opened in no other way.
    pub fn open(&self, passphrase: Option<&Passphrase>) -> Result<SecretKey, StoreError> {
        match self {
            Self::File(path) => super::open(path, passphrase),
            Self::Tpm { path, device } => super::open_in(&Tpm::at(device), path),
            Self::Token(place) => tokens::open(place),
        }
    }
}

/// As it is read.
impl fmt::Display for Locator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Tpm { path, device } => write!(f, "tpm:{}?{device}", path.display()),
            Self::Token(place) => write!(f, "{place}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_by_its_path() {
        assert_eq!(Locator::parse("file:/etc/a:b.key"), Ok(Locator::File("/etc/a:b.key".into())));
        assert_eq!(Locator::parse("file:a.key"), Ok(Locator::File("a.key".into())));
        assert_eq!(Locator::parse("file:a?b"), Ok(Locator::File("a?b".into())));
    }

    #[test]
    fn a_key_of_a_tpm_is_named_by_its_file_and_where_the_tpm_is() {
        let tpm = |path: &str, device: &str| {
            Ok(Locator::Tpm { path: path.into(), device: Device::parse(device).unwrap() })
        };
        assert_eq!(Locator::parse("tpm:a.key"), tpm("a.key", "device=/dev/tpmrm0"));
        assert_eq!(Locator::parse("tpm:/etc/a:b?device=/dev/tpm0"), tpm("/etc/a:b", "device=/dev/tpm0"));
        assert_eq!(Locator::parse("tpm:a.key?swtpm=127.0.0.1:2321"), tpm("a.key", "swtpm=127.0.0.1:2321"));
        assert_eq!(Locator::parse("tpm:a.key?swtpm=/run/s?b"), tpm("a.key", "swtpm=/run/s?b"));
    }

    #[test]
    fn everything_else_says_what_to_write() {
        let said = |text| Locator::parse(text).unwrap_err().to_string();
        assert!(said("a.key").contains("write file:a.key"));
        assert!(said("./x:y").contains("write file:./x:y"));
        assert!(said("pkcs12:x").contains("`pkcs12:` is no kind of key store"));
        assert!(said("pkcs11:token=a").contains("wants module-path: write pkcs11:token=NAME"));
        assert!(said("file:").contains("wants a path: file:PATH"));
        assert!(said("tpm:").contains("wants a path: tpm:PATH"));
        assert!(said("tpm:?device=/dev/tpm0").contains("wants a path: tpm:PATH"));
        assert!(said("tpm:a.key?tcti=swtpm").contains("write device=PATH"));
        assert!(said("tpm:a.key?").contains("write device=PATH"));
        assert!(said("tpm:a.key?swtpm=192.0.2.1:1").contains("is not on this machine"));
    }
}

//! Files of keys that a TPM holds.

use std::path::Path;

use super::block::block;
use super::file::{self, Description, Keeper, at};
use super::problem::{Problem, StoreError};
use crate::secret::SecretKey;
use crate::tpm::{Blob, BlobError, LABEL, Tpm, TpmError};

/// Has a TPM make a key, and writes what it hands out of it into a new file with mode 0600. Returns once that is on the
/// disk under its name; a crash before loses the key, and takes no room in the TPM.
///
/// # Errors
/// [`Problem::Exists`] when anything has that name already; [`Problem::Tpm`].
pub fn create_in(tpm: &Tpm, path: &Path) -> Result<SecretKey, StoreError> {
    if path.symlink_metadata().is_ok() {
        return Err(at(path)(Problem::Exists));
    }
    let blob = tpm.create().map_err(by(tpm)).map_err(at(path))?;
    let text = blob.to_text().map_err(Problem::from).map_err(at(path))?;
    // Opened before it is kept: a key that cannot be used is not left behind.
    let key = tpm.open(blob).map_err(by(tpm)).map_err(at(path))?;
    file::place(path, text.as_bytes()).map_err(at(path))?;
    Ok(SecretKey::in_tpm(key))
}

/// Opens the key of a file, in the TPM that made it.
///
/// # Errors
/// [`StoreError`]; also when the file is open to others than its owner, for whoever can read it and use the TPM signs.
pub fn open_in(tpm: &Tpm, path: &Path) -> Result<SecretKey, StoreError> {
    let blob = file::read(path).and_then(|text| read(&text)).map_err(at(path))?;
    let key = tpm.open(blob).map_err(by(tpm)).map_err(at(path))?;
    Ok(SecretKey::in_tpm(key))
}

fn by(tpm: &Tpm) -> impl Fn(TpmError) -> Problem {
    move |error| Problem::Tpm { device: tpm.device().clone(), error }
}

fn read(text: &str) -> Result<Blob, Problem> {
    match Blob::parse(text) {
        Err(BlobError::NoKey) if text.contains("PRIVATE KEY-----") => Err(Problem::NotInTpm),
        Err(BlobError::NoKey) => Err(Problem::NoKey),
        parsed => Ok(parsed?),
    }
}

/// What the text shows, if it holds a key of a TPM.
pub(super) fn shown(text: &str) -> Option<Result<Description, Problem>> {
    match block(text, LABEL) {
        Ok(None) => None,
        _ => Some(read(text).map(|blob| Description {
            keeper: Keeper::Tpm,
            encrypted: false,
            public: Some(blob.public().clone()),
        })),
    }
}

//! The agent's key, opened once at the start.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use avouch_keys::SecretKey;
use avouch_keys::entity::SecretsError;
use avouch_keys::entropy::SystemEntropy;
use avouch_keys::passphrase::{Passphrase, PassphraseError};
use avouch_keys::store::{self, Locator, Problem, Protection, StoreError};
use avouch_keys::token::TokenError;
use avouch_keys::tpm::Tpm;
use avouch_wire::key::KeyType;

use crate::config;

/// As much of a passphrase file as is read; what is longer is refused as too long.
const MAX_FILE: u64 = 2 << 10;

/// Why a key is not there.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store does not give it.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The file of the passphrase cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// What is in it is no passphrase.
    #[error("{}: {source}", path.display())]
    Passphrase {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        source: PassphraseError,
    },
    /// The file of the secret cannot be used.
    #[error("[registry] `secret`: {0}")]
    Secret(SecretsError),
    /// It is another's.
    #[error("{}: is the secret of {of}, and not that of this agent: see `[registry]`, `domain` and `agent`", path.display())]
    OtherSecret {
        /// Which file.
        path: PathBuf,
        /// Whose it is.
        of: String,
    },
    /// The system gives no thread for a key that takes its time.
    #[error("no thread to sign by: {0}")]
    Thread(std::io::Error),
}

/// Opens the key of a configuration.
///
/// # Errors
/// [`OpenError`].
pub(crate) fn open(identity: &config::Identity) -> Result<SecretKey, OpenError> {
    let words = identity.passphrase_file.as_deref().map(passphrase).transpose()?;
    Ok(identity.key.open(words.as_ref())?)
}

/// Opens the key of a configuration, or makes it where there is none: in its TPM, or in its file, encrypted where the
/// configuration names a passphrase. Says whether it was made.
///
/// # Errors
/// [`OpenError`].
pub(crate) fn make_or_open(identity: &config::Identity) -> Result<(SecretKey, bool), OpenError> {
    match make(identity) {
        Err(OpenError::Store(StoreError {
            problem: Problem::Exists | Problem::Token(TokenError::Exists),
            ..
        })) => Ok((open(identity)?, false)),
        made => Ok((made?, true)),
    }
}

fn make(identity: &config::Identity) -> Result<SecretKey, OpenError> {
    let path = match &identity.key {
        Locator::Tpm { path, device } => return Ok(store::create_in(&Tpm::at(device), path)?),
        Locator::Token(place) => return Ok(store::create_in_token(place, KeyType::P256)?),
        Locator::File(path) => path,
    };
    let at = |problem| StoreError { path: path.clone(), problem };
    if path.symlink_metadata().is_ok() {
        return Err(at(Problem::Exists).into());
    }
    let words = identity.passphrase_file.as_deref().map(passphrase).transpose()?;
    let key = SecretKey::generate(KeyType::Ed25519, &mut SystemEntropy).map_err(|error| at(error.into()))?;
    store::create(path, &key, words.as_ref().map_or(Protection::None, Protection::Passphrase))?;
    Ok(key)
}

fn passphrase(path: &Path) -> Result<Passphrase, OpenError> {
    let failed = |source| OpenError::Read { path: path.to_owned(), source };
    // Taken whole at once, so that no copy of it is left behind.
    let mut content = Vec::with_capacity(usize::try_from(MAX_FILE).unwrap_or(0));
    File::open(path).map_err(failed)?.take(MAX_FILE).read_to_end(&mut content).map_err(failed)?;
    Passphrase::from_line(content).map_err(|source| OpenError::Passphrase { path: path.to_owned(), source })
}

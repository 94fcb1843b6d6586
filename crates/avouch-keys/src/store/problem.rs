//! What can be wrong with a key file, and how to mend it.

use std::io;
use std::path::PathBuf;

use super::block::BlockError;
use crate::secret::KeyError;
use crate::token::TokenError;
use crate::tpm::{BlobError, Device, TpmError};

/// A key file that could not be made, opened or listed.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct StoreError {
    /// The file or folder in question.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What the program was doing when the system refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Reading the file or folder.
    Read,
    /// Writing the new key beside its final name.
    Write,
    /// Giving the written key its final name.
    Name,
}

impl core::fmt::Display for Step {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Read => "cannot be read",
            Self::Write => "cannot be written",
            Self::Name => "cannot be put in place (the file system must know hard links)",
        })
    }
}

/// What is wrong with a key file; each sentence says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// A key is never written over another file.
    #[error("exists already, and a key file is never overwritten: choose another name")]
    Exists,
    /// No such file or folder.
    #[error("does not exist: make a key with `avouch key new`, or correct the path")]
    Missing,
    /// A folder, socket, pipe or device.
    #[error("is not a regular file: name the key file itself")]
    NotAFile,
    /// Its group or everyone may read or write it.
    #[error("is open to others (mode {mode:04o}): run `chmod 600` on it")]
    OpenToOthers {
        /// The permission bits found.
        mode: u32,
    },
    /// Over 16 KiB, which no key file is.
    #[error("is too large to be a key file: correct the path")]
    TooLarge,
    /// Over 1024 entries in one folder.
    #[error("holds too many files to list: keep keys in a folder of their own")]
    TooMany,
    /// The system refused.
    #[error("{step}: {source}")]
    System {
        /// What was being done.
        step: Step,
        /// The system's answer.
        source: io::Error,
    },
    /// No PEM block `PRIVATE KEY` or `ENCRYPTED PRIVATE KEY`.
    #[error("holds no PKCS#8 private key in PEM: convert it with `openssl pkcs8 -topk8`")]
    NoKey,
    /// More than one private key, so that it is unclear which is meant.
    #[error("holds more than one private key: keep one key per file")]
    SeveralKeys,
    /// The block is there, but what it holds is damaged.
    #[error("holds a damaged key: restore it from a copy")]
    Damaged,
    /// A cipher or derivation that is not PBES2 with scrypt or PBKDF2 and AES.
    #[error(
        "is encrypted in a way not read here: convert it with `openssl pkcs8 -topk8 -v2 aes-256-cbc -scrypt`"
    )]
    UnreadEncryption,
    /// Its derivation asks for more memory or work than is granted to a file.
    #[error(
        "asks for more memory or time than is granted to open a key ({asked}): \
         convert it with `openssl pkcs8 -topk8 -v2 aes-256-cbc -scrypt`"
    )]
    TooCostly {
        /// What its parameters ask for.
        asked: Cost,
    },
    /// Encrypted, and no passphrase was given.
    #[error("is encrypted: give its passphrase with --passphrase-file")]
    PassphraseNeeded,
    /// Decryption failed. A damaged file cannot be told from a wrong passphrase.
    #[error("does not open with this passphrase: it is the wrong one, or the file is damaged")]
    PassphraseWrong,
    /// An RSA key, another curve.
    #[error("is neither an Ed25519 nor a P-256 key: make one with `avouch key new`")]
    OtherKeyType,
    /// The public part beside the private one is damaged or of another type.
    #[error("shows a public key that cannot be read: delete its PUBLIC KEY block, or restore it from a copy")]
    PublicDamaged,
    /// The public part beside the private one belongs to another key.
    #[error("shows a public key that is not its own: somebody changed the file; restore it from a copy")]
    PublicDiffers,
    /// A key of a TPM, opened as one of a file.
    #[error("holds a key of a TPM: name it tpm:PATH")]
    InTpm,
    /// A key of a file, opened as one of a TPM.
    #[error(
        "holds a key of no TPM: name it file:PATH; a key that was outside of a TPM cannot be moved into one"
    )]
    NotInTpm,
    /// What a TPM wrapped cannot be used.
    #[error(transparent)]
    Wrapped(#[from] BlobError),
    /// The TPM that is to hold the key did not do what it was asked for.
    #[error("the TPM ({device}) {error}")]
    Tpm {
        /// Where the TPM is.
        device: Device,
        /// What is wrong with it.
        error: TpmError,
    },
    /// The token that is to hold the key did not do what it was asked for.
    #[error("the token {0}")]
    Token(#[from] TokenError),
    /// The library or the generator failed.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl From<BlockError> for Problem {
    fn from(error: BlockError) -> Self {
        match error {
            BlockError::Open => Self::Damaged,
            BlockError::Several => Self::SeveralKeys,
        }
    }
}

/// What a key file's derivation asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// scrypt, RFC 7914.
    Scrypt {
        /// CPU and memory cost N.
        n: u64,
        /// Block size.
        r: u16,
        /// Parallelisation.
        p: u16,
    },
    /// PBKDF2, RFC 8018 §5.2.
    Pbkdf2 {
        /// Iteration count.
        iterations: u32,
    },
}

impl core::fmt::Display for Cost {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Scrypt { n, r, p } => write!(f, "scrypt N={n} r={r} p={p}"),
            Self::Pbkdf2 { iterations } => write!(f, "{iterations} rounds of PBKDF2"),
        }
    }
}

//! Where a key is kept, as commands name it.

use std::path::PathBuf;

/// Why a text names no key store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocatorError {
    /// `tpm:…`: known, and not in this version.
    #[error("`{given}`: keys in a TPM are not built into this version; use file:PATH")]
    Tpm {
        /// What was given.
        given: String,
    },
    /// No `file:` in front.
    #[error("`{given}` does not say what kind of store it is: write file:{given}")]
    NoKind {
        /// What was given.
        given: String,
    },
    /// A kind that does not exist.
    #[error("`{kind}:` is no kind of key store; there is file:PATH")]
    UnknownKind {
        /// What stood before the colon.
        kind: String,
    },
    /// `file:` and nothing after it.
    #[error("file: wants a path: file:PATH")]
    NoPath,
}

/// A place that holds one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Locator {
    /// `file:PATH`: one key in one file.
    File(PathBuf),
}

impl Locator {
    /// Reads `file:PATH`. The path is taken as it stands, relative ones from the working directory.
    ///
    /// # Errors
    /// [`LocatorError`], saying what to write instead.
    pub fn parse(text: &str) -> Result<Self, LocatorError> {
        match text.split_once(':') {
            Some(("file", "")) => Err(LocatorError::NoPath),
            Some(("file", path)) => Ok(Self::File(PathBuf::from(path))),
            Some(("tpm", _)) => Err(LocatorError::Tpm { given: text.to_owned() }),
            Some((kind, _)) if !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_alphanumeric()) => {
                Err(LocatorError::UnknownKind { kind: kind.to_owned() })
            }
            _ => Err(LocatorError::NoKind { given: text.to_owned() }),
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
    }

    #[test]
    fn everything_else_says_what_to_write() {
        let said = |text| Locator::parse(text).unwrap_err().to_string();
        assert!(said("tpm:0x81000001").contains("not built into this version"));
        assert!(said("a.key").contains("write file:a.key"));
        assert!(said("./x:y").contains("write file:./x:y"));
        assert!(said("pkcs11:x").contains("`pkcs11:` is no kind of key store"));
        assert!(said("file:").contains("wants a path"));
    }
}

//! Configuration files: read whole, with paths in them relative to where they are.

use std::path::{Path, PathBuf};

use avouch_wire::settings::Problems;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// What it says cannot be used.
    #[error("{0}")]
    Problems(#[from] Problems),
}

/// Reads a file: `parse` takes the name that problems carry, and the text; `resolve` makes relative paths in it relative
/// to the file's folder.
///
/// # Errors
/// [`ConfigError`].
pub fn load<T>(
    path: &Path,
    parse: impl FnOnce(&str, &str) -> Result<T, Problems>,
    resolve: impl FnOnce(&mut T, &Path),
) -> Result<T, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    let mut config = parse(&path.display().to_string(), &text)?;
    if let Some(folder) = path.parent() {
        resolve(&mut config, folder);
    }
    Ok(config)
}

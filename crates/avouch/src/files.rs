//! Files named on the command line.

use crate::failure::Failure;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The largest file read into memory: what a verifier holds of a request, and room for its head.
const MAX: u64 = 65 << 20;

/// All of a file, or of standard input for `-`.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |error: io::Error| Failure::file(path, &error);
    let source: Box<dyn Read> = match path.to_str() {
        Some("-") => Box::new(io::stdin()),
        _ => Box::new(File::open(path).map_err(failed)?),
    };
    let mut octets = Vec::new();
    source.take(MAX + 1).read_to_end(&mut octets).map_err(failed)?;
    if octets.len() as u64 > MAX {
        return Err(Failure::configuration(format_args!("{}: is larger than 65 MiB", path.display())));
    }
    Ok(octets)
}

/// As [`read`], of a file that holds text.
pub(crate) fn read_text(path: &Path) -> Result<String, Failure> {
    let text = String::from_utf8(read(path)?);
    text.map_err(|_| Failure::configuration(format_args!("{}: is not text (UTF-8)", path.display())))
}

//! A report in a file: plain, gzip (RFC 1952), or in a mail.

use super::mail::{self, MailError};
use super::{MAX_OCTETS, Report, ReportError};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use std::io::{Read as _, Write as _};
use thiserror::Error;

/// How a gzip member begins.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Why a file holds no report.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OpenError {
    /// The gzip form is damaged.
    #[error("is not gzip to its end")]
    Gzip,
    /// A mail without a report.
    #[error("{0}")]
    Mail(#[from] MailError),
    /// Not a report.
    #[error("{0}")]
    Report(#[from] ReportError),
}

/// Reads the report in a file: JSON, the same in gzip, or a mail with either as an attachment.
///
/// # Errors
/// [`OpenError`].
pub fn open(file: &[u8]) -> Result<Report, OpenError> {
    if file.starts_with(&GZIP) || file.trim_ascii_start().starts_with(b"{") {
        return unpacked(file);
    }
    unpacked(&mail::attachment(file)?)
}

/// Reads JSON, or the same in gzip.
fn unpacked(file: &[u8]) -> Result<Report, OpenError> {
    if !file.starts_with(&GZIP) {
        return Ok(Report::parse(file)?);
    }
    let mut json = Vec::new();
    let most = (MAX_OCTETS as u64).saturating_add(1);
    GzDecoder::new(file).take(most).read_to_end(&mut json).map_err(|_| OpenError::Gzip)?;
    Ok(Report::parse(&json)?)
}

/// The gzip form of a report: the same octets for the same report.
#[must_use]
pub fn pack(report: &Report) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    // Writing to memory does not fail.
    let _ = packed.write_all(&report.to_json());
    packed.finish().unwrap_or_default()
}

//! Blocks of PEM in a text (RFC 7468).

/// Why a block is not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BlockError {
    /// It begins and does not end.
    Open,
    /// There are several of that label, so that it is unclear which is meant.
    Several,
}

/// The one block of that label, boundaries included. Other text and other blocks are passed over, as RFC 7468 §2 allows.
pub(crate) fn block<'a>(text: &'a str, label: &str) -> Result<Option<&'a str>, BlockError> {
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let Some((before, _)) = text.split_once(&begin) else { return Ok(None) };
    let from = text.get(before.len()..).ok_or(BlockError::Open)?;
    let Some((body, rest)) = from.split_once(&end) else { return Err(BlockError::Open) };
    if rest.contains(&begin) {
        return Err(BlockError::Several);
    }
    from.get(..body.len().saturating_add(end.len())).map(Some).ok_or(BlockError::Open)
}

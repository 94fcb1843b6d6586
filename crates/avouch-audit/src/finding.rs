//! One line of a log, found by what stands in it.

use crate::source::{self, ReadError, Source};
use memchr::memmem::Finder;
use memchr::{memchr, memrchr};
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;

/// The first line of the logs (`-` is standard input) that holds this text, without its newline, in the order given;
/// and how many lines were read until then.
///
/// # Errors
/// [`ReadError`] when a log cannot be read to its end.
pub fn find(logs: &[PathBuf], text: &str) -> Result<(Option<Vec<u8>>, u64), ReadError> {
    source::check(logs)?;
    let (finder, count) = (Finder::new(text), AtomicU64::new(0));
    let mut lines = 0;
    for path in logs {
        let mut source = Source::open(path, &count)?;
        while let Some(block) = source.block()? {
            if let Some(at) = finder.find(&block) {
                let (before, after) = block.split_at(at);
                let begin = memrchr(b'\n', before).map_or(0, |newline| newline + 1);
                let end = at + memchr(b'\n', after).unwrap_or(after.len());
                lines += newlines(before) + 1;
                return Ok((block.get(begin..end).map(<[u8]>::to_vec), lines));
            }
            lines += newlines(&block) + u64::from(!block.ends_with(b"\n"));
        }
    }
    Ok((None, lines))
}

fn newlines(text: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', text).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_holds_the_text_is_found_with_its_number() {
        let folder = tempfile::tempdir().unwrap();
        let logs = ["one\ntwo a\nthree b\n", "four\nfive a"].map(|text| {
            let path = folder.path().join(text.len().to_string());
            std::fs::write(&path, text).unwrap();
            path
        });
        let found = |text| find(&logs, text).unwrap();
        assert_eq!(found("one"), (Some(b"one".to_vec()), 1));
        assert_eq!(found(" a"), (Some(b"two a".to_vec()), 2));
        assert_eq!(found("five"), (Some(b"five a".to_vec()), 5));
        assert_eq!(found("a\nt"), (Some(b"two a".to_vec()), 2));
        assert_eq!(found("six"), (None, 5));
        assert!(find(&[folder.path().join("none")], "x").is_err());
    }
}

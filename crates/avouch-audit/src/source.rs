//! Log files, decompressed where they are compressed, in blocks of whole lines.

use flate2::bufread::MultiGzDecoder;
use memchr::{memchr, memrchr};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use thiserror::Error;

use crate::line::LONGEST;

/// Octets in a block: enough that handing it from thread to thread costs nothing beside reading
/// it, little enough that a few of them are no memory to speak of. More than the longest line.
const BLOCK: usize = 1 << 20;

/// Read from a file at once.
const BUFFER: usize = 128 << 10;

/// How gzip data begins (RFC 1952 section 2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Why a log cannot be read to its end.
#[derive(Debug, Error)]
pub enum ReadError {
    /// It cannot be opened.
    #[error("{}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It broke off.
    #[error("{}: after {lines} lines: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Whole lines read before.
        lines: u64,
        /// Why.
        source: io::Error,
    },
    /// Its compression is damaged or cut short.
    #[error("{}: the gzip data is broken or cut short after {lines} lines ({source})", path.display())]
    Gzip {
        /// The file.
        path: PathBuf,
        /// Whole lines read before.
        lines: u64,
        /// What is wrong with it.
        source: io::Error,
    },
}

/// A log that was opened.
pub(crate) struct Source<'a> {
    path: &'a Path,
    text: Box<dyn Read + Send + 'a>,
    compressed: bool,
    lines: u64,
    /// The beginning of the line that the last block broke off in.
    rest: Vec<u8>,
    ended: bool,
}

/// Whether every log can be opened, so that a wrong name is told before hours of reading. None is
/// kept open: there may be many.
pub(crate) fn check(logs: &[PathBuf]) -> Result<(), ReadError> {
    for path in logs.iter().filter(|path| path.to_str() != Some("-")) {
        File::open(path).map_err(|source| ReadError::Open { path: path.clone(), source })?;
    }
    Ok(())
}

impl<'a> Source<'a> {
    /// Opens a file, or standard input for `-`; what is read of it is added to `count`.
    pub(crate) fn open(path: &'a Path, count: &'a AtomicU64) -> Result<Self, ReadError> {
        let failed = |source| ReadError::Open { path: path.to_owned(), source };
        let octets: Box<dyn Read + Send> = match path.to_str() {
            Some("-") => Box::new(io::stdin()),
            _ => Box::new(File::open(path).map_err(failed)?),
        };
        Self::of(path, Counted { octets, count }).map_err(failed)
    }

    fn of(path: &'a Path, octets: impl Read + Send + 'a) -> io::Result<Self> {
        let mut octets = BufReader::with_capacity(BUFFER, octets);
        let compressed = octets.fill_buf()?.starts_with(&GZIP);
        let text: Box<dyn Read + Send> = match compressed {
            true => Box::new(MultiGzDecoder::new(octets)),
            false => Box::new(octets),
        };
        Ok(Self { path, text, compressed, lines: 0, rest: Vec::new(), ended: false })
    }

    /// The next lines, each whole; a line longer than any that is read is cut to one octet more.
    /// `None` at the end.
    pub(crate) fn block(&mut self) -> Result<Option<Vec<u8>>, ReadError> {
        let mut block = std::mem::take(&mut self.rest);
        self.fill(&mut block)?;
        let end = match memrchr(b'\n', &block) {
            // The last line of a file need not end.
            _ if self.ended => block.len(),
            Some(at) => at + 1,
            None => {
                block.truncate(LONGEST + 1);
                self.skip_line()?;
                block.push(b'\n');
                block.len()
            }
        };
        // Behind a line that was skipped, its rest already waits.
        if end < block.len() {
            self.rest = block.split_off(end);
        }
        self.lines += memchr::memchr_iter(b'\n', &block).count() as u64;
        Ok(Some(block).filter(|block| !block.is_empty()))
    }

    fn fill(&mut self, block: &mut Vec<u8>) -> Result<(), ReadError> {
        let room = BLOCK.saturating_sub(block.len());
        block.reserve_exact(room);
        let read = self.text.by_ref().take(room as u64).read_to_end(block).map_err(|e| self.broken(e))?;
        self.ended = read < room;
        Ok(())
    }

    /// Drops what is left of a line, however much that is.
    fn skip_line(&mut self) -> Result<(), ReadError> {
        let mut piece = Vec::with_capacity(LONGEST);
        loop {
            piece.clear();
            let read = self.text.by_ref().take(LONGEST as u64).read_to_end(&mut piece);
            if read.map_err(|error| self.broken(error))? == 0 {
                self.ended = true;
                return Ok(());
            }
            if let Some(at) = memchr(b'\n', &piece) {
                self.rest = piece.split_off(at + 1);
                return Ok(());
            }
        }
    }

    fn broken(&self, source: io::Error) -> ReadError {
        let (path, lines) = (self.path.to_owned(), self.lines);
        match source.kind() {
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
                if self.compressed =>
            {
                ReadError::Gzip { path, lines, source }
            }
            _ => ReadError::Read { path, lines, source },
        }
    }
}

/// Counts what is read, for whoever watches.
struct Counted<'a, R> {
    octets: R,
    count: &'a AtomicU64,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.octets.read(buffer)?;
        self.count.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write as _;

    fn blocks(octets: &[u8]) -> Result<Vec<Vec<u8>>, ReadError> {
        let mut source = Source::of(Path::new("a.log"), octets).unwrap();
        let mut blocks = Vec::new();
        while let Some(block) = source.block()? {
            blocks.push(block);
        }
        Ok(blocks)
    }

    fn gzip(octets: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(octets).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn blocks_hold_whole_lines_and_nothing_is_lost() {
        let text: Vec<u8> = (0..300_000).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
        for octets in [text.clone(), gzip(&text)] {
            let blocks = blocks(&octets).unwrap();
            assert!(blocks.len() > 2 && blocks.iter().all(|block| block.ends_with(b"\n")));
            assert!(blocks.concat() == text);
        }
    }

    #[test]
    fn several_gzip_members_are_one_log_and_a_last_line_need_not_end() {
        let members = [gzip(b"a\nb"), gzip(b""), gzip(b"c\nd")].concat();
        assert_eq!(blocks(&members).unwrap().concat(), b"a\nbc\nd");
        assert_eq!(blocks(b"").unwrap().len(), 0);
    }

    #[test]
    fn a_line_too_long_for_a_block_is_cut_and_its_neighbours_stay() {
        for end in ["\nafter\n", "\nafter", "\n", ""] {
            let text = [b"before\n", &b"x".repeat(3 * BLOCK + 7)[..], end.as_bytes()].concat();
            for octets in [text.clone(), gzip(&text)] {
                let blocks = blocks(&octets).unwrap();
                assert!(blocks.iter().all(|block| block.len() <= BLOCK + 1));
                let read = blocks.concat();
                let lines: Vec<&[u8]> = read.split_inclusive(|octet| *octet == b'\n').collect();
                assert_eq!((lines[0], lines[1].len()), (&b"before\n"[..], LONGEST + 2));
                assert_eq!(lines.get(2).copied(), end.as_bytes().get(1..).filter(|end| !end.is_empty()));
            }
        }
    }

    #[test]
    fn broken_gzip_says_after_which_line() {
        let text: Vec<u8> =
            (0..300_000_u64).flat_map(|n| format!("{n} {}\n", n * 7919).into_bytes()).collect();
        let whole = gzip(&text);
        let mut damaged = whole.clone();
        let middle = damaged.len() - 2_000;
        damaged[middle..].fill(0xff);
        for broken in [&whole[..whole.len() - 1], &whole[..whole.len() / 2], &damaged] {
            let error = blocks(broken).unwrap_err();
            assert!(matches!(error, ReadError::Gzip { lines: 10_000.., .. }), "{error}");
            assert!(error.to_string().starts_with("a.log: the gzip data is broken or cut short after "));
        }
    }
}

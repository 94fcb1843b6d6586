//! The words a key file is encrypted with.

use core::fmt;

use zeroize::Zeroizing;

/// More than any passphrase a person or a generator writes; a longer file was named by mistake.
const MAX_OCTETS: usize = 1024;

/// Why some octets are no passphrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PassphraseError {
    /// Nothing is left once the line end is removed.
    #[error("the passphrase is empty: write one line into the file")]
    Empty,
    /// Over 1024 octets.
    #[error("the passphrase is longer than {MAX_OCTETS} octets: is this the right file?")]
    TooLong,
    /// A line end stands inside; other programs would read the first line only.
    #[error("the passphrase has more than one line: keep the first and delete the rest")]
    SecondLine,
}

/// A passphrase: 1–1024 octets without a line end, wiped when dropped, never printed.
pub struct Passphrase(Zeroizing<Vec<u8>>);

impl Passphrase {
    /// The passphrase in the content of a file: one trailing `LF` or `CR LF` is not part of it.
    ///
    /// # Errors
    /// [`PassphraseError`] when what remains is empty, too long or not one line.
    pub fn from_line(content: Vec<u8>) -> Result<Self, PassphraseError> {
        let mut line = Zeroizing::new(content);
        if line.last() == Some(&b'\n') {
            line.pop();
            if line.last() == Some(&b'\r') {
                line.pop();
            }
        }
        match line.as_slice() {
            [] => Err(PassphraseError::Empty),
            octets if octets.len() > MAX_OCTETS => Err(PassphraseError::TooLong),
            octets if octets.contains(&b'\n') => Err(PassphraseError::SecondLine),
            _ => Ok(Self(line)),
        }
    }

    pub(crate) fn octets(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &[u8]) -> Result<Vec<u8>, PassphraseError> {
        Passphrase::from_line(content.to_vec()).map(|passphrase| passphrase.octets().to_vec())
    }

    #[test]
    fn one_line_end_is_not_part_of_it() {
        assert_eq!(read(b"correct horse"), Ok(b"correct horse".to_vec()));
        assert_eq!(read(b"correct horse\n"), Ok(b"correct horse".to_vec()));
        assert_eq!(read(b"correct horse\r\n"), Ok(b"correct horse".to_vec()));
        assert_eq!(read(b" blanks stay \n"), Ok(b" blanks stay ".to_vec()));
    }

    #[test]
    fn empty_long_and_many_lines_are_refused() {
        assert_eq!(read(b""), Err(PassphraseError::Empty));
        assert_eq!(read(b"\n"), Err(PassphraseError::Empty));
        assert_eq!(read(b"one\n\n"), Err(PassphraseError::SecondLine));
        assert_eq!(read(&[b'x'; 1025]), Err(PassphraseError::TooLong));
        assert!(read(&[b'x'; 1024]).is_ok());
    }

    #[test]
    fn it_is_never_printed() {
        let passphrase = Passphrase::from_line(b"correct horse".to_vec()).unwrap();
        assert_eq!(format!("{passphrase:?}"), "Passphrase");
    }
}

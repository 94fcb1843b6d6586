//! The chunked coding (RFC 9112 section 7.1), undone.

use super::{CaptureError, MAX_BODY, fields};

/// Most hexadecimal digits of a chunk's size: more than [`MAX_BODY`] takes.
const MAX_DIGITS: usize = 8;

/// Longest line of a chunk's size with its extensions, which mean nothing here.
const MAX_LINE: usize = 256;

/// The body that chunks carry. Trailers are read and dropped.
pub(super) fn decode(coded: &[u8]) -> Result<Vec<u8>, CaptureError> {
    let mut body = Vec::new();
    let mut rest = coded;
    loop {
        let bad = CaptureError::Chunk(coded.len() - rest.len());
        let (size, after) = size_line(rest).ok_or(bad)?;
        if size == 0 {
            let (_, after) = fields(after, 1).map_err(|_| bad)?;
            return if after.is_empty() { Ok(body) } else { Err(CaptureError::Trailing(after.len())) };
        }
        if body.len() + size > MAX_BODY {
            return Err(CaptureError::BodyTooLong);
        }
        let missing = CaptureError::Truncated(size.saturating_sub(after.len()).max(1));
        let (data, after) = after.split_at_checked(size).ok_or(missing)?;
        body.extend_from_slice(data);
        rest = after.strip_prefix(b"\r\n").ok_or(bad)?;
    }
}

/// The size a chunk begins with, and what follows its line.
fn size_line(text: &[u8]) -> Option<(usize, &[u8])> {
    let end = text.iter().take(MAX_LINE).position(|octet| *octet == b'\n')?;
    let line = text.get(..end)?.strip_suffix(b"\r")?;
    let digits = line.split(|octet| *octet == b';').next()?;
    let plain = line.iter().all(|octet| *octet == b'\t' || (b' '..=b'~').contains(octet));
    let sound = (1..=MAX_DIGITS).contains(&digits.len()) && digits.iter().all(u8::is_ascii_hexdigit);
    let size = usize::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    Some((size, text.get(end + 1..)?)).filter(|_| plain && sound)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(coded: &str) -> Result<String, CaptureError> {
        decode(coded.as_bytes()).map(|body| String::from_utf8(body).unwrap())
    }

    #[test]
    fn chunks_are_joined_and_extensions_and_trailers_dropped() {
        assert_eq!(decoded("3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n"), Ok("abc0123456789".into()));
        assert_eq!(decoded("3;a=\"b\"\r\nabc\r\n0;c\r\nSAIP: x\r\n\r\n"), Ok("abc".into()));
        assert_eq!(decoded("0\r\n\r\n"), Ok(String::new()));
    }

    #[test]
    fn what_is_not_well_formed_is_refused_where_it_stands() {
        let cases = [
            ("", CaptureError::Chunk(0)),
            ("x\r\n", CaptureError::Chunk(0)),
            (" 3\r\nabc\r\n0\r\n\r\n", CaptureError::Chunk(0)),
            ("+3\r\nabc\r\n0\r\n\r\n", CaptureError::Chunk(0)),
            ("0x3\r\nabc\r\n0\r\n\r\n", CaptureError::Chunk(0)),
            ("3\nabc\r\n0\r\n\r\n", CaptureError::Chunk(0)),
            ("3\r\nabcd\r\n0\r\n\r\n", CaptureError::Chunk(0)),
            ("3;a\rb\r\nabc\r\n0\r\n\r\n", CaptureError::Chunk(0)),
            ("000000003\r\nabc\r\n0\r\n\r\n", CaptureError::Chunk(0)),
            ("3\r\nabc\r\n", CaptureError::Chunk(8)),
            ("3\r\nabc\r\n0\r\n", CaptureError::Chunk(8)),
            ("5\r\nabc", CaptureError::Truncated(2)),
            ("ffffffff\r\n", CaptureError::BodyTooLong),
            ("0\r\n\r\nGET", CaptureError::Trailing(3)),
        ];
        for (coded, error) in cases {
            assert_eq!(decoded(coded), Err(error), "{coded:?}");
        }
    }
}

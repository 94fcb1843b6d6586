//! Captured requests: one raw HTTP/1.1 message (RFC 9112), read without any leniency.
//!
//! A capture is evidence, so whatever two servers might read differently is refused: bare line
//! feeds, folded lines, both Content-Length and Transfer-Encoding, anything after the end.

mod chunked;

use crate::target::is_token;
use std::borrow::Cow;
use thiserror::Error;

/// Longest head in octets: four times what common servers take.
const MAX_HEAD: usize = 64 << 10;

/// Most fields, of head and trailer each: common servers stop at about a hundred.
const MAX_FIELDS: usize = 256;

/// Longest body in octets, after transfer decoding: it is held in memory.
const MAX_BODY: usize = 64 << 20;

/// What is wrong with a captured request, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CaptureError {
    /// A line of the head does not end in CR LF, or holds a CR elsewhere.
    #[error("line {0} does not end in CR LF")]
    LineEnd(usize),
    /// The empty line that ends the head (or the trailer) is missing.
    #[error("the head does not end in an empty line")]
    Endless,
    /// The head is longer than 64 KiB.
    #[error("the head is longer than {MAX_HEAD} octets")]
    HeadTooLong,
    /// Not `METHOD TARGET HTTP/1.1`.
    #[error("line 1 is not `METHOD TARGET HTTP/1.1`")]
    RequestLine,
    /// A line of the head is not `name: value`.
    #[error("line {0} is not `name: value`")]
    Field(usize),
    /// More fields than 256.
    #[error("there are more than {MAX_FIELDS} fields")]
    TooManyFields,
    /// A second Content-Length, or one that is not a number.
    #[error("the Content-Length is not one number")]
    Length,
    /// Transfer-Encoding is not exactly `chunked`.
    #[error("the Transfer-Encoding is not exactly `chunked`")]
    Coding,
    /// Both Content-Length and Transfer-Encoding.
    #[error("there are both Content-Length and Transfer-Encoding")]
    BothLengths,
    /// The body is longer than 64 MiB.
    #[error("the body is longer than {MAX_BODY} octets")]
    BodyTooLong,
    /// The message ends before its body does.
    #[error("the message ends {0} octets before its body does")]
    Truncated(usize),
    /// A chunk is not well formed; the octet is counted from the end of the head.
    #[error("the chunk at octet {0} of the body is not well formed")]
    Chunk(usize),
    /// Octets after the end of the message.
    #[error("{0} octets follow the end of the message")]
    Trailing(usize),
}

/// A field: name as sent, and value.
type Field<'a> = (&'a str, &'a [u8]);

/// A line without its end, and what follows it.
type Line<'a> = (&'a [u8], &'a [u8]);

/// A captured request.
///
/// ```
/// use avouch_wire::capture::Capture;
///
/// let capture = Capture::parse(b"GET /prices HTTP/1.1\r\nHost: www.shop.example\r\n\r\n")?;
/// assert_eq!((capture.method(), capture.target()), ("GET", "/prices"));
/// assert_eq!(capture.fields().next(), Some(("Host", b"www.shop.example".as_slice())));
/// # Ok::<(), avouch_wire::capture::CaptureError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture<'a> {
    method: &'a str,
    target: &'a str,
    fields: Vec<Field<'a>>,
    body: Cow<'a, [u8]>,
}

impl<'a> Capture<'a> {
    /// Reads one whole message.
    ///
    /// # Errors
    /// [`CaptureError`]: the first thing that is wrong, and where.
    pub fn parse(message: &'a [u8]) -> Result<Self, CaptureError> {
        let (first, rest) = line(message, 1)?.ok_or(CaptureError::Endless)?;
        let (method, target) = request_line(first)?;
        let (fields, after) = fields(rest, 2)?;
        if message.len() - after.len() > MAX_HEAD {
            return Err(CaptureError::HeadTooLong);
        }
        let body = match length(&fields)? {
            Length::Chunked => Cow::Owned(chunked::decode(after)?),
            Length::Octets(length) => Cow::Borrowed(exactly(after, length)?),
        };
        Ok(Self { method, target, fields, body })
    }

    /// The method as sent.
    #[must_use]
    pub const fn method(&self) -> &'a str {
        self.method
    }

    /// The request target as sent.
    #[must_use]
    pub const fn target(&self) -> &'a str {
        self.target
    }

    /// The fields in order: name as sent, value without the blanks around it. Trailers are none.
    pub fn fields(&self) -> impl Iterator<Item = Field<'a>> + '_ {
        self.fields.iter().copied()
    }

    /// The body, after transfer decoding.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

/// Lines `name: value` up to an empty line, and what follows it. `number` is that of the first.
fn fields(mut rest: &[u8], mut number: usize) -> Result<(Vec<Field<'_>>, &[u8]), CaptureError> {
    let mut fields = Vec::new();
    loop {
        let (one, after) = line(rest, number)?.ok_or(CaptureError::Endless)?;
        if one.is_empty() {
            return Ok((fields, after));
        }
        if fields.len() == MAX_FIELDS {
            return Err(CaptureError::TooManyFields);
        }
        fields.push(field(one).ok_or(CaptureError::Field(number))?);
        (rest, number) = (after, number + 1);
    }
}

/// The octets up to CR LF, and those after it; `None` where no line ends.
fn line(text: &[u8], number: usize) -> Result<Option<Line<'_>>, CaptureError> {
    let Some(end) = text.iter().take(MAX_HEAD).position(|octet| *octet == b'\n') else {
        return if text.len() > MAX_HEAD { Err(CaptureError::HeadTooLong) } else { Ok(None) };
    };
    let (Some(line), Some(rest)) = (text.get(..end), text.get(end + 1..)) else { return Ok(None) };
    match line.strip_suffix(b"\r") {
        Some(line) if !line.contains(&b'\r') => Ok(Some((line, rest))),
        _ => Err(CaptureError::LineEnd(number)),
    }
}

fn request_line(line: &[u8]) -> Result<(&str, &str), CaptureError> {
    let text = std::str::from_utf8(line).map_err(|_| CaptureError::RequestLine)?;
    let mut parts = text.split(' ');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(method), Some(target), Some("HTTP/1.1"), None) if is_token(method) && !target.is_empty() => {
            Ok((method, target))
        }
        _ => Err(CaptureError::RequestLine),
    }
}

/// RFC 9112 section 5: no blank before the colon, no folding (a folded line has no name).
fn field(line: &[u8]) -> Option<Field<'_>> {
    let colon = line.iter().position(|octet| *octet == b':')?;
    let name = std::str::from_utf8(line.get(..colon)?).ok()?;
    let value = trim(line.get(colon + 1..)?);
    let plain = |octet: &u8| *octet == b'\t' || (*octet >= b' ' && *octet != 0x7f);
    (is_token(name) && value.iter().all(plain)).then_some((name, value))
}

/// Removes the blanks around a value.
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// How the body's end is found.
enum Length {
    Octets(usize),
    Chunked,
}

/// RFC 9112 section 6.3, without its leniencies.
fn length(fields: &[Field<'_>]) -> Result<Length, CaptureError> {
    let named = |wanted: &'static str| {
        fields.iter().filter(move |(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| *value)
    };
    let codings: Vec<_> = named("transfer-encoding").collect();
    let mut lengths = named("content-length");
    match (codings.as_slice(), lengths.next(), lengths.next()) {
        ([], None, _) => Ok(Length::Octets(0)),
        ([], Some(value), None) => number(value).map(Length::Octets),
        ([], Some(_), Some(_)) => Err(CaptureError::Length),
        ([_, ..], Some(_), _) => Err(CaptureError::BothLengths),
        ([one], None, _) if one.eq_ignore_ascii_case(b"chunked") => Ok(Length::Chunked),
        ([_, ..], None, _) => Err(CaptureError::Coding),
    }
}

/// Digits only: a sign, a blank or a list is read differently by different servers.
fn number(value: &[u8]) -> Result<usize, CaptureError> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(value).ok().filter(|_| digits).ok_or(CaptureError::Length)?;
    match text.parse() {
        Ok(length) if length <= MAX_BODY => Ok(length),
        // What does not fit a machine word is longer still.
        Ok(_) | Err(_) => Err(CaptureError::BodyTooLong),
    }
}

fn exactly(octets: &[u8], length: usize) -> Result<&[u8], CaptureError> {
    match octets.split_at_checked(length) {
        Some((body, [])) => Ok(body),
        Some((_, more)) => Err(CaptureError::Trailing(more.len())),
        None => Err(CaptureError::Truncated(length - octets.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(message: &str) -> Result<Capture<'_>, CaptureError> {
        Capture::parse(message.as_bytes())
    }

    /// The body of a POST with these further fields and these octets after the head.
    fn body_of(fields: &str, after: &str) -> Result<String, CaptureError> {
        let message = format!("POST / HTTP/1.1\r\nHost: a.example\r\n{fields}\r\n{after}");
        parse(&message).map(|capture| String::from_utf8(capture.body().to_vec()).unwrap())
    }

    #[test]
    fn a_message_is_taken_apart() {
        let capture =
            parse("PUT /a?b HTTP/1.1\r\nHost: \t a.example \r\nX:\r\nContent-Length: 3\r\n\r\nabc").unwrap();
        assert_eq!((capture.method(), capture.target(), capture.body()), ("PUT", "/a?b", b"abc".as_slice()));
        let fields: Vec<_> = capture.fields().collect();
        let expected: [(&str, &[u8]); 3] = [("Host", b"a.example"), ("X", b""), ("Content-Length", b"3")];
        assert_eq!(fields, expected);
    }

    #[test]
    fn each_fault_of_the_head_is_named_with_its_line() {
        let cases = [
            ("", CaptureError::Endless),
            ("GET / HTTP/1.1\r\n", CaptureError::Endless),
            ("GET / HTTP/1.1\n\n", CaptureError::LineEnd(1)),
            ("GET / HTTP/1.1\r\nHost: a\n\r\n", CaptureError::LineEnd(2)),
            ("GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", CaptureError::LineEnd(2)),
            ("GET / HTTP/1.0\r\n\r\n", CaptureError::RequestLine),
            ("GET  / HTTP/1.1\r\n\r\n", CaptureError::RequestLine),
            ("GET / x HTTP/1.1\r\n\r\n", CaptureError::RequestLine),
            ("G(T / HTTP/1.1\r\n\r\n", CaptureError::RequestLine),
            ("\r\nGET / HTTP/1.1\r\n\r\n", CaptureError::RequestLine),
            ("GET / HTTP/1.1\r\nHost\r\n\r\n", CaptureError::Field(2)),
            ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", CaptureError::Field(2)),
            ("GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", CaptureError::Field(3)),
            ("GET / HTTP/1.1\r\nHost: a\0\r\n\r\n", CaptureError::Field(2)),
        ];
        for (message, error) in cases {
            assert_eq!(parse(message), Err(error), "{message:?}");
        }
    }

    #[test]
    fn sizes_end_where_they_say() {
        let with = |count: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(count));
        assert!(parse(&with(MAX_FIELDS)).is_ok());
        assert_eq!(parse(&with(MAX_FIELDS + 1)), Err(CaptureError::TooManyFields));
        let long = |length: usize| format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "b".repeat(length));
        let frame = long(0).len();
        assert!(parse(&long(MAX_HEAD - frame)).is_ok());
        assert_eq!(parse(&long(MAX_HEAD - frame + 1)), Err(CaptureError::HeadTooLong));
        assert_eq!(parse(&"x".repeat(MAX_HEAD + 1)), Err(CaptureError::HeadTooLong));
    }

    #[test]
    fn the_body_ends_in_one_way_only() {
        assert_eq!(body_of("", ""), Ok(String::new()));
        assert_eq!(body_of("", "x"), Err(CaptureError::Trailing(1)));
        assert_eq!(body_of("Content-Length: 3\r\n", "abc"), Ok("abc".into()));
        assert_eq!(body_of("Content-Length: 3\r\n", "abcd"), Err(CaptureError::Trailing(1)));
        assert_eq!(body_of("Content-Length: 3\r\n", "a"), Err(CaptureError::Truncated(2)));
        for length in ["", "+3", "0x3", "3, 3", "3 3", "-0"] {
            let field = format!("Content-Length: {length}\r\n");
            assert_eq!(body_of(&field, "abc"), Err(CaptureError::Length), "{length}");
        }
        let twice = "Content-Length: 3\r\nContent-Length: 3\r\n";
        assert_eq!(body_of(twice, "abc"), Err(CaptureError::Length));
        let huge = "Content-Length: 99999999999999999999999\r\n";
        assert_eq!(body_of(huge, ""), Err(CaptureError::BodyTooLong));
    }

    #[test]
    fn length_and_coding_together_are_refused_as_smuggling() {
        let both = "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n";
        assert_eq!(body_of(both, "0\r\n\r\n"), Err(CaptureError::BothLengths));
        for coding in ["gzip, chunked", "chunked, chunked", "identity", "xchunked", "chunked;q=1"] {
            let field = format!("Transfer-Encoding: {coding}\r\n");
            assert_eq!(body_of(&field, "0\r\n\r\n"), Err(CaptureError::Coding), "{coding}");
        }
        let twice = "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n";
        assert_eq!(body_of(twice, "0\r\n\r\n"), Err(CaptureError::Coding));
    }

    proptest! {
        #[test]
        fn no_octets_make_it_panic(octets in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _any = Capture::parse(&octets);
            let message = [b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", octets.as_slice()].concat();
            let _any = Capture::parse(&message);
        }
    }
}

//! The combined format of Apache and nginx, also with the site's name before it or fields behind it.

use super::{Line, LineError, address, moment, target};
use avouch_wire::time::Time;
use memchr::{memchr, memchr_iter, memchr2, memrchr};
use std::borrow::Cow;
use std::net::IpAddr;

/// Words before the address in any common variant: Apache's `vhost_combined` has one.
const WORDS_BEFORE: usize = 1;

pub(super) fn read(line: &[u8]) -> Result<Line<'_>, LineError> {
    let (head, rest) = split(line).ok_or(LineError::NoTime)?;
    let (address, time) = (client(head)?, time(head)?);
    let (request, rest) = quoted(rest).ok_or(LineError::NotQuoted("request"))?;
    let (status, rest) = word(rest);
    number(status).ok_or(LineError::NotANumber("status"))?;
    let (bytes, rest) = word(rest);
    let bytes = number(bytes).ok_or(LineError::NotANumber("number of octets"))?;
    if rest.trim_ascii().is_empty() {
        return Err(LineError::NoAgent);
    }
    let (_referrer, rest) = quoted(rest).ok_or(LineError::NotQuoted("referrer"))?;
    if rest.trim_ascii().is_empty() {
        return Err(LineError::NoAgent);
    }
    let (agent, _more) = quoted(rest).ok_or(LineError::NotQuoted("user agent"))?;
    let agent = Some(agent).filter(|agent| !matches!(*agent, b"" | b"-")).map(unescaped);
    Ok(Line { address, agent, time: Some(time), bytes, path: unescaped(target(request)) })
}

/// What stands before the bracket that ends the time, and what follows it, from the request's quote.
///
/// A user name may hold blanks and brackets, and whoever sends one chooses it, but servers escape
/// the quotes in it. So the first quote right behind `] ` is the request's.
fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr_iter(b'"', line).find(|at| line.get(..*at).is_some_and(|head| head.ends_with(b"] ")))?;
    let (head, rest) = line.split_at_checked(at)?;
    Some((head.strip_suffix(b"] ")?, rest))
}

fn client(head: &[u8]) -> Result<IpAddr, LineError> {
    let words = head.split(|octet| *octet == b' ').take(WORDS_BEFORE + 1);
    let mut addresses = words.filter_map(|word| address(std::str::from_utf8(word).ok()?));
    addresses.next().ok_or(LineError::NoAddress)
}

fn time(head: &[u8]) -> Result<Time, LineError> {
    let after = memrchr(b'[', head).and_then(|at| head.get(at + 1..)).ok_or(LineError::NoTime)?;
    moment::of_log(after).ok_or(LineError::BadTime)
}

/// The inside of the quotes that come next, escapes left in it, and what follows.
fn quoted(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = text.strip_prefix(b" ").unwrap_or(text).strip_prefix(b"\"")?;
    let mut from = 0;
    loop {
        let at = from + memchr2(b'"', b'\\', text.get(from..)?)?;
        if text.get(at) == Some(&b'"') {
            let (inside, rest) = (text.get(..at)?, text.get(at + 1..)?);
            return matches!(rest.first(), None | Some(b' ')).then_some((inside, rest));
        }
        from = at + 2;
    }
}

fn word(text: &[u8]) -> (&[u8], &[u8]) {
    let text = text.strip_prefix(b" ").unwrap_or(text);
    text.split_at_checked(memchr(b' ', text).unwrap_or(text.len())).unwrap_or((text, b""))
}

/// A number as logged, `-` for none.
fn number(text: &[u8]) -> Option<u64> {
    if text == b"-" {
        return Some(0);
    }
    // `parse` would take a sign, too.
    if !text.first()?.is_ascii_digit() {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Undoes what Apache and nginx do to quotes, backslashes and octets that are not printed.
fn unescaped(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr(b'\\', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((octet, after)) = rest.split_first() {
        let (octet, after) = if *octet == b'\\' { escape(after) } else { (*octet, after) };
        out.push(octet);
        rest = after;
    }
    Cow::Owned(out)
}

/// The octet that an escape stands for, given what follows its backslash.
fn escape(after: &[u8]) -> (u8, &[u8]) {
    match after {
        [b'x', high, low, rest @ ..] => match (digit(*high), digit(*low)) {
            (Some(high), Some(low)) => (high << 4 | low, rest),
            _ => (b'\\', after),
        },
        [b'n', rest @ ..] => (b'\n', rest),
        [b'r', rest @ ..] => (b'\r', rest),
        [b't', rest @ ..] => (b'\t', rest),
        [octet @ (b'"' | b'\\'), rest @ ..] => (*octet, rest),
        _ => (b'\\', after),
    }
}

fn digit(octet: u8) -> Option<u8> {
    char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"192.0.2.7 - - [21/Nov/2026:01:05:00 +0100] "GET /a?b=c HTTP/1.1" 200 512 "https://r.example/" "Googlebot/2.1""#;

    fn agent(line: &str) -> Result<Option<String>, LineError> {
        read(line.as_bytes()).map(|line| line.agent.map(|agent| String::from_utf8_lossy(&agent).into_owned()))
    }

    #[test]
    fn every_field_is_read() {
        let line = read(LINE.as_bytes()).unwrap();
        assert_eq!(line.address, IpAddr::from([192, 0, 2, 7]));
        assert_eq!(line.agent.as_deref(), Some(&b"Googlebot/2.1"[..]));
        assert_eq!(line.time.unwrap().to_string(), "2026-11-21T00:05:00Z");
        assert_eq!((line.bytes, &*line.path), (512, &b"/a?b=c"[..]));
    }

    #[test]
    fn variants_of_the_format_are_read() {
        let google = Ok(Some("Googlebot/2.1".to_owned()));
        assert_eq!(agent(&LINE.replace("192.0.2.7", "2001:db8::7")), google);
        assert_eq!(agent(&format!("www.shop.example:443 {LINE}")), google);
        assert_eq!(agent(&format!("{LINE} \"203.0.113.9\" rt=0.001")), google);
        assert_eq!(agent(&LINE.replace("200 512", "- -")), google);
        assert_eq!(agent(&LINE.replace("GET /a?b=c HTTP/1.1", r"\x16\x03\x01")), google);
        assert_eq!(agent(&LINE.replace("GET /a?b=c HTTP/1.1", "-")), google);
        assert_eq!(agent(&LINE.replace("Googlebot/2.1", "-")), Ok(None));
        assert_eq!(agent(&LINE.replace("Googlebot/2.1", "")), Ok(None));
    }

    #[test]
    fn escapes_are_undone_and_what_only_looks_like_one_stays() {
        let with = |text: &str| agent(&LINE.replace("Googlebot/2.1", text)).unwrap().unwrap();
        assert_eq!(with(r#"a \"b\" \\ c"#), r#"a "b" \ c"#);
        assert_eq!(with(r"\x47ooglebot\x22\n"), "Googlebot\"\n");
        assert_eq!(with(r"\x4 \xgg \q"), r"\x4 \xgg \q");
    }

    #[test]
    fn a_user_name_cannot_hide_the_line_that_holds_it() {
        for name in ["a [b", "a] b", r#"a] \"GET / HTTP/1.1\" 200 1 \"-\" \"curl\""#, "[x] y", r"] \x22"] {
            let line = LINE.replace("- - [", &format!("- {name} ["));
            assert_eq!(agent(&line), Ok(Some("Googlebot/2.1".to_owned())), "{line}");
        }
    }

    #[test]
    fn near_misses_are_refused_for_what_they_lack() {
        let refused = |from: &str, to: &str| agent(&LINE.replace(from, to)).unwrap_err();
        assert_eq!(refused("192.0.2.7", "crawl.example"), LineError::NoAddress);
        assert_eq!(refused("] \"", "]\""), LineError::NoTime);
        assert_eq!(refused("[21", "21"), LineError::NoTime);
        assert_eq!(refused("21/Nov", "31/Feb"), LineError::BadTime);
        assert_eq!(refused("HTTP/1.1\"", "HTTP/1.1"), LineError::NotQuoted("request"));
        assert_eq!(refused("200", "OK"), LineError::NotANumber("status"));
        assert_eq!(refused("512", "+512"), LineError::NotANumber("number of octets"));
        assert_eq!(refused("Googlebot", "a \"Googlebot\" b"), LineError::NotQuoted("user agent"));
        assert_eq!(refused("2.1\"", "2.1"), LineError::NotQuoted("user agent"));
        assert_eq!(refused("2.1\"", "2.1\\\""), LineError::NotQuoted("user agent"));
        assert_eq!(refused(" \"Googlebot/2.1\"", ""), LineError::NoAgent);
        assert_eq!(refused(" \"https://r.example/\" \"Googlebot/2.1\"", ""), LineError::NoAgent);
        assert_eq!(agent("").unwrap_err(), LineError::NoTime);
    }
}

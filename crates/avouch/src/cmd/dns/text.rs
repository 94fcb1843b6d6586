//! Text from files, and record texts in it.

use crate::failure::Failure;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Longest string of a TXT record in octets (RFC 1035 section 3.3.14).
const MAX_STRING: usize = 255;

/// Longest file read: a zone of some hundred thousand records.
const MAX_FILE: u64 = 64 << 20;

/// The text of a file, or of standard input for `-`.
pub(super) fn read(path: &Path) -> Result<String, Failure> {
    let mut octets = Vec::new();
    let source: &mut dyn Read = if path.as_os_str() == "-" {
        &mut io::stdin().lock()
    } else {
        &mut File::open(path).map_err(|error| Failure::file(path, &error))?
    };
    source.take(MAX_FILE + 1).read_to_end(&mut octets).map_err(|error| Failure::file(path, &error))?;
    let refused = |why| Failure::configuration(format_args!("{} is {why}", path.display()));
    if octets.len() as u64 > MAX_FILE {
        return Err(refused("longer than 64 MiB"));
    }
    String::from_utf8(octets).map_err(|_| refused("not UTF-8 text"))
}

/// Whether a text is a zone file rather than bare record texts.
pub(super) fn is_zone(text: &str) -> bool {
    text.lines().any(|line| {
        line.starts_with('$') || line.split_whitespace().any(|word| word.eq_ignore_ascii_case("TXT"))
    })
}

/// The record texts in a text that holds one on each line, bare or as quoted strings.
pub(super) fn records(text: &str) -> Vec<Vec<u8>> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(joined).collect()
}

/// The quoted strings of a line joined; a line without quotes as it stands.
fn joined(line: &str) -> Vec<u8> {
    if !line.starts_with('"') {
        return line.as_bytes().to_vec();
    }
    let mut joined = Vec::new();
    let mut quoted = false;
    let mut octets = line.bytes();
    while let Some(octet) = octets.next() {
        match octet {
            b'"' => quoted = !quoted,
            b'\\' if quoted => joined.extend(octets.next()),
            _ if quoted => joined.push(octet),
            _ => {}
        }
    }
    joined
}

/// A TXT record as a line of a zone file, whatever octets its text holds (RFC 1035 section 5.1).
pub(super) fn zone_line(name: &str, ttl: u32, text: &[u8]) -> String {
    format!("{name}. {ttl} IN TXT {}", quoted(text))
}

/// A text in quoted strings of at most 255 octets.
pub(super) fn quoted(text: &[u8]) -> String {
    let strings = text.chunks(MAX_STRING).map(|string| format!("\"{}\"", escaped(string)));
    strings.collect::<Vec<_>>().join(" ")
}

fn escaped(string: &[u8]) -> String {
    let escaped = |octet: &u8| match octet {
        b'"' | b'\\' => format!("\\{}", char::from(*octet)),
        b' '..=b'~' => char::from(*octet).to_string(),
        other => format!("\\{other:03}"),
    };
    string.iter().map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_octets_are_shown_as_a_zone_file_has_them() {
        let line = zone_line("a._saip.acme.example", 300, b"v=saip1; \"\\\n");
        assert_eq!(line, r#"a._saip.acme.example. 300 IN TXT "v=saip1; \"\\\010""#);
        assert_eq!(quoted(&[b'a'; 256]).len(), 256 + 2 * 2 + 1);
    }

    #[test]
    fn a_zone_is_told_from_bare_text() {
        assert!(is_zone("$ORIGIN acme.example.\n"));
        assert!(is_zone("_saip.acme.example. 300 IN TXT \"v=saip1\""));
        assert!(!is_zone("v=saip1; pk="));
        assert!(!is_zone("\"v=saip1; pk=\""));
    }

    #[test]
    fn quoted_strings_are_joined_without_blanks() {
        let texts = records("\n\"v=saip1; \" \"pk=\"\nv=saip1; exp=1\n");
        assert_eq!(texts, [b"v=saip1; pk=".to_vec(), b"v=saip1; exp=1".to_vec()]);
    }
}

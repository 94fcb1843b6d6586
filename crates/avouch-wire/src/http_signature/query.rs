//! Query parameters, as `@query-param` names and gives them (RFC 9421 section 2.2.8).

use std::fmt::Write as _;

/// What comes of looking for a parameter.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It stands once; this is its value, encoded again.
    Once(String),
    /// It is not there.
    Never,
    /// It stands more than once, so that no one value is meant.
    Repeatedly,
}

/// Looks for the parameter of an encoded name in a query without its question mark.
pub(super) fn find(query: &str, name: &str) -> Found {
    let mut found = Found::Never;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (own, value) = pair.split_once('=').unwrap_or((pair, ""));
        if encode(&decode(own)) != name {
            continue;
        }
        if found != Found::Never {
            return Found::Repeatedly;
        }
        found = Found::Once(encode(&decode(value)));
    }
    found
}

/// As form data is read: `+` is a blank, two digits behind `%` an octet.
fn decode(text: &str) -> Vec<u8> {
    let (mut octets, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let [first, after @ ..] = rest {
        let octet = match (first, after) {
            (b'+', _) => Some((b' ', after)),
            (b'%', [high, low, after @ ..]) => {
                digit(*high).zip(digit(*low)).map(|(high, low)| (high << 4 | low, after))
            }
            _ => None,
        };
        let (octet, after) = octet.unwrap_or((*first, after));
        octets.push(octet);
        rest = after;
    }
    octets
}

fn digit(octet: u8) -> Option<u8> {
    char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// As form data is written, but with `%20` for a blank. What is no UTF-8 is written as U+FFFD, as
/// the URL standard reads it.
fn encode(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len());
    for octet in String::from_utf8_lossy(octets).bytes() {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => {
                text.push(char::from(octet))
            }
            _ => {
                // Writing to a string does not fail.
                let _ = write!(text, "%{octet:02X}");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_found_in_whatever_spelling_and_given_in_one() {
        let once = |value: &str| Found::Once(value.into());
        let query = "param=value&foo=bar&baz=batman&qux=&flag&a+b=c+d&f%c3%bc=%7E%20!&%2B=%2b&bad=%zz";
        for (name, value) in [
            ("baz", once("batman")),
            ("qux", once("")),
            ("flag", once("")),
            ("param", once("value")),
            ("a%20b", once("c%20d")),
            ("f%C3%BC", once("%7E%20%21")),
            ("%2B", once("%2B")),
            ("bad", once("%25zz")),
            ("a+b", Found::Never),
            ("f%c3%bc", Found::Never),
            ("", Found::Never),
            ("nothing", Found::Never),
        ] {
            assert_eq!(find(query, name), value, "{name}");
        }
        assert_eq!(find("a=1&b=2&%61=1", "a"), Found::Repeatedly);
    }
}

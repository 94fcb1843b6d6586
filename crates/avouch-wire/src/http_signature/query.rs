//! Query parameters, as `@query-param` names and gives them (RFC 9421 section 2.2.8).

use super::Hindrance;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Most parameters of a query of which single ones are signed. Each is decoded and encoded again, for every signature.
pub(super) const MAX_PARAMETERS: usize = 256;

/// The parameters of a query by name, both encoded in the one way that is signed; `None` is the value of a name that
/// stands more than once.
pub(super) struct Parameters(BTreeMap<String, Option<String>>);

impl Parameters {
    /// Reads a query without its question mark.
    pub(super) fn read(query: &str) -> Result<Self, Hindrance> {
        let pairs = || query.split('&').filter(|pair| !pair.is_empty());
        if pairs().nth(MAX_PARAMETERS).is_some() {
            return Err(Hindrance::TooMany);
        }
        let mut parameters = BTreeMap::new();
        for pair in pairs() {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = Some(encode(&decode(value)));
            parameters.entry(encode(&decode(name))).and_modify(|before| *before = None).or_insert(value);
        }
        Ok(Self(parameters))
    }

    /// The value of an encoded name.
    pub(super) fn get(&self, name: &str) -> Result<&str, Hindrance> {
        let value = self.0.get(name).ok_or(Hindrance::Missing)?;
        value.as_deref().ok_or(Hindrance::Ambiguous)
    }
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
        let query = "param=value&foo=bar&baz=batman&qux=&flag&a+b=c+d&f%c3%bc=%7E%20!&%2B=%2b&bad=%zz";
        for (name, value) in [
            ("baz", Ok("batman")),
            ("qux", Ok("")),
            ("flag", Ok("")),
            ("param", Ok("value")),
            ("a%20b", Ok("c%20d")),
            ("f%C3%BC", Ok("%7E%20%21")),
            ("%2B", Ok("%2B")),
            ("bad", Ok("%25zz")),
            ("a+b", Err(Hindrance::Missing)),
            ("f%c3%bc", Err(Hindrance::Missing)),
            ("", Err(Hindrance::Missing)),
            ("nothing", Err(Hindrance::Missing)),
        ] {
            assert_eq!(Parameters::read(query).unwrap().get(name), value, "{name}");
        }
        assert_eq!(Parameters::read("a=1&b=2&%61=1&a=3").unwrap().get("a"), Err(Hindrance::Ambiguous));
    }

    #[test]
    fn of_a_query_of_too_many_parameters_none_is_signed() {
        let query = |parameters| "a&".repeat(parameters - 1) + "b=1";
        assert_eq!(Parameters::read(&query(MAX_PARAMETERS)).unwrap().get("b"), Ok("1"));
        assert_eq!(Parameters::read(&query(MAX_PARAMETERS + 1)).err(), Some(Hindrance::TooMany));
    }
}

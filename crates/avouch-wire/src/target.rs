//! Request targets: the path as it is signed, and the path as policies read it.

use crate::authority::Scheme;
use std::borrow::Cow;
use thiserror::Error;

/// Why a text is not a request target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TargetError {
    /// An octet outside 0x21–0x7E, or a `#`, at this offset.
    #[error("octet {0} may not stand in a request target")]
    Octet(usize),
    /// None of the four forms of RFC 9112 section 3.2.
    #[error("is none of the forms a request target can have")]
    Form,
}

/// A request target (RFC 9112 section 3.2), split into what is signed and what names the site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    path: Cow<'a, str>,
    origin: Option<(Scheme, &'a str)>,
}

impl<'a> Target<'a> {
    /// Reads the target of a request with this method.
    ///
    /// # Errors
    /// [`TargetError`]; the answer to such a request is 400.
    pub fn parse(method: &str, target: &'a str) -> Result<Self, TargetError> {
        let forbidden = |octet: u8| !(0x21..=0x7e).contains(&octet) || octet == b'#';
        if let Some(at) = target.bytes().position(forbidden) {
            return Err(TargetError::Octet(at));
        }
        if method == "CONNECT" {
            return Ok(Self { path: Cow::Borrowed(""), origin: None });
        }
        if target.starts_with('/') || target == "*" {
            return Ok(Self { path: Cow::Borrowed(target), origin: None });
        }
        Self::absolute(target).ok_or(TargetError::Form)
    }

    fn absolute(target: &'a str) -> Option<Self> {
        let (scheme, rest) = target.split_once("://")?;
        let scheme = Scheme::parse(scheme)?;
        let at = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(at)?;
        let path = match path.strip_prefix('/') {
            Some(_) => Cow::Borrowed(path),
            None if path.is_empty() => Cow::Borrowed("/"),
            None => Cow::Owned(format!("/{path}")),
        };
        Some(Self { path, origin: Some((scheme, authority)) })
    }

    /// The path with its query, undecoded, as it enters signed strings: origin form as sent; of an
    /// absolute form what follows the authority, with a `/` where that does not begin with one; `*`
    /// as is; empty for CONNECT.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Scheme and authority, as received, of an absolute form.
    #[must_use]
    pub const fn origin(&self) -> Option<(Scheme, &'a str)> {
        self.origin
    }
}

/// A path as policies and scopes match it: without its query, unreserved octets decoded once
/// (RFC 3986 section 2.3), dot segments resolved (section 5.2.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NormalPath<'a> {
    text: Cow<'a, str>,
    ambiguous: bool,
}

impl<'a> NormalPath<'a> {
    /// Normalises a path as received.
    #[must_use]
    pub fn of(path: &'a str) -> Self {
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        if is_plain(path) {
            return Self { text: Cow::Borrowed(path), ambiguous: false };
        }
        let text = resolve_dots(decode_unreserved(path));
        let ambiguous = is_ambiguous(&text);
        Self { text, ambiguous }
    }

    /// The normalised path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether servers may disagree on what this path names (it still holds `%2F`, `%5C`, `%00`,
    /// `%2E`, `\` or `//`). Such a path never matches a rule that allows.
    #[must_use]
    pub const fn is_ambiguous(&self) -> bool {
        self.ambiguous
    }
}

/// Whether a text is a token (RFC 9110 section 5.6.2), as methods and field names are.
#[must_use]
pub fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet))
}

/// Whether there is nothing to normalise: no escape or backslash, and no segment that is empty or begins with a dot.
fn is_plain(path: &str) -> bool {
    let mut begins = false;
    path.bytes().all(|octet| {
        let is_special = matches!(octet, b'%' | b'\\') || (begins && matches!(octet, b'.' | b'/'));
        begins = octet == b'/';
        !is_special
    })
}

fn decode_unreserved(path: &str) -> Cow<'_, str> {
    if !path.contains('%') {
        return Cow::Borrowed(path);
    }
    let mut decoded = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        decoded.push_str(before);
        match unreserved_octet(after) {
            Some((octet, after)) => {
                decoded.push(octet);
                rest = after;
            }
            None => {
                decoded.push('%');
                rest = after;
            }
        }
    }
    decoded.push_str(rest);
    Cow::Owned(decoded)
}

/// The unreserved character that two hexadecimal digits stand for, and what follows them.
fn unreserved_octet(after_percent: &str) -> Option<(char, &str)> {
    let (digits, rest) = after_percent.split_at_checked(2)?;
    if !digits.bytes().all(|octet| octet.is_ascii_hexdigit()) {
        return None;
    }
    let octet = char::from(u8::from_str_radix(digits, 16).ok()?);
    (octet.is_ascii_alphanumeric() || "-._~".contains(octet)).then_some((octet, rest))
}

fn resolve_dots(path: Cow<'_, str>) -> Cow<'_, str> {
    if !path.contains("/.") {
        return path;
    }
    let mut kept: Vec<&str> = Vec::new();
    let last = path.rsplit('/').next();
    for segment in path.split('/').skip(1) {
        match segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            _ => kept.push(segment),
        }
    }
    if matches!(last, Some("." | "..")) {
        kept.push("");
    }
    Cow::Owned(format!("/{}", kept.join("/")))
}

fn is_ambiguous(path: &str) -> bool {
    let encoded = |at: &[u8]| {
        matches!(
            at,
            [b'%', b'2', b'f' | b'F' | b'e' | b'E', ..]
                | [b'%', b'5', b'c' | b'C', ..]
                | [b'%', b'0', b'0', ..]
        )
    };
    path.contains('\\') || path.contains("//") || path.as_bytes().windows(3).any(encoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signed_path_is_what_was_sent() {
        let cases = [
            ("GET", "/a%2fb/../c?d=%41", "/a%2fb/../c?d=%41"),
            ("GET", "http://shop.example/x?y", "/x?y"),
            ("GET", "HTTPS://shop.example", "/"),
            ("GET", "http://shop.example?y", "/?y"),
            ("OPTIONS", "*", "*"),
            ("CONNECT", "shop.example:443", ""),
        ];
        for (method, target, path) in cases {
            assert_eq!(Target::parse(method, target).unwrap().path(), path, "{target}");
        }
        let absolute = Target::parse("GET", "http://Shop.example:80/x").unwrap();
        assert_eq!(absolute.origin(), Some((Scheme::Http, "Shop.example:80")));
    }

    #[test]
    fn what_is_no_target_is_refused() {
        assert_eq!(Target::parse("GET", "/a b"), Err(TargetError::Octet(2)));
        assert_eq!(Target::parse("GET", "/a#b"), Err(TargetError::Octet(2)));
        assert_eq!(Target::parse("GET", "/é"), Err(TargetError::Octet(1)));
        assert_eq!(Target::parse("GET", "a/b"), Err(TargetError::Form));
        assert_eq!(Target::parse("GET", "ftp://a/b"), Err(TargetError::Form));
        assert_eq!(Target::parse("GET", ""), Err(TargetError::Form));
    }

    #[test]
    fn policies_read_one_spelling() {
        let cases = [
            ("/api/v1?x=../..", "/api/v1"),
            ("/%61pi/%7Euser", "/api/~user"),
            ("/public/../admin", "/admin"),
            ("/public/%2e%2e/admin", "/admin"),
            ("/a/./b/.", "/a/b/"),
            ("/../../x", "/x"),
            ("/a%20b", "/a%20b"),
        ];
        for (path, normal) in cases {
            let read = NormalPath::of(path);
            assert_eq!((read.as_str(), read.is_ambiguous()), (normal, false), "{path}");
        }
    }

    #[test]
    fn paths_servers_may_disagree_on_are_marked() {
        for path in [
            "/a%2Fb",
            "/a%5cb",
            "/a%00",
            "/a//b",
            "/a\\b",
            "/%252e%252e/x".replace("%252e", "%2%65").as_str(),
        ] {
            assert!(NormalPath::of(path).is_ambiguous(), "{path}");
        }
        assert!(!NormalPath::of("/a%252Fb").is_ambiguous());
    }
}

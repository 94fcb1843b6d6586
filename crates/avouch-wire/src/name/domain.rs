//! Domain names that can be an identity.

use super::{MAX_NAME, NameError, labels};
use std::borrow::Cow;
use std::fmt;

/// A domain that may be claimed: at least two LDH labels in lower case, at most 253 octets, no
/// trailing dot, last label not all digits, not a public suffix.
///
/// Borrows from what was received where it can, so that reading a header does not allocate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain<'a>(Cow<'a, str>);

impl<'a> Domain<'a> {
    /// Reads a domain as received: upper-case letters are lowered first.
    ///
    /// # Errors
    /// [`NameError`] names the first rule broken.
    pub fn parse(text: &'a str) -> Result<Self, NameError> {
        let domain = Self::host(text)?;
        if psl::domain_str(&domain.0).is_none() {
            return Err(NameError::PublicSuffix);
        }
        Ok(domain)
    }

    /// As [`Domain::parse`], but a public suffix is let through: for hosts that are addressed
    /// (an authority, a host behind a PTR record), never for an identity.
    ///
    /// # Errors
    /// [`NameError`] names the first rule broken.
    pub fn host(text: &'a str) -> Result<Self, NameError> {
        if check(text)? {
            return Ok(Self(Cow::Owned(text.to_ascii_lowercase())));
        }
        Ok(Self(Cow::Borrowed(text)))
    }

    /// The name in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The registrable domain (public suffix plus one label) this one belongs to.
    ///
    /// A host that is itself a public suffix answers for itself.
    #[must_use]
    pub fn registrable(&self) -> &str {
        psl::domain_str(&self.0).unwrap_or(&self.0)
    }

    /// Whether the two are in relaxed alignment: the same registrable domain (as RFC 7489 section 3.1).
    #[must_use]
    pub fn is_aligned_with(&self, other: &Domain<'_>) -> bool {
        self.registrable() == other.registrable()
    }

    /// Whether `host` (lower case) is this domain or lies below it.
    #[must_use]
    pub fn contains(&self, host: &str) -> bool {
        host.strip_suffix(self.as_str()).is_some_and(|above| above.is_empty() || above.ends_with('.'))
    }

    /// A copy that borrows from this one.
    #[must_use]
    pub fn borrowed(&self) -> Domain<'_> {
        Domain(Cow::Borrowed(&self.0))
    }

    /// A copy that owns its text.
    #[must_use]
    pub fn into_owned(self) -> Domain<'static> {
        Domain(Cow::Owned(self.0.into_owned()))
    }
}

impl fmt::Display for Domain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a capital letter stands in it.
fn check(text: &str) -> Result<bool, NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > MAX_NAME {
        return Err(NameError::TooLong(MAX_NAME));
    }
    let found = labels(text, |octet| octet == b'-')?;
    if found.count < 2 {
        return Err(NameError::SingleLabel);
    }
    if found.ends_in_digits { Err(NameError::Numeric) } else { Ok(found.has_capital) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_lowered_and_borrowed_when_it_can_be() {
        assert!(matches!(Domain::parse("acme.example"), Ok(Domain(Cow::Borrowed("acme.example")))));
        assert_eq!(Domain::parse("ACME.Example").unwrap().as_str(), "acme.example");
    }

    #[test]
    fn each_rule_refuses_its_near_miss() {
        let long =
            format!("{}.{}.{}.{}.example", "a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(54));
        assert_eq!(long.len(), 254);
        let cases = [
            ("", NameError::Empty),
            (long.as_str(), NameError::TooLong(253)),
            ("example", NameError::SingleLabel),
            ("acme.example.", NameError::Label(2)),
            (".acme.example", NameError::Label(0)),
            ("-acme.example", NameError::Label(0)),
            ("acme-.example", NameError::Label(0)),
            ("a_b.example", NameError::Octet(1)),
            ("acmé.example", NameError::Octet(3)),
            ("192.0.2.1", NameError::Numeric),
            ("co.uk", NameError::PublicSuffix),
            ("github.io", NameError::PublicSuffix),
        ];
        for (text, error) in cases {
            assert_eq!(Domain::parse(text), Err(error), "{text}");
        }
        assert!(Domain::parse(long.get(1..).unwrap()).is_ok(), "253 octets are allowed");
        assert!(Domain::parse("acme.co.uk").is_ok());
    }

    #[test]
    fn alignment_is_by_registrable_domain() {
        let domain = |text| Domain::parse(text).unwrap();
        assert!(domain("a.acme.co.uk").is_aligned_with(&domain("b.acme.co.uk")));
        assert!(!domain("acme.co.uk").is_aligned_with(&domain("other.co.uk")));
    }

    #[test]
    fn containment_respects_label_boundaries() {
        let acme = Domain::parse("acme.example").unwrap();
        assert!(acme.contains("acme.example") && acme.contains("a.b.acme.example"));
        assert!(!acme.contains("notacme.example") && !acme.contains("acme.example.evil.test"));
    }
}

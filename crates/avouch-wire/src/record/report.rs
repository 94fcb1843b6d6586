//! Where aggregate reports go.

use super::read;
use crate::name::{Domain, MAX_NAME, NameError};
use std::fmt;
use thiserror::Error;

/// Longest address for reports in octets; longer than any in use, short enough to log.
const MAX_ADDRESS: usize = 512;

/// Why a text is not an address for reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ReportToError {
    /// Neither `https:` nor `mailto:`.
    #[error("begins with neither https:// nor mailto:")]
    Scheme,
    /// More octets than allowed.
    #[error("is longer than {MAX_ADDRESS} octets")]
    TooLong,
    /// A host that is no domain name.
    #[error("names no host: {0}")]
    Host(NameError),
    /// A port that is not 1–65535.
    #[error("has a port that is not 1 to 65535")]
    Port,
    /// A user name, a fragment, a header field or an octet that has no place there.
    #[error("has a part or an octet that may not stand there")]
    Part,
}

/// An address for reports: `https://host[:port][/path]`, or `mailto:local@host`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReportTo {
    address: String,
    host: Domain<'static>,
}

impl ReportTo {
    /// Reads an address.
    ///
    /// # Errors
    /// [`ReportToError`] names the first rule broken.
    pub fn parse(text: &str) -> Result<Self, ReportToError> {
        if text.len() > MAX_ADDRESS {
            return Err(ReportToError::TooLong);
        }
        let host = if let Some(rest) = text.strip_prefix("https://") {
            web_host(rest)?
        } else if let Some(rest) = text.strip_prefix("mailto:") {
            mail_host(rest)?
        } else {
            return Err(ReportToError::Scheme);
        };
        let host = Domain::host(host).map_err(ReportToError::Host)?.into_owned();
        Ok(Self { address: text.to_owned(), host })
    }

    /// The address as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.address
    }

    /// The host that receives the reports.
    #[must_use]
    pub const fn host(&self) -> &Domain<'static> {
        &self.host
    }

    /// The mailbox, where it is one.
    #[must_use]
    pub fn mailbox(&self) -> Option<&str> {
        self.address.strip_prefix("mailto:")
    }

    /// The name that must hold a TXT record `v=saip1` before reports about `domain` go here:
    /// `<dom>._report._saip.<host>`. `None` when the host lies within the domain and needs no consent.
    ///
    /// # Errors
    /// [`NameError::TooLong`] when that name exceeds 253 octets, so that consent cannot be given.
    pub fn consent_name(&self, domain: &Domain<'_>) -> Result<Option<String>, NameError> {
        if domain.contains(self.host.as_str()) {
            return Ok(None);
        }
        let name = format!("{domain}._report._saip.{}", self.host);
        if name.len() > MAX_NAME {
            return Err(NameError::TooLong(MAX_NAME));
        }
        Ok(Some(name))
    }
}

/// Whether the TXT records at a [`ReportTo::consent_name`] consent: one of them begins with `v=saip1`, whatever else it
/// holds.
pub fn consents<'a>(records: impl IntoIterator<Item = &'a [u8]>) -> bool {
    records.into_iter().any(|text| read::skim(text).is_some())
}

impl fmt::Display for ReportTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

/// The host in what follows `https://`.
fn web_host(rest: &str) -> Result<&str, ReportToError> {
    if !rest.bytes().all(|octet| octet.is_ascii_graphic() && !b"\"#,;<>@\\^`{|}".contains(&octet)) {
        return Err(ReportToError::Part);
    }
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    let Some((host, port)) = authority.split_once(':') else { return Ok(authority) };
    match read::decimal(port, 5) {
        Some(1..=65535) => Ok(host),
        _ => Err(ReportToError::Port),
    }
}

/// The host in what follows `mailto:`: one mailbox, no header fields.
fn mail_host(rest: &str) -> Result<&str, ReportToError> {
    let (local, host) = rest.split_once('@').ok_or(ReportToError::Part)?;
    let atext = |octet: u8| octet.is_ascii_alphanumeric() || b".!$&'*+-/=^_`{|}~".contains(&octet);
    if local.is_empty() || !local.bytes().all(atext) {
        return Err(ReportToError::Part);
    }
    Ok(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_refuses_its_near_miss() {
        for text in
            ["https://r.acme.example/saip?x=1", "https://acme.example:8443", "mailto:saip+r@acme.example"]
        {
            assert!(ReportTo::parse(text).is_ok(), "{text}");
        }
        let cases = [
            ("http://acme.example/", ReportToError::Scheme),
            ("saip@acme.example", ReportToError::Scheme),
            ("https://u:p@acme.example/", ReportToError::Part),
            ("https://acme.example/#f", ReportToError::Part),
            ("https://acme.example:0/", ReportToError::Port),
            ("https://acme.example:/", ReportToError::Port),
            ("https://192.0.2.1/", ReportToError::Host(NameError::Numeric)),
            ("https:///path", ReportToError::Host(NameError::Empty)),
            ("mailto:acme.example", ReportToError::Part),
            ("mailto:@acme.example", ReportToError::Part),
            ("mailto:a@acme.example?bcc=b@c.example", ReportToError::Host(NameError::Octet(12))),
        ];
        for (text, error) in cases {
            assert_eq!(ReportTo::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_record_consents_by_its_beginning_and_nothing_else_does() {
        for text in ["v=saip1", "v=saip1; n=1", "v=saip1; pk=", "v = saip1"] {
            assert!(consents([text.as_bytes()]), "{text}");
        }
        for text in ["", "v=saip2", "v=DMARC1", "n=1; v=saip1", "saip1"] {
            assert!(!consents([text.as_bytes()]), "{text}");
        }
        assert!(!consents([]));
        assert!(consents([b"other".as_slice(), b"v=saip1"]));
    }

    #[test]
    fn only_a_host_outside_the_domain_must_consent() {
        let domain = Domain::parse("acme.example").unwrap();
        let inside = ReportTo::parse("mailto:a@mail.acme.example").unwrap();
        assert_eq!(inside.consent_name(&domain), Ok(None));
        let outside = ReportTo::parse("https://reports.example.net/").unwrap();
        let name = "acme.example._report._saip.reports.example.net".to_owned();
        assert_eq!(outside.consent_name(&domain), Ok(Some(name)));
    }
}

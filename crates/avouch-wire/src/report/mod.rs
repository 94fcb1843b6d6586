//! Aggregate reports: what a verifier saw of the claims of one domain over a period, for the domain's owner
//! (`docs/formats/report.md`).
//!
//! In files: `words` holds the parts that have rules of their own, `read` and `write` the JSON, `packed` its gzip form
//! and the limit on it, `mail` the message that carries one.

mod mail;
mod packed;
mod read;
#[cfg(test)]
mod tests;
mod words;
mod write;

pub use mail::{ATTACHMENT_TYPE, MAX_MAIL, MailError, mail};
pub use packed::{OpenError, open, pack};
pub use read::{ReportError, RowFlaw};
pub use words::{Code, Mailbox, Organization, ReportId, Standing, WordError, is_unprintable};

use crate::name::{AgentId, Domain};
use crate::time::Time;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::IpAddr;

/// The media type of a report as JSON.
pub const MEDIA_TYPE: &str = "application/vnd.avouch.saip-report+json";

/// The longest report, as JSON: [`MAX_ROWS`] of the longest rows and what stands beside them fit twice.
pub const MAX_OCTETS: usize = 4 << 20;

/// The most rows in a report that is read. Reports of avouch have about a thousand at most.
pub const MAX_ROWS: usize = 4096;

/// The finest IPv4 network that is told: one of 256 addresses, as providers route them.
pub const V4_PREFIX: u8 = 24;

/// The finest IPv6 network that is told: what a site is given (RFC 6177).
pub const V6_PREFIX: u8 = 48;

/// A report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Who reports what about whom.
    pub head: Head,
    /// What stood at `_saip.<dom>` when the report was sent; `None` where that is not said.
    pub record: Option<Seen>,
    /// What was seen, at most [`MAX_ROWS`].
    pub rows: Vec<Row>,
    /// Requests that claimed the domain and stand in no row, for want of room.
    pub unlisted: u64,
}

/// Who reports what about whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Unique among the reports of its sender: who gets the same twice drops one.
    pub id: ReportId,
    /// Who reports.
    pub organization: Organization,
    /// Where they can be asked; its domain stands for the sender in names of files.
    pub contact: Mailbox,
    /// The domain that was claimed.
    pub domain: Domain<'static>,
    /// From when on requests were counted.
    pub begin: Time,
    /// Until when, not included.
    pub end: Time,
}

/// The records at a name, as a verifier saw them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// `secure` or `insecure`.
    pub dnssec: Code,
    /// Those that begin with `v=saip1`, whole.
    pub texts: Vec<String>,
}

/// Requests that are alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// How many, at least one.
    pub requests: u64,
    /// What they came to.
    pub outcome: Outcome,
    /// The agent that was named; `None` where none was, or where the rows were too many to tell agents apart.
    pub agent: Option<AgentId<'static>>,
    /// The client's network; `None` where the rows were too many to tell networks apart.
    pub network: Option<IpNet>,
}

/// What requests came to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Outcome {
    /// The class, refined.
    pub standing: Standing,
    /// What established the identity; `none` where nothing did.
    pub mechanism: Code,
    /// The deciding reason.
    pub reason: Code,
    /// How the DNS answer behind it was validated, where there was one.
    pub dnssec: Option<Code>,
}

impl Report {
    /// All requests that it counts.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.rows.iter().fold(self.unlisted, |sum, row| sum.saturating_add(row.requests))
    }

    /// Reads a report as JSON.
    ///
    /// # Errors
    /// [`ReportError`] names the first rule broken and where.
    pub fn parse(octets: &[u8]) -> Result<Self, ReportError> {
        read::report(octets)
    }

    /// The report as JSON, in one line with its end.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        write::json(self)
    }
}

impl Head {
    /// The name of the report's file: `sender!domain!begin!end!id.json.gz` (RFC 8460 section 5.1).
    #[must_use]
    pub fn file_name(&self) -> String {
        let (sender, domain, id) = (self.contact.domain(), &self.domain, &self.id);
        let (begin, end) = (self.begin.seconds(), self.end.seconds());
        format!("{sender}!{domain}!{begin}!{end}!{id}.json.gz")
    }
}

/// The network that is told of an address.
#[must_use]
pub fn network_of(address: IpAddr) -> Option<IpNet> {
    match address.to_canonical() {
        IpAddr::V4(address) => Ipv4Net::new(address, V4_PREFIX).ok().map(|net| net.trunc().into()),
        IpAddr::V6(address) => Ipv6Net::new(address, V6_PREFIX).ok().map(|net| net.trunc().into()),
    }
}

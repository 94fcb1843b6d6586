//! A report, read strictly: it comes from a stranger.

use super::write::VERSION;
use super::{
    Code, Head, MAX_OCTETS, MAX_ROWS, Mailbox, Organization, Outcome, Report, ReportId, Row, Seen, Standing,
    V4_PREFIX, V6_PREFIX, WordError,
};
use crate::name::{AgentId, Domain, NameError};
use crate::record::{MAX_OCTETS as MAX_RECORD_OCTETS, MAX_RECORDS};
use crate::time::Time;
use ipnet::IpNet;
use serde::Deserialize;
use std::borrow::Cow;
use thiserror::Error;

/// The largest number of requests, which every reader of JSON reads alike (RFC 8259 section 6).
const MAX_REQUESTS: u64 = (1 << 53) - 1;

/// The longest text that is tried as a network: an IPv6 address in full, with its length.
const LONGEST_NETWORK: usize = 43;

/// Why a report is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReportError {
    /// Too large.
    #[error("has more than {MAX_OCTETS} octets, more than any report")]
    TooLong,
    /// Not JSON.
    #[error("line {line}, column {column}: is not JSON")]
    Syntax {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// JSON of another shape.
    #[error("line {line}, column {column}: is JSON, and no report; docs/formats/report.md shows the shape")]
    Shape {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// A version that is not known.
    #[error("is of version {0}, and this avouch reads version {VERSION}; use a newer one")]
    Version(u64),
    /// A word that is not as it should be.
    #[error("`{0}` {1}")]
    Word(&'static str, WordError),
    /// A domain that is none.
    #[error("`domain` {0}")]
    Domain(NameError),
    /// A moment that is none, or an end that is not behind the beginning.
    #[error("`begin` and `end` are not two moments in this order, such as 2026-11-21T00:00:00Z")]
    Period,
    /// Records that no name can hold.
    #[error("`record` holds more than {MAX_RECORDS} texts or {MAX_RECORD_OCTETS} octets")]
    Record,
    /// Too many rows.
    #[error("has more than {MAX_ROWS} rows")]
    TooMany,
    /// More unlisted requests than are counted.
    #[error("`unlisted` is not a number up to {MAX_REQUESTS}")]
    Unlisted,
    /// A row that cannot be used.
    #[error("row {number}: {flaw}")]
    Row {
        /// Which one, from 1.
        number: usize,
        /// What is wrong with it.
        flaw: RowFlaw,
    },
}

/// What is wrong with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RowFlaw {
    /// No request, or too many.
    #[error("`requests` is not a number from 1 to {MAX_REQUESTS}")]
    Requests,
    /// Standing, class and cause that no verdict has together.
    #[error("`class`, `standing` and `cause` do not belong together")]
    Standing,
    /// A word that is not as it should be.
    #[error("`{0}` {1}")]
    Word(&'static str, WordError),
    /// An agent that is none.
    #[error("`agent` {0}")]
    Agent(NameError),
    /// A network that is none, or finer than reports tell.
    #[error("`network` is not a network of /{V4_PREFIX} (IPv4), /{V6_PREFIX} (IPv6) or wider")]
    Network,
}

/// The report, as far as it is read; members that mean nothing here are passed over.
#[derive(Deserialize)]
struct Document<'a> {
    version: u64,
    #[serde(borrow)]
    report_id: Cow<'a, str>,
    #[serde(borrow)]
    organization: Cow<'a, str>,
    #[serde(borrow)]
    contact: Cow<'a, str>,
    #[serde(borrow)]
    domain: Cow<'a, str>,
    #[serde(borrow)]
    begin: Cow<'a, str>,
    #[serde(borrow)]
    end: Cow<'a, str>,
    #[serde(borrow, default)]
    record: Option<RecordDocument<'a>>,
    #[serde(borrow)]
    rows: Vec<RowDocument<'a>>,
    #[serde(default)]
    unlisted: u64,
}

#[derive(Deserialize)]
struct RecordDocument<'a> {
    #[serde(borrow)]
    dnssec: Cow<'a, str>,
    #[serde(borrow)]
    texts: Vec<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct RowDocument<'a> {
    requests: u64,
    class: u64,
    #[serde(borrow)]
    standing: Cow<'a, str>,
    #[serde(borrow, default)]
    cause: Option<Cow<'a, str>>,
    #[serde(borrow)]
    mechanism: Cow<'a, str>,
    #[serde(borrow)]
    reason: Cow<'a, str>,
    #[serde(borrow, default)]
    dnssec: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    agent: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    network: Option<Cow<'a, str>>,
}

/// Only the version, of whatever shape the rest is.
#[derive(Deserialize)]
struct Version {
    version: u64,
}

pub(super) fn report(octets: &[u8]) -> Result<Report, ReportError> {
    if octets.len() > MAX_OCTETS {
        return Err(ReportError::TooLong);
    }
    let document: Document<'_> = serde_json::from_slice(octets).map_err(|error| {
        let known = |found: &Version| found.version == u64::from(VERSION);
        match serde_json::from_slice::<Version>(octets) {
            Ok(found) if !known(&found) => ReportError::Version(found.version),
            _ => unreadable(&error),
        }
    })?;
    if document.version != u64::from(VERSION) {
        return Err(ReportError::Version(document.version));
    }
    if document.rows.len() > MAX_ROWS {
        return Err(ReportError::TooMany);
    }
    if document.unlisted > MAX_REQUESTS {
        return Err(ReportError::Unlisted);
    }
    let rows = (1..).zip(&document.rows);
    let rows = rows.map(|(number, row)| row.read().map_err(|flaw| ReportError::Row { number, flaw }));
    Ok(Report {
        head: document.head()?,
        record: document.record.as_ref().map(RecordDocument::read).transpose()?,
        rows: rows.collect::<Result<_, _>>()?,
        unlisted: document.unlisted,
    })
}

fn unreadable(error: &serde_json::Error) -> ReportError {
    let (line, column) = (error.line(), error.column());
    match error.classify() {
        serde_json::error::Category::Data => ReportError::Shape { line, column },
        _ => ReportError::Syntax { line, column },
    }
}

impl Document<'_> {
    fn head(&self) -> Result<Head, ReportError> {
        let word = |name| move |error| ReportError::Word(name, error);
        let (begin, end) = (moment(&self.begin)?, moment(&self.end)?);
        if end <= begin {
            return Err(ReportError::Period);
        }
        Ok(Head {
            id: ReportId::parse(&self.report_id).map_err(word("report_id"))?,
            organization: Organization::parse(&self.organization).map_err(word("organization"))?,
            contact: Mailbox::parse(&self.contact).map_err(word("contact"))?,
            domain: Domain::parse(&self.domain).map_err(ReportError::Domain)?.into_owned(),
            begin,
            end,
        })
    }
}

impl RecordDocument<'_> {
    fn read(&self) -> Result<Seen, ReportError> {
        let octets: usize = self.texts.iter().map(|text| text.len()).sum();
        if self.texts.len() > MAX_RECORDS || octets > MAX_RECORD_OCTETS {
            return Err(ReportError::Record);
        }
        let dnssec = Code::parse(&self.dnssec).map_err(|error| ReportError::Word("dnssec", error))?;
        Ok(Seen { dnssec, texts: self.texts.iter().map(|text| text.clone().into_owned()).collect() })
    }
}

impl RowDocument<'_> {
    fn read(&self) -> Result<Row, RowFlaw> {
        if !(1..=MAX_REQUESTS).contains(&self.requests) {
            return Err(RowFlaw::Requests);
        }
        let is = |known: &Standing| {
            u64::from(known.class()) == self.class
                && known.name() == self.standing
                && known.cause() == self.cause.as_deref()
        };
        let standing = Standing::ALL.into_iter().find(is).ok_or(RowFlaw::Standing)?;
        let code = |name, text: &str| Code::parse(text).map_err(|error| RowFlaw::Word(name, error));
        let agent = self.agent.as_deref().map(AgentId::parse).transpose().map_err(RowFlaw::Agent)?;
        Ok(Row {
            requests: self.requests,
            outcome: Outcome {
                standing,
                mechanism: code("mechanism", &self.mechanism)?,
                reason: code("reason", &self.reason)?,
                dnssec: self.dnssec.as_deref().map(|text| code("dnssec", text)).transpose()?,
            },
            agent: agent.map(AgentId::into_owned),
            network: self.network.as_deref().map(network).transpose()?,
        })
    }
}

fn network(text: &str) -> Result<IpNet, RowFlaw> {
    if text.len() > LONGEST_NETWORK {
        return Err(RowFlaw::Network);
    }
    let net: IpNet = text.parse().map_err(|_| RowFlaw::Network)?;
    let finest = if net.addr().is_ipv4() { V4_PREFIX } else { V6_PREFIX };
    let fits = net.prefix_len() <= finest && net.trunc() == net;
    if fits { Ok(net) } else { Err(RowFlaw::Network) }
}

fn moment(text: &str) -> Result<Time, ReportError> {
    let timestamp: jiff::Timestamp = text.parse().map_err(|_| ReportError::Period)?;
    let seconds = u64::try_from(timestamp.as_second()).map_err(|_| ReportError::Period)?;
    Ok(Time::from_seconds(seconds))
}

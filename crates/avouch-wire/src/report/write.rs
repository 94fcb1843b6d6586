//! A report, written.

use super::{Report, Row, Seen};
use serde::Serialize;
use std::fmt::Display;

/// The version of the format.
pub(super) const VERSION: u8 = 1;

#[derive(Serialize)]
struct Document<'a> {
    version: u8,
    report_id: Shown<'a>,
    organization: Shown<'a>,
    contact: Shown<'a>,
    domain: Shown<'a>,
    begin: Shown<'a>,
    end: Shown<'a>,
    record: Option<RecordDocument<'a>>,
    rows: Vec<RowDocument<'a>>,
    unlisted: u64,
}

#[derive(Serialize)]
struct RecordDocument<'a> {
    dnssec: Shown<'a>,
    texts: &'a [String],
}

#[derive(Serialize)]
struct RowDocument<'a> {
    requests: u64,
    class: u8,
    standing: &'static str,
    cause: Option<&'static str>,
    mechanism: Shown<'a>,
    reason: Shown<'a>,
    dnssec: Option<Shown<'a>>,
    agent: Option<&'a str>,
    network: Option<Shown<'a>>,
}

/// What is written as text.
struct Shown<'a>(&'a dyn Display);

impl Serialize for Shown<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}

pub(super) fn json(report: &Report) -> Vec<u8> {
    let head = &report.head;
    let document = Document {
        version: VERSION,
        report_id: Shown(&head.id),
        organization: Shown(&head.organization),
        contact: Shown(&head.contact),
        domain: Shown(&head.domain),
        begin: Shown(&head.begin),
        end: Shown(&head.end),
        record: report.record.as_ref().map(record),
        rows: report.rows.iter().map(row).collect(),
        unlisted: report.unlisted,
    };
    // Writing to memory does not fail, and every member is of a kind that JSON has.
    let mut written = serde_json::to_vec(&document).unwrap_or_default();
    written.push(b'\n');
    written
}

fn record(seen: &Seen) -> RecordDocument<'_> {
    RecordDocument { dnssec: Shown(&seen.dnssec), texts: &seen.texts }
}

fn row(row: &Row) -> RowDocument<'_> {
    let outcome = &row.outcome;
    RowDocument {
        requests: row.requests,
        class: outcome.standing.class(),
        standing: outcome.standing.name(),
        cause: outcome.standing.cause(),
        mechanism: Shown(&outcome.mechanism),
        reason: Shown(&outcome.reason),
        dnssec: outcome.dnssec.as_ref().map(|code| Shown(code)),
        agent: row.agent.as_ref().map(|agent| agent.as_str()),
        network: row.network.as_ref().map(|network| Shown(network)),
    }
}

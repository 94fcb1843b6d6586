//! A report as JSON. `docs/operate/audit.md` describes its shape.

use crate::report::{Count, Counts, Liar, Report};
use crate::timeline::Timeline;
use avouch_wire::time::Time;
use serde::Serialize;
use serde::ser::Serializer;
use std::borrow::Cow;

/// A report as it is written in JSON.
#[derive(Debug, Serialize)]
pub struct Document<'a> {
    logs: Logs<'a>,
    total: CountsDocument,
    crawlers: Vec<RowDocument<'a>>,
    liars: Liars<'a>,
    liars_in_all: usize,
    undetermined: Vec<CauseDocument>,
    timeline: Option<TimelineDocument>,
}

#[derive(Debug, Serialize)]
struct Logs<'a> {
    lines: u64,
    unreadable: u64,
    examples: Vec<ExampleDocument<'a>>,
    with_user_agent: u64,
    first: Option<Shown>,
    last: Option<Shown>,
}

#[derive(Debug, Serialize)]
struct ExampleDocument<'a> {
    log: Cow<'a, str>,
    line: u64,
    why: String,
}

#[derive(Debug, Serialize)]
struct CountDocument {
    requests: u64,
    addresses: u64,
}

#[derive(Debug, Serialize)]
struct CountsDocument {
    confirmed: CountDocument,
    lied: CountDocument,
    undetermined: CountDocument,
    not_checkable: CountDocument,
    beyond_limit: u64,
}

#[derive(Debug, Serialize)]
struct RowDocument<'a> {
    crawler: &'a str,
    domain: &'a str,
    #[serde(flatten)]
    counts: CountsDocument,
}

#[derive(Debug, Serialize)]
struct LiarDocument<'a> {
    address: std::net::IpAddr,
    crawler: &'a str,
    requests: u64,
    bytes: u64,
    first: Option<Shown>,
    last: Option<Shown>,
    reverse_name: Option<&'a str>,
    user_agent: Cow<'a, str>,
    paths: Vec<Cow<'a, str>>,
}

/// Written one by one: there may be a million.
#[derive(Debug)]
struct Liars<'a> {
    report: &'a Report,
    top: usize,
}

impl Serialize for Liars<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.report.liars().take(self.top).map(LiarDocument::of))
    }
}

#[derive(Debug, Serialize)]
struct CauseDocument {
    reason: &'static str,
    sentence: &'static str,
    requests: u64,
    addresses: u64,
}

#[derive(Debug, Serialize)]
struct TimelineDocument {
    hours: u64,
    columns: Vec<ColumnDocument>,
}

#[derive(Debug, Serialize)]
struct ColumnDocument {
    from: Shown,
    confirmed: u64,
    lied: u64,
    undetermined: u64,
    not_checkable: u64,
}

/// A time in RFC 3339.
#[derive(Debug)]
struct Shown(Time);

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl Report {
    /// The report as it is written in JSON, with as many liars as `top`.
    #[must_use]
    pub fn document(&self, top: usize) -> Document<'_> {
        Document {
            logs: self.logs(),
            total: CountsDocument::of(&self.total),
            crawlers: self
                .rows
                .iter()
                .map(|row| RowDocument {
                    crawler: &row.crawler,
                    domain: &row.domain,
                    counts: CountsDocument::of(&row.counts),
                })
                .collect(),
            liars: Liars { report: self, top },
            liars_in_all: self.liars().len(),
            undetermined: self
                .causes
                .iter()
                .map(|(reason, count)| CauseDocument {
                    reason: reason.code(),
                    sentence: reason.sentence(),
                    requests: count.requests,
                    addresses: count.addresses,
                })
                .collect(),
            timeline: self.timeline.as_ref().map(TimelineDocument::of),
        }
    }

    fn logs(&self) -> Logs<'_> {
        let examples = self.reading.examples.iter().map(|example| ExampleDocument {
            log: example.log.to_string_lossy(),
            line: example.line,
            why: example.error.to_string(),
        });
        Logs {
            lines: self.reading.lines,
            unreadable: self.reading.unreadable,
            examples: examples.collect(),
            with_user_agent: self.reading.with_agent,
            first: self.reading.first.map(Shown),
            last: self.reading.last.map(Shown),
        }
    }
}

impl<'a> LiarDocument<'a> {
    fn of(liar: Liar<'a>) -> Self {
        Self {
            address: liar.address,
            crawler: liar.crawler,
            requests: liar.requests,
            bytes: liar.bytes,
            first: liar.first.map(Shown),
            last: liar.last.map(Shown),
            reverse_name: liar.pointer,
            user_agent: liar.agent,
            paths: liar.paths,
        }
    }
}

impl CountDocument {
    const fn of(count: Count) -> Self {
        Self { requests: count.requests, addresses: count.addresses }
    }
}

impl CountsDocument {
    const fn of(counts: &Counts) -> Self {
        Self {
            confirmed: CountDocument::of(counts.confirmed),
            lied: CountDocument::of(counts.lied),
            undetermined: CountDocument::of(counts.undetermined),
            not_checkable: CountDocument::of(counts.not_checkable),
            beyond_limit: counts.beyond,
        }
    }
}

impl TimelineDocument {
    fn of(timeline: &Timeline) -> Self {
        let columns = timeline.columns.iter().map(|column| ColumnDocument {
            from: Shown(column.from),
            confirmed: column.confirmed,
            lied: column.lied,
            undetermined: column.undetermined,
            not_checkable: column.not_checkable,
        });
        Self { hours: timeline.hours, columns: columns.collect() }
    }
}

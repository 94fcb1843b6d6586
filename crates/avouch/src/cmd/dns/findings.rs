//! Findings, as text and as JSON.

use crate::exit::Exit;
use avouch_wire::record::lint::{Concern, Finding, Severity};
use serde::Serialize;
use std::fmt::Write as _;

/// A finding in JSON.
#[derive(Debug, Serialize)]
pub(in crate::cmd) struct Shown<'a> {
    name: Option<&'a str>,
    /// Which of the records at the name, from 1.
    record: Option<usize>,
    /// Where in the record's text, from 0.
    octet: Option<usize>,
    severity: &'static str,
    code: &'static str,
    what: String,
    fix: String,
}

impl<'a> From<&'a Finding> for Shown<'a> {
    fn from(finding: &'a Finding) -> Self {
        let concern = &finding.concern;
        let octet = match concern {
            Concern::Broken(error) => Some(error.at),
            _ => None,
        };
        Self {
            name: finding.name.as_deref(),
            record: finding.text.map(|text| text + 1),
            octet,
            severity: concern.severity().name(),
            code: concern.code(),
            what: concern.to_string(),
            fix: concern.fix(),
        }
    }
}

/// Findings for people to read, two lines each.
pub(in crate::cmd) fn text(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings.iter().map(Shown::from) {
        let name = finding.name.map(|name| format!(" {name}")).unwrap_or_default();
        let record = finding.record.map(|record| format!(" record {record}")).unwrap_or_default();
        let Shown { severity, code, what, fix, .. } = finding;
        // Writing to a string does not fail.
        let _ = write!(text, "{severity}[{code}]{name}{record}: {what}\n  fix: {fix}\n");
    }
    text
}

/// Findings as they stand in JSON.
pub(in crate::cmd) fn shown(findings: &[Finding]) -> Vec<Shown<'_>> {
    findings.iter().map(Into::into).collect()
}

/// What findings make of a command: negative with an error among them.
pub(in crate::cmd) fn exit(findings: &[Finding]) -> Exit {
    Exit::from_answer(findings.iter().all(|finding| finding.concern.severity() != Severity::Error))
}

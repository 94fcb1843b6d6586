//! Reports added up, by domain.

use crate::cmd::dns::findings;
use crate::exit::Exit;
use avouch_engine::reason::Reason;
use avouch_wire::name::{AgentId, Domain};
use avouch_wire::record::lint::{Finding, Severity, Subject, lint};
use avouch_wire::report::{Head, Outcome, Report, Seen, Standing};
use avouch_wire::time::Time;
use ipnet::IpNet;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// All that was reported about one domain.
pub(super) struct Summary {
    pub(super) domain: Domain<'static>,
    pub(super) begin: Time,
    pub(super) end: Time,
    /// Each report, the latest first, and how many requests it counts.
    pub(super) reports: Vec<(Head, u64)>,
    /// The most trusted and then the most frequent first.
    pub(super) lines: Vec<Line>,
    pub(super) unlisted: u64,
    /// The record as the latest report that says has it.
    pub(super) record: Option<Seen>,
    /// What is wrong with it.
    pub(super) findings: Vec<Finding>,
}

/// Requests that came to the same, of one agent.
pub(super) struct Line {
    pub(super) requests: u64,
    pub(super) outcome: Outcome,
    pub(super) agent: Option<AgentId<'static>>,
    /// The networks they came from, the most frequent first; of some it is not told.
    pub(super) networks: Vec<(IpNet, u64)>,
}

impl Summary {
    /// Adds reports up. One that was sent twice counts once.
    pub(super) fn all(reports: Vec<Report>) -> Vec<Self> {
        let mut seen = BTreeSet::new();
        let mut by_domain: BTreeMap<String, Vec<Report>> = BTreeMap::new();
        for report in reports {
            let name = (report.head.contact.domain().to_owned(), report.head.id.clone());
            if seen.insert(name) {
                by_domain.entry(report.head.domain.as_str().to_owned()).or_default().push(report);
            }
        }
        by_domain.into_values().filter_map(Self::of).collect()
    }

    /// Those of one domain.
    fn of(mut reports: Vec<Report>) -> Option<Self> {
        reports.sort_by_key(|report| std::cmp::Reverse((report.head.end, report.head.begin)));
        let head = &reports.first()?.head;
        let (domain, end) = (head.domain.clone(), head.end);
        let begin = reports.iter().map(|report| report.head.begin).min()?;
        let record = reports.iter().find_map(|report| report.record.clone());
        let findings = record.as_ref().map(|seen| concerns(&domain, seen, end)).unwrap_or_default();
        Some(Self {
            begin,
            end,
            unlisted: reports.iter().fold(0, |sum: u64, report| sum.saturating_add(report.unlisted)),
            lines: lines(&reports),
            reports: reports.iter().map(|report| (report.head.clone(), report.requests())).collect(),
            domain,
            record,
            findings,
        })
    }

    /// Requests of one kind, over all lines.
    pub(super) fn requests(&self, of: impl Fn(Standing) -> bool) -> u64 {
        let counted = self.lines.iter().filter(|line| of(line.outcome.standing));
        counted.fold(0, |sum, line| sum.saturating_add(line.requests))
    }

    /// The reasons why claims did not hold or could not be checked, the most frequent first.
    pub(super) fn reasons(&self) -> Vec<(&str, u64)> {
        let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
        for line in self.lines.iter().filter(|line| !is_held(line.outcome.standing)) {
            let sum = reasons.entry(line.outcome.reason.as_str()).or_default();
            *sum = sum.saturating_add(line.requests);
        }
        let mut reasons: Vec<_> = reasons.into_iter().collect();
        reasons.sort_by_key(|(_, requests)| std::cmp::Reverse(*requests));
        reasons
    }
}

/// Whether the claim held.
pub(super) const fn is_held(standing: Standing) -> bool {
    matches!(standing, Standing::Verified | Standing::Partial)
}

/// Whether the claim could not be checked.
pub(super) const fn is_open(standing: Standing) -> bool {
    matches!(standing, Standing::UndeterminedTemporary | Standing::UndeterminedPermanent)
}

/// The reason that a code stands for, where this version knows it.
pub(super) fn reason(code: &str) -> Option<Reason> {
    Reason::ALL.iter().copied().find(|reason| reason.code() == code)
}

/// What rows that become one line come to.
#[derive(Default)]
struct Sum {
    requests: u64,
    networks: BTreeMap<IpNet, u64>,
}

fn lines(reports: &[Report]) -> Vec<Line> {
    let mut sums: HashMap<_, Sum> = HashMap::new();
    for row in reports.iter().flat_map(|report| &report.rows) {
        let sum = sums.entry((&row.outcome, &row.agent)).or_default();
        sum.requests = sum.requests.saturating_add(row.requests);
        if let Some(network) = row.network {
            let of_network = sum.networks.entry(network).or_default();
            *of_network = of_network.saturating_add(row.requests);
        }
    }
    let line = |((outcome, agent), sum): ((&Outcome, &Option<AgentId<'static>>), Sum)| {
        let mut networks: Vec<_> = sum.networks.into_iter().collect();
        networks.sort_by_key(|(network, requests)| (std::cmp::Reverse(*requests), *network));
        Line { requests: sum.requests, outcome: outcome.clone(), agent: agent.clone(), networks }
    };
    let mut lines: Vec<_> = sums.into_iter().map(line).collect();
    lines.sort_by(|a, b| {
        let rank = |line: &Line| (line.outcome.standing, std::cmp::Reverse(line.requests));
        let name = |line: &Line| (line.outcome.reason.clone(), line.agent.clone());
        rank(a).cmp(&rank(b)).then_with(|| name(a).cmp(&name(b)))
    });
    lines
}

/// What the linter says of the record, as far as it matters to anyone.
fn concerns(domain: &Domain<'_>, seen: &Seen, at: Time) -> Vec<Finding> {
    let name = format!("_saip.{domain}");
    let subject = Subject {
        name: Some(&name),
        texts: seen.texts.iter().map(String::as_bytes).collect(),
        signed: Some(seen.dnssec.as_str() == "secure"),
        ..Subject::default()
    };
    let mut findings = lint(&[subject], at);
    // That the receiver consents is known: the report came.
    findings.retain(|finding| {
        finding.concern.severity() != Severity::Advice && finding.concern.code() != "report-consent"
    });
    findings
}

/// 0 if every claim held, 1 if some did not, 4 if some could not be checked.
pub(super) fn exit(summaries: &[Summary]) -> Exit {
    let any = |of: &dyn Fn(Standing) -> bool| summaries.iter().any(|summary| summary.requests(of) > 0);
    match (any(&|standing| standing == Standing::Invalid), any(&is_open)) {
        (true, _) => Exit::Negative,
        (false, true) => Exit::Unknown,
        (false, false) => Exit::Positive,
    }
}

#[derive(Serialize)]
pub(super) struct Document<'a> {
    domains: Vec<DomainDocument<'a>>,
}

#[derive(Serialize)]
struct DomainDocument<'a> {
    domain: &'a str,
    begin: String,
    end: String,
    reports: Vec<ReportDocument>,
    rows: Vec<RowDocument<'a>>,
    unlisted: u64,
    record: Option<RecordDocument<'a>>,
    reasons: Vec<ReasonDocument<'a>>,
}

#[derive(Serialize)]
struct ReportDocument {
    report_id: String,
    organization: String,
    contact: String,
    begin: String,
    end: String,
    requests: u64,
}

#[derive(Serialize)]
struct RowDocument<'a> {
    requests: u64,
    class: u8,
    standing: &'static str,
    cause: Option<&'static str>,
    mechanism: &'a str,
    reason: &'a str,
    dnssec: Option<&'a str>,
    agent: Option<&'a str>,
    networks: Vec<NetworkDocument>,
}

#[derive(Serialize)]
struct NetworkDocument {
    network: IpNet,
    requests: u64,
}

#[derive(Serialize)]
struct RecordDocument<'a> {
    dnssec: &'a str,
    texts: &'a [String],
    findings: Vec<findings::Shown<'a>>,
}

#[derive(Serialize)]
struct ReasonDocument<'a> {
    reason: &'a str,
    requests: u64,
    sentence: Option<&'static str>,
    fix: Option<&'static str>,
}

/// Everything, for a program.
pub(super) fn document(summaries: &[Summary]) -> Document<'_> {
    Document { domains: summaries.iter().map(Summary::document).collect() }
}

impl Summary {
    fn document(&self) -> DomainDocument<'_> {
        DomainDocument {
            domain: self.domain.as_str(),
            begin: self.begin.to_string(),
            end: self.end.to_string(),
            reports: self.reports.iter().map(|(head, requests)| report_document(head, *requests)).collect(),
            rows: self.lines.iter().map(Line::document).collect(),
            unlisted: self.unlisted,
            record: self.record.as_ref().map(|seen| RecordDocument {
                dnssec: seen.dnssec.as_str(),
                texts: &seen.texts,
                findings: findings::shown(&self.findings),
            }),
            reasons: self
                .reasons()
                .into_iter()
                .map(|(code, requests)| reason_document(code, requests))
                .collect(),
        }
    }
}

fn report_document(head: &Head, requests: u64) -> ReportDocument {
    ReportDocument {
        report_id: head.id.to_string(),
        organization: head.organization.to_string(),
        contact: head.contact.to_string(),
        begin: head.begin.to_string(),
        end: head.end.to_string(),
        requests,
    }
}

fn reason_document(code: &str, requests: u64) -> ReasonDocument<'_> {
    let known = reason(code);
    ReasonDocument {
        reason: code,
        requests,
        sentence: known.map(Reason::sentence),
        fix: known.map(Reason::fix),
    }
}

impl Line {
    fn document(&self) -> RowDocument<'_> {
        let Outcome { standing, mechanism, reason, dnssec } = &self.outcome;
        let network =
            |(network, requests): &(IpNet, u64)| NetworkDocument { network: *network, requests: *requests };
        RowDocument {
            requests: self.requests,
            class: standing.class(),
            standing: standing.name(),
            cause: standing.cause(),
            mechanism: mechanism.as_str(),
            reason: reason.as_str(),
            dnssec: dnssec.as_ref().map(|code| code.as_str()),
            agent: self.agent.as_ref().map(|agent| agent.as_str()),
            networks: self.networks.iter().map(network).collect(),
        }
    }
}

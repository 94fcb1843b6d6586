//! Every figure there is: names, types, meanings and labels, as `docs/operate/metrics.md` promises them.

use avouch_engine::decision::Action;
use avouch_engine::reason::Reason;
use avouch_engine::verdict::Mechanism;

/// A figure, and what may be relied on.
pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// What it counts or tells, in one sentence.
    pub(super) help: &'static str,
    pub(super) labels: &'static [(&'static str, Values)],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// The values a label can have.
#[derive(Clone, Copy)]
pub(super) enum Values {
    /// These.
    Of(&'static [&'static str]),
    /// Actions, or `none`.
    Decisions,
    Mechanisms,
    Reasons,
    /// Names from the configuration.
    Configured,
    /// The [`super::frequent::SHOWN`] names seen most, and `other`.
    Frequent,
    /// The version of avouch.
    Version,
}

impl Kind {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

impl Values {
    /// All of them, where the list is closed.
    pub(super) fn all(self) -> Option<Vec<&'static str>> {
        match self {
            Self::Of(values) => Some(values.to_vec()),
            Self::Decisions => Some(ACTIONS.map(Action::as_str).into_iter().chain(["none"]).collect()),
            Self::Mechanisms => Some(Mechanism::ALL.map(Mechanism::name).to_vec()),
            Self::Reasons => Some(Reason::ALL.iter().map(|reason| reason.code()).collect()),
            Self::Configured | Self::Frequent | Self::Version => None,
        }
    }
}

pub(super) const ACTIONS: [Action; 6] = [
    Action::Accept,
    Action::Monitor,
    Action::Throttle,
    Action::Challenge,
    Action::Reject,
    Action::Unavailable,
];
pub(super) const CLASSES: [&str; 5] = ["0", "1", "2", "3", "none"];
/// Faults of this side that a route may excuse.
const FAULTS: [&str; 4] =
    ["replay-start-rule", "replay-share-full", "replay-table-full", "replay-store-unreachable"];
const STATUSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "none"];

macro_rules! metrics {
    ($($constant:ident = $name:literal $kind:ident { $($label:ident: $values:expr),* } $help:literal;)+) => {
        $(pub(super) const $constant: Metric = Metric {
            name: $name,
            kind: Kind::$kind,
            help: $help,
            labels: &[$((stringify!($label), $values)),*],
        };)+

        /// All of them, in the order of the documentation.
        pub(super) const METRICS: &[&Metric] = &[$(&$constant),+];
    };
}

use Values::{Configured, Decisions, Frequent, Mechanisms, Of, Reasons, Version};

metrics! {
    REQUESTS = "avouch_requests_total" Counter { class: Of(&CLASSES), decision: Decisions }
        "Requests by the class of their verdict and by the decision, each when its answer has ended.";
    VERDICTS = "avouch_verdicts_total" Counter {
        class: Of(&["0", "1", "2", "3"]),
        standing: Of(&["anonymous", "pseudonymous", "invalid", "undetermined", "partial", "verified"]),
        cause: Of(&["none", "temporary", "permanent"])
    } "Verdicts by class, standing and cause.";
    MECHANISMS = "avouch_mechanisms_total" Counter { mechanism: Mechanisms }
        "Verdicts by what established them.";
    REASONS = "avouch_reasons_total" Counter { reason: Reasons }
        "Verdicts by the reason that decided, the first of their reasons.";
    EXCUSED = "avouch_excused_requests_total" Counter { reason: Of(&FAULTS) }
        "Requests decided upon as class 0, because a fault of avouch's own kept their claim from being accepted.";
    PROBLEMS = "avouch_problems_total" Counter { reason: Reasons }
        "Requests that avouch answered itself or broke off, by the reason it gave.";
    ANSWERS = "avouch_answers_total" Counter { status: Of(&STATUSES) }
        "Answers by status; none where the client went away first.";
    BROKEN = "avouch_broken_answers_total" Counter {}
        "Answers that broke off before their end.";
    DURATION = "avouch_request_seconds" Histogram {}
        "How long requests took, from their head to the end of the answer.";
    IDENTITY_REQUESTS = "avouch_identity_requests_total" Counter { class: Of(&["2", "3"]), identity: Frequent }
        "Requests by who sent them, of class 2 and of class 3.";
    CLAIM_REQUESTS = "avouch_claim_requests_total" Counter {
        standing: Of(&["invalid", "undetermined"]),
        claimed: Frequent
    } "Requests of class 1 by whom they were said to be from.";
    RULE_HITS = "avouch_rule_hits_total" Counter { policy: Configured, rule: Configured }
        "Decisions by the rule that made them.";
    CONNECTIONS = "avouch_connections" Gauge {}
        "Open connections of clients.";
    UNREADABLE = "avouch_unreadable_connections_total" Counter {}
        "Connections that ended before a request could be read.";
    UNACCEPTED = "avouch_unaccepted_connections_total" Counter {}
        "Connections that the system would not hand over, as for want of file descriptors.";
    CROWDED = "avouch_crowded_connections_total" Counter {}
        "Connections closed because their source had as many as it may.";
    NONCES = "avouch_replay_nonces" Gauge {}
        "Signed requests that the replay table remembers.";
    NONCES_LIMIT = "avouch_replay_nonces_limit" Gauge {}
        "The room that the configuration of the start gave the replay table.";
    DATA_AGE = "avouch_data_age_seconds" Gauge { data: Configured }
        "The age of the oldest file of networks, for a crawler or the table of autonomous systems.";
    REFUSED_DATA = "avouch_refused_data_total" Counter {}
        "Files of networks that could not be used.";
    RANGE_FETCHES = "avouch_range_fetches_total" Counter {
        data: Configured,
        outcome: Of(&["renewed", "unchanged", "refused", "failed"])
    } "Fetches of range files by what came of them.";
    RELOADS = "avouch_reloads_total" Counter { outcome: Of(&["done", "failed"]) }
        "Reloads that took effect, and that changed nothing because something did not load.";
    CLOCK = "avouch_clock_seconds" Gauge {}
        "The present in Unix time, by the clock that requests are judged by.";
    CERTIFICATE_LEFT = "avouch_certificate_seconds_left" Gauge {}
        "How long the TLS certificate is still valid; below 0, for how long it has not been.";
    CERTIFICATE_ORDERS = "avouch_certificate_orders_total" Counter { outcome: Of(&["done", "failed"]) }
        "Orders for the TLS certificate by what came of them.";
    LOG_DROPPED = "avouch_log_lines_dropped_total" Counter {}
        "Lines of the access log that the disk did not keep up with, or did not take.";
    AUDIT_RECORDS = "avouch_audit_records_total" Counter {
        target: Of(&["file", "syslog"]),
        outcome: Of(&["written", "dropped"])
    } "Records of the audit log by where they go and what became of them.";
    TRACE_SPANS = "avouch_trace_spans_total" Counter { outcome: Of(&["sent", "failed", "dropped"]) }
        "Spans of traces by what became of them.";
    STORE_REACHABLE = "avouch_store_reachable" Gauge {}
        "Whether the store that a group shares is in use: 1, else 0.";
    STORE_NONCES = "avouch_store_nonces_total" Counter {
        outcome: Of(&["new", "held", "refused", "failed", "late", "unasked"])
    } "Signed requests and tokens held for new here, by what the shared store said.";
    STORE_WAIT = "avouch_store_wait_seconds_total" Counter {}
        "How long answers of the shared store were waited for in all.";
    ENTITY_LISTENING = "avouch_entity_listening" Gauge { entity: Configured }
        "Whether revocations of a registration entity are heard of as they happen: 1, else 0.";
    ENTITY_AGENTS = "avouch_entity_agents" Gauge { entity: Configured }
        "Agents of a registration entity whose keys are held, each for an epoch and a name of the site.";
    ENTITY_QUESTIONS = "avouch_entity_questions_total" Counter {
        entity: Configured,
        outcome: Of(&["answered", "unreachable", "unusable"])
    } "Questions for keys to a registration entity by what came of them.";
    ENTITY_EVENTS = "avouch_entity_events_total" Counter {
        entity: Configured,
        kind: Of(&["revoked", "floor", "reset"])
    } "Events that a registration entity told of.";
    REPORTS = "avouch_reports_total" Counter { outcome: Of(&["sent", "failed", "refused", "dropped"]) }
        "Deliveries of reports by what came of them.";
    REPORTS_WAITING = "avouch_reports_waiting" Gauge {}
        "Reports that wait to be sent.";
    REPORTS_UNCOUNTED = "avouch_reports_uncounted_requests_total" Counter {}
        "Requests that claimed a domain and are in no report for want of room.";
    BUILD_INFO = "avouch_build_info" Gauge { version: Version }
        "Always 1; the label says which avouch this is.";
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = include_str!("../../../../docs/operate/metrics.md");

    /// The page's part on each figure: name and text.
    fn sections() -> Vec<(&'static str, &'static str)> {
        let parts = PAGE.split("\n### ").skip(1);
        parts.filter_map(|part| part.split_once('\n')).map(|(name, text)| (name.trim(), text)).collect()
    }

    /// The values that the page lists for a label.
    fn listed(text: &str, label: &str) -> Option<String> {
        let start = format!("- `{label}`: ");
        text.lines().find_map(|line| line.strip_prefix(&start)).map(str::to_owned)
    }

    #[test]
    fn every_figure_is_a_heading_of_its_documentation_and_no_other_is() {
        let headings: Vec<_> = sections().into_iter().map(|(name, _)| name).collect();
        let names: Vec<_> = METRICS.iter().map(|metric| metric.name).collect();
        assert_eq!(headings, names);
    }

    #[test]
    fn the_page_says_type_meaning_and_every_label_with_every_value() {
        for (metric, (name, text)) in METRICS.iter().zip(sections()) {
            assert!(text.contains(metric.help), "{name}: {}", metric.help);
            assert!(text.contains(&format!("\n- {}\n", metric.kind.word())), "{name} is a {:?}", metric.kind);
            assert!(text.contains("\n- worry: "), "{name}");
            let labels = text.lines().filter(|line| line.starts_with("- `")).count();
            assert_eq!(labels, metric.labels.len(), "{name}");
            for (label, values) in metric.labels {
                let listed = listed(text, label).unwrap_or_else(|| panic!("{name} has a label {label}"));
                let all = values.all().unwrap_or_default();
                // The reasons have a page of their own, which is held to them.
                if matches!(values, Reasons) {
                    assert!(listed.contains("(../formats/reasons.md)"), "{name}");
                    continue;
                }
                let words: Vec<_> = listed.split('`').skip(1).step_by(2).collect();
                assert!(all.is_empty() || words == all, "{name} {label}: {words:?} is not {all:?}");
            }
        }
    }

    #[test]
    fn dashboard_and_alerts_ask_for_figures_that_there_are() {
        let files = [
            include_str!("../../../../docs/operate/grafana.json"),
            include_str!("../../../../docs/operate/alerts.yml"),
        ];
        let is_of_a_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let words = files.iter().flat_map(|file| file.split(|c| !is_of_a_name(c)));
        let asked: Vec<_> = words.filter(|word| word.starts_with("avouch_")).collect();
        assert!(asked.len() > 20);
        for name in asked {
            let name = name.strip_suffix("_bucket").unwrap_or(name);
            assert!(METRICS.iter().any(|metric| metric.name == name), "{name}");
        }
    }

    #[test]
    fn names_and_units_are_what_prometheus_recommends() {
        for metric in METRICS {
            let name = metric.name;
            assert!(name.starts_with("avouch_") && metric.help.ends_with('.'), "{name}");
            assert_eq!(name.ends_with("_total"), metric.kind == Kind::Counter, "{name}");
        }
    }
}

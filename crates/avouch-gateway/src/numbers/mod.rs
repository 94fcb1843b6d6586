//! Numbers for Prometheus: [`contract`] names each, and bounds what its labels can be.

mod contract;
mod exposition;
mod frequent;
mod identities;

use std::collections::BTreeMap;
use std::iter::repeat;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use avouch_acme::Figures as OrderFigures;
use avouch_engine::decision::Action;
use avouch_engine::evidence::Persistence;
use avouch_engine::verdict::{Class, Mechanism, Standing, Verdict};
use avouch_gather::EntityFigures;
use avouch_reports::Figures;
use avouch_store::Figures as StoreFigures;
use http::StatusCode;
use metrics::{Counter, Gauge, Histogram, Recorder as _, SharedString, counter, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::audit::Figures as AuditFigures;
use crate::hits::Hits;
use crate::traces::Figures as TraceFigures;
use contract::{ACTIONS, CLASSES, Kind, METRICS, Metric, Values};
use exposition::Exposition;
pub(crate) use identities::Identities;

pub use frequent::Counted;
pub use identities::Top;

/// Bounds of the latency histogram, in seconds: from a refusal to a slow page.
const BUCKETS: [f64; 10] = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.1, 0.5, 2.0, 10.0];

/// Every standing, an undetermined one by its cause.
const STANDINGS: [Standing; 7] = [
    Standing::Anonymous,
    Standing::Pseudonymous,
    Standing::Invalid,
    Standing::Undetermined(Persistence::Temporary),
    Standing::Undetermined(Persistence::Permanent),
    Standing::Partial,
    Standing::Verified,
];

/// Counters made once; counting costs an atomic addition.
pub(crate) struct Numbers {
    handle: PrometheusHandle,
    recorder: Arc<PrometheusRecorder>,
    requests: Vec<Vec<Counter>>,
    verdicts: Vec<Counter>,
    mechanisms: Vec<Counter>,
    reasons: Vec<Counter>,
    /// By the code of their reason.
    problems: BTreeMap<&'static str, Counter>,
    answers: Vec<Counter>,
    /// By the code of their reason.
    excused: BTreeMap<&'static str, Counter>,
    /// Answers that broke off before their end.
    pub(crate) broken: Counter,
    duration: Histogram,
    /// Who comes most, and who is claimed most.
    pub(crate) identities: Identities,
    /// Set once a group's store told how long it was waited for: microseconds.
    store_wait: OnceLock<AtomicU64>,
    /// Open client connections.
    pub(crate) connections: Gauge,
    /// Connections whose first octets, or whose TLS, could not be read.
    pub(crate) unreadable: Counter,
    /// Connections that the system would not hand over, as for want of file descriptors.
    pub(crate) unaccepted: Counter,
    /// Connections closed because their source had as many as it may.
    pub(crate) crowded: Counter,
    /// Reloads that took effect.
    pub(crate) reloads: Counter,
    /// Reloads that changed nothing because something did not load.
    pub(crate) failed_reloads: Counter,
    /// Tables of networks that could not be used.
    pub(crate) refused_data: Counter,
    /// Lines the access log dropped.
    pub(crate) log_dropped: Counter,
    /// The present, by the clock that requests are judged by.
    pub(crate) clock: Gauge,
    /// Nonces in the replay table.
    pub(crate) nonces: Gauge,
    /// What the configuration of the start said of their number.
    pub(crate) nonces_limit: Gauge,
}

impl Numbers {
    pub(crate) fn new() -> Result<Self, BuildError> {
        let recorder = PrometheusBuilder::new().set_buckets(&BUCKETS)?.build_recorder();
        let recorder = Arc::new(recorder);
        describe(&recorder);
        let handle = recorder.handle();
        Ok(metrics::with_local_recorder(&*recorder, || Self {
            handle,
            recorder: Arc::clone(&recorder),
            requests: CLASSES.iter().map(|class| requests_of(class)).collect(),
            verdicts: STANDINGS.map(verdicts_of).to_vec(),
            mechanisms: closed(&contract::MECHANISMS).map(|(_, counter)| counter).collect(),
            reasons: closed(&contract::REASONS).map(|(_, counter)| counter).collect(),
            problems: closed(&contract::PROBLEMS).collect(),
            answers: closed(&contract::ANSWERS).map(|(_, counter)| counter).collect(),
            excused: closed(&contract::EXCUSED).collect(),
            broken: counter!("avouch_broken_answers_total"),
            identities: Identities::default(),
            store_wait: OnceLock::new(),
            duration: histogram!("avouch_request_seconds"),
            connections: gauge!("avouch_connections"),
            unreadable: counter!("avouch_unreadable_connections_total"),
            unaccepted: counter!("avouch_unaccepted_connections_total"),
            crowded: counter!("avouch_crowded_connections_total"),
            reloads: counter!("avouch_reloads_total", "outcome" => "done"),
            failed_reloads: counter!("avouch_reloads_total", "outcome" => "failed"),
            refused_data: counter!("avouch_refused_data_total"),
            log_dropped: counter!("avouch_log_lines_dropped_total"),
            clock: gauge!("avouch_clock_seconds"),
            nonces: gauge!("avouch_replay_nonces"),
            nonces_limit: gauge!("avouch_replay_nonces_limit"),
        }))
    }

    /// Counts a request that has its answer, or whose client went away.
    pub(crate) fn finished(
        &self,
        verdict: Option<&Verdict>,
        action: Option<Action>,
        problem: Option<&'static str>,
        status: Option<StatusCode>,
        took: Duration,
    ) {
        if let Some(verdict) = verdict {
            self.judged(verdict);
        }
        if let Some(counter) = problem.and_then(|reason| self.problems.get(reason)) {
            counter.increment(1);
        }
        let class = match verdict.map(Verdict::class) {
            Some(Class::Anonymous) => 0,
            Some(Class::Unverifiable) => 1,
            Some(Class::Partial) => 2,
            Some(Class::Verified) => 3,
            None => 4,
        };
        let known = action.and_then(|action| ACTIONS.iter().position(|known| *known == action));
        let known = known.unwrap_or(ACTIONS.len());
        if let Some(counter) = self.requests.get(class).and_then(|counters| counters.get(known)) {
            counter.increment(1);
        }
        let status = status.map_or(5, |status| usize::from(status.as_u16() / 100).saturating_sub(1));
        if let Some(counter) = self.answers.get(status) {
            counter.increment(1);
        }
        self.duration.record(took.as_secs_f64());
    }

    fn judged(&self, verdict: &Verdict) {
        let one = |counters: &[Counter], at: Option<usize>| {
            if let Some(counter) = at.and_then(|at| counters.get(at)) {
                counter.increment(1);
            }
        };
        let standing = verdict.standing();
        one(&self.verdicts, STANDINGS.iter().position(|known| *known == standing));
        one(&self.mechanisms, Mechanism::ALL.iter().position(|known| *known == verdict.mechanism()));
        // The list of reasons is in the order of the enumeration.
        one(&self.reasons, verdict.reasons().first().map(|reason| *reason as usize));
        self.identities.count(verdict);
    }

    /// Counts a request that was decided upon as class 0, by the fault that kept its claim from being accepted.
    pub(crate) fn excused(&self, verdict: &Verdict) {
        let reason = verdict.reasons().first().map(|reason| reason.code());
        if let Some(counter) = reason.and_then(|reason| self.excused.get(reason)) {
            counter.increment(1);
        }
    }

    /// How long the certificate that is served is still valid, in seconds; below zero, for how long it has not been.
    pub(crate) fn certificate(&self, left: i64) {
        let gauge = || gauge!("avouch_certificate_seconds_left").set(left as f64);
        metrics::with_local_recorder(&*self.recorder, gauge);
    }

    /// What became of orders for the certificate, where an authority is asked for it.
    pub(crate) fn orders(&self, figures: OrderFigures) {
        let OrderFigures { done, failed } = figures;
        metrics::with_local_recorder(&*self.recorder, || {
            for (outcome, number) in [("done", done), ("failed", failed)] {
                counter!("avouch_certificate_orders_total", "outcome" => outcome).absolute(number);
            }
        });
    }

    /// How old data on networks are: of a crawler's ranges, or of the table of autonomous systems.
    /// The names are those of the configuration.
    pub(crate) fn data_age(&self, of: &str, age: Duration) {
        let gauge = || gauge!("avouch_data_age_seconds", "data" => of.to_owned()).set(age.as_secs_f64());
        metrics::with_local_recorder(&*self.recorder, gauge);
    }

    /// Counts a fetch of a crawler's ranges, by what came of it.
    pub(crate) fn fetched(&self, of: &str, outcome: &'static str) {
        let count = || {
            counter!("avouch_range_fetches_total", "data" => of.to_owned(), "outcome" => outcome)
                .increment(1);
        };
        metrics::with_local_recorder(&*self.recorder, count);
    }

    /// What became of reports, where some are made.
    pub(crate) fn reports(&self, figures: Figures) {
        let Figures { sent, failed, refused, dropped, waiting, uncounted } = figures;
        metrics::with_local_recorder(&*self.recorder, || {
            let outcomes = [("sent", sent), ("failed", failed), ("refused", refused), ("dropped", dropped)];
            for (outcome, number) in outcomes {
                counter!("avouch_reports_total", "outcome" => outcome).absolute(number);
            }
            gauge!("avouch_reports_waiting").set(waiting as f64);
            counter!("avouch_reports_uncounted_requests_total").absolute(uncounted);
        });
    }

    /// What became of records of the audit log.
    pub(crate) fn audit(&self, target: &'static str, figures: AuditFigures) {
        let AuditFigures { written, dropped } = figures;
        metrics::with_local_recorder(&*self.recorder, || {
            for (outcome, number) in [("written", written), ("dropped", dropped)] {
                counter!("avouch_audit_records_total", "target" => target, "outcome" => outcome)
                    .absolute(number);
            }
        });
    }

    /// What became of spans of traces.
    pub(crate) fn traces(&self, figures: TraceFigures) {
        let TraceFigures { sent, failed, dropped } = figures;
        metrics::with_local_recorder(&*self.recorder, || {
            for (outcome, number) in [("sent", sent), ("failed", failed), ("dropped", dropped)] {
                counter!("avouch_trace_spans_total", "outcome" => outcome).absolute(number);
            }
        });
    }

    /// What became of nonces at the store of a group.
    pub(crate) fn store(&self, figures: StoreFigures) {
        let StoreFigures { reachable, new, held, refused, failed, late, unasked, waited_micros } = figures;
        metrics::with_local_recorder(&*self.recorder, || {
            let outcomes = [
                ("new", new),
                ("held", held),
                ("refused", refused),
                ("failed", failed),
                ("late", late),
                ("unasked", unasked),
            ];
            for (outcome, number) in outcomes {
                counter!("avouch_store_nonces_total", "outcome" => outcome).absolute(number);
            }
            gauge!("avouch_store_reachable").set(if reachable { 1.0 } else { 0.0 });
        });
        self.store_wait.get_or_init(AtomicU64::default).store(waited_micros, Ordering::Relaxed);
    }

    /// What became of questions to a registration entity, and what it told. The names are those of the configuration.
    pub(crate) fn entity(&self, name: &str, figures: EntityFigures) {
        let EntityFigures { listening, agents, answered, unreachable, unusable, revoked, floors, resets } =
            figures;
        metrics::with_local_recorder(&*self.recorder, || {
            let entity = || name.to_owned();
            gauge!("avouch_entity_listening", "entity" => entity()).set(if listening { 1.0 } else { 0.0 });
            gauge!("avouch_entity_agents", "entity" => entity()).set(agents as f64);
            let outcomes = [("answered", answered), ("unreachable", unreachable), ("unusable", unusable)];
            for (outcome, number) in outcomes {
                counter!("avouch_entity_questions_total", "entity" => entity(), "outcome" => outcome)
                    .absolute(number);
            }
            for (kind, number) in [("revoked", revoked), ("floor", floors), ("reset", resets)] {
                counter!("avouch_entity_events_total", "entity" => entity(), "kind" => kind).absolute(number);
            }
        });
    }

    /// Sums up what was measured; without it each request would be remembered until someone asks.
    pub(crate) fn tend(&self) {
        self.handle.run_upkeep();
    }

    /// The text Prometheus reads.
    pub(crate) fn render(&self, hits: &Hits) -> String {
        self.tend();
        let mut text = Exposition::after(self.handle.render());
        self.identities.write(&mut text);
        text.begin(&contract::RULE_HITS);
        for hit in hits.all() {
            let labels = [("policy", &*hit.policy), ("rule", &*hit.rule)];
            text.series(&contract::RULE_HITS, &labels, hit.requests);
        }
        if let Some(micros) = self.store_wait.get() {
            let waited = Duration::from_micros(micros.load(Ordering::Relaxed));
            text.begin(&contract::STORE_WAIT);
            text.series(&contract::STORE_WAIT, &[], waited.as_secs_f64());
        }
        text.begin(&contract::BUILD_INFO);
        text.series(&contract::BUILD_INFO, &[("version", env!("CARGO_PKG_VERSION"))], 1);
        text.end()
    }
}

/// Tells the recorder what each figure means.
fn describe(recorder: &PrometheusRecorder) {
    for metric in METRICS {
        let (name, help) = (metric.name.into(), SharedString::const_str(metric.help));
        match metric.kind {
            Kind::Counter => recorder.describe_counter(name, None, help),
            Kind::Gauge => recorder.describe_gauge(name, None, help),
            Kind::Histogram => recorder.describe_histogram(name, None, help),
        }
    }
}

/// A counter for each value of the one label of a metric, in the order of its closed list.
fn closed(metric: &'static Metric) -> impl Iterator<Item = (&'static str, Counter)> {
    let values =
        |(label, values): &'static (&str, Values)| values.all().into_iter().flatten().zip(repeat(*label));
    let values = metric.labels.iter().flat_map(values);
    values.map(|(value, label)| (value, counter!(metric.name, label => value)))
}

fn requests_of(class: &'static str) -> Vec<Counter> {
    let words = ACTIONS.map(Action::as_str).into_iter().chain(["none"]);
    words
        .map(|decision| counter!("avouch_requests_total", "class" => class, "decision" => decision))
        .collect()
}

fn verdicts_of(standing: Standing) -> Counter {
    let cause = match standing {
        Standing::Undetermined(Persistence::Temporary) => "temporary",
        Standing::Undetermined(Persistence::Permanent) => "permanent",
        _ => "none",
    };
    let class = CLASSES.get(usize::from(standing.class().number())).copied().unwrap_or("none");
    counter!("avouch_verdicts_total", "class" => class, "standing" => standing.name(), "cause" => cause)
}

#[cfg(test)]
mod tests {
    use super::*;
    use avouch_engine::reason::Reason;
    use std::collections::BTreeSet;

    /// Everything a gateway can tell, with each table that a configuration can have.
    fn rendered() -> String {
        let numbers = Numbers::new().unwrap();
        numbers.data_age("GPTBot", Duration::from_secs(7));
        for outcome in ["renewed", "unchanged", "refused", "failed"] {
            numbers.fetched("GPTBot", outcome);
        }
        numbers.reports(Figures::default());
        numbers.store(StoreFigures {
            reachable: true,
            new: 1,
            held: 0,
            refused: 0,
            failed: 0,
            late: 0,
            unasked: 0,
            waited_micros: 1500,
        });
        numbers.entity("re.example", EntityFigures::default());
        numbers.certificate(1);
        numbers.orders(OrderFigures { done: 1, failed: 0 });
        numbers.traces(TraceFigures::default());
        numbers.audit("file", AuditFigures::default());
        numbers.audit("syslog", AuditFigures::default());
        numbers.finished(
            None,
            Some(Action::Accept),
            Some("overloaded"),
            Some(StatusCode::OK),
            Duration::from_millis(1),
        );
        let mut hits = Hits::default();
        hits.of(None, &avouch_engine::decision::Policy::model(), &Hits::default());
        numbers.render(&hits)
    }

    /// The name of a line's metric, and its labels.
    fn read(line: &str) -> (&str, Vec<(&str, &str)>) {
        let (series, _) = line.rsplit_once(' ').unwrap();
        let Some((name, labels)) = series.split_once('{') else { return (series, Vec::new()) };
        let labels = labels.trim_end_matches('}').split(',').map(|pair| {
            let (label, value) = pair.split_once('=').unwrap();
            (label, value.trim_matches('"'))
        });
        (name, labels.collect())
    }

    #[test]
    fn every_figure_of_the_contract_is_told_and_no_other_is() {
        let text = rendered();
        let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        let told: BTreeSet<_> = types.collect();
        let promised: Vec<_> =
            METRICS.iter().map(|metric| format!("{} {}", metric.name, metric.kind.word())).collect();
        assert_eq!(told, promised.iter().map(String::as_str).collect());
        for metric in METRICS {
            assert!(text.contains(&format!("# HELP {} {}\n", metric.name, metric.help)), "{}", metric.name);
        }
        assert!(text.contains("avouch_store_wait_seconds_total 0.0015\n"), "{text}");
        assert!(text.contains("avouch_problems_total{reason=\"overloaded\"} 1\n"));
    }

    #[test]
    fn every_label_has_all_values_of_its_closed_list_and_no_other() {
        let text = rendered();
        for metric in METRICS.iter().filter(|metric| metric.kind != Kind::Histogram) {
            let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(read);
            let series: Vec<_> = lines.filter(|(name, _)| *name == metric.name).collect();
            assert!(!series.is_empty(), "{}", metric.name);
            for (at, (label, values)) in metric.labels.iter().enumerate() {
                let found: BTreeSet<_> = series.iter().map(|(_, labels)| labels[at]).collect();
                assert!(found.iter().all(|(name, _)| name == label), "{} {label}", metric.name);
                let found: BTreeSet<_> = found.into_iter().map(|(_, value)| value).collect();
                if let Some(all) = Values::all(*values) {
                    assert_eq!(found, all.into_iter().collect(), "{} {label}", metric.name);
                }
            }
            assert!(series.iter().all(|(_, labels)| labels.len() == metric.labels.len()), "{}", metric.name);
        }
    }

    #[test]
    fn there_are_no_more_series_than_the_page_says() {
        // Of four tables of names only the others are told here; of requests no rule but the model's.
        let more = 4 * frequent::SHOWN;
        let series = rendered().lines().filter(|line| !line.starts_with('#') && !line.is_empty()).count();
        assert!(series + more <= 600, "{series}");
    }

    #[test]
    fn reasons_stand_at_their_place() {
        assert!(Reason::ALL.iter().enumerate().all(|(at, reason)| *reason as usize == at));
    }
}

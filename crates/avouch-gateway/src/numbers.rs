//! Numbers for Prometheus, with closed sets of labels: nothing a client sends becomes one.

use std::sync::Arc;
use std::time::Duration;

use avouch_acme::Figures as OrderFigures;
use avouch_engine::decision::Action;
use avouch_engine::verdict::{Class, Verdict};
use avouch_reports::Figures;
use avouch_store::Figures as StoreFigures;
use http::StatusCode;
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

/// Bounds of the latency histogram, in seconds: from a refusal to a slow page.
const BUCKETS: [f64; 10] = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.1, 0.5, 2.0, 10.0];

const CLASSES: [&str; 5] = ["0", "1", "2", "3", "none"];
const ACTIONS: [Action; 6] = [
    Action::Accept,
    Action::Monitor,
    Action::Throttle,
    Action::Challenge,
    Action::Reject,
    Action::Unavailable,
];
const STATUSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "none"];

/// Counters made once; counting costs an atomic addition.
pub(crate) struct Numbers {
    handle: PrometheusHandle,
    recorder: Arc<PrometheusRecorder>,
    requests: Vec<Vec<Counter>>,
    answers: Vec<Counter>,
    duration: Histogram,
    /// Open client connections.
    pub(crate) connections: Gauge,
    /// Connections whose first octets, or whose TLS, could not be read.
    pub(crate) unreadable: Counter,
    /// Connections closed because their source had as many as it may.
    pub(crate) crowded: Counter,
    /// Connections that the system would not hand over, as for want of file descriptors.
    pub(crate) unaccepted: Counter,
    /// Answers that broke off before their end.
    pub(crate) broken: Counter,
    /// The present, by the clock that requests are judged by.
    pub(crate) clock: Gauge,
    /// Reloads that took effect.
    pub(crate) reloads: Counter,
    /// Reloads that changed nothing because something did not load.
    pub(crate) failed_reloads: Counter,
    /// Tables of networks that could not be used.
    pub(crate) refused_data: Counter,
    /// Lines the access log dropped.
    pub(crate) log_dropped: Counter,
    /// Nonces in the replay table.
    pub(crate) nonces: Gauge,
}

impl Numbers {
    pub(crate) fn new() -> Result<Self, BuildError> {
        let recorder = PrometheusBuilder::new().set_buckets(&BUCKETS)?.build_recorder();
        let recorder = Arc::new(recorder);
        let handle = recorder.handle();
        Ok(metrics::with_local_recorder(&*recorder, || Self {
            handle,
            recorder: Arc::clone(&recorder),
            requests: CLASSES.iter().map(|class| requests_of(class)).collect(),
            answers: STATUSES
                .iter()
                .map(|status| counter!("avouch_answers_total", "status" => *status))
                .collect(),
            duration: histogram!("avouch_request_seconds"),
            connections: gauge!("avouch_connections"),
            unreadable: counter!("avouch_unreadable_connections_total"),
            crowded: counter!("avouch_crowded_connections_total"),
            unaccepted: counter!("avouch_unaccepted_connections_total"),
            broken: counter!("avouch_broken_answers_total"),
            clock: gauge!("avouch_clock_seconds"),
            reloads: counter!("avouch_reloads_total", "outcome" => "done"),
            failed_reloads: counter!("avouch_reloads_total", "outcome" => "failed"),
            refused_data: counter!("avouch_refused_data_total"),
            log_dropped: counter!("avouch_log_lines_dropped_total"),
            nonces: gauge!("avouch_replay_nonces"),
        }))
    }

    /// Counts a request that has its answer, or whose client went away.
    pub(crate) fn finished(
        &self,
        verdict: Option<&Verdict>,
        action: Option<Action>,
        status: Option<StatusCode>,
        took: Duration,
    ) {
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

    /// How long the certificate that is served is still valid, in seconds; below zero, for how long it has not been.
    pub(crate) fn certificate(&self, left: i64) {
        let gauge = || gauge!("avouch_certificate_seconds_left").set(left as f64);
        metrics::with_local_recorder(&*self.recorder, gauge);
    }

    /// Counts an answer of ours in place of the upstream's, by its reason.
    pub(crate) fn answered_for(&self, reason: &'static str) {
        let count = || counter!("avouch_problems_total", "reason" => reason).increment(1);
        metrics::with_local_recorder(&*self.recorder, count);
    }

    /// Counts a claim that could not be checked, by the reason that decided and by what it was taken for.
    pub(crate) fn undetermined(&self, verdict: &Verdict, treated_as: Option<&'static str>) {
        let reason = verdict.reasons().first().map_or("", |reason| reason.code());
        let treated_as = treated_as.unwrap_or(verdict.standing().name());
        let count = || {
            counter!("avouch_undetermined_total", "reason" => reason, "treated_as" => treated_as)
                .increment(1);
        };
        metrics::with_local_recorder(&*self.recorder, count);
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

    /// What became of orders for the certificate, where an authority is asked for it.
    pub(crate) fn orders(&self, figures: OrderFigures) {
        let OrderFigures { done, failed } = figures;
        metrics::with_local_recorder(&*self.recorder, || {
            for (outcome, number) in [("done", done), ("failed", failed)] {
                counter!("avouch_certificate_orders_total", "outcome" => outcome).absolute(number);
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
            counter!("avouch_store_wait_microseconds_total").absolute(waited_micros);
            gauge!("avouch_store_reachable").set(if reachable { 1.0 } else { 0.0 });
        });
    }

    /// Sums up what was measured; without it each request would be remembered until someone asks.
    pub(crate) fn tend(&self) {
        self.handle.run_upkeep();
    }

    /// The text Prometheus reads.
    pub(crate) fn render(&self) -> String {
        self.tend();
        self.handle.render()
    }
}

fn requests_of(class: &'static str) -> Vec<Counter> {
    let words = ACTIONS.map(Action::as_str).into_iter().chain(["none"]);
    words
        .map(|decision| counter!("avouch_requests_total", "class" => class, "decision" => decision))
        .collect()
}

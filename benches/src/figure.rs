//! Timing in turn, and what comes of it.

use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;
use std::time::Duration;

/// One figure: a ratio, what it should be, and what it must not exceed.
#[derive(Debug, Serialize)]
pub struct Figure {
    /// What was measured.
    pub name: &'static str,
    /// Subject over limit.
    pub ratio: f64,
    /// What it should be.
    pub goal: f64,
    /// What it must not exceed.
    pub limit: f64,
    /// The absolute figures behind it.
    pub detail: String,
}

/// The processor time `work` takes of this thread; what others take meanwhile does not count.
pub(crate) fn time(work: impl FnOnce()) -> Duration {
    let start = processor_time();
    work();
    processor_time().saturating_sub(start)
}

fn processor_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).expect("a thread's time is not negative")
}

/// What one of `subject` and one of `limit` takes, in nanoseconds, when nothing gets in its way.
pub(crate) struct Comparison {
    pub(crate) subject: f64,
    pub(crate) limit: f64,
}

impl Comparison {
    pub(crate) fn ratio(&self) -> f64 {
        self.subject / self.limit
    }
}

/// Runs batches of `subject` and `limit` in turn, `rounds` times each, and compares the fastest of
/// both. Whoever shares the processor slows branches and look-ups more than arithmetic, so that
/// medians would measure the neighbours.
pub(crate) fn in_turn(
    rounds: usize,
    (mut subject, subjects): (impl FnMut(usize), usize),
    (mut limit, limits): (impl FnMut(usize), usize),
) -> Comparison {
    let mut best = (Duration::MAX, Duration::MAX);
    for round in 0..rounds {
        best.1 = best.1.min(time(|| limit(round)));
        best.0 = best.0.min(time(|| subject(round)));
    }
    let each = |batch: Duration, count: usize| batch.as_nanos() as f64 / count as f64;
    Comparison { subject: each(best.0, subjects), limit: each(best.1, limits) }
}

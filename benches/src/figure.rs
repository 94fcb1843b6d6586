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

/// Runs `subject` and `limit` in turn, `rounds` times each, and gives the fastest of both: what
/// each takes when nothing else gets in its way.
pub(crate) fn in_turn(
    rounds: usize,
    mut subject: impl FnMut(usize),
    mut limit: impl FnMut(usize),
) -> (Duration, Duration) {
    let mut best = (Duration::MAX, Duration::MAX);
    for round in 0..rounds {
        best.1 = best.1.min(time(|| limit(round)));
        best.0 = best.0.min(time(|| subject(round)));
    }
    best
}

/// Nanoseconds of one of `count` in `batch`.
pub(crate) fn each(batch: Duration, count: usize) -> f64 {
    batch.as_nanos() as f64 / count as f64
}

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

/// What one of `subject` and one of `limit` took, in nanoseconds, and how they compare.
pub(crate) struct Comparison {
    pub(crate) subject: f64,
    pub(crate) limit: f64,
    pub(crate) ratio: f64,
}

/// Runs batches of `subject` and `limit` in turn, `rounds` times each, and compares the medians of
/// what they took. The ratio is the median of the rounds' own ratios: the two batches of a round
/// meet the same machine, which may be a faster or slower one in the next.
pub(crate) fn in_turn(
    rounds: usize,
    (mut subject, subjects): (impl FnMut(usize), usize),
    (mut limit, limits): (impl FnMut(usize), usize),
) -> Comparison {
    let (mut taken, mut ratios) = ((Vec::new(), Vec::new()), Vec::new());
    for round in 0..rounds {
        let limit = time(|| limit(round)).as_nanos() as f64 / limits as f64;
        let subject = time(|| subject(round)).as_nanos() as f64 / subjects as f64;
        ratios.push(subject / limit);
        taken.0.push(subject);
        taken.1.push(limit);
    }
    Comparison { subject: median(taken.0), limit: median(taken.1), ratio: median(ratios) }
}

/// The value in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

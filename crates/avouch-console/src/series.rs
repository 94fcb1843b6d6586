//! Traffic over the last half hour: how many requests came to each standing, every few seconds.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError, Weak};
use std::time::Duration;

use avouch_gateway::Counts;
use avouch_wire::time::Time;

use crate::Console;

/// How often the counts are looked at, and pages ask for them.
pub(crate) const STEP: Duration = Duration::from_secs(5);

/// Steps that are kept: half an hour.
const STEPS: usize = 360;

/// The counts as they were, newest last.
#[derive(Default)]
pub(crate) struct Series(Mutex<VecDeque<(Time, Counts)>>);

/// Requests a second over one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pace {
    /// Its end.
    pub(crate) time: Time,
    /// In the order of [`crate::shown::KINDS`].
    pub(crate) paces: [f64; 6],
}

impl Series {
    fn note(&self, time: Time, counts: Counts) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // After the clock was set back, what was noted before it has no place on its axis.
        if noted.back().is_some_and(|(last, _)| time <= *last) {
            noted.clear();
        }
        if noted.len() > STEPS {
            noted.pop_front();
        }
        noted.push_back((time, counts));
    }

    /// How fast requests came in each step.
    pub(crate) fn paces(&self) -> Vec<Pace> {
        let noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pairs = noted.iter().zip(noted.iter().skip(1));
        pairs.map(|((from, before), (to, after))| pace((*from, before), (*to, after))).collect()
    }
}

fn pace((from, before): (Time, &Counts), (to, after): (Time, &Counts)) -> Pace {
    let seconds = to.since(from).as_secs_f64().max(f64::MIN_POSITIVE);
    let (before, after) = (in_order(before), in_order(after));
    let mut paces = [0.0; 6];
    for (pace, (before, after)) in paces.iter_mut().zip(before.into_iter().zip(after)) {
        *pace = after.saturating_sub(before) as f64 / seconds;
    }
    Pace { time: to, paces }
}

/// Counts in the order of trust, as everything is shown.
pub(crate) const fn in_order(counts: &Counts) -> [u64; 6] {
    let Counts { verified, partial, anonymous, undetermined, invalid, not_judged } = *counts;
    [verified, partial, anonymous, undetermined, invalid, not_judged]
}

/// Notes the counts for as long as the console is there.
pub(crate) async fn keep(console: Weak<Console>) {
    loop {
        match console.upgrade() {
            Some(console) => console.series.note(console.insight.now(), console.insight.counts()),
            None => return,
        }
        tokio::time::sleep(STEP).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(anonymous: u64) -> Counts {
        Counts { anonymous, ..Counts::default() }
    }

    #[test]
    fn paces_are_of_each_step_and_bounded() {
        let series = Series::default();
        for step in 0..=2 * STEPS as u64 {
            series.note(Time::from_seconds(step * 5), counts(step * 50));
        }
        let paces = series.paces();
        assert_eq!(paces.len(), STEPS);
        assert!(paces.iter().all(|pace| pace.paces == [0.0, 0.0, 10.0, 0.0, 0.0, 0.0]));
    }

    #[test]
    fn a_clock_that_is_set_back_begins_anew() {
        let series = Series::default();
        series.note(Time::from_seconds(1_000), counts(0));
        series.note(Time::from_seconds(10), counts(5));
        series.note(Time::from_seconds(15), counts(10));
        assert_eq!(series.paces().len(), 1);
        assert_eq!(series.paces()[0].paces[2], 1.0);
    }
}

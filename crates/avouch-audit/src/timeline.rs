//! When claims were made, by the hour.

use crate::judging::{Finding, Outcome};
use avouch_wire::time::Time;
use std::collections::{BTreeMap, HashMap};

/// Hours of pairs counted apart: some 30 MB. Beyond that there is no chart, because one that
/// lacks what came last would mislead.
const MOST_HOURS: usize = 1_000_000;

/// Columns of the chart: as many as can be told apart on a telephone.
const MOST_COLUMNS: u64 = 48;

/// Hours that a column may stand for: those that divide a day, then days, weeks and more.
const SPANS: [u64; 11] = [1, 2, 3, 4, 6, 12, 24, 48, 168, 672, 8_736];

/// Milliseconds of an hour.
const HOUR: u64 = 3_600_000;

/// How many requests each pair made in each hour.
#[derive(Debug, Default)]
pub(crate) struct Hours {
    counts: HashMap<(u32, u32), u32>,
    overflowed: bool,
}

/// When claims were made, and what became of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    /// Hours that each column stands for.
    pub hours: u64,
    /// Columns in order, without gaps.
    pub columns: Vec<Column>,
}

/// Requests within one span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Column {
    /// When it begins.
    pub from: Time,
    /// The address is the crawler's.
    pub confirmed: u64,
    /// It is not.
    pub lied: u64,
    /// It could not be found out.
    pub undetermined: u64,
    /// There is nothing to check it by.
    pub not_checkable: u64,
}

impl Hours {
    /// Counts a request of the pair at this place.
    pub(crate) fn add(&mut self, pair: usize, time: Option<Time>) {
        let hour = time.and_then(|time| u32::try_from(time.millis() / HOUR).ok());
        let (Some(hour), Ok(pair)) = (hour, u32::try_from(pair)) else { return };
        if let Some(count) = self.counts.get_mut(&(pair, hour)) {
            *count = count.saturating_add(1);
        } else if self.counts.len() < MOST_HOURS {
            self.counts.insert((pair, hour), 1);
        } else {
            self.overflowed = true;
        }
    }

    /// The chart, given what became of each pair; `None` without times, with times too far apart,
    /// or if there were too many hours.
    pub(crate) fn timeline(&self, findings: &[Finding]) -> Option<Timeline> {
        let hours = || self.counts.keys().map(|(_, hour)| u64::from(*hour));
        let (first, last) = (hours().min()?, hours().max()?);
        // Columns begin at multiples of their span, so one more may be needed.
        let span = SPANS.into_iter().find(|span| last / span - first / span < MOST_COLUMNS)?;
        if self.overflowed {
            return None;
        }
        let mut columns: BTreeMap<u64, Column> = BTreeMap::new();
        for at in first / span..=last / span {
            columns.insert(at, Column { from: Time::from_millis(at * span * HOUR), ..Column::default() });
        }
        for ((pair, hour), count) in &self.counts {
            let column = columns.get_mut(&(u64::from(*hour) / span));
            let (Some(column), Some(finding)) = (column, findings.get(*pair as usize)) else { continue };
            *column.of(finding.outcome) += u64::from(*count);
        }
        Some(Timeline { hours: span, columns: columns.into_values().collect() })
    }
}

impl Column {
    const fn of(&mut self, outcome: Outcome) -> &mut u64 {
        match outcome {
            Outcome::Confirmed => &mut self.confirmed,
            Outcome::Lied => &mut self.lied,
            Outcome::Undetermined(_) => &mut self.undetermined,
            Outcome::NotCheckable => &mut self.not_checkable,
        }
    }

    /// All of them.
    #[must_use]
    pub const fn requests(&self) -> u64 {
        self.confirmed + self.lied + self.undetermined + self.not_checkable
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeline(hours: &[(usize, u64)]) -> Option<Timeline> {
        let mut counted = Hours::default();
        for (pair, hour) in hours {
            counted.add(*pair, Some(Time::from_millis(hour * HOUR + 1)));
        }
        let outcomes = [Outcome::Confirmed, Outcome::Lied];
        let findings: Vec<_> = outcomes.map(|outcome| Finding { outcome, pointer: None }).into();
        counted.timeline(&findings)
    }

    #[test]
    fn columns_are_without_gaps_and_as_wide_as_they_must_be() {
        let day = timeline(&[(0, 100), (1, 100), (1, 100), (0, 103)]).unwrap();
        assert_eq!((day.hours, day.columns.len()), (1, 4));
        assert_eq!((day.columns[0].confirmed, day.columns[0].lied), (1, 2));
        assert_eq!((day.columns[1].requests(), day.columns[3].requests()), (0, 1));
        assert_eq!(timeline(&[(0, 48), (0, 95)]).unwrap().hours, 1);
        assert_eq!(timeline(&[(0, 48), (0, 96)]).unwrap().hours, 2);
        let months = timeline(&[(0, 24), (0, 24 * 80)]).unwrap();
        assert_eq!((months.hours, months.columns.iter().map(Column::requests).sum::<u64>()), (48, 2));
    }

    #[test]
    fn without_times_or_with_absurd_ones_there_is_none() {
        assert_eq!(timeline(&[]), None);
        assert_eq!(timeline(&[(0, 0), (0, 9_000_000)]), None);
    }
}

//! How old data on networks have become: figures, and a word in the log before they say nothing.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use avouch_gather::networks::{Age, Networks};
use avouch_wire::time::Time;

use crate::numbers::Numbers;

/// What was said of each source, so that it is said once.
#[derive(Debug, Default)]
pub(crate) struct Ages(Mutex<BTreeMap<String, Stage>>);

/// How far a source has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It is past half of its time: whoever fetches it has stopped.
    Old,
    /// It is past its time, and says nothing any more.
    TooOld,
}

impl Stage {
    fn of(age: &Age<'_>) -> Option<Self> {
        match age.age {
            spent if spent > age.oldest => Some(Self::TooOld),
            spent if spent > age.oldest / 2 => Some(Self::Old),
            _ => None,
        }
    }
}

impl Ages {
    /// Looks at every source: sets its figure, and tells the log what it reached since.
    pub(crate) fn look(&self, networks: &Networks, now: Time, numbers: &Numbers) {
        let ages: Vec<_> = networks.ages(now).collect();
        let mut oldest = BTreeMap::new();
        for age in &ages {
            let known = oldest.entry(age.of).or_insert(age.age);
            *known = age.age.max(*known);
        }
        oldest.into_iter().for_each(|(of, age)| numbers.data_age(of, age));
        for age in self.reached(&ages) {
            let (of, source, days) = (age.of, age.source, age.age.as_secs() / 86_400);
            let most = age.oldest.as_secs() / 86_400;
            match Stage::of(age) {
                Some(Stage::TooOld) => tracing::warn!(
                    "data of {of} in {source} are {days} days old, more than {most}: nothing is judged by them; fetch them anew"
                ),
                _ => tracing::warn!(
                    "data of {of} in {source} are {days} days old; after {most} nothing is judged by them; fetch them anew"
                ),
            }
        }
    }

    /// The sources that reached a stage since they were last looked at.
    fn reached<'n>(&self, ages: &'n [Age<'n>]) -> Vec<&'n Age<'n>> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = |age: &Age<'_>| format!("{}\n{}", age.of, age.source);
        let stages = |age: &&Age<'_>| Stage::of(age) != told.get(&key(age)).copied();
        let changed: Vec<_> = ages.iter().filter(stages).collect();
        // Rebuilt each time, so that what is no longer used leaves nothing behind.
        *told = ages.iter().filter_map(|age| Some((key(age), Stage::of(age)?))).collect();
        changed.into_iter().filter(|age| Stage::of(age).is_some()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn reached(ages: &Ages, days: &[u64]) -> usize {
        let age = |days: &u64| Age {
            of: "GPTBot",
            source: "gptbot.json",
            age: Duration::from_secs(days * 86_400),
            oldest: Duration::from_secs(14 * 86_400),
        };
        ages.reached(&days.iter().map(age).collect::<Vec<_>>()).len()
    }

    #[test]
    fn each_stage_is_told_once_and_again_after_the_data_were_renewed() {
        let ages = Ages::default();
        for (days, told) in [(7, 0), (8, 1), (9, 0), (14, 0), (15, 1), (16, 0), (0, 0), (8, 1)] {
            assert_eq!(reached(&ages, &[days]), told, "{days}");
        }
        assert_eq!(reached(&ages, &[]), 0);
        assert_eq!(reached(&ages, &[8]), 1);
    }
}

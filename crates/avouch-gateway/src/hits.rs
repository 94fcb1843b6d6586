//! How often each rule decided: one atomic addition a request, and the counts outlive a reload.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use avouch_engine::decision::{Decision, Policy};

/// The policy without a file.
const MODEL: &str = "model";

/// Stands for decisions that no rule made: a route's `require`, or a fault on this side. Names of rules in files
/// have no `/`.
const NO_RULE: &str = "no/rule";

/// The counts of every rule in force, by policy and rule.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hits(BTreeMap<(Arc<str>, Arc<str>), Arc<AtomicU64>>);

/// The counts of one policy's rules. Cloning is cheap.
#[derive(Clone, Debug)]
pub(crate) struct PolicyHits {
    policy: Arc<str>,
    rules: Arc<HashMap<Arc<str>, Arc<AtomicU64>>>,
    no_rule: Arc<AtomicU64>,
}

/// How often a rule decided since the start, or since it came into its policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RuleHits {
    /// The policy's file, or `model`.
    pub(crate) policy: Arc<str>,
    /// The rule's name; `no/rule` where a route's `require`, or a fault of ours, decided.
    pub(crate) rule: Arc<str>,
    /// Requests.
    pub(crate) requests: u64,
}

impl Hits {
    /// Takes up the rules of a policy. Those that had a count `before` keep it.
    pub(crate) fn of(&mut self, file: Option<&Path>, policy: &Policy, before: &Self) -> PolicyHits {
        let name: Arc<str> = file.map_or_else(|| MODEL.into(), |file| file.display().to_string().into());
        let mut cell = |rule: &Arc<str>| {
            let key = (Arc::clone(&name), Arc::clone(rule));
            let kept = self.0.get(&key).or_else(|| before.0.get(&key)).cloned().unwrap_or_default();
            Arc::clone(self.0.entry(key).or_insert(kept))
        };
        let rules = policy.rule_names().map(|rule| (Arc::clone(rule), cell(rule))).collect();
        let no_rule = cell(&NO_RULE.into());
        PolicyHits { policy: name, rules: Arc::new(rules), no_rule }
    }

    /// Each rule in force with its count.
    pub(crate) fn all(&self) -> impl Iterator<Item = RuleHits> {
        self.0.iter().map(|((policy, rule), cell)| RuleHits {
            policy: Arc::clone(policy),
            rule: Arc::clone(rule),
            requests: cell.load(Ordering::Relaxed),
        })
    }
}

impl Default for PolicyHits {
    /// Those of the model.
    fn default() -> Self {
        Self { policy: MODEL.into(), rules: Arc::default(), no_rule: Arc::default() }
    }
}

impl PolicyHits {
    /// The policy's file, or `model`.
    pub(crate) fn policy(&self) -> &str {
        &self.policy
    }

    /// How often a rule decided.
    pub(crate) fn requests(&self, rule: &str) -> u64 {
        self.rules.get(rule).map_or(0, |cell| cell.load(Ordering::Relaxed))
    }

    /// Counts a decision.
    pub(crate) fn count(&self, decision: &Decision) {
        let cell = decision.rule.as_ref().and_then(|rule| self.rules.get(rule)).unwrap_or(&self.no_rule);
        cell.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(rule: &str) -> Policy {
        let text = format!("[[rule]]\nname = '{rule}'\nthen = {{ action = 'accept' }}");
        Policy::parse("p", &text).unwrap()
    }

    fn count(hits: &Hits, rule: &str) -> Option<u64> {
        hits.all().find(|hit| &*hit.rule == rule).map(|hit| hit.requests)
    }

    #[test]
    fn counts_outlive_a_reload_for_as_long_as_the_rule_stands_in_its_file() {
        let file = Some(Path::new("a.toml"));
        let mut first = Hits::default();
        let old = first.of(file, &policy("one"), &Hits::default());
        old.rules["one"].fetch_add(3, Ordering::Relaxed);
        let mut second = Hits::default();
        let new = second.of(file, &policy("one"), &first);
        new.rules["one"].fetch_add(1, Ordering::Relaxed);
        old.rules["one"].fetch_add(1, Ordering::Relaxed);
        assert_eq!((count(&second, "one"), count(&second, "model/anonymous")), (Some(5), Some(0)));
        let mut third = Hits::default();
        third.of(file, &policy("two"), &second);
        assert_eq!((count(&third, "one"), count(&third, "two")), (None, Some(0)));
        let mut other = Hits::default();
        other.of(Some(Path::new("b.toml")), &policy("one"), &second);
        assert_eq!(count(&other, "one"), Some(0), "another policy's rule of that name");
    }

    #[test]
    fn routes_with_one_file_count_together() {
        let (file, mut hits, none) = (Some(Path::new("a.toml")), Hits::default(), Hits::default());
        for policy in [hits.of(file, &policy("one"), &none), hits.of(file, &policy("one"), &none)] {
            policy.rules["one"].fetch_add(1, Ordering::Relaxed);
        }
        assert_eq!(count(&hits, "one"), Some(2));
    }
}

//! Which rule decides, and why the others do not.

use std::sync::Arc;

use super::parse::{CAUSES, TIERS};
use super::{Facts, Policy, Rule, View};
use crate::decision::Action;
use crate::verdict::{Validation, Verdict};

/// What became of one rule for one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// The rule's name.
    pub rule: Arc<str>,
    /// Where it begins in its file, from 1; 0 for the model's own.
    pub line: usize,
    /// What it does with requests it matches.
    pub action: Action,
    /// Whether it decided.
    pub matching: Matching,
}

/// Whether a rule matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matching {
    /// It does, and is the first that does.
    Decides,
    /// A rule above it decides.
    NotReached,
    /// These of its conditions do not hold; never empty.
    Differs(Vec<Mismatch>),
}

/// A condition that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Its key under `when`.
    pub key: &'static str,
    /// What the request has instead; `-` for nothing.
    pub found: String,
}

impl Policy {
    /// Every rule in order, those of the file and then the model's, with what became of it.
    #[must_use]
    pub fn explain(&self, verdict: &Verdict, facts: &Facts<'_>) -> Vec<Explained> {
        let view = View::of(verdict, facts);
        let mut decided = false;
        self.rules
            .iter()
            .chain([&self.otherwise])
            .map(|rule| {
                let mismatches = rule.mismatches(verdict, &view);
                let matching = match mismatches.is_empty() {
                    _ if decided => Matching::NotReached,
                    true => Matching::Decides,
                    false => Matching::Differs(mismatches),
                };
                decided |= matching == Matching::Decides;
                Explained {
                    rule: Arc::clone(&rule.name),
                    line: rule.line,
                    action: rule.treatment.action,
                    matching,
                }
            })
            .collect()
    }
}

impl Rule {
    fn mismatches(&self, verdict: &Verdict, view: &View<'_>) -> Vec<Mismatch> {
        let allows = self.treatment.action.allows();
        let of_verdict = self.parts.iter().filter(|(_, accepts)| !accepts.contain(view.traits));
        let of_request = self.matchers.iter().filter(|matcher| !matcher.holds(view, allows));
        of_verdict
            .map(|(key, _)| Mismatch { key, found: found(key, verdict) })
            .chain(of_request.map(|matcher| Mismatch { key: matcher.key(), found: matcher.found(view) }))
            .collect()
    }
}

/// What a verdict has where the condition `key` looks.
fn found(key: &str, verdict: &Verdict) -> String {
    let text = match key {
        "class" => return verdict.class().number().to_string(),
        "cause" => verdict.cause().and_then(|cause| word(&CAUSES, cause)),
        "mechanism" => Some(verdict.mechanism().name()),
        "key_tier" => word(&TIERS, verdict.key_tier()),
        "dnssec" => verdict.dnssec().map(Validation::name),
        _ => Some(verdict.standing().name()),
    };
    text.unwrap_or("-").to_owned()
}

/// The word policies use for a value.
fn word<T: PartialEq>(words: &[(&'static str, T)], value: T) -> Option<&'static str> {
    words.iter().find(|(_, known)| *known == value).map(|(word, _)| *word)
}

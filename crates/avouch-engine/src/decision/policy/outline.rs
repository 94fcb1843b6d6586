//! A policy's rules, for people to look through.

use std::sync::Arc;

use super::{Policy, Quota, Rule};
use crate::decision::{Action, Priority};

/// One rule, without its conditions: those stand in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outlined {
    /// The rule's name.
    pub rule: Arc<str>,
    /// Where it begins in its file, from 1; 0 for the model's own.
    pub line: usize,
    /// What it does with requests it matches.
    pub action: Action,
    /// The priority it gives; `None`: that of the verdict's class.
    pub priority: Option<Priority>,
    /// Its rate limit, as `10/s, 20 at once`.
    pub limit: Option<String>,
}

impl Policy {
    /// Every rule in the order in which they are tried, those of the file and then the model's.
    pub fn outline(&self) -> impl Iterator<Item = Outlined> {
        self.rules.iter().chain([&self.otherwise]).map(Rule::outlined)
    }
}

impl Rule {
    fn outlined(&self) -> Outlined {
        let limit =
            self.treatment.quota.as_ref().map(|Quota { rate, burst, .. }| format!("{rate}, {burst} at once"));
        Outlined {
            rule: Arc::clone(&self.name),
            line: self.line,
            action: self.treatment.action,
            priority: self.treatment.priority,
            limit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_told_in_the_order_in_which_they_are_tried() {
        let text = "[[rule]]\nname = 'a'\nthen = { action = 'throttle', rate = '10/s', burst = 20, per = 'address' }\n";
        let outline: Vec<_> = Policy::parse("f", text).unwrap().outline().collect();
        assert_eq!((&*outline[0].rule, outline[0].line, outline[0].action), ("a", 1, Action::Throttle));
        assert_eq!(outline[0].limit.as_deref(), Some("10/s, 20 at once"));
        let names: Vec<_> = outline.iter().map(|rule| &*rule.rule).collect();
        assert_eq!(names[1..].first(), Some(&"model/verified"));
        assert_eq!((names.last(), outline[names.len() - 1].line), (Some(&"model/invalid"), 0));
    }
}

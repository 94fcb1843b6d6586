//! The rules in force, and what a draft would change.

use std::sync::Arc;

use askama::Template;
use avouch_engine::decision::policy::Outlined;
use avouch_engine::decision::{Action, Policy};
use avouch_gateway::{Change, InForce};
use avouch_wire::outside::{Plain, grouped};
use axum::extract::State;
use axum::response::Response;

use crate::Console;
use crate::frame::Frame;
use crate::refusal::{Refusal, page as shown};
use crate::shown::Row;
use crate::user::{Fields, Operator, User};

/// Most changes shown; how many there are is told.
const ROWS: usize = 100;

/// What a draft begins with where the model's table is in force.
const EXAMPLE: &str = "\
[[rule]]
name = \"no-liars\"
when = { standing = \"invalid\" }
then = { action = \"reject\" }
";

/// As problems name the draft.
const DRAFT: &str = "draft";

#[derive(Template)]
#[template(path = "policy.html")]
struct Page {
    frame: Frame,
    policies: Vec<Shown>,
    draft: String,
    chosen: String,
    outcome: Option<Outcome>,
}

/// A policy in force.
struct Shown {
    /// Its file, or `model`.
    name: String,
    version: String,
    /// The routes it is for.
    routes: String,
    rules: Vec<Rule>,
}

struct Rule {
    name: String,
    place: String,
    action: &'static str,
    /// Priority and limit.
    beside: String,
    /// As it stands in its file.
    text: String,
    /// Requests that it decided.
    hits: String,
}

/// What became of a draft.
struct Outcome {
    problems: Vec<Said>,
    findings: Vec<Said>,
    compared: usize,
    left_out: usize,
    changed: usize,
    /// From what to what, how often.
    kinds: Vec<(&'static str, &'static str, usize)>,
    rows: Vec<Changed>,
}

/// A problem or a finding.
struct Said {
    place: String,
    what: String,
    fix: String,
}

struct Changed {
    row: Row,
    was: &'static str,
    by: String,
    would_be: &'static str,
    by_then: String,
}

/// `/console/policy`.
pub(crate) async fn page(State(console): State<Arc<Console>>, user: User) -> Response {
    let policies = console.policies();
    let chosen = policies.first().map(|policy| policy.version.clone()).unwrap_or_default();
    // What is in force is what a draft begins with.
    let in_force = console.insight.policies().into_iter().next().and_then(|policy| policy.text);
    let draft = in_force.map_or_else(|| EXAMPLE.to_owned(), |text| text.to_string());
    let frame = Frame::of(user, "/console/policy");
    shown(&Page { frame, policies, draft, chosen, outcome: None })
}

/// A draft, over the requests that are remembered.
pub(crate) async fn what_if(
    State(console): State<Arc<Console>>,
    Operator(user): Operator,
    fields: Fields,
) -> Result<Response, Refusal> {
    // Browsers end lines of forms with CR LF.
    let draft = fields.get("draft").replace("\r\n", "\n");
    let chosen = fields.get("policy").to_owned();
    let insight = console.insight.clone();
    let (text, version) = (draft.clone(), chosen.clone());
    let turn = Arc::clone(&console.drafts).try_acquire_owned().map_err(|_| Refusal::Busy)?;
    // Thousands of requests are decided anew, which would hold others up. It goes on when whoever asked has gone, and
    // keeps its turn so long.
    let outcome = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        match Policy::parse(DRAFT, &text) {
            Ok(policy) => Outcome::of(&insight, &policy, &version),
            Err(problems) => Outcome::refused(&problems),
        }
    });
    let outcome = outcome.await.map_err(|_| Refusal::Broken)?;
    let frame = Frame::of(user, "/console/policy");
    Ok(shown(&Page { frame, policies: console.policies(), draft, chosen, outcome: Some(outcome) }))
}

impl Console {
    /// The policies in force, each once, with the routes it is for.
    fn policies(&self) -> Vec<Shown> {
        let in_force = self.insight.policies();
        let rest = if in_force.len() == 1 { "the whole site" } else { "everything else" };
        let mut policies: Vec<Shown> = Vec::new();
        for one in in_force {
            let route = one.route.clone().unwrap_or_else(|| rest.to_owned());
            match policies.iter_mut().find(|known| known.name == one.name()) {
                Some(known) => known.routes = format!("{}, {route}", known.routes),
                None => policies.push(Shown::of(&one, route)),
            }
        }
        policies
    }
}

impl Shown {
    fn of(one: &InForce, routes: String) -> Self {
        let outline: Vec<_> = one.policy.outline().collect();
        let ends = outline.iter().skip(1).map(|next| next.line);
        let text = one.text.as_deref().unwrap_or_default();
        let rules = outline.iter().zip(ends.chain([0])).map(|(rule, end)| Rule {
            name: Plain(&rule.rule).to_string(),
            place: format!("line {}", rule.line),
            action: rule.action.as_str(),
            beside: beside(rule),
            text: lines(text, rule.line, end),
            hits: grouped(one.hits(&rule.rule)),
        });
        Self { name: one.name().to_owned(), version: one.version.to_string(), routes, rules: rules.collect() }
    }
}

fn beside(rule: &Outlined) -> String {
    let priority = rule.priority.map(|priority| format!("{} priority", priority.as_str()));
    let said: Vec<_> = priority.into_iter().chain(rule.limit.clone()).collect();
    said.join(", ")
}

/// The lines of a rule: from where it begins to where the next one does, or to the end of the file.
fn lines(text: &str, from: usize, end: usize) -> String {
    if from == 0 {
        return String::new();
    }
    let count = if end > from { end - from } else { usize::MAX };
    let lines: Vec<_> = text.lines().skip(from - 1).take(count).map(|line| Plain(line).to_string()).collect();
    lines.join("\n").trim_end().to_owned()
}

impl Outcome {
    fn refused(problems: &avouch_wire::settings::Problems) -> Self {
        let said = problems.list.iter().map(|problem| Said {
            place: format!("line {}", problem.line),
            what: Plain(&problem.what).to_string(),
            fix: Plain(&problem.fix).to_string(),
        });
        Self {
            problems: said.collect(),
            findings: Vec::new(),
            compared: 0,
            left_out: 0,
            changed: 0,
            kinds: Vec::new(),
            rows: Vec::new(),
        }
    }

    fn of(insight: &avouch_gateway::Insight, draft: &Policy, version: &str) -> Self {
        let what_if = insight.what_if(draft, version);
        let findings = draft.findings().into_iter().map(|finding| Said {
            place: format!("line {}, rule {}", finding.line, finding.rule),
            what: finding.kind.sentence().to_owned(),
            fix: finding.kind.fix().to_owned(),
        });
        let mut kinds: Vec<(&str, &str, usize)> = Vec::new();
        for change in &what_if.changes {
            let (was, would_be) = (change.was.0.as_str(), change.would_be.0.as_str());
            match kinds.iter_mut().find(|kind| (kind.0, kind.1) == (was, would_be)) {
                Some((_, _, number)) => *number += 1,
                None => kinds.push((was, would_be, 1)),
            }
        }
        kinds.sort_by_key(|kind| std::cmp::Reverse(kind.2));
        Self {
            problems: Vec::new(),
            findings: findings.collect(),
            compared: what_if.compared,
            left_out: what_if.left_out,
            changed: what_if.changes.len(),
            kinds,
            rows: what_if.changes.iter().take(ROWS).map(Changed::of).collect(),
        }
    }
}

impl Changed {
    fn of(change: &Change) -> Self {
        let by = |(_, rule): &(Action, Option<Arc<str>>)| rule.as_deref().unwrap_or("the route").to_owned();
        Self {
            row: Row::of(&change.request),
            was: change.was.0.as_str(),
            by: by(&change.was),
            would_be: change.would_be.0.as_str(),
            by_then: by(&change.would_be),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_shown_as_it_stands_in_its_file() {
        let text = "# ours\n[[rule]]\nname = 'a'\nthen = 1\n\n[[rule]]\nname = 'b'\n";
        assert_eq!(lines(text, 2, 6), "[[rule]]\nname = 'a'\nthen = 1");
        assert_eq!(lines(text, 6, 0), "[[rule]]\nname = 'b'");
        assert_eq!(lines(text, 0, 0), "");
    }

    #[test]
    fn what_a_draft_begins_with_loads() {
        let draft = Policy::parse(DRAFT, EXAMPLE).unwrap();
        assert!(draft.findings().is_empty());
    }
}

//! One request explained step by step, from its line in the access log.
//!
//! The steps are the five nouns, and the answer after them. What a client sent is spelled out where it could move a
//! cursor or turn the direction of writing, so that a terminal can show it as it is.

use avouch_engine::reason::Reason;
use avouch_engine::verdict::CheckName;
use avouch_wire::outside::Plain;
use serde::Serialize;

use super::told::{Told, ToldCheck, ToldIdentity, ToldVerdict};

/// A request, step by step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Its name in log, headers and answers.
    pub request_id: String,
    /// `request`, `claim`, `evidence`, `verdict`, `decision`, `answer`; those it came to.
    pub steps: Vec<Step>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Which.
    pub name: &'static str,
    /// What came of it.
    pub sentence: String,
    /// By what.
    pub points: Vec<Point>,
}

/// One thing a step rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Point {
    /// A check, a reason, or what else it is.
    pub name: String,
    /// How a check came out: `pass`, `fail`, `undetermined`, `skipped`, or `unchecked`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// What it says.
    pub text: String,
}

impl Explanation {
    /// Explains what a line tells.
    #[must_use]
    pub fn of(told: &Told) -> Self {
        let mut steps = vec![request(told)];
        if let Some(verdict) = &told.verdict {
            steps.extend([claim(verdict), evidence(verdict), self::verdict(verdict)]);
        }
        steps.extend(decision(told));
        steps.push(answer(told));
        Self { request_id: plain(&told.request_id), steps }
    }
}

fn request(told: &Told) -> Step {
    let Told { time, peer, method, authority, path, user_agent, .. } = told;
    let site = authority.as_deref().unwrap_or("a site it did not name");
    let text = user_agent.as_deref().map_or_else(|| "none".to_owned(), plain);
    Step {
        name: "request",
        sentence: plain(&format!("{method} {path} of {site}, from {peer}, at {time}")),
        points: vec![Point { name: "user agent".into(), outcome: None, text }],
    }
}

fn claim(verdict: &ToldVerdict) -> Step {
    let ToldVerdict { identity, claimed, mechanism, pseudonym, reasons, .. } = verdict;
    let sentence = match (identity, claimed, pseudonym) {
        (Some(identity), ..) => format!("to be {}", written(identity)),
        (None, Some(claimed), _) => format!("to be {claimed}"),
        (None, None, Some(_)) => "to hold a key, and no name".to_owned(),
        (None, None, None) if reasons.first().is_some_and(|reason| reason == Reason::NoClaim.code()) => {
            "none: the request does not say who sends it".to_owned()
        }
        (None, None, None) if mechanism == "privacy-pass" => "to be vouched for, without a name".to_owned(),
        (None, None, None) => "one that cannot be read".to_owned(),
    };
    Step { name: "claim", sentence: plain(&sentence), points: Vec::new() }
}

fn evidence(verdict: &ToldVerdict) -> Step {
    let of = |outcome: &str| verdict.checks.iter().filter(|check| check.outcome == outcome).count();
    let came = [(of("undetermined"), "could not be found out"), (of("fail"), "failed"), (of("pass"), "held")];
    let came: Vec<_> = came.into_iter().filter(|(number, _)| *number > 0).collect();
    let came: Vec<_> = came.iter().map(|(number, how)| format!("{number} {how}")).collect();
    let sentence = if came.is_empty() { "none was needed".to_owned() } else { came.join(", ") };
    let unchecked = verdict.not_checked.iter().map(|what| Point {
        name: plain(what),
        outcome: Some("unchecked".into()),
        text: "the verdict does not cover it".into(),
    });
    Step { name: "evidence", sentence, points: verdict.checks.iter().map(check).chain(unchecked).collect() }
}

fn check(check: &ToldCheck) -> Point {
    let question = CheckName::parse(&check.name).map_or("", CheckName::question);
    let dnssec = check.dnssec.as_ref().map_or(String::new(), |dnssec| format!("DNSSEC {dnssec}"));
    let said = [question, &check.detail, &dnssec];
    let said: Vec<&str> = said.into_iter().filter(|part| !part.is_empty()).collect();
    Point { name: plain(&check.name), outcome: Some(plain(&check.outcome)), text: plain(&said.join(" · ")) }
}

fn verdict(verdict: &ToldVerdict) -> Step {
    let ToldVerdict { class, standing, identity, mechanism, via, pseudonym, cause, reasons, .. } = verdict;
    let mut sentence = format!("class {class}, {standing}");
    if let Some(cause) = cause {
        sentence += &format!(" ({cause})");
    }
    if let Some(identity) = identity {
        sentence += &format!(": {}", written(identity));
    }
    if let Some(pseudonym) = pseudonym {
        sentence += &format!(": known by the key {pseudonym}");
    }
    if mechanism != "none" {
        sentence += &format!(", by {mechanism}");
    }
    if let Some(via) = via {
        sentence += &format!(", via {via}");
    }
    Step {
        name: "verdict",
        sentence: plain(&sentence),
        points: reasons.iter().map(|code| reason(code)).collect(),
    }
}

fn reason(code: &str) -> Point {
    let text = Reason::parse(code).map_or_else(String::new, |reason| {
        let fix = if reason.fix().starts_with("Nothing") { "" } else { reason.fix() };
        format!("{} {fix}", reason.sentence()).trim_end().to_owned()
    });
    Point { name: plain(code), outcome: None, text }
}

fn decision(told: &Told) -> Option<Step> {
    let action = told.decision.as_deref()?;
    let mut sentence = action.to_owned();
    match &told.rule {
        Some(rule) => sentence += &format!(", by rule `{rule}`"),
        None => sentence += ", by no rule: the route or a fault on this side asked for it",
    }
    match told.policy.as_deref() {
        Some("model") => sentence += " of the model's table",
        Some(policy) => sentence += &format!(" of policy {policy}"),
        None => {}
    }
    if told.carried_out == Some(false) {
        sentence += "; only told, not carried out (`mode`)";
    }
    Some(Step { name: "decision", sentence: plain(&sentence), points: Vec::new() })
}

fn answer(told: &Told) -> Step {
    let Told { status, bytes, duration_us, complete, .. } = told;
    let took = format!("{}.{:03} ms", duration_us / 1000, duration_us % 1000);
    let sentence = match status {
        Some(status) => {
            let end = if *complete { "" } else { "; it broke off" };
            format!("{status}, {bytes} octets, after {took}{end}")
        }
        None => format!("none: the client went away after {took}"),
    };
    let points = told.problem.iter().map(|code| reason(code)).collect();
    Step { name: "answer", sentence, points }
}

/// `agent@domain`, as log and headers write it.
fn written(identity: &ToldIdentity) -> String {
    let ToldIdentity { domain, agent, instance } = identity;
    let name = agent.as_ref().map_or_else(|| domain.clone(), |agent| format!("{agent}@{domain}"));
    match instance.as_ref().filter(|instance| Some(*instance) != agent.as_ref()) {
        Some(instance) => format!("{name}, instance {instance}"),
        None => name,
    }
}

fn plain(text: &str) -> String {
    Plain(text).to_string()
}

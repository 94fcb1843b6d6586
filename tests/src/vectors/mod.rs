//! The vectors of `tests/vectors`, judged offline, through a gateway, and for those who ask one.

mod gateway;
mod judge_api;
mod merkle;
mod offline;
mod program;

use avouch_gather::{Directories, Documents};
use avouch_wire::web_bot_auth::WELL_KNOWN;
use serde_json::Value;
use testkit::vector::Case;
use testkit::vector::{Expect, Outcome, Vector};

#[test]
fn what_is_accepted_has_a_near_miss_and_each_near_miss_costs_trust() {
    for vector in Vector::all() {
        assert!(!vector.near_misses.is_empty(), "{} has no near miss", vector.name);
        let trust = vector.base.expect.trust();
        for variant in &vector.variants {
            assert_eq!(variant.expect.trust(), trust, "{}", variant.name);
        }
        for near_miss in &vector.near_misses {
            assert!(near_miss.expect.trust() < trust, "{}", near_miss.name);
        }
    }
}

/// What differs is told of all cases at once.
fn compare(differences: &[String]) {
    assert!(differences.is_empty(), "{} cases differ:\n{}", differences.len(), differences.join("\n"));
}

fn difference(name: &str, expected: &Expect, came: &Expect) -> Option<String> {
    (expected != came).then(|| format!("{name}\n  expected {expected:?}\n  came     {came:?}"))
}

/// A verdict and a decision as they are written; null where there was nothing to judge.
fn written(verdict: &Value, decision: &Value) -> Expect {
    if verdict.is_null() {
        return Expect::Refused;
    }
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let list = |value: &Value| -> Vec<String> { value.as_array().unwrap().iter().filter_map(text).collect() };
    let identity = &verdict["identity"];
    let named = text(&identity["domain"]).map(|domain| match text(&identity["agent"]) {
        Some(agent) => format!("{agent}@{domain}"),
        None => domain,
    });
    Expect::Judged(Box::new(Outcome {
        class: u8::try_from(verdict["class"].as_u64().unwrap()).unwrap(),
        standing: text(&verdict["standing"]).unwrap(),
        identity: named,
        instance: text(&identity["instance"]),
        claimed: text(&verdict["claimed"]),
        mechanism: text(&verdict["mechanism"]).unwrap(),
        via: text(&verdict["via"]),
        pseudonym: text(&verdict["pseudonym"]),
        cause: text(&verdict["cause"]),
        reasons: list(&verdict["reasons"]),
        not_checked: list(&verdict["not_checked"]).into_iter().filter(|what| what != "replay").collect(),
        decision: text(decision).unwrap(),
    }))
}

/// The key directories of a case, as documents at hand.
fn directories(case: &Case) -> Directories {
    let mut documents = Documents::default();
    for (url, text) in case.directory_texts() {
        let is_origin = url.matches('/').count() == 2;
        documents.add(if is_origin { url + WELL_KNOWN } else { url }, text.into_bytes());
    }
    Directories::Given(documents)
}

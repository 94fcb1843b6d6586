//! What came of a request, beside what had to.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;

use crate::access_log::Line;
use crate::upstream::{Received, Visit};

/// What must come of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Expected {
    /// 0 to 3.
    pub class: u8,
    /// The standing within the class.
    pub standing: &'static str,
    /// `agent@domain` or `domain`; only where proved or confirmed.
    pub identity: Option<Cow<'static, str>>,
    /// What established it.
    pub mechanism: &'static str,
    /// The first reason.
    pub reason: &'static str,
    /// The action of the policy.
    pub decision: &'static str,
    /// The status of the answer.
    pub status: u16,
    /// How much of it the web server may have received.
    pub upstream: Received,
}

/// One request of the demonstration.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Counted from 1.
    pub number: usize,
    /// The part of the script.
    pub scene: &'static str,
    /// In plain English; of a fleet, the agent.
    pub name: Cow<'static, str>,
    /// The method sent.
    pub method: &'static str,
    /// The target sent.
    pub path: Cow<'static, str>,
    /// 0 to 3, from the access log as all that follows.
    pub class: Option<u64>,
    /// The standing within the class.
    pub standing: String,
    /// `agent@domain` or `domain`; only where proved or confirmed.
    pub identity: Option<String>,
    /// The name that was claimed and not proved.
    pub claimed: Option<String>,
    /// The fingerprint of a key that no domain vouches for.
    pub pseudonym: Option<String>,
    /// What established it.
    pub mechanism: String,
    /// The action of the policy.
    pub decision: String,
    /// The status the visitor got; `None` where the connection was cut.
    pub status: Option<u16>,
    /// Why, the weightiest first.
    pub reasons: Vec<String>,
    /// How much of it the web server received.
    pub upstream: Received,
    /// What must come of it.
    pub expected: Expected,
    /// Whether it did.
    pub as_expected: bool,
    /// What came out otherwise, each with what was expected.
    pub wrong: Vec<String>,
}

impl Row {
    /// Puts together what visitor, gateway and web server saw.
    pub(crate) fn of(
        (number, scene, name): (usize, &'static str, Cow<'static, str>),
        (method, path): (&'static str, Cow<'static, str>),
        expected: Expected,
        (line, status): (&Line, Option<u16>),
        visit: &Visit,
    ) -> Self {
        let verdict = line.verdict.as_ref().unwrap_or(&Value::Null);
        let text = |name: &str| verdict.get(name).and_then(Value::as_str).map(str::to_owned);
        let reasons = verdict.get("reasons").and_then(Value::as_array).into_iter().flatten();
        let mut row = Self {
            number,
            scene,
            name,
            method,
            path,
            class: verdict.get("class").and_then(Value::as_u64),
            standing: text("standing").unwrap_or_default(),
            identity: identity(verdict),
            claimed: text("claimed"),
            pseudonym: text("pseudonym"),
            mechanism: text("mechanism").unwrap_or_default(),
            decision: line.decision.clone().unwrap_or_default(),
            status,
            reasons: reasons.filter_map(|reason| reason.as_str().map(str::to_owned)).collect(),
            upstream: visit.received,
            expected,
            as_expected: false,
            wrong: Vec::new(),
        };
        row.wrong = row.differences(visit);
        row.as_expected = row.wrong.is_empty();
        row
    }

    fn differences(&self, visit: &Visit) -> Vec<String> {
        let expected = &self.expected;
        let mut wrong = Vec::new();
        let mut compare = |what: &str, actual: String, expected: String| {
            if actual != expected {
                wrong.push(format!("{what} is {actual}, must be {expected}"));
            }
        };
        compare("class", shown(self.class), expected.class.to_string());
        compare("standing", self.standing.clone(), expected.standing.to_owned());
        compare("identity", shown(self.identity.as_ref()), shown(expected.identity.as_ref()));
        compare("mechanism", self.mechanism.clone(), expected.mechanism.to_owned());
        compare("reason", shown(self.reasons.first()), expected.reason.to_owned());
        compare("decision", self.decision.clone(), expected.decision.to_owned());
        compare("status", shown(self.status), expected.status.to_string());
        compare("upstream", format!("{:?}", self.upstream), format!("{:?}", expected.upstream));
        if self.upstream == Received::Complete {
            compare("Avouch-Class", visit.classes.join(", "), expected.class.to_string());
        }
        wrong
    }
}

fn shown(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

fn identity(verdict: &Value) -> Option<String> {
    let identity = verdict.get("identity")?;
    let domain = identity.get("domain")?.as_str()?;
    let agent = identity.get("agent").and_then(Value::as_str);
    Some(agent.map_or_else(|| domain.to_owned(), |agent| format!("{agent}@{domain}")))
}

//! Tests of a policy, written by its operator beside it: a sender and a request, and what must
//! come of them.

use core::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use avouch_wire::key::Fingerprint;
use avouch_wire::name::Identity;
use avouch_wire::settings::{Fault, Problems, Reader, Table, Value};
use avouch_wire::target::NormalPath;

use super::parse::{CAUSES, TIERS, VALIDATIONS, asn, mechanism, method, pseudonym, standing};
use super::traits::Traits;
use super::{Facts, Policy, View};
use crate::decision::{Action, Priority};
use crate::evidence::Persistence;
use crate::verdict::{KeyTier, Mechanism, Standing, Validation};

/// How one case came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseResult {
    /// The case's name.
    pub name: String,
    /// Where it begins in its file, from 1.
    pub line: usize,
    /// What came of it.
    pub came: Came,
    /// Whether that is what was expected.
    pub as_expected: bool,
}

/// What a policy makes of a case, rate limits aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Came {
    /// The action of the rule that decides.
    pub action: Action,
    /// Its name.
    pub rule: Arc<str>,
    /// The priority given.
    pub priority: Priority,
}

impl Policy {
    /// Tests this policy by the `[[case]]`s of a file.
    ///
    /// # Errors
    /// Every problem of the file of cases.
    pub fn test(&self, file: &str, text: &str) -> Result<Vec<CaseResult>, Problems> {
        let reader = Reader::new(file, text);
        let mut root = reader.root();
        let cases: Vec<_> = root.tables("case").into_iter().map(case).collect();
        root.finish();
        let cases = reader.into_result(cases.into_iter().collect::<Option<Vec<_>>>())?;
        Ok(cases.into_iter().map(|case| self.try_case(case)).collect())
    }

    fn try_case(&self, case: Case) -> CaseResult {
        let Case { name, line, given, expected } = case;
        let path = NormalPath::of(&given.path);
        let facts = Facts {
            method: &given.method,
            path: &path,
            authority: &given.authority,
            address: given.address,
            asns: &given.asns,
        };
        let traits = Traits::one(given.standing, given.mechanism, given.tier, given.dnssec);
        let view = View::with(traits, given.identity.as_ref(), given.pseudonym.as_ref(), &facts);
        let rule = self.rule_for(&view);
        let priority = rule.priority(given.standing);
        let came = Came { action: rule.treatment.action, rule: Arc::clone(&rule.name), priority };
        let as_expected = expected.action == came.action
            && expected.rule.is_none_or(|rule| *rule == *came.rule)
            && expected.priority.is_none_or(|priority| priority == came.priority);
        CaseResult { name, line, came, as_expected }
    }
}

struct Case {
    name: String,
    line: usize,
    given: Given,
    expected: Expected,
}

struct Given {
    standing: Standing,
    mechanism: Mechanism,
    tier: KeyTier,
    dnssec: Option<Validation>,
    identity: Option<Identity>,
    pseudonym: Option<Fingerprint>,
    method: Box<str>,
    path: String,
    authority: String,
    address: IpAddr,
    asns: Vec<u32>,
}

struct Expected {
    action: Action,
    rule: Option<String>,
    priority: Option<Priority>,
}

fn case(mut table: Table<'_>) -> Option<Case> {
    let line = table.line();
    let name = table.required("name", |v| v.text().map(str::to_owned));
    let given = table.sub("given");
    let expect = table.sub("expect");
    for (key, missing, fix) in [
        ("given", given.is_none(), "add `given = { standing = \"anonymous\", path = \"/\" }`"),
        ("expect", expect.is_none(), "add `expect = { action = \"accept\" }`"),
    ] {
        if missing && !table.has(key) {
            table.complain(key, Fault::new("is missing", fix));
        }
    }
    let (given, expected) = (given.map(read_given), expect.map(read_expected));
    Some(Case { name: name?, line, given: given??, expected: expected?? })
}

fn read_given(mut table: Table<'_>) -> Option<Given> {
    let name = table.required("standing", standing);
    let cause = table.optional("cause", |v| v.one_of(&CAUSES));
    let text = |value: Value<'_>| value.text().map(str::to_owned);
    let given = Given {
        standing: Standing::Anonymous,
        mechanism: table.optional("mechanism", mechanism).unwrap_or(Mechanism::None),
        tier: table.optional("key_tier", |v| v.one_of(&TIERS)).unwrap_or_default(),
        dnssec: table.optional("dnssec", |v| v.one_of(&VALIDATIONS)),
        identity: table.optional("identity", identity),
        pseudonym: table.optional("pseudonym", pseudonym),
        method: table.optional("method", method).unwrap_or_else(|| "GET".into()),
        path: table.optional("path", text).unwrap_or_else(|| "/".into()),
        authority: table.optional("authority", text).unwrap_or_default(),
        address: table.optional("ip", Value::address).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        asns: table.list("asn", asn).unwrap_or_default(),
    };
    let standing = standing_of(name?, cause);
    check_given(&table, standing, &given);
    Some(Given { standing, ..given })
}

/// No verdict has an identity below class 2, or a pseudonym beside one.
fn check_given(table: &Table<'_>, standing: Standing, given: &Given) {
    let proved = matches!(standing, Standing::Partial | Standing::Verified);
    if given.identity.is_some() && !proved {
        let fix = "use standing \"partial\" or \"verified\", or remove it";
        table.complain("identity", Fault::new(format!("cannot stand with {}", standing.name()), fix));
    }
    if given.pseudonym.is_some() && standing != Standing::Pseudonymous {
        let fix = "use standing \"pseudonymous\", or remove it";
        table.complain("pseudonym", Fault::new(format!("cannot stand with {}", standing.name()), fix));
    }
    if table.has("cause") && !matches!(standing, Standing::Undetermined(_)) {
        let fix = "use standing \"undetermined\", or remove it";
        table.complain("cause", Fault::new(format!("cannot stand with {}", standing.name()), fix));
    }
}

fn identity(value: Value<'_>) -> Result<Identity, Fault> {
    let fix = "write \"acme.example\" or \"crawler-7@acme.example\"";
    value.convert("an identity", fix, |text| Identity::parse(text).ok())
}

fn standing_of(name: &str, cause: Option<Persistence>) -> Standing {
    let undetermined = Standing::Undetermined(cause.unwrap_or(Persistence::Temporary));
    let all = [
        Standing::Anonymous,
        Standing::Pseudonymous,
        Standing::Invalid,
        Standing::Partial,
        Standing::Verified,
    ];
    all.into_iter().find(|standing| standing.name() == name).unwrap_or(undetermined)
}

fn read_expected(mut table: Table<'_>) -> Option<Expected> {
    let action = table.required("action", |v| v.one_of(&Action::WORDS));
    let rule = table.optional("rule", |v| v.text().map(str::to_owned));
    let priority = table.optional("priority", |v| v.one_of(&Priority::WORDS));
    Some(Expected { action: action?, rule, priority })
}

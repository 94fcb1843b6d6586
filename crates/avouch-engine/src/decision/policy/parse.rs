//! Reading a policy file.

use std::collections::BTreeMap;
use std::sync::Arc;

use avouch_wire::key::Fingerprint;
use avouch_wire::settings::{Fault, Problems, Reader, Table, Value};

use super::glob::{IdentityGlob, Labels, PathGlob};
use super::matcher::Matcher;
use super::network::Network;
use super::traits::Traits;
use super::{Limit, MAX_RULES, Per, Policy, Quota, Rule, Treatment, model};
use crate::decision::rate::MAX_BURST;
use crate::decision::{Action, Priority};
use crate::evidence::Persistence;
use crate::verdict::{Class, KeyTier, Mechanism, Standing, Validation};

impl Policy {
    /// Reads and compiles a policy file; `file` is its name in problems. The model's table is
    /// appended.
    ///
    /// # Errors
    /// Every problem of the file, each with line and fix.
    pub fn parse(file: &str, text: &str) -> Result<Self, Problems> {
        let reader = Reader::new(file, text);
        let mut root = reader.root();
        let rules = rules(&mut root, file);
        root.finish();
        reader.into_result(rules).map(|rules| Self::compile(file, rules))
    }

    /// These rules and then the model's table.
    pub(super) fn compile(file: &str, mut rules: Vec<Rule>) -> Self {
        rules.extend(model::rules());
        Self { rules: rules.into(), otherwise: model::otherwise(file) }
    }
}

fn rules(root: &mut Table<'_>, file: &str) -> Option<Vec<Rule>> {
    let tables = root.tables("rule");
    if tables.len() > MAX_RULES {
        root.complain(
            "rule",
            Fault::new(
                format!("stands {} times, more than {MAX_RULES}", tables.len()),
                "join rules that do the same: each matcher takes a list",
            ),
        );
        return None;
    }
    let mut lines = BTreeMap::new();
    let rules: Vec<_> = tables.into_iter().map(|table| rule(table, file, &mut lines)).collect();
    rules.into_iter().collect()
}

fn rule(mut table: Table<'_>, file: &str, lines: &mut BTreeMap<String, usize>) -> Option<Rule> {
    let line = table.line();
    let name = table.required("name", name);
    if let Some(first) = name.and_then(|name| lines.insert(name.to_owned(), line)) {
        table.complain(
            "name",
            Fault::new(
                format!("is the name of the rule in line {first} too"),
                "give each rule a name of its own; logs and rate limits go by it",
            ),
        );
    }
    let conditions = match table.sub("when") {
        Some(when) => conditions(when),
        None => Conditions::default(),
    };
    let traits = conditions.traits();
    if traits.is_empty() {
        table.complain(
            "when",
            Fault::new(
                "can never hold: its conditions exclude each other",
                "identities exist in classes 2 and 3, pseudonyms in standing \"pseudonymous\", causes in \
             standing \"undetermined\"",
            ),
        );
    }
    let treatment = table.sub("then");
    if treatment.is_none() && !table.has("then") {
        table.complain("then", Fault::new("is missing", "add `then = { action = \"accept\" }`"));
    }
    let id = limit_id(file, name.unwrap_or_default());
    let treatment = treatment.and_then(|then| treatment_of(then, id, conditions.names_pseudonyms()));
    Some(Rule {
        name: Arc::from(name?),
        line,
        traits,
        parts: conditions.parts.into(),
        matchers: conditions.matchers.into(),
        treatment: treatment?,
    })
}

/// The longest rule name; it stands in every log line.
const MAX_RULE_NAME: usize = 64;

fn name(value: Value<'_>) -> Result<&str, Fault> {
    let plain = |text: &str| {
        text.len() <= MAX_RULE_NAME && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    let name = value.text()?;
    let fix = "write at most 64 letters, digits, \"-\", \"_\" and \".\"";
    if plain(name) { Ok(name) } else { Err(value.fault("a name", fix)) }
}

/// The same limit of the same file keeps its cells over a reload, wherever the rule has moved.
pub(super) fn limit_id(file: &str, name: &str) -> u32 {
    let octets = file.bytes().chain([0]).chain(name.bytes());
    // FNV-1a; two limits that collide share cells, which harms nobody but themselves.
    octets.fold(0x811c_9dc5, |hash, octet| (hash ^ u32::from(octet)).wrapping_mul(0x0100_0193))
}

/// What stands under `when`.
#[derive(Default)]
struct Conditions {
    parts: Vec<(&'static str, Traits)>,
    matchers: Vec<Matcher>,
}

impl Conditions {
    /// The verdicts that can fulfil all conditions.
    fn traits(&self) -> Traits {
        let asked = self.parts.iter().map(|(_, traits)| *traits);
        let implied = self.matchers.iter().map(Matcher::implies);
        asked.chain(implied).fold(Traits::ALL, |all, part| all & part)
    }

    fn names_pseudonyms(&self) -> bool {
        self.matchers.iter().any(|matcher| matches!(matcher, Matcher::Pseudonym(_)))
    }
}

fn conditions(mut when: Table<'_>) -> Conditions {
    let parts = [
        ("class", when.some("class", class).map(|list| Traits::classes(&list))),
        ("standing", when.some("standing", standing).map(|list| standings(&list))),
        ("cause", when.some("cause", |v| v.one_of(&CAUSES)).map(|list| causes(&list))),
        ("mechanism", when.some("mechanism", mechanism).map(|list| Traits::mechanisms(&list))),
        ("key_tier", when.some("key_tier", |v| v.one_of(&TIERS)).map(|list| Traits::tiers(&list))),
        ("dnssec", when.some("dnssec", |v| v.one_of(&VALIDATIONS)).map(|list| Traits::dnssec(&list))),
    ];
    // Cheap and selective conditions first: all of them must hold, so the first that does not ends it.
    let matchers = [
        when.some("pseudonym", pseudonym).map(|list| Matcher::Pseudonym(list.into())),
        when.some("domain", |v| Labels::domain(v.text()?)).map(|list| Matcher::Domain(list.into())),
        when.some("identity", |v| IdentityGlob::read(v.text()?)).map(|list| Matcher::Identity(list.into())),
        when.some("method", method).map(|list| Matcher::Method(list.into())),
        when.some("authority", |v| Labels::authority(v.text()?)).map(|list| Matcher::Authority(list.into())),
        when.some("ip", |v| v.network().map(Network::new)).map(|list| Matcher::Ip(list.into())),
        when.some("asn", asn).map(|list| Matcher::Asn(list.into())),
        when.some("path", |v| PathGlob::read(v.text()?)).map(|list| Matcher::Path(list.into())),
    ];
    let parts = parts.into_iter().filter_map(|(key, traits)| Some((key, traits?))).collect();
    Conditions { parts, matchers: matchers.into_iter().flatten().collect() }
}

/// Standings without their cause, which is a condition of its own.
pub(super) const STANDINGS: [&str; 6] =
    ["anonymous", "pseudonymous", "invalid", "undetermined", "partial", "verified"];

pub(super) const CAUSES: [(&str, Persistence); 2] =
    [("temporary", Persistence::Temporary), ("permanent", Persistence::Permanent)];

pub(super) const TIERS: [(&str, KeyTier); 3] =
    [("tpm", KeyTier::Tpm), ("software", KeyTier::Software), ("unknown", KeyTier::Unknown)];

pub(super) const VALIDATIONS: [(&str, Validation); 4] = [
    ("secure", Validation::Secure),
    ("insecure", Validation::Insecure),
    ("bogus", Validation::Bogus),
    ("indeterminate", Validation::Indeterminate),
];

fn standings(names: &[&str]) -> Traits {
    Traits::standings(|standing| names.contains(&standing.name()))
}

fn causes(causes: &[Persistence]) -> Traits {
    Traits::standings(|standing| matches!(standing, Standing::Undetermined(cause) if causes.contains(&cause)))
}

pub(super) fn standing(value: Value<'_>) -> Result<&'static str, Fault> {
    value.one_of(&STANDINGS.map(|name| (name, name)))
}

pub(super) fn class(value: Value<'_>) -> Result<Class, Fault> {
    let classes = [Class::Anonymous, Class::Unverifiable, Class::Partial, Class::Verified];
    let number = value.number(0..=3)?;
    let class = classes.into_iter().find(|class| u64::from(class.number()) == number);
    class.ok_or_else(|| value.fault("a class", "write 0, 1, 2 or 3"))
}

pub(super) fn mechanism(value: Value<'_>) -> Result<Mechanism, Fault> {
    value.one_of(&Mechanism::ALL.map(|mechanism| (mechanism.name(), mechanism)))
}

pub(super) fn pseudonym(value: Value<'_>) -> Result<Fingerprint, Fault> {
    let fix = "write the fingerprint of the key as logs show it: \"sha256:…\"";
    value.convert("a key fingerprint", fix, Fingerprint::parse)
}

pub(super) fn method(value: Value<'_>) -> Result<Box<str>, Fault> {
    let token = |octet: u8| octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet);
    let text = value.text()?;
    if text.bytes().any(|octet| !token(octet)) {
        return Err(value.fault("a method", "write it as requests do: \"GET\""));
    }
    if text.bytes().any(|octet| octet.is_ascii_lowercase()) {
        let fix = format!("write \"{}\": methods are compared exactly", text.to_ascii_uppercase());
        return Err(value.fault("a method in capitals", &fix));
    }
    Ok(text.into())
}

pub(super) fn asn(value: Value<'_>) -> Result<u32, Fault> {
    let number = value.number(1..=u64::from(u32::MAX))?;
    u32::try_from(number).map_err(|_| value.fault("an AS number", "write a number such as 64500"))
}

const PER: [(&str, Per); 4] = [
    ("agent", Per::Agent),
    ("domain", Per::Domain),
    ("address", Per::Address),
    ("pseudonym", Per::Pseudonym),
];

fn treatment_of(mut then: Table<'_>, id: u32, names_pseudonyms: bool) -> Option<Treatment> {
    let action = then.required("action", |v| v.one_of(&Action::WORDS));
    let priority = then.optional("priority", |v| v.one_of(&Priority::WORDS));
    let rate = then.optional("rate", Value::rate);
    let burst = then.optional("burst", |v| v.number(1..=u64::from(MAX_BURST)));
    let per = then.optional("per", |v| v.one_of(&PER));
    let action = action?;
    check_keys(&then, action);
    let Some(rate) = rate else {
        return (!then.has("rate")).then_some(Treatment { action, priority, quota: None });
    };
    let burst = burst.and_then(|burst| u32::try_from(burst).ok()).unwrap_or(Limit::usual_burst(rate));
    let Some(limit) = Limit::new(id, rate, burst) else {
        let fix = "lower burst or raise rate until a full burst is back within 30 days";
        then.complain("burst", Fault::new(format!("of {burst} at {rate} takes too long to refill"), fix));
        return None;
    };
    let usual = if names_pseudonyms { Per::Pseudonym } else { Per::Agent };
    let quota = Quota { limit, rate, burst, per: per.unwrap_or(usual) };
    Some(Treatment { action, priority, quota: Some(quota) })
}

/// Which keys of `then` make sense beside which.
fn check_keys(then: &Table<'_>, action: Action) {
    if !action.allows() {
        for key in ["rate", "burst", "per", "priority"].into_iter().filter(|key| then.has(key)) {
            let what = format!("means nothing with action \"{action}\", which lets nothing through");
            then.complain(key, Fault::new(what, "remove it, or use action \"throttle\""));
        }
    } else if !then.has("rate") {
        for key in ["burst", "per"].into_iter().filter(|key| then.has(key)) {
            then.complain(
                key,
                Fault::new("means nothing without rate", "add `rate = \"10/s\"` or remove it"),
            );
        }
        if action == Action::Throttle {
            then.complain("rate", Fault::new("is missing, so nothing is throttled", "add `rate = \"10/s\"`"));
        }
    }
}

use proptest::prelude::*;

use super::*;
use crate::evidence::Persistence;
use crate::verdict::{KeyTier, Mechanism, Standing};

/// Whether a rule with this condition is the one that decides.
fn matches_with(action: &str, when: &str, verdict: &Verdict, facts: &Facts<'_>) -> bool {
    let text = format!("[[rule]]\nname = 'it'\nwhen = {{ {when} }}\nthen = {{ action = '{action}' }}");
    let policy = Policy::parse("p", &text).unwrap_or_else(|problems| panic!("{problems}"));
    &*policy.rule_for(&View::of(verdict, facts)).name == "it"
}

fn on(path: &'static str) -> Facts<'static> {
    let path = Box::leak(Box::new(NormalPath::of(path)));
    let address = [192, 0, 2, 7].into();
    Facts { method: "GET", path, authority: "shop.example", address, asns: &[64499, 64500] }
}

fn matches(when: &str, verdict: &Verdict) -> bool {
    matches_with("accept", when, verdict, &on("/"))
}

fn key(octet: u8) -> Fingerprint {
    Fingerprint::of_spki(&[octet])
}

const TEMPORARY: Standing = Standing::Undetermined(Persistence::Temporary);
const PERMANENT: Standing = Standing::Undetermined(Persistence::Permanent);

#[test]
fn conditions_on_the_verdict_match_it_and_nothing_near_it() {
    let verified = Verdict::sample(Standing::Verified)
        .with_mechanism(Mechanism::SaipRolling)
        .with_key_tier(KeyTier::Tpm);
    let invalid = Verdict::sample(Standing::Invalid);
    let anonymous = Verdict::sample(Standing::Anonymous);
    let (temporary, permanent) = (Verdict::sample(TEMPORARY), Verdict::sample(PERMANENT));
    assert!(matches("class = 3", &verified) && !matches("class = 3", &Verdict::sample(Standing::Partial)));
    assert!(matches("class = [0, 1]", &invalid) && matches("class = 1", &temporary));
    assert!(!matches("class = [0, 2]", &invalid));
    assert!(matches("standing = 'invalid'", &invalid) && !matches("standing = 'invalid'", &permanent));
    assert!(matches("standing = 'undetermined'", &permanent));
    assert!(!matches("standing = 'pseudonymous'", &anonymous));
    assert!(matches("cause = 'temporary'", &temporary) && !matches("cause = 'temporary'", &permanent));
    assert!(!matches("cause = ['temporary', 'permanent']", &invalid));
    assert!(matches("mechanism = ['saip-rolling', 'saip-direct']", &verified));
    assert!(!matches("mechanism = 'saip-direct'", &verified));
    assert!(matches("key_tier = 'tpm'", &verified) && !matches("key_tier = 'software'", &verified));
    assert!(!matches("dnssec = 'secure'", &verified), "no answer was validated");
}

#[test]
fn conditions_on_names_match_them_and_nothing_near_them() {
    let agent = Verdict::sample(Standing::Verified).with_identity("a.gptbot@openai.example");
    assert!(matches("identity = '*.gptbot@openai.example'", &agent));
    assert!(!matches("identity = 'gptbot@openai.example'", &agent));
    assert!(matches("domain = ['acme.example', 'openai.example']", &agent));
    assert!(!matches("domain = '*.openai.example'", &agent));
    assert!(!matches("domain = 'openai.example'", &Verdict::sample(Standing::Verified)));
    let pseudonym = Verdict::sample(Standing::Pseudonymous).with_pseudonym(key(1));
    assert!(matches(&format!("pseudonym = '{}'", key(1)), &pseudonym));
    assert!(!matches(&format!("pseudonym = '{}'", key(2)), &pseudonym));
}

#[test]
fn conditions_on_the_request_match_it_and_nothing_near_it() {
    let verdict = Verdict::sample(Standing::Anonymous);
    for (hit, near_miss) in [
        ("method = ['GET', 'HEAD']", "method = 'POST'"),
        ("authority = 'shop.example'", "authority = 'shop.example:8443'"),
        ("authority = '*.example'", "authority = '*.shop.example'"),
        ("ip = ['192.0.2.0/28']", "ip = '192.0.2.8/29'"),
        ("ip = '192.0.2.7'", "ip = '192.0.2.6'"),
        ("asn = [64500, 1]", "asn = 64501"),
        ("path = '/'", "path = '/x'"),
        ("class = 0, method = 'GET', path = '/*'", "class = 0, method = 'GET', path = '/x/*'"),
    ] {
        assert!(matches(hit, &verdict), "{hit}");
        assert!(!matches(near_miss, &verdict), "{near_miss}");
    }
    let mapped = Facts { address: "::ffff:192.0.2.7".parse().unwrap(), asns: &[], ..on("/") };
    assert!(matches_with("accept", "ip = '192.0.2.7'", &verdict, &mapped));
    let unknown = Facts { address: "0.0.0.0".parse().unwrap(), ..on("/") };
    assert!(!matches_with("accept", "ip = '0.0.0.0/1'", &verdict, &unknown), "no address is in no network");
    assert!(!matches_with("accept", "asn = 64500", &verdict, &mapped));
    assert!(!matches_with("reject", "asn = 64500", &verdict, &mapped));
}

#[test]
fn ambiguous_paths_never_gain_by_a_path_and_never_slip_past_one() {
    let verdict = Verdict::sample(Standing::Anonymous);
    for path in ["/api//x", "/api/..%2fadmin", "/api/%5c", "/api/x%00"] {
        for action in ["accept", "monitor"] {
            assert!(!matches_with(action, "path = '/api/*'", &verdict, &on(path)), "{action} {path}");
        }
        for action in ["reject", "challenge"] {
            assert!(matches_with(action, "path = '/admin/*'", &verdict, &on(path)), "{action} {path}");
        }
    }
    assert!(matches_with("accept", "path = '/api/*'", &verdict, &on("/x/../%61pi/y?q=//")));
    assert!(!matches_with("reject", "path = '/admin/*'", &verdict, &on("/api/x")));
}

#[test]
fn the_first_rule_that_matches_decides() {
    let text = "[[rule]]\nname = 'one'\nwhen = { path = '/x' }\nthen = { action = 'reject' }\n\
                [[rule]]\nname = 'two'\nthen = { action = 'monitor' }";
    let policy = Policy::parse("p", text).unwrap();
    let verdict = Verdict::sample(Standing::Verified);
    let rule = |path| policy.rule_for(&View::of(&verdict, &on(path))).name.to_string();
    assert_eq!((rule("/x"), rule("/y")), ("one".into(), "two".into()));
}

#[test]
fn what_no_rule_matches_meets_the_model() {
    let policy = Policy::parse("p", "").unwrap();
    let name = |standing| policy.rule_for(&View::of(&Verdict::sample(standing), &on("/"))).name.to_string();
    assert_eq!(name(Standing::Verified), "model/verified");
    assert_eq!(name(PERMANENT), "model/invalid");
}

#[test]
fn every_problem_of_a_policy_is_found_with_line_and_fix() {
    let text = r#"
[[rule]]
name = "partners"
when = { klass = 3, identity = ["*gptbot@openai.example"], method = "get", path = ["/%61pi"] }
then = { action = "acept", priority = "high" }

[[rule]]
name = "partners"
when = { class = 3, cause = "temporary" }
then = { action = "throttle" }

[[rule]]
when = { ip = ["192.0.2.1/24"], path = [] }
then = { action = "reject", rate = "1/s" }

[[rule]]
name = "no then"
"#;
    let problems = Policy::parse("p.toml", text).unwrap_err();
    let found: Vec<_> = problems.list.iter().map(|p| (p.line, p.what.as_str(), p.fix.as_str())).collect();
    for (line, what, fix) in [
        (4, "unknown key `rule.when.klass`", "did you mean `class`?"),
        (4, "`rule.when.identity` is not an identity", "write \"acme.example\""),
        (4, "`rule.when.method` is not a method in capitals", "write \"GET\""),
        (4, "`rule.when.path` is not a normalised path", "write \"/api\""),
        (5, "`rule.then.action` is not a word known here", "did you mean \"accept\"?"),
        (8, "`rule.name` is the name of the rule in line 2 too", "give each rule"),
        (9, "`rule.when` can never hold", "identities exist in classes 2 and 3"),
        (10, "`rule.then.rate` is missing", "add `rate"),
        (12, "`rule.name` is missing", "add `name"),
        (13, "`rule.when.ip` is not a network, it has host bits", "write \"192.0.2.0/24\""),
        (13, "`rule.when.path` is an empty list", "name at least one"),
        (14, "`rule.then.rate` means nothing with action \"reject\"", "remove it"),
        (16, "`rule.then` is missing", "add `then"),
        (17, "`rule.name` is not a name", "write at most 64"),
    ] {
        assert!(
            found.iter().any(|(l, w, f)| *l == line && w.starts_with(what) && f.starts_with(fix)),
            "{line} {what}\n{problems}"
        );
    }
    assert_eq!(found.len(), 14, "{problems}");
}

#[test]
fn identities_outside_their_classes_are_contradictions() {
    let text =
        |when: &str| format!("[[rule]]\nname = 'r'\nwhen = {{ {when} }}\nthen = {{ action = 'reject' }}");
    for when in [
        "class = [0, 1], identity = 'acme.example'",
        "standing = 'undetermined', domain = 'acme.example'",
        "class = 3, standing = 'invalid'",
        &format!("class = 3, pseudonym = '{}'", key(1)),
    ] {
        assert!(Policy::parse("p", &text(when)).is_err(), "{when}");
    }
    assert!(Policy::parse("p", &text("class = [0, 2], identity = 'acme.example'")).is_ok());
}

#[test]
fn limits_count_whom_the_rule_says() {
    let subject = |then: &str, when: &str, verdict: &Verdict| {
        let text = format!(
            "[[rule]]\nname = 'r'\nwhen = {{ {when} }}\nthen = {{ action = 'accept', rate = '1/s'{then} }}"
        );
        let policy = Policy::parse("p", &text).unwrap();
        let facts = on("/");
        let view = View::of(verdict, &facts);
        let quota = policy.rule_for(&view).treatment.quota.clone().unwrap();
        format!("{:?}", quota.subject(&view))
    };
    let agent = Verdict::sample(Standing::Verified).with_identity("a@acme.example");
    let pseudonym = Verdict::sample(Standing::Pseudonymous).with_pseudonym(key(1));
    let anonymous = Verdict::sample(Standing::Anonymous);
    assert!(subject("", "", &agent).starts_with("Agent"));
    assert!(subject(", per = 'domain'", "", &agent).starts_with("Domain"));
    assert!(subject(", per = 'address'", "", &agent).starts_with("Address"));
    assert!(subject("", "", &anonymous).starts_with("Address"));
    assert!(subject("", "", &pseudonym).starts_with("Address"), "a new key must not be a new allowance");
    assert!(subject(", per = 'pseudonym'", "", &pseudonym).starts_with("Pseudonym"));
    let when = format!("pseudonym = '{}'", key(1));
    assert!(subject("", &when, &pseudonym).starts_with("Pseudonym"));
}

#[test]
fn only_rules_that_allow_reserve_a_share_for_the_domains_they_name() {
    let text = "[[rule]]\nname = 'a'\nwhen = { identity = ['x@acme.example', '*.other.example'] }\n\
                then = { action = 'accept' }\n\
                [[rule]]\nname = 'b'\nwhen = { domain = 'evil.example' }\nthen = { action = 'reject' }";
    let policy = Policy::parse("p", text).unwrap();
    assert_eq!(policy.named_domains().map(|d| d.to_string()).collect::<Vec<_>>(), ["acme.example"]);
}

#[test]
fn a_limit_keeps_its_cells_wherever_its_rule_moves() {
    let rule = |name| format!("[[rule]]\nname = '{name}'\nthen = {{ action = 'throttle', rate = '5/s' }}\n");
    let id = |text: &str, name: &str| {
        let policy = Policy::parse("p", text).unwrap();
        let rule = policy.rules.iter().find(|rule| &*rule.name == name).unwrap().clone();
        rule.treatment.quota.unwrap().limit.id()
    };
    let (alone, moved) = (rule("a"), rule("b") + &rule("a"));
    assert_eq!(id(&alone, "a"), id(&moved, "a"));
    assert_ne!(id(&moved, "b"), id(&moved, "a"));
}

fn findings(text: &str) -> Vec<(FindingKind, String, usize)> {
    let policy = Policy::parse("p", text).unwrap_or_else(|problems| panic!("{problems}"));
    let found = policy.findings().into_iter();
    found.map(|Finding { kind, rule, line }| (kind, rule.to_string(), line)).collect()
}

#[test]
fn the_model_and_the_usual_policies_raise_no_finding() {
    assert_eq!(Policy::model().findings(), []);
    let text = r#"
[[rule]]
name = "partners"
when = { class = 3, identity = ["*.gptbot@openai.example", "acme.example"], path = ["/api/*"], method = ["GET"] }
then = { action = "accept", priority = "high", rate = "100/s", burst = 200 }
[[rule]]
name = "api"
when = { path = "/api/*", class = [0, 1] }
then = { action = "challenge" }
[[rule]]
name = "liars"
when = { standing = "invalid" }
then = { action = "reject" }
"#;
    assert_eq!(findings(text), []);
}

#[test]
fn class_1_faring_better_than_class_0_is_found_where_it_does() {
    let favours = |when: &str, then: &str| {
        let text = format!(
            "[[rule]]\nname = 'a'\nwhen = {{ {when} }}\nthen = {{ {then} }}\n\
             [[rule]]\nname = 'b'\nwhen = {{ class = 0 }}\nthen = {{ action = 'throttle', rate = '5/s' }}"
        );
        findings(&text).contains(&(FindingKind::UnprovedFavoured, "a".into(), 1))
    };
    assert!(favours("class = 1", "action = 'accept'"));
    assert!(favours("class = 1", "action = 'throttle', rate = '6/s', priority = 'low'"));
    assert!(!favours("class = 1", "action = 'throttle', rate = '5/s', priority = 'low'"));
    assert!(!favours("class = 1", "action = 'challenge'"));
    assert!(favours("cause = 'temporary', path = '/x/*'", "action = 'accept'"));
    assert!(favours("mechanism = 'saip-rolling'", "action = 'accept'"), "a claim by it may have failed");
    assert!(!favours("mechanism = 'saip-rolling', class = 3", "action = 'accept'"));
}

#[test]
fn anonymous_requests_refused_everywhere_are_found() {
    let refuse = |when: &str| {
        let text = format!("[[rule]]\nname = 'a'\nwhen = {{ {when} }}\nthen = {{ action = 'reject' }}");
        findings(&text).iter().any(|(kind, _, _)| *kind == FindingKind::AnonymousRefused)
    };
    assert!(refuse("class = 0") && refuse("class = [0, 1]") && refuse(""));
    assert!(
        !refuse("class = 0, path = '/api/*'") && !refuse("class = 1") && !refuse("standing = 'pseudonymous'")
    );
    let elsewhere = "[[rule]]\nname = 'open'\nwhen = { path = '/open/*' }\nthen = { action = 'accept' }\n\
                     [[rule]]\nname = 'a'\nwhen = { class = 0 }\nthen = { action = 'reject' }";
    assert!(!findings(elsewhere).iter().any(|(kind, _, _)| *kind == FindingKind::AnonymousRefused));
}

#[test]
fn rules_that_never_decide_are_found() {
    let unreachable = |first: &str, second: &str| {
        let text = format!(
            "[[rule]]\nname = 'a'\nwhen = {{ {first} }}\nthen = {{ action = 'monitor' }}\n\
             [[rule]]\nname = 'b'\nwhen = {{ {second} }}\nthen = {{ action = 'accept' }}"
        );
        findings(&text).contains(&(FindingKind::Unreachable, "b".into(), 5))
    };
    assert!(unreachable("", "class = 3"));
    assert!(unreachable("class = [2, 3]", "identity = 'acme.example'"));
    assert!(unreachable("path = '/x/*'", "path = '/x/*', class = 3"));
    assert!(!unreachable("path = '/x/*', class = 3", "path = '/x/*'"));
    assert!(!unreachable("class = 3", "class = [2, 3]"));
    assert!(!unreachable("path = '/x'", "path = '/y'"));
}

#[test]
fn other_traps_are_found() {
    let by_key = "[[rule]]\nname = 'a'\nthen = { action = 'accept', rate = '1/s', per = 'pseudonym' }";
    assert!(findings(by_key).contains(&(FindingKind::EvadableLimit, "a".into(), 1)));
    let worse = "[[rule]]\nname = 'a'\nwhen = { class = 3 }\nthen = { action = 'challenge' }";
    assert!(findings(worse).contains(&(FindingKind::ProvedDisfavoured, "a".into(), 1)));
}

#[test]
fn an_explanation_names_what_differs_and_what_decides() {
    let text = "[[rule]]\nname = 'a'\nwhen = { class = 3, mechanism = 'saip-direct', path = '/x' }\n\
                then = { action = 'accept' }\n\
                [[rule]]\nname = 'b'\nwhen = { class = 0 }\nthen = { action = 'monitor' }\n\
                [[rule]]\nname = 'c'\nthen = { action = 'reject' }";
    let policy = Policy::parse("p", text).unwrap();
    let explained = policy.explain(&Verdict::sample(Standing::Anonymous), &on("/y"));
    let differs = |key, found: &str| Mismatch { key, found: found.into() };
    let first =
        Matching::Differs(vec![differs("class", "0"), differs("mechanism", "none"), differs("path", "/y")]);
    let rules: Vec<_> = explained.iter().map(|e| (&*e.rule, e.line, &e.matching)).collect();
    assert_eq!(rules[..3], [("a", 1, &first), ("b", 5, &Matching::Decides), ("c", 9, &Matching::NotReached)]);
    assert_eq!(rules.last().unwrap(), &("model/invalid", 0, &Matching::NotReached));
}

#[test]
fn cases_are_tried_and_their_problems_listed() {
    let text = "[[rule]]\nname = 'a'\nwhen = { identity = '*.bots@acme.example', path = '/x/*' }\n\
                then = { action = 'accept', priority = 'medium' }";
    let policy = Policy::parse("p", text).unwrap();
    let cases = r#"
[[case]]
name = "bots may"
given = { standing = "verified", identity = "one.bots@acme.example", path = "/x/y" }
expect = { action = "accept", rule = "a", priority = "medium" }
[[case]]
name = "strangers may not"
given = { standing = "undetermined", cause = "permanent", path = "/x/y" }
expect = { action = "reject" }
"#;
    let results = policy.test("cases.toml", cases).unwrap();
    let came: Vec<_> = results.iter().map(|r| (r.line, r.as_expected, &*r.came.rule)).collect();
    assert_eq!(came, [(2, true, "a"), (6, false, "model/invalid")]);
    let bad = r#"
[[case]]
name = "x"
given = { standing = "invalid", identity = "acme.example", cause = "temporary", pth = "/" }
"#;
    let problems = policy.test("cases.toml", bad).unwrap_err().to_string();
    for part in [
        "`case.given.identity` cannot",
        "`case.given.cause` cannot",
        "did you mean `path`?",
        "`case.expect` is missing",
    ] {
        assert!(problems.contains(part), "{part}\n{problems}");
    }
}

#[test]
fn the_examples_of_the_documentation_load_and_come_out_as_written() {
    let page = include_str!("../../../../../docs/formats/policy.md");
    let blocks: Vec<_> = page.split("```toml\n").skip(1).filter_map(|b| b.split("```").next()).collect();
    let policy = Policy::parse("policy.md", blocks[0]).unwrap_or_else(|problems| panic!("{problems}"));
    let results = policy.test("policy.md", blocks[1]).unwrap_or_else(|problems| panic!("{problems}"));
    assert!(results.len() == 2 && results.iter().all(|result| result.as_expected), "{results:?}");
    assert_eq!(policy.findings(), []);
}

proptest! {
    #[test]
    fn any_text_is_parsed_without_panic(text in "\\PC*|(\\[\\[rule\\]\\]|name|when|then|=|\\{|\\}|'[a-z*@./]*'|class|[0-9]|,|\n| ){0,60}") {
        if let Err(problems) = Policy::parse("p", &text) {
            prop_assert!(problems.list.iter().all(|p| p.line > 0 && !p.what.is_empty() && !p.fix.is_empty()));
        }
    }
}

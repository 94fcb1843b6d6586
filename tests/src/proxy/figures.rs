//! What the figures say of requests: each counted once, under its names, and never more names than there is room.

use testkit::raw::{Raw, exchange};
use testkit::upstream::Upstream;

use super::operating::get;
use super::verdicts::Agent;
use super::{Config, gateway, gateway_with_zone};

/// The series of a figure and its values.
fn series<'t>(text: &'t str, name: &str) -> Vec<(&'t str, u64)> {
    let lines = text.lines().filter(|line| line.starts_with(&format!("{name}{{")));
    lines
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(name, value)| (name, value.parse().unwrap()))
        .collect()
}

fn value(text: &str, series: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in {text}")).parse().unwrap()
}

fn claiming(agent: &str, domain: &str) -> String {
    format!(
        "GET / HTTP/1.1\r\nHost: www.shop.example\r\nSAIP: dom=\"{domain}\"; id=\"{agent}\"\r\nContent-Length: 0\r\n\r\n"
    )
}

#[tokio::test]
async fn a_request_is_counted_under_verdict_reason_identity_and_rule() {
    let upstream = Upstream::start().await.unwrap();
    let agent = Agent::new();
    let lines = "admin.listen = '127.0.0.1:0'\nauthorities = ['www.shop.example']\n[[route]]\npath = '/closed'\nmode = 'enforce'\nrequire = 3";
    let running = gateway_with_zone(&upstream, lines, &format!("{}\n@ A 127.0.0.1", agent.record)).await;
    let address = running.addresses[0];
    let signed = agent.request("/", None, b"");
    for request in
        [signed.clone(), signed, claiming("x", "acme.example").into(), claiming("x", "b.example").into()]
    {
        exchange(address, request).await.unwrap().unwrap();
    }
    assert_eq!(get(address, "/closed").await.status(), 401);
    let text = get(running.admin.unwrap(), "/metrics").await.text();
    for (series, count) in [
        ("avouch_verdicts_total{class=\"3\",standing=\"verified\",cause=\"none\"}", 1),
        ("avouch_verdicts_total{class=\"2\",standing=\"partial\",cause=\"none\"}", 1),
        ("avouch_verdicts_total{class=\"1\",standing=\"invalid\",cause=\"none\"}", 1),
        ("avouch_verdicts_total{class=\"1\",standing=\"undetermined\",cause=\"temporary\"}", 1),
        ("avouch_verdicts_total{class=\"1\",standing=\"undetermined\",cause=\"permanent\"}", 0),
        ("avouch_mechanisms_total{mechanism=\"saip-rolling\"}", 1),
        ("avouch_mechanisms_total{mechanism=\"forward-address\"}", 1),
        ("avouch_reasons_total{reason=\"replayed\"}", 1),
        ("avouch_reasons_total{reason=\"expired\"}", 0),
        ("avouch_problems_total{reason=\"class-required\"}", 1),
        ("avouch_identity_requests_total{class=\"3\",identity=\"bot@acme.example\"}", 1),
        ("avouch_identity_requests_total{class=\"3\",identity=\"other\"}", 0),
        ("avouch_claim_requests_total{standing=\"undetermined\",claimed=\"x@b.example\"}", 1),
        ("avouch_claim_requests_total{standing=\"invalid\",claimed=\"bot@acme.example\"}", 1),
        ("avouch_rule_hits_total{policy=\"model\",rule=\"model/verified\"}", 1),
        ("avouch_rule_hits_total{policy=\"model\",rule=\"model/invalid\"}", 1),
        ("avouch_rule_hits_total{policy=\"model\",rule=\"no/rule\"}", 1),
    ] {
        assert_eq!(value(&text, series), count, "{series}");
    }
    let insight = running.insight();
    let verified = insight.identities(10).into_iter().find(|top| top.standing == "verified").unwrap();
    assert_eq!(
        (verified.total, &*verified.names[0].name, verified.names[0].seen),
        (1, "bot@acme.example", 1)
    );
    assert!(insight.policies().iter().any(|policy| policy.hits("model/invalid") == 1));
    running.stop().await;
}

#[tokio::test]
async fn made_up_names_make_no_more_series_and_all_are_counted() {
    let upstream = Upstream::start().await.unwrap();
    let running = gateway(&upstream, "admin.listen = '127.0.0.1:0'").await;
    let mut client = Raw::connect(running.addresses[0]).await.unwrap();
    const MANY: u64 = 3000;
    for at in 0..MANY {
        client.send(claiming("liar", &format!("{at}.made-up.example"))).await.unwrap();
        client.answer().await.unwrap().unwrap();
    }
    let text = get(running.admin.unwrap(), "/metrics").await.text();
    let claimed = series(&text, "avouch_claim_requests_total");
    assert_eq!(claimed.len(), 52, "fifty and others of one standing, others of the other");
    assert_eq!(claimed.iter().map(|(_, count)| count).sum::<u64>(), MANY);
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).count();
    assert!(lines < 480, "{lines}");
    running.stop().await;
}

#[tokio::test]
async fn hits_of_rules_outlive_a_reload() {
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("policy \"1\".toml");
    let upstream = Upstream::start().await.unwrap();
    let rule = |name: &str| format!("[[rule]]\nname = '{name}'\nthen = {{ action = 'accept' }}\n");
    let lines = format!("policy.file = '{}'\n", policy.display());
    std::fs::write(&policy, rule("one")).unwrap();
    let running = gateway(&upstream, &format!("admin.listen = '127.0.0.1:0'\n{lines}")).await;
    get(running.addresses[0], "/").await;
    std::fs::write(&policy, [rule("new"), rule("one")].concat()).unwrap();
    let text =
        format!("listen = '127.0.0.1:0'\nupstream = '{}'\nlog.access = 'off'\n{lines}", upstream.url());
    running.reload(Config::parse("test", &text).unwrap()).unwrap();
    get(running.addresses[0], "/").await;
    let text = get(running.admin.unwrap(), "/metrics").await.text();
    let name = policy.display().to_string().replace('"', "\\\"");
    for rule in ["one", "new"] {
        assert_eq!(value(&text, &format!("avouch_rule_hits_total{{policy=\"{name}\",rule=\"{rule}\"}}")), 1);
    }
    running.stop().await;
}

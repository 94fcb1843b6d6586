//! A real Prometheus reads the figures; the dashboard and the alert rules that are shipped make sense of them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use testkit::peers::require;
use testkit::prometheus::{PROGRAMS, Prometheus, tool};
use testkit::raw::exchange;
use testkit::redis::{self, Redis};
use testkit::upstream::Upstream;
use tokio::time::Instant;

use super::operating::get;
use super::verdicts::Agent;
use super::{Running, gateway_with_zone};

/// How long a test waits for a series: Prometheus reads five times a second.
const PATIENCE: Duration = Duration::from_secs(30);

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operate").join(name)
}

/// One request of each kind that the dashboard tells apart.
async fn traffic(running: &Running, agent: &Agent) {
    let address = running.addresses[0];
    let signed = agent.request("/", None, b"");
    let crawler = "GET / HTTP/1.1\r\nHost: www.shop.example\r\nUser-Agent: Googlebot/2.1\r\n\r\n";
    let bare = "GET / HTTP/1.1\r\nHost: www.shop.example\r\nSAIP: dom=\"acme.example\"; id=\"x\"\r\n\r\n";
    for request in [&signed[..], &signed, crawler.as_bytes(), bare.as_bytes()] {
        exchange(address, request).await.unwrap();
    }
    get(address, "/closed").await;
}

/// Every expression of every panel, with the variables of Grafana filled in.
fn expressions(dashboard: &Value) -> Vec<(String, String)> {
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| {
        let title = panel["title"].as_str().unwrap();
        panel["targets"]
            .as_array()
            .unwrap()
            .iter()
            .map(move |target| (title, target["expr"].as_str().unwrap()))
    });
    let filled = |text: &str| {
        [("$__rate_interval", "1m"), ("$__range", "5m"), ("$instance", ".+")]
            .iter()
            .fold(text.to_owned(), |text, (variable, value)| text.replace(variable, value))
    };
    targets.map(|(title, text)| (title.to_owned(), filled(text))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_panel_of_the_dashboard_shows_something_and_every_alert_rule_can_be_evaluated() {
    let Some(tools) = require(&[&PROGRAMS[..], &redis::PROGRAMS].concat()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let ranges = folder.path().join("gptbot.json");
    std::fs::write(&ranges, "{\"prefixes\":[{\"ipv4Prefix\":\"192.0.2.0/24\"}]}").unwrap();
    let redis = Redis::start(&tools, &[]).unwrap();
    let (upstream, agent) = (Upstream::start().await.unwrap(), Agent::new());
    let lines = format!(
        "admin.listen = '127.0.0.1:0'\nauthorities = ['www.shop.example']\nstore.url = '{}'\nstore.group = 'shop'\n\
         audit.folder = '{}'\n[[crawler]]\nname = 'GPTBot'\nranges = '{}'\n[[route]]\npath = '/closed'\nmode = 'enforce'\nrequire = 3",
        redis.url(),
        folder.path().join("audit").display(),
        ranges.display()
    );
    let running = gateway_with_zone(&upstream, &lines, &format!("{}\n@ A 127.0.0.1", agent.record)).await;
    traffic(&running, &agent).await;

    let admin = running.admin.unwrap();
    let metrics = get(admin, "/metrics").await.text();
    let found = tool(&tools, &["check", "metrics"], &metrics).unwrap();
    assert_eq!(found, "", "{metrics}");

    let prometheus = Prometheus::start(&tools, admin, &shipped("alerts.yml")).unwrap();
    let dashboard: Value =
        serde_json::from_str(&std::fs::read_to_string(shipped("grafana.json")).unwrap()).unwrap();
    let expressions = expressions(&dashboard);
    assert!(expressions.len() > 20);
    let until = Instant::now() + PATIENCE;
    for (panel, expression) in &expressions {
        loop {
            let shown = tokio::task::block_in_place(|| prometheus.query(expression)).unwrap();
            // A share of nothing is no number.
            if shown.iter().any(|line| !line.contains("NaN")) {
                break;
            }
            assert!(Instant::now() < until, "{panel} shows nothing: {expression}\n{shown:?}");
            traffic(&running, &agent).await;
        }
    }
    let class = prometheus.query("max_over_time(avouch_requests_total{class=\"3\",decision=\"accept\"}[1m])");
    assert_eq!(class.unwrap().len(), 1);
    rules_are_evaluated(&prometheus, until).await;
    running.stop().await;
}

/// Waits until each rule was evaluated without an error.
async fn rules_are_evaluated(prometheus: &Prometheus, until: Instant) {
    loop {
        let answer = get(prometheus.address(), "/api/v1/rules").await;
        let answer: Value = serde_json::from_slice(&answer.body).unwrap();
        let rules = answer["data"]["groups"][0]["rules"].as_array().unwrap();
        assert_eq!(rules.len(), 12);
        let of = |health: &str| rules.iter().filter(|rule| rule["health"] == health).count();
        assert_eq!(of("err"), 0, "{answer:#}");
        if of("ok") == rules.len() {
            return;
        }
        assert!(Instant::now() < until, "{answer:#}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[test]
fn every_alert_tells_its_trouble_and_keeps_silent_short_of_it() {
    let Some(tools) = require(&["promtool"]) else { return };
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/proxy/alerts.yml");
    let (rules, cases) = (shipped("alerts.yml").display().to_string(), cases.display().to_string());
    tool(&tools, &["check", "rules", &rules], "").unwrap();
    tool(&tools, &["test", "rules", &cases], "").unwrap();
    let text = std::fs::read_to_string(&rules).unwrap();
    let tested = std::fs::read_to_string(&cases).unwrap();
    for alert in text.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        let cases = tested.matches(&format!("alertname: {alert}\n")).count();
        assert!(cases >= 2, "{alert}: a case that is told, and one that is not");
    }
}

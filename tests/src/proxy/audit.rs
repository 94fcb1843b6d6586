//! The audit log: what is in it and what is not, in files and at a real syslog daemon.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use avouch_gateway::Running;
use avouch_gateway::config::Config;
use serde_json::{Value, json};
use testkit::binary;
use testkit::peers::require;
use testkit::process::Process;
use testkit::raw::exchange;
use testkit::rsyslog::{PROGRAM, Rsyslog};
use testkit::upstream::Upstream;

use super::operating::get;
use super::{gateway, verdicts::Agent};

/// How long a test waits for something that must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// A request whose SAIP header cannot be read: class 1.
const LYING: &str =
    "GET /lying HTTP/1.1\r\nHost: www.shop.example\r\nUser-Agent: a\"b\r\nSAIP: nothing\r\n\r\n";

/// The lines of all files of a folder, by day.
fn lines(folder: &Path) -> Vec<Value> {
    let mut files: Vec<_> =
        fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let text: String = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn events(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["event"].as_str().unwrap()).collect()
}

/// Waits until a text is there that is enough.
async fn until(read: impl Fn() -> String, is_enough: impl Fn(&str) -> bool) -> String {
    let waiting = async {
        loop {
            let text = read();
            if is_enough(&text) {
                return text;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("in vain: {}", read()))
}

#[tokio::test]
async fn false_claims_and_what_rules_monitor_are_written_and_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let (audit, policy) = (folder.path().join("audit"), folder.path().join("policy.toml"));
    fs::write(
        &policy,
        "[[rule]]\nname = 'watched'\nwhen = { path = '/watched' }\nthen = { action = 'monitor' }",
    )
    .unwrap();
    let upstream = Upstream::start().await.unwrap();
    let lines_of = format!(
        "admin.listen = '127.0.0.1:0'\npolicy.file = '{}'\n[audit]\nfolder = '{}'\nipv4_prefix = 24",
        policy.display(),
        audit.display()
    );
    let running = gateway(&upstream, &lines_of).await;
    let address = running.addresses[0];
    exchange(address, LYING).await.unwrap();
    get(address, "/watched").await;
    get(address, "/").await;
    running.stop().await;
    let lines = lines(&audit);
    assert_eq!(events(&lines), ["start", "request", "request", "stop"]);
    let lying = &lines[1];
    assert_eq!((&lying["path"], &lying["peer"]), (&json!("/lying"), &json!("127.0.0.0/24")));
    assert_eq!((&lying["verdict"]["class"], &lying["user_agent"]), (&json!(1), &json!("a\"b")));
    assert_eq!(lying["verdict"]["reasons"][0], "header-malformed");
    assert_eq!((&lines[2]["path"], &lines[2]["audit"]), (&json!("/watched"), &json!(true)));
    assert_eq!(lines[0]["in_force"], lines[3]["in_force"]);
}

#[tokio::test]
async fn a_reload_is_written_with_what_was_before_and_a_refused_one_with_its_problems() {
    let folder = tempfile::tempdir().unwrap();
    let (audit, policy) = (folder.path().join("audit"), folder.path().join("policy.toml"));
    let rule = |name: &str| format!("[[rule]]\nname = '{name}'\nthen = {{ action = 'accept' }}\n");
    fs::write(&policy, rule("one")).unwrap();
    let upstream = Upstream::start().await.unwrap();
    let more = format!("policy.file = '{}'\naudit.folder = '{}'", policy.display(), audit.display());
    let running = gateway(&upstream, &more).await;
    let config = |more: &str| {
        let text =
            format!("listen = '127.0.0.1:0'\nupstream = '{}'\nlog.access = 'off'\n{more}", upstream.url());
        Config::parse("test", &text).unwrap()
    };
    fs::write(&policy, rule("two")).unwrap();
    running.reload(config(&more)).unwrap();
    fs::write(&policy, rule("a b")).unwrap();
    assert!(running.reload(config(&more)).is_err());
    running.stop().await;
    let lines = lines(&audit);
    assert_eq!(events(&lines), ["start", "reload", "reload", "stop"]);
    let version = |line: &Value, when: &str| line[when]["policies"][policy.to_str().unwrap()].clone();
    let (start, done, refused) = (&lines[0], &lines[1], &lines[2]);
    assert_eq!((&done["outcome"], &done["asked_by"]), (&json!("done"), &json!("program")));
    assert_eq!(version(start, "in_force"), version(done, "before"));
    assert_ne!(version(done, "before"), version(done, "in_force"));
    assert_eq!(done["waiting"], json!(["[store]"]), "store.fresh is another");
    assert_eq!(
        (&refused["outcome"], version(refused, "in_force")),
        (&json!("refused"), version(done, "in_force"))
    );
    assert!(refused["problems"][0].as_str().unwrap().contains("policy.toml"), "{refused}");
}

#[test]
fn what_asked_for_a_reload_is_written_and_a_file_that_cannot_be_read_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (file, audit) = (folder.path().join("gateway.toml"), folder.path().join("audit"));
    let text = "listen = '127.0.0.1:0'\nupstream = 'http://127.0.0.1:9'\nlog.access = 'off'\ndns.resolvers = '127.0.0.1'\naudit.folder = 'audit'\n";
    fs::write(&file, text).unwrap();
    let mut command = Command::new(binary::path());
    let mut gateway = Process::start(command.args(["gateway", "run", "--config"]).arg(&file)).unwrap();
    gateway.hear(|line| line.contains("127.0.0.1:").then_some(())).unwrap();
    gateway.signal("HUP").unwrap();
    gateway.hear(|line| line.contains("configuration reloaded").then_some(())).unwrap();
    fs::write(&file, format!("{text}mode = 'observed'\n")).unwrap();
    gateway.hear(|line| line.contains("configuration not reloaded").then_some(())).unwrap();
    fs::write(&file, format!("{text}mode = 'advise'\n")).unwrap();
    gateway.hear(|line| line.contains("configuration reloaded").then_some(())).unwrap();
    gateway.signal("TERM").unwrap();
    assert!(gateway.wait().unwrap().success());
    let lines = lines(&audit);
    assert_eq!(events(&lines), ["start", "reload", "reload", "reload", "stop"]);
    let asked: Vec<_> =
        lines.iter().map(|line| (line["asked_by"].as_str(), line["outcome"].as_str())).collect();
    let (signal, files) = (Some("signal"), Some("files"));
    assert_eq!(asked[1..4], [(signal, Some("done")), (files, Some("refused")), (files, Some("done"))]);
    assert!(lines[2]["problems"][0].as_str().unwrap().contains("gateway.toml:"), "{}", lines[2]);
    let configuration = |at: usize| lines[at]["in_force"]["configuration"].clone();
    assert_eq!(configuration(0), configuration(2));
    assert_ne!(configuration(2), configuration(3));
}

/// The lines for rsyslog on the page.
fn shown() -> String {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operate/audit-log.md"));
    let page = page.unwrap();
    let (_, rest) = page.split_once("```rsyslog\n").unwrap();
    let (block, _) = rest.split_once("```").unwrap();
    block.replace("/run/avouch/", "FOLDER/").replace("/var/log/avouch/", "FOLDER/")
}

async fn lie(upstream: &Upstream, receiver: &str) -> Running {
    let running = gateway(upstream, &format!("audit.syslog = '{receiver}'")).await;
    exchange(running.addresses[0], LYING).await.unwrap();
    running
}

#[tokio::test]
async fn rsyslog_understands_every_message_by_socket_udp_and_tcp() {
    let Some(tools) = require(&[PROGRAM]) else { return };
    let rsyslog = Rsyslog::start(&tools, &shown(), "FOLDER").unwrap();
    let upstream = Upstream::start().await.unwrap();
    let written = || fs::read_to_string(rsyslog.path("syslog")).unwrap_or_default();
    let socket = rsyslog.path("syslog.sock");
    until(|| socket.exists().to_string(), |there| there == "true").await;
    let receivers = [
        format!("unix:{}", socket.display()),
        format!("udp://{}", rsyslog.udp()),
        format!("tcp://{}", rsyslog.tcp()),
    ];
    for (before, receiver) in receivers.iter().enumerate() {
        lie(&upstream, receiver).await.stop().await;
        let text = until(written, |text| text.lines().count() >= 3 * (before + 1)).await;
        let new: Vec<_> = text.lines().skip(3 * before).collect();
        // As rsyslog writes what it understood: priority, version, time, host, application, process, id, data, text.
        let ids: Vec<_> = new.iter().map(|line| line.split(' ').nth(5).unwrap()).collect();
        assert_eq!(ids, ["start", "request", "stop"], "{receiver}: {text}");
        assert!(new[1].starts_with("<84>1 ") && new[1].contains(" avouch "), "{}", new[1]);
        assert!(new[1].contains("standing=\"invalid\" reason=\"header-malformed\""), "{}", new[1]);
        assert!(new[1].ends_with("] GET www.shop.example /lying"), "{}", new[1]);
        assert!(new[0].starts_with("<85>1 "), "{}", new[0]);
    }
}

#[tokio::test]
async fn a_receiver_that_is_away_holds_no_request_up_and_what_it_misses_is_counted() {
    let upstream = Upstream::start().await.unwrap();
    let more = "admin.listen = '127.0.0.1:0'\naudit.syslog = 'unix:/no/such/socket'";
    let running = gateway(&upstream, more).await;
    let mut client = testkit::raw::Raw::connect(running.addresses[0]).await.unwrap();
    for _ in 0..5000 {
        client.send(LYING).await.unwrap();
        assert_eq!(client.answer().await.unwrap().unwrap().status(), 200);
    }
    let agent = Agent::new();
    assert_eq!(
        exchange(running.addresses[0], agent.request("/", None, b"")).await.unwrap().unwrap().status(),
        200
    );
    let text = get(running.admin.unwrap(), "/metrics").await.text();
    let dropped = "avouch_audit_records_total{target=\"syslog\",outcome=\"dropped\"} ";
    let dropped: u64 = text.lines().find_map(|line| line.strip_prefix(dropped)).unwrap().parse().unwrap();
    assert!((900..1000).contains(&dropped), "{dropped}");
    let stopping = tokio::time::Instant::now();
    running.stop().await;
    assert!(stopping.elapsed() < Duration::from_secs(15));
}

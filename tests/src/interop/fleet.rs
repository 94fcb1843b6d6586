//! `avouch demo --fleet`: agents with keys in TPMs, from enrolment to revocation; by the registrar's own zone, BIND, Knot.

use std::process::Command;

use avouch_demo::{Fleet, Zone};
use serde_json::Value;
use testkit::binary;
use testkit::peers::require;
use testkit::primary::{Kind, Primary};

fn demo(arguments: &[&str]) -> Command {
    let mut command = Command::new(binary::path());
    command.arg("demo").args(arguments);
    command
}

#[test]
fn of_a_hundred_agents_exactly_the_revoked_fleet_is_of_class_1_after_the_ttl() {
    let Some(_) = require(&["swtpm", "curl"]) else { return };
    let output = demo(&["--fleet", "100", "--once", "--json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let of = |scene: &str, class: u64| -> Vec<&str> {
        let rows = rows.iter().filter(|row| row["scene"] == scene && row["class"] == class);
        rows.map(|row| row["name"].as_str().unwrap()).collect()
    };
    let (before, after) = ("Every agent is published", "One fleet is revoked");
    assert_eq!((of(before, 3).len(), of(before, 1).len(), of(before, 0).len()), (100, 0, 1));
    assert_eq!((of(after, 3).len(), of(after, 1).len(), of(after, 0).len()), (75, 25, 1));
    assert!(of(after, 1).iter().all(|name| name.ends_with(".lagos")));
}

#[test]
fn without_a_software_tpm_it_says_how_to_get_one() {
    let output = demo(&["--fleet", "4"]).env("PATH", "/nonexistent").output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let folder = tempfile::tempdir().unwrap();
    let Some(tools) = require(&["curl"]) else { return };
    std::os::unix::fs::symlink(tools.path("curl"), folder.path().join("curl")).unwrap();
    let output = demo(&["--fleet", "4"]).env("PATH", folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, "error: swtpm is not there\n  fix: install it, on Debian by `apt install swtpm`\n");
}

async fn a_fleet_at(kind: Kind) {
    let Some(tools) = require(&[kind.programs(), &["swtpm", "curl"]].concat()) else { return };
    let primary = Primary::start(kind, &tools, "_saip.acme.example.").unwrap();
    let zone = Zone::At(primary.address(), primary.key("registrar"));
    let mut fleet = Fleet::start(12, &zone).await.unwrap();
    let rows = fleet.play(|_| ()).await.unwrap();
    let wrong: Vec<_> = rows.iter().filter(|row| !row.as_expected).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(rows.len(), 26);
    let record = |name: &str| primary.dig(&format!("{name}._saip.acme.example"), "TXT").unwrap();
    assert_eq!(record("lagos"), "\"v=saip1; pk=\"");
    assert!(record("unit-001.berlin").starts_with("\"v=saip1; pk="), "{}", record("unit-001.berlin"));
    fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_is_published_and_revoked_at_bind() {
    a_fleet_at(Kind::Bind).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_is_published_and_revoked_at_knot() {
    a_fleet_at(Kind::Knot).await;
}

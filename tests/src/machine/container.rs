//! The container: what its file says, and how its health is asked.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use avouch_gateway::config::Config;
use testkit::bind::free_port;
use testkit::peers::require;
use testkit::process::Process;

use super::{configure, run};

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/container").join(name)
}

#[test]
fn hadolint_finds_nothing_wrong_with_the_dockerfile_and_something_with_a_near_miss() {
    let Some(peers) = require(&["hadolint"]) else { return };
    let is_clean = |file: &Path| {
        let mut hadolint = Command::new(peers.path("hadolint"));
        hadolint.arg(file).stdout(Stdio::inherit()).status().unwrap().success()
    };
    assert!(is_clean(&shipped("Dockerfile")));
    let folder = tempfile::tempdir().unwrap();
    let near = folder.path().join("Dockerfile");
    let text = fs::read_to_string(shipped("Dockerfile")).unwrap();
    fs::write(&near, text.replace("rust:1.95.0-bookworm", "rust:latest")).unwrap();
    assert!(!is_clean(&near));
}

#[test]
fn the_container_runs_what_there_is_as_nobody_else_and_by_a_configuration_that_loads() {
    let text = fs::read_to_string(shipped("Dockerfile")).unwrap();
    let (_, image) = text.split_once("FROM scratch\n").unwrap();
    assert!(image.contains("USER 65532:65532\n") && !image.contains("RUN "));
    let passwd = fs::read_to_string(shipped("passwd")).unwrap();
    assert!(passwd.starts_with("avouch:x:65532:65532:"));
    let toolchain =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../rust-toolchain.toml")).unwrap();
    let version =
        toolchain.lines().find_map(|line| line.strip_prefix("channel = \"")?.strip_suffix('"')).unwrap();
    assert!(text.contains(&format!("rust:{version}-bookworm")), "{version}");
    let config = Config::load(&shipped("gateway.toml")).unwrap();
    assert!(config.admin.is_some(), "its health is asked there");
    for line in image.lines().filter(|line| line.contains("\"gateway\"")) {
        let words: Vec<_> =
            line.split('"').skip(1).step_by(2).filter(|word| !word.starts_with('/')).collect();
        let known = Command::new(testkit::binary::path()).args(&words[..2]).arg("--help").output().unwrap();
        assert!(known.status.success(), "{words:?}");
    }
}

#[test]
fn health_is_what_the_gateway_at_work_says() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port().unwrap();
    let lines =
        format!("listen = '127.0.0.1:0'\nupstream = 'http://127.0.0.1:9'\nadmin.listen = '127.0.0.1:{port}'");
    let config = configure(folder.path(), &lines);
    let ready = |config: &Path| {
        let mut ready = Command::new(testkit::binary::path());
        ready.args(["gateway", "ready", "--config"]).arg(config).output().unwrap().status.code()
    };
    assert_eq!(ready(&config), Some(4), "nobody answers");
    let mut process = Process::start(&mut run(&config)).unwrap();
    process.hear(|line| line.starts_with("listening on").then_some(())).unwrap();
    assert_eq!(ready(&config), Some(0));
    process.signal("TERM").unwrap();
    process.wait().unwrap();
    assert_eq!(ready(&config), Some(4));
    let without = configure(folder.path(), "listen = '127.0.0.1:0'\nupstream = 'http://127.0.0.1:9'");
    assert_eq!(ready(&without), Some(3));
}

//! The program as a machine runs it: sockets of systemd's, what it tells systemd, its unit, its package.

mod activation;
mod container;
mod doctor;
mod notices;
mod package;
mod units;

use std::fs;
use std::path::Path;
use std::process::Command;

use testkit::binary;

/// Writes the configuration of a gateway that remembers nothing and logs nothing; where it is.
fn configure(folder: &Path, lines: &str) -> std::path::PathBuf {
    let file = folder.join("gateway.toml");
    let common = "log.access = 'off'\nstore.fresh = true\nprivate_peers = 'clients'\n";
    fs::write(&file, format!("{common}{lines}\n")).unwrap();
    file
}

/// `avouch gateway run`, with nothing of systemd's about it.
fn gateway(program: &Path, config: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(["gateway", "run", "--config"]).arg(config);
    for told in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "WATCHDOG_USEC"] {
        command.env_remove(told);
    }
    command
}

/// The same, as it was built.
fn run(config: &Path) -> Command {
    gateway(&binary::path(), config)
}

//! Unbound on loopback: a recursive resolver of another hand, which validates.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::process::Command;

use tempfile::TempDir;

use crate::peers::Peers;
use crate::process::Process;

/// The program that a test asks [`crate::peers::require`] for.
pub const PROGRAM: &str = "unbound";

/// A running `unbound` in a folder of its own; it ends when dropped.
#[derive(Debug)]
pub struct Unbound {
    _process: Process,
    address: SocketAddr,
    _folder: TempDir,
}

impl Unbound {
    /// Starts one at an address, trusting a root key (a DNSKEY record), which asks these servers for these zones and what is
    /// below them. It denies from what it knows (RFC 8198) where it may.
    ///
    /// # Errors
    /// What went wrong, with what the program said.
    pub fn start(
        tools: &Peers,
        address: SocketAddr,
        root_key: &str,
        zones: &[(&str, SocketAddr)],
    ) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().display();
        let (ip, port, key) = (address.ip(), address.port(), root_key.trim());
        let mut text = format!(
            "server:\n  interface: {ip}\n  port: {port}\n  num-threads: 1\n  do-daemonize: no\n  chroot: \"\"\n  \
             username: \"\"\n  directory: \"{path}\"\n  pidfile: \"\"\n  use-syslog: no\n  logfile: \"\"\n  verbosity: 1\n  \
             do-ip6: no\n  do-not-query-localhost: no\n  access-control: 127.0.0.0/8 allow\n  \
             module-config: \"validator iterator\"\n  aggressive-nsec: yes\n  qname-minimisation: yes\n  \
             harden-below-nxdomain: yes\n  local-zone: \"invalid.\" nodefault\n  trust-anchor: '{key}'\n\
             remote-control:\n  control-enable: no\n"
        );
        for (zone, server) in zones {
            let (ip, port) = (server.ip(), server.port());
            let _ = writeln!(text, "stub-zone:\n  name: \"{zone}\"\n  stub-addr: {ip}@{port}");
        }
        fs::write(folder.path().join("unbound.conf"), text)?;
        let mut command = Command::new(tools.path(PROGRAM));
        let process =
            Process::start(command.args(["-d", "-p", "-c"]).arg(folder.path().join("unbound.conf")))?;
        process.hear(|line| line.contains("start of service").then_some(()))?;
        Ok(Self { _process: process, address, _folder: folder })
    }

    /// Where it listens, for UDP and TCP.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

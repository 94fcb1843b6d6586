//! rsyslog in a folder of its own, for an ordinary user.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::peers::Peers;
use crate::process::Process;

/// The program that a test asks [`crate::peers::require`] for.
pub const PROGRAM: &str = "rsyslogd";

/// How long its sockets are waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// An rsyslog; it ends when dropped.
#[derive(Debug)]
pub struct Rsyslog {
    _process: Process,
    folder: TempDir,
    udp: SocketAddr,
    tcp: SocketAddr,
}

impl Rsyslog {
    /// Starts one that listens by UDP and TCP too, with these lines, in which `folder` stands for its own.
    ///
    /// # Errors
    /// What went wrong, with what it said.
    pub fn start(tools: &Peers, lines: &str, folder: &str) -> io::Result<Self> {
        let own = tempfile::tempdir()?;
        let path = own.path();
        // Nobody else is given this port between here and its start, as likely as not; else the test fails.
        let udp = UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
        let text = format!(
            "global(workDirectory=\"{0}\")\nmodule(load=\"imuxsock\" SysSock.Use=\"off\")\nmodule(load=\"imudp\")\n\
             module(load=\"imtcp\")\ninput(type=\"imudp\" address=\"127.0.0.1\" port=\"{1}\")\n\
             input(type=\"imtcp\" address=\"127.0.0.1\" port=\"0\" listenPortFileName=\"{0}/port\")\n{2}\n",
            path.display(),
            udp.port(),
            lines.replace(folder, &path.display().to_string())
        );
        let file = path.join("rsyslog.conf");
        std::fs::write(&file, text)?;
        let mut command = Command::new(tools.path(PROGRAM));
        command.arg("-n").arg("-f").arg(file).arg("-i").arg(path.join("pid"));
        let process = Process::start(&mut command)?;
        let port = port(&path.join("port"))?;
        Ok(Self { _process: process, udp, tcp: SocketAddr::from(([127, 0, 0, 1], port)), folder: own })
    }

    /// Where it listens by UDP.
    #[must_use]
    pub const fn udp(&self) -> SocketAddr {
        self.udp
    }

    /// Where it listens by TCP.
    #[must_use]
    pub const fn tcp(&self) -> SocketAddr {
        self.tcp
    }

    /// A file or socket in its folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// The port it got, as soon as it says so.
#[expect(clippy::disallowed_methods, reason = "rsyslog says by a file that it listens, which is waited for")]
fn port(file: &Path) -> io::Result<u16> {
    let until = Instant::now() + PATIENCE;
    loop {
        let said = std::fs::read_to_string(file).unwrap_or_default();
        if let Ok(port) = said.trim().parse() {
            return Ok(port);
        }
        if Instant::now() > until {
            return Err(io::Error::other("rsyslog does not listen"));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

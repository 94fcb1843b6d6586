//! PostgreSQL in a folder of its own, reached by a socket in it.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use tempfile::TempDir;

use crate::bind::free_port;
use crate::certificate::Certificate;
use crate::peers::Peers;
use crate::process::Process;

/// The programs that [`Postgres::start`] needs.
pub const PROGRAMS: [&str; 2] = ["initdb", "postgres"];

/// Whom it runs as where root runs the tests, which it refuses to run as: nobody.
const NOBODY: u32 = 65_534;

/// A running server with a database `postgres`; it ends when dropped.
#[derive(Debug)]
pub struct Postgres {
    process: Process,
    port: Option<u16>,
    /// After the process: the folder goes when nothing runs in it any more.
    folder: TempDir,
}

impl Postgres {
    /// Makes a cluster and serves it. It does not wait for the disk: nobody pulls a plug here.
    ///
    /// # Errors
    /// What went wrong, with what the program said.
    pub fn start(tools: &Peers) -> io::Result<Self> {
        Self::start_by(tools, None)
    }

    /// The same, which listens at a port of 127.0.0.1, too, and takes nobody there without TLS, by this certificate.
    ///
    /// # Errors
    /// As [`Postgres::start`].
    pub fn start_secured(tools: &Peers, certificate: &Certificate) -> io::Result<Self> {
        Self::start_by(tools, Some((free_port()?, certificate)))
    }

    fn start_by(tools: &Peers, secured: Option<(u16, &Certificate)>) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let is_root = fs::metadata("/proc/self").map(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0)?;
        if is_root {
            chown(folder.path(), Some(NOBODY), Some(NOBODY))?;
        }
        let run = |program: &str| {
            let mut command = Command::new(tools.path(program));
            command.current_dir(folder.path());
            if is_root {
                command.uid(NOBODY).gid(NOBODY);
            }
            command
        };
        let made = run("initdb").args(["-D", "data", "-U", "avouch", "-A", "trust", "--no-sync"]).output()?;
        if !made.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&made.stderr).into_owned()));
        }
        let socket = folder.path().display().to_string();
        let mut command = run("postgres");
        command.args(["-D", "data", "-F", "-k", &socket, "-c", "log_min_messages=log"]);
        match secured {
            None => command.args(["-c", "listen_addresses="]),
            Some((port, certificate)) => {
                let data = folder.path().join("data");
                fs::write(data.join("pg_hba.conf"), "hostssl all all 127.0.0.1/32 trust\n")?;
                fs::write(data.join("server.crt"), &certificate.certificate)?;
                let key = data.join("server.key");
                fs::write(&key, &certificate.key)?;
                fs::set_permissions(&key, fs::Permissions::from_mode(0o600))?;
                if is_root {
                    chown(&key, Some(NOBODY), Some(NOBODY))?;
                }
                command.args(["-c", "listen_addresses=127.0.0.1", "-c", "ssl=on", "-p", &port.to_string()])
            }
        };
        let process = Process::start(&mut command)?;
        process.hear(|line| line.contains("ready to accept connections").then_some(()))?;
        Ok(Self { process, port: secured.map(|(port, _)| port), folder })
    }

    /// How it is reached.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://avouch@localhost/postgres?host={}", self.folder.path().display())
    }

    /// Where it listens with TLS.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// Ends it at once, as a crash does.
    ///
    /// # Errors
    /// There is no shell.
    pub fn crash(&self) -> io::Result<()> {
        self.process.signal("QUIT")
    }
}

//! Redis in a folder of its own, for an ordinary user, without persistence.

use std::io;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::peers::Peers;
use crate::process::Process;

/// The programs that a test asks [`crate::peers::require`] for.
pub const PROGRAMS: [&str; 2] = ["redis-server", "redis-cli"];

/// How often another port is tried, when somebody has the one that was chosen.
const TRIES: usize = 5;

/// Ports below those that the system gives to whoever connects: while a Redis is down, nobody happens to get its port.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// A Redis that can be killed, held still and started again at the same address; it ends when dropped.
#[derive(Debug)]
pub struct Redis {
    process: Option<Process>,
    port: u16,
    server: PathBuf,
    client: PathBuf,
    settings: Vec<String>,
    folder: TempDir,
}

impl Redis {
    /// Starts one with these settings beside its own, such as `--databases 1`; it answers when this returns.
    ///
    /// # Errors
    /// What went wrong, with what Redis said.
    pub fn start(tools: &Peers, settings: &[&str]) -> io::Result<Self> {
        let mut redis = Self {
            process: None,
            port: 0,
            server: tools.path("redis-server").to_owned(),
            client: tools.path("redis-cli").to_owned(),
            settings: settings.iter().map(|&word| word.to_owned()).collect(),
            folder: tempfile::tempdir()?,
        };
        let mut last = Ok(());
        for _ in 0..TRIES {
            // One of its own for each that starts at the same time.
            let free = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
            redis.port = PORTS.start + free % (PORTS.end - PORTS.start);
            last = redis.run();
            if last.is_ok() {
                break;
            }
        }
        last.map(|()| redis)
    }

    /// Starts it, where it was killed.
    ///
    /// # Errors
    /// As [`Redis::start`].
    pub fn run(&mut self) -> io::Result<()> {
        let (port, folder) = (self.port.to_string(), self.folder.path());
        let own = ["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
        let mut command = Command::new(&self.server);
        command.args(own).args(["--daemonize", "no", "--logfile", "/dev/stderr", "--dir"]).arg(folder);
        let socket = self.socket();
        let process = Process::start(command.arg("--unixsocket").arg(socket).args(&self.settings))?;
        process.hear(|line| line.contains("Ready to accept connections").then_some(()))?;
        self.process = Some(process);
        Ok(())
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }

    /// SIGKILL: it forgets everything.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Sends a signal: after `STOP` it takes connections and never answers, until `CONT`.
    ///
    /// # Errors
    /// As [`Process::signal`].
    pub fn signal(&self, name: &str) -> io::Result<()> {
        self.process.as_ref().map_or(Ok(()), |process| process.signal(name))
    }

    /// Has it run a command; gives what it says.
    ///
    /// # Errors
    /// The command did not run.
    pub fn command(&self, words: &[&str]) -> io::Result<String> {
        let mut client = Command::new(&self.client);
        let said = client.arg("-s").arg(self.socket()).args(words).output()?;
        Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned())
    }
}

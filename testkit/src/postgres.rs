//! PostgreSQL in a folder of its own, reached by a socket in it.

use std::fs;
use std::io;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use tempfile::TempDir;

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
    /// After the process: the folder goes when nothing runs in it any more.
    folder: TempDir,
}

impl Postgres {
    /// Makes a cluster and serves it. It does not wait for the disk: nobody pulls a plug here.
    ///
    /// # Errors
    /// What went wrong, with what the program said.
    pub fn start(tools: &Peers) -> io::Result<Self> {
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
        let settings = ["-c", "listen_addresses=", "-c", "log_min_messages=log"];
        let process =
            Process::start(run("postgres").args(["-D", "data", "-F", "-k", &socket]).args(settings))?;
        process.hear(|line| line.contains("ready to accept connections").then_some(()))?;
        Ok(Self { process, folder })
    }

    /// How it is reached.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://avouch@localhost/postgres?host={}", self.folder.path().display())
    }

    /// Ends it at once, as a crash does.
    ///
    /// # Errors
    /// There is no shell.
    pub fn crash(&self) -> io::Result<()> {
        self.process.signal("QUIT")
    }
}

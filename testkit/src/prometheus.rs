//! Prometheus in a folder of its own, for an ordinary user, and its tool.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::peers::Peers;
use crate::process::Process;

/// The programs that a test asks [`crate::peers::require`] for.
pub const PROGRAMS: [&str; 2] = ["prometheus", "promtool"];

/// A Prometheus that reads the figures of one gateway five times a second; it ends when dropped.
#[derive(Debug)]
pub struct Prometheus {
    _process: Process,
    _folder: TempDir,
    address: SocketAddr,
    tool: PathBuf,
}

impl Prometheus {
    /// Starts one with the job `avouch` and these rules; it answers when this returns.
    ///
    /// # Errors
    /// What went wrong, with what Prometheus said.
    pub fn start(tools: &Peers, gateway: SocketAddr, rules: &Path) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("prometheus.yml");
        let settings = format!(
            "global: {{ scrape_interval: 200ms, evaluation_interval: 1s }}\nrule_files: ['{}']\nscrape_configs:\n\
             - job_name: avouch\n  static_configs: [{{ targets: ['{gateway}'] }}]\n",
            rules.display()
        );
        std::fs::write(&file, settings)?;
        let mut command = Command::new(tools.path("prometheus"));
        command.arg("--config.file").arg(&file).arg("--storage.tsdb.path").arg(folder.path().join("data"));
        command.args(["--web.listen-address", "127.0.0.1:0"]);
        let process = Process::start(&mut command)?;
        let address = process.hear(|line| {
            let address = line.split_once("msg=\"Listening on\" address=")?.1;
            address.split(' ').next()?.parse().ok()
        })?;
        process.hear(|line| line.contains("Server is ready to receive web requests").then_some(()))?;
        let tool = tools.path("promtool").to_owned();
        Ok(Self { _process: process, _folder: folder, address, tool })
    }

    /// Where it answers.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What an expression comes to now, a line for each series.
    ///
    /// # Errors
    /// It cannot be evaluated; with what the tool said.
    pub fn query(&self, expression: &str) -> io::Result<Vec<String>> {
        let server = format!("http://{}", self.address);
        let said = Command::new(&self.tool).args(["query", "instant", &server, expression]).output()?;
        let text = String::from_utf8_lossy(&said.stdout);
        if !said.status.success() {
            return Err(io::Error::other(format!("{expression}: {}", String::from_utf8_lossy(&said.stderr))));
        }
        Ok(text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect())
    }
}

/// Has the tool run with these words and this on its standard input; gives what it says.
///
/// # Errors
/// It found something; with what it said.
pub fn tool(tools: &Peers, words: &[&str], input: &str) -> io::Result<String> {
    let mut command = Command::new(tools.path("promtool"));
    let piped = command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn()?;
    if let Some(mut open) = child.stdin.take() {
        open.write_all(input.as_bytes())?;
    }
    let said = child.wait_with_output()?;
    let text = [said.stdout, said.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    if said.status.success() { Ok(text) } else { Err(io::Error::other(text)) }
}

//! Software TPMs: swtpm, one process each, with its state in a folder of the demonstration.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::process::{Child, Command};

use crate::DemoError;

/// How often it is looked whether it listens, and the pause between: ten seconds together. It takes some 20 ms.
const LOOKS: usize = 1000;
const PAUSE: Duration = Duration::from_millis(10);

/// A TPM. It ends when dropped.
pub(super) struct SoftwareTpm {
    socket: PathBuf,
    _process: Child,
}

impl SoftwareTpm {
    /// Starts one that is new, in a folder of its own.
    pub(super) async fn start(folder: &Path) -> Result<Self, DemoError> {
        let (state, socket) = (folder.join("state"), folder.join("tpm.sock"));
        tokio::fs::create_dir_all(&state).await?;
        let process = Command::new("swtpm")
            .args(["socket", "--tpm2", "--flags", "startup-clear", "--tpmstate"])
            .arg(format!("dir={}", state.display()))
            .arg("--server")
            .arg(format!("type=unixio,path={}", socket.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| missing(error, "swtpm"))?;
        let tpm = Self { socket, _process: process };
        for _ in 0..LOOKS {
            if UnixStream::connect(&tpm.socket).await.is_ok() {
                return Ok(tpm);
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(io::Error::other("swtpm does not listen").into())
    }

    /// Where it is, as `tpm:PATH?…` names it.
    pub(super) fn device(&self) -> String {
        format!("swtpm={}", self.socket.display())
    }
}

/// A program could not be started: mostly it is not there.
pub(super) fn missing(error: io::Error, program: &'static str) -> DemoError {
    if error.kind() == io::ErrorKind::NotFound { DemoError::Missing(program) } else { error.into() }
}

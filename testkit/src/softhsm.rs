//! SoftHSM: a token that is a program, reached by its PKCS#11 module.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::peers::Peers;

/// The programs that a test asks [`crate::peers::require`] for.
pub const PROGRAMS: [&str; 1] = ["softhsm2-util"];

/// Where Debian has the module.
const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";

/// What tells the module where its tokens are.
const VARIABLE: &str = "SOFTHSM2_CONF";

/// A folder with tokens in it.
#[derive(Debug)]
pub struct SoftHsm {
    folder: TempDir,
}

impl SoftHsm {
    /// One token of this name, with this PIN.
    ///
    /// # Errors
    /// It cannot be made; with what the program said.
    pub fn new(tools: &Peers, token: &str, pin: &str) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let tokens = folder.path().join("tokens");
        std::fs::create_dir(&tokens)?;
        let configuration =
            format!("directories.tokendir = {}\nobjectstore.backend = file\n", tokens.display());
        std::fs::write(folder.path().join("softhsm2.conf"), configuration)?;
        let hsm = Self { folder };
        let mut init = Command::new(tools.path("softhsm2-util"));
        init.args(["--init-token", "--free", "--label", token, "--pin", pin, "--so-pin", "87654321"]);
        let made = init.env(VARIABLE, hsm.configuration()).output()?;
        if made.status.success() {
            Ok(hsm)
        } else {
            Err(io::Error::other(String::from_utf8_lossy(&made.stderr)))
        }
    }

    /// The file that the variable `SOFTHSM2_CONF` has to name.
    #[must_use]
    pub fn configuration(&self) -> PathBuf {
        self.folder.path().join("softhsm2.conf")
    }

    /// The module.
    #[must_use]
    pub fn module(&self) -> &Path {
        Path::new(MODULE)
    }
}

//! A maker of TPMs: an authority of swtpm's own, in a folder, that certifies the endorsement keys of those it makes.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::peers::Peers;
use crate::swtpm::Swtpm;

/// The programs that a test asks [`crate::peers::require`] for.
pub const PROGRAMS: [&str; 3] = ["swtpm", "swtpm_setup", "swtpm_localca"];

/// A maker; its authority is made with its first TPM.
#[derive(Debug)]
pub struct Maker {
    folder: TempDir,
    tools: Peers,
}

impl Maker {
    /// A new one.
    ///
    /// # Errors
    /// There is no room for its files.
    pub fn new(tools: &Peers) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let at = folder.path().display();
        let authority = format!(
            "statedir = {at}\nsigningkey = {at}/key.pem\nissuercert = {at}/issuer.pem\ncertserial = {at}/serial\n"
        );
        let setup = format!(
            "create_certs_tool = {}\ncreate_certs_tool_config = {at}/authority.conf\n\
             create_certs_tool_options = {at}/options\nactive_pcr_banks = sha256\n",
            tools.path("swtpm_localca").display()
        );
        let options = "--platform-manufacturer avouch\n--platform-version 1\n--platform-model test\n";
        for (name, text) in [("authority.conf", &*authority), ("setup.conf", &setup), ("options", options)] {
            std::fs::write(folder.path().join(name), text)?;
        }
        Ok(Self { folder, tools: tools.clone() })
    }

    /// A new TPM with a certificate of its endorsement key, RSA of 2048 bits; as [`Swtpm::start`].
    ///
    /// # Errors
    /// It cannot be made, or started.
    pub fn start(&self) -> io::Result<Swtpm> {
        Swtpm::start_made(&self.tools, |state| self.make(state))
    }

    fn make(&self, state: &Path) -> io::Result<()> {
        let mut setup = Command::new(self.tools.path("swtpm_setup"));
        setup.args(["--tpm2", "--create-ek-cert", "--overwrite", "--tpmstate"]).arg(state);
        setup.arg("--config").arg(self.folder.path().join("setup.conf"));
        setup.arg("--tpm").arg(format!("{} socket", self.tools.path("swtpm").display()));
        let made = setup.output()?;
        if made.status.success() {
            return Ok(());
        }
        Err(io::Error::other(String::from_utf8_lossy(&made.stdout).into_owned()))
    }

    /// The certificate at its root, PEM.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("swtpm-localca-rootca-cert.pem")
    }

    /// The certificate between the root and those of TPMs, PEM.
    #[must_use]
    pub fn issuer(&self) -> PathBuf {
        self.folder.path().join("issuer.pem")
    }
}

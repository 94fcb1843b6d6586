//! An agent of the fleet: `avouch agent` with a key in a TPM, and plain curl that goes through it.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use avouch_agent::Running;
use avouch_agent::config::Config;
use avouch_agent::enrol::{Enrolment, Registrar, Token, enrol};
use avouch_gather::clock::SystemClock;
use tokio::process::Command;

use super::tpm::missing;
use super::{DOMAIN, Member};
use crate::DemoError;

/// How long an enrolment may take, all of them at once.
const PATIENCE: Duration = Duration::from_secs(120);

/// An agent that is enrolled.
pub(super) struct Agent {
    pub(super) member: Member,
    running: Running,
}

/// What an agent needs from its surroundings.
#[derive(Clone)]
pub(super) struct Surroundings {
    /// The only site to which it says who it is.
    pub(super) site: SocketAddr,
    /// Its `[dns]`.
    pub(super) resolving: String,
    /// Where it enrols.
    pub(super) registrar: String,
}

impl Agent {
    /// Makes its key in the TPM, enrols with it, waits until the DNS has it, and starts.
    pub(super) async fn enrol(
        member: Member,
        device: &str,
        token: &str,
        around: &Surroundings,
        folder: &Path,
    ) -> Result<Self, DemoError> {
        let (id, site) = (member.id(), around.site);
        let key = folder.join(format!("{id}.key"));
        let text = format!(
            "key = 'tpm:{}?{device}'\ndomain = '{DOMAIN}'\nagent = '{id}'\n\
             [[destination]]\nhost = '{site}'\n\
             [proxy]\nlisten = '127.0.0.1:0'\nallow_networks = '127.0.0.0/8'\n{}",
            key.display(),
            around.resolving,
        );
        let config = Config::parse("agent.toml", &text)?;
        let registrar =
            Registrar::parse(&around.registrar).map_err(|_| DemoError::Registrar("its address is none"))?;
        let token = Token::parse(token).ok_or(DemoError::Registrar("its token is none"))?;
        let enrolment = Enrolment { registrar, token, roots: None, wait: PATIENCE };
        enrol(&config, enrolment, &SystemClock::new(), |_| ()).await?;
        Ok(Self { member, running: Running::start(config, None).await? })
    }

    /// The status that plain curl gets for this URL, with the agent as its proxy.
    pub(super) async fn visit(&self, url: &str) -> Result<Option<u16>, DemoError> {
        let proxy = self.running.proxy.map(|proxy| format!("http://{proxy}"));
        curl(&["--proxy", &proxy.unwrap_or_default(), url]).await
    }

    pub(super) async fn stop(self) {
        self.running.stop().await;
    }
}

/// The status that curl gets, as any program's would be that knows nothing of avouch.
pub(super) async fn curl(arguments: &[&str]) -> Result<Option<u16>, DemoError> {
    let output = Command::new("curl")
        .args(["-q", "-sS", "--noproxy", "", "--max-time", "20", "-o", "/dev/null", "-w", "%{http_code}"])
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| missing(error, "curl"))?;
    let status = String::from_utf8(output.stdout).ok().and_then(|text| text.parse().ok());
    Ok(status.filter(|status| *status != 0))
}

//! What would break in production, found before it does.

mod certificate;
mod clock;
mod data;
mod files;
mod finding;
mod folders;
mod holder;
mod names;
mod ports;
mod reach;
mod service;
mod settings;
mod tpm;
mod units;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use avouch_gateway::config::{Config, ConfigError};
use avouch_gateway::{Gateway, LoadErrors};
use avouch_keys::tpm::Device;
use avouch_wire::time::Time;

pub use finding::{About, Finding, Standing};

/// How long an answer over the network is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a look needs to know that no configuration says.
#[derive(Debug, Default)]
pub struct Questions {
    /// A file of roots that clients trust; `None`: those of this system.
    pub ca: Option<PathBuf>,
    /// A time server to compare the clock with; `None`: what the system says of its clock.
    pub time_server: Option<SocketAddr>,
    /// The TPM that keys are to be kept in; `None`: the kernel's, if there is one.
    pub tpm: Option<Device>,
}

/// Why nothing could be looked at.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// The configuration cannot be read or has problems.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// Something that it names cannot be used.
    #[error("{0}")]
    Load(#[from] LoadErrors),
}

/// Looks at everything that the gateway of a configuration file depends on, as the user who asks. Nothing is changed.
///
/// # Errors
///
/// There is no usable configuration to go by.
pub async fn examine(path: &Path, questions: &Questions, now: Time) -> Result<Vec<Finding>, Unusable> {
    let config = Config::load(path)?;
    Gateway::check(config.clone())?;
    let loads = format!("{} and all that it names can be used", path.display());
    let mut found = vec![Finding::fine(About::Configuration, loads)];
    found.extend(files::examine(path, &config));
    found.extend(certificate::examine(&config, questions.ca.as_deref(), now));
    found.extend(settings::examine(&config));
    found.extend(ports::examine(&config));
    found.extend(folders::examine(&config));
    found.extend(data::examine(&config, now));
    found.extend(service::examine(&config));
    found.extend(clock::examine(questions.time_server).await);
    found.extend(names::examine(&config, now).await);
    found.extend(reach::examine(&config).await);
    found.extend(tpm::examine(questions.tpm.as_ref()).await);
    Ok(found)
}

/// Looks at a TPM alone, where there is no gateway.
pub async fn examine_tpm(device: &Device) -> Vec<Finding> {
    tpm::examine(Some(device)).await
}

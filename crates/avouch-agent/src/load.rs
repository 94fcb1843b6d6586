//! What a configuration names, loaded.

use std::path::{Path, PathBuf};

use avouch_dns::{
    AnchorError, Dns, Resolver, ResolverSettings, SYSTEM_RESOLVERS, SettingsError, TrustAnchor,
    system_resolvers,
};
use avouch_tls::{CertificateError, Connector, Protocol};

use crate::authority::AuthorityError;
use crate::config;
use crate::config::Config;
use crate::key::OpenError;

/// Why something that a configuration names cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The key.
    #[error("`key`: {0}")]
    Key(#[from] OpenError),
    /// The roots that certificates of sites lead to.
    #[error("no certificates to trust: {0}; name a PEM file with `roots`")]
    Roots(#[from] CertificateError),
    /// The authority that lets https be opened.
    #[error("[proxy.tls]: {0}")]
    Authority(#[from] AuthorityError),
    /// A file.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A trust anchor.
    #[error("{}: {source}", path.display())]
    Anchor {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        source: AnchorError,
    },
    /// The resolvers.
    #[error("[dns]: {0}")]
    Resolver(#[from] SettingsError),
}

/// What opens TLS to sites.
pub(crate) fn connector(config: &Config) -> Result<Connector, LoadError> {
    connector_by(config.roots.as_deref())
}

/// What opens TLS to whoever has a certificate by these roots, or by the system's.
pub(crate) fn connector_by(roots: Option<&Path>) -> Result<Connector, LoadError> {
    let protocols = [Protocol::Http1];
    match roots {
        Some(path) => Ok(Connector::trusting(&read(path)?, &protocols)?),
        None => Ok(Connector::system(&protocols)?),
    }
}

/// What looks up the agent's own record.
pub(crate) fn dns(config: &config::Dns) -> Result<Dns, LoadError> {
    let servers = match config.resolvers.is_empty() {
        true => system_resolvers(&String::from_utf8_lossy(&read(Path::new(SYSTEM_RESOLVERS))?)),
        false => config.resolvers.clone(),
    };
    let mut settings = ResolverSettings::new(servers);
    settings.trust_ad_from.clone_from(&config.trust_ad_from);
    for path in &config.trust_anchors {
        let text = String::from_utf8_lossy(&read(path)?).into_owned();
        let anchors = TrustAnchor::parse(&text);
        settings
            .trust_anchors
            .extend(anchors.map_err(|source| LoadError::Anchor { path: path.clone(), source })?);
    }
    Ok(Dns::Live(Resolver::new(&settings)?))
}

fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    std::fs::read(path).map_err(|source| LoadError::Read { path: path.to_owned(), source })
}

//! Loading what a configuration names: policies, certificates, anchors; every problem at once.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::{Acme, Fetch, PrivacyPass, Reports, SharedStore, Store, StorePlace, WebBotAuth};
use avouch_dns::{
    AnchorError, Dns, Resolver, ResolverSettings, SYSTEM_RESOLVERS, SettingsError, TrustAnchor,
    system_resolvers,
};
use avouch_engine::claim::{Issuer, IssuerError};
use avouch_engine::decision::Policy;
use avouch_gather::https::Client;
use avouch_gather::networks::SourceError;
use avouch_gather::networks::feeds::PATIENCE;
use avouch_gather::{Directories, FetchSettings, Fetcher};
use avouch_reports::Connectors;
use avouch_store::{Password, PasswordError};
use avouch_tls::CertificateError;
use avouch_tls::{Connector, Protocol};
use avouch_wire::b64u;
use avouch_wire::content::ContentDigest;
use avouch_wire::delegation::{Token, TokenError};
use avouch_wire::settings::Problems;

use crate::config;
use crate::entities::VerifierKeyFault;
use crate::hits::PolicyHits;
use crate::registered::RegisterFault;
use crate::traces::{Exporter, Traces};

/// Characters of a policy's version: enough to tell the versions of one site apart.
const VERSION_LENGTH: usize = 12;

/// Something a configuration names cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A policy has problems.
    #[error("{0}")]
    Policy(#[from] Problems),
    /// A certificate, key or root bundle cannot be used.
    #[error("{0}")]
    Certificate(#[from] CertificateError),
    /// A trust anchor cannot be used.
    #[error("{}: {source}", path.display())]
    Anchor {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        source: AnchorError,
    },
    /// The delegation token of a `[[privacy_pass]]` cannot be used.
    #[error("{}: {source}", path.display())]
    Delegation {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        source: DelegationError,
    },
    /// Data on networks cannot be used. Only a check refuses them.
    #[error("{0}")]
    Networks(#[from] SourceError),
    /// A key of a partner cannot be registered.
    #[error("{0}")]
    Registered(#[from] RegisterFault),
    /// The key that asks registration entities cannot be used.
    #[error("[entities]: {0}")]
    VerifierKey(#[from] VerifierKeyFault),
    /// The password of the store cannot be read.
    #[error("{0}")]
    Password(#[from] PasswordError),
    /// No resolver can be used.
    #[error("[dns]: {0}")]
    Resolver(#[from] SettingsError),
}

/// Why a delegation token makes nobody an issuer of Privacy Pass tokens.
#[derive(Debug, thiserror::Error)]
pub enum DelegationError {
    /// It is no delegation token.
    #[error("the delegation token {0}; `avouch delegate issue` writes one")]
    Token(TokenError),
    /// It is another domain's.
    #[error("the delegation token is of {named}, and attester is \"{attester}\": have {attester} issue one")]
    OtherAttester {
        /// Whose it is.
        named: String,
        /// Whose it should be.
        attester: String,
    },
    /// It is not for this issuer.
    #[error("{0}: have the attester issue one with --sub for the key")]
    Issuer(IssuerError),
}

/// Everything that could not be loaded, at least one.
#[derive(Debug, thiserror::Error)]
pub struct LoadErrors(pub Vec<LoadError>);

impl std::fmt::Display for LoadErrors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|error| writeln!(f, "{}", error.to_string().trim_end()))
    }
}

/// A policy and the version by which the log names it: the beginning of its digest, or `model`.
#[derive(Clone, Debug)]
pub(crate) struct Versioned {
    pub(crate) policy: Arc<Policy>,
    pub(crate) version: Arc<str>,
    /// Its file, as it was read; the model's table has none.
    pub(crate) text: Option<Arc<str>>,
    /// Whether a rule asks which autonomous system an address belongs to.
    pub(crate) asks_for_asn: bool,
    /// How often each rule decided.
    pub(crate) hits: PolicyHits,
}

/// Both, or the problems of both.
pub(crate) fn both<A, B>(
    one: Result<A, LoadErrors>,
    other: Result<B, LoadError>,
) -> Result<(A, B), LoadErrors> {
    match (one, other) {
        (Ok(one), Ok(other)) => Ok((one, other)),
        (Ok(_), Err(error)) => Err(LoadErrors(vec![error])),
        (Err(errors), Ok(_)) => Err(errors),
        (Err(LoadErrors(mut errors)), Err(error)) => {
            errors.push(error);
            Err(LoadErrors(errors))
        }
    }
}

/// Loads a policy; without a file, the model's table.
pub(crate) fn policy(path: Option<&Path>) -> Result<Versioned, LoadError> {
    let Some(path) = path else {
        return Ok(Versioned::of(Policy::model(), "model", None));
    };
    let text = read(path)?;
    let policy = Policy::parse(&path.display().to_string(), &text)?;
    Ok(Versioned::of(policy, &version(&text), Some(text.as_str().into())))
}

/// The version of a text: the beginning of its SHA-256 in base64url.
pub(crate) fn version(text: &str) -> String {
    b64u::encode(&ContentDigest::of(text.as_bytes()).0).chars().take(VERSION_LENGTH).collect()
}

impl Versioned {
    fn of(policy: Policy, version: &str, text: Option<Arc<str>>) -> Self {
        let asks_for_asn = policy.asks_for_asn();
        let (policy, version) = (Arc::new(policy), version.into());
        Self { policy, version, text, asks_for_asn, hits: PolicyHits::default() }
    }
}

/// Sets up the way to the collector of traces.
pub(crate) fn traces(settings: &config::Traces) -> Result<Arc<Traces>, LoadError> {
    let connector = settings.collector.tls.then(|| Connector::system(&[Protocol::Http1])).transpose()?;
    let exporter = Exporter::new(settings.collector.clone(), connector);
    Ok(Arc::new(Traces::new(settings, exporter)))
}

/// Sets up the resolver.
pub(crate) fn dns(config: &config::Dns) -> Result<Dns, LoadError> {
    resolver(config, resolvers(config)?)
}

/// The resolvers that a configuration names, or else the system's.
///
/// # Errors
///
/// What the system says of them cannot be read.
pub fn resolvers(config: &config::Dns) -> Result<Vec<SocketAddr>, LoadError> {
    Ok(match config.resolvers.is_empty() {
        true => system_resolvers(&read(Path::new(SYSTEM_RESOLVERS))?),
        false => config.resolvers.clone(),
    })
}

/// What asks these resolvers, and validates as a configuration says.
///
/// # Errors
///
/// A trust anchor cannot be used, or no resolver.
pub fn resolver(config: &config::Dns, servers: Vec<SocketAddr>) -> Result<Dns, LoadError> {
    let mut settings = ResolverSettings::new(servers);
    settings.trust_ad_from.clone_from(&config.trust_ad_from);
    for path in &config.trust_anchors {
        let anchors = TrustAnchor::parse(&read(path)?);
        settings
            .trust_anchors
            .extend(anchors.map_err(|source| LoadError::Anchor { path: path.clone(), source })?);
    }
    Ok(Dns::Live(Resolver::new(&settings)?))
}

/// Sets up where key directories come from. Without the system's roots none can be fetched, which is
/// no reason not to start: nothing but signatures of bots needs them.
pub(crate) fn directories(config: &WebBotAuth, dns: &Dns) -> Result<Directories, LoadError> {
    let connector = match (connector(config.ca.as_deref(), &[Protocol::Http1]), &config.ca) {
        (Ok(connector), _) => connector,
        (Err(error), Some(_)) => return Err(error),
        (Err(error), None) => {
            tracing::warn!(%error, "no roots to trust: key directories of bots are out of reach");
            return Ok(Directories::Unreachable);
        }
    };
    let settings = FetchSettings {
        allowed_networks: config.allow_networks.clone(),
        require_signed: config.require_signed_directories,
    };
    Ok(Directories::Fetched(Box::new(Fetcher::new(dns.clone(), connector, settings))))
}

/// Loads what is known of an issuer of Privacy Pass tokens.
pub(crate) fn issuer(issuer: &PrivacyPass) -> Result<Issuer, LoadError> {
    let PrivacyPass { issuer, key, attester, delegation: path, trust } = issuer;
    let text = read(path)?;
    let refused = |source| LoadError::Delegation { path: path.clone(), source };
    let delegation =
        Token::parse(text.trim_ascii()).map_err(|error| refused(DelegationError::Token(error)))?;
    let named = &delegation.grant().issuer;
    if named != attester {
        let (named, attester) = (named.as_str().to_owned(), attester.as_str().to_owned());
        return Err(refused(DelegationError::OtherAttester { named, attester }));
    }
    Issuer::new(issuer.clone(), key.clone(), delegation.into_owned(), *trust)
        .map_err(|error| refused(DelegationError::Issuer(error)))
}

/// Sets up how range files are fetched. The folder is taken when they are.
pub(crate) fn range_client(config: &Fetch, dns: &Dns) -> Result<Client, LoadError> {
    let connector = connector(config.ca.as_deref(), &[Protocol::Http1])?;
    Ok(Client::new(dns.clone(), connector, config.allow_networks.clone(), PATIENCE))
}

/// Sets up how TLS is spoken to the authority that issues the site's certificate.
pub(crate) fn authority(config: &Acme) -> Result<Connector, LoadError> {
    connector(config.ca.as_deref(), &[Protocol::Http1])
}

/// Trusts the roots in a file, or the system's.
pub(crate) fn connector(ca: Option<&Path>, protocols: &[Protocol]) -> Result<Connector, LoadError> {
    Ok(match ca {
        Some(path) => Connector::trusting(read(path)?.as_bytes(), protocols)?,
        None => Connector::system(protocols)?,
    })
}

/// Sets up how the store of a group is reached; `None` for a gateway that stands alone.
///
/// # Errors
///
/// Its password or the roots of its certificate cannot be used.
pub fn store(config: &Store) -> Result<Option<avouch_store::Settings>, LoadError> {
    let StorePlace::Shared(shared) = &config.place else { return Ok(None) };
    let SharedStore { address, group, password_file, deadline, ca, rates: _ } = &**shared;
    let address = match password_file {
        Some(path) => address.clone().with_password(Password::read(path)?),
        None => address.clone(),
    };
    let tls = address.is_tls().then(|| connector(ca.as_deref(), &[])).transpose()?;
    let (group, deadline, fresh) = (group.clone(), *deadline, config.fresh);
    Ok(Some(avouch_store::Settings { address, group, deadline, tls, fresh }))
}

/// Sets up how TLS is spoken to those who get reports. Whoever wants reports sent needs roots to trust.
pub(crate) fn reports(config: &Reports) -> Result<Connectors, LoadError> {
    let ca = config.ca.as_deref();
    Ok(Connectors { https: connector(ca, &[Protocol::Http1])?, mail: connector(ca, &[])? })
}

fn read(path: &Path) -> Result<String, LoadError> {
    std::fs::read_to_string(path).map_err(|source| LoadError::Read { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policys_version_follows_its_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policy.toml");
        let version = |text: &str| {
            std::fs::write(&path, text).unwrap();
            policy(Some(&path)).unwrap().version
        };
        assert_ne!(version(""), version("# other"));
        assert_eq!(version(""), version(""));
        std::fs::write(&path, "[[rule]]\nwhen = 1").unwrap();
        assert!(matches!(policy(Some(&path)), Err(LoadError::Policy(_))));
    }
}

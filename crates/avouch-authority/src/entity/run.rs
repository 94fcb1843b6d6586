//! Starting and stopping a registration entity.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use avouch_dns::{
    AnchorError, Dns, Resolver, ResolverSettings, SYSTEM_RESOLVERS, SettingsError, TrustAnchor,
    system_resolvers,
};
use avouch_gather::clock::SystemClock;
use avouch_gather::https::Client;
use avouch_gather::manager;
use avouch_keys::entity::{Root, RootError};
use avouch_keys::entropy::SystemEntropy;
use avouch_store::ledger::{Ledger, LedgerError, Service};
use avouch_tls::{Acceptor, CertificateError, Connector, Protocol};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::config::{Config, Sites};
use super::sites::PATIENCE;
use super::{Entity, Parts, StartFault};
use crate::serving::{LASTS, accept};
use crate::socket;

/// The owner's socket is the user's that the entity runs as.
const OF_OWNER: u32 = 0o600;

/// Why an entity does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database cannot be used.
    #[error("{0}")]
    Ledger(#[from] LedgerError),
    /// The database is an older copy, or of another entity.
    #[error("{0}")]
    State(#[from] StartFault),
    /// What secrets are derived of.
    #[error("{0}")]
    Root(#[from] RootError),
    /// The certificate, or the roots of sites, cannot be used.
    #[error("{0}")]
    Certificate(#[from] CertificateError),
    /// The resolvers cannot be used.
    #[error("[sites]: {0}")]
    Resolver(#[from] SettingsError),
    /// A trust anchor cannot be used.
    #[error("{}: {source}", path.display())]
    Anchor {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        source: AnchorError,
    },
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The address is taken or not ours.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// A socket cannot be opened.
    #[error("cannot open the socket {}: {source}", path.display())]
    Socket {
        /// Which.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Signals cannot be received.
    #[error("cannot receive signals: {0}")]
    Signals(io::Error),
}

/// Opens everything that a configuration names but the database, the address and the socket. A root that is not there yet
/// is not made.
///
/// # Errors
/// [`StartError`].
pub fn check(config: &Config) -> Result<(), StartError> {
    acceptor(config)?;
    client(&config.sites)?;
    match Root::open(&config.store.root) {
        Ok(_) | Err(RootError::Missing(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn acceptor(config: &Config) -> Result<Option<Acceptor>, StartError> {
    let load = |(certificate, key): &(PathBuf, PathBuf)| Acceptor::load(certificate, key, None);
    Ok(config.tls.as_ref().map(load).transpose()?)
}

fn client(sites: &Sites) -> Result<Client, StartError> {
    let servers = match sites.resolvers.is_empty() {
        true => system_resolvers(&String::from_utf8_lossy(&read(Path::new(SYSTEM_RESOLVERS))?)),
        false => sites.resolvers.clone(),
    };
    let mut settings = ResolverSettings::new(servers);
    for path in &sites.trust_anchors {
        let anchors = TrustAnchor::parse(&String::from_utf8_lossy(&read(path)?));
        let failed = |source| StartError::Anchor { path: path.clone(), source };
        settings.trust_anchors.extend(anchors.map_err(failed)?);
    }
    let dns = Dns::Live(Resolver::new(&settings)?);
    let protocols = [Protocol::Http1];
    let connector = match &sites.roots {
        Some(path) => Connector::trusting(&read(path)?, &protocols)?,
        None => Connector::system(&protocols)?,
    };
    Ok(Client::new(dns, connector, sites.allow_networks.clone(), PATIENCE))
}

fn read(path: &Path) -> Result<Vec<u8>, StartError> {
    std::fs::read(path).map_err(|source| StartError::Read { path: path.to_owned(), source })
}

/// The root of a database: made with a new one, and needed with one that was used.
async fn root(ledger: &Ledger, (path, mark): (&Path, &Path)) -> Result<Root, StartError> {
    let mut reading = ledger.begin().await?;
    let is_new = reading.entity().state().await?.is_none() && !mark.exists();
    match Root::open(path) {
        // Crash after it was made: the next start finds it, and a database that is still new.
        Err(RootError::Missing(_)) if is_new => Ok(Root::create(path, &mut SystemEntropy)?),
        opened => Ok(opened?),
    }
}

/// Runs an entity until the process is asked to end; `ready` learns where it is asked. `restored`: the database is an
/// older copy, and meant to be.
///
/// # Errors
/// [`StartError`].
pub async fn run(config: &Config, restored: bool, ready: impl FnOnce(SocketAddr)) -> Result<(), StartError> {
    let on = |kind| signal(kind).map_err(StartError::Signals);
    let (mut terminate, mut interrupt) = (on(SignalKind::terminate())?, on(SignalKind::interrupt())?);
    let (tls, client) = (acceptor(config)?, client(&config.sites)?);
    let ledger = Ledger::open_for(Service::Entity, &config.store.url).await?;
    let _alone = ledger.alone().await?;
    let root = root(&ledger, (&config.store.root, &config.store.mark)).await?;
    let failed = |source| StartError::Listen { address: config.listen, source };
    let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let (stop, stopping) = watch::channel(false);
    let mut tasks = JoinSet::new();
    let (entity, mark) = (config.entity.clone(), config.store.mark.clone());
    let clock = Arc::new(SystemClock::new());
    let parts = Parts { entity, root, ledger, mark, client, clock, restored };
    let entity = Entity::start(parts, &mut tasks, stopping.clone()).await?;
    let opened = socket::open(&config.owner, OF_OWNER).await;
    let opened = opened.map_err(|source| StartError::Socket { path: config.owner.clone(), source })?;
    tasks.spawn(socket::serve(opened, config.owner.clone(), entity.for_owner(), stopping.clone()));
    let questions = config.limits.hold_back(entity.for_strangers(), Arc::new(SystemClock::new()));
    tasks.spawn(accept(listener, tls, questions, LASTS, stopping));
    drop(entity);
    let alive = tokio::spawn(manager::keep_alive());
    manager::ready("answering");
    ready(address);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    manager::stopping();
    stop.send_replace(true);
    // Each ends: streams at once, connections no later than they may last, and the writer with the last who hands in.
    let ending = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(LASTS, ending).await.is_err() {
        tracing::warn!("somebody's connection is cut off");
    }
    alive.abort();
    Ok(())
}

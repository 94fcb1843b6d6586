//! Starting and stopping a registrar.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use avouch_dns::own::{AtParent, BindError, Server, Settings, Zone};
use avouch_dns::publish::{PublishError, Publisher};
use avouch_gather::clock::{Clock, SystemClock};
use avouch_gather::manager;
use avouch_keys::entropy::SystemEntropy;
use avouch_keys::tsig::{TsigKey, TsigKeyError};
use avouch_keys::zone::{ZoneKey, ZoneKeyError};
use avouch_store::ledger::{Alone, Ledger, LedgerError};
use avouch_tls::{Acceptor, CertificateError};
use avouch_wire::name::Domain;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::config::{Config, OwnZone, Publish, Records};
use crate::registrar::{Attesting, AttestingError, Place, Registrar, Role, Rules, ZoneError, own_zone};
use crate::serving::{LASTS, accept};
use crate::socket;

/// The owner's socket is the user's that the registrar runs as; operators are its group.
const OF_OWNER: u32 = 0o600;
const OF_OPERATORS: u32 = 0o660;

/// Why a registrar does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database cannot be used.
    #[error("{0}")]
    Ledger(#[from] LedgerError),
    /// The TSIG key cannot be used.
    #[error("{0}")]
    Key(#[from] TsigKeyError),
    /// The zone has no name.
    #[error("{0}")]
    Publisher(#[from] PublishError),
    /// The key of a zone of our own cannot be used, or made.
    #[error("{0}")]
    ZoneKey(#[from] ZoneKeyError),
    /// A zone of our own cannot be had.
    #[error("{0}")]
    Zone(#[from] ZoneError),
    /// A zone of our own cannot be served.
    #[error("{0}")]
    Serve(#[from] BindError),
    /// The certificate cannot be used.
    #[error("{0}")]
    Certificate(#[from] CertificateError),
    /// Nothing can be attested.
    #[error("{0}")]
    Attesting(#[from] AttestingError),
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

/// Opens everything that a configuration names but the database, the addresses and the sockets; the lines that the parent
/// of a zone of our own needs, once there is a key for it.
///
/// # Errors
/// [`StartError`].
pub fn check(config: &Config) -> Result<Option<AtParent>, StartError> {
    acceptor(config)?;
    attesting(config)?;
    let zone = match &config.records {
        Records::Elsewhere(publish) => return publisher(publish).map(|_| None),
        Records::Own(zone) => zone,
    };
    let key = ZoneKey::open(&zone.key)?;
    // Without a key there is nothing to tell, and still something to be wrong.
    let (is_there, key) = match key {
        Some(key) => (true, key),
        None => (false, ZoneKey::generate(&mut SystemEntropy).map_err(ZoneKeyError::from)?),
    };
    let zone = Zone::new(&settings(&config.domain, zone), key, 0).map_err(ZoneError::from)?;
    Ok(is_there.then(|| zone.at_parent()))
}

fn acceptor(config: &Config) -> Result<Option<Acceptor>, CertificateError> {
    config.tls.as_ref().map(|(certificate, key)| Acceptor::load(certificate, key, None)).transpose()
}

fn attesting(config: &Config) -> Result<Attesting, AttestingError> {
    Attesting::open(config.domain.clone(), config.attestation.as_ref())
}

fn publisher(publish: &Publish) -> Result<Publisher, StartError> {
    Ok(Publisher::new(publish.server, &publish.zone, TsigKey::open(&publish.tsig)?)?)
}

fn settings(domain: &Domain<'_>, zone: &OwnZone) -> Settings {
    Settings { name: format!("_saip.{domain}"), servers: zone.servers.clone(), ttl: zone.ttl }
}

/// Where records stand.
struct Standing {
    place: Place,
    /// Where a zone of our own is served, and what its parent is to say.
    addresses: Vec<SocketAddr>,
    at_parent: Option<AtParent>,
}

/// Where records stand; a zone of our own is served from now on.
async fn place(
    config: &Config,
    (rules, ledger, clock): (&Rules, &Ledger, &Arc<dyn Clock>),
    tasks: &mut JoinSet<()>,
    mut stopping: watch::Receiver<bool>,
) -> Result<Standing, StartError> {
    let own = match &config.records {
        Records::Elsewhere(publish) => {
            let place = publisher(publish)?.into();
            return Ok(Standing { place, addresses: Vec::new(), at_parent: None });
        }
        Records::Own(own) => own,
    };
    let server = Server::bind(&own.listen).await?;
    let key = ZoneKey::open_or_make(&own.key)?;
    let zone = own_zone(rules, ledger, &settings(&config.domain, own), key, clock.now()).await?;
    let (addresses, clock) = (server.addresses(), Arc::clone(clock));
    let stopped = async move { _ = stopping.wait_for(|stopping| *stopping).await };
    tasks.spawn(server.serve(Arc::clone(&zone), Arc::new(move || clock.now()), stopped));
    let at_parent = Some(zone.at_parent());
    Ok(Standing { place: zone.into(), addresses, at_parent })
}

/// A registrar at work. Dropped without [`Running::stop`], it stops at once.
pub struct Running {
    /// Where agents ask.
    pub agents: SocketAddr,
    /// Where a zone of our own is served.
    pub zone: Vec<SocketAddr>,
    /// What the parent of that zone is to say.
    pub at_parent: Option<AtParent>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
    _alone: Alone,
}

impl Running {
    /// Starts a registrar by the machine's clock: when this returns, agents can ask. Must run within a tokio runtime.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(config: &Config) -> Result<Self, StartError> {
        let tls = acceptor(config)?;
        let attesting = attesting(config)?;
        let ledger = Ledger::open(&config.store).await?;
        let alone = ledger.alone().await?;
        let failed = |source| StartError::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
        let agents = listener.local_addr().map_err(failed)?;
        let (stop, stopping) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let rules = Rules { domain: config.domain.clone() };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let at = place(config, (&rules, &ledger, &clock), &mut tasks, stopping.clone()).await?;
        let publishing = (at.place, config.records.ttl());
        let within = Arc::clone(&clock);
        let registrar =
            Registrar::start(rules, ledger, publishing, attesting, clock, &mut tasks, stopping.clone());
        let operators = config.operator.iter().map(|path| (path, Role::Operator, OF_OPERATORS));
        for (path, role, mode) in std::iter::once((&config.owner, Role::Owner, OF_OWNER)).chain(operators) {
            let opened = socket::open(path, mode).await;
            let opened = opened.map_err(|source| StartError::Socket { path: path.clone(), source })?;
            tasks.spawn(socket::serve(opened, path.clone(), registrar.for_role(role), stopping.clone()));
        }
        let questions = config.limits.hold_back(registrar.for_agents(), within);
        tasks.spawn(accept(listener, tls, questions, LASTS, stopping));
        Ok(Self { agents, zone: at.addresses, at_parent: at.at_parent, stop, tasks, _alone: alone })
    }

    /// Takes no more questions, and waits for those under way to end.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        // Each ends: connections last no longer than they may, and the writer with the last who hands in.
        let ending = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(LASTS, ending).await.is_err() {
            tracing::warn!("somebody's connection is cut off");
        }
    }
}

/// Runs a registrar until the process is asked to end; `ready` learns where it listens.
///
/// # Errors
/// [`StartError`].
pub async fn run(config: &Config, ready: impl FnOnce(&Running)) -> Result<(), StartError> {
    let on = |kind| signal(kind).map_err(StartError::Signals);
    let (mut terminate, mut interrupt) = (on(SignalKind::terminate())?, on(SignalKind::interrupt())?);
    let running = Running::start(config).await?;
    let alive = tokio::spawn(manager::keep_alive());
    manager::ready("enrolling");
    ready(&running);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    manager::stopping();
    running.stop().await;
    alive.abort();
    Ok(())
}

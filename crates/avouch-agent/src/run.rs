//! Starting and stopping an agent.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use avouch_dns::Dns;
use avouch_gather::clock::{Clock, SystemClock};
use avouch_gather::manager;
use avouch_tls::Connector;
use ipnet::IpNet;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::admin::Admin;
use crate::agent::Agent;
use crate::authority::{self, Issuing};
use crate::carrier::Carrier;
use crate::config::{self, Config};
use crate::egress::Egress;
use crate::listen::{self, Room};
use crate::load::{self, LoadError};
use crate::outbound::{Outbound, OwnSockets, Reach};
use crate::proxy::Proxy;
use crate::registration::Watch;
use crate::signer::{self, Signer, Socket, SocketError};

/// How often idle connections are looked through.
const TEND: Duration = Duration::from_secs(5);

/// Connections at the operator's listener.
const OPERATORS: usize = 64;

/// Why an agent does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Something the configuration names cannot be used.
    #[error("{0}")]
    Load(#[from] LoadError),
    /// An address is taken or not ours.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The socket of the signing service cannot be opened.
    #[error("{0}")]
    Socket(#[from] SocketError),
    /// Signals cannot be received.
    #[error("cannot receive signals: {0}")]
    Signals(std::io::Error),
    /// Loading ended without a result; a defect of avouch.
    #[error("loading broke off")]
    Broken,
}

/// An agent at work. Dropped without [`Running::stop`], it stops at once.
pub struct Running {
    /// Where the proxy listens, with the port it got.
    pub proxy: Option<SocketAddr>,
    /// Where the ports are that lead to one site each, in the order of the configuration.
    pub egress: Vec<SocketAddr>,
    /// The socket of the signing service.
    pub signer: Option<PathBuf>,
    /// Where the operator's listener is.
    pub admin: Option<SocketAddr>,
    stop: watch::Sender<bool>,
    /// Ends when the last connection has.
    ended: mpsc::Receiver<Infallible>,
    drain: Duration,
    tasks: JoinSet<()>,
}

/// What is loaded before anything is opened.
struct Loaded {
    agent: Agent,
    connector: Connector,
    /// Where https is opened.
    issuing: Option<Arc<Issuing>>,
    watch: Arc<Watch>,
}

/// Whether something that is missing is made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Made {
    Yes,
    No,
}

impl Loaded {
    fn load(
        config: &Config,
        clock: &Arc<dyn Clock>,
        dns: Option<Dns>,
        made: Made,
    ) -> Result<Self, LoadError> {
        let agent = Agent::open_with(config, Arc::clone(clock))?;
        let connector = load::connector(config)?;
        let folder = config.proxy.as_ref().and_then(|proxy| proxy.tls.as_ref()).map(|tls| &tls.ca);
        let issuing = match (folder, made) {
            (Some(folder), Made::Yes) => Some(Arc::new(Issuing::open(folder, Arc::clone(clock))?)),
            (Some(folder), Made::No) => {
                authority::check(folder, clock.now())?;
                None
            }
            (None, _) => None,
        };
        let dns = dns.map_or_else(|| load::dns(&config.dns), Ok)?;
        let key = agent.identity().public().clone();
        let watch = Watch::new((dns, connector.clone()), Arc::clone(clock), config, key);
        Ok(Self { agent, connector, issuing, watch: Arc::new(watch) })
    }
}

impl Running {
    /// Starts an agent by the machine's clock: when this returns, programs can connect. `dns` is asked for the agent's
    /// own record; without it the resolvers of the configuration are.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(config: Config, dns: Option<Dns>) -> Result<Self, StartError> {
        let config = Arc::new(config);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        // Opening an encrypted key takes the better part of a second of computing.
        let (own, at) = (Arc::clone(&config), clock);
        let loading = tokio::task::spawn_blocking(move || Loaded::load(&own, &at, dns, Made::Yes));
        let loaded = loading.await.map_err(|_| StartError::Broken)??;
        Self::open(config, loaded).await
    }

    async fn open(config: Arc<Config>, loaded: Loaded) -> Result<Self, StartError> {
        let Loaded { agent, connector, issuing, watch } = loaded;
        let (stop, stopping) = watch::channel(false);
        let (alive, ended) = mpsc::channel(1);
        let (limits, own) = (&config.limits, OwnSockets::default());
        let carrier = |reach| {
            let outbound = Outbound::new(reach, connector.clone(), limits, own.clone());
            Carrier::new(agent.clone(), outbound, limits)
        };
        let room = |places| Room::new(places, alive.clone(), stopping.clone());
        let programs = room(limits.connections);
        let mut running = Self {
            proxy: None,
            egress: Vec::new(),
            signer: None,
            admin: None,
            stop,
            ended,
            drain: limits.drain,
            tasks: JoinSet::new(),
        };
        if let Some(proxy) = &config.proxy {
            let (listener, address) = bind(proxy.listen).await?;
            running.proxy = Some(address);
            let carrier = carrier(Reach::Public(proxy.allow_networks.clone()));
            running.tasks.spawn(tend(carrier.clone()));
            let tls = issuing.zip(proxy.tls.as_ref().map(|tls| tls.intercept));
            let service = Proxy { carrier, tls, tunnel_idle: limits.tunnel_idle };
            running.tasks.spawn(listen::accept(listener, proxy.clients.clone(), programs.clone(), service));
        }
        for config::Egress { listen, clients, upstream } in &config.egress {
            let (listener, address) = bind(*listen).await?;
            running.egress.push(address);
            let (carrier, site) = (carrier(Reach::Configured), upstream.clone());
            running.tasks.spawn(tend(carrier.clone()));
            running.tasks.spawn(listen::accept(
                listener,
                clients.clone(),
                programs.clone(),
                Egress { carrier, site },
            ));
        }
        if let Some(config::Signer { socket, users }) = &config.signer {
            let signer = Signer { agent: agent.clone(), users: users.as_slice().into() };
            running.signer = Some(socket.clone());
            let socket = Socket::open(socket).await?;
            running.tasks.spawn(signer::accept(socket, room(signer::CONNECTIONS), signer));
        }
        if let Some(listen) = config.admin {
            let (listener, address) = bind(listen).await?;
            running.admin = Some(address);
            let admin =
                Admin { agent: agent.clone(), watch: Arc::clone(&watch), config: Arc::clone(&config) };
            running.tasks.spawn(listen::accept(listener, everyone(), room(OPERATORS), admin));
        }
        running.tasks.spawn(watch.keep_up());
        running.tasks.spawn(async move { agent.desk().keep_up().await });
        Ok(running)
    }

    /// Takes no more requests, and waits for those under way to end, as long as `[limits] drain` says.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        let drain = self.drain;
        let ending = async {
            // Those that accept connections end with the stop, the rest would go on.
            self.tasks.shutdown().await;
            self.ended.recv().await
        };
        if tokio::time::timeout(drain, ending).await.is_err() {
            tracing::warn!("requests were still under way after {} s", drain.as_secs());
        }
    }
}

/// Loads everything a configuration names, as [`Running::start`] would, and starts nothing.
///
/// # Errors
/// [`LoadError`].
pub fn check(config: &Config) -> Result<(), LoadError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    Loaded::load(config, &clock, None, Made::No).map(drop)
}

/// Runs an agent until the process is asked to end: SIGTERM and SIGINT let what is under way end. `ready` is called once
/// programs can connect. A service manager that started it is kept informed.
///
/// # Errors
/// It cannot start.
pub async fn run(config: Config, ready: impl FnOnce(&Running)) -> Result<(), StartError> {
    let on = |kind| signal(kind).map_err(StartError::Signals);
    let (mut terminate, mut interrupt) = (on(SignalKind::terminate())?, on(SignalKind::interrupt())?);
    let mut hangup = on(SignalKind::hangup())?;
    let mut running = Running::start(config, None).await?;
    running.tasks.spawn(manager::keep_alive());
    ready(&running);
    manager::ready("signing");
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => tracing::warn!("there is no reload: restart the agent to have it read its files again"),
        }
    }
    manager::stopping();
    running.stop().await;
    Ok(())
}

/// Every network: whoever can connect to the operator's listener may look.
pub(crate) fn everyone() -> Vec<IpNet> {
    let all = [IpAddr::from([0; 4]), IpAddr::from([0; 16])];
    all.into_iter().filter_map(|start| IpNet::new(start, 0).ok()).collect()
}

async fn tend(carrier: Carrier) {
    loop {
        tokio::time::sleep(TEND).await;
        carrier.sweep();
    }
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

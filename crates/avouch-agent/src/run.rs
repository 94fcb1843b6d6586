//! Starting and stopping an agent.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use avouch_dns::Dns;
use avouch_gather::clock::{Clock, SystemClock};
use ipnet::IpNet;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::admin::Admin;
use crate::agent::Agent;
use crate::carrier::Carrier;
use crate::config::Config;
use crate::listen::{self, Room};
use crate::load::{self, LoadError};
use crate::manager;
use crate::outbound::{Outbound, OwnSockets, Reach};
use crate::proxy::Proxy;
use crate::registration::Watch;

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
    outbound: Outbound,
    watch: Arc<Watch>,
}

impl Loaded {
    fn load(config: &Config, clock: &Arc<dyn Clock>, dns: Option<Dns>) -> Result<Self, LoadError> {
        let agent = Agent::open_with(config, Arc::clone(clock))?;
        let also = config.proxy.as_ref().map(|proxy| proxy.allow_networks.clone()).unwrap_or_default();
        let connector = load::connector(config)?;
        let outbound = Outbound::new(Reach::Public(also), connector, &config.limits, OwnSockets::default());
        let dns = dns.map_or_else(|| load::dns(&config.dns), Ok)?;
        let watch = Watch::new(dns, Arc::clone(clock), &config.identity, agent.identity().public());
        Ok(Self { agent, outbound, watch: Arc::new(watch) })
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
        let loading = tokio::task::spawn_blocking(move || Loaded::load(&own, &at, dns));
        let loaded = loading.await.map_err(|_| StartError::Broken)??;
        Self::open(config, loaded).await
    }

    async fn open(config: Arc<Config>, loaded: Loaded) -> Result<Self, StartError> {
        let Loaded { agent, outbound, watch } = loaded;
        let (stop, stopping) = watch::channel(false);
        let (alive, ended) = mpsc::channel(1);
        let limits = &config.limits;
        let room = Room::new(limits.connections, alive.clone(), stopping.clone());
        let mut running =
            Self { proxy: None, admin: None, stop, ended, drain: limits.drain, tasks: JoinSet::new() };
        if let Some(proxy) = &config.proxy {
            let (listener, address) = bind(proxy.listen).await?;
            running.proxy = Some(address);
            let carrier = Carrier::new(agent.clone(), outbound, limits);
            running.tasks.spawn(tend(carrier.clone()));
            running.tasks.spawn(listen::accept(
                listener,
                proxy.clients.clone(),
                room.clone(),
                Proxy { carrier },
            ));
        }
        if let Some(listen) = config.admin {
            let (listener, address) = bind(listen).await?;
            running.admin = Some(address);
            let room = Room::new(OPERATORS, alive, stopping);
            let admin = Admin { agent, watch: Arc::clone(&watch), config: Arc::clone(&config) };
            running.tasks.spawn(listen::accept(listener, everyone(), room, admin));
        }
        running.tasks.spawn(watch.keep_up());
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
    Loaded::load(config, &clock, None).map(drop)
}

/// Runs an agent until the process is asked to end: SIGTERM and SIGINT let what is under way end. `ready` is called once
/// programs can connect. A service manager that started it is kept informed.
///
/// # Errors
/// It cannot start.
pub async fn run(config: Config, ready: impl FnOnce(&Running)) -> Result<(), StartError> {
    let on = |kind| signal(kind).map_err(StartError::Signals);
    let (mut terminate, mut interrupt) = (on(SignalKind::terminate())?, on(SignalKind::interrupt())?);
    let mut running = Running::start(config, None).await?;
    running.tasks.spawn(manager::keep_alive());
    ready(&running);
    manager::ready();
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    manager::stopping();
    running.stop().await;
    Ok(())
}

/// Whoever can connect to the operator's listener may look.
fn everyone() -> Vec<IpNet> {
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

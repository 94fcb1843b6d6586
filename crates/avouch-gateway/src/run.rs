//! Starting, reloading and stopping a gateway.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use avouch_dns::Dns;
use avouch_gather::Judge;
use avouch_gather::clock::{Clock, SystemClock};
use avouch_gather::replay::StoreError;
use avouch_gather::{cache, replay};
use avouch_keys::KeyError;
use avouch_keys::assertion::AssertionKey;
use avouch_keys::entropy::SystemEntropy;
use metrics_exporter_prometheus::BuildError;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::access_log::AccessLog;
use crate::config::{Config, StoreUrl};
use crate::gate::{Gate, Parts};
use crate::listen;
use crate::load::{self, LoadErrors};
use crate::numbers::Numbers;
use crate::snapshot::Snapshot;

/// How often the replay table and idle upstream connections are looked through.
const TEND: Duration = Duration::from_secs(1);

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address is taken or not ours.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Something the configuration names cannot be used.
    #[error("{0}")]
    Load(#[from] LoadErrors),
    /// The replay table cannot be opened.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// No key for assertions could be made.
    #[error("cannot make a key for assertions: {0}")]
    Key(#[from] KeyError),
    /// The access log cannot be opened.
    #[error("cannot open the access log: {0}")]
    Log(std::io::Error),
    /// The table of numbers cannot be set up; a defect of avouch.
    #[error("cannot set up metrics: {0}")]
    Numbers(#[from] BuildError),
}

/// What a gateway takes from outside its configuration.
pub struct Surroundings {
    /// Where `now` comes from.
    pub clock: Arc<dyn Clock>,
    /// Where DNS answers come from; `None`: the resolvers of the configuration.
    pub dns: Option<Dns>,
}

impl Default for Surroundings {
    /// The machine's clock, the configuration's resolvers.
    fn default() -> Self {
        Self { clock: Arc::new(SystemClock::new()), dns: None }
    }
}

/// A gateway, to be started.
#[derive(Debug)]
pub struct Gateway;

/// A gateway at work. Dropped without [`Running::stop`], it stops at once.
pub struct Running {
    /// Where it listens, in the order of the configuration, with the ports it got.
    pub addresses: Vec<SocketAddr>,
    gate: Arc<Gate>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Gateway {
    /// Starts a gateway: when this returns, it accepts connections.
    ///
    /// # Errors
    ///
    /// Something it needs cannot be opened.
    pub async fn start(config: Config, surroundings: Surroundings) -> Result<Running, StartError> {
        let connections = Arc::new(Semaphore::new(config.limits.connections));
        let mut listeners = Vec::new();
        for address in &config.listen {
            listeners.push(listen_on(*address).await?);
        }
        let gate = Arc::new(open(config, surroundings)?);
        let (stop, stopping) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let mut addresses = Vec::new();
        for (address, listener) in listeners {
            addresses.push(address);
            tasks.spawn(listen::accept(
                Arc::clone(&gate),
                listener,
                Arc::clone(&connections),
                stopping.clone(),
            ));
        }
        tasks.spawn(tend(Arc::clone(&gate)));
        Ok(Running { addresses, gate, stop, tasks })
    }
}

fn open(config: Config, surroundings: Surroundings) -> Result<Gate, StartError> {
    let Surroundings { clock, dns } = surroundings;
    let log = AccessLog::open(&config.log, config.limits.log_buffer.0).map_err(StartError::Log)?;
    let dns = dns.map_or_else(|| load::dns(&config.dns), Ok);
    let judge = judge_settings(&config);
    let snapshot = match (Snapshot::new(config, None), dns) {
        (Ok(snapshot), Ok(dns)) => (snapshot, dns),
        (Ok(_), Err(error)) => return Err(LoadErrors(vec![error]).into()),
        (Err(errors), Ok(_)) => return Err(errors.into()),
        (Err(LoadErrors(mut errors)), Err(error)) => {
            errors.push(error);
            return Err(LoadErrors(errors).into());
        }
    };
    let (snapshot, dns) = snapshot;
    let judge = Judge::new(&judge, dns, Arc::clone(&clock))?;
    let assertion_key = AssertionKey::generate(&mut SystemEntropy)?;
    Ok(Gate::new(Parts { snapshot, judge, clock, log, numbers: Numbers::new()?, assertion_key }))
}

fn judge_settings(config: &Config) -> avouch_gather::Settings {
    let folder = match &config.store.url {
        StoreUrl::Memory => None,
        StoreUrl::File(path) => Some(path.clone()),
    };
    avouch_gather::Settings {
        cache: cache::Settings { ttl_cap: config.dns.ttl_cap, ..cache::Settings::default() },
        replay: replay::Settings { capacity: config.limits.nonces, folder, fresh: config.store.fresh },
        ..avouch_gather::Settings::default()
    }
}

async fn listen_on(address: SocketAddr) -> Result<(SocketAddr, TcpListener), StartError> {
    let failed = |source| StartError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    Ok((listener.local_addr().map_err(failed)?, listener))
}

/// Keeps the replay table swept and closes upstream connections that nobody needs any more.
async fn tend(gate: Arc<Gate>) {
    loop {
        tokio::time::sleep(TEND).await;
        gate.snapshot().pools().iter().for_each(|(_, pool)| pool.sweep());
        let gate = Arc::clone(&gate);
        let _ = tokio::task::spawn_blocking(move || gate.judge.table().tend()).await;
    }
}

impl Running {
    /// Stops accepting, lets what is under way end within the configured time, and writes what
    /// is to be kept.
    pub async fn stop(mut self) {
        let _ = self.stop.send(true);
        let drain = self.gate.snapshot().config.limits.drain;
        if tokio::time::timeout(drain, self.stop.closed()).await.is_err() {
            tracing::warn!("requests under way were cut off after the drain time");
        }
        self.tasks.shutdown().await;
        let gate = Arc::clone(&self.gate);
        let closing = tokio::task::spawn_blocking(move || {
            if let Err(error) = gate.judge.table().save() {
                tracing::error!(%error, "cannot save the replay table");
            }
            gate.log.close();
        });
        let _ = closing.await;
    }
}

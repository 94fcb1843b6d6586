//! Starting, reloading and stopping a gateway.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use avouch_gather::clock::Clock;
use avouch_tls::CertificateError;
use metrics_exporter_prometheus::BuildError;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::access_log::AccessLog;
use crate::config::Config;
use crate::gate::Gate;
use crate::listen;
use crate::numbers::Numbers;
use crate::snapshot::Snapshot;

/// How often idle upstream connections are looked through.
const SWEEP: Duration = Duration::from_secs(5);

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
    /// The certificate or key cannot be used.
    #[error("{0}")]
    Certificate(#[from] CertificateError),
    /// The access log cannot be opened.
    #[error("cannot open the access log: {0}")]
    Log(std::io::Error),
    /// The table of numbers cannot be set up; a defect of avouch.
    #[error("cannot set up metrics: {0}")]
    Numbers(#[from] BuildError),
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
    pub async fn start(config: Config, clock: Arc<dyn Clock>) -> Result<Running, StartError> {
        let log = AccessLog::open(&config.log, config.limits.log_buffer.0).map_err(StartError::Log)?;
        let connections = Arc::new(Semaphore::new(config.limits.connections));
        let mut listeners = Vec::new();
        for address in &config.listen {
            listeners.push(listen_on(*address).await?);
        }
        let gate = Arc::new(Gate::new(Snapshot::new(config, None)?, clock, log, Numbers::new()?));
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
        tasks.spawn(sweep(Arc::clone(&gate)));
        Ok(Running { addresses, gate, stop, tasks })
    }
}

async fn listen_on(address: SocketAddr) -> Result<(SocketAddr, TcpListener), StartError> {
    let failed = |source| StartError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    Ok((listener.local_addr().map_err(failed)?, listener))
}

/// Closes upstream connections that nobody needs any more.
async fn sweep(gate: Arc<Gate>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        for (_, pool) in gate.snapshot().pools() {
            pool.sweep();
        }
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
        let log = Arc::clone(&self.gate.log);
        let _ = tokio::task::spawn_blocking(move || log.close()).await;
    }
}

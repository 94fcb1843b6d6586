//! Starting and stopping a registrar.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use avouch_dns::publish::{PublishError, Publisher};
use avouch_gather::clock::SystemClock;
use avouch_keys::tsig::{TsigKey, TsigKeyError};
use avouch_store::ledger::{Ledger, LedgerError};
use avouch_tls::{Acceptor, CertificateError};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::config::Config;
use crate::registrar::{Registrar, Role, Rules};
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
    /// The certificate cannot be used.
    #[error("{0}")]
    Certificate(#[from] CertificateError),
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

/// Opens everything that a configuration names but the database, the address and the sockets.
///
/// # Errors
/// [`StartError`].
pub fn check(config: &Config) -> Result<(), StartError> {
    open(config).map(drop)
}

fn open(config: &Config) -> Result<(Publisher, Option<Acceptor>), StartError> {
    let tls =
        config.tls.as_ref().map(|(certificate, key)| Acceptor::load(certificate, key, None)).transpose()?;
    let publish = &config.publish;
    Ok((Publisher::new(publish.server, &publish.zone, TsigKey::open(&publish.tsig)?)?, tls))
}

/// Runs a registrar until the process is asked to end; `ready` learns where agents ask.
///
/// # Errors
/// [`StartError`].
pub async fn run(config: &Config, ready: impl FnOnce(SocketAddr)) -> Result<(), StartError> {
    let on = |kind| signal(kind).map_err(StartError::Signals);
    let (mut terminate, mut interrupt) = (on(SignalKind::terminate())?, on(SignalKind::interrupt())?);
    let (publisher, tls) = open(config)?;
    let ledger = Ledger::open(&config.store).await?;
    let _alone = ledger.alone().await?;
    let failed = |source| StartError::Listen { address: config.listen, source };
    let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let (stop, stopping) = watch::channel(false);
    let mut tasks = JoinSet::new();
    let rules = Rules { domain: config.domain.clone() };
    let publishing = (publisher, config.publish.ttl);
    let clock = Arc::new(SystemClock::new());
    let registrar = Registrar::start(rules, ledger, publishing, clock, &mut tasks, stopping.clone());
    let operators = config.operator.iter().map(|path| (path, Role::Operator, OF_OPERATORS));
    for (path, role, mode) in std::iter::once((&config.owner, Role::Owner, OF_OWNER)).chain(operators) {
        let opened = socket::open(path, mode).await;
        let opened = opened.map_err(|source| StartError::Socket { path: path.clone(), source })?;
        let (router, mut stopping, path) = (registrar.for_role(role), stopping.clone(), path.clone());
        tasks.spawn(async move {
            let stopped = async move { _ = stopping.wait_for(|stopping| *stopping).await };
            if let Err(error) = axum::serve(opened, router).with_graceful_shutdown(stopped).await {
                tracing::error!(%error, "a socket is not served any more");
            }
            let _ = std::fs::remove_file(path);
        });
    }
    tasks.spawn(accept(listener, tls, registrar.for_agents(), LASTS, stopping));
    drop(registrar);
    ready(address);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    stop.send_replace(true);
    // Each ends: connections last no longer than they may, and the writer with the last who hands in.
    let ending = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(LASTS, ending).await.is_err() {
        tracing::warn!("somebody's connection is cut off");
    }
    Ok(())
}

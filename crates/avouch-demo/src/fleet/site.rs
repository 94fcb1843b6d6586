//! The site that the fleet visits, with its gateway, and the DNS of this world.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;

use avouch_dns::SignedZones;
use avouch_gateway::config::Config;
use avouch_gateway::{Gateway, Running, Surroundings};

use crate::DemoError;
use crate::access_log::{AccessLog, Line};
use crate::upstream::{Upstream, Visit};

/// A root zone, a web server, and the gateway before it.
pub(super) struct Site {
    pub(super) zones: SignedZones,
    /// `127.0.0.1` with the gateway's port: programs of this machine find it without a resolver.
    pub(super) authority: SocketAddr,
    upstream: Upstream,
    gateway: Running,
    log: AccessLog,
}

impl Site {
    pub(super) async fn start(folder: &Path) -> Result<Self, DemoError> {
        let zones = SignedZones::start("").await?;
        tokio::fs::write(folder.join("root.key"), format!("{}\n", zones.trust_anchor())).await?;
        let upstream = Upstream::start().await?;
        let authority = free_port()?;
        let config = format!(
            "mode = 'enforce'\nlisten = '{authority}'\nauthorities = '{authority}'\nupstream = 'http://{}'\n\
             private_peers = 'clients'\n{}\
             [store]\nurl = 'memory:'\nfresh = true\n[log]\naccess = '{}'\n\
             [[route]]\npath = '/members'\nrequire = 3\n",
            upstream.address,
            resolving(&zones, folder),
            folder.join("access.log").display(),
        );
        let config = Config::parse("gateway.toml", &config)?;
        let gateway = Gateway::start(config, Surroundings::default()).await?;
        let log = AccessLog::new(folder.join("access.log"));
        Ok(Self { zones, authority, upstream, gateway, log })
    }

    /// What the gateway logged of a request to this path, and what the web server received of it.
    pub(super) async fn told(&mut self, path: &str) -> Option<(Line, Visit)> {
        let line = self.log.line(Ipv4Addr::LOCALHOST, path).await?;
        let visit = self.upstream.visit(&line.request_id);
        Some((line, visit))
    }

    pub(super) async fn stop(self) {
        self.gateway.stop().await;
    }
}

/// Whom gateway and agents ask, and the root they believe.
pub(super) fn resolving(zones: &SignedZones, folder: &Path) -> String {
    let anchor = folder.join("root.key");
    format!("[dns]\nresolvers = '{}'\ntrust_anchor = '{}'\n", zones.address(), anchor.display())
}

/// A port that was free just now: the site's name holds it, so it has to be known before the gateway listens.
fn free_port() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

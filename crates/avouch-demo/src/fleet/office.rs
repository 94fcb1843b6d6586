//! The domain's side: its registrar, which holds the zone of agents, and its owner.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use avouch_authority::config::Config;
use avouch_authority::{Running, ask};
use avouch_dns::own::AtParent;
use http::Method;
use serde_json::{Value, json};

use super::{DOMAIN, TTL};
use crate::DemoError;

/// Who holds the zone of the agents.
#[derive(Clone, Debug)]
pub enum Zone {
    /// The registrar.
    OfRegistrar,
    /// A name server, which takes changes that are signed by this TSIG key.
    At(SocketAddr, PathBuf),
}

/// A registrar at work, and the owner's way to it.
pub(super) struct Office {
    running: Running,
    socket: PathBuf,
    /// Who is asked for what is in the zone, and what its parent says.
    pub(super) server: SocketAddr,
    pub(super) at_parent: AtParent,
}

impl Office {
    pub(super) async fn start(folder: &Path, zone: &Zone) -> Result<Self, DemoError> {
        let file = |name: &str| folder.join(name).display().to_string();
        let records = match zone {
            Zone::OfRegistrar => format!(
                "[zone]\nlisten = ['127.0.0.1:0']\nkey = '{}'\nservers = ['ns.{DOMAIN}']\nttl = {TTL}\n",
                file("zone.key")
            ),
            Zone::At(server, tsig) => {
                format!("[publish]\nserver = '{server}'\ntsig = '{}'\nttl = {TTL}\n", tsig.display())
            }
        };
        let config = format!(
            "domain = '{DOMAIN}'\nlisten = '127.0.0.1:0'\nstore.url = 'sqlite:{}'\nowner.socket = '{}'\n{records}",
            file("registrar.db"),
            file("owner.sock"),
        );
        let running = Running::start(&Config::parse("registrar.toml", &config)?).await?;
        let unsigned = || AtParent {
            zone: format!("_saip.{DOMAIN}"),
            ttl: TTL,
            servers: vec![format!("ns.{DOMAIN}")],
            ds: String::new(),
        };
        let own = running.zone.first().copied().zip(running.at_parent.clone());
        let (server, at_parent) = match (zone, own) {
            (Zone::At(server, _), _) => (*server, unsigned()),
            (Zone::OfRegistrar, own) => own.ok_or(DemoError::Registrar("it serves no zone"))?,
        };
        Ok(Self { running, socket: folder.join("owner.sock"), server, at_parent })
    }

    /// Where agents enrol.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.running.agents)
    }

    /// A token for so many agents of a fleet.
    pub(super) async fn token(&self, fleet: &str, uses: usize) -> Result<String, DemoError> {
        let body = json!({ "name": fleet, "agents": format!("*.{fleet}"), "uses": uses, "lasts": 3600, "approval": false,
            "attested": false });
        let told = ask(&self.socket, Method::POST, "/v1/tokens", Some(&body)).await?;
        let token = told.get("token").and_then(Value::as_str);
        token.map(str::to_owned).ok_or(DemoError::Registrar("it gave no token"))
    }

    /// What `avouch revoke FLEET@DOMAIN` does.
    pub(super) async fn revoke(&self, fleet: &str) -> Result<(), DemoError> {
        ask(&self.socket, Method::POST, "/v1/revoke", Some(&json!({ "agent": fleet }))).await?;
        Ok(())
    }

    pub(super) async fn stop(self) {
        self.running.stop().await;
    }
}

//! `[proxy]`: the forward proxy, and where it may lead.

use std::net::SocketAddr;
use std::path::PathBuf;

use avouch_wire::settings::{Fault, Table};
use ipnet::IpNet;

/// The forward proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// Where programs connect.
    pub listen: SocketAddr,
    /// Who may; without it this machine alone.
    pub clients: Vec<IpNet>,
    /// Networks that are not public, and may be connected to all the same.
    pub allow_networks: Vec<IpNet>,
    /// Whether and how https is opened to be signed; without it CONNECT is passed on as it is.
    pub tls: Option<Interception>,
}

/// `[proxy.tls]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interception {
    /// The folder of the authority, which is made there if there is none.
    pub ca: PathBuf,
    /// What is opened.
    pub intercept: Intercept,
}

/// Which connections are opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Intercept {
    /// Those to destinations, where requests are signed.
    #[default]
    Listed,
    /// All, so that fields that say who asks are taken away everywhere.
    All,
}

impl Intercept {
    /// As written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Listed => "listed",
            Self::All => "all",
        }
    }
}

impl Proxy {
    pub(super) fn read(mut table: Table<'_>) -> Option<Self> {
        let (listen, clients) = listening(&mut table);
        let allow_networks = table.list("allow_networks", |value| value.network()).unwrap_or_default();
        let tls = table.sub("tls").and_then(|mut tls| {
            let ca = tls.required("ca", super::path);
            let words = [("listed", Intercept::Listed), ("all", Intercept::All)];
            let intercept = tls.optional("intercept", |value| value.one_of(&words)).unwrap_or_default();
            Some(Interception { ca: ca?, intercept })
        });
        Some(Self { listen: listen?, clients, allow_networks, tls })
    }
}

/// Where programs connect, and who may. Whoever can connect signs in the agent's name, so others than this machine have
/// to be named.
pub(super) fn listening(table: &mut Table<'_>) -> (Option<SocketAddr>, Vec<IpNet>) {
    let listen = table.required("listen", |value| value.socket());
    let clients = table.some("clients", |value| value.network()).unwrap_or_default();
    if listen.is_some_and(|address| !address.ip().is_loopback()) && !table.has("clients") {
        let fix =
            "listen on \"127.0.0.1:…\", or name with `clients = [\"10.0.0.0/8\"]` who may sign in your name";
        table.complain(
            "listen",
            Fault::new("is open to other machines, and nothing says which of them may sign", fix),
        );
    }
    (listen, clients)
}

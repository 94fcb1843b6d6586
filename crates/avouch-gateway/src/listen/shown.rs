//! What a connection showed of TLS, for the requests that come by it.

use avouch_engine::request::{Indicators, Request, Transport, certified_domain};
use avouch_tls::{Acceptor, Secured};
use avouch_wire::name::Domain;
use avouch_wire::proxy_protocol::Told;

/// What is known of the TLS of a connection.
pub(crate) enum Shown {
    /// There was none.
    Plain,
    /// A proxy brought the connection, and said nothing of it.
    Untold,
    /// A trusted proxy ended it, and told what it saw.
    Told(Names),
    /// It ended here.
    Here(Names, Acceptor),
}

/// What the client called the site, and what its certificate calls itself.
#[derive(Default)]
pub(crate) struct Names {
    server: Option<String>,
    client: Vec<Domain<'static>>,
}

impl Shown {
    /// What a proxy's header tells.
    pub(super) fn told(header: &[u8]) -> Self {
        let told = Told::read(header);
        let names = Names {
            server: told.server_name.map(str::to_ascii_lowercase),
            client: told.common_name.and_then(certified_domain).into_iter().collect(),
        };
        match (&names.server, told.common_name) {
            (None, None) => Self::Untold,
            _ => Self::Told(names),
        }
    }

    /// What another server saw of a connection that ended there.
    pub(crate) fn elsewhere(server_name: Option<&str>, client_names: &[impl AsRef<str>]) -> Self {
        let client = client_names.iter().filter_map(|name| certified_domain(name.as_ref())).collect();
        Self::Told(Names { server: server_name.map(str::to_ascii_lowercase), client })
    }

    /// What the handshake showed.
    pub(super) fn here<S>(stream: &Secured<S>, acceptor: &Acceptor) -> Self {
        let names = Names {
            server: stream.server_name().map(str::to_ascii_lowercase),
            client: stream.client_names().iter().filter_map(|name| certified_domain(name)).collect(),
        };
        Self::Here(names, acceptor.clone())
    }

    /// What it says of a request. Where a proxy brought the request, by a connection of its own, what that one
    /// showed is the proxy's.
    pub(crate) fn of(&self, request: &Request<'_>, is_proxys: bool) -> Transport<'_> {
        let (names, acceptor) = match self {
            Self::Plain if !is_proxys => return Transport::Unseen,
            Self::Told(names) if !is_proxys => (names, None),
            Self::Here(names, acceptor) if !is_proxys => (names, Some(acceptor)),
            _ => return Transport::Elsewhere,
        };
        let host = request.authority().host();
        let asked = names.server.as_deref();
        // Nearly every request is for the site that was asked for, and needs no certificate read.
        let covers = || acceptor.is_some_and(|acceptor| acceptor.covers(host));
        Transport::Seen(Indicators {
            server_name: asked,
            covers_authority: asked.is_some_and(|asked| asked != host) && covers(),
            client_names: &names.client,
        })
    }
}

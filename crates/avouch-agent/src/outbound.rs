//! Connections to sites.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use avouch_gather::https::is_public;
use avouch_tls::Connector;
use avouch_wire::authority::Scheme;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use crate::body::Outgoing;
use crate::config::Limits;
use crate::refusal::Refusal;
use crate::site::Site;

/// Addresses of a host that are tried.
const MAX_ADDRESSES: usize = 4;

/// Octets of the head of an answer.
const MAX_HEAD: usize = 64 << 10;

/// Where requests may lead.
#[derive(Clone, Debug)]
pub(crate) enum Reach {
    /// The public Internet, and these networks.
    Public(Vec<IpNet>),
    /// Wherever the operator's configuration leads.
    Configured,
}

/// Opens connections.
#[derive(Clone)]
pub(crate) struct Outbound {
    reach: Reach,
    connector: Connector,
    connect: Duration,
    own: OwnSockets,
}

/// The two ends of a connection, as the side sees them that it belongs to. One end alone tells nothing: the system gives
/// out a port again while it is in use, for a connection elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Ends {
    near: SocketAddr,
    far: SocketAddr,
}

/// The connections that the agent has open: a request that comes by one of them is its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct OwnSockets(Arc<Mutex<HashSet<Ends>>>);

/// One of them, for as long as it is open.
pub(crate) struct OwnSocket {
    ends: Option<Ends>,
    all: OwnSockets,
}

impl OwnSockets {
    /// Whether the other side of an accepted connection is the agent's, too.
    fn hold(&self, accepted: Ends) -> bool {
        self.lock().contains(&Ends { near: accepted.far, far: accepted.near })
    }

    fn enter(&self, stream: &TcpStream) -> OwnSocket {
        let ends = Ends::of(stream);
        ends.map(|ends| self.lock().insert(ends));
        OwnSocket { ends, all: self.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<Ends>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ends {
    /// Those of an open connection.
    pub(crate) fn of(stream: &TcpStream) -> Option<Self> {
        let (near, far) = (stream.local_addr().ok()?, stream.peer_addr().ok()?);
        Some(Self { near: canonical(near), far: canonical(far) })
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

impl Drop for OwnSocket {
    fn drop(&mut self) {
        self.ends.map(|ends| self.all.lock().remove(&ends));
    }
}

impl Reach {
    fn allows(&self, address: IpAddr) -> bool {
        match self {
            Self::Public(also) => {
                is_public(address) || also.iter().any(|network| network.contains(&address.to_canonical()))
            }
            Self::Configured => true,
        }
    }
}

impl Outbound {
    pub(crate) const fn new(reach: Reach, connector: Connector, limits: &Limits, own: OwnSockets) -> Self {
        Self { reach, connector, connect: limits.connect, own }
    }

    /// Whether who connected is the agent itself.
    pub(crate) fn is_own(&self, accepted: Ends) -> bool {
        self.own.hold(accepted)
    }

    /// Connects to the first address that answers, of those that may be connected to.
    pub(crate) async fn tcp(&self, site: &Site) -> Result<(TcpStream, OwnSocket), Refusal> {
        let opening = async {
            let found = lookup_host((site.host(), site.port())).await.map_err(Refusal::Name)?;
            let mut last = Refusal::Prohibited;
            for address in found.filter(|address| self.reach.allows(address.ip())).take(MAX_ADDRESSES) {
                match timeout(self.connect / 2, TcpStream::connect(address)).await {
                    Ok(Ok(stream)) => {
                        let own = self.own.enter(&stream);
                        // Of a site that is gone already, reading will tell.
                        let _ = stream.set_nodelay(true);
                        return Ok((stream, own));
                    }
                    Ok(Err(error)) => last = Refusal::Unreachable(error),
                    Err(_) => last = Refusal::ConnectTimeout,
                }
            }
            Err(last)
        };
        timeout(self.connect, opening).await.unwrap_or(Err(Refusal::ConnectTimeout))
    }

    /// Opens a connection for requests to a site.
    pub(crate) async fn open(&self, site: &Site) -> Result<http1::SendRequest<Outgoing>, Refusal> {
        let (stream, own) = self.tcp(site).await?;
        match site.scheme {
            Scheme::Http => speak(stream, own).await,
            Scheme::Https => {
                let securing = timeout(self.connect, self.connector.connect(site.host(), stream)).await;
                let secured = securing.map_err(|_| Refusal::ConnectTimeout)?.map_err(Refusal::Tls)?;
                speak(secured, own).await
            }
        }
    }
}

async fn speak<S>(stream: S, own: OwnSocket) -> Result<http1::SendRequest<Outgoing>, Refusal>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut client = http1::Builder::new();
    client.max_buf_size(MAX_HEAD);
    let (sender, connection) = client.handshake(TokioIo::new(stream)).await.map_err(Refusal::Broken)?;
    tokio::spawn(async move {
        // Its failures reach the sender or the content, whoever waits.
        let _ended = connection.await;
        drop(own);
    });
    Ok(sender)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_of_its_own_is_known_by_both_ends_and_only_while_it_is_open() {
        let own = OwnSockets::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (far, _) = listener.accept().await.unwrap();
        let accepted = Ends::of(&far).unwrap();
        assert!(!own.hold(accepted));
        let held = own.enter(&near);
        assert!(own.hold(accepted));
        let elsewhere = SocketAddr::new(accepted.near.ip(), accepted.near.port() ^ 1);
        assert!(!own.hold(Ends { near: elsewhere, ..accepted }), "the same port, and another connection");
        drop(held);
        assert!(!own.hold(accepted));
    }

    #[test]
    fn only_the_public_internet_and_what_is_named_is_within_reach() {
        let reach = Reach::Public(vec!["10.1.0.0/16".parse().unwrap()]);
        for (address, allowed) in [
            ("1.1.1.1", true),
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("10.2.0.1", false),
            ("127.0.0.1", false),
            ("::1", false),
            ("::ffff:127.0.0.1", false),
            ("169.254.169.254", false),
        ] {
            assert_eq!(reach.allows(address.parse().unwrap()), allowed, "{address}");
        }
        assert!(Reach::Configured.allows("127.0.0.1".parse().unwrap()));
    }
}

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

/// The near ends of connections that the agent has open: a request that comes from one of them is its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct OwnSockets(Arc<Mutex<HashSet<SocketAddr>>>);

/// One of them, for as long as it is open.
pub(crate) struct OwnSocket {
    address: Option<SocketAddr>,
    all: OwnSockets,
}

impl OwnSockets {
    pub(crate) fn hold(&self, address: SocketAddr) -> bool {
        self.lock().contains(&canonical(address))
    }

    fn enter(&self, stream: &TcpStream) -> OwnSocket {
        let address = stream.local_addr().ok().map(canonical);
        address.map(|address| self.lock().insert(address));
        OwnSocket { address, all: self.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<SocketAddr>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

impl Drop for OwnSocket {
    fn drop(&mut self) {
        self.address.map(|address| self.all.lock().remove(&address));
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

    /// Whether who connected from there is the agent itself.
    pub(crate) fn is_own(&self, peer: SocketAddr) -> bool {
        self.own.hold(peer)
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

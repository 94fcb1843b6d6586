//! Whose word about the client is taken: forwarding headers and PROXY v2 from `trusted_proxies` only.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use avouch_engine::request as engine;
use avouch_engine::request::is_private;
use avouch_wire::authority::Scheme;
use http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Hops read from the right of a forwarding header; longer chains do not occur, and each costs a
/// search in the trusted networks.
const HOP_LIMIT: usize = 32;

/// The peers whose word is taken, from `trusted_proxies`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    /// Networks of proxies.
    pub networks: Vec<IpNet>,
    /// Whether whoever reaches a Unix socket of ours is a proxy.
    pub unix: bool,
}

/// What an address of a private network stands for, from `private_peers`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PrivatePeers {
    /// A proxy nobody listed, so its address says nothing about the client.
    #[default]
    Proxies,
    /// A client on the site's own network.
    Clients,
}

impl PrivatePeers {
    /// Whether who connects from this address is taken for a proxy.
    pub(crate) fn are_proxies(self, address: IpAddr) -> bool {
        self == Self::Proxies && is_private(address)
    }
}

/// How the client's address came to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Through {
    /// It is the address of the connection.
    Direct,
    /// A trusted proxy told.
    TrustedProxy,
    /// The connection comes from a proxy nobody listed: the address is not the client's.
    UntrustedProxy,
}

/// Who the client is on the network, as far as can be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The client's address, or the last one somebody trusted vouched for.
    pub address: IpAddr,
    /// How it came to be known.
    pub through: Through,
    /// What a trusted proxy said the client used, else the listener's scheme.
    pub scheme: Scheme,
}

impl From<&Peer> for engine::Peer {
    fn from(peer: &Peer) -> Self {
        match peer.through {
            Through::Direct | Through::TrustedProxy => Self::client(peer.address),
            Through::UntrustedProxy => Self::untrusted_proxy(peer.address),
        }
    }
}

/// The other end of a connection, before any header is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remote {
    /// Its address, or the one PROXY v2 gave; unspecified (0.0.0.0) for a Unix socket.
    pub(crate) address: IpAddr,
    /// It came over a Unix socket.
    pub(crate) unix: bool,
    /// A trusted proxy's PROXY header named the address.
    pub(crate) told: bool,
}

impl Remote {
    /// Its address, or the one PROXY v2 gave; unspecified (0.0.0.0) for a Unix socket.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// The other end of a TCP connection.
    pub(crate) const fn tcp(address: SocketAddr) -> Self {
        Self { address: address.ip().to_canonical(), unix: false, told: false }
    }

    /// The other end of a Unix socket, which has no address.
    pub(crate) const fn unix() -> Self {
        Self { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), unix: true, told: false }
    }
}

impl TrustedProxies {
    /// Whether the word of this end of a connection is taken.
    pub(crate) fn holds(&self, remote: Remote) -> bool {
        if remote.unix && !remote.told { self.unix } else { self.contains(remote.address) }
    }

    /// Whether an address is one of theirs.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// The client behind a request.
    pub(crate) fn client(
        &self,
        remote: Remote,
        listener: Scheme,
        private: PrivatePeers,
        headers: &HeaderMap,
    ) -> Peer {
        if self.holds(remote) {
            let scheme = told_scheme(headers).unwrap_or(listener);
            let (address, through) = match self.told(remote.address, headers) {
                // Behind a Unix socket only a header can name an address.
                Some(address) if !address.is_unspecified() => (address, Through::TrustedProxy),
                Some(_) | None => (remote.address, Through::UntrustedProxy),
            };
            return Peer { address, through, scheme };
        }
        let unlisted =
            forwards(headers) || (!remote.told && (remote.unix || private.are_proxies(remote.address)));
        let through = match (unlisted, remote.told) {
            (true, _) => Through::UntrustedProxy,
            (false, true) => Through::TrustedProxy,
            (false, false) => Through::Direct,
        };
        Peer { address: remote.address, through, scheme: listener }
    }

    /// The client behind a request of which a trusted proxy says who connected to it: that one, unless it is a
    /// trusted proxy in its turn, which says by its headers who connected to it.
    pub(crate) fn behind(&self, connected: Option<IpAddr>, scheme: Scheme, headers: &HeaderMap) -> Peer {
        let connected = connected.map(|address| address.to_canonical());
        let nearest = connected.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let client = match self.contains(nearest) {
            true => self.told(nearest, headers),
            false => Some(nearest),
        };
        match client.filter(|address| !address.is_unspecified()) {
            Some(address) => Peer { address, through: Through::TrustedProxy, scheme },
            None => Peer { address: nearest, through: Through::UntrustedProxy, scheme },
        }
    }

    /// The client that forwarding headers name. A proxy writes one of the two kinds and passes
    /// the other on as the client sent it; when they differ, neither can be believed.
    fn told(&self, nearest: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        let values = |name| headers.contains_key(name).then(|| headers.get_all(name).into_iter());
        let standard =
            values(&header::FORWARDED).map(|values| self.walk(nearest, hops(values).map(forwarded_for)));
        let common = values(&X_FORWARDED_FOR).map(|values| self.walk(nearest, hops(values).map(address)));
        match (standard, common) {
            (Some(standard), Some(common)) if standard != common => None,
            (standard, common) => Some(standard.or(common).unwrap_or(nearest)),
        }
    }

    /// Walks a chain from the nearest hop: the first untrusted address is the client, and an entry
    /// that is not an address ends the walk at the last good one.
    fn walk(&self, nearest: IpAddr, hops: impl Iterator<Item = Option<IpAddr>>) -> IpAddr {
        let mut client = nearest;
        for hop in hops.take(HOP_LIMIT) {
            let Some(address) = hop else { break };
            client = address;
            if !self.contains(address) {
                break;
            }
        }
        client
    }
}

/// Whether the sender says it forwards for somebody.
fn forwards(headers: &HeaderMap) -> bool {
    [&header::FORWARDED, &X_FORWARDED_FOR, &X_FORWARDED_HOST, &X_FORWARDED_PROTO, &X_REAL_IP]
        .into_iter()
        .any(|name| headers.contains_key(name))
}

/// The comma-separated entries of all values, from the right. A value that is not ASCII text
/// yields one empty entry, which no reader takes for an address.
fn hops<'a>(values: impl DoubleEndedIterator<Item = &'a http::HeaderValue>) -> impl Iterator<Item = &'a str> {
    values.rev().flat_map(|value| value.to_str().unwrap_or_default().rsplit(',')).map(str::trim)
}

/// An address as it stands in `X-Forwarded-For`: bare, in brackets, or with a port.
fn address(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    if let Ok(socket) = text.parse::<SocketAddr>() {
        return Some(socket.ip().to_canonical());
    }
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    inner.parse::<std::net::Ipv6Addr>().ok().map(|v6| v6.to_canonical())
}

/// The `for` of one element of `Forwarded` (RFC 7239 section 4). Obfuscated and unknown nodes
/// are no addresses.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        name.eq_ignore_ascii_case("for").then_some(())?;
        let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        address(quoted.unwrap_or(value))
    })
}

fn told_scheme(headers: &HeaderMap) -> Option<Scheme> {
    let said = hops(headers.get_all(X_FORWARDED_PROTO).into_iter()).next()?;
    Scheme::parse(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trusted() -> TrustedProxies {
        TrustedProxies { networks: vec!["10.0.0.0/8".parse().unwrap()], unix: true }
    }

    fn from(address: &str) -> Remote {
        Remote { address: address.parse().unwrap(), unix: false, told: false }
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(HeaderName::from_static(name), http::HeaderValue::from_static(value));
        }
        map
    }

    fn client(remote: Remote, pairs: &[(&'static str, &'static str)]) -> (String, Through) {
        let peer = trusted().client(remote, Scheme::Http, PrivatePeers::Proxies, &headers(pairs));
        (peer.address.to_string(), peer.through)
    }

    #[test]
    fn a_trusted_proxy_names_the_client_and_a_stranger_does_not() {
        let told = [("x-forwarded-for", "203.0.113.9")];
        assert_eq!(client(from("10.0.0.1"), &told), ("203.0.113.9".into(), Through::TrustedProxy));
        assert_eq!(client(from("198.51.100.1"), &told), ("198.51.100.1".into(), Through::UntrustedProxy));
    }

    #[test]
    fn a_forwarding_header_that_the_proxy_only_passed_on_is_not_believed() {
        let both = |standard, common| {
            client(from("10.0.0.1"), &[("forwarded", standard), ("x-forwarded-for", common)])
        };
        let nobody = ("10.0.0.1".into(), Through::UntrustedProxy);
        assert_eq!(both("for=192.0.2.1", "203.0.113.9"), nobody);
        assert_eq!(both("for=unknown", "203.0.113.9"), nobody);
        assert_eq!(both("for=203.0.113.9", "203.0.113.9"), ("203.0.113.9".into(), Through::TrustedProxy));
    }

    #[test]
    fn the_rightmost_untrusted_address_is_the_client() {
        let chain = [("x-forwarded-for", "192.0.2.66, 203.0.113.9"), ("x-forwarded-for", "10.2.2.2")];
        assert_eq!(client(from("10.0.0.1"), &chain).0, "203.0.113.9");
        let forwarded =
            [("forwarded", "for=192.0.2.66, for=\"[2001:db8::9]:4711\";proto=https, for=10.2.2.2")];
        assert_eq!(client(from("10.0.0.1"), &forwarded).0, "2001:db8::9");
    }

    #[test]
    fn who_connected_to_a_proxy_is_the_client_unless_it_is_a_trusted_one_too() {
        let behind = |connected: Option<&str>, pairs: &[(&'static str, &'static str)]| {
            let connected = connected.map(|address| address.parse().unwrap());
            let peer = trusted().behind(connected, Scheme::Https, &headers(pairs));
            (peer.address.to_string(), peer.through)
        };
        let told = [("x-forwarded-for", "203.0.113.9, 10.0.0.2")];
        assert_eq!(behind(Some("10.0.0.2"), &told), ("203.0.113.9".into(), Through::TrustedProxy));
        assert_eq!(behind(Some("::ffff:10.0.0.2"), &told).0, "203.0.113.9");
        assert_eq!(behind(Some("198.51.100.1"), &told), ("198.51.100.1".into(), Through::TrustedProxy));
        let both = [("x-forwarded-for", "203.0.113.9"), ("forwarded", "for=192.0.2.1")];
        assert_eq!(behind(Some("10.0.0.2"), &both), ("10.0.0.2".into(), Through::UntrustedProxy));
        for nobody in [None, Some("0.0.0.0"), Some("::")] {
            assert_eq!(behind(nobody, &told).1, Through::UntrustedProxy, "{nobody:?}");
        }
    }

    #[test]
    fn a_malformed_entry_leaves_the_last_good_address() {
        for bad in ["203.0.113.9, unknown, 10.2.2.2", "203.0.113.9, 10.2.2", "203.0.113.9,, 10.2.2.2"] {
            let expected = if bad.contains("10.2.2.2") { "10.2.2.2" } else { "10.0.0.1" };
            let mut map = HeaderMap::new();
            map.append(X_FORWARDED_FOR, bad.parse().unwrap());
            let peer = trusted().client(from("10.0.0.1"), Scheme::Http, PrivatePeers::Proxies, &map);
            assert_eq!(peer.address.to_string(), expected, "{bad}");
        }
    }

    #[test]
    fn ports_brackets_and_mapped_addresses_are_read() {
        for spelled in ["203.0.113.9:4711", "::ffff:203.0.113.9", "[::ffff:203.0.113.9]"] {
            assert_eq!(address(spelled), Some("203.0.113.9".parse().unwrap()), "{spelled}");
        }
        for wrong in ["203.0.113.9:", "203.0.113", "_hidden", "unknown", "", "[203.0.113.9]"] {
            assert_eq!(address(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_private_peer_is_a_proxy_unless_declared_a_client() {
        let remote = from("192.168.1.4");
        assert_eq!(client(remote, &[]).1, Through::UntrustedProxy);
        let peer = trusted().client(remote, Scheme::Http, PrivatePeers::Clients, &HeaderMap::new());
        assert_eq!(peer.through, Through::Direct);
        let forwarding = headers(&[("x-real-ip", "203.0.113.9")]);
        let peer = trusted().client(remote, Scheme::Http, PrivatePeers::Clients, &forwarding);
        assert_eq!(peer.through, Through::UntrustedProxy);
        assert_eq!(client(from("198.51.100.1"), &[]).1, Through::Direct);
    }

    #[test]
    fn the_scheme_is_a_trusted_proxys_word_or_the_listeners() {
        let https = headers(&[("x-forwarded-proto", "https")]);
        let scheme = |remote| trusted().client(remote, Scheme::Http, PrivatePeers::Proxies, &https).scheme;
        assert_eq!(scheme(from("10.0.0.1")), Scheme::Https);
        assert_eq!(scheme(from("198.51.100.1")), Scheme::Http);
    }

    #[test]
    fn a_unix_socket_is_trusted_only_when_listed() {
        let remote = Remote::unix();
        assert_eq!(client(remote, &[("x-forwarded-for", "203.0.113.9")]).1, Through::TrustedProxy);
        assert!(!TrustedProxies::default().holds(remote));
    }

    #[test]
    fn behind_a_unix_socket_an_address_that_nobody_names_is_no_evidence() {
        for headers in [&[][..], &[("x-forwarded-for", "unknown")], &[("x-forwarded-for", "0.0.0.0")]] {
            assert_eq!(client(Remote::unix(), headers), ("0.0.0.0".into(), Through::UntrustedProxy));
        }
        let direct = TrustedProxies::default();
        let peer = direct.client(Remote::unix(), Scheme::Http, PrivatePeers::Clients, &HeaderMap::new());
        assert_eq!(peer.through, Through::UntrustedProxy, "also where private peers are clients");
    }
}

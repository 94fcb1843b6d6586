//! Which servers are asked, and what is believed of them.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::config::{ConnectionConfig, NameServerConfig};
use hickory_resolver::proto::dnssec::TrustAnchors;

use super::TrustAnchor;

/// How a [`Resolver`](crate::Resolver) finds things out.
#[derive(Clone, Debug)]
pub struct ResolverSettings {
    /// The servers, two at a time, the quicker ones first, over UDP and, where an answer is
    /// truncated, TCP.
    pub servers: Vec<SocketAddr>,
    /// Anchors added to the built-in ones of the public root.
    pub trust_anchors: Vec<TrustAnchor>,
    /// Servers whose own validation (the AD bit) is believed instead of validating here. Loopback
    /// only, since anyone on a longer path could set that bit; all servers or none.
    pub trust_ad_from: Vec<IpAddr>,
    /// How long one attempt at one question may take. Default 2 s.
    pub timeout: Duration,
    /// How often a question is asked before giving up. Default 2.
    pub attempts: usize,
}

/// A setting that cannot be honoured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Nobody to ask.
    #[error("no resolver is named: give at least one address")]
    NoServers,
    /// The AD bit of a server that is not on this machine.
    #[error(
        "`trust_ad_from` names {0}, which is not a loopback address: anyone on the way could set the AD bit; remove it, and answers are validated here"
    )]
    AdNotLoopback(IpAddr),
    /// One server is believed and another is not.
    #[error("`trust_ad_from` is set but does not name the resolver {0}: name all resolvers or none")]
    AdMixed(SocketAddr),
    /// hickory refuses to set up.
    #[error("the resolver could not be set up")]
    Unusable,
}

impl ResolverSettings {
    /// These servers, with the defaults for everything else.
    #[must_use]
    pub fn new(servers: Vec<SocketAddr>) -> Self {
        Self {
            servers,
            trust_anchors: Vec::new(),
            trust_ad_from: Vec::new(),
            timeout: Duration::from_secs(2),
            attempts: 2,
        }
    }

    pub(super) fn check(&self) -> Result<(), SettingsError> {
        if self.servers.is_empty() {
            return Err(SettingsError::NoServers);
        }
        if let Some(far) = self.trust_ad_from.iter().find(|ip| !ip.is_loopback()) {
            return Err(SettingsError::AdNotLoopback(*far));
        }
        let believed = |server: &&SocketAddr| self.trust_ad_from.contains(&server.ip());
        match self.servers.iter().find(|server| !believed(server)) {
            Some(other) if !self.trust_ad_from.is_empty() => Err(SettingsError::AdMixed(*other)),
            _ => Ok(()),
        }
    }

    pub(super) fn name_servers(&self) -> Vec<NameServerConfig> {
        self.servers.iter().map(name_server).collect()
    }

    pub(super) fn anchors(&self) -> TrustAnchors {
        let mut anchors = TrustAnchors::default();
        for anchor in &self.trust_anchors {
            anchor.add_to(&mut anchors);
        }
        anchors
    }
}

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let mut udp = ConnectionConfig::udp();
    let mut tcp = ConnectionConfig::tcp();
    udp.port = address.port();
    tcp.port = address.port();
    NameServerConfig::new(address.ip(), true, vec![udp, tcp])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(server: &str, ad: &[&str]) -> ResolverSettings {
        let mut settings = ResolverSettings::new(vec![server.parse().unwrap()]);
        settings.trust_ad_from = ad.iter().map(|ip| ip.parse().unwrap()).collect();
        settings
    }

    #[test]
    fn the_ad_bit_is_believed_from_loopback_only() {
        assert_eq!(settings("127.0.0.1:53", &["127.0.0.1"]).check(), Ok(()));
        let far = "192.0.2.1".parse().unwrap();
        assert_eq!(settings("192.0.2.1:53", &["192.0.2.1"]).check(), Err(SettingsError::AdNotLoopback(far)));
    }

    #[test]
    fn the_ad_bit_is_believed_from_all_servers_or_none() {
        assert_eq!(settings("[::1]:53", &["::1"]).check(), Ok(()));
        let other = "[::1]:53".parse().unwrap();
        assert_eq!(settings("[::1]:53", &["127.0.0.1"]).check(), Err(SettingsError::AdMixed(other)));
    }

    #[test]
    fn nobody_to_ask_is_an_error() {
        assert_eq!(ResolverSettings::new(Vec::new()).check(), Err(SettingsError::NoServers));
    }
}

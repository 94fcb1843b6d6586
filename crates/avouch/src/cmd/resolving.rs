//! Which resolvers are asked: what every command that asks the DNS shares.

use crate::failure::Failure;
use crate::files;
use avouch_dns::{DNS_PORT, Resolver, ResolverSettings, SYSTEM_RESOLVERS, TrustAnchor, system_resolvers};
use clap::Args;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(super) struct Resolving {
    /// A resolver to ask, with or without a port; may be repeated [default: those of /etc/resolv.conf]
    #[arg(long, value_name = "ADDRESS", value_parser = server)]
    resolver: Vec<SocketAddr>,
    /// A file of DNSKEY records to trust beside the public root; may be repeated
    #[arg(long, value_name = "FILE")]
    trust_anchor: Vec<PathBuf>,
}

impl Resolving {
    /// Whether the command line names a resolver or an anchor.
    pub(super) const fn is_asked_for(&self) -> bool {
        !self.resolver.is_empty() || !self.trust_anchor.is_empty()
    }

    /// The resolvers themselves, whatever they say being believed.
    pub(super) fn servers(&self) -> Result<Vec<SocketAddr>, Failure> {
        if self.resolver.is_empty() { system_servers() } else { Ok(self.resolver.clone()) }
    }

    /// A resolver that asks and validates as the command line says.
    pub(super) fn resolver(&self) -> Result<Resolver, Failure> {
        let mut settings = ResolverSettings::new(self.servers()?);
        for path in &self.trust_anchor {
            let refused = |error| Failure::configuration(format_args!("{}: {error}", path.display()));
            settings.trust_anchors.extend(TrustAnchor::parse(&files::read_text(path)?).map_err(refused)?);
        }
        Resolver::new(&settings).map_err(Failure::configuration)
    }
}

pub(super) fn server(text: &str) -> Result<SocketAddr, String> {
    let address = |text: &str| text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, DNS_PORT));
    text.parse()
        .or_else(|_| address(text))
        .map_err(|_| "write an address such as 192.0.2.53 or [::1]:5353".into())
}

/// The resolvers this machine uses.
fn system_servers() -> Result<Vec<SocketAddr>, Failure> {
    let servers = system_resolvers(&files::read_text(Path::new(SYSTEM_RESOLVERS))?);
    if servers.is_empty() {
        return Err(Failure::configuration(format_args!("{SYSTEM_RESOLVERS} names no resolver"))
            .fix("give one with --resolver ADDRESS"));
    }
    Ok(servers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resolver_is_named_with_or_without_a_port() {
        assert_eq!(server("192.0.2.53"), Ok("192.0.2.53:53".parse().unwrap()));
        assert_eq!(server("[::1]:5353"), Ok("[::1]:5353".parse().unwrap()));
        assert_eq!(server("::1"), Ok("[::1]:53".parse().unwrap()));
        assert!(server("dns.example").is_err());
    }
}

//! A configuration as the text of its file.

use core::fmt;
use std::fmt::Display;
use std::path::Path;

use avouch_engine::decision::OnFault;
pub(super) use avouch_wire::settings::{List, Quoted};

use super::{Config, Disclose, LogTarget, Route};
use crate::trust::PrivatePeers;

/// As TOML that reads back as the same configuration.
impl Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "mode = \"{}\"", self.mode.as_str())?;
        if !self.listen.is_empty() {
            writeln!(f, "listen = {}", List(&self.listen))?;
        }
        writeln!(f, "authorities = {}", List(&self.authorities))?;
        if self.accept_draft {
            writeln!(f, "accept_draft = true")?;
        }
        if let Some(scheme) = self.scheme {
            writeln!(f, "scheme = \"{}\"", scheme.as_str())?;
        }
        let unix = self.trusted_proxies.unix.then(|| "unix".to_owned());
        let trusted: Vec<_> =
            self.trusted_proxies.networks.iter().map(ToString::to_string).chain(unix).collect();
        writeln!(f, "trusted_proxies = {}", List(&trusted))?;
        if self.private_peers == PrivatePeers::Clients {
            writeln!(f, "private_peers = \"clients\"")?;
        }
        if let Some(upstream) = &self.upstream {
            writeln!(f, "upstream = {}", Quoted(upstream))?;
        }
        self.tables(f)?;
        self.routes.iter().try_for_each(|route| write_route(route, f))
    }
}

impl Config {
    fn tables(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(tls) = &self.tls {
            writeln!(f, "\n[tls]")?;
            if self.acme.is_none() {
                writeln!(f, "cert = {}\nkey = {}", file(&tls.cert), file(&tls.key))?;
            }
            tls.client_ca.iter().try_for_each(|roots| writeln!(f, "client_ca = {}", file(roots)))?;
        }
        self.acme.iter().try_for_each(|acme| acme.write(f))?;
        if let Some(listen) = &self.admin {
            writeln!(f, "\n[admin]\nlisten = {}", Quoted(listen))?;
        }
        self.console.iter().try_for_each(|console| console.write(f))?;
        self.verify.iter().try_for_each(|verify| verify.write(f))?;
        self.dns(f)?;
        self.web_bot_auth(f)?;
        super::privacy_pass::write(&self.privacy_pass, f)?;
        super::http_signature::write(&self.http_signatures, f)?;
        self.entities.iter().try_for_each(|entities| super::entities::write(entities, f))?;
        self.reports.iter().try_for_each(|reports| reports.write(f))?;
        if let Some(policy) = &self.policy {
            writeln!(f, "\n[policy]\nfile = {}", file(policy))?;
        }
        super::networks::write(&self.networks, &self.feeds, f)?;
        self.fetch.iter().try_for_each(|fetch| fetch.write(f))?;
        self.store.write(f)?;
        match &self.log {
            LogTarget::Stderr => writeln!(f, "\n[log]\naccess = \"stderr\"")?,
            LogTarget::Stdout => writeln!(f, "\n[log]\naccess = \"stdout\"")?,
            LogTarget::Off => writeln!(f, "\n[log]\naccess = \"off\"")?,
            LogTarget::File(path) => writeln!(f, "\n[log]\naccess = {}", file(path))?,
        }
        if self.log != LogTarget::Off {
            self.log_addresses.write(f)?;
        }
        self.audit.iter().try_for_each(|audit| audit.write(f))?;
        self.traces.iter().try_for_each(|traces| traces.write(f))?;
        write!(f, "\n[limits]\n{}", self.limits)
    }

    fn web_bot_auth(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = &self.web_bot_auth;
        writeln!(f, "\n[web_bot_auth]\nenabled = {}", table.enabled)?;
        table.ca.iter().try_for_each(|ca| writeln!(f, "ca = {}", file(ca)))?;
        writeln!(f, "allow_networks = {}", List(&table.allow_networks))?;
        writeln!(f, "require_signed_directories = {}", table.require_signed_directories)?;
        writeln!(f, "max_lifetime = \"{}ms\"", table.max_lifetime.as_millis())?;
        writeln!(f, "algorithms = {}", List(&table.algorithms))
    }

    fn dns(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n[dns]\nresolvers = {}", List(&self.dns.resolvers))?;
        let anchors: Vec<_> = self.dns.trust_anchors.iter().map(|path| path.display()).collect();
        writeln!(f, "trust_anchor = {}", List(&anchors))?;
        writeln!(f, "trust_ad_from = {}", List(&self.dns.trust_ad_from))?;
        match self.dns.ttl_cap {
            Some(cap) => writeln!(f, "ttl_cap = \"{}ms\"", cap.as_millis()),
            None => Ok(()),
        }
    }
}

fn write_route(route: &Route, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "\n[[route]]\npath = {}", Quoted(&route.path))?;
    if let Some(upstream) = &route.upstream {
        writeln!(f, "upstream = {}", Quoted(upstream))?;
    }
    if let Some(mode) = route.mode {
        writeln!(f, "mode = \"{}\"", mode.as_str())?;
    }
    if let Some(policy) = &route.policy {
        writeln!(f, "policy = {}", file(policy))?;
    }
    if route.assertion {
        writeln!(f, "assertion = true")?;
    }
    if route.disclose != Disclose::default() {
        writeln!(f, "disclose = \"{}\"", route.disclose.as_str())?;
    }
    if let Some(class) = route.require {
        writeln!(f, "require = {}", class.number())?;
    }
    if route.require_nonce {
        writeln!(f, "require_nonce = true")?;
    }
    if route.on_fault != OnFault::default() {
        writeln!(f, "on_fault = \"{}\"", route.on_fault.as_str())?;
    }
    Ok(())
}

pub(super) fn file(path: &Path) -> Quoted<std::path::Display<'_>> {
    Quoted(path.display())
}

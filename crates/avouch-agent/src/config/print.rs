//! A configuration as the text of its file.

use core::fmt;
use std::fmt::Display;

use avouch_wire::settings::{List, Quoted};

use super::identity::MODES;
use super::{Config, Limits, Registry, Saip};

/// As TOML that reads back as the same configuration.
impl Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.identity(f)?;
        self.roots.iter().try_for_each(|file| writeln!(f, "roots = {}", Quoted(file.display())))?;
        if let Saip::Secret(Registry { entity, secret, lines }) = &self.identity.saip {
            let secret = Quoted(secret.display());
            writeln!(f, "\n[registry]\nentity = {}\nsecret = {secret}\nlines = {lines}", Quoted(entity))?;
        }
        for place in &self.destinations {
            let sign: Vec<_> = place.sign.names().collect();
            writeln!(f, "\n[[destination]]\nhost = {}\nsign = {}", List(&place.hosts), List(&sign))?;
        }
        if let Some(proxy) = &self.proxy {
            writeln!(f, "\n[proxy]\nlisten = {}", Quoted(proxy.listen))?;
            some(f, "clients", &proxy.clients)?;
            writeln!(f, "allow_networks = {}", List(&proxy.allow_networks))?;
            if let Some(tls) = &proxy.tls {
                let (ca, intercept) = (Quoted(tls.ca.display()), Quoted(tls.intercept.as_str()));
                writeln!(f, "\n[proxy.tls]\nca = {ca}\nintercept = {intercept}")?;
            }
        }
        for egress in &self.egress {
            writeln!(f, "\n[[egress]]\nlisten = {}", Quoted(egress.listen))?;
            some(f, "clients", &egress.clients)?;
            writeln!(f, "upstream = {}", Quoted(&egress.upstream))?;
        }
        if let Some(signer) = &self.signer {
            writeln!(f, "\n[signer]\nsocket = {}", Quoted(signer.socket.display()))?;
            if !signer.users.is_empty() {
                writeln!(f, "users = {:?}", signer.users)?;
            }
        }
        self.admin.iter().try_for_each(|listen| writeln!(f, "\n[admin]\nlisten = {}", Quoted(listen)))?;
        let anchors: Vec<_> = self.dns.trust_anchors.iter().map(|path| path.display()).collect();
        writeln!(f, "\n[dns]\nresolvers = {}", List(&self.dns.resolvers))?;
        writeln!(f, "trust_anchor = {}\ntrust_ad_from = {}", List(&anchors), List(&self.dns.trust_ad_from))?;
        write!(f, "\n[limits]\n{}", self.limits)
    }
}

impl Config {
    fn identity(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let identity = &self.identity;
        writeln!(f, "key = {}", Quoted(&identity.key))?;
        let words = identity.passphrase_file.as_ref();
        words.map_or(Ok(()), |file| writeln!(f, "passphrase_file = {}", Quoted(file.display())))?;
        identity.domain.iter().try_for_each(|domain| writeln!(f, "domain = {}", Quoted(domain)))?;
        writeln!(f, "agent = {}", Quoted(&identity.agent))?;
        identity.instance.iter().try_for_each(|name| writeln!(f, "instance = {}", Quoted(name)))?;
        let mode = match &identity.saip {
            Saip::Key(mode) => Some(*mode),
            Saip::Secret(_) => None,
        };
        let word = MODES.iter().find(|(_, each)| *each == mode).map_or("", |(word, _)| word);
        writeln!(f, "mode = {}", Quoted(word))?;
        identity.directory.iter().try_for_each(|url| writeln!(f, "directory = {}", Quoted(url)))
    }
}

impl Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "body = \"{}B\"\nconnections = {}", self.body, self.connections)?;
        writeln!(f, "signatures = {}\nwaiting = {}", self.signatures, self.waiting)?;
        let times = [
            ("wait", self.wait),
            ("connect", self.connect),
            ("answer", self.answer),
            ("pause", self.pause),
            ("tunnel_idle", self.tunnel_idle),
            ("drain", self.drain),
        ];
        times.iter().try_for_each(|(name, time)| writeln!(f, "{name} = \"{}ms\"", time.as_millis()))
    }
}

/// A list that may not be empty where it is written.
fn some<T: Display>(f: &mut fmt::Formatter<'_>, name: &str, items: &[T]) -> fmt::Result {
    if items.is_empty() { Ok(()) } else { writeln!(f, "{name} = {}", List(items)) }
}

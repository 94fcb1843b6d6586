//! The agent's configuration: read whole, every problem at once.

mod destination;
mod dns;
mod egress;
mod identity;
mod limits;
mod print;
mod proxy;
mod registry;
mod signer;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use avouch_gather::config_file;
pub use avouch_gather::config_file::ConfigError;
use avouch_wire::settings::{Fault, Problems, Reader, Table, Value};

pub use destination::{Destination, HostPattern, Pattern, Protocols};
pub use dns::Dns;
pub use egress::Egress;
pub use identity::{Identity, Saip};
pub use limits::Limits;
pub use proxy::{Intercept, Interception, Proxy};
pub use registry::Registry;
pub use signer::Signer;

/// How an agent is set up: `docs/operate/agent.md` describes each key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Who signs, and how.
    pub identity: Identity,
    /// Where it says who it is, first match first; everywhere else requests go out without a name.
    pub destinations: Vec<Destination>,
    /// PEM file of the roots that certificates of sites lead to; without it those of the system.
    pub roots: Option<PathBuf>,
    /// The forward proxy.
    pub proxy: Option<Proxy>,
    /// Ports that lead to one site each.
    pub egress: Vec<Egress>,
    /// The signing service.
    pub signer: Option<Signer>,
    /// Where health, figures and the registration are shown.
    pub admin: Option<SocketAddr>,
    /// How the agent's own record is looked up.
    pub dns: Dns,
    /// Timeouts and sizes.
    pub limits: Limits,
}

impl Config {
    /// Reads a file; relative paths in it are relative to its folder.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or has problems: all of them, with line and fix.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        config_file::load(path, Self::parse, Self::resolve)
    }

    /// Reads text; `file` is the name problems carry.
    ///
    /// # Errors
    ///
    /// All problems at once, each with line and fix.
    pub fn parse(file: &str, text: &str) -> Result<Self, Problems> {
        let reader = Reader::new(file, text);
        let config = Self::read(reader.root());
        reader.into_result(config)
    }

    fn read(mut root: Table<'_>) -> Option<Self> {
        let usual =
            root.some("sign", destination::protocol).map(|words| destination::protocols(&root, &words));
        let usual = usual.unwrap_or(Protocols::SAIP);
        let tables = root.tables("destination").into_iter();
        let destinations: Vec<_> = tables.filter_map(|table| Destination::read(table, usual)).collect();
        let identity = Identity::read(&mut root, &destinations);
        let roots = root.optional("roots", path);
        let proxy = root.sub("proxy").and_then(Proxy::read);
        let egress: Vec<_> = root
            .tables("egress")
            .into_iter()
            .filter_map(|table| Egress::read(table, &destinations))
            .collect();
        let signer = root.sub("signer").and_then(Signer::read);
        let admin = root.sub("admin").and_then(|mut admin| admin.required("listen", |value| value.socket()));
        let dns = root.sub("dns").map(Dns::read).unwrap_or_default();
        let limits = root.sub("limits").map(Limits::read).unwrap_or_default();
        check(&root);
        Some(Self { identity: identity?, destinations, roots, proxy, egress, signer, admin, dns, limits })
    }

    /// Makes relative paths relative to `folder`.
    fn resolve(&mut self, folder: &Path) {
        let identity = &mut self.identity;
        identity.key = identity.key.clone().within(folder);
        let authority = self.proxy.iter_mut().filter_map(|proxy| proxy.tls.as_mut()).map(|tls| &mut tls.ca);
        let secret = match &mut identity.saip {
            Saip::Secret(registry) => Some(&mut registry.secret),
            Saip::Key(_) => None,
        };
        let files = identity.passphrase_file.iter_mut().chain(secret).chain(&mut self.roots);
        for file in files.chain(&mut self.dns.trust_anchors).chain(authority) {
            *file = folder.join(&file);
        }
    }
}

/// What can only be judged of several keys together.
fn check(root: &Table<'_>) {
    if !["proxy", "egress", "signer"].iter().any(|table| root.has(table)) {
        let fix = "add `[proxy]` with `listen = \"127.0.0.1:8118\"`, or `[[egress]]`, or `[signer]`";
        root.complain(
            "[proxy]",
            Fault::new("is missing, and so is everything else that could be asked to sign", fix),
        );
    }
    if !root.has("destination") {
        let fix = "name where the agent says who it is: `[[destination]]` with `host = \"www.shop.example\"`";
        root.complain("[[destination]]", Fault::new("is missing: nothing would ever be signed", fix));
    }
}

fn path(value: Value<'_>) -> Result<PathBuf, Fault> {
    value.text().map(PathBuf::from)
}

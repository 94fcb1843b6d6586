//! The configuration of a registration entity: read whole, every problem at once. `docs/operate/entity.md` describes each
//! key.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use avouch_gather::config_file;
use avouch_store::ledger;
use avouch_wire::name::Domain;
use avouch_wire::settings::{Fault, List, Problems, Quoted, Reader, Table, Value};
use ipnet::IpNet;

use crate::config::{ConfigError, Limits, path, url};

/// How an entity is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Its host.
    pub entity: Domain<'static>,
    /// Where verifiers and agents ask.
    pub listen: SocketAddr,
    /// Certificate chain and key, PEM; without them it is asked by http.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Where is kept what has to be remembered.
    pub store: Store,
    /// The owner's socket.
    pub owner: PathBuf,
    /// How sites are asked for the keys of their verifiers.
    pub sites: Sites,
    /// How often one source may ask.
    pub limits: Limits,
}

/// Where is kept what has to be remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// The database.
    pub url: String,
    /// The file of the mark.
    pub mark: PathBuf,
    /// The file of what secrets are derived of.
    pub root: PathBuf,
}

/// How sites are asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sites {
    /// Recursive resolvers; empty: those of the operating system.
    pub resolvers: Vec<SocketAddr>,
    /// Files of trust anchors of the DNS, beside the root's.
    pub trust_anchors: Vec<PathBuf>,
    /// PEM file of the roots that their certificates lead to; without it those of the system.
    pub roots: Option<PathBuf>,
    /// Networks that are not public, and where sites may be all the same.
    pub allow_networks: Vec<IpNet>,
}

impl Config {
    /// Reads a file; relative paths in it are relative to its folder.
    ///
    /// # Errors
    /// The file cannot be read, or has problems: all of them, with line and fix.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        config_file::load(path, Self::parse, Self::resolve)
    }

    /// Reads text; `file` is the name problems carry.
    ///
    /// # Errors
    /// All problems at once, each with line and fix.
    pub fn parse(file: &str, text: &str) -> Result<Self, Problems> {
        let reader = Reader::new(file, text);
        let config = Self::read(reader.root());
        reader.into_result(config)
    }

    fn read(mut root: Table<'_>) -> Option<Self> {
        let entity = root.required("re", host);
        let listen = root.required("listen", |value| value.socket());
        let tls =
            root.sub("tls").map(|mut tls| Some((tls.required("cert", path)?, tls.required("key", path)?)));
        let store = root.sub("store").and_then(Store::read);
        let owner = root.sub("owner").and_then(|mut owner| owner.required("socket", path));
        let sites = root.sub("sites").map(Sites::read).unwrap_or_default();
        let limits = root.sub("limits").map(Limits::read).unwrap_or_default();
        for (table, fix) in [
            ("store", "add `[store]` with `url = \"sqlite:/var/lib/avouch-entity/entity.db\"` and `root`"),
            ("owner", "add `[owner]` with `socket = \"/run/avouch-entity/owner.sock\"`"),
        ] {
            if !root.has(table) {
                root.complain(&format!("[{table}]"), Fault::new("is missing", fix));
            }
        }
        if tls.is_none() && listen.is_some_and(|address| !address.ip().is_loopback()) {
            let fix =
                "add `[tls]` with `cert` and `key`, or listen on 127.0.0.1 behind a server that speaks https";
            root.complain(
                "listen",
                Fault::new("is open to other machines, and secrets would go in the clear", fix),
            );
        }
        Some(Self {
            entity: entity?,
            listen: listen?,
            tls: tls.map_or(Some(None), |tls| tls.map(Some))?,
            store: store?,
            owner: owner?,
            sites,
            limits,
        })
    }

    fn resolve(&mut self, folder: &Path) {
        let tls = self.tls.iter_mut().flat_map(|(certificate, key)| [certificate, key]);
        let store = [&mut self.store.mark, &mut self.store.root, &mut self.owner];
        for path in tls.chain(store).chain(&mut self.sites.roots).chain(&mut self.sites.trust_anchors) {
            *path = folder.join(&path);
        }
        if let Some(path) = self.store.url.strip_prefix("sqlite:") {
            self.store.url = format!("sqlite:{}", folder.join(path).display());
        }
    }
}

impl Store {
    fn read(mut table: Table<'_>) -> Option<Self> {
        let url = table.required("url", url);
        let mark = table.optional("mark", path);
        let root = table.required("root", path);
        let beside = url.as_deref().and_then(|url| url.strip_prefix("sqlite:"));
        let mark = mark.or_else(|| beside.map(|path| format!("{path}.mark").into()));
        if mark.is_none() && url.is_some() {
            let fix = "write the path of a file on this machine, such as \"/var/lib/avouch-entity/mark\"";
            table.complain("mark", Fault::new("is missing, and the database is not on this machine", fix));
        }
        Some(Self { url: url?, mark: mark?, root: root? })
    }
}

impl Sites {
    fn read(mut table: Table<'_>) -> Self {
        Self {
            resolvers: table.list("resolvers", resolver).unwrap_or_default(),
            trust_anchors: table.list("trust_anchor", path).unwrap_or_default(),
            roots: table.optional("roots", path),
            allow_networks: table.list("allow_networks", |value| value.network()).unwrap_or_default(),
        }
    }
}

/// An address, with port 53 unless another is given.
fn resolver(value: Value<'_>) -> Result<SocketAddr, Fault> {
    value.address().map(|address| SocketAddr::new(address, 53)).or_else(|_| value.socket())
}

fn host(value: Value<'_>) -> Result<Domain<'static>, Fault> {
    let fix = "write the host under which it is asked, as domains name it in `re=`, such as \"re.example\"";
    value.convert("a host in lower case", fix, |text| {
        let host = Domain::parse(text).ok()?;
        (host.as_str() == text).then(|| host.into_owned())
    })
}

/// What is in force, as a file that would say so. A password within the address of a database is not shown.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "re = \"{}\"\nlisten = \"{}\"", self.entity, self.listen)?;
        if let Some((certificate, key)) = &self.tls {
            writeln!(f, "\n[tls]\ncert = {}\nkey = {}", file(certificate), file(key))?;
        }
        let Store { url, mark, root } = &self.store;
        writeln!(f, "\n[store]\nurl = {}", Quoted(ledger::shown(url)))?;
        writeln!(f, "mark = {}\nroot = {}", file(mark), file(root))?;
        writeln!(f, "\n[owner]\nsocket = {}", file(&self.owner))?;
        let Sites { resolvers, trust_anchors, roots, allow_networks } = &self.sites;
        let anchors: Vec<_> = trust_anchors.iter().map(|path| path.display()).collect();
        writeln!(f, "\n[sites]\nresolvers = {}\ntrust_anchor = {}", List(resolvers), List(&anchors))?;
        roots.iter().try_for_each(|path| writeln!(f, "roots = {}", file(path)))?;
        writeln!(f, "allow_networks = {}", List(allow_networks))?;
        write!(f, "{}", self.limits)
    }
}

fn file(path: &Path) -> Quoted<std::path::Display<'_>> {
    Quoted(path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = "re = 're.example'\nlisten = '127.0.0.1:9444'\n\
        store = { url = 'sqlite:entity.db', root = 'root.key' }\nowner.socket = 'owner.sock'\n";

    #[test]
    fn the_least_that_is_needed_says_the_rest() {
        let config = Config::parse("f", LEAST).unwrap();
        assert_eq!(config.store.mark, Path::new("entity.db.mark"));
        assert_eq!(Config::parse("f", &config.to_string()).unwrap(), config);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("entity.toml");
        let more = "tls = { cert = 'c', key = 'k' }\nsites = { resolvers = ['127.0.0.1', '[::1]:5353'], \
            roots = 'ca.pem', trust_anchor = 'root.ds', allow_networks = ['10.0.0.0/8'] }\nlimits.questions = '9/s'";
        std::fs::write(&file, format!("{LEAST}{more}")).unwrap();
        let config = Config::load(&file).unwrap();
        assert_eq!(config.store.url, format!("sqlite:{}/entity.db", folder.path().display()));
        assert_eq!(config.store.mark, folder.path().join("entity.db.mark"));
        assert_eq!(config.sites.roots, Some(folder.path().join("ca.pem")));
        assert_eq!(config.sites.resolvers[0], "127.0.0.1:53".parse().unwrap());
        assert_eq!(Config::parse("f", &config.to_string()).unwrap(), config);
        assert!(matches!(Config::load(&folder.path().join("none")), Err(ConfigError::Read { .. })));
    }

    #[test]
    fn all_that_is_wrong_is_told_with_what_to_write() {
        for (from, to, said) in [
            ("re = 're.example'", "re = 'example'", "`re`"),
            ("re = 're.example'", "re = 'RE.example'", "`re`"),
            ("re = 're.example'", "", "`re` is missing"),
            ("listen = '127.0.0.1:9444'", "listen = '[::]:9444'", "secrets would go in the clear"),
            ("store = { url = 'sqlite:entity.db', root = 'root.key' }", "", "`[store]` is missing"),
            ("sqlite:entity.db", "sqlite:", "`store.url`"),
            ("sqlite:entity.db", "postgres://re@db.example/re", "the database is not on this machine"),
            (", root = 'root.key'", "", "`store.root` is missing"),
            ("owner.socket = 'owner.sock'", "", "`[owner]` is missing"),
            ("owner.socket", "owners.socket", "unknown key `owners`"),
            ("owner.socket", "sites.allow_networks = '10.0.0.1/8'\nowner.socket", "host bits"),
            ("owner.socket", "sites.resolvers = 'ns.example'\nowner.socket", "`sites.resolvers`"),
        ] {
            let problems = Config::parse("f", &LEAST.replace(from, to)).unwrap_err().to_string();
            assert!(problems.contains(said) && problems.contains("fix: "), "{to}: {problems}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let url = "postgres://avouch:secret@db.example/entity', mark = 'mark";
        let config = Config::parse("f", &LEAST.replace("sqlite:entity.db", url)).unwrap();
        assert!(!config.to_string().contains("secret") && config.to_string().contains("avouch:…@db.example"));
    }
}

//! The registrar's configuration: read whole, every problem at once. `docs/operate/registrar.md` describes each key.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use avouch_wire::name::Domain;
use avouch_wire::settings::{Fault, Problems, Quoted, Reader, Table, Value};

/// TTL of records, in seconds: how long a revocation takes at most to be known everywhere.
const TTL: u32 = 300;

/// How a registrar is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Whose agents enrol.
    pub domain: Domain<'static>,
    /// Where agents ask.
    pub listen: SocketAddr,
    /// Certificate chain and key, PEM; without them agents ask by http.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Where is kept what has to be remembered.
    pub store: String,
    /// How records come into the DNS.
    pub publish: Publish,
    /// The owner's socket.
    pub owner: PathBuf,
    /// The operators' socket, where there are others than the owner.
    pub operator: Option<PathBuf>,
}

/// How records come into the DNS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    /// The primary of the zone.
    pub server: SocketAddr,
    /// The zone in which the names are.
    pub zone: String,
    /// The file of the TSIG key.
    pub tsig: PathBuf,
    /// TTL of records in seconds.
    pub ttl: u32,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// What it says cannot be used.
    #[error("{0}")]
    Problems(#[from] Problems),
}

impl Config {
    /// Reads a file; relative paths in it are relative to its folder.
    ///
    /// # Errors
    /// The file cannot be read, or has problems: all of them, with line and fix.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        let mut config = Self::parse(&path.display().to_string(), &text)?;
        if let Some(folder) = path.parent() {
            config.resolve(folder);
        }
        Ok(config)
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
        let domain = root.required("domain", domain);
        let listen = root.required("listen", |value| value.socket());
        let tls =
            root.sub("tls").map(|mut tls| Some((tls.required("cert", path)?, tls.required("key", path)?)));
        let store = root.sub("store").and_then(|mut store| store.required("url", url));
        let publish = root.sub("publish").and_then(|table| Publish::read(table, domain.as_ref()));
        let owner = root.sub("owner").and_then(|mut owner| owner.required("socket", path));
        let operator = root.sub("operator").map(|mut operator| operator.required("socket", path));
        for (table, fix) in [
            ("store", "add `[store]` with `url = \"sqlite:/var/lib/avouch-registrar/registrar.db\"`"),
            ("publish", "add `[publish]` with `server` and `tsig`"),
            ("owner", "add `[owner]` with `socket = \"/run/avouch-registrar/owner.sock\"`"),
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
                Fault::new("is open to other machines, and tokens would come in the clear", fix),
            );
        }
        Some(Self {
            domain: domain?,
            listen: listen?,
            tls: tls.map_or(Some(None), |tls| tls.map(Some))?,
            store: store?,
            publish: publish?,
            owner: owner?,
            operator: operator.map_or(Some(None), |operator| operator.map(Some))?,
        })
    }

    fn resolve(&mut self, folder: &Path) {
        let tls = self.tls.iter_mut().flat_map(|(certificate, key)| [certificate, key]);
        for path in tls.chain([&mut self.publish.tsig, &mut self.owner]).chain(&mut self.operator) {
            *path = folder.join(&path);
        }
        if let Some(path) = self.store.strip_prefix("sqlite:") {
            self.store = format!("sqlite:{}", folder.join(path).display());
        }
    }
}

impl Publish {
    fn read(mut table: Table<'_>, domain: Option<&Domain<'_>>) -> Option<Self> {
        let server = table.required("server", |value| value.socket());
        let zone = table.optional("zone", |value| {
            let fix = "write the name of the zone that the server has, such as \"_saip.acme.example\"";
            let is_name = |text: &str| !text.is_empty() && !text.contains(char::is_whitespace);
            value.convert("a zone", fix, |text| is_name(text).then(|| text.to_owned()))
        });
        let tsig = table.required("tsig", path);
        let ttl = table.optional("ttl", |value| value.number(1..=3_600));
        Some(Self {
            server: server?,
            zone: zone.or_else(|| domain.map(|domain| format!("_saip.{domain}")))?,
            tsig: tsig?,
            ttl: ttl.and_then(|ttl| u32::try_from(ttl).ok()).unwrap_or(TTL),
        })
    }
}

fn domain(value: Value<'_>) -> Result<Domain<'static>, Fault> {
    let fix = "write the domain whose agents enrol, such as \"acme.example\"";
    value.convert("a domain", fix, |text| Domain::parse(text).ok().map(Domain::into_owned))
}

pub(crate) fn url(value: Value<'_>) -> Result<String, Fault> {
    let fix = "write \"sqlite:\" and a path, or \"postgres://USER@HOST/NAME\"";
    let is_one = |text: &str| {
        let mut kinds = ["sqlite:", "postgres://", "postgresql://"].into_iter();
        kinds.any(|kind| text.strip_prefix(kind).is_some_and(|rest| !rest.is_empty()))
    };
    value.convert("a database", fix, |text| is_one(text).then(|| text.to_owned()))
}

pub(crate) fn path(value: Value<'_>) -> Result<PathBuf, Fault> {
    let fix = "write the path of a file";
    value.convert("a path", fix, |text| (!text.is_empty()).then(|| PathBuf::from(text)))
}

/// What is in force, as a file that would say so. A password within the address of a database is not shown.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "domain = \"{}\"\nlisten = \"{}\"", self.domain, self.listen)?;
        if let Some((certificate, key)) = &self.tls {
            writeln!(f, "\n[tls]\ncert = {}\nkey = {}", file(certificate), file(key))?;
        }
        writeln!(f, "\n[store]\nurl = {}", Quoted(shown_url(&self.store)))?;
        let Publish { server, zone, tsig, ttl } = &self.publish;
        writeln!(f, "\n[publish]\nserver = \"{server}\"\nzone = {}", Quoted(zone))?;
        writeln!(f, "tsig = {}\nttl = {ttl}", file(tsig))?;
        writeln!(f, "\n[owner]\nsocket = {}", file(&self.owner))?;
        self.operator.iter().try_for_each(|path| writeln!(f, "\n[operator]\nsocket = {}", file(path)))
    }
}

/// The address of a database without the password in it.
pub(crate) fn shown_url(url: &str) -> String {
    let (before, host) = url.split_once('@').unwrap_or(("", url));
    match before.rsplit_once(':') {
        Some((user, _)) if user.contains("//") => format!("{user}:…@{host}"),
        _ => url.to_owned(),
    }
}

fn file(path: &Path) -> Quoted<std::path::Display<'_>> {
    Quoted(path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = "domain = 'acme.example'\nlisten = '127.0.0.1:9443'\nstore.url = 'sqlite:registrar.db'\n\
        publish = { server = '127.0.0.1:53', tsig = 'tsig.key' }\nowner.socket = 'owner.sock'\n";

    #[test]
    fn the_least_that_is_needed_says_the_rest() {
        let config = Config::parse("f", LEAST).unwrap();
        assert_eq!((config.publish.zone.as_str(), config.publish.ttl), ("_saip.acme.example", 300));
        assert_eq!(Config::parse("f", &config.to_string()).unwrap(), config);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("registrar.toml");
        std::fs::write(
            &file,
            format!("{LEAST}operator.socket = '/run/o'\ntls = {{ cert = 'c', key = 'k' }}"),
        )
        .unwrap();
        let config = Config::load(&file).unwrap();
        assert_eq!(config.store, format!("sqlite:{}/registrar.db", folder.path().display()));
        assert_eq!(config.tls, Some((folder.path().join("c"), folder.path().join("k"))));
        assert_eq!(config.operator, Some("/run/o".into()));
        assert_eq!(Config::parse("f", &config.to_string()).unwrap(), config);
        assert!(matches!(Config::load(&folder.path().join("none")), Err(ConfigError::Read { .. })));
        let odd = Config::parse("f", &LEAST.replace("'tsig.key'", r#""a\"b\u007F\\""#)).unwrap();
        assert_eq!(Config::parse("f", &odd.to_string()).unwrap(), odd, "whatever its paths hold");
    }

    #[test]
    fn all_that_is_wrong_is_told_with_what_to_write() {
        for (from, to, said) in [
            ("domain = 'acme.example'", "domain = 'acme'", "`domain`"),
            ("domain = 'acme.example'", "", "`domain` is missing"),
            ("listen = '127.0.0.1:9443'", "listen = '[::]:9443'", "tokens would come in the clear"),
            ("store.url = 'sqlite:registrar.db'", "", "`[store]` is missing"),
            ("sqlite:registrar.db", "sqlite:", "`store.url`"),
            ("sqlite:registrar.db", "mysql://x", "`store.url`"),
            ("server = '127.0.0.1:53'", "server = 'localhost'", "`publish.server`"),
            ("tsig = 'tsig.key'", "ttl = 0, tsig = 'k'", "`publish.ttl`"),
            ("tsig = 'tsig.key'", "zone = '', tsig = 'k'", "`publish.zone`"),
            ("owner.socket = 'owner.sock'", "", "`[owner]` is missing"),
            ("owner.socket", "owners.socket", "unknown key `owners`"),
            ("owner.socket = 'owner.sock'", "owner.socket = 'o'\ntls.cert = 'c'", "`tls.key` is missing"),
        ] {
            let problems = Config::parse("f", &LEAST.replace(from, to)).unwrap_err().to_string();
            assert!(problems.contains(said) && problems.contains("fix: "), "{to}: {problems}");
        }
        let both = Config::parse("f", "listen = 1").unwrap_err().to_string();
        assert!(both.contains("`domain`") && both.contains("`listen`") && both.contains("[owner]"), "{both}");
    }

    #[test]
    fn a_password_is_not_shown() {
        let url = "postgres://avouch:secret@db.example/registrar";
        let config = Config::parse("f", &LEAST.replace("sqlite:registrar.db", url)).unwrap();
        assert_eq!(config.store, url);
        assert!(!config.to_string().contains("secret") && config.to_string().contains("avouch:…@db.example"));
    }
}

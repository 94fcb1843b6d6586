//! The registrar's configuration: read whole, every problem at once. `docs/operate/registrar.md` describes each key.

mod attestation;
mod limits;
mod records;

pub use attestation::Attestation;
pub use limits::Limits;
pub use records::{OwnZone, Publish, Records};

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use avouch_gather::config_file;
pub use avouch_gather::config_file::ConfigError;
use avouch_store::ledger;
use avouch_wire::name::Domain;
use avouch_wire::settings::{Fault, Problems, Quoted, Reader, Table, Value};

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
    pub records: Records,
    /// Whose TPMs count, where agents may show that they have one.
    pub attestation: Option<Attestation>,
    /// How often one source may ask.
    pub limits: Limits,
    /// The owner's socket.
    pub owner: PathBuf,
    /// The operators' socket, where there are others than the owner.
    pub operator: Option<PathBuf>,
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
        let domain = root.required("domain", domain);
        let listen = root.required("listen", |value| value.socket());
        let tls =
            root.sub("tls").map(|mut tls| Some((tls.required("cert", path)?, tls.required("key", path)?)));
        let store = root.sub("store").and_then(|mut store| store.required("url", url));
        let records = Records::read(&mut root, domain.as_ref());
        let attestation = root.sub("attestation").map(Attestation::read);
        let limits = root.sub("limits").map(Limits::read).unwrap_or_default();
        let owner = root.sub("owner").and_then(|mut owner| owner.required("socket", path));
        let operator = root.sub("operator").map(|mut operator| operator.required("socket", path));
        for (table, fix) in [
            ("store", "add `[store]` with `url = \"sqlite:/var/lib/avouch-registrar/registrar.db\"`"),
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
            records: records?,
            attestation,
            limits,
            owner: owner?,
            operator: operator.map_or(Some(None), |operator| operator.map(Some))?,
        })
    }

    fn resolve(&mut self, folder: &Path) {
        let tls = self.tls.iter_mut().flat_map(|(certificate, key)| [certificate, key]);
        for path in tls.chain([&mut self.owner]).chain(&mut self.operator) {
            *path = folder.join(&path);
        }
        self.records.resolve(folder);
        if let Some(attestation) = &mut self.attestation {
            attestation.resolve(folder);
        }
        if let Some(path) = self.store.strip_prefix("sqlite:") {
            self.store = format!("sqlite:{}", folder.join(path).display());
        }
    }
}

fn domain(value: Value<'_>) -> Result<Domain<'static>, Fault> {
    let fix = "write the domain whose agents enrol, such as \"acme.example\"";
    value.convert("a domain", fix, |text| Domain::parse(text).ok().map(Domain::into_owned))
}

pub(crate) fn url(value: Value<'_>) -> Result<String, Fault> {
    let fix = "write \"sqlite:\" and a path, or \"postgres://USER@HOST/NAME\", with sslmode verify-full, verify-ca or \
               disable, if any";
    value.convert("a database", fix, |text| ledger::is_sound(text).then(|| text.to_owned()))
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
        writeln!(f, "\n[store]\nurl = {}", Quoted(ledger::shown(&self.store)))?;
        write!(f, "{}", self.records)?;
        self.attestation.iter().try_for_each(|attestation| write!(f, "{attestation}"))?;
        write!(f, "{}", self.limits)?;
        writeln!(f, "\n[owner]\nsocket = {}", file(&self.owner))?;
        self.operator.iter().try_for_each(|path| writeln!(f, "\n[operator]\nsocket = {}", file(path)))
    }
}

fn file(path: &Path) -> Quoted<std::path::Display<'_>> {
    Quoted(path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const LEAST: &str = "domain = 'acme.example'\nlisten = '127.0.0.1:9443'\nstore.url = 'sqlite:registrar.db'\n\
        publish = { server = '127.0.0.1:53', tsig = 'tsig.key' }\nowner.socket = 'owner.sock'\n";

    #[test]
    fn the_least_that_is_needed_says_the_rest() {
        let config = Config::parse("f", LEAST).unwrap();
        let Records::Elsewhere(publish) = &config.records else { panic!() };
        assert_eq!((publish.zone.as_str(), publish.ttl), ("_saip.acme.example", 300));
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

    const PUBLISH: &str = "publish = { server = '127.0.0.1:53', tsig = 'tsig.key' }";

    #[test]
    fn a_zone_of_our_own_takes_the_place_of_a_server() {
        let own = "zone = { listen = ['127.0.0.1:53', '[::1]:53'], servers = 'NS1.acme.example', key = 'zone.key' }";
        let text = LEAST.replace(PUBLISH, own);
        let config = Config::parse("f", &text).unwrap();
        let Records::Own(zone) = &config.records else { panic!() };
        assert_eq!((zone.listen.len(), zone.ttl), (2, 300));
        assert_eq!(zone.servers, ["ns1.acme.example"]);
        assert_eq!(Config::parse("f", &config.to_string()).unwrap(), config);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("registrar.toml");
        std::fs::write(&file, &text).unwrap();
        let Records::Own(zone) = Config::load(&file).unwrap().records else { panic!() };
        assert_eq!(zone.key, folder.path().join("zone.key"));
        for (from, to, said) in [
            (own, &*format!("{own}\n{PUBLISH}"), "is there beside `[publish]`"),
            (own, "", "`[publish]` is missing, and so is `[zone]`"),
            ("listen = ['127.0.0.1:53', '[::1]:53'], ", "", "`zone.listen` is missing"),
            ("['127.0.0.1:53', '[::1]:53']", "[]", "`zone.listen` is an empty list"),
            ("'127.0.0.1:53'", "'localhost:53'", "`zone.listen`"),
            ("servers = 'NS1.acme.example', ", "", "`zone.servers` is missing"),
            ("NS1.acme.example", "192.0.2.1", "`zone.servers`"),
            (", key = 'zone.key'", "", "`zone.key` is missing"),
            ("key = 'zone.key'", "key = 'zone.key', ttl = 3601", "`zone.ttl`"),
        ] {
            let problems = Config::parse("f", &text.replace(from, to)).unwrap_err().to_string();
            assert!(problems.contains(said) && problems.contains("fix: "), "{to}: {problems}");
        }
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
            ("sqlite:registrar.db", "postgres://", "`store.url`"),
            ("sqlite:registrar.db", "postgres://db.example/r?sslmode=prefer", "`store.url`"),
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
        let url = "postgres://db.example/registrar?user=avouch&password=secret";
        let shown = Config::parse("f", &LEAST.replace("sqlite:registrar.db", url)).unwrap().to_string();
        assert!(!shown.contains("secret") && shown.contains("registrar?user=avouch&…"), "{shown}");
        let wrong = url.replace("postgres", "mysql");
        let told = Config::parse("f", &LEAST.replace("sqlite:registrar.db", &wrong)).unwrap_err().to_string();
        assert!(!told.contains("secret"), "{told}");
    }
}

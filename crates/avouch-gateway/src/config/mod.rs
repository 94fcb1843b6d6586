//! The gateway's configuration: read whole, every problem at once.

mod acme;
mod addresses;
mod audit;
mod console;
mod endpoint;
mod entities;
mod fetch;
mod http_signature;
mod limits;
mod networks;
mod print;
mod privacy_pass;
mod reports;
mod route;
mod store;
mod traces;
mod upstream;
mod verify;
mod web_bot_auth;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use avouch_engine::decision::Mode;
use avouch_gather::config_file;
pub use avouch_gather::config_file::ConfigError;
use avouch_gather::networks::Sources;
use avouch_gather::networks::feeds::Feed;
use avouch_wire::authority::{Authority, Scheme};
use avouch_wire::settings::{Fault, Problems, Reader, Table, Value};

use crate::trust::{PrivatePeers, TrustedProxies};

pub use acme::Acme;
pub use addresses::Prefixes;
pub use audit::{Audit, Facility, Syslog};
pub use console::{Console, ConsoleOrigin};
pub use endpoint::Endpoint;
pub use entities::{Entities, RegistrationEntity};
pub use fetch::Fetch;
pub use http_signature::HttpSignature;
pub use limits::{Limits, Size};
pub use privacy_pass::PrivacyPass;
pub use reports::Reports;
pub use route::{Disclose, Route};
pub use store::{Scope, SharedStore, Store, StorePlace};
pub use traces::{Follow, Traces};
pub use upstream::Upstream;
pub use verify::{Proxy, Verify};
pub use web_bot_auth::WebBotAuth;

/// How a gateway is set up: `docs/formats/configuration.md` describes each key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// What happens with verdicts where no route says otherwise.
    pub mode: Mode,
    /// Where clients connect; none where other servers receive requests, and ask at [`Config::verify`].
    pub listen: Vec<Endpoint>,
    /// The authorities this site answers for, which `aud` must be one of.
    pub authorities: Vec<Authority<'static>>,
    /// Whether the draft form of the SAIP header is accepted, which does not bind the site.
    pub accept_draft: bool,
    /// The scheme clients use, when TLS ends before avouch and no header says so.
    pub scheme: Option<Scheme>,
    /// Whose word about clients is taken.
    pub trusted_proxies: TrustedProxies,
    /// What connections from private addresses are.
    pub private_peers: PrivatePeers,
    /// Where requests go when no route says otherwise; there is one where clients connect.
    pub upstream: Option<Upstream>,
    /// Certificate chain and key; without them the listeners are plain.
    pub tls: Option<TlsFiles>,
    /// The authority that is asked for them, and keeps them in force; without it they are the operator's.
    pub acme: Option<Acme>,
    /// Where health, numbers and the assertion keys are served.
    pub admin: Option<Endpoint>,
    /// The operators' pages there; without it there are none.
    pub console: Option<Console>,
    /// Where a proxy asks about each request.
    pub verify: Option<Verify>,
    /// How names are looked up.
    pub dns: Dns,
    /// Whether and how signatures of bots are read, and their keys found.
    pub web_bot_auth: WebBotAuth,
    /// Whose Privacy Pass tokens count; with none, tokens are left alone.
    pub privacy_pass: Vec<PrivacyPass>,
    /// Keys of partners, registered with the site.
    pub http_signatures: Vec<HttpSignature>,
    /// Registration entities, and the key that asks them; without them claims in registry mode do not count.
    pub entities: Option<Entities>,
    /// Whether and how claims are reported to the domains that were claimed; without it, none is counted.
    pub reports: Option<Reports>,
    /// The policy file; without it the model's table applies.
    pub policy: Option<PathBuf>,
    /// Files of autonomous systems and of crawlers' ranges.
    pub networks: Sources,
    /// Range files that are fetched.
    pub feeds: BTreeSet<Feed>,
    /// Where and how; there are no feeds without it.
    pub fetch: Option<Fetch>,
    /// Where used nonces are remembered.
    pub store: Store,
    /// Parts of the site with other settings, first match first.
    pub routes: Vec<Route>,
    /// Where the access log goes.
    pub log: LogTarget,
    /// How much of clients' addresses stands in it.
    pub log_addresses: Prefixes,
    /// The audit log; without it there is none.
    pub audit: Option<Audit>,
    /// Traces of requests; without it there are none, and `traceparent` is left alone.
    pub traces: Option<Traces>,
    /// Timeouts and sizes.
    pub limits: Limits,
}

/// What a gateway is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// For those who connect to it.
    Alone,
    /// For the program it runs in, perhaps alone.
    Embedded,
}

/// `[tls]`: PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain, leaf first.
    pub cert: PathBuf,
    /// The private key.
    pub key: PathBuf,
    /// Roots that certificates of clients lead to; without it none are asked for.
    pub client_ca: Option<PathBuf>,
}

/// `[dns]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dns {
    /// Recursive resolvers; empty: those of the operating system.
    pub resolvers: Vec<SocketAddr>,
    /// Files of further trust anchors, DS or DNSKEY records; the root is built in.
    pub trust_anchors: Vec<PathBuf>,
    /// Resolvers on this machine whose AD bit is taken as validation.
    pub trust_ad_from: Vec<IpAddr>,
    /// The longest a key is used whatever its TTL says.
    pub ttl_cap: Option<Duration>,
}

/// `[log]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LogTarget {
    /// Standard error.
    #[default]
    Stderr,
    /// Standard output.
    Stdout,
    /// Nowhere.
    Off,
    /// A file, appended to, opened again on SIGHUP.
    File(PathBuf),
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
        let config = Self::read(reader.root(), Use::Alone);
        reader.into_result(config)
    }

    /// As [`Config::load`], for a gateway that the program asks which it runs in: it may serve nobody else.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn load_embedded(path: &Path) -> Result<Self, ConfigError> {
        config_file::load(path, Self::parse_embedded, Self::resolve)
    }

    /// As [`Config::parse`], for a gateway that the program asks which it runs in.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn parse_embedded(file: &str, text: &str) -> Result<Self, Problems> {
        let reader = Reader::new(file, text);
        let config = Self::read(reader.root(), Use::Embedded);
        reader.into_result(config)
    }

    fn read(mut root: Table<'_>, by: Use) -> Option<Self> {
        let mode = root.optional("mode", route::mode).unwrap_or_default();
        let listen = root.list("listen", Endpoint::read).unwrap_or_default();
        let schemes = [("http", Scheme::Http), ("https", Scheme::Https)];
        let scheme = root.optional("scheme", |value| value.one_of(&schemes));
        let used =
            scheme.unwrap_or(if root.has("tls") || root.has("acme") { Scheme::Https } else { Scheme::Http });
        let authorities = root.list("authorities", |value| authority(value, used)).unwrap_or_default();
        let accept_draft = root.optional("accept_draft", |value| value.switch()).unwrap_or_default();
        let trusted_proxies = trusted_proxies(&mut root);
        let private_peers = root.optional("private_peers", private_peers).unwrap_or_default();
        let upstream = upstream(&mut root, by);
        let acme = root.sub("acme").and_then(|table| Acme::read(table, &authorities));
        let tls = tls(&mut root, acme.as_ref());
        let admin = root.sub("admin").and_then(|mut admin| admin.required("listen", Endpoint::read));
        let console = root.sub("console").and_then(Console::read);
        let verify = root.sub("verify").and_then(Verify::read);
        let dns = root.sub("dns").map(dns).unwrap_or_default();
        let web_bot_auth = root.sub("web_bot_auth").map(WebBotAuth::read).unwrap_or_default();
        let privacy_pass = privacy_pass::read(&mut root);
        let http_signatures = http_signature::read(&mut root);
        let entities = entities::read(&mut root, authorities.is_empty());
        let reports = root.sub("reports").and_then(Reports::read);
        let policy = root.sub("policy").and_then(|mut policy| policy.required("file", path));
        let networks::Networks { sources: networks, feeds } = networks::read(&mut root);
        let fetch = root.sub("fetch").and_then(Fetch::read);
        let store = root.sub("store").map(Store::read).unwrap_or_default();
        let (log, log_addresses) = root.sub("log").map(log).unwrap_or_default();
        let audit = root.sub("audit").and_then(Audit::read);
        let traces = root.sub("traces").and_then(Traces::read);
        let limits = root.sub("limits").map(Limits::read).unwrap_or_default();
        let routes: Vec<Route> = root.tables("route").into_iter().filter_map(Route::read).collect();
        check(&root, by, &listen, (&authorities, mode), &routes);
        check_needs(&root, !privacy_pass.is_empty() && authorities.is_empty(), !feeds.is_empty());
        Some(Self {
            mode,
            listen,
            authorities,
            accept_draft,
            scheme,
            trusted_proxies,
            private_peers,
            upstream: upstream?,
            tls,
            acme,
            admin,
            console,
            verify,
            dns,
            web_bot_auth,
            privacy_pass,
            http_signatures,
            entities,
            reports,
            policy,
            networks,
            feeds,
            fetch,
            store,
            routes,
            log,
            log_addresses,
            audit,
            traces,
            limits,
        })
    }

    /// Makes relative paths relative to `folder`.
    fn resolve(&mut self, folder: &Path) {
        let acme = self.acme.iter_mut();
        let acme = acme.flat_map(|acme| [&mut acme.settings.folder].into_iter().chain(&mut acme.ca));
        let files = self.tls.iter_mut().flat_map(TlsFiles::paths).chain(acme);
        let files =
            files.chain(&mut self.policy).chain(&mut self.dns.trust_anchors).chain(&mut self.web_bot_auth.ca);
        let files = files.chain(self.routes.iter_mut().filter_map(|route| route.policy.as_mut()));
        let files = files.chain(self.privacy_pass.iter_mut().map(|issuer| &mut issuer.delegation));
        let reports = self.reports.iter_mut();
        let files =
            files.chain(reports.flat_map(|reports| [&mut reports.folder].into_iter().chain(&mut reports.ca)));
        let files = files.chain(self.http_signatures.iter_mut().map(|one| &mut one.key));
        let files = files.chain(self.console.iter_mut().map(|console| &mut console.users));
        let networks = &mut self.networks;
        let files = files.chain(&mut networks.asn).chain(networks.ranges.iter_mut().map(|(_, file)| file));
        for file in files {
            *file = folder.join(&file);
        }
        self.entities.iter_mut().for_each(|entities| entities.resolve(folder));
        self.store.resolve(folder);
        if let Some(fetch) = &mut self.fetch {
            fetch.folder = folder.join(&fetch.folder);
            fetch.ca = fetch.ca.as_ref().map(|ca| folder.join(ca));
        }
        self.audit.iter_mut().for_each(|audit| audit.resolve(folder));
        if let LogTarget::File(file) = &mut self.log {
            *file = folder.join(&file);
        }
    }

    /// The files whose change means that the configuration changed, beside its own, and that are
    /// small enough to be read often: not those of [`Config::networks`], nor shared secrets, which are read by who wipes
    /// them.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        // What an authority issues is put to use when it comes.
        let own = self.tls.iter().filter(|_| self.acme.is_none()).flat_map(|tls| [&tls.cert, &tls.key]);
        let tls = own.chain(self.tls.iter().filter_map(|tls| tls.client_ca.as_ref()));
        let policies = self.policy.iter().chain(self.routes.iter().filter_map(|route| route.policy.as_ref()));
        let roots =
            self.web_bot_auth.ca.iter().chain(self.fetch.iter().filter_map(|fetch| fetch.ca.as_ref()));
        let roots = roots.chain(self.reports.iter().filter_map(|reports| reports.ca.as_ref()));
        let roots = roots.chain(self.entities.iter().flat_map(Entities::roots));
        let keys = self.http_signatures.iter().filter(|one| !one.is_secret()).map(|one| &one.key);
        let delegations = self.privacy_pass.iter().map(|issuer| &issuer.delegation);
        let files = tls.chain(policies).chain(&self.dns.trust_anchors).chain(roots);
        files.chain(delegations).chain(keys).map(PathBuf::as_path)
    }

    /// The files of secrets that are shared with partners, and of the key that asks registration entities.
    pub fn secrets(&self) -> impl Iterator<Item = &Path> {
        let shared = self.http_signatures.iter().filter(|one| one.is_secret()).map(|one| one.key.as_path());
        shared.chain(self.entities.iter().flat_map(Entities::secrets))
    }
}

/// Where requests go, which has to be said unless other servers receive them; `None` for a problem.
#[expect(clippy::option_option, reason = "that there is none is not that it cannot be read")]
fn upstream(root: &mut Table<'_>, by: Use) -> Option<Option<Upstream>> {
    if root.has("listen") || (by == Use::Alone && !root.has("verify")) {
        return root.required("upstream", Upstream::read).map(Some);
    }
    Some(root.optional("upstream", Upstream::read))
}

/// What can only be judged of several keys together.
fn check(
    root: &Table<'_>,
    by: Use,
    listen: &[Endpoint],
    (authorities, mode): (&[Authority<'_>], Mode),
    routes: &[Route],
) {
    if by == Use::Alone && listen.is_empty() && !root.has("listen") && !root.has("verify") {
        let fix = "add `listen = [\"[::]:8443\"]`, or `[verify]` where another server asks";
        root.complain("listen", Fault::new("is missing", fix));
    } else if listen.is_empty() && root.has("listen") {
        root.complain("listen", Fault::new("names no address", "write `listen = [\"[::]:8443\"]`"));
    }
    let enforcing = mode == Mode::Enforce || routes.iter().any(|route| route.mode == Some(Mode::Enforce));
    if enforcing && authorities.is_empty() {
        let fix = "add the names clients use, for example `authorities = [\"www.shop.example\"]`: without them a request signed for another site is accepted here";
        root.complain("authorities", Fault::new("is needed to enforce", fix));
    }
}

/// What tables need of others: tokens the site's names, feeds a folder.
fn check_needs(root: &Table<'_>, tokens_without_names: bool, feeds: bool) {
    if tokens_without_names {
        let fix = "add the names clients use, for example `authorities = [\"www.shop.example\"]`: without them another site could ask its own visitors for tokens that count here";
        root.complain("authorities", Fault::new("is needed to take Privacy Pass tokens", fix));
    }
    if feeds && !root.has("fetch") {
        let fix = "add the table, with `folder = \"/var/lib/avouch/ranges\"`, where what is fetched is kept";
        root.complain("[fetch]", Fault::new("is needed to fetch ranges", fix));
    }
    if root.has("console") && !root.has("admin") {
        let fix = "add the table, with `listen = \"127.0.0.1:9180\"`: the console is on that listener";
        root.complain("[admin]", Fault::new("is needed for the console", fix));
    }
}

fn path(value: Value<'_>) -> Result<PathBuf, Fault> {
    value.text().map(PathBuf::from)
}

fn authority(value: Value<'_>, scheme: Scheme) -> Result<Authority<'static>, Fault> {
    let fix = "write the host clients use, with its port where that is not the scheme's own, for example \"www.shop.example\"";
    value.convert("an authority", fix, |text| Authority::parse(text, scheme).ok().map(Authority::into_owned))
}

fn private_peers(value: Value<'_>) -> Result<PrivatePeers, Fault> {
    value.one_of(&[("proxies", PrivatePeers::Proxies), ("clients", PrivatePeers::Clients)])
}

fn trusted_proxies(root: &mut Table<'_>) -> TrustedProxies {
    let mut unix = false;
    let listed = root.list("trusted_proxies", |value| {
        if value.text() == Ok("unix") {
            unix = true;
            return Ok(None);
        }
        value.network().map(Some)
    });
    TrustedProxies { networks: listed.unwrap_or_default().into_iter().flatten().collect(), unix }
}

fn tls(root: &mut Table<'_>, acme: Option<&Acme>) -> Option<TlsFiles> {
    if !root.has("acme") {
        let mut table = root.sub("tls")?;
        let (cert, key) = (table.required("cert", path), table.required("key", path));
        let client_ca = table.optional("client_ca", path);
        return Some(TlsFiles { cert: cert?, key: key?, client_ca });
    }
    let client_ca = root.sub("tls").and_then(|mut table| {
        for key in ["cert", "key"] {
            if table.optional(key, path).is_some() {
                let fix = "leave out either this or `[acme]`";
                table.complain(key, Fault::new("is of no use beside `[acme]`", fix));
            }
        }
        table.optional("client_ca", path)
    });
    let file = avouch_acme::pem_file(&acme?.settings.folder);
    Some(TlsFiles { cert: file.clone(), key: file, client_ca })
}

impl TlsFiles {
    fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        [&mut self.cert, &mut self.key].into_iter().chain(&mut self.client_ca)
    }
}

fn dns(mut table: Table<'_>) -> Dns {
    Dns {
        resolvers: table.list("resolvers", resolver).unwrap_or_default(),
        trust_anchors: table.list("trust_anchor", path).unwrap_or_default(),
        trust_ad_from: table.list("trust_ad_from", loopback).unwrap_or_default(),
        ttl_cap: table.optional("ttl_cap", |value| value.duration()),
    }
}

/// An address, with port 53 unless another is given.
fn resolver(value: Value<'_>) -> Result<SocketAddr, Fault> {
    value.address().map(|address| SocketAddr::new(address, 53)).or_else(|_| value.socket())
}

/// The AD bit travels unprotected, so only a resolver on this machine can be believed.
fn loopback(value: Value<'_>) -> Result<IpAddr, Fault> {
    let address = value.address()?;
    if address.is_loopback() {
        return Ok(address);
    }
    Err(value.fault(
        "a loopback address",
        "run a validating resolver on this machine, or leave it out: avouch validates by itself",
    ))
}

fn log(mut table: Table<'_>) -> (LogTarget, Prefixes) {
    let target = table.required("access", |value| {
        Ok(match value.text()? {
            "stderr" => LogTarget::Stderr,
            "stdout" => LogTarget::Stdout,
            "off" => LogTarget::Off,
            file => LogTarget::File(file.into()),
        })
    });
    if target == Some(LogTarget::Off) {
        addresses::unused(&mut table, "remove it, or say where lines go");
        return (LogTarget::Off, Prefixes::default());
    }
    (target.unwrap_or_default(), Prefixes::read(&mut table))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"
        mode = "enforce"
        listen = ["[::]:8443", "127.0.0.1:80", "unix:/run/a\"b.sock", "systemd:a\"b"]
        authorities = ["www.shop.example"]
        accept_draft = true
        scheme = "https"
        trusted_proxies = ["10.0.0.0/8", "unix"]
        private_peers = "clients"
        upstream = "http://127.0.0.1:8080"
        [tls]
        cert = "a\"b.pem"
        key = "key.pem"
        [admin]
        listen = "127.0.0.1:9180"
        [console]
        origin = "https://avouch.shop.example"
        users = "us\"ers.toml"
        idle = "10min"
        longest = "8h"
        [verify]
        listen = "unix:/run/verify\"\\t.sock"
        proxy = "traefik"
        [dns]
        resolvers = ["127.0.0.53", "[::1]:5353"]
        trust_anchor = "root.ds"
        trust_ad_from = ["127.0.0.53"]
        ttl_cap = "60s"
        [web_bot_auth]
        enabled = false
        ca = "roots.pem"
        allow_networks = ["10.0.0.0/8"]
        require_signed_directories = true
        max_lifetime = "1h"
        algorithms = ["ed25519", "rsa-v1_5-sha256"]
        [[http_signature]]
        keyid = "partner 1"
        key = "a\"partner.pem"
        identity = "billing@partner.example"
        algorithms = ["rsa-pss-sha512", "rsa-v1_5-sha256"]
        tag = "api"
        require = ["@method", "@target-uri", "content-digest", "x-date"]
        [[http_signature]]
        keyid = "partner-2"
        key = "secret"
        identity = "partner.example"
        algorithms = "hmac-sha256"
        [entities]
        key = "file:veri\"fier.key"
        passphrase_file = "words"
        [[registration_entity]]
        host = "re.example"
        port = 8443
        window = 7
        ca = "a\"roots.pem"
        allow_networks = ["10.0.0.0/8"]
        [[registration_entity]]
        host = "re2.example"
        [reports]
        organization = "Shop \"AG\""
        contact = "reports@shop.example"
        folder = "reports"
        smtp = "smtps://mail.shop.example"
        every = "12h"
        ca = "roots.pem"
        allow_networks = ["10.0.0.0/8"]
        [policy]
        file = "policy.toml"
        [asn]
        file = "a\"sn.tsv"
        [[crawler]]
        name = "GPTBot"
        ranges = ["gptbot.json", "more.json"]
        [[crawler]]
        name = "Bingbot"
        ranges = "bingbot.json"
        [store]
        url = "file:/tmp/replay"
        fresh = true
        [log]
        access = "access.log"
        ipv4_prefix = 24
        ipv6_prefix = 48
        [audit]
        folder = "au\"dit"
        keep = "7d"
        size = "2GiB"
        syslog = "udp://192.0.2.1:514"
        facility = "local0"
        ipv4_prefix = 16
        [traces]
        collector = "http://127.0.0.1:4318"
        one_in = 10
        [limits]
        head_time = "5s"
        [[route]]
        path = "/admin"
        upstream = "http://127.0.0.1:8081"
        mode = "advise"
        policy = "admin.toml"
        assertion = true
        disclose = "none"
        require = 3
        require_nonce = true
        [[route]]
        path = "/shop"
        on_fault = "anonymous"
    "#;

    const LEAST: &str = "listen = '[::]:8443'\nupstream = 'http://127.0.0.1:8080'\n";

    #[test]
    fn two_lines_are_enough_and_observe() {
        let config = Config::parse("f", LEAST).unwrap();
        assert_eq!(config.mode, Mode::Observe);
        assert_eq!(config.limits, Limits::default());
    }

    #[test]
    fn where_other_servers_ask_nobody_need_connect() {
        let asked = "[verify]\nlisten = '127.0.0.1:9181'\n";
        let config = Config::parse("f", asked).unwrap();
        assert!(config.listen.is_empty() && config.upstream.is_none());
        let problem = |text: &str| Config::parse("f", text).unwrap_err().to_string();
        assert!(problem(&format!("listen = '[::]:80'\n{asked}")).contains("`upstream` is missing"));
        assert!(
            problem(&format!("listen = []\nupstream = 'http://a.example'\n{asked}")).contains("no address")
        );
        assert!(problem("mode = 'observe'").contains("`upstream` is missing"));
    }

    #[test]
    fn what_is_printed_reads_back_the_same() {
        for text in [WHOLE, LEAST, "[verify]\nlisten = '127.0.0.1:9181'\n"] {
            let config = Config::parse("f", text).unwrap();
            let printed = config.to_string();
            assert_eq!(Config::parse("printed", &printed).unwrap(), config, "{printed}");
        }
    }

    #[test]
    fn every_key_is_documented_and_the_examples_load() {
        let page = include_str!("../../../../docs/formats/configuration.md");
        let printed = Config::parse("f", WHOLE).unwrap().to_string();
        for key in printed.lines().filter_map(|line| line.split_once(" = ")).map(|(key, _)| key) {
            assert!(page.contains(&format!("`{key}`")), "{key}");
        }
        let examples: Vec<_> =
            page.split("```toml\n").skip(1).filter_map(|rest| rest.split_once("```")).collect();
        assert_eq!(examples.len(), 2);
        for (example, _) in examples {
            assert!(Config::parse("example", example).is_ok(), "{example}");
        }
    }

    #[test]
    fn every_problem_is_listed_with_its_line() {
        let text = "mode = 'enforced'\nlisten = 80\nupstream = '127.0.0.1:8080'\ntrusted_proxies = ['10.0.0.1/8']\n[dns]\ntrust_ad_from = '9.9.9.9'\n[[route]]\npath = 'admin'\n[limit]\n";
        let problems = Config::parse("gateway.toml", text).unwrap_err();
        let lines: Vec<_> = problems.list.iter().map(|problem| problem.line).collect();
        assert_eq!(lines, [1, 2, 2, 3, 4, 6, 8, 9], "{problems}");
    }

    #[test]
    fn a_unix_socket_has_an_absolute_path_that_the_system_takes() {
        let listen =
            |text: &str| Config::parse("f", &format!("listen = '{text}'\nupstream = 'http://a.example'"));
        let longest = format!("unix:/{}", "a".repeat(106));
        for good in ["unix:/run/site.sock", longest.as_str()] {
            assert_eq!(listen(good).unwrap().listen[0].to_string(), good);
        }
        for bad in
            ["unix:", "unix:site.sock", "UNIX:/run/site.sock", "/run/site.sock", &format!("{longest}a")]
        {
            assert!(listen(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_socket_that_systemd_opens_goes_by_a_name_that_it_can_have() {
        let listen =
            |text: &str| Config::parse("f", &format!("listen = '{text}'\nupstream = 'http://a.example'"));
        let longest = format!("systemd:{}", "a".repeat(255));
        for good in ["systemd:https", "systemd:avouch.socket", longest.as_str()] {
            assert_eq!(listen(good).unwrap().listen[0].to_string(), good);
        }
        for bad in ["systemd:", "systemd:a:b", "systemd:\u{e4}", "Systemd:https", &format!("{longest}a")] {
            assert!(listen(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn enforcing_needs_authorities() {
        assert!(Config::parse("f", &format!("mode = 'enforce'\n{LEAST}")).is_err());
        assert!(Config::parse("f", &format!("mode = 'advise'\n{LEAST}")).is_ok());
        assert!(Config::parse("f", &format!("{LEAST}[[route]]\npath = '/'\nmode = 'enforce'")).is_err());
        assert!(Config::parse("f", &format!("mode = 'enforce'\nauthorities = 'a.example'\n{LEAST}")).is_ok());
    }

    #[test]
    fn relative_paths_are_relative_to_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gateway.toml");
        std::fs::write(&file, format!("{LEAST}[policy]\nfile = 'policy.toml'")).unwrap();
        assert_eq!(Config::load(&file).unwrap().policy, Some(folder.path().join("policy.toml")));
    }
}

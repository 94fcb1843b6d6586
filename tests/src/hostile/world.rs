//! A site behind a gateway, an upstream that records, a DNS, a clock that stands still, and agents.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use avouch_dns::{Dns, Resolver, ResolverSettings, SignedZones, TrustAnchor, ZoneFiles};
use avouch_engine::evidence::Dnssec;
use avouch_gateway::config::Config;
use avouch_gateway::{Gateway, Running, Surroundings};
use avouch_gather::clock::{Clock, ManualClock};
use avouch_keys::SecretKey;
use avouch_keys::entropy::SystemEntropy;
use avouch_keys::saip::{Mode, RequestToSign, Signer, Speaker};
use avouch_wire::authority::{Authority, Scheme};
use avouch_wire::b64u;
use avouch_wire::content::ContentDigest;
use avouch_wire::key::KeyType;
use avouch_wire::name::{AgentId, Domain};
use avouch_wire::target::Target;
use avouch_wire::time::Time;
use serde_json::Value;
use testkit::message::Message;
use testkit::raw::Raw;
use testkit::upstream::Upstream;

/// The name the site is known by.
pub(super) const SITE: &str = "www.shop.example";
/// Where nothing is refused: the upstream sees every request, with its class.
pub(super) const OPEN: &str = "/open";
/// Where only class 3 gets through.
pub(super) const CLOSED: &str = "/closed";
/// The present, when a world begins.
pub(super) const NOW: u64 = 1_790_000_000;

/// How long a test waits for something that must come.
const PATIENCE: Duration = Duration::from_secs(10);

/// A site, to be started.
pub(super) struct Plan {
    records: String,
    lines: String,
    sites: &'static str,
}

/// A site at work.
pub(super) struct World {
    pub(super) upstream: Upstream,
    pub(super) running: Running,
    pub(super) clock: Arc<ManualClock>,
    /// The signed name server, in a world that has one.
    pub(super) zones: Option<SignedZones>,
    lines: String,
    sites: &'static str,
    folder: tempfile::TempDir,
}

/// What came of one request.
pub(super) struct Seen {
    pub(super) answer: Message,
    /// The completed request at the upstream.
    pub(super) reached: Option<Message>,
    /// Its line in the access log.
    pub(super) line: Value,
}

impl Plan {
    /// Records by absolute names, in zone-file syntax.
    pub(super) fn records(records: impl Into<String>) -> Self {
        Self { records: records.into(), lines: String::new(), sites: "['www.shop.example']" }
    }

    /// Other names of the site, a list in TOML.
    pub(super) fn sites(self, sites: &'static str) -> Self {
        Self { sites, ..self }
    }

    /// Lines added to the configuration, before its tables.
    pub(super) fn lines(mut self, lines: &str) -> Self {
        self.lines.push_str(lines);
        self.lines.push('\n');
        self
    }

    /// Starts with a DNS that knows these records and nothing else.
    pub(super) async fn start(self) -> World {
        let zone = format!("$ORIGIN .\n$TTL 300\n@ SOA ns. host. 1 2 3 4 30\n{}\n", self.records);
        let zones = ZoneFiles::parse(&[("zone", zone.as_str())], Dnssec::Insecure).unwrap();
        self.start_with(Dns::Zones(zones), None).await
    }

    /// Starts with a signed name server and a resolver that validates.
    pub(super) async fn start_signed(self) -> World {
        let zones = SignedZones::start(&self.records).await.unwrap();
        let anchor = zones.trust_anchor();
        self.start_asking(zones, anchor).await
    }

    /// The same, signed throughout, but by a root that the resolver does not trust.
    pub(super) async fn start_self_signed(self) -> World {
        let trusted = SignedZones::start("").await.unwrap();
        let zones = SignedZones::start(&self.records).await.unwrap();
        self.start_asking(zones, trusted.trust_anchor()).await
    }

    async fn start_asking(self, zones: SignedZones, anchor: TrustAnchor) -> World {
        let mut settings = ResolverSettings::new(vec![zones.address()]);
        settings.trust_anchors = vec![anchor];
        settings.timeout = Duration::from_millis(300);
        let dns = Dns::Live(Resolver::new(&settings).unwrap());
        self.start_with(dns, Some(zones)).await
    }

    async fn start_with(self, dns: Dns, zones: Option<SignedZones>) -> World {
        let upstream = Upstream::start().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(Time::from_seconds(NOW)));
        let config = config(&upstream, &folder, (self.sites, &self.lines));
        let surroundings = Surroundings {
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            dns: Some(dns),
            ..Surroundings::default()
        };
        let running = Gateway::start(config, surroundings).await.unwrap();
        World { upstream, running, clock, zones, lines: self.lines, sites: self.sites, folder }
    }
}

fn config(upstream: &Upstream, folder: &tempfile::TempDir, (sites, lines): (&str, &str)) -> Config {
    let text = format!(
        "listen = '127.0.0.1:0'\nadmin.listen = '127.0.0.1:0'\nupstream = '{}'\nprivate_peers = 'clients'\n\
         store.fresh = true\nlog.access = '{}'\nauthorities = {sites}\n{lines}\n\
         [[route]]\npath = '{CLOSED}'\nmode = 'enforce'\nrequire = 3\n",
        upstream.url(),
        folder.path().join("access.log").display()
    );
    Config::parse("test", &text).unwrap()
}

impl World {
    /// A site that knows one agent, `bot` of acme.example.
    pub(super) async fn with_bot() -> (Self, Agent) {
        let bot = Agent::new("bot", "acme.example");
        (Plan::records(bot.record()).start().await, bot)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.running.addresses[0]
    }

    /// Sends these octets on a connection of their own and reads an answer; an empty one when
    /// the connection ends without.
    pub(super) async fn send(&self, octets: impl AsRef<[u8]>) -> Message {
        let mut client = Raw::connect(self.address()).await.unwrap();
        // A gateway that refuses early may close before all is written.
        let _ = client.send(octets).await;
        let answer = tokio::time::timeout(PATIENCE, client.answer()).await.expect("an answer or an end");
        answer.ok().flatten().unwrap_or_default()
    }

    /// Sends one request and sees what came of it.
    pub(super) async fn see(&self, request: impl AsRef<[u8]>) -> Seen {
        self.see_all([request]).await.remove(0)
    }

    /// Sends requests one after the other. Each must come as far as the access log.
    pub(super) async fn see_all<R: AsRef<[u8]>>(&self, requests: impl IntoIterator<Item = R>) -> Vec<Seen> {
        let mut seen = Vec::new();
        for request in requests {
            let before = self.completed().len();
            let answer = self.send(&request).await;
            // Others may be on their way meanwhile, but not for the same target.
            let is_it = |message: &Message| request.as_ref().starts_with(message.line().as_bytes());
            let reached = self.completed().into_iter().skip(before).find(is_it);
            seen.push(Seen { answer, reached, line: Value::Null });
        }
        for one in &mut seen {
            one.line = self.line(&one.request_id()).await;
        }
        seen
    }

    /// The line of one request in the access log.
    pub(super) async fn line(&self, request_id: &str) -> Value {
        let text = self.log_with(|text| text.lines().any(|line| line.contains(request_id))).await;
        serde_json::from_str(text.lines().find(|line| line.contains(request_id)).unwrap()).unwrap()
    }

    /// The requests that reached the upstream whole.
    pub(super) fn completed(&self) -> Vec<Message> {
        self.upstream.received().into_iter().filter(|request| request.complete).collect()
    }

    /// The access log, as soon as it has so many lines.
    pub(super) async fn log(&self, count: usize) -> Vec<Value> {
        let text = self.log_with(|text| text.lines().count() >= count).await;
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The whole lines of the access log, as soon as they are enough.
    async fn log_with(&self, is_enough: impl Fn(&str) -> bool) -> String {
        let file = self.folder.path().join("access.log");
        let reading = async {
            loop {
                let mut text = std::fs::read_to_string(&file).unwrap_or_default();
                text.truncate(text.rfind('\n').map_or(0, |end| end + 1));
                if is_enough(&text) {
                    return text;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, reading).await.expect("enough lines of log")
    }

    /// One of the numbers on the admin listener, by its whole name with labels.
    pub(super) async fn number(&self, name: &str) -> f64 {
        let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let text =
            testkit::raw::exchange(self.running.admin.unwrap(), request).await.unwrap().unwrap().text();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
    }

    /// The configuration it runs with, these lines added.
    pub(super) fn config(&self, lines: &str) -> Config {
        config(&self.upstream, &self.folder, (self.sites, &format!("{}{lines}", self.lines)))
    }
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let reached = self.reached.as_ref().map_or("(nothing)", |request| &request.head);
        write!(f, "answered: {}\n{}\n", self.answer.head, self.answer.text())?;
        write!(f, "at the upstream: {reached}\nin the log: {:#}", self.line)
    }
}

impl Seen {
    /// It passed as this agent's, proved.
    #[track_caller]
    pub(super) fn is_verified(&self, identity: &str) {
        assert_eq!(self.told("class"), Some("3"), "{self:#?}");
        assert_eq!(self.told("identity"), Some(identity), "{self:#?}");
        assert_eq!(self.line["verdict"]["class"], 3, "{self:#?}");
    }

    /// It reached nobody, and this is among the reasons.
    #[track_caller]
    pub(super) fn is_kept_out(&self, reason: &str) {
        assert_eq!(self.reached, None, "{self:#?}");
        assert_ne!(self.answer.status(), 200, "{self:#?}");
        self.is_not_verified(reason);
    }

    /// It proved nothing, and this is among the reasons.
    #[track_caller]
    pub(super) fn is_not_verified(&self, reason: &str) {
        assert!(self.line["verdict"]["class"].as_u64() < Some(3), "{self:#?}");
        assert!(self.line["verdict"]["identity"].is_null(), "{self:#?}");
        assert!(self.reasons().contains(&reason), "{reason}: {self:#?}");
        if self.reached.is_some() {
            assert_ne!(self.told("class"), Some("3"), "{self:#?}");
            assert_eq!(self.told("identity"), Some("-"), "{self:#?}");
        }
    }

    /// Its name in the access log, from the upstream's or the client's copy.
    fn request_id(&self) -> String {
        let document: Value = serde_json::from_slice(&self.answer.body).unwrap_or_default();
        let answered = document["request_id"].as_str();
        let known = self.told("request-id").or(answered);
        known.unwrap_or_else(|| panic!("refused before it was judged: {self:#?}")).to_owned()
    }

    /// What the upstream was told.
    pub(super) fn told(&self, name: &str) -> Option<&str> {
        self.reached.as_ref()?.field(&format!("avouch-{name}"))
    }

    pub(super) fn reasons(&self) -> Vec<&str> {
        let reasons = self.line["verdict"]["reasons"].as_array();
        reasons.into_iter().flatten().filter_map(Value::as_str).collect()
    }
}

/// What an agent asks for.
#[derive(Clone, Copy)]
pub(super) struct Ask<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    /// The site it signs for, and sends to.
    pub(super) site: &'a str,
    pub(super) content: Option<&'a [u8]>,
    pub(super) at: u64,
    pub(super) mode: Mode,
}

impl<'a> Ask<'a> {
    pub(super) const fn get(path: &'a str) -> Self {
        let mode = Mode::Rolling(KeyType::Ed25519);
        Self { method: "GET", path, site: SITE, content: None, at: NOW, mode }
    }

    pub(super) const fn post(path: &'a str, content: &'a [u8]) -> Self {
        Self { method: "POST", content: Some(content), ..Self::get(path) }
    }

    pub(super) const fn at(self, at: u64) -> Self {
        Self { at, ..self }
    }

    pub(super) const fn by(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }

    pub(super) const fn to(self, site: &'a str) -> Self {
        Self { site, ..self }
    }
}

/// An agent with its key.
pub(super) struct Agent {
    pub(super) signer: Signer,
    name: String,
}

impl Agent {
    pub(super) fn new(agent: &str, domain: &str) -> Self {
        Self::with_instance(agent, domain, None)
    }

    pub(super) fn with_instance(agent: &str, domain: &str, instance: Option<&str>) -> Self {
        let key = SecretKey::generate(KeyType::Ed25519, &mut SystemEntropy).unwrap();
        let name = match agent {
            "_" => format!("_saip.{domain}"),
            agent => format!("{agent}._saip.{domain}"),
        };
        let speaker = Speaker {
            domain: Some(Domain::parse(domain).unwrap().into_owned()),
            agent: AgentId::parse(agent).unwrap().into_owned(),
            instance: instance.map(|instance| AgentId::parse(instance).unwrap().into_owned()),
        };
        Self { signer: Signer::new(key, speaker), name }
    }

    /// A key that no domain vouches for.
    pub(super) fn pseudonym() -> Self {
        let key = SecretKey::generate(KeyType::Ed25519, &mut SystemEntropy).unwrap();
        let agent = AgentId::parse("nobody").unwrap();
        Self {
            signer: Signer::new(key, Speaker { domain: None, agent, instance: None }),
            name: String::new(),
        }
    }

    /// The public key, as records hold it.
    pub(super) fn pk(&self) -> String {
        b64u::encode(self.signer.public().octets())
    }

    /// Where its record stands.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Its record, a line of a zone.
    pub(super) fn record(&self) -> String {
        self.record_at(&self.name)
    }

    /// Its key at another name.
    pub(super) fn record_at(&self, name: &str) -> String {
        format!("{name}. 300 TXT \"v=saip1; pk={}\"\n", self.pk())
    }

    /// The value of its SAIP header.
    pub(super) fn header(&self, ask: Ask<'_>) -> String {
        let target = Target::parse(ask.method, ask.path).unwrap();
        let authority = Authority::parse(ask.site, Scheme::Http).unwrap();
        let content = ask.content.map(ContentDigest::of);
        let request = RequestToSign { method: ask.method, target: &target, authority: &authority, content };
        self.signer.sign(request, ask.mode, Time::from_seconds(ask.at)).unwrap()
    }

    /// The whole request.
    pub(super) fn request(&self, ask: Ask<'_>) -> Vec<u8> {
        request(ask, &format!("SAIP: {}\r\n", self.header(ask)))
    }
}

/// A request with these fields.
pub(super) fn request(ask: Ask<'_>, fields: &str) -> Vec<u8> {
    let Ask { method, path, site, .. } = ask;
    let content = ask.content.unwrap_or_default();
    let length =
        if content.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", content.len()) };
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {site}\r\n{fields}{length}\r\n");
    [head.as_bytes(), content].concat()
}

/// The request that anybody may send.
pub(super) fn anonymous(path: &str) -> Vec<u8> {
    request(Ask::get(path), "")
}

/// The value named in a SAIP header.
pub(super) fn value<'h>(header: &'h str, name: &str) -> &'h str {
    let start = header.find(&format!("{name}=\"")).unwrap() + name.len() + 2;
    header[start..].split('"').next().unwrap()
}

/// The header with another value under a name.
pub(super) fn with(header: &str, name: &str, text: &str) -> String {
    let old = format!("{name}=\"{}\"", value(header, name));
    header.replacen(&old, &format!("{name}=\"{text}\""), 1)
}

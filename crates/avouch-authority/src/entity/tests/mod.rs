//! The entity as verifiers, agents and its owner see it, and what its rules make of a database.

mod desk;
mod restore;
mod rules;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use avouch_dns::{Dns, ZoneFiles};
use avouch_engine::evidence::Dnssec;
use avouch_gather::clock::Clock;
use avouch_gather::https::Client;
use avouch_keys::SecretKey;
use avouch_keys::entity::{Asked, Root, ask, nonce};
use avouch_keys::entropy::SystemEntropy;
use avouch_store::ledger::{Ledger, Service};
use avouch_tls::{Connector, Protocol};
use avouch_wire::authority::{Authority, Scheme};
use avouch_wire::entity::{
    AgentQuestion, EventQuestion, KeyQuestion, Question, RegistrationQuestion, Renegotiation,
    VerifierDocument, epoch_of,
};
use avouch_wire::key::KeyType;
use avouch_wire::name::{AgentId, Domain};
use avouch_wire::time::Time;
use serde_json::{Value, json};
use testkit::certificate::Certificate;
use testkit::https::HttpsHost;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{Entity, Parts, StartFault};
use crate::serving::{LASTS, accept};

/// The first second of an epoch.
const NOW: u64 = 1_789_999_800;

fn domain(text: &str) -> Domain<'static> {
    Domain::parse(text).unwrap().into_owned()
}

fn agent(text: &str) -> AgentId<'static> {
    AgentId::parse(text).unwrap().into_owned()
}

fn fresh() -> String {
    nonce(&mut SystemEntropy).unwrap()
}

fn key() -> SecretKey {
    SecretKey::generate(KeyType::Ed25519, &mut SystemEntropy).unwrap()
}

/// A clock that is set.
struct Set(AtomicU64);

impl Set {
    fn new(seconds: u64) -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(seconds)))
    }

    fn pass(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }

    fn seconds(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

impl Clock for Set {
    fn now(&self) -> Time {
        Time::from_seconds(self.seconds())
    }
}

/// A site by HTTPS that publishes what it is told to.
struct Site {
    host: HttpsHost,
    published: Arc<Mutex<Option<String>>>,
    media: Arc<Mutex<&'static str>>,
    certificate: Certificate,
    key: SecretKey,
}

impl Site {
    async fn open() -> Self {
        let certificate = Certificate::of(&["www.shop.example"]).unwrap();
        let key = key();
        let published = Arc::new(Mutex::new(Some(listing(&[&key]))));
        let media = Arc::new(Mutex::new("application/json"));
        let (told, sent_as) = (Arc::clone(&published), Arc::clone(&media));
        let answer = move |asked: &testkit::message::Message| {
            assert!(
                asked.head.starts_with("GET /.well-known/avouch/verifier.json HTTP/1.1"),
                "{}",
                asked.head
            );
            let (told, media) = (told.lock().unwrap(), sent_as.lock().unwrap());
            let (status, body) =
                told.as_ref().map_or(("404 Not Found", ""), |told| ("200 OK", told.as_str()));
            format!(
                "HTTP/1.1 {status}\r\nContent-Type: {media}\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
            .into_bytes()
        };
        let host = HttpsHost::start(&certificate, Arc::new(answer)).await.unwrap();
        Self { host, published, media, certificate, key }
    }

    fn publish(&self, keys: &[&SecretKey]) {
        *self.published.lock().unwrap() = Some(listing(keys));
    }

    fn audience(&self) -> Authority<'static> {
        let text = format!("www.shop.example:{}", self.host.address.port());
        Authority::parse(&text, Scheme::Https).unwrap().into_owned()
    }

    fn client(&self) -> Client {
        let zone = "$ORIGIN shop.example.\n$TTL 60\n@ SOA ns host 1 2 3 4 30\nwww A 127.0.0.1\n";
        let dns = Dns::Zones(ZoneFiles::parse(&[("zone", zone)], Dnssec::Insecure).unwrap());
        let roots = self.certificate.certificate.as_bytes();
        let connector = Connector::trusting(roots, &[Protocol::Http1]).unwrap();
        Client::new(dns, connector, vec!["127.0.0.0/8".parse().unwrap()], Duration::from_secs(2))
    }
}

fn listing(keys: &[&SecretKey]) -> String {
    VerifierDocument { keys: keys.iter().map(|key| key.public().clone()).collect() }.write()
}

/// An entity with its two doors; it ends when dropped.
struct House {
    strangers: SocketAddr,
    owner: SocketAddr,
    clock: Arc<Set>,
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
}

/// Where an entity keeps what it keeps.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn root(&self) -> Root {
        let path = self.path("root");
        Root::open(&path).unwrap_or_else(|_| Root::create(&path, &mut SystemEntropy).unwrap())
    }

    async fn ledger(&self) -> Ledger {
        let url = format!("sqlite:{}", self.path("entity.db").display());
        Ledger::open_for(Service::Entity, &url).await.unwrap()
    }

    /// Copies the database, which nobody uses.
    fn copy(&self, from: &str, to: &str) {
        for end in ["", "-wal", "-shm"] {
            let (from, to) = (self.path(&format!("{from}{end}")), self.path(&format!("{to}{end}")));
            if Path::new(&from).exists() {
                std::fs::copy(from, to).unwrap();
            } else {
                let _ = std::fs::remove_file(to);
            }
        }
    }
}

impl House {
    async fn open(
        folder: &Folder,
        site: &Site,
        clock: &Arc<Set>,
        restored: bool,
    ) -> Result<Self, StartFault> {
        let (stop, stopping) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let parts = Parts {
            entity: domain("re.example"),
            root: folder.root(),
            ledger: folder.ledger().await,
            mark: folder.path("mark"),
            client: site.client(),
            clock: Arc::<Set>::clone(clock),
            restored,
        };
        let alive = Duration::from_millis(200);
        let entity = Entity::start_with(parts, &mut tasks, stopping.clone(), alive).await?;
        let [strangers, owner] = [TcpListener::bind("127.0.0.1:0"), TcpListener::bind("127.0.0.1:0")];
        let (strangers, owner) = (strangers.await.unwrap(), owner.await.unwrap());
        let addresses = (strangers.local_addr().unwrap(), owner.local_addr().unwrap());
        tasks.spawn(accept(strangers, None, entity.for_strangers(), LASTS, stopping.clone()));
        tasks.spawn(accept(owner, None, entity.for_owner(), LASTS, stopping));
        let clock = Arc::clone(clock);
        Ok(Self { strangers: addresses.0, owner: addresses.1, clock, tasks, stop })
    }

    /// As a crash does: nothing is let end.
    async fn crash(mut self) {
        self.tasks.shutdown().await;
    }

    async fn end(mut self) {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
    }

    async fn say<Q: Question>(&self, key: &SecretKey, question: &Q) -> Answer {
        let Asked { authorization, body } = ask(key, question).unwrap();
        post(self.strangers, Q::PATH, Some(&authorization), &body).await
    }

    async fn owner(&self, method: &str, path: &str, body: Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        exchange(self.owner, method, path, None, &body).await
    }

    async fn token(&self, name: &str) -> String {
        let new =
            json!({ "name": name, "domain": "acme.example", "agents": "*.gptbot", "uses": 9, "lasts": 3600 });
        let answer = self.owner("POST", "/v1/tokens", new).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.json()["token"].as_str().unwrap().to_owned()
    }

    fn registration(&self, key: &SecretKey, id: &str, token: &str) -> RegistrationQuestion {
        RegistrationQuestion {
            entity: domain("re.example"),
            domain: domain("acme.example"),
            agent: agent(id),
            key: key.public().clone(),
            token: token.to_owned(),
            time: self.clock.seconds(),
            nonce: fresh(),
        }
    }

    fn renegotiation(&self, id: &str) -> Renegotiation {
        let (entity, domain, agent) = (domain("re.example"), domain("acme.example"), agent(id));
        Renegotiation { entity, domain, agent, time: self.clock.seconds(), nonce: fresh() }
    }

    fn question(&self, site: &Site, id: &str) -> KeyQuestion {
        let time = self.clock.seconds();
        let (domain_of, agent) = (domain("acme.example"), agent(id));
        let agents = vec![AgentQuestion { domain: domain_of, agent, epoch: epoch_of(time) }];
        KeyQuestion { entity: domain("re.example"), audience: site.audience(), time, nonce: fresh(), agents }
    }

    fn listening(&self, site: &Site, after: u64) -> EventQuestion {
        let (entity, audience) = (domain("re.example"), site.audience());
        EventQuestion { entity, audience, time: self.clock.seconds(), nonce: fresh(), after }
    }
}

/// What came back.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    fn reason(&self) -> (u16, String) {
        (self.status, self.json()["reason"].as_str().unwrap_or_default().to_owned())
    }
}

async fn post(address: SocketAddr, path: &str, authorization: Option<&str>, body: &str) -> Answer {
    exchange(address, "POST", path, authorization, body).await
}

async fn exchange(
    address: SocketAddr,
    method: &str,
    path: &str,
    authorization: Option<&str>,
    body: &str,
) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request(method, path, authorization, body).as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}

fn request(method: &str, path: &str, authorization: Option<&str>, body: &str) -> String {
    let authorization = authorization.map(|value| format!("Authorization: {value}\r\n")).unwrap_or_default();
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: re.example\r\nConnection: close\r\n{authorization}\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

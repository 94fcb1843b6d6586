//! With avouch's own registration entity, which fetches the gateway's key from the gateway itself.

use super::*;
use avouch_authority::entity::{Entity as Own, Parts};
use avouch_gather::https::Client;
use avouch_keys::entity::{Root, ask, nonce};
use avouch_store::ledger::{Ledger, Service};
use avouch_tls::{Acceptor, Connector, Protocol};
use avouch_wire::entity::{Question, RegistrationQuestion, Renegotiation, SecretAnswer};
use avouch_wire::name::{AgentId, Domain};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// An entity, and a site with a certificate that it is asked by.
struct House {
    folder: tempfile::TempDir,
    strangers: SocketAddr,
    owner: SocketAddr,
    site: SocketAddr,
    upstream: Upstream,
    certificate: Certificate,
    _tasks: JoinSet<()>,
    _stop: watch::Sender<bool>,
}

fn zones() -> Dns {
    let zone = format!(
        "$TTL 3600\nexample. SOA ns.example. host.example. 1 2 3 4 3600\n{HOST}. A 127.0.0.1\n{SITE}. A 127.0.0.1\n\
         _saip.acme.example. TXT \"v=saip1; re={HOST}\"\n"
    );
    Dns::Zones(ZoneFiles::parse(&[("zone", &zone)], Dnssec::Insecure).unwrap())
}

async fn serve(listener: TcpListener, acceptor: Option<Acceptor>, router: axum::Router) {
    let mut connections = JoinSet::new();
    while let Ok((stream, peer)) = listener.accept().await {
        let router = router.clone().layer(axum::Extension(axum::extract::ConnectInfo(peer)));
        let (acceptor, service) = (acceptor.clone(), TowerToHyperService::new(router));
        connections.spawn(async move {
            let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            match acceptor {
                Some(acceptor) => {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let _ = server.serve_connection(TokioIo::new(stream), service).await;
                }
                None => drop(server.serve_connection(TokioIo::new(stream), service).await),
            }
        });
    }
}

impl House {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let certificate = Certificate::of(&[HOST, SITE]).unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("chain.pem", &certificate.certificate);
        write("key.pem", &certificate.key);
        let key = SecretKey::generate(KeyType::P256, &mut SystemEntropy).unwrap();
        store::create(&folder.path().join("verifier.key"), &key, Protection::None).unwrap();
        let root = Root::create(&folder.path().join("root"), &mut SystemEntropy).unwrap();
        let url = format!("sqlite:{}", folder.path().join("entity.db").display());
        let connector = Connector::trusting(certificate.certificate.as_bytes(), &[Protocol::Http1]).unwrap();
        let allowed = vec!["127.0.0.0/8".parse().unwrap()];
        let parts = Parts {
            entity: Domain::parse(HOST).unwrap(),
            root,
            ledger: Ledger::open_for(Service::Entity, &url).await.unwrap(),
            mark: folder.path().join("mark"),
            client: Client::new(zones(), connector, allowed, Duration::from_secs(2)),
            clock: Arc::new(SystemClock::new()),
            restored: false,
        };
        let (stop, stopping) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let entity = Own::start(parts, &mut tasks, stopping).await.unwrap();
        let acceptor =
            Acceptor::from_pem(certificate.certificate.as_bytes(), certificate.key.as_bytes()).unwrap();
        let [strangers, owner, site] = [(); 3].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
        // Its number has to be known before the gateway that listens there is set up.
        let site = { site }.local_addr().unwrap();
        let listener = |listener: std::net::TcpListener| {
            listener.set_nonblocking(true).unwrap();
            (listener.local_addr().unwrap(), TcpListener::from_std(listener).unwrap())
        };
        let ((strangers, one), (owner, other)) = (listener(strangers), listener(owner));
        tasks.spawn(serve(one, Some(acceptor), entity.for_strangers()));
        tasks.spawn(serve(other, None, entity.for_owner()));
        let upstream = Upstream::start().await.unwrap();
        Self { folder, strangers, owner, site, upstream, certificate, _tasks: tasks, _stop: stop }
    }

    async fn gateway(&self) -> Running {
        let at = self.folder.path().display();
        let text = format!(
            "mode = 'enforce'\nlisten = '{0}'\nauthorities = '{SITE}:{1}'\nupstream = '{2}'\nprivate_peers = 'clients'\n\
             store.fresh = true\nlog.access = 'off'\n[tls]\ncert = '{at}/chain.pem'\nkey = '{at}/key.pem'\n\
             [entities]\nkey = 'file:{at}/verifier.key'\n[[registration_entity]]\nhost = '{HOST}'\nport = {3}\n\
             ca = '{at}/chain.pem'\nallow_networks = '127.0.0.0/8'\n[[route]]\npath = '/'\nrequire = 3\n",
            self.site,
            self.site.port(),
            self.upstream.url(),
            self.strangers.port(),
        );
        let surroundings = Surroundings { dns: Some(zones()), ..Surroundings::default() };
        Gateway::start(Config::parse("test", &text).unwrap(), surroundings).await.unwrap()
    }

    async fn exchange(&self, host: &str, request: http::Request<Full<Bytes>>) -> http::Response<Bytes> {
        let address = if host == HOST { self.strangers } else { self.site };
        let roots = self.certificate.certificate.as_bytes();
        let connector = Connector::trusting(roots, &[Protocol::Http1]).unwrap();
        let stream = connector.connect(host, TcpStream::connect(address).await.unwrap()).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        let task = tokio::spawn(connection);
        let (head, body) = sender.send_request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        task.abort();
        http::Response::from_parts(head, body)
    }

    /// What the entity answers an agent.
    async fn told<Q: Question>(&self, key: &SecretKey, question: &Q) -> Bytes {
        let asked = ask(key, question).unwrap();
        let request = http::Request::post(Q::PATH).header("host", HOST);
        let request = request.header("authorization", asked.authorization);
        let answer = self.exchange(HOST, request.body(Full::from(asked.body)).unwrap()).await;
        assert_eq!(answer.status(), 200, "{:?}", answer.body());
        answer.into_body()
    }

    /// Does this in the owner's place.
    async fn owner(&self, path: &str, body: serde_json::Value) -> String {
        let body = body.to_string();
        let length = body.len();
        let question = format!(
            "POST {path} HTTP/1.1\r\nHost: owner\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let answer = exchange(self.owner, question).await.unwrap().unwrap();
        assert!((200..300).contains(&answer.status()), "{}", answer.text());
        answer.text()
    }

    async fn register(&self, key: &SecretKey) -> Secrets {
        let new = serde_json::json!(
            { "name": "fleet", "domain": "acme.example", "agents": "*.gptbot", "uses": 9, "lasts": 3600 }
        );
        let token: serde_json::Value = serde_json::from_str(&self.owner("/v1/tokens", new).await).unwrap();
        let (entity, domain, agent) = names();
        let asked = RegistrationQuestion {
            entity: entity.clone(),
            domain: domain.clone(),
            agent: agent.clone(),
            key: key.public().clone(),
            token: token["token"].as_str().unwrap().to_owned(),
            time: SystemClock::new().now().seconds(),
            nonce: nonce(&mut SystemEntropy).unwrap(),
        };
        Secrets::of(SecretAnswer::read_any(&self.told(key, &asked).await).unwrap())
    }

    /// Status, reason, and the number that is next, of a request of this one.
    async fn comes(&self, agent: &Secrets, number: u64) -> (u16, String, Option<u64>) {
        let site = format!("{SITE}:{}", self.site.port());
        let (target, authority) =
            (Target::parse("GET", "/a").unwrap(), Authority::parse(&site, Scheme::Https).unwrap());
        let request = RequestToSign { method: "GET", target: &target, authority: &authority, content: None };
        let saip = agent.sign(request, (None, number), SystemClock::new().now()).unwrap();
        let request = http::Request::get("/a").header("host", &site).header("saip", saip);
        let answer = self.exchange(SITE, request.body(Full::default()).unwrap()).await;
        let next = answer.headers().get("saip-next-seq");
        let next = next.map(|next| next.to_str().unwrap().parse().unwrap());
        let problem: serde_json::Value = serde_json::from_slice(answer.body()).unwrap_or_default();
        (answer.status().as_u16(), problem["reason"].as_str().unwrap_or_default().to_owned(), next)
    }
}

fn names() -> (Domain<'static>, Domain<'static>, AgentId<'static>) {
    let [entity, domain] = [HOST, "acme.example"].map(|name| Domain::parse(name).unwrap());
    (entity, domain, AgentId::parse("nyc-7.gptbot").unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_registers_is_verified_begins_elsewhere_and_is_revoked_within_a_second() {
    let house = House::open().await;
    let running = house.gateway().await;
    let key = SecretKey::generate(KeyType::Ed25519, &mut SystemEntropy).unwrap();
    let mut agent = house.register(&key).await;
    let first = agent.floor();
    assert_eq!(house.comes(&agent, first + 1).await, (200, String::new(), Some(first + 2)));
    assert_eq!(house.comes(&agent, first + 1).await, (403, "sequence-behind".to_owned(), None));
    tokio::time::sleep(Duration::from_millis(500)).await;

    let (entity, domain, agent_id) = names();
    let time = SystemClock::new().now().seconds();
    let nonce = nonce(&mut SystemEntropy).unwrap();
    let again = Renegotiation { entity, domain, agent: agent_id, time, nonce };
    let told: serde_json::Value = serde_json::from_slice(&house.told(&key, &again).await).unwrap();
    let floor = told["floor"].as_u64().unwrap();
    agent.renegotiated(floor);
    let heard = Instant::now();
    let came = loop {
        let came = house.comes(&agent, floor).await;
        if came.0 == 200 || heard.elapsed() > Duration::from_secs(1) {
            break came;
        }
    };
    assert_eq!(came, (200, String::new(), Some(floor + 1)), "the gateway is told of it at once");
    assert_eq!(house.comes(&agent, first + 2).await.1, "sequence-behind");

    house
        .owner("/v1/revoke", serde_json::json!({ "domain": "acme.example", "agents": "nyc-7.gptbot" }))
        .await;
    let (revoked, mut number) = (Instant::now(), floor + 1);
    let refused = loop {
        let came = house.comes(&agent, number).await;
        if came.0 != 200 {
            break came;
        }
        number += 1;
    };
    assert_eq!(refused, (403, "revoked".to_owned(), None));
    assert!(revoked.elapsed() < Duration::from_secs(1), "{:?}", revoked.elapsed());
    running.stop().await;
}

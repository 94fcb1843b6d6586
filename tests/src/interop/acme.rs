//! Certificates that a real authority issues: Pebble, which connects for its challenges, and authorities that fail.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use avouch_dns::SignedZones;
use avouch_gateway::config::Config;
use avouch_gateway::{Gateway, Running, Surroundings};
use avouch_gather::clock::{Clock, ManualClock, SystemClock};
use avouch_tls::{Connector, Protocol, Secured};
use testkit::bind::free_port;
use testkit::certificate::Certificate;
use testkit::https::HttpsHost;
use testkit::message::{Kind, Message, Messages};
use testkit::pebble::{PROGRAMS, Pebble};
use testkit::peers::require;
use testkit::raw::exchange;
use testkit::upstream::Upstream;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

const SITE: &str = "www.shop.example";

/// How long a test waits for something that must come.
const PATIENCE: Duration = Duration::from_secs(40);

/// How often an order is looked for that must not come.
const QUIET: Duration = Duration::from_secs(3);

/// A site without a certificate, and an authority.
struct World {
    pebble: Pebble,
    _zones: SignedZones,
    upstream: Upstream,
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
    port: u16,
    http: u16,
}

/// An open connection to the site.
struct Client(Messages<Secured<TcpStream>>);

impl World {
    async fn new() -> Option<Self> {
        let tools = require(&PROGRAMS)?;
        let (port, http) = (free_port().unwrap(), free_port().unwrap());
        Some(Self::asking_at(&tools, (port, http), port).await)
    }

    /// Where the authority asks at another port than the site listens at, it finds nobody.
    async fn asking_at(tools: &testkit::peers::Peers, (port, http): (u16, u16), asked: u16) -> Self {
        let names = format!("{SITE}. A 127.0.0.1\nstatic.shop.example. A 127.0.0.1\n");
        let zones = SignedZones::start(&names).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let pebble = Pebble::start(tools, zones.address(), (http, asked)).unwrap();
        fs::write(folder.path().join("authority.pem"), &pebble.root).unwrap();
        let clock = Arc::new(ManualClock::at(SystemClock::new().now()));
        let upstream = Upstream::start().await.unwrap();
        Self { pebble, _zones: zones, upstream, folder, clock, port, http }
    }

    fn config(&self, lines: &str) -> Config {
        let folder = self.folder.path().display();
        let directory = match lines.contains("directory") {
            true => String::new(),
            false => format!("directory = '{}'\n", self.pebble.directory()),
        };
        let text = format!(
            "listen = '127.0.0.1:{}'\nadmin.listen = '127.0.0.1:0'\nupstream = '{}'\nauthorities = '{SITE}'\n\
             private_peers = 'clients'\nlog.access = 'off'\nstore.fresh = true\ndns.resolvers = '127.0.0.1'\n\
             [acme]\n{directory}contact = 'web@shop.example'\nterms_agreed = true\nfolder = '{folder}/acme'\n\
             ca = '{folder}/authority.pem'\n{lines}\n",
            self.port,
            self.upstream.url(),
        );
        Config::parse("test", &text).unwrap_or_else(|problems| panic!("{problems}"))
    }

    async fn gateway(&self, lines: &str) -> Running {
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        Gateway::start(self.config(lines), Surroundings { clock, ..Surroundings::default() }).await.unwrap()
    }

    fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// Connects as whoever trusts what this authority issues.
    async fn connect(&self, root: &str) -> std::io::Result<Client> {
        let connector =
            Connector::trusting(root.as_bytes(), &[Protocol::Http1]).map_err(std::io::Error::other)?;
        let stream = TcpStream::connect(self.address()).await?;
        Ok(Client(Messages::new(connector.connect(SITE, stream).await?)))
    }

    /// The certificate and key that are kept.
    fn kept(&self) -> String {
        fs::read_to_string(self.folder.path().join("acme/certificate.pem")).unwrap_or_default()
    }
}

impl Client {
    async fn ask(&mut self) -> u16 {
        let request = format!("GET / HTTP/1.1\r\nHost: {SITE}\r\n\r\n");
        self.0.stream().write_all(request.as_bytes()).await.unwrap();
        self.0.next(Kind::Answer).await.unwrap().unwrap().status()
    }
}

/// A figure at the operator's listener; 0 where there is none.
async fn figure(running: &Running, name: &str) -> f64 {
    let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let text = exchange(running.admin.unwrap(), request).await.unwrap().unwrap().text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0.0, |number| number.parse().unwrap())
}

/// How many orders came to this.
async fn orders(running: &Running, outcome: &str) -> f64 {
    figure(running, &format!("avouch_certificate_orders_total{{outcome=\"{outcome}\"}}")).await
}

async fn until(running: &Running, outcome: &str, count: f64) {
    let waiting = async {
        while orders(running, outcome).await < count {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let came = tokio::time::timeout(PATIENCE, waiting).await;
    assert!(came.is_ok(), "{outcome}: {}", orders(running, outcome).await);
}

/// Nothing is tried before it is time.
async fn stays(running: &Running, failed: f64) {
    tokio::time::sleep(QUIET).await;
    assert_eq!(orders(running, "failed").await, failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_had_over_tls_and_serves_a_client_that_looks() {
    let Some(world) = World::new().await else { return };
    let running = world.gateway("domains = ['www.shop.example', 'static.shop.example']").await;
    let root = world.pebble.issuing_root().await.unwrap();
    until(&running, "done", 1.0).await;
    assert_eq!(world.connect(&root).await.unwrap().ask().await, 200);
    assert!(figure(&running, "avouch_certificate_seconds_left").await > 0.0);
    let mode = |name: &str| {
        fs::metadata(world.folder.path().join("acme").join(name)).unwrap().permissions().mode() & 0o777
    };
    assert_eq!([".", "account.json", "certificate.pem"].map(mode), [0o700, 0o600, 0o600]);
    // Who knows the protocol of challenges gets nothing by it once the order is over.
    assert!(world.connect(&Certificate::of(&[SITE]).unwrap().certificate).await.is_err());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_had_over_http_by_a_listener_that_says_nothing_else() {
    let Some(world) = World::new().await else { return };
    let running = world.gateway(&format!("challenge = 'http-01'\nhttp = '127.0.0.1:{}'", world.http)).await;
    let root = world.pebble.issuing_root().await.unwrap();
    until(&running, "done", 1.0).await;
    assert_eq!(world.connect(&root).await.unwrap().ask().await, 200);
    for path in ["/", "/.well-known/acme-challenge/", "/.well-known/acme-challenge/x", "/metrics"] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {SITE}\r\n\r\n");
        let answer = exchange(([127, 0, 0, 1], world.http).into(), request).await.unwrap().unwrap();
        assert_eq!(answer.status(), 404, "{path}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_changes_the_certificate_and_drops_no_connection() {
    let Some(world) = World::new().await else { return };
    let running = world.gateway("").await;
    let root = world.pebble.issuing_root().await.unwrap();
    until(&running, "done", 1.0).await;
    let before = world.kept();
    let mut open = world.connect(&root).await.unwrap();
    assert_eq!(open.ask().await, 200);
    let left = figure(&running, "avouch_certificate_seconds_left").await;
    let life = Duration::from_secs_f64(left.max(60.0));
    world.clock.advance(life / 2);
    stays(&running, 0.0).await;
    assert_eq!(orders(&running, "done").await, 1.0, "half of its life is not two thirds");
    world.clock.advance(life / 4);
    until(&running, "done", 2.0).await;
    let after = world.kept();
    assert_ne!(before, after);
    assert_eq!(open.ask().await, 200, "the connection of before goes on");
    assert_eq!(world.connect(&root).await.unwrap().ask().await, 200);
    // A reload brings nothing old back, and takes no account of what changed in the folder.
    assert_eq!(running.reload(world.config("")).unwrap(), [""; 0]);
    assert_eq!(world.connect(&root).await.unwrap().ask().await, 200);
    assert_eq!(running.reload(world.config("domains = ['a.shop.example']")).unwrap(), ["[acme]"]);
    assert_eq!(world.connect(&root).await.unwrap().ask().await, 200);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_the_certificate_at_hand_serves_though_the_authority_is_down_and_forgot_the_account()
{
    let Some(mut world) = World::new().await else { return };
    let running = world.gateway("").await;
    let root = world.pebble.issuing_root().await.unwrap();
    until(&running, "done", 1.0).await;
    running.stop().await;
    world.pebble.kill();
    let running = world.gateway("").await;
    assert_eq!(world.connect(&root).await.unwrap().ask().await, 200);
    stays(&running, 0.0).await;
    // It is time to renew, and nobody is there.
    let life = figure(&running, "avouch_certificate_seconds_left").await;
    world.clock.advance(Duration::from_secs_f64(life * 0.7));
    until(&running, "failed", 1.0).await;
    assert_eq!(world.connect(&root).await.unwrap().ask().await, 200, "the one at hand stays");
    stays(&running, 1.0).await;
    // It comes back with nothing in it: the account is unknown, then made anew.
    world.pebble.run().unwrap();
    world.clock.advance(Duration::from_mins(5));
    until(&running, "failed", 2.0).await;
    world.clock.advance(Duration::from_mins(10));
    until(&running, "done", 1.0).await;
    let root = world.pebble.issuing_root().await.unwrap();
    assert_eq!(world.connect(&root).await.unwrap().ask().await, 200);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_finds_another_site_issues_nothing_and_is_asked_again_after_a_pause() {
    let Some(tools) = require(&PROGRAMS) else { return };
    let (port, elsewhere) = (free_port().unwrap(), free_port().unwrap());
    let world = World::asking_at(&tools, (port, free_port().unwrap()), elsewhere).await;
    let running = world.gateway("").await;
    until(&running, "failed", 1.0).await;
    stays(&running, 1.0).await;
    world.clock.advance(Duration::from_mins(5));
    until(&running, "failed", 2.0).await;
    stays(&running, 2.0).await;
    assert_eq!((orders(&running, "done").await, world.kept().as_str()), (0.0, ""));
    let root = world.pebble.issuing_root().await.unwrap();
    assert!(world.connect(&root).await.is_err(), "no handshake without a certificate");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_says_when_to_come_again_is_not_asked_before() {
    let Some(world) = World::new().await else { return };
    let own = Certificate::of(&["localhost", "127.0.0.1"]).unwrap();
    let busy = |_: &Message| {
        let problem = r#"{"type":"urn:ietf:params:acme:error:rateLimited","detail":"too many"}"#;
        format!(
            "HTTP/1.1 429 Too Many Requests\r\nretry-after: 7200\r\ncontent-length: {}\r\n\r\n{problem}",
            problem.len()
        )
        .into_bytes()
    };
    let authority = HttpsHost::start(&own, Arc::new(busy)).await.unwrap();
    fs::write(world.folder.path().join("authority.pem"), &own.certificate).unwrap();
    let running = world.gateway(&format!("directory = 'https://{}/dir'", authority.address)).await;
    until(&running, "failed", 1.0).await;
    let asked = authority.connections();
    world.clock.advance(Duration::from_secs(7_190));
    stays(&running, 1.0).await;
    assert_eq!(authority.connections(), asked);
    world.clock.advance(Duration::from_secs(20));
    until(&running, "failed", 2.0).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_cannot_be_written_costs_the_new_certificate_and_not_the_one_in_use() {
    let Some(world) = World::new().await else { return };
    let running = world.gateway("").await;
    let root = world.pebble.issuing_root().await.unwrap();
    until(&running, "done", 1.0).await;
    let life = figure(&running, "avouch_certificate_seconds_left").await;
    let (at, away) = (world.folder.path().join("acme"), world.folder.path().join("away"));
    fs::rename(&at, &away).unwrap();
    world.clock.advance(Duration::from_secs_f64(life * 0.7));
    until(&running, "failed", 1.0).await;
    assert_eq!(world.connect(&root).await.unwrap().ask().await, 200);
    fs::rename(&away, &at).unwrap();
    world.clock.advance(Duration::from_mins(5));
    until(&running, "done", 2.0).await;
    running.stop().await;
    // One that another holds, or that is a file, is no start.
    fs::remove_dir_all(&at).unwrap();
    fs::write(&at, "a file").unwrap();
    let clock = Arc::clone(&world.clock) as Arc<dyn Clock>;
    let surroundings = Surroundings { clock, ..Surroundings::default() };
    let refused = Gateway::start(world.config(""), surroundings).await.err().unwrap().to_string();
    assert!(refused.contains("cannot use") && refused.contains("acme"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_fits_another_key_is_not_used_and_replaced() {
    let Some(world) = World::new().await else { return };
    fs::create_dir(world.folder.path().join("acme")).unwrap();
    let (one, other) = (Certificate::of(&[SITE]).unwrap(), Certificate::of(&[SITE]).unwrap());
    let file = world.folder.path().join("acme/certificate.pem");
    fs::write(&file, format!("{}{}", one.certificate, other.key)).unwrap();
    let running = world.gateway("").await;
    let root = world.pebble.issuing_root().await.unwrap();
    until(&running, "done", 1.0).await;
    assert_eq!(world.connect(&root).await.unwrap().ask().await, 200);
    running.stop().await;
    // An account that cannot be read is said, and not thrown away: its key may be wanted.
    fs::write(world.folder.path().join("acme/account.json"), "{").unwrap();
    fs::write(&file, "").unwrap();
    let running = world.gateway("").await;
    until(&running, "failed", 1.0).await;
    assert_eq!(fs::read_to_string(world.folder.path().join("acme/account.json")).unwrap(), "{");
    running.stop().await;
}

/// Hands a request on to Pebble as it is; gives the answer as it is.
async fn handed_on(pebble: SocketAddr, root: &str, request: &Message) -> Message {
    let connector = Connector::trusting(root.as_bytes(), &[Protocol::Http1]).unwrap();
    let stream = TcpStream::connect(pebble).await.unwrap();
    let mut behind = Messages::new(connector.connect("localhost", stream).await.unwrap());
    behind.stream().write_all(&request.octets).await.unwrap();
    let kind = if request.line().starts_with("HEAD ") { Kind::AnswerToHead } else { Kind::Answer };
    behind.next(kind).await.unwrap().unwrap()
}

/// Pebble behind a front that says when to renew (RFC 9773), which this Pebble does not.
async fn advising(world: &World, window: Arc<Mutex<String>>) -> HttpsHost {
    let own = Certificate::of(&["localhost", "127.0.0.1"]).unwrap();
    fs::write(world.folder.path().join("authority.pem"), &own.certificate).unwrap();
    let pebble: SocketAddr =
        world.pebble.directory().trim_start_matches("https://").trim_end_matches("/dir").parse().unwrap();
    let root = world.pebble.root.clone();
    let json = |fields: &str, body: &str| {
        format!("HTTP/1.1 200 OK\r\n{fields}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
    };
    let answer = move |request: &Message| {
        let path = request.line().split(' ').nth(1).unwrap().to_owned();
        if path.starts_with("/ari/") {
            return json("retry-after: 21600\r\n", &window.lock().unwrap());
        }
        let handing = handed_on(pebble, &root, request);
        let answer = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(handing));
        if path != "/dir" {
            return answer.octets;
        }
        let mut directory: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        directory["renewalInfo"] = format!("https://{}/ari", request.field("host").unwrap()).into();
        json("", &directory.to_string())
    };
    HttpsHost::start(&own, Arc::new(answer)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_authority_that_says_when_to_renew_is_heeded_and_not_at_once_again() {
    let Some(world) = World::new().await else { return };
    let day = Duration::from_hours(24);
    let begin = world.clock.now();
    let window = |from: u32, to: u32| {
        let (from, to) = (begin.after(day * from), begin.after(day * to));
        format!("{{\"suggestedWindow\":{{\"start\":\"{from}\",\"end\":\"{to}\"}}}}")
    };
    let said = Arc::new(Mutex::new(window(100, 101)));
    let front = advising(&world, Arc::clone(&said)).await;
    let running = world.gateway(&format!("directory = 'https://{}/dir'", front.address)).await;
    until(&running, "done", 1.0).await;
    let asked = || front.received().iter().filter(|asked| asked.line().starts_with("GET /ari/")).count();
    let is_asked = async |count: usize| {
        let waiting = async {
            while asked() < count {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("the authority is asked");
    };
    assert_eq!(asked(), 0, "not about one that was just issued");
    world.clock.advance(day);
    is_asked(1).await;
    // Long before two thirds of its five years.
    world.clock.advance(day * 98);
    is_asked(2).await;
    stays(&running, 0.0).await;
    assert_eq!(orders(&running, "done").await, 1.0);
    world.clock.advance(day * 2);
    until(&running, "done", 2.0).await;
    // Of the new one it says that it is late already. It is heeded once a day.
    stays(&running, 0.0).await;
    assert_eq!(orders(&running, "done").await, 2.0);
    world.clock.advance(day);
    until(&running, "done", 3.0).await;
    running.stop().await;
}

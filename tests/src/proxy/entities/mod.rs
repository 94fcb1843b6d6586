//! Agents of a registration entity, through a gateway's socket: proved, counted, revoked.

mod group;
mod published;
mod real;

use avouch_dns::{Dns, ZoneFiles};
use avouch_engine::evidence::Dnssec;
use avouch_gateway::config::Config;
use avouch_gateway::{Gateway, Running, Surroundings};
use avouch_gather::clock::{Clock, ManualClock, SystemClock};
use avouch_keys::SecretKey;
use avouch_keys::entity::Secrets;
use avouch_keys::entropy::SystemEntropy;
use avouch_keys::saip::RequestToSign;
use avouch_keys::store::{self, Protection};
use avouch_wire::authority::{Authority, Scheme};
use avouch_wire::entity::{VERIFIER_PATH, VerifierDocument};
use avouch_wire::key::KeyType;
use avouch_wire::name::Instance;
use avouch_wire::target::Target;
use avouch_wire::time::Time;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use testkit::certificate::Certificate;
use testkit::entity::{Entity, HOST, Script, refusal};
use testkit::message::Message;
use testkit::raw::exchange;
use testkit::upstream::Upstream;
use tokio::time::Instant;

const SITE: &str = "www.shop.example";

/// The middle of an epoch.
const NOW: u64 = 1_789_999_950;

/// The second at which the next one begins.
const NEXT_EPOCH: u64 = 1_790_000_100;

/// A site that works with a registration entity; its upstream says something of sequences, too.
struct World {
    folder: tempfile::TempDir,
    entity: Entity,
    upstream: Upstream,
    clock: Arc<dyn Clock>,
    manual: Arc<ManualClock>,
    agent: Secrets,
}

impl World {
    async fn new() -> Self {
        let manual = Arc::new(ManualClock::at(Time::from_seconds(NOW)));
        Self::by(Arc::clone(&manual) as Arc<dyn Clock>, manual).await
    }

    async fn of_today() -> Self {
        Self::by(Arc::new(SystemClock::new()), Arc::new(ManualClock::default())).await
    }

    async fn by(clock: Arc<dyn Clock>, manual: Arc<ManualClock>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let certificate = Certificate::of(&[HOST]).unwrap();
        std::fs::write(folder.path().join("roots.pem"), &certificate.certificate).unwrap();
        let key = SecretKey::generate(KeyType::Ed25519, &mut SystemEntropy).unwrap();
        store::create(&folder.path().join("verifier.key"), &key, Protection::None).unwrap();
        let own = Arc::clone(&clock);
        let entity = Entity::start(&certificate, move || own.now().seconds()).await.unwrap();
        let agent = entity.register("acme.example", "crawler-7");
        let answer = |_: &Message| {
            b"HTTP/1.1 200 OK\r\nSAIP-Next-Seq: 99\r\nsaip-next-seq: 98\r\ncontent-length: 0\r\n\r\n".to_vec()
        };
        let upstream = Upstream::answering(Arc::new(answer)).await.unwrap();
        Self { folder, entity, upstream, clock, manual, agent }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The tables of the configuration that name the entity.
    fn tables(&self) -> String {
        format!(
            "[entities]\nkey = 'file:{}'\n[[registration_entity]]\nhost = '{HOST}'\nport = {}\nca = '{}'\n\
             allow_networks = '127.0.0.0/8'\n",
            self.path("verifier.key").display(),
            self.entity.address.port(),
            self.path("roots.pem").display()
        )
    }

    fn config(&self, lines: &str, tables: &str) -> Config {
        let text = format!(
            "mode = 'enforce'\nlisten = '127.0.0.1:0'\nadmin.listen = '127.0.0.1:0'\nauthorities = '{SITE}'\n\
             upstream = '{}'\nprivate_peers = 'clients'\nstore.fresh = true\nlog.access = '{}'\n{lines}\n\
             {tables}\n[[route]]\npath = '/a'\nrequire = 3\n",
            self.upstream.url(),
            self.path("access.log").display()
        );
        Config::parse("test", &text).unwrap()
    }

    async fn start(&self, config: Config) -> Running {
        Gateway::start(config, self.surroundings()).await.unwrap()
    }

    fn surroundings(&self) -> Surroundings {
        let zone = format!(
            "$TTL 3600\nexample. SOA ns.example. host.example. 1 2 3 4 3600\n{HOST}. A 127.0.0.1\nre2.example. A 127.0.0.1\n\
             _saip.acme.example. TXT \"v=saip1; re={HOST}; re=re2.example\"\n\
             _saip.bank.example. TXT \"v=saip1; re=re2.example\"\n"
        );
        let zones = ZoneFiles::parse(&[("zone", &zone)], Dnssec::Insecure).unwrap();
        let (clock, dns) = (Arc::clone(&self.clock), Some(Dns::Zones(zones)));
        Surroundings { clock, dns, ..Surroundings::default() }
    }

    /// A gateway whose key the entity knows as the site's.
    async fn gateway(&self) -> Running {
        let running = self.start(self.config("", &self.tables())).await;
        self.introduce(&running).await;
        running
    }

    /// Has the entity read what the site publishes.
    async fn introduce(&self, running: &Running) {
        let before = self.lines().len();
        let request = format!("GET {VERIFIER_PATH} HTTP/1.1\r\nHost: {SITE}\r\n\r\n");
        let answer = exchange(running.addresses[0], request).await.unwrap().unwrap();
        until(|| self.lines().len() > before).await;
        self.entity.trusts(VerifierDocument::read(&answer.body).unwrap());
    }

    /// A request of this number, of the instance `m1`.
    fn signed(&self, sequence: u64) -> String {
        self.signed_by(&self.agent, sequence)
    }

    fn signed_by(&self, agent: &Secrets, sequence: u64) -> String {
        let target = Target::parse("GET", "/a?b").unwrap();
        let authority = Authority::parse(SITE, Scheme::Http).unwrap();
        let request = RequestToSign { method: "GET", target: &target, authority: &authority, content: None };
        let instance = Instance::parse("m1").unwrap();
        agent.sign(request, (Some(&instance), sequence), self.clock.now()).unwrap()
    }

    /// Sends a request with this header; gives the answer and the reason that decided.
    async fn send(&self, running: &Running, saip: &str) -> (Message, String) {
        let before = self.lines().len();
        let request = format!("GET /a?b HTTP/1.1\r\nHost: {SITE}\r\nSAIP: {saip}\r\n\r\n");
        let answer = exchange(running.addresses[0], request).await.unwrap().unwrap();
        until(|| self.lines().len() > before).await;
        let line: serde_json::Value = serde_json::from_str(self.lines().last().unwrap()).unwrap();
        (answer, line["verdict"]["reasons"][0].as_str().unwrap_or_default().to_owned())
    }

    /// Status, number that is next, and the reason.
    async fn comes(&self, running: &Running, saip: &str) -> (u16, Option<u64>, String) {
        let (answer, reason) = self.send(running, saip).await;
        let next = answer.field("saip-next-seq").map(|next| next.parse().unwrap());
        (answer.status(), next, reason)
    }

    fn lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("access.log")).unwrap_or_default();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(str::to_owned).collect()
    }
}

async fn until(holds: impl Fn() -> bool) {
    for _ in 0..2_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it did not come to that within ten seconds");
}

fn verified(next: u64) -> (u16, Option<u64>, String) {
    (200, Some(next), "registry-verified".to_owned())
}

#[tokio::test]
async fn an_agent_is_verified_by_its_entity_and_told_which_number_is_next() {
    let world = World::new().await;
    let running = world.gateway().await;
    assert_eq!(world.comes(&running, &world.signed(7)).await, verified(8));
    let told = world.upstream.wait_for(1).await.remove(0);
    let fields =
        ["avouch-class", "avouch-mechanism", "avouch-identity"].map(|name| told.field(name).unwrap());
    assert_eq!(fields, ["3", "saip-registry", "crawler-7@acme.example"]);
    assert!(world.lines().last().unwrap().contains("\"not-transferable\""), "whoever reads it is told");
    assert_eq!(world.comes(&running, &world.signed(12)).await, verified(13));
    assert_eq!(world.entity.asked().len(), 1, "a request costs no question");
    let plain = format!("GET / HTTP/1.1\r\nHost: {SITE}\r\n\r\n");
    let answer = exchange(running.addresses[0], plain).await.unwrap().unwrap();
    assert_eq!((answer.status(), answer.fields("saip-next-seq").len()), (200, 0), "the upstream has no say");
    running.stop().await;
}

#[tokio::test]
async fn each_near_miss_is_refused_by_its_reason_and_told_nothing() {
    let world = World::new().await;
    let running = world.gateway().await;
    let first = world.signed(7);
    assert_eq!(world.comes(&running, &first).await, verified(8));
    let unknown = World::new().await.entity.register("acme.example", "crawler-99");
    let elsewhere = world.entity.register("bank.example", "teller");
    let good = world.signed(8);
    let other_instance = good.replace("inst=\"m1\"", "inst=\"m2\"");
    let other_number = good.replace("seq=\"8\"", "seq=\"9\"");
    assert!(good != other_instance && good != other_number);
    for (saip, expected) in [
        (first, "sequence-behind"),
        (world.signed(7), "sequence-behind"),
        (world.signed(6), "sequence-behind"),
        (world.signed(13), "sequence-ahead"),
        (other_instance, "signature-invalid"),
        (other_number, "signature-invalid"),
        (world.signed_by(&unknown, 1), "not-registered"),
        (world.signed_by(&elsewhere, 1), "entity-not-named"),
        (good.replace(HOST, "re2.example"), "entity-not-configured"),
        (good.replace(HOST, "evil.example"), "entity-not-configured"),
        (good.replace("alg=\"hmac-sha256\"", "alg=\"ed25519\""), "header-malformed"),
    ] {
        let (answer, reason) = world.send(&running, &saip).await;
        assert_eq!((answer.status(), &*reason), (403, expected));
        assert!(answer.fields("saip-next-seq").is_empty(), "{reason}");
    }
    assert_eq!(world.upstream.received().len(), 1);
    assert_eq!(world.comes(&running, &good).await, verified(9), "none of them moved the count");
    let asked = world.entity.asked();
    let named: Vec<_> =
        asked.iter().flat_map(|question| &question.agents).map(|one| one.agent.as_str()).collect();
    assert_eq!(named, ["crawler-7", "crawler-99"], "a header causes no question that it may not cause");
    running.stop().await;
}

#[tokio::test]
async fn what_the_entity_revokes_is_refused_within_a_second() {
    let world = World::new().await;
    let running = world.gateway().await;
    assert_eq!(world.comes(&running, &world.signed(1)).await, verified(2));
    until(|| world.entity.streams() == 1).await;
    world.entity.revoke("acme.example", "crawler-7");
    let revoked = Instant::now();
    let mut number = 2;
    loop {
        let (status, next, reason) = world.comes(&running, &world.signed(number)).await;
        if status == 403 {
            assert_eq!((next, &*reason), (None, "revoked"));
            break;
        }
        number += 1;
    }
    assert!(revoked.elapsed() < Duration::from_secs(1), "{:?}", revoked.elapsed());
    running.stop().await;
}

#[tokio::test]
async fn without_a_stream_a_revocation_counts_at_the_end_of_the_epoch() {
    let world = World::new().await;
    world.entity.is_deaf(true);
    let running = world.gateway().await;
    assert_eq!(world.comes(&running, &world.signed(1)).await, verified(2), "good agents need no stream");
    world.entity.revoke("acme.example", "crawler-7");
    world.manual.set(Time::from_millis(NEXT_EPOCH * 1_000 - 1));
    assert_eq!(world.comes(&running, &world.signed(2)).await, verified(3), "until the last moment");
    let held = world.signed(3);
    world.manual.set(Time::from_seconds(NEXT_EPOCH));
    for saip in [held, world.signed(3)] {
        let (status, next, reason) = world.comes(&running, &saip).await;
        assert_eq!((status, next, &*reason), (403, None, "revoked"), "of the epoch before, and of this one");
    }
    running.stop().await;
}

#[tokio::test]
async fn an_entity_that_says_nothing_leaves_its_agents_undetermined_and_no_longer() {
    let world = World::new().await;
    let running = world.gateway().await;
    assert_eq!(world.comes(&running, &world.signed(1)).await, verified(2));
    world.entity.plays(Script::Octets(refusal("503 Service Unavailable")));
    assert_eq!(world.comes(&running, &world.signed(2)).await, verified(3), "while its key lasts");
    world.manual.set(Time::from_seconds(NEXT_EPOCH));
    let (_, next, reason) = world.comes(&running, &world.signed(3)).await;
    assert_eq!((next, &*reason), (None, "entity-unreachable"));
    world.entity.plays(Script::Honest);
    world.manual.advance(Duration::from_secs(2));
    assert_eq!(world.comes(&running, &world.signed(3)).await, verified(4));
    running.stop().await;
}

#[tokio::test]
async fn a_reload_takes_an_entity_away_at_once_and_brings_none() {
    let world = World::new().await;
    let running = world.gateway().await;
    assert_eq!(world.comes(&running, &world.signed(1)).await, verified(2));
    let narrow = world.tables().replace("port =", "window = 1\nport =");
    assert_eq!(running.reload(world.config("", &narrow)).unwrap(), [""; 0]);
    assert_eq!(world.comes(&running, &world.signed(4)).await.2, "sequence-ahead");
    let other = world.tables().replace(HOST, "re2.example");
    assert_eq!(running.reload(world.config("", &other)).unwrap(), ["[[registration_entity]]"]);
    assert_eq!(world.comes(&running, &world.signed(2)).await.2, "entity-not-configured");
    let re2 = world.signed(2).replace(HOST, "re2.example");
    assert_eq!(world.comes(&running, &re2).await.2, "entity-not-configured", "nobody asks it yet");
    assert_eq!(running.reload(world.config("", "")).unwrap(), ["[entities]", "[[registration_entity]]"]);
    assert_eq!(world.comes(&running, &world.signed(2)).await.2, "mode-unsupported");
    assert_eq!(
        running.reload(world.config("", &world.tables())).unwrap(),
        ["[entities]", "[[registration_entity]]"]
    );
    assert_eq!(world.comes(&running, &world.signed(2)).await, verified(3));
    running.stop().await;
}

//! Feeds from a real HTTPS server on this machine.

use super::*;
use crate::clock::ManualClock;
use avouch_dns::{Dns, ZoneFiles};
use avouch_engine::evidence::{Dnssec, Held};
use avouch_tls::{Connector, Protocol};
use std::net::IpAddr;
use testkit::certificate::Certificate;
use testkit::https::HttpsHost;
use testkit::message::Message;

const NOW: Time = Time::from_seconds(1_790_000_000);
const DAY: Duration = Duration::from_hours(24);

const ZONE: &str =
    "$ORIGIN example.\n@ 300 IN SOA ns hostmaster 1 3600 600 86400 60\nranges 300 IN A 127.0.0.1\n";

/// A host that publishes ranges, and who fetches them.
struct World {
    folder: tempfile::TempDir,
    host: HttpsHost,
    says: Arc<Mutex<Vec<u8>>>,
    certificate: Certificate,
    clock: ManualClock,
}

impl World {
    async fn new() -> Self {
        let certificate = Certificate::of(&["ranges.example"]).unwrap();
        let says = Arc::new(Mutex::new(Vec::new()));
        let saying = Arc::clone(&says);
        let answer = Arc::new(move |_: &Message| saying.lock().unwrap().clone());
        let host = HttpsHost::start(&certificate, answer).await.unwrap();
        Self { folder: tempfile::tempdir().unwrap(), host, says, certificate, clock: ManualClock::at(NOW) }
    }

    fn feed(&self) -> Feed {
        let url = format!("https://ranges.example:{}/gptbot.json", self.host.address.port());
        Feed { crawler: "GPTBot".to_owned(), url }
    }

    /// Who fetches, as after a start; connections to these networks are allowed.
    fn feeds(&self, allowed: &[&str]) -> Feeds {
        let zones = ZoneFiles::parse(&[("example", ZONE)], Dnssec::Insecure).unwrap();
        let roots = self.certificate.certificate.as_bytes();
        let connector = Connector::trusting(roots, &[Protocol::Http1]).unwrap();
        let allowed = allowed.iter().map(|network| network.parse().unwrap()).collect();
        let client = Client::new(Dns::Zones(zones), connector, allowed, Duration::from_secs(2));
        let feeds = Feeds::open(self.folder.path(), client).unwrap();
        feeds.follow([self.feed()], DAY, self.clock.now());
        feeds
    }

    fn says(&self, status: &str, fields: &str, body: &str) {
        let length = body.len();
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{fields}\r\n{body}");
        *self.says.lock().unwrap() = answer.into_bytes();
    }

    fn publishes(&self, networks: &[&str]) {
        self.says("200 OK", "etag: \"7\"\r\n", &file(networks));
    }

    /// Asks the feed at its time, which is a day later.
    async fn ask(&self, feeds: &Feeds) -> Came {
        self.clock.advance(DAY);
        let asked = feeds.ask_next(&self.clock).await.expect("it is time");
        assert!(asked.unkept.is_none(), "{:?}", asked.unkept);
        assert!(feeds.ask_next(&self.clock).await.is_none(), "and then not any more");
        asked.came
    }

    fn condition(&self) -> Option<String> {
        self.host.received().pop().unwrap().field("if-none-match").map(str::to_owned)
    }
}

fn file(networks: &[&str]) -> String {
    let prefixes: Vec<_> =
        networks.iter().map(|network| format!("{{\"ipv4Prefix\":\"{network}\"}}")).collect();
    format!("{{\"prefixes\":[{}]}}", prefixes.join(","))
}

/// Whether they hold 192.0.2.1, and how old that is.
fn inside(feeds: &Feeds, now: Time) -> Option<(bool, u64)> {
    let mut networks = Networks::default();
    feeds.put_into(&mut networks);
    match networks.in_ranges("GPTBot", IpAddr::from([192, 0, 2, 1])) {
        Held::Data { value, from } => Some((value, now.since(from).as_secs() / 86_400)),
        Held::Missing => None,
    }
}

#[tokio::test]
async fn the_last_good_file_stays_whatever_comes_after_it() {
    let world = World::new().await;
    let feeds = world.feeds(&["127.0.0.0/8"]);
    let held = || inside(&feeds, world.clock.now());
    assert_eq!(held(), None);
    world.publishes(&["192.0.2.0/24"]);
    assert!(matches!(world.ask(&feeds).await, Came::Renewed));
    assert_eq!((held(), world.condition()), (Some((true, 0)), None));
    for (status, body) in [("200 OK", "<html>"), ("200 OK", "{\"prefixes\":[]}"), ("200 OK", "")] {
        world.says(status, "", body);
        assert!(matches!(world.ask(&feeds).await, Came::Refused(Refusal::Ranges(_))), "{body}");
        assert_eq!(world.condition().as_deref(), Some("\"7\""));
    }
    assert_eq!(held(), Some((true, 3)), "as old as it is");
    for status in ["404 Not Found", "500 Oops", "301 Moved Permanently"] {
        world.says(status, "location: https://ranges.example/elsewhere\r\n", "");
        assert!(matches!(world.ask(&feeds).await, Came::Failed(_)), "{status}");
    }
    world.says.lock().unwrap().clear();
    assert!(matches!(world.ask(&feeds).await, Came::Failed(_)));
    assert_eq!(held(), Some((true, 7)));
    world.says("304 Not Modified", "", "");
    assert!(matches!(world.ask(&feeds).await, Came::Unchanged));
    assert_eq!(held(), Some((true, 0)), "young again");
    world.publishes(&["192.0.3.0/24"]);
    assert!(matches!(world.ask(&feeds).await, Came::Renewed));
    assert_eq!(held(), Some((false, 0)));
}

#[tokio::test]
async fn a_restart_goes_on_from_the_last_good_file_and_its_age() {
    let world = World::new().await;
    let feeds = world.feeds(&["127.0.0.0/8"]);
    world.publishes(&["192.0.2.0/24"]);
    assert!(matches!(world.ask(&feeds).await, Came::Renewed));
    drop(feeds);
    world.clock.advance(DAY / 2);
    let feeds = world.feeds(&["127.0.0.0/8"]);
    assert!(feeds.ask_next(&world.clock).await.is_none(), "half a day old");
    world.says("304 Not Modified", "", "");
    assert!(matches!(world.ask(&feeds).await, Came::Unchanged));
    assert_eq!(world.condition().as_deref(), Some("\"7\""));
    drop(feeds);
    let feeds = world.feeds(&["127.0.0.0/8"]);
    assert_eq!(inside(&feeds, world.clock.now()), Some((true, 0)), "the age was kept, too");
    drop(feeds);
    for entry in std::fs::read_dir(world.folder.path()).unwrap().flatten() {
        if entry.path().extension().is_some_and(|ending| ending == "json") {
            std::fs::write(entry.path(), "half a fi").unwrap();
        }
    }
    let feeds = world.feeds(&["127.0.0.0/8"]);
    assert_eq!(inside(&feeds, world.clock.now()), None);
    world.publishes(&["192.0.2.0/24"]);
    assert!(matches!(feeds.ask_next(&world.clock).await.unwrap().came, Came::Renewed), "at once");
}

#[tokio::test]
async fn a_file_that_shrinks_to_less_than_half_waits_until_it_is_meant() {
    let world = World::new().await;
    let feeds = world.feeds(&["127.0.0.0/8"]);
    world.publishes(&["192.0.2.0/24"]);
    assert!(matches!(world.ask(&feeds).await, Came::Renewed));
    world.publishes(&["192.0.2.128/25"]);
    assert!(matches!(world.ask(&feeds).await, Came::Renewed), "half is left");
    world.publishes(&["192.0.2.0/24"]);
    assert!(matches!(world.ask(&feeds).await, Came::Renewed));
    world.publishes(&["192.0.2.129/32", "192.0.2.192/26"]);
    for _ in 0..3 {
        assert!(matches!(world.ask(&feeds).await, Came::Refused(Refusal::Shrunk)));
        assert!(inside(&feeds, world.clock.now()).unwrap().0);
    }
    world.publishes(&["192.0.2.0/24"]);
    assert!(matches!(world.ask(&feeds).await, Came::Unchanged), "it was an accident");
    world.publishes(&["192.0.2.192/26"]);
    for _ in 0..3 {
        assert!(matches!(world.ask(&feeds).await, Came::Refused(Refusal::Shrunk)));
    }
    assert!(matches!(world.ask(&feeds).await, Came::Renewed), "three days later it is meant");
    assert_eq!(inside(&feeds, world.clock.now()), Some((false, 0)));
}

#[tokio::test]
async fn what_is_followed_no_longer_says_nothing_and_what_stays_is_not_asked_again() {
    let world = World::new().await;
    let feeds = world.feeds(&["127.0.0.0/8"]);
    world.publishes(&["192.0.2.0/24"]);
    assert!(matches!(world.ask(&feeds).await, Came::Renewed));
    let now = world.clock.now();
    feeds.follow([world.feed()], DAY, now);
    assert!(feeds.ask_next(&world.clock).await.is_none());
    feeds.follow([], DAY, now);
    assert_eq!(inside(&feeds, now), None);
    feeds.follow([world.feed()], DAY, now);
    assert_eq!(inside(&feeds, now), Some((true, 0)), "the folder still tells");
    assert_eq!(world.host.received().len(), 1);
}

#[tokio::test]
async fn no_address_that_is_not_public_is_connected_to() {
    let world = World::new().await;
    world.publishes(&["192.0.2.0/24"]);
    for allowed in [&[][..], &["10.0.0.0/8"]] {
        let feeds = world.feeds(allowed);
        assert!(matches!(world.ask(&feeds).await, Came::Failed(HttpsError::NotPublic)));
    }
    assert_eq!(world.host.received().len(), 0);
}

#[tokio::test]
async fn one_process_alone_keeps_files_in_a_folder() {
    let world = World::new().await;
    let feeds = world.feeds(&[]);
    let second = Feeds::open(world.folder.path(), feeds.0.client.clone());
    assert!(matches!(second, Err(StoreError::InUse { .. })));
}

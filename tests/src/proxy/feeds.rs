//! Ranges of a crawler, fetched by HTTPS from a host of this machine: what they make of a request at each step.

use super::operating::get;
use avouch_dns::{Dns, ZoneFiles};
use avouch_engine::evidence::Dnssec;
use avouch_gateway::config::Config;
use avouch_gateway::{Gateway, Running, Surroundings};
use avouch_gather::clock::{Clock as _, ManualClock};
use avouch_wire::time::Time;
use serde_json::Value;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use testkit::certificate::Certificate;
use testkit::https::HttpsHost;
use testkit::message::Message;
use testkit::raw::Raw;
use testkit::upstream::Upstream;

const DAY: Duration = Duration::from_hours(24);

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// A crawler's operator, a site, and the folder that outlives its gateways.
struct World {
    folder: tempfile::TempDir,
    operator: HttpsHost,
    says: Arc<Mutex<String>>,
    upstream: Upstream,
    clock: Arc<ManualClock>,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let certificate = Certificate::of(&["ranges.example"]).unwrap();
        std::fs::write(folder.path().join("ca.pem"), &certificate.certificate).unwrap();
        let says = Arc::new(Mutex::new(String::new()));
        let saying = Arc::clone(&says);
        let answer = Arc::new(move |_: &Message| saying.lock().unwrap().clone().into_bytes());
        Self {
            folder,
            operator: HttpsHost::start(&certificate, answer).await.unwrap(),
            says,
            upstream: Upstream::start().await.unwrap(),
            clock: Arc::new(ManualClock::at(Time::from_seconds(1_790_000_000))),
        }
    }

    fn config(&self, crawler: &str) -> Config {
        let (upstream, folder) = (self.upstream.url(), self.folder.path().display());
        let text = format!(
            "listen = '127.0.0.1:0'\nupstream = '{upstream}'\nprivate_peers = 'clients'\nadmin.listen = '127.0.0.1:0'\n\
             log.access = '{folder}/log'\n[fetch]\nfolder = '{folder}/ranges'\nca = '{folder}/ca.pem'\n\
             allow_networks = '127.0.0.0/8'\n[[crawler]]\nname = 'GPTBot'\n{crawler}\n"
        );
        Config::parse("test", &text).unwrap_or_else(|problems| panic!("{problems}"))
    }

    fn crawler(&self) -> String {
        format!("fetch = true\nurl = 'https://ranges.example:{}/gptbot.json'", self.operator.address.port())
    }

    async fn gateway(&self) -> Running {
        let zone =
            "$ORIGIN example.\n@ 300 IN SOA ns hostmaster 1 3600 600 86400 60\nranges 300 IN A 127.0.0.1\n";
        let zones = ZoneFiles::parse(&[("example", zone)], Dnssec::Insecure).unwrap();
        let clock = Arc::clone(&self.clock) as _;
        let surroundings = Surroundings { clock, dns: Some(Dns::Zones(zones)), ..Surroundings::default() };
        Gateway::start(self.config(&self.crawler()), surroundings).await.unwrap()
    }

    fn says(&self, status: &str, fields: &str, body: &str) {
        let length = body.len();
        *self.says.lock().unwrap() =
            format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{fields}\r\n{body}");
    }

    fn publishes(&self, network: &str) {
        let body = format!("{{\"prefixes\":[{{\"ipv4Prefix\":\"{network}\"}}]}}");
        self.says("200 OK", "etag: \"7\"\r\n", &body);
    }

    /// Waits until the figure of the fetches that came to `outcome` stands at `count`.
    async fn fetched(&self, running: &Running, outcome: &str, count: usize) {
        let figure = format!("avouch_range_fetches_total{{data=\"GPTBot\",outcome=\"{outcome}\"}} {count}");
        let reached = async {
            while !get(running.admin.unwrap(), "/metrics").await.text().contains(&figure) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("{figure}"));
    }

    /// Class and deciding reason of a request from this address with the crawler's user agent.
    async fn verdict(&self, running: &Running, from: &str) -> (u64, String) {
        let from: IpAddr = from.parse().unwrap();
        let mut client = Raw::connect_from(from, running.addresses[0]).await.unwrap();
        let request =
            "GET / HTTP/1.1\r\nHost: a.example\r\nUser-Agent: GPTBot/1.4\r\nConnection: close\r\n\r\n";
        client.send(request).await.unwrap();
        client.answer().await.unwrap().unwrap();
        last_line(&self.folder.path().join("log")).await
    }
}

/// The last line of the access log, once it is whole.
async fn last_line(log: &Path) -> (u64, String) {
    let written = async {
        loop {
            let text = std::fs::read_to_string(log).unwrap_or_default();
            let line = text.lines().last().and_then(|line| serde_json::from_str::<Value>(line).ok());
            if let Some(line) = line.filter(|_| text.ends_with('\n')) {
                std::fs::write(log, "").unwrap();
                return line;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let line = tokio::time::timeout(PATIENCE, written).await.unwrap();
    let verdict = &line["verdict"];
    (verdict["class"].as_u64().unwrap(), verdict["reasons"][0].as_str().unwrap().to_owned())
}

fn is(class: u64, reason: &str) -> (u64, String) {
    (class, reason.to_owned())
}

#[tokio::test]
async fn fetched_ranges_decide_rightly_while_the_operator_is_sound_broken_and_away() {
    let world = World::new().await;
    let running = world.gateway().await;
    world.fetched(&running, "failed", 1).await;
    assert_eq!(world.verdict(&running, "127.0.0.1").await, is(1, "crawler-not-checkable"));

    world.publishes("127.0.0.1/32");
    world.clock.advance(DAY);
    world.fetched(&running, "renewed", 1).await;
    assert_eq!(world.verdict(&running, "127.0.0.1").await, is(2, "range-confirmed"));
    assert_eq!(world.verdict(&running, "127.0.0.2").await, is(1, "crawler-not-confirmed"));

    world.says("200 OK", "", "{\"prefixes\":[]}");
    world.clock.advance(DAY);
    world.fetched(&running, "refused", 1).await;
    assert_eq!(world.verdict(&running, "127.0.0.1").await, is(2, "range-confirmed"));
    assert_eq!(world.verdict(&running, "127.0.0.2").await, is(1, "crawler-not-confirmed"));

    world.says("304 Not Modified", "", "");
    world.clock.advance(DAY);
    world.fetched(&running, "unchanged", 1).await;
    let asked = world.operator.received().pop().unwrap();
    assert_eq!(asked.field("if-none-match"), Some("\"7\""));
    assert_eq!(world.verdict(&running, "127.0.0.1").await, is(2, "range-confirmed"));
    running.stop().await;

    world.says.lock().unwrap().clear();
    let running = world.gateway().await;
    assert_eq!(world.verdict(&running, "127.0.0.1").await, is(2, "range-confirmed"), "after a restart");
    world.clock.advance(DAY * 14);
    world.fetched(&running, "failed", 1).await;
    assert_eq!(world.verdict(&running, "127.0.0.1").await, is(2, "range-confirmed"), "14 days old");
    assert_eq!(world.verdict(&running, "127.0.0.2").await, is(1, "crawler-not-confirmed"));
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.verdict(&running, "127.0.0.1").await, is(1, "ranges-stale"), "and a second");

    world.publishes("127.0.0.2/32");
    world.clock.advance(DAY);
    world.fetched(&running, "renewed", 1).await;
    assert_eq!(world.verdict(&running, "127.0.0.1").await, is(1, "crawler-not-confirmed"));
    assert_eq!(world.verdict(&running, "127.0.0.2").await, is(2, "range-confirmed"));
    assert!(world.clock.now() > Time::from_seconds(1_790_000_000));
    running.stop().await;
}

#[tokio::test]
async fn a_reload_keeps_what_was_fetched_and_forgets_what_is_asked_for_no_longer() {
    let world = World::new().await;
    world.publishes("127.0.0.1/32");
    let running = world.gateway().await;
    world.fetched(&running, "renewed", 1).await;
    assert_eq!(running.reload(world.config(&world.crawler())).unwrap(), [""; 0]);
    assert_eq!(world.verdict(&running, "127.0.0.1").await, is(2, "range-confirmed"));
    assert_eq!(world.operator.received().len(), 1);
    let file = world.folder.path().join("own.json");
    std::fs::write(&file, "{\"prefixes\":[{\"ipv4Prefix\":\"127.0.0.2\"}]}").unwrap();
    running.reload(world.config(&format!("ranges = '{}'", file.display()))).unwrap();
    assert_eq!(world.verdict(&running, "127.0.0.1").await, is(1, "crawler-not-confirmed"));
    running.reload(world.config(&world.crawler())).unwrap();
    assert_eq!(world.verdict(&running, "127.0.0.1").await, is(2, "range-confirmed"));
    running.stop().await;
}

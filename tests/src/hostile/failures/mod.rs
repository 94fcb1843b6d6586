//! What a gateway leans on, made to fail for real: what a request comes to by each way of carrying decisions out, what
//! is answered, and which figure moves. `docs/operate/fail-modes.md` names each of these tests.

mod clock;
mod disk;
mod dns;
mod edges;
mod files;
mod load;
mod store;
mod upstream;

use std::sync::Arc;
use std::time::Duration;

use avouch_dns::{Dns, ZoneFiles};
use avouch_engine::evidence::Dnssec;
use avouch_gateway::config::Config;
use avouch_gateway::{Gateway, Running, Surroundings};
use avouch_keys::saip::Mode;
use serde_json::Value;
use testkit::message::Message;
use testkit::raw::exchange;
use testkit::upstream::Upstream;
use tokio::task::JoinSet;

use super::crash::now;
use super::world::{Agent, Ask, SITE, anonymous};

/// How long a test waits for something that must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// A route for each way of carrying decisions out, and what it takes.
const ROUTES: [(&str, &str); 5] = [
    ("/observed", "mode = 'observe'"),
    ("/advised", "mode = 'advise'"),
    ("/enforced", "mode = 'enforce'"),
    ("/proved", "mode = 'enforce'\nrequire = 3"),
    ("/excused", "mode = 'enforce'\non_fault = 'anonymous'"),
];

/// A site by the machine's clock, whose upstream says what it was told.
struct Site {
    running: Running,
    upstream: Upstream,
}

impl Site {
    /// With these lines before the tables of its configuration, and the resolvers that they name.
    async fn resolving(lines: &str) -> Self {
        Self::start(lines, None).await
    }

    /// With these lines, and a DNS that knows these records.
    async fn knowing(records: &str, lines: &str) -> Self {
        let zone = format!("$ORIGIN .\n$TTL 300\n@ SOA ns. host. 1 2 3 4 30\n{records}\n");
        let zones = ZoneFiles::parse(&[("zone", zone.as_str())], Dnssec::Insecure).unwrap();
        Self::start(lines, Some(Dns::Zones(zones))).await
    }

    async fn start(lines: &str, dns: Option<Dns>) -> Self {
        let upstream = echo().await;
        let config = Config::parse("test", &configuration(&upstream, lines)).unwrap();
        let running = Gateway::start(config, Surroundings { dns, ..Surroundings::default() }).await.unwrap();
        Self { running, upstream }
    }

    /// What signed requests of now come to, a new one on each route, all at once.
    async fn treats(&self, bot: &Agent) -> [String; 5] {
        self.asked(|path| bot.request(Ask::get(path).at(now()).by(Mode::Direct))).await
    }

    /// What requests come to that claim nothing.
    async fn treats_silent(&self) -> [String; 5] {
        self.asked(anonymous).await
    }

    async fn asked(&self, request: impl Fn(&str) -> Vec<u8>) -> [String; 5] {
        let mut asked = JoinSet::new();
        for (at, (path, _)) in ROUTES.into_iter().enumerate() {
            let (request, address) = (request(path), self.running.addresses[0]);
            asked.spawn(async move { (at, came(&exchange(address, request).await.unwrap().unwrap())) });
        }
        let mut came = asked.join_all().await;
        came.sort_unstable();
        came.into_iter().map(|(_, came)| came).collect::<Vec<_>>().try_into().unwrap()
    }

    /// Waits until signed requests come to this.
    async fn comes_to(&self, bot: &Agent, expected: &[String; 5]) {
        let waiting = async {
            while self.treats(bot).await != *expected {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let came = tokio::time::timeout(PATIENCE, waiting).await;
        if came.is_err() {
            assert_eq!(self.treats(bot).await, *expected);
        }
    }

    /// A figure, by its whole name with labels; 0 where it was never counted.
    async fn figure(&self, name: &str) -> f64 {
        figure(self.running.admin.unwrap(), name).await
    }

    /// Claims that could not be checked for this reason, by what they were taken for.
    async fn undetermined(&self, reason: &str, treated_as: &str) -> f64 {
        let excused = self.figure(&format!("avouch_excused_requests_total{{reason=\"{reason}\"}}")).await;
        match treated_as {
            "anonymous" => excused,
            _ => self.figure(&format!("avouch_reasons_total{{reason=\"{reason}\"}}")).await - excused,
        }
    }

    /// Waits until a figure is this.
    async fn shows(&self, name: &str, expected: impl Fn(f64) -> bool) {
        let waiting = async {
            while !expected(self.figure(name).await) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let came = tokio::time::timeout(PATIENCE, waiting).await;
        assert!(came.is_ok(), "{name} is {}", self.figure(name).await);
    }
}

/// An upstream that answers with what it was told.
async fn echo() -> Upstream {
    let answer = |received: &Message| {
        let told = ["class", "standing", "identity", "decision"]
            .map(|name| received.field(&format!("avouch-{name}")).unwrap_or("(none)").to_owned());
        let told = told.join(" ");
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{told}", told.len()).into_bytes()
    };
    Upstream::answering(Arc::new(answer)).await.unwrap()
}

/// The configuration of a site with its five routes.
fn configuration(upstream: &Upstream, lines: &str) -> String {
    let routes = ROUTES.map(|(path, lines)| format!("[[route]]\npath = '{path}'\n{lines}\n")).concat();
    let log = if lines.contains("log.access") { "" } else { "log.access = 'off'\n" };
    let admin = if lines.contains("admin.listen") { "" } else { "admin.listen = '127.0.0.1:0'\n" };
    let fresh = if lines.contains("store.fresh") { "" } else { "store.fresh = true\n" };
    format!(
        "listen = '127.0.0.1:0'\nupstream = '{}'\nprivate_peers = 'clients'\nauthorities = '{SITE}'\n\
         {admin}{log}{fresh}{lines}\n{routes}",
        upstream.url()
    )
}

/// What an answer says: the status, and then what the upstream was told, or else the reason for which it was not asked.
fn came(answer: &Message) -> String {
    let document: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let said = document["reason"].as_str().map_or_else(|| answer.text(), str::to_owned);
    format!("{} {said}", answer.status())
}

/// A figure at the operator's listener.
async fn figure(admin: std::net::SocketAddr, name: &str) -> f64 {
    let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let text = exchange(admin, request).await.unwrap().unwrap().text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0.0, |number| number.parse().unwrap())
}

fn of(all: [&str; 5]) -> [String; 5] {
    all.map(str::to_owned)
}

/// Nothing is out of order.
fn verified() -> [String; 5] {
    of(["200 3 verified bot@acme.example accept"; 5])
}

/// What a request without a claim comes to, whatever is out of order.
fn silent() -> [String; 5] {
    let accepted = "200 0 anonymous - accept";
    of([accepted, accepted, accepted, "401 class-required", accepted])
}

/// A fault of ours kept the claim from being accepted.
fn faulted(reason: &str) -> [String; 5] {
    let unavailable = format!("503 {reason}");
    of([
        "200 1 undetermined - -",
        "200 1 undetermined - unavailable",
        &unavailable,
        &unavailable,
        "200 0 undetermined - accept",
    ])
}

/// The claim could not be checked for now.
fn unknown(reason: &str) -> [String; 5] {
    let monitored = "200 1 undetermined - monitor";
    of([monitored, monitored, monitored, &format!("503 {reason}"), monitored])
}

/// The claim cannot be checked until its domain is mended.
fn uncheckable(reason: &str) -> [String; 5] {
    let throttled = "200 1 undetermined - throttle";
    of([throttled, throttled, throttled, &format!("403 {reason}"), throttled])
}

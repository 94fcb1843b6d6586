//! Two gateways of one group, and a real Redis between them that is killed, emptied and held still.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use avouch_dns::{Dns, SignedZones, ZoneFiles};
use avouch_engine::evidence::Dnssec;
use avouch_gateway::config::Config;
use avouch_gateway::{Gateway, Running, Surroundings};
use avouch_keys::saip::Mode;
use avouch_wire::delegation::Grant;
use testkit::message::Message;
use testkit::peers::require;
use testkit::raw::{Raw, exchange};
use testkit::redis::{PROGRAMS, Redis};
use testkit::upstream::Upstream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::crash::{Program, now};
use super::passes::{Attester, VOUCHED, redeeming};
use super::world::{Agent, Ask, CLOSED, OPEN, SITE, anonymous};

/// How long a test waits for something that must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// A site with two gateways.
struct Pair {
    redis: Redis,
    upstream: Upstream,
    records: String,
    gateways: Vec<Running>,
}

impl Pair {
    /// `None` where there is no Redis to talk to. Lines are added to the configuration, before its tables.
    async fn start(records: &str, lines: &str) -> Option<Self> {
        let tools = require(&PROGRAMS)?;
        let redis = Redis::start(&tools, &[]).unwrap();
        let upstream = Upstream::start().await.unwrap();
        let mut pair = Self { redis, upstream, records: records.to_owned(), gateways: Vec::new() };
        for _ in 0..2 {
            pair.gateways.push(pair.gateway(lines).await);
        }
        Some(pair)
    }

    async fn gateway(&self, lines: &str) -> Running {
        let zone = format!("$ORIGIN .\n$TTL 300\n@ SOA ns. host. 1 2 3 4 30\n{}\n", self.records);
        let zones = ZoneFiles::parse(&[("zone", zone.as_str())], Dnssec::Insecure).unwrap();
        Gateway::start(
            self.parsed(lines),
            Surroundings { dns: Some(Dns::Zones(zones)), ..Surroundings::default() },
        )
        .await
        .unwrap()
    }

    fn parsed(&self, lines: &str) -> Config {
        Config::parse("test", &format!("listen = '127.0.0.1:0'\n{}", self.config(lines))).unwrap()
    }

    fn config(&self, lines: &str) -> String {
        format!(
            "admin.listen = '127.0.0.1:0'\nupstream = '{}'\nprivate_peers = 'clients'\nlog.access = 'off'\n\
             authorities = '{SITE}'\nstore.url = '{}'\nstore.group = 'shop'\nstore.fresh = true\n{lines}\n\
             [[route]]\npath = '{CLOSED}'\nmode = 'enforce'\nrequire = 3\n",
            self.upstream.url(),
            self.redis.url()
        )
    }

    fn address(&self, gateway: usize) -> SocketAddr {
        self.gateways[gateway].addresses[0]
    }

    async fn send(&self, gateway: usize, request: impl AsRef<[u8]>) -> Message {
        exchange(self.address(gateway), request).await.unwrap().unwrap()
    }

    /// An answer that asks for a token, once the secrets of the group are known there.
    async fn challenge(&self, gateway: usize) -> Message {
        let waiting = async {
            loop {
                let answer = self.send(gateway, anonymous(VOUCHED)).await;
                if answer.fields("www-authenticate").iter().any(|field| field.starts_with("PrivateToken")) {
                    return answer;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("a challenge")
    }

    /// Waits until one signed like this is answered so.
    async fn comes_to(&self, gateway: usize, status: u16, request: impl Fn() -> Vec<u8>) -> Message {
        let waiting = async {
            loop {
                let answer = self.send(gateway, request()).await;
                if answer.status() == status {
                    return answer;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("the status that must come")
    }
}

/// A signed request of now.
fn signed(bot: &Agent) -> Vec<u8> {
    bot.request(Ask::get(CLOSED).at(now()).by(Mode::Direct))
}

#[track_caller]
fn is_undetermined(answer: &Message, reason: &str) {
    let (status, text) = (answer.status(), answer.text());
    assert_eq!((status, text.contains(reason)), (503, true), "{text}");
    assert!(answer.field("retry-after").is_some());
}

/// Sends all requests to an address over some connections; the numbers of those that were let through.
async fn send_all(address: SocketAddr, requests: Arc<Vec<Vec<u8>>>, connections: usize) -> Vec<usize> {
    let mut tasks = JoinSet::new();
    for first in 0..connections {
        let requests = Arc::clone(&requests);
        tasks.spawn(async move {
            let mut client = Raw::connect(address).await.unwrap();
            let mut accepted = Vec::new();
            for number in (first..requests.len()).step_by(connections) {
                client.send(&requests[number]).await.unwrap();
                match client.answer().await.unwrap().unwrap().status() {
                    200 => accepted.push(number),
                    status => assert!([403, 503].contains(&status), "{status}"),
                }
            }
            accepted
        });
    }
    tasks.join_all().await.concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_thousand_requests_sent_to_two_gateways_at_once_are_each_accepted_once() {
    let bot = Agent::new("bot", "acme.example");
    let Some(pair) = Pair::start(&bot.record(), "store.deadline = '10s'").await else { return };
    let requests: Arc<Vec<_>> = Arc::new((0..10_000).map(|_| signed(&bot)).collect());
    let (one, other) = tokio::join!(
        send_all(pair.address(0), Arc::clone(&requests), 32),
        send_all(pair.address(1), Arc::clone(&requests), 32),
    );
    let mut accepted = [one, other].concat();
    accepted.sort_unstable();
    assert_eq!(accepted, (0..10_000).collect::<Vec<_>>());
    assert_eq!(pair.upstream.received().len(), 10_000);
    let held = pair.redis.command(&["DBSIZE"]).unwrap();
    assert_eq!(held, "10001", "one for each, and the marker");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_redis_is_down_nothing_signed_is_accepted_and_who_signs_nothing_notices_nothing() {
    let bot = Agent::new("bot", "acme.example");
    let Some(mut pair) = Pair::start(&bot.record(), "store.deadline = '5s'").await else { return };
    let before = signed(&bot);
    assert_eq!(pair.send(0, &before).await.status(), 200);
    pair.redis.kill();
    for gateway in [0, 1] {
        is_undetermined(&pair.send(gateway, signed(&bot)).await, "replay-store-unreachable");
        let begin = Instant::now();
        for _ in 0..20 {
            assert_eq!(pair.send(gateway, anonymous(OPEN)).await.status(), 200);
        }
        assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
    }
    // What this one has accepted it knows by itself.
    assert_eq!(pair.send(0, &before).await.status(), 403);
    is_undetermined(&pair.send(1, &before).await, "replay-store-unreachable");
    // It comes back with nothing in it.
    pair.redis.run().unwrap();
    for gateway in [0, 1] {
        let refused = pair.comes_to(gateway, 503, || signed(&bot)).await;
        assert!(!refused.text().is_empty());
        let waiting = async {
            while !pair.send(gateway, signed(&bot)).await.text().contains("replay-start-rule") {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("the start rule");
    }
    // A third gateway, which has seen nothing.
    let third = pair.gateway("").await;
    pair.gateways.push(third);
    is_undetermined(&pair.send(2, &before).await, "replay-start-rule");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_hangs_delays_what_is_signed_by_a_deadline_and_nobody_else() {
    let bot = Agent::new("bot", "acme.example");
    let Some(pair) = Pair::start(&bot.record(), "store.deadline = '4s'").await else { return };
    assert_eq!(pair.send(0, signed(&bot)).await.status(), 200);
    pair.redis.signal("STOP").unwrap();
    let waiting = async { is_undetermined(&pair.send(0, signed(&bot)).await, "replay-store-unreachable") };
    let quick = async {
        let begin = Instant::now();
        assert_eq!(pair.send(0, anonymous(OPEN)).await.status(), 200);
        assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
    };
    tokio::join!(waiting, quick);
    // Once it is known, nobody waits any more.
    let begin = Instant::now();
    is_undetermined(&pair.send(0, signed(&bot)).await, "replay-store-unreachable");
    assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
    pair.redis.signal("CONT").unwrap();
    pair.comes_to(0, 200, || signed(&bot)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_numbers_tell_what_became_of_the_store() {
    let bot = Agent::new("bot", "acme.example");
    let Some(mut pair) = Pair::start(&bot.record(), "store.deadline = '5s'").await else { return };
    let sent = signed(&bot);
    assert_eq!((pair.send(0, &sent).await.status(), pair.send(1, &sent).await.status()), (200, 403));
    pair.redis.kill();
    is_undetermined(&pair.send(1, signed(&bot)).await, "replay-store-unreachable");
    let admin = pair.gateways[1].admin.unwrap();
    let numbers = async {
        loop {
            let text =
                exchange(admin, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap().unwrap().text();
            if text.contains("avouch_store_reachable 0") {
                return text;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let text = tokio::time::timeout(PATIENCE, numbers).await.expect("the store is out of reach");
    assert!(text.contains("avouch_store_nonces_total{outcome=\"held\"} 1"), "{text}");
    assert!(text.contains("avouch_store_wait_microseconds_total "), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_asked_for_by_one_gateway_is_redeemed_at_the_other_and_once_over_both() {
    let attester = Attester::new();
    let grant = Grant { not_before: now() - 100, expires: now() + 1_000, ..attester.grant() };
    let lines = format!("store.deadline = '5s'\n{}", attester.lines(&grant));
    let Some(mut pair) = Pair::start(&attester.record(), &lines).await else { return };
    let challenged = pair.challenge(0).await;
    pair.challenge(1).await;
    let (one, two, three) =
        (attester.answer(&challenged), attester.answer(&challenged), attester.answer(&challenged));
    let statuses = [
        pair.send(1, redeeming(VOUCHED, &one)).await.status(),
        pair.send(0, redeeming(VOUCHED, &one)).await.status(),
        pair.send(1, redeeming(VOUCHED, &one)).await.status(),
        pair.send(0, redeeming(VOUCHED, &two)).await.status(),
    ];
    assert_eq!(statuses, [200, 403, 403, 200]);
    // After a restart of either the same holds, and nothing has to be waited for.
    for gateway in [0, 1] {
        let ended = pair.gateways.remove(0);
        ended.stop().await;
        pair.gateways.push(pair.gateway(&lines).await);
        pair.challenge(1).await;
        for spent in [&one, &two] {
            assert_eq!(pair.send(1, redeeming(VOUCHED, spent)).await.status(), 403, "{gateway}");
        }
    }
    assert_eq!(pair.send(1, redeeming(VOUCHED, &three)).await.status(), 200);
    // With the secrets lost, tokens for them are for no challenge of anybody's, and new ones count at once.
    assert_eq!(pair.redis.command(&["FLUSHALL"]).unwrap(), "OK");
    for gateway in [0, 1] {
        let refused = pair.comes_to(gateway, 401, || redeeming(VOUCHED, &one)).await;
        assert!(refused.text().contains("pass-challenge-unknown"), "{}", refused.text());
    }
    let anew = attester.answer(&pair.challenge(0).await);
    pair.gateways[1].reload(pair.parsed(&lines)).unwrap();
    assert_eq!(pair.send(1, redeeming(VOUCHED, &anew)).await.status(), 200);
    assert_eq!(pair.send(0, redeeming(VOUCHED, &anew)).await.status(), 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_secrets_of_a_group_are_out_of_reach_tokens_are_undetermined_and_nobody_is_asked_for_one() {
    let attester = Attester::new();
    let grant = Grant { not_before: now() - 100, expires: now() + 1_000, ..attester.grant() };
    let lines = format!("store.deadline = '5s'\n{}", attester.lines(&grant));
    let Some(mut pair) = Pair::start(&attester.record(), &lines).await else { return };
    let token = attester.answer(&pair.challenge(0).await);
    pair.redis.kill();
    let late = pair.gateway(&lines).await;
    pair.gateways.push(late);
    let answer = pair.send(2, anonymous(VOUCHED)).await;
    assert_eq!((answer.status(), answer.fields("www-authenticate")), (401, vec!["SAIP"]));
    is_undetermined(&pair.send(2, redeeming(VOUCHED, &token)).await, "replay-store-unreachable");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_gateway_killed_under_load_and_started_again_lets_no_replay_through() {
    let bot = Agent::new("bot", "acme.example");
    let Some(pair) = Pair::start(&bot.record(), "store.deadline = '5s'").await else { return };
    let (folder, zones) = (tempfile::tempdir().unwrap(), SignedZones::start(&bot.record()).await.unwrap());
    fs::write(folder.path().join("root.anchor"), zones.trust_anchor().to_string()).unwrap();
    let lines = format!(
        "store.deadline = '5s'\ndns.resolvers = '{}'\ndns.trust_anchor = 'root.anchor'",
        zones.address()
    );
    let common =
        pair.config(&lines).replace("store.fresh = true\n", "").replace("admin.listen = '127.0.0.1:0'\n", "");
    fs::write(folder.path().join("common.toml"), format!("listen = '127.0.0.1:0'\n{common}")).unwrap();
    let program = Program::start(folder.path(), true);
    let requests: Vec<_> = (0..600).map(|_| signed(&bot)).collect();
    let mut accepted = 0;
    for request in requests.iter().take(200) {
        accepted += u32::from(program.send(request).await.status() == 200);
    }
    assert_eq!(accepted, 200);
    let address = program.address();
    let rest = requests[200..].to_vec();
    let under_way = tokio::spawn(async move {
        let mut accepted = Vec::new();
        for (number, request) in rest.iter().enumerate() {
            match exchange(address, request).await {
                Ok(Some(answer)) if answer.status() == 200 => accepted.push(number + 200),
                Ok(Some(_)) => {}
                // Whether this one was accepted nobody knows; those after it were not sent.
                Ok(None) | Err(_) => break,
            }
        }
        accepted
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    program.kill();
    let before: Vec<usize> = (0..200).chain(under_way.await.unwrap()).collect();
    let program = Program::start(folder.path(), false);
    let mut again = Vec::new();
    for (number, request) in requests.iter().enumerate() {
        if program.send(request).await.status() == 200 {
            again.push(number);
        }
    }
    assert!(again.iter().all(|number| !before.contains(number)), "{before:?} {again:?}");
    assert_eq!(program.send(&signed(&bot)).await.status(), 200, "nothing is held up");
    // And nothing of it at the other gateway.
    for number in before.iter().chain(&again) {
        assert_eq!(pair.send(0, &requests[*number]).await.status(), 403);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_starts_while_redis_is_down_and_serves_whoever_signs_nothing() {
    let bot = Agent::new("bot", "acme.example");
    let Some(mut pair) = Pair::start(&bot.record(), "").await else { return };
    pair.redis.kill();
    let late = pair.gateway("store.deadline = '5s'").await;
    pair.gateways.push(late);
    assert_eq!(pair.send(2, anonymous(OPEN)).await.status(), 200);
    is_undetermined(&pair.send(2, signed(&bot)).await, "replay-store-unreachable");
    pair.redis.run().unwrap();
    let last = pair.gateways.len() - 1;
    let waiting = async {
        while pair.send(last, signed(&bot)).await.text().contains("replay-store-unreachable") {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("the store is found");
}

/// How many of those who say nothing of themselves are let through at these gateways in turn, and in which time.
async fn let_through(
    pair: &Pair,
    gateways: [usize; 2],
    requests: usize,
    pause: Duration,
) -> (usize, Duration) {
    let (begin, mut count) = (Instant::now(), 0);
    for number in 0..requests {
        match pair.send(gateways[number % 2], anonymous(OPEN)).await.status() {
            200 => count += 1,
            status => assert_eq!(status, 429),
        }
        tokio::time::sleep(pause).await;
    }
    (count, begin.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_is_one_for_the_group_and_each_gateways_own_while_redis_is_down() {
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("policy.toml");
    let rule = "[[rule]]\nname = 'all'\nwhen = { class = 0 }\nthen = { action = 'accept', rate = '10/s', burst = 10 }";
    fs::write(&policy, rule).unwrap();
    let lines = format!("mode = 'enforce'\npolicy.file = '{}'", policy.display());
    let Some(mut pair) = Pair::start("", &lines).await else { return };
    let pause = Duration::from_millis(8);
    let (admitted, took) = let_through(&pair, [0, 1], 400, pause).await;
    let one = 10.0 + 10.0 * took.as_secs_f64();
    // Until they hear of each other, each may let its burst through.
    assert!((admitted as f64) < one + 14.0 && admitted as f64 > one / 2.0, "{admitted} in {took:?}");
    assert!(pair.redis.command(&["KEYS", "avouch:shop:r:*"]).unwrap().contains("avouch:shop:r:"));

    pair.redis.kill();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (admitted, took) = let_through(&pair, [0, 1], 200, pause).await;
    let each = 10.0 + 10.0 * took.as_secs_f64();
    assert!(admitted as f64 > 1.5 * each - 4.0, "{admitted} in {took:?}: each counts by itself again");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_rates_are_the_nodes_own_nothing_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("policy.toml");
    let rule = "[[rule]]\nname = 'all'\nwhen = { class = 0 }\nthen = { action = 'accept', rate = '6/min', burst = 6 }";
    fs::write(&policy, rule).unwrap();
    let lines = format!("mode = 'enforce'\npolicy.file = '{}'\nstore.rates = 'node'", policy.display());
    let Some(pair) = Pair::start("", &lines).await else { return };
    let (at_one, _) = let_through(&pair, [0, 0], 8, Duration::ZERO).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    let (at_the_other, _) = let_through(&pair, [1, 1], 8, Duration::ZERO).await;
    assert_eq!([at_one, at_the_other], [6, 6]);
    assert_eq!(pair.redis.command(&["KEYS", "avouch:shop:r:*"]).unwrap().trim(), "");
}

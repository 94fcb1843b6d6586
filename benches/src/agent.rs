//! Signed requests a second through the agent's proxy, its key in a TPM that takes 200 ms a signature, to a gateway that
//! verifies and accepts each.
//!
//! Agent, gateway and upstream are processes of their own; the TPM is swtpm behind a relay that makes it slow; the
//! programs that send are this one.

use crate::attack::client;
use crate::check::TYPICAL;
use crate::figure::Figure;
use crate::player::{Player, until_told_to_end};
use crate::world::PATH;
use avouch_agent::Running;
use avouch_agent::config::Config as AgentConfig;
use avouch_dns::{Dns, ZoneFiles};
use avouch_engine::evidence::Dnssec;
use avouch_gateway::config::Config;
use avouch_gateway::{Gateway, Surroundings};
use avouch_keys::SecretKey;
use avouch_keys::store::create_in;
use avouch_keys::tpm::{Device, Tpm};
use avouch_wire::b64u;
use std::path::Path;
use std::time::Duration;
use testkit::bind::free_port;
use testkit::peers::require;
use testkit::swtpm::{PROGRAMS, Slow, Swtpm};
use tokio::runtime::Runtime;
use tokio::time::Instant;

/// What a signature takes longer than swtpm by itself.
const SLOW: Duration = Duration::from_millis(200);

/// Requests a second that are offered, and that are to be answered.
const OFFERED: f64 = 2_200.0;
const GOAL: f64 = 2_000.0;

/// What 99 of 100 requests are to take at most.
const IN_TIME: Duration = Duration::from_millis(500);

/// Programs, each with a connection of its own: more than requests are under way.
const PROGRAMS_AT_ONCE: usize = 1_600;

/// How long they send, and how long before that counts.
const RUN: Duration = Duration::from_secs(10);
const WARM_UP: Duration = Duration::from_secs(2);

/// Rate and slowest hundredth against their bounds; nothing where there is no swtpm.
pub(crate) fn figures() -> Vec<Figure> {
    let Some(tools) = require(&PROGRAMS) else { return Vec::new() };
    let tpm = Swtpm::start(&tools).expect("swtpm starts");
    let slow = Slow::start(&tpm, SLOW).expect("a socket");
    let folder = tempfile::tempdir().expect("a folder");
    let device = Device::parse(&slow.device()).expect("sound");
    let key = create_in(&Tpm::at(&device), &folder.path().join("agent.key")).expect("a key");
    let upstream = Player::start("upstream", &[]);
    let port = free_port().expect("a port").to_string();
    let zone = folder.path().join("zone");
    std::fs::write(&zone, self::zone(&key)).expect("a file");
    let words = [&upstream.address.to_string(), &zone.display().to_string(), &port];
    let gateway = Player::start("accepting", &words.map(String::as_str));
    let config = folder.path().join("agent.toml");
    std::fs::write(&config, configuration(&device, &port)).expect("a file");
    let agent = Player::start("agent", &[&config.display().to_string()]);
    let runtime = Runtime::new().expect("a runtime");
    runtime.block_on(send(&agent, &port, WARM_UP));
    let before = slow.signatures();
    let seconds = [&agent, &gateway].map(Player::seconds);
    let (took, lasted) = runtime.block_on(send(&agent, &port, RUN));
    let signatures = slow.signatures() - before;
    let [of_agent, of_gateway] = [agent.seconds() - seconds[0], gateway.seconds() - seconds[1]];
    let rate = took.len() as f64 / lasted.as_secs_f64();
    let slowest = took.get(took.len() * 99 / 100).copied().unwrap_or(Duration::MAX);
    let each = |seconds: f64| seconds * 1e6 / took.len() as f64;
    let detail = format!(
        "{rate:.0} requests/s of {OFFERED} offered, {} answered by {signatures} signatures of swtpm, each {} ms longer; \
         {:.0} µs of processor time in the agent, {:.0} µs in the gateway",
        took.len(),
        SLOW.as_millis(),
        each(of_agent),
        each(of_gateway),
    );
    let waiting = format!("{:.0} ms / {} ms", slowest.as_secs_f64() * 1e3, IN_TIME.as_millis());
    vec![
        Figure {
            name: "2,000 / signed requests a second through the agent, verified and accepted, its TPM taking 200 ms a signature",
            ratio: GOAL / rate,
            goal: 1.0,
            limit: 1.0,
            detail,
        },
        Figure {
            name: "their slowest hundredth / 500 ms",
            ratio: slowest.as_secs_f64() / IN_TIME.as_secs_f64(),
            goal: 1.0,
            limit: 1.0,
            detail: waiting,
        },
    ]
}

/// Has all programs send for so long; how long each request took that was accepted, in order, and all together.
async fn send(agent: &Player, port: &str, lasting: Duration) -> (Vec<Duration>, Duration) {
    let pause = Duration::from_secs_f64(PROGRAMS_AT_ONCE as f64 / OFFERED);
    let each = (lasting.as_secs_f64() / pause.as_secs_f64()).ceil() as usize;
    let site = format!("127.0.0.1:{port}");
    let request = format!(
        "GET http://{site}{PATH} HTTP/1.1\r\nHost: {site}\r\nuser-agent: acme-crawler/1.0\r\naccept: text/html\r\n\r\n"
    );
    let begin = Instant::now() + Duration::from_millis(50);
    let clients: Vec<_> = (0..PROGRAMS_AT_ONCE)
        .map(|at| {
            let first = begin + pause.mul_f64(at as f64 / PROGRAMS_AT_ONCE as f64);
            let requests = vec![request.clone().into_bytes(); each];
            tokio::spawn(client(agent.address, requests, first, pause))
        })
        .collect();
    let mut took = Vec::new();
    for client in clients {
        took.extend(client.await.expect("a client ends"));
    }
    let lasted = begin.elapsed();
    took.sort();
    (took, lasted)
}

fn zone(key: &SecretKey) -> String {
    let key = b64u::encode(key.public().octets());
    format!(
        "$ORIGIN acme.example.\n$TTL 86400\n@ SOA ns host 1 2 3 4 86400\ncrawler._saip TXT \"v=saip1; pk={key}\"\n"
    )
}

fn configuration(device: &Device, port: &str) -> String {
    format!(
        "key = 'tpm:agent.key?{device}'\ndomain = 'acme.example'\nagent = 'crawler'\n\
         destination = {{ host = '127.0.0.1:{port}' }}\n\
         proxy = {{ listen = '127.0.0.1:0', allow_networks = '127.0.0.0/8' }}\n\
         dns.resolvers = '127.0.0.1:9'\nlimits = {{ connections = 4096, waiting = 4096 }}\n"
    )
}

/// The agent of this configuration.
pub(crate) async fn agent(words: &[&str]) {
    let config = AgentConfig::load(Path::new(words.first().expect("a file"))).expect("sound");
    let running = Running::start(config, None).await.expect("starts");
    until_told_to_end(running.proxy.expect("it listens")).await;
    running.stop().await;
}

/// A gateway that accepts what is verified by this zone, and refuses everything else.
pub(crate) async fn gateway(words: &[&str]) {
    let [upstream, zone, port] = words else { unreachable!("an upstream, a zone and a port") };
    let zone = std::fs::read_to_string(zone).expect("a zone");
    let zones = ZoneFiles::parse(&[("acme", &zone)], Dnssec::Insecure).expect("sound");
    let folder = tempfile::tempdir().expect("a folder");
    let policy = folder.path().join("policy.toml");
    let others =
        "[[rule]]\nname = \"others\"\nwhen = { class = [0, 1, 2] }\nthen = { action = \"reject\" }\n";
    std::fs::write(&policy, format!("{TYPICAL}{others}")).expect("a file");
    let text = format!(
        "mode = 'enforce'\nlisten = '127.0.0.1:{port}'\nupstream = 'http://{upstream}'\n\
         authorities = '127.0.0.1:{port}'\nprivate_peers = 'clients'\npolicy.file = '{}'\nlog.access = '{}'\n\
         store.fresh = true\nlimits.nonces = 4194304\nlimits.connections_per_source = 8192\n",
        policy.display(),
        folder.path().join("access.log").display()
    );
    let config = Config::parse("bench.toml", &text).expect("sound");
    let surroundings = Surroundings { dns: Some(Dns::Zones(zones)), ..Surroundings::default() };
    let running = Gateway::start(config, surroundings).await.expect("starts");
    until_told_to_end(running.addresses.first().copied().expect("it listens")).await;
    running.stop().await;
}

//! Honest requests while somebody attacks: how many get through in time, and how long they take.
//!
//! A site, whoever attacks it and its upstream are processes of their own; honest clients are this one. The honest rate
//! is a twentieth of what the site can do, and the attack has five times that.

mod attacker;
mod honest;

use crate::check::TYPICAL;
use crate::figure::Figure;
use crate::player::{CONNECTIONS, Load, Player, until_told_to_end};
use crate::world::{PATH, SITE, records, sign_at, signer};
use attacker::Attack;
use avouch_dns::{Dns, Resolver, ResolverSettings, SignedZones};
use avouch_gateway::config::Config;
use avouch_gateway::{Gateway, Surroundings};
use avouch_gather::clock::{Clock as _, SystemClock};
use avouch_keys::saip::Signer;
use honest::Honest;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::time::Instant;

pub(crate) use attacker::play as attack;
pub(crate) use honest::client;

/// Honest agents.
const AGENTS: usize = 8;

/// How much of the capacity honest requests take.
const HONEST: f64 = 0.05;

/// How many times the honest rate an attack has.
const ATTACK: f64 = 5.0;

/// Runs with and without the attack, in turn; the median of each counts.
const RUNS: usize = 5;

/// How long a run takes.
const RUN: Duration = Duration::from_secs(2);

/// For each attack the share of honest requests that did not get through, and the slowest hundredth of them against
/// that of quiet times.
pub(crate) fn figures() -> Vec<Figure> {
    let folder = tempfile::tempdir().expect("a folder");
    let signers: Vec<Signer> = (0..AGENTS).map(signer).collect();
    let zone = folder.path().join("records");
    std::fs::write(&zone, records(&signers)).expect("a file");
    let upstream = Player::start("upstream", &[]);
    let words = [upstream.address.to_string(), zone.display().to_string()];
    let site = Player::start("site", &words.each_ref().map(String::as_str));
    let runtime = Runtime::new().expect("a runtime");
    let capacity = capacity(&runtime, &site, &signers);
    let rate = capacity * HONEST;
    let honest = Honest { signers: Arc::new(signers), address: site.address, rate, lasting: RUN };
    Attack::ALL
        .iter()
        .flat_map(|attack| under(&runtime, &honest, *attack, (capacity, folder.path())))
        .collect()
}

fn under(
    runtime: &Runtime,
    honest: &Honest,
    attack: Attack,
    (capacity, folder): (f64, &Path),
) -> [Figure; 2] {
    let (mut lost, mut slow, mut usual) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        usual.push(runtime.block_on(honest.send()).slowest_hundredth);
        let attacker = attack.begin(honest, honest.rate * ATTACK, folder);
        let outcome = runtime.block_on(honest.send());
        drop(attacker);
        lost.push(1.0 - outcome.answered);
        slow.push(outcome.slowest_hundredth);
    }
    let (lost, slow, usual) = (median(lost), median(slow), median(usual));
    let rates = format!("{:.0} honest requests a second of {capacity:.0}", honest.rate);
    let [through, waiting] = attack.names();
    [
        Figure {
            name: through,
            ratio: lost,
            goal: 0.2,
            limit: 0.2,
            detail: format!("{rates}, median of {RUNS} runs"),
        },
        Figure {
            name: waiting,
            ratio: slow / usual,
            goal: 2.0,
            limit: 2.0,
            detail: format!("{:.2} ms / {:.2} ms, medians of {RUNS} runs", slow * 1e3, usual * 1e3),
        },
    ]
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().expect("a run")
}

/// Verified requests a second, as fast as they are answered.
fn capacity(runtime: &Runtime, site: &Player, signers: &[Signer]) -> f64 {
    let mut best = 0.0_f64;
    for _ in 0..4 {
        let now = SystemClock::new().now();
        let of = |at: usize| signers.get(at % AGENTS).map(|signer| honest::request(&sign_at(signer, now)));
        let some = |at| (0..250).filter_map(|_| of(at)).collect();
        let requests = Arc::new((0..CONNECTIONS).map(some).collect());
        let load = Load { requests, begins: b"HTTP/1.1 200 ", ends: b"</html>\n" };
        let begin = Instant::now();
        runtime.block_on(load.send(site.address));
        best = best.max(load.count() as f64 / begin.elapsed().as_secs_f64());
    }
    best
}

/// A site behind a gateway that enforces, with a signed DNS in which nobody answers below `dark`.
pub(crate) async fn site(words: &[&str]) {
    let [upstream, records] = words else { unreachable!("an upstream and a file of records") };
    let zones =
        SignedZones::start(&std::fs::read_to_string(records).expect("records")).await.expect("it serves");
    zones.mute("dark");
    let mut settings = ResolverSettings::new(vec![zones.address()]);
    settings.trust_anchors = vec![zones.trust_anchor()];
    let dns = Dns::Live(Resolver::new(&settings).expect("sound"));
    let folder = tempfile::tempdir().expect("a folder");
    let policy = folder.path().join("policy.toml");
    std::fs::write(&policy, TYPICAL).expect("a file");
    let text = format!(
        "mode = 'enforce'\nlisten = '127.0.0.1:0'\nupstream = 'http://{upstream}'\nauthorities = '{SITE}'\n\
         scheme = 'https'\nprivate_peers = 'clients'\npolicy.file = '{}'\nlog.access = '{}'\nstore.fresh = true\n\
         limits.nonces = 4194304\n",
        policy.display(),
        folder.path().join("access.log").display()
    );
    let config = Config::parse("bench.toml", &text).expect("sound");
    let running = Gateway::start(config, Surroundings { dns: Some(dns), ..Surroundings::default() })
        .await
        .expect("starts");
    until_told_to_end(running.addresses.first().copied().expect("it listens")).await;
    running.stop().await;
}

/// A request to the site, with these fields.
pub(crate) fn asking(fields: &str) -> Vec<u8> {
    format!("GET {PATH} HTTP/1.1\r\nHost: {SITE}\r\nuser-agent: acme-crawler/1.0\r\n{fields}\r\n")
        .into_bytes()
}

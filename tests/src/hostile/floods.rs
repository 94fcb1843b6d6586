//! Floods: what is kept stays bounded, and honest requests go on meanwhile.

use testkit::raw::Raw;
use tokio::task::JoinSet;

use super::world::{Agent, Ask, CLOSED, OPEN, Plan, World, request, value, with};

const BOT: &str = "bot@acme.example";

/// Sends `total` requests from an address over eight connections at once, closing none.
async fn flood(world: &World, from: &str, total: usize, request: impl Fn(usize) -> Vec<u8>) {
    let mut clients = JoinSet::new();
    for client in 0..8 {
        let requests: Vec<_> = (client..total).step_by(8).map(&request).collect();
        let (address, from) = (world.address(), from.parse().unwrap());
        clients.spawn(async move {
            let mut socket = Raw::connect_from(from, address).await.unwrap();
            for request in requests {
                socket.send(request).await.unwrap();
                assert!(socket.answer().await.unwrap().is_some());
            }
        });
    }
    clients.join_all().await;
}

/// Sends honest requests while the flood lasts; each must get through.
async fn meanwhile(world: &World, bot: &Agent, flood: impl Future<Output = ()>) -> usize {
    let mut flood = std::pin::pin!(flood);
    let mut honest = 0;
    loop {
        tokio::select! {
            biased;
            () = flood.as_mut() => break,
            seen = world.see(bot.request(Ask::get(CLOSED))) => {
                seen.is_verified(BOT);
                honest += 1;
            }
        }
    }
    world.see(bot.request(Ask::get(CLOSED))).await.is_verified(BOT);
    honest + 1
}

/// Lines of the log with this reason.
async fn because(world: &World, total: usize, reason: &str) -> usize {
    let lines = world.log(total).await;
    let holds = |line: &serde_json::Value| {
        line["verdict"]["reasons"].as_array().is_some_and(|all| all.contains(&reason.into()))
    };
    lines.iter().filter(|line| holds(line)).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_signatures_fill_no_table() {
    let (world, bot) = World::with_bot().await;
    let good = bot.header(Ask::get(OPEN));
    let bent = with(&good, "sig", value(&good, "rcert"));
    let nonce = |number: usize| with(&bent, "nonce", &format!("flood-of-nonces-{number}"));
    let bad = |number| request(Ask::get(OPEN), &format!("SAIP: {}\r\n", nonce(number)));
    let honest = meanwhile(&world, &bot, flood(&world, "127.0.0.66", 2_000, bad)).await;
    assert_eq!(because(&world, 2_000 + honest, "certificate-invalid").await, 2_000);
    // Of the honest requests the last may have been given up by its sender, not by us.
    let nonces = world.number("avouch_replay_nonces").await as usize;
    assert!((honest..=honest + 1).contains(&nonces), "{nonces} for {honest}");
    assert_eq!(
        world.number("avouch_requests_total{class=\"1\",decision=\"throttle\"}").await as usize,
        2_000
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_domains_cost_their_sender_its_own_lookups_only() {
    let (world, bot) = World::with_bot().await;
    let template = bot.header(Ask::get(OPEN));
    let unknown = |number| {
        let header = with(&template, "dom", &format!("flood-{number}.example"));
        request(Ask::get(OPEN), &format!("SAIP: {header}\r\n"))
    };
    let honest = meanwhile(&world, &bot, flood(&world, "127.0.0.66", 2_000, unknown)).await;
    // The clock stands still, so the sender has its burst and nothing more.
    let burst = usize::try_from(avouch_gather::budget::BURST).unwrap();
    assert_eq!(because(&world, 2_000 + honest, "key-not-published").await, burst);
    assert_eq!(because(&world, 2_000 + honest, "lookup-budget").await, 2_000 - burst);
    let refused = "avouch_reasons_total{reason=\"lookup-budget\"}";
    assert_eq!(world.number(refused).await as usize, 2_000 - burst);
    // Another sender's new domains are looked up as before.
    world.see(unknown(5_000)).await.is_not_verified("key-not-published");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonces_of_one_domain_fill_its_share_and_no_more() {
    let (bot, busy) = (Agent::new("bot", "acme.example"), Agent::new("busy", "flood.example"));
    let plan = Plan::records(bot.record() + &busy.record());
    let world = plan.lines("limits.nonces = 16384").start().await;
    let share = 16_384 / 16;
    let signed = |_| busy.request(Ask::get(OPEN));
    let honest = meanwhile(&world, &bot, flood(&world, "127.0.0.66", 1_500, signed)).await;
    let full = because(&world, 1_500 + honest, "replay-share-full").await;
    assert!(full >= 1_500 - share, "{full}");
    assert!(world.number("avouch_replay_nonces").await as usize <= share + honest + 1);
    // Undetermined, and never verified; another domain is none the worse.
    let seen = world.see(busy.request(Ask::get(CLOSED))).await;
    seen.is_kept_out("replay-share-full");
    assert_eq!(seen.answer.status(), 503, "{seen:?}");
    let counted = "avouch_reasons_total{reason=\"replay-share-full\"}";
    assert_eq!(world.number(counted).await as usize, full + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pseudonyms_share_one_share() {
    let bot = Agent::new("bot", "acme.example");
    let world = Plan::records(bot.record()).lines("limits.nonces = 16384").start().await;
    let keys: Vec<_> = (0..1_200).map(|_| Agent::pseudonym()).collect();
    let signed = |number: usize| keys[number].request(Ask::get(OPEN).by(avouch_keys::saip::Mode::Stateless));
    let honest = meanwhile(&world, &bot, flood(&world, "127.0.0.66", keys.len(), signed)).await;
    let full = because(&world, keys.len() + honest, "replay-share-full").await;
    assert!(full >= keys.len() - 1_024, "{full}");
}

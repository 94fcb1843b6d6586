//! The store that a group shares: a real Redis that is killed, held still, read-only, full and emptied.

use std::time::Duration;

use testkit::peers::require;
use testkit::redis::{PROGRAMS, Redis};

use super::super::world::{Agent, Ask, request};
use super::{Site, came, faulted, silent, verified};
use testkit::raw::exchange;

const UNREACHABLE: &str = "replay-store-unreachable";

async fn world() -> Option<(Redis, Site, Agent)> {
    let tools = require(&PROGRAMS)?;
    let (redis, bot) = (Redis::start(&tools, &[]).unwrap(), Agent::new("bot", "acme.example"));
    let lines = format!("store.url = '{}'\nstore.group = 'shop'\nstore.deadline = '1s'", redis.url());
    let site = Site::knowing(&bot.record(), &lines).await;
    site.comes_to(&bot, &verified()).await;
    Some((redis, site, bot))
}

/// What is so while the store takes nothing.
async fn is_undetermined(site: &Site, bot: &Agent, reason: &str, outcomes: &[&str]) {
    let before =
        (site.undetermined(reason, "undetermined").await, site.undetermined(reason, "anonymous").await);
    assert_eq!(site.treats(bot).await, faulted(reason));
    assert_eq!(site.undetermined(reason, "undetermined").await, before.0 + 4.0);
    assert_eq!(site.undetermined(reason, "anonymous").await, before.1 + 1.0);
    assert_eq!(site.treats_silent().await, silent());
    let mut counted = 0.0;
    for _ in 0..40 {
        counted = 0.0;
        for outcome in outcomes {
            counted += site.figure(&format!("avouch_store_nonces_total{{outcome=\"{outcome}\"}}")).await;
        }
        if counted >= 5.0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(counted >= 5.0, "{outcomes:?}: {counted}");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_store_is_down_what_is_signed_is_answered_503_or_taken_for_silence() {
    let Some((mut redis, site, bot)) = world().await else { return };
    redis.kill();
    site.shows("avouch_store_reachable", |reachable| reachable == 0.0).await;
    is_undetermined(&site, &bot, UNREACHABLE, &["unasked", "failed", "late"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_hangs_costs_one_deadline() {
    let Some((redis, site, bot)) = world().await else { return };
    redis.signal("STOP").unwrap();
    is_undetermined(&site, &bot, UNREACHABLE, &["late", "unasked"]).await;
    site.shows("avouch_store_reachable", |reachable| reachable == 0.0).await;
    redis.signal("CONT").unwrap();
    site.comes_to(&bot, &verified()).await;
    site.shows("avouch_store_reachable", |reachable| reachable == 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_may_not_be_written_to_is_none() {
    let Some((redis, site, bot)) = world().await else { return };
    redis.command(&["CONFIG", "SET", "replica-read-only", "yes"]).unwrap();
    redis.command(&["REPLICAOF", "127.0.0.1", "1"]).unwrap();
    site.comes_to(&bot, &faulted(UNREACHABLE)).await;
    is_undetermined(&site, &bot, UNREACHABLE, &["failed", "unasked"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_store_forgets_nothing_and_takes_nothing() {
    let Some((redis, site, bot)) = world().await else { return };
    redis.command(&["CONFIG", "SET", "maxmemory", "1"]).unwrap();
    is_undetermined(&site, &bot, "replay-table-full", &["failed"]).await;
    site.shows("avouch_store_reachable", |reachable| reachable == 1.0).await;
    redis.command(&["CONFIG", "SET", "maxmemory", "0"]).unwrap();
    site.comes_to(&bot, &verified()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_comes_back_empty_takes_nothing_that_may_have_been_accepted_before() {
    let Some((mut redis, site, bot)) = world().await else { return };
    redis.kill();
    redis.run().unwrap();
    site.comes_to(&bot, &faulted("replay-start-rule")).await;
    is_undetermined(&site, &bot, "replay-start-rule", &["refused"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_fault_of_ours_opens_a_route_to_a_claim_that_failed() {
    let Some((redis, site, bot)) = world().await else { return };
    let stranger = Agent::new("bot", "acme.example");
    let spent = bot.request(Ask::get("/excused").at(super::now()));
    let send =
        async |request: Vec<u8>| came(&exchange(site.running.addresses[0], request).await.unwrap().unwrap());
    assert_eq!(send(spent.clone()).await, "200 3 verified bot@acme.example accept");
    redis.signal("STOP").unwrap();
    // Its own key, no key of the domain's; what this gateway has accepted; content that is another.
    let forged = stranger.request(Ask::get("/excused").at(super::now()));
    assert_eq!(send(forged).await, "200 1 invalid - throttle");
    assert_eq!(send(spent).await, "200 1 invalid - throttle");
    let ask = Ask::post("/excused", b"paid: 10").at(super::now());
    let header = format!("SAIP: {}\r\n", bot.header(ask));
    assert_eq!(send(request(Ask { content: Some(b"paid: 99"), ..ask }, &header)).await, "403 body-mismatch");
    let sound = request(ask, &header);
    assert_eq!(send(sound.clone()).await, "200 0 undetermined - accept");
    assert_eq!(site.undetermined(UNREACHABLE, "anonymous").await, 1.0);
    // Nor was that an acceptance, and it becomes none.
    redis.signal("CONT").unwrap();
    site.comes_to(&bot, &verified()).await;
    let again = send(sound).await;
    assert!(!again.contains("verified"), "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn content_that_streams_by_is_held_to_its_digest_though_the_claim_is_taken_for_silence() {
    let Some((mut redis, site, bot)) = world().await else { return };
    redis.kill();
    site.shows("avouch_store_reachable", |reachable| reachable == 0.0).await;
    let (sound, other) = (vec![b'a'; 100_000], vec![b'b'; 100_000]);
    let ask = Ask::post("/excused", &sound).at(super::now());
    let header = format!("SAIP: {}\r\n", bot.header(ask));
    let swapped = request(Ask { content: Some(&other), ..ask }, &header);
    let answer = exchange(site.running.addresses[0], swapped).await.unwrap();
    assert!(answer.is_none_or(|answer| came(&answer) == "403 body-mismatch"));
    let header = format!("SAIP: {}\r\n", bot.header(ask));
    let answer = exchange(site.running.addresses[0], request(ask, &header)).await.unwrap().unwrap();
    assert_eq!(came(&answer), "200 0 undetermined - accept");
}

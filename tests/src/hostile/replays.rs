//! Times at their limits, and one request sent more than once.

use avouch_wire::time::Time;
use tokio::task::JoinSet;

use super::world::{Agent, Ask, CLOSED, NOW, Plan, World, request, value, with};

#[tokio::test]
async fn a_time_is_accepted_at_its_exact_limits_and_a_second_beyond_refused() {
    let (world, bot) = World::with_bot().await;
    for (at, reason) in [
        (NOW - 301, "expired"),
        (NOW + 31, "ahead-of-time"),
        (0, "expired"),
        (999_999_999_999, "ahead-of-time"),
    ] {
        world.see(bot.request(Ask::get(CLOSED).at(at))).await.is_kept_out(reason);
    }
    for at in [NOW - 300, NOW - 299, NOW + 29, NOW + 30] {
        world.see(bot.request(Ask::get(CLOSED).at(at))).await.is_verified("bot@acme.example");
    }
}

#[tokio::test]
async fn the_present_is_whole_seconds_rounded_down() {
    let (world, bot) = World::with_bot().await;
    world.clock.set(Time::from_millis(NOW * 1000 + 999));
    world.see(bot.request(Ask::get(CLOSED).at(NOW - 300))).await.is_verified("bot@acme.example");
    world.see(bot.request(Ask::get(CLOSED).at(NOW + 31))).await.is_kept_out("ahead-of-time");
}

#[tokio::test]
async fn a_request_is_accepted_once_for_as_long_as_its_time_is() {
    let (world, bot) = World::with_bot().await;
    let sent = bot.request(Ask::get(CLOSED).at(NOW + 30));
    world.see(&sent).await.is_verified("bot@acme.example");
    for later in [0, 1, 300, 330] {
        world.clock.set(Time::from_seconds(NOW + later));
        world.see(&sent).await.is_kept_out("replayed");
    }
    world.clock.set(Time::from_seconds(NOW + 331));
    world.see(&sent).await.is_kept_out("expired");
    world.see(bot.request(Ask::get(CLOSED).at(NOW + 331))).await.is_verified("bot@acme.example");
}

#[tokio::test]
async fn a_clock_set_back_does_not_let_a_replay_in() {
    let (world, bot) = World::with_bot().await;
    let sent = bot.request(Ask::get(CLOSED));
    world.see(&sent).await.is_verified("bot@acme.example");
    world.clock.set(Time::from_seconds(NOW + 1_000));
    world.see(bot.request(Ask::get(CLOSED).at(NOW + 1_000))).await.is_verified("bot@acme.example");
    world.clock.set(Time::from_seconds(NOW));
    assert_eq!(world.see(&sent).await.reached, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_request_on_64_sockets_at_once_is_accepted_once() {
    let (world, bot) = World::with_bot().await;
    let sent = bot.request(Ask::get(CLOSED));
    let (address, begin) = (world.address(), std::sync::Arc::new(tokio::sync::Barrier::new(64)));
    let mut sockets = JoinSet::new();
    for _ in 0..64 {
        let (sent, begin) = (sent.clone(), std::sync::Arc::clone(&begin));
        sockets.spawn(async move {
            let mut client = testkit::raw::Raw::connect(address).await.unwrap();
            begin.wait().await;
            client.send(sent).await.unwrap();
            client.answer().await.unwrap().unwrap().status()
        });
    }
    let mut statuses = sockets.join_all().await;
    statuses.sort_unstable();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(world.completed().len(), 1);
    let lines = world.log(64).await;
    assert_eq!(lines.iter().filter(|line| line["verdict"]["class"] == 3).count(), 1);
    let replayed = lines
        .iter()
        .filter(|line| line["verdict"]["reasons"].as_array().unwrap().contains(&"replayed".into()));
    assert_eq!(replayed.count(), 63);
    world.see(bot.request(Ask::get(CLOSED))).await.is_verified("bot@acme.example");
}

#[tokio::test]
async fn a_replay_in_other_words_is_one_too() {
    let (world, bot) = World::with_bot().await;
    let header = bot.header(Ask::get(CLOSED));
    world
        .see(request(Ask::get(CLOSED), &format!("SAIP: {header}\r\n")))
        .await
        .is_verified("bot@acme.example");
    let reversed = header.split("; ").collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("; ");
    for other in [
        reversed,
        format!("{header}; x=\"y\""),
        header.replace("; ", ";"),
        with(&header, "dom", "ACME.example"),
    ] {
        let seen = world.see(request(Ask::get(CLOSED), &format!("SAIP: {other}\r\n"))).await;
        assert_eq!(seen.reached, None, "{other}: {seen:#?}");
    }
}

#[tokio::test]
async fn a_nonce_of_another_agent_cannot_be_borrowed() {
    let (one, two) = (Agent::new("one", "acme.example"), Agent::new("two", "acme.example"));
    let world = Plan::records(one.record() + &two.record()).start().await;
    let first = one.header(Ask::get(CLOSED));
    world.see(request(Ask::get(CLOSED), &format!("SAIP: {first}\r\n"))).await.is_verified("one@acme.example");
    // The nonce is signed, so the other's cannot be borrowed, only drawn by chance.
    let borrowed = with(&two.header(Ask::get(CLOSED)), "nonce", value(&first, "nonce"));
    assert_eq!(world.see(request(Ask::get(CLOSED), &format!("SAIP: {borrowed}\r\n"))).await.reached, None);
    world.see(two.request(Ask::get(CLOSED))).await.is_verified("two@acme.example");
}

#[tokio::test]
async fn a_failed_signature_does_not_spend_the_nonce() {
    let (world, bot) = World::with_bot().await;
    let header = bot.header(Ask::get(CLOSED));
    let bent = with(&header, "sig", value(&header, "rcert"));
    world.see(request(Ask::get(CLOSED), &format!("SAIP: {bent}\r\n"))).await.is_kept_out("signature-invalid");
    world
        .see(request(Ask::get(CLOSED), &format!("SAIP: {header}\r\n")))
        .await
        .is_verified("bot@acme.example");
}

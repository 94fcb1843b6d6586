//! Configurations and policies that change while requests come in.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use testkit::raw::Raw;
use tokio::task::JoinSet;

use super::world::{Agent, Ask, CLOSED, OPEN, Plan, World, anonymous};

fn policy(folder: &std::path::Path, name: &str, action: &str) -> String {
    let file = folder.join(name);
    std::fs::write(
        &file,
        format!("[[rule]]\nname = '{name}'\nwhen = {{}}\nthen = {{ action = '{action}' }}\n"),
    )
    .unwrap();
    format!("policy.file = '{}'\n", file.display())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn reload_under_load_drops_nothing_and_each_decision_has_one_policy() {
    let folder = tempfile::tempdir().unwrap();
    let policies = [policy(folder.path(), "first", "accept"), policy(folder.path(), "second", "monitor")];
    let bot = Agent::new("bot", "acme.example");
    let world = Plan::records(bot.record()).start().await;
    world.running.reload(world.config(&policies[0])).unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for _ in 0..4 {
        let (address, done) = (world.address(), Arc::clone(&done));
        clients.spawn(async move {
            let mut client = Raw::connect(address).await.unwrap();
            let mut answered = 0;
            while !done.load(Ordering::Relaxed) {
                client.send(anonymous(OPEN)).await.unwrap();
                assert_eq!(client.answer().await.unwrap().expect("an answer").status(), 200);
                answered += 1;
                // A steady load, not as much as this machine can bear.
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            answered
        });
    }
    for number in 1..=100 {
        world.running.reload(world.config(&policies[number % 2])).unwrap();
        if number % 10 == 0 {
            world.see(bot.request(Ask::get(CLOSED))).await.is_verified("bot@acme.example");
        }
    }
    done.store(true, Ordering::Relaxed);
    let answered: usize = clients.join_all().await.into_iter().sum();
    let lines = world.log(answered + 10).await;
    assert_eq!((lines.len(), world.completed().len()), (answered + 10, answered + 10));
    let decided: BTreeSet<_> = lines
        .iter()
        .map(|line| [&line["policy"], &line["rule"], &line["decision"]].map(ToString::to_string))
        .collect();
    assert_eq!(decided.len(), 2, "each version goes with its own rule and decision: {decided:?}");
}

#[tokio::test]
async fn what_does_not_load_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (world, bot) = World::with_bot().await;
    let broken = policy(folder.path(), "broken", "shrug");
    for lines in [
        broken.as_str(),
        "policy.file = '/no/such/policy'\n",
        "tls.cert = '/no/such'\ntls.key = '/no/such'\n",
    ] {
        assert!(world.running.reload(world.config(lines)).is_err(), "{lines}");
        world.see(bot.request(Ask::get(CLOSED))).await.is_verified("bot@acme.example");
        world.see(anonymous(CLOSED)).await.is_kept_out("no-claim");
    }
}

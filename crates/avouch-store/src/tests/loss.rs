//! Whatever Redis loses, nothing is accepted twice.

use super::*;

/// What may have been accepted before a loss is refused after it, and what is signed later is not.
async fn begins_anew(node: &Node, entered: u64, signed: u64) {
    assert_eq!(node.enter(entered, signed).await, Err(NotCommitted::StartRule));
    assert_eq!(node.enter(entered + 1, now() + 30).await, Err(NotCommitted::StartRule));
    // As if signed after the floor: nobody may sign so far ahead, but the store does not judge that.
    let later = now() + AHEAD + 5;
    assert_eq!(node.enter(entered + 2, later).await, Ok(()));
    assert_eq!(node.enter(entered + 2, later).await, Err(NotCommitted::Replayed));
}

/// Makes a server a replica of another, and waits until it has what that has.
async fn follow(server: &Redis, primary: &Redis) {
    let port = primary.url().rsplit(':').next().unwrap().to_owned();
    server.command(&["REPLICAOF", "127.0.0.1", &port]).unwrap();
    let synchronised = async {
        while !server.command(&["INFO", "replication"]).unwrap().contains("master_link_status:up") {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, synchronised).await.expect("the replica follows");
}

#[tokio::test]
async fn a_group_that_begins_refuses_what_may_have_been_accepted_before() {
    let Some(redis) = redis(&[]) else { return };
    begins_anew(&Node::at(&redis.url(), false).await, 1, now()).await;
}

#[tokio::test]
async fn a_restart_of_a_gateway_delays_nothing_and_forgets_nothing() {
    let Some(redis) = redis(&[]) else { return };
    let signed = now();
    let before = Node::at(&redis.url(), true).await;
    assert_eq!(before.enter(1, signed).await, Ok(()));
    drop(before);
    let after = Node::at(&redis.url(), false).await;
    assert_eq!(after.enter(1, signed).await, Err(NotCommitted::Replayed));
    assert_eq!(after.enter(2, signed).await, Ok(()));
}

#[tokio::test]
async fn an_empty_redis_lets_no_replay_through() {
    let Some(redis) = redis(&[]) else { return };
    let (one, other) = (Node::at(&redis.url(), true).await, Node::at(&redis.url(), false).await);
    let signed = now();
    assert_eq!(one.enter(1, signed).await, Ok(()));
    assert_eq!(redis.command(&["FLUSHALL"]).unwrap(), "OK");
    begins_anew(&other, 1, signed).await;
}

#[tokio::test]
async fn a_redis_that_restarts_empty_lets_no_replay_through() {
    let Some(mut redis) = redis(&[]) else { return };
    let node = Node::at(&redis.url(), true).await;
    let signed = now();
    assert_eq!(node.enter(1, signed).await, Ok(()));
    redis.kill();
    node.comes_to(Err(NotCommitted::StoreUnreachable), signed).await;
    assert!(!node.store.figures().reachable);
    redis.run().unwrap();
    node.comes_to(Err(NotCommitted::StartRule), signed).await;
    begins_anew(&node, 1, signed).await;
}

#[tokio::test]
async fn a_redis_that_restarts_with_older_data_lets_no_replay_through() {
    let Some(mut redis) = redis(&[]) else { return };
    let node = Node::at(&redis.url(), true).await;
    let signed = now();
    assert_eq!(node.enter(1, signed).await, Ok(()));
    assert_eq!(redis.command(&["SAVE"]).unwrap(), "OK");
    // Not saved, as what a replica that takes over has not heard of.
    assert_eq!(node.enter(2, signed).await, Ok(()));
    redis.kill();
    redis.run().unwrap();
    assert!(
        redis.command(&["GET", "avouch:shop:marker"]).unwrap().contains(' '),
        "the marker is there again"
    );
    node.comes_to(Err(NotCommitted::StartRule), signed).await;
    begins_anew(&node, 2, signed).await;
}

#[tokio::test]
async fn a_replica_that_takes_over_lets_no_replay_through() {
    let (Some(first), Some(second)) = (redis(&[]), redis(&[])) else { return };
    let node = Node::at(&first.url(), true).await;
    let signed = now();
    assert_eq!(node.enter(1, signed).await, Ok(()));
    follow(&second, &first).await;
    // A replica takes nothing.
    let reader = Node::at(&second.url(), false).await;
    assert_eq!(reader.enter(3, signed).await, Err(NotCommitted::StoreUnreachable));
    reader.tells("replica").await;
    second.command(&["REPLICAOF", "NO", "ONE"]).unwrap();
    assert!(second.command(&["GET", "avouch:shop:marker"]).unwrap().contains(' '), "it has the marker");
    reader.comes_to(Err(NotCommitted::StartRule), signed).await;
    begins_anew(&reader, 1, signed).await;
}

#[tokio::test]
async fn a_primary_that_was_a_replica_for_a_while_lets_no_replay_through() {
    let (Some(first), Some(second)) = (redis(&[]), redis(&[])) else { return };
    follow(&second, &first).await;
    let node = Node::at(&first.url(), true).await;
    let signed = now();
    assert_eq!(node.enter(1, signed).await, Ok(()));
    second.command(&["REPLICAOF", "NO", "ONE"]).unwrap();
    assert_eq!(node.enter(2, signed).await, Ok(()), "of which the second does not hear");
    drop(node);
    follow(&first, &second).await;
    first.command(&["REPLICAOF", "NO", "ONE"]).unwrap();
    let marker = first.command(&["GET", "avouch:shop:marker"]).unwrap();
    let run = first.command(&["INFO", "server"]).unwrap();
    assert!(run.contains(marker.split(':').next().unwrap()), "the marker is of the same run");
    begins_anew(&Node::at(&first.url(), false).await, 2, signed).await;
}

#[tokio::test]
async fn a_primary_that_was_a_replica_and_kept_its_connections_lets_no_replay_through() {
    let quick = ["--repl-diskless-sync-delay", "0"];
    let (Some(first), Some(second)) = (redis(&quick), redis(&quick)) else { return };
    follow(&second, &first).await;
    let node = Node::at(&first.url(), true).await;
    let signed = now();
    assert_eq!(node.enter(1, signed).await, Ok(()));
    second.command(&["REPLICAOF", "NO", "ONE"]).unwrap();
    assert_eq!(node.enter(2, signed).await, Ok(()), "of which the second does not hear");
    follow(&first, &second).await;
    first.command(&["REPLICAOF", "NO", "ONE"]).unwrap();
    // Before anybody has looked again.
    assert_eq!(node.enter(2, signed).await, Err(NotCommitted::StoreUnreachable));
    node.comes_to(Err(NotCommitted::StartRule), signed).await;
    begins_anew(&node, 2, signed).await;
}

#[tokio::test]
async fn tokens_for_secrets_that_were_lost_are_not_redeemed_again_and_new_ones_are_at_once() {
    let Some(redis) = redis(&[]) else { return };
    let (one, other) = (Node::at(&redis.url(), false).await, Node::at(&redis.url(), false).await);
    let time = Time::from_seconds(now());
    let before = one.store.context_keys(time).await.unwrap();
    let token = answering(7, Epoch::at(time), &before);
    assert_eq!(one.store.enter(token).await, Ok(()));
    assert_eq!(redis.command(&["FLUSHALL"]).unwrap(), "OK");
    // The other still holds the secret of before.
    assert_eq!(other.store.enter(token).await, Err(NotCommitted::StartRule));
    let after = other.store.context_keys(time).await.unwrap();
    assert_ne!(before, after);
    assert_eq!(other.store.enter(token).await, Err(NotCommitted::StartRule));
    let next = answering(8, Epoch::at(time), &after);
    assert_eq!(other.store.enter(next).await, Ok(()));
    assert_eq!(one.store.enter(next).await, Err(NotCommitted::Replayed));
    // A marker that was lost alone takes the secrets with it.
    assert_eq!(redis.command(&["DEL", "avouch:shop:marker"]).unwrap(), "1");
    assert_eq!(other.store.enter(answering(9, Epoch::at(time), &after)).await, Err(NotCommitted::StartRule));
}

#[tokio::test]
async fn a_clock_of_redis_that_was_ahead_for_a_while_lets_no_replay_through() {
    let Some(redis) = redis(&[]) else { return };
    let node = Node::at(&redis.url(), true).await;
    let signed = now();
    assert_eq!(node.enter(1, signed).await, Ok(()));
    // As if somebody had asked ten minutes from now; what has expired then is gone.
    let marker = redis.command(&["GET", "avouch:shop:marker"]).unwrap();
    let life = marker.rsplit_once(' ').unwrap().0;
    redis.command(&["SET", "avouch:shop:marker", &format!("{life} {}", now() + 600)]).unwrap();
    begins_anew(&node, 1, signed).await;
}

#[tokio::test]
async fn a_clock_of_redis_that_goes_back_by_small_steps_is_noticed() {
    let Some(redis) = redis(&[]) else { return };
    let node = Node::at(&redis.url(), true).await;
    let signed = now();
    assert_eq!(node.enter(1, signed).await, Ok(()));
    let marker = redis.command(&["GET", "avouch:shop:marker"]).unwrap();
    let ahead = format!("{} {}", marker.rsplit_once(' ').unwrap().0, now() + 4);
    redis.command(&["SET", "avouch:shop:marker", &ahead]).unwrap();
    assert_eq!(node.enter(2, signed).await, Ok(()), "clocks may differ by so much");
    assert!(redis.command(&["GET", "avouch:shop:marker"]).unwrap() >= ahead, "what was seen stays seen");
}

#[tokio::test]
async fn a_clock_that_is_off_begins_no_memory() {
    let Some(redis) = redis(&[]) else { return };
    let node = Node::at(&redis.url(), true).await;
    let signed = now();
    assert_eq!(node.enter(1, signed).await, Ok(()));
    // As seen from here, a Redis that is empty and a minute behind: its floor would be a minute too low.
    node.ahead.store(60, Ordering::Relaxed);
    assert_eq!(redis.command(&["FLUSHALL"]).unwrap(), "OK");
    let ahead = Spent { now: Time::from_seconds(now() + 60), ..spent(1, signed) };
    assert_eq!(node.store.enter(ahead).await, Err(NotCommitted::StoreUnreachable));
    assert_eq!(redis.command(&["EXISTS", "avouch:shop:marker"]).unwrap(), "0");
    node.ahead.store(0, Ordering::Relaxed);
    node.comes_to(Err(NotCommitted::StartRule), signed).await;
    begins_anew(&node, 1, signed).await;
}

#[tokio::test]
async fn nothing_is_fresh_where_a_marker_tells_of_an_earlier_run() {
    let Some(mut redis) = redis(&[]) else { return };
    let signed = now();
    let before = Node::at(&redis.url(), true).await;
    assert_eq!(redis.command(&["SAVE"]).unwrap(), "OK");
    assert_eq!(before.enter(1, signed).await, Ok(()));
    drop(before);
    // The machine starts anew with all that is on it, and `fresh` was never taken out.
    redis.kill();
    redis.run().unwrap();
    begins_anew(&Node::at(&redis.url(), true).await, 1, signed).await;
}

#[tokio::test]
async fn what_redis_evicted_between_two_looks_is_not_let_through_later() {
    let Some(redis) = redis(&[]) else { return };
    let node = Node::at(&redis.url(), true).await;
    let signed = now();
    assert_eq!(node.enter(1, signed).await, Ok(()));
    for words in [["maxmemory-policy", "volatile-random"], ["maxmemory", "1"]] {
        redis.command(&["CONFIG", "SET", words[0], words[1]]).unwrap();
    }
    redis.command(&["SET", "anything", "evicts"]).unwrap();
    for words in [["maxmemory", "0"], ["maxmemory-policy", "noeviction"]] {
        redis.command(&["CONFIG", "SET", words[0], words[1]]).unwrap();
    }
    assert_eq!(redis.command(&["DBSIZE"]).unwrap(), "1", "the marker, which does not expire");
    node.comes_to(Err(NotCommitted::StartRule), signed).await;
    begins_anew(&node, 1, signed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flushall_under_load_lets_nothing_through_twice() {
    let Some(redis) = redis(&[]) else { return };
    let (one, other) = (Node::at(&redis.url(), true).await, Node::at(&redis.url(), false).await);
    let signed = now();
    let mut tasks = tokio::task::JoinSet::new();
    let places = Arc::new(tokio::sync::Semaphore::new(100));
    for round in 0..3 {
        for number in 0..1_000 {
            for node in [&one, &other] {
                let (store, places) = (Arc::clone(&node.store), Arc::clone(&places));
                tasks.spawn(async move {
                    let _place = places.acquire().await.unwrap();
                    store.enter(spent(number, signed)).await.is_ok().then_some(number)
                });
            }
        }
        if round < 2 {
            tokio::time::sleep(Duration::from_millis(30)).await;
            assert_eq!(redis.command(&["FLUSHALL"]).unwrap(), "OK");
        }
    }
    let mut accepted: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    let count = accepted.len();
    accepted.sort_unstable();
    accepted.dedup();
    assert_eq!(accepted.len(), count, "some were accepted twice");
}

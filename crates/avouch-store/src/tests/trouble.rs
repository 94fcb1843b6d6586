//! What is wrong is said so that it can be mended, and mended without a restart.

use super::*;
use crate::line::IN_FLIGHT;

const OUT: Result<(), NotCommitted> = Err(NotCommitted::StoreUnreachable);

#[tokio::test]
async fn a_redis_that_is_down_is_found_when_it_comes() {
    let Some(mut redis) = redis(&[]) else { return };
    redis.kill();
    let node = Node::at(&redis.url(), true).await;
    assert_eq!(node.enter(1, now()).await, OUT);
    node.tells("cannot be reached").await;
    assert_eq!(node.store.figures().unasked, 1);
    redis.run().unwrap();
    // Whether another has used it meanwhile this one does not know: it is not as fresh as it was.
    node.comes_to(Err(NotCommitted::StartRule), now()).await;
    node.comes_to(Ok(()), now() + AHEAD + 20).await;
    assert_eq!(node.store.told(), "");
}

#[tokio::test]
async fn wrong_passwords_and_databases_are_said_and_no_password_with_them() {
    let Some(redis) = redis(&["--requirepass", "right", "--databases", "2"]) else { return };
    let place = redis.url().replace("redis://", "");
    for (url, told) in [
        (format!("redis://:s3cret@{place}"), "name or password"),
        (format!("redis://nobody:s3cret@{place}"), "name or password"),
        (format!("redis://{place}"), "name or password"),
        (format!("redis://:right@{place}/7"), "has no database 7"),
    ] {
        let node = Node::at(&url, true).await;
        assert_eq!(node.enter(1, now()).await, OUT, "{url}");
        let said = node.store.told();
        assert!(said.contains(told) && !said.contains("s3cret") && !said.contains("right"), "{url}: {said}");
    }
    let node = Node::at(&format!("redis://:right@{place}/1"), true).await;
    assert_eq!(node.enter(1, now()).await, Ok(()));
    // As a user who may do what is needed, and nothing else.
    let words = crate::trouble::NEEDS.trim_matches('`');
    let commands = words.trim_end_matches(" ~avouch:*");
    assert!(include_str!("../../../../docs/operate/many-machines.md").contains(commands));
    let mut command = vec!["-a", "right", "ACL", "SETUSER", "avouch", "on", ">narrow"];
    command.extend(words.split(' '));
    assert!(redis.command(&command).unwrap().contains("OK"));
    let node = Node::at(&format!("redis://avouch:narrow@{place}"), true).await;
    assert_eq!(node.enter(1, now()).await, Ok(()), "{}", node.store.told());
    redis.command(&["-a", "right", "ACL", "SETUSER", "avouch", "-info"]).unwrap();
    let node = Node::at(&format!("redis://avouch:narrow@{place}"), true).await;
    assert_eq!(node.enter(1, now()).await, OUT);
    assert!(node.store.told().contains("+evalsha"), "{}", node.store.told());
}

#[tokio::test]
async fn a_user_who_may_not_enter_is_not_tried_ten_times_a_second() {
    let Some(redis) = redis(&[]) else { return };
    let words = crate::trouble::NEEDS.trim_matches('`').replace("~avouch:*", "~avouch:*marker");
    let command: Vec<_> =
        ["ACL", "SETUSER", "avouch", "on", ">a"].into_iter().chain(words.split(' ')).collect();
    assert_eq!(redis.command(&command).unwrap(), "OK");
    let node = Node::at(&redis.url().replace("://", "://avouch:a@"), true).await;
    let begin = tokio::time::Instant::now();
    let mut number = 0;
    while begin.elapsed() < Duration::from_secs(3) {
        number += 1;
        assert_eq!(node.enter(number, now()).await, OUT);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let received = redis.command(&["INFO", "stats"]).unwrap();
    let received = received.lines().find_map(|line| line.strip_prefix("total_connections_received:"));
    let received: u32 = received.unwrap().trim().parse().unwrap();
    assert!(received < 12, "{received} connections in 3 s");
    node.tells("lets this user do too little").await;
}

#[tokio::test]
async fn a_redis_that_may_forget_is_not_used_and_begins_anew_when_it_no_longer_may() {
    let Some(redis) = redis(&["--maxmemory-policy", "allkeys-lru"]) else { return };
    let node = Node::at(&redis.url(), true).await;
    assert_eq!(node.enter(1, now()).await, OUT);
    node.tells("set `maxmemory-policy noeviction`").await;
    redis.command(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]).unwrap();
    node.comes_to(Ok(()), now() + AHEAD + 20).await;
    // One that begins to forget is noticed, and what it forgot is not let through when it is mended.
    let signed = now() + AHEAD + 20;
    assert_eq!(node.enter(1, signed).await, Ok(()));
    redis.command(&["CONFIG", "SET", "maxmemory-policy", "volatile-ttl"]).unwrap();
    node.tells("volatile-ttl").await;
    redis.command(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]).unwrap();
    let before = now();
    node.comes_to(Err(NotCommitted::StartRule), before).await;
}

#[tokio::test]
async fn a_full_redis_refuses_and_forgets_nothing() {
    let Some(redis) = redis(&[]) else { return };
    let node = Node::at(&redis.url(), true).await;
    let signed = now();
    assert_eq!(node.enter(1, signed).await, Ok(()));
    redis.command(&["CONFIG", "SET", "maxmemory", "1mb"]).unwrap();
    redis.command(&["SET", "ballast", &"a".repeat(1 << 16)]).unwrap();
    assert_eq!(node.enter(2, signed).await, Err(NotCommitted::TableFull), "{}", node.store.told());
    assert!(node.store.told().contains("raise `maxmemory`"));
    // Also when it has been looked at again.
    for number in 3..16 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(node.enter(number, signed).await, Err(NotCommitted::TableFull));
    }
    redis.command(&["CONFIG", "SET", "maxmemory", "0"]).unwrap();
    assert_eq!(node.enter(1, signed).await, Err(NotCommitted::Replayed));
    // One that is taken while others are refused is no news; the next look is.
    assert_eq!(node.enter(2, signed).await, Ok(()));
    assert!(node.store.told().contains("raise `maxmemory`"));
    let waiting = async {
        while !node.store.told().is_empty() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("the log is told that it is in use");
}

#[tokio::test]
async fn what_another_has_put_in_our_place_is_not_taken_for_ours_and_is_said() {
    let Some(redis) = redis(&[]) else { return };
    let node = Node::at(&redis.url(), true).await;
    redis.command(&["DEL", "avouch:shop:marker"]).unwrap();
    redis.command(&["RPUSH", "avouch:shop:marker", "something"]).unwrap();
    assert_eq!(node.enter(1, now()).await, OUT);
    assert!(node.store.told().contains("none of ours under avouch:"), "{}", node.store.told());
    redis.command(&["SET", "avouch:shop:marker", "something"]).unwrap();
    node.comes_to(Err(NotCommitted::StartRule), now()).await;
}

#[tokio::test]
async fn a_redis_that_hangs_holds_up_one_deadline_and_then_nobody() {
    let Some(redis) = redis(&[]) else { return };
    let node = Node::with(&redis.url(), true, Duration::from_millis(300)).await;
    node.comes_to(Ok(()), now()).await;
    redis.signal("STOP").unwrap();
    assert_eq!(node.enter(1, now()).await, OUT);
    node.tells("did not answer").await;
    let begin = tokio::time::Instant::now();
    for number in 2..100 {
        assert_eq!(node.enter(number, now()).await, OUT);
    }
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert!(node.store.figures().late >= 1);
    redis.signal("CONT").unwrap();
    node.comes_to(Ok(()), now()).await;
    // What was under way may have been entered after all; it is never accepted.
    assert_ne!(node.enter(1, now() - 300).await, Ok(()));
}

#[tokio::test]
async fn what_is_given_up_on_frees_its_place_and_is_entered_once_at_most() {
    let Some(redis) = redis(&[]) else { return };
    let node = Node::at(&redis.url(), true).await;
    let signed = now();
    node.comes_to(Ok(()), signed).await;
    for round in 0..3 {
        redis.signal("STOP").unwrap();
        let mut asking = tokio::task::JoinSet::new();
        for number in 0..IN_FLIGHT as u64 {
            let store = Arc::clone(&node.store);
            asking.spawn(async move { store.enter(spent(number, signed)).await });
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        // One more than fit is answered at once.
        let (begin, unasked) = (tokio::time::Instant::now(), node.store.figures().unasked);
        assert_eq!(node.enter(1 << 30, signed).await, OUT);
        assert!(begin.elapsed() < DEADLINE / 2 && node.store.figures().unasked > unasked, "{round}");
        asking.shutdown().await;
        redis.signal("CONT").unwrap();
        node.comes_to(Ok(()), now()).await;
    }
    for number in 0..IN_FLIGHT as u64 {
        if node.enter(number, signed).await == Ok(()) {
            assert_eq!(node.enter(number, signed).await, Err(NotCommitted::Replayed));
        }
    }
}

#[tokio::test]
async fn a_server_that_accepts_and_never_answers_is_no_store() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let node = Node::at(&format!("redis://{}", silent.local_addr().unwrap()), true).await;
    assert_eq!(node.enter(1, now()).await, OUT);
    assert!(node.store.told().contains("did not answer within 2000 ms"), "{}", node.store.told());
    // Each attempt ends before the next begins, so that nothing piles up.
    let (first, _) = silent.accept().await.unwrap();
    let closed = async {
        let mut greeting = [0; 4096];
        loop {
            first.readable().await.unwrap();
            if let Ok(0) = first.try_read(&mut greeting) {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, closed).await.expect("the connection is closed");
}

#[tokio::test]
async fn a_clock_that_is_off_is_said_and_accepts_nothing() {
    let Some(redis) = redis(&[]) else { return };
    let (node, good) = (Node::at(&redis.url(), true).await, Node::at(&redis.url(), false).await);
    node.ahead.store(60, Ordering::Relaxed);
    let ahead = Spent { now: Time::from_seconds(now() + 60), ..spent(1, now()) };
    assert_eq!(node.store.enter(ahead).await, OUT);
    assert!(node.store.told().contains("NTP"), "{}", node.store.told());
    assert_eq!(good.enter(1, now()).await, Ok(()), "the others go on");
    node.comes_to(OUT, now()).await;
    node.ahead.store(0, Ordering::Relaxed);
    node.comes_to(Ok(()), now()).await;
}

//! How far agents of registration entities have counted, in one step with their nonces.

use super::*;
use NotCommitted::{Replayed, SequenceAhead, SequenceBehind, StoreUnreachable};
use avouch_gather::replay::Counted;

/// A request of this nonce that counts so under one name.
fn counting(nonce: u64, name: u8, number: u64, after: u64) -> Spent {
    let counted = Some(Counted { name: [name; 16], number, after });
    Spent { counted, ..spent(nonce, now()) }
}

#[tokio::test]
async fn a_number_is_accepted_once_over_all_nodes_and_goes_forward_within_the_window() {
    let Some(redis) = redis(&[]) else { return };
    let nodes = [Node::at(&redis.url(), true).await, Node::at(&redis.url(), false).await];
    let far = u64::MAX - 20;
    for (step, (name, number, after, expected)) in (0_u64..).zip([
        (1, 7, 2, Ok(())),
        (1, 7, 2, Err(SequenceBehind)),
        (1, 6, 1, Err(SequenceBehind)),
        (1, 13, 8, Err(SequenceAhead)),
        (1, 12, 7, Ok(())),
        (1, 10, 5, Err(SequenceBehind)),
        (2, 3, 0, Ok(())),
        (1, 1 << 32, 0, Ok(())),
        (1, 13, 8, Err(SequenceBehind)),
        (1, far, far - 5, Err(SequenceAhead)),
        (3, far, far - 5, Ok(())),
        (3, far + 1, far - 4, Ok(())),
        (3, far + 1, far - 4, Err(SequenceBehind)),
        (3, far + 7, far + 2, Err(SequenceAhead)),
        (3, far + 6, far + 1, Ok(())),
    ]) {
        let node = &nodes[step as usize % 2];
        assert_eq!(node.store.enter(counting(step, name, number, after)).await, expected, "step {step}");
    }
}

#[tokio::test]
async fn a_request_that_is_not_accepted_moves_nothing_and_uses_up_nothing() {
    let Some(redis) = redis(&[]) else { return };
    let (one, other) = (Node::at(&redis.url(), true).await, Node::at(&redis.url(), false).await);
    assert_eq!(one.store.enter(counting(1, 1, 7, 2)).await, Ok(()));
    assert_eq!(other.store.enter(counting(1, 1, 9, 4)).await, Err(Replayed), "the nonce was used");
    assert_eq!(other.store.enter(counting(2, 1, 8, 3)).await, Ok(()), "the count stood still");
    assert_eq!(one.store.enter(counting(3, 1, 30, 25)).await, Err(SequenceAhead));
    assert_eq!(one.store.enter(counting(3, 1, 9, 4)).await, Ok(()), "the nonce was left alone");
    assert_eq!(one.store.figures().refused, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_with_one_number_on_two_nodes_one_is_accepted() {
    let Some(redis) = redis(&[]) else { return };
    let nodes = [Node::at(&redis.url(), true).await, Node::at(&redis.url(), false).await];
    let mut tasks = tokio::task::JoinSet::new();
    for nonce in 0..100 {
        let store = Arc::clone(&nodes[nonce as usize % 2].store);
        tasks.spawn(async move { store.enter(counting(nonce, 1, 7, 2)).await });
    }
    let all = tasks.join_all().await;
    assert_eq!(all.iter().filter(|one| one.is_ok()).count(), 1);
    assert!(all.iter().all(|one| matches!(one, Ok(()) | Err(SequenceBehind))));
}

#[tokio::test]
async fn a_count_is_kept_for_more_than_ten_minutes_and_what_is_not_told_is_not_known() {
    let Some(mut redis) = redis(&[]) else { return };
    let node = Node::at(&redis.url(), true).await;
    assert_eq!(node.store.enter(counting(1, 1, 7, 2)).await, Ok(()));
    let left = "return redis.call('TTL', redis.call('SCAN', '0', 'MATCH', 'avouch:shop:q:*')[2][1])";
    let left: u64 = redis.command(&["EVAL", left, "0"]).unwrap().parse().unwrap();
    assert!((600..=660).contains(&left), "{left}");
    redis.kill();
    assert_eq!(node.store.enter(counting(2, 1, 8, 3)).await, Err(StoreUnreachable));
}

//! Two gateways of one group, with a real Redis between them.

use super::*;
use testkit::peers::require;
use testkit::redis::{PROGRAMS, Redis};

#[tokio::test]
async fn a_number_is_accepted_by_one_gateway_of_a_group() {
    let Some(tools) = require(&PROGRAMS) else { return };
    let redis = Redis::start(&tools, &[]).unwrap();
    let world = World::of_today().await;
    let lines = format!("store.url = '{}'\nstore.group = 'shop'", redis.url());
    let one = world.start(world.config(&lines, &world.tables())).await;
    world.introduce(&one).await;
    let other = world.start(world.config(&lines, &world.tables())).await;
    let first = world.signed(7);
    assert_eq!(world.comes(&one, &first).await, verified(8));
    assert_eq!(world.comes(&other, &first).await.2, "sequence-behind", "a replay");
    assert_eq!(world.comes(&other, &world.signed(7)).await.2, "sequence-behind", "the number was used");
    assert_eq!(world.comes(&other, &world.signed(13)).await.2, "sequence-ahead");
    assert_eq!(world.comes(&other, &world.signed(12)).await, verified(13));
    assert_eq!(world.comes(&one, &world.signed(8)).await.2, "sequence-behind", "it was left out");
    assert_eq!(world.comes(&one, &world.signed(13)).await, verified(14));
    drop(redis);
    assert_eq!(world.comes(&one, &world.signed(14)).await.2, "replay-store-unreachable");
    one.stop().await;
    other.stop().await;
}

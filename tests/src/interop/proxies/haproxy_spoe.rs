//! HAProxy, by its Stream Processing Offload Engine.

use super::spoe_verifier::{self, Asked};
use super::world::{CLIENT, OPEN, Proxy, World, get, verify};
use super::{haproxy, outages, spellings, targets};

const ENGINE: &str = include_str!("../../../../docs/operate/haproxy-spoe.conf");

static PROXY: Proxy = Proxy {
    program: "haproxy",
    manual: include_str!("../../../../docs/operate/haproxy-spoe.md"),
    gateway: 0,
    guard: ("http-request del-header avouch -m beg", ""),
    start: |place| haproxy::start(place, PROXY.manual, ("avouch-spoe.conf", ENGINE)),
    status: |status| status,
    clears_by_prefix: true,
    joins: ", ",
    passes_answer: |_| true,
};

behind_every_proxy!(PROXY);

#[tokio::test(flavor = "multi_thread")]
async fn without_an_answer_nothing_gets_through() {
    outages::nothing_gets_through_by(&PROXY, spoe_verifier::failing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_line_that_removes_them_they_arrive() {
    spellings::one_arrives_without_the_guard(&PROXY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_is_judged_as_it_was_sent() {
    let Some(world) = World::new(&PROXY).await else { return };
    let asked = Asked::default();
    let (address, _accepting) = spoe_verifier::remembering(asked.clone()).await;
    targets::every_field_is_told_as_it_was_sent(&world, address, || asked.last()).await;
}

/// HAProxy itself would let a request go on that nobody judged.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_line_that_denies_an_unanswered_request_gets_through() {
    let Some(world) = World::new(&PROXY).await else { return };
    let line = "http-request deny deny_status 503 unless";
    let front = world
        .front_with("127.0.0.1:1".parse().unwrap(), (line, "http-request set-var(txn.x) int(1) unless"))
        .await;
    let answer = world.send(front.address, CLIENT, get(OPEN, "")).await.unwrap();
    assert_eq!((answer.status(), world.reached().len()), (200, 1), "{}", answer.head);
}

/// What HAProxy holds fits into a question, so that no head is too long to be judged.
#[tokio::test(flavor = "multi_thread")]
async fn a_head_as_long_as_haproxy_takes_is_judged() {
    let Some(world) = World::new(&PROXY).await else { return };
    let running = world.gateway().await;
    let front = world.front(verify(&running)).await;
    let long = |target: usize, field: usize| {
        get(&format!("{OPEN}?{}", "a".repeat(target)), &format!("X-Any: {}\r\n", "b".repeat(field)))
    };
    let many: String = (0..90).map(|at| format!("X-{at}: {}\r\n", "c".repeat(150))).collect();
    for (request, status) in
        [(long(1, 15_000), 200), (long(8_000, 7_000), 200), (get(OPEN, &many), 200), (long(1, 16_000), 400)]
    {
        let answer = world.send(front.address, CLIENT, &request).await.unwrap();
        assert_eq!(answer.status(), status, "{} octets: {}", request.len(), answer.head);
    }
    running.stop().await;
    assert_eq!(world.log().len(), 3, "HAProxy refuses what it cannot hold before it asks");
}

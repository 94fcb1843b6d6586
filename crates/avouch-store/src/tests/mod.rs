//! Against a real Redis, which is killed, emptied, filled and held still.

mod counted;
mod examined;
mod loss;
mod rates;
mod tls;
mod trouble;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use avouch_engine::pipeline::NotCommitted;
use avouch_gather::replay::{Shared as _, Spent};
use avouch_wire::privacy_pass::{ContextKeyId, ContextKeys, Epoch, Held};
use avouch_wire::time::Time;
use testkit::peers::require;
use testkit::redis::{PROGRAMS, Redis};

use crate::script::AHEAD;
use crate::{Address, Group, Settings, Store};

/// Long enough on a machine that does much else.
const DEADLINE: Duration = Duration::from_secs(5);

/// How long a test waits for something that must come.
const PATIENCE: Duration = Duration::from_secs(20);

#[expect(clippy::disallowed_methods, reason = "Redis runs by the machine's clock")]
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A gateway's store, and the task that keeps it.
struct Node {
    store: Arc<Store>,
    task: tokio::task::JoinHandle<()>,
    /// Seconds its clock is ahead.
    ahead: Arc<AtomicU64>,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Node {
    async fn at(url: &str, fresh: bool) -> Self {
        Self::with(url, fresh, DEADLINE).await
    }

    async fn with(url: &str, fresh: bool, deadline: Duration) -> Self {
        Self::of(settings_of(Address::parse(url).unwrap(), fresh, deadline)).await
    }

    async fn of(settings: Settings) -> Self {
        let store = Arc::new(Store::new(settings));
        let ahead = Arc::new(AtomicU64::new(0));
        let clock = Arc::clone(&ahead);
        let clock = move || Time::from_seconds(now() + clock.load(Ordering::Relaxed));
        let task = tokio::spawn(Arc::clone(&store).keep(clock));
        store.tried().await;
        Self { store, task, ahead }
    }

    async fn enter(&self, number: u64, signed: u64) -> Result<(), NotCommitted> {
        self.store.enter(spent(number, signed)).await
    }

    /// Waits until this comes of entering a nonce signed so.
    async fn comes_to(&self, expected: Result<(), NotCommitted>, signed: u64) {
        let mut number = 1 << 40;
        let waiting = async {
            while self.enter(number, signed).await != expected {
                number += 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let came = tokio::time::timeout(PATIENCE, waiting).await;
        assert!(came.is_ok(), "{expected:?} never came: {:?}", self.store.told());
    }

    /// Waits until the log is told this.
    async fn tells(&self, part: &str) {
        let waiting = async {
            while !self.store.told().contains(part) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let came = tokio::time::timeout(PATIENCE, waiting).await;
        assert!(came.is_ok(), "{part} was never told, but: {}", self.store.told());
    }
}

fn settings_of(address: Address, fresh: bool, deadline: Duration) -> Settings {
    Settings { address, group: Group::parse("shop").unwrap(), deadline, tls: None, fresh }
}

fn spent(number: u64, signed: u64) -> Spent {
    let mut fingerprint = [0; 16];
    fingerprint[..8].copy_from_slice(&number.to_be_bytes());
    Spent {
        fingerprint,
        signed,
        until: signed + 300,
        challenge: None,
        counted: None,
        now: Time::from_seconds(now()),
    }
}

fn answering(number: u64, epoch: Epoch, keys: &ContextKeys) -> Spent {
    let Held::Key(key) = keys.of(epoch) else { panic!("no key for {epoch:?}") };
    Spent { until: epoch.ends(), challenge: Some(key.id()), ..spent(number, epoch.begins()) }
}

fn redis(settings: &[&str]) -> Option<Redis> {
    let tools = require(&PROGRAMS)?;
    Some(Redis::start(&tools, settings).unwrap())
}

#[tokio::test]
async fn a_nonce_is_entered_once_over_all_nodes() {
    let Some(redis) = redis(&[]) else { return };
    let one = Node::at(&redis.url(), true).await;
    let other = Node::at(&format!("unix://{}", redis.socket().display()), false).await;
    let signed = now();
    assert_eq!(one.enter(1, signed).await, Ok(()));
    assert_eq!(one.enter(1, signed).await, Err(NotCommitted::Replayed));
    assert_eq!(other.enter(1, signed).await, Err(NotCommitted::Replayed));
    assert_eq!(other.enter(2, signed).await, Ok(()));
    let figures = one.store.figures();
    assert!(figures.reachable && figures.waited_micros > 0);
    assert_eq!((figures.new, figures.held, figures.failed + figures.late), (1, 1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_on_two_nodes_are_each_accepted_once() {
    let Some(redis) = redis(&[]) else { return };
    let (one, other) = (Node::at(&redis.url(), true).await, Node::at(&redis.url(), false).await);
    let (signed, places) = (now(), Arc::new(tokio::sync::Semaphore::new(200)));
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..5_000 {
        for node in [&one, &other] {
            let (store, places) = (Arc::clone(&node.store), Arc::clone(&places));
            tasks.spawn(async move {
                let _place = places.acquire().await.unwrap();
                store.enter(spent(number, signed)).await
            });
        }
    }
    let all = tasks.join_all().await;
    assert_eq!(all.iter().filter(|one| one.is_ok()).count(), 5_000);
    assert!(all.iter().all(|one| matches!(one, Ok(()) | Err(NotCommitted::Replayed))));
}

#[tokio::test]
async fn groups_and_databases_know_nothing_of_each_other() {
    let Some(redis) = redis(&[]) else { return };
    let (one, other) = (Node::at(&redis.url(), true).await, Node::at(&(redis.url() + "/1"), true).await);
    assert_eq!((one.enter(1, now()).await, other.enter(1, now()).await), (Ok(()), Ok(())));
    assert!(redis.command(&["KEYS", "*"]).unwrap().lines().all(|key| key.contains("avouch:shop:")));
}

#[tokio::test]
async fn a_nonce_is_kept_until_its_signature_has_ended_and_no_longer_than_a_minute_beyond() {
    let Some(redis) = redis(&[]) else { return };
    let node = Node::at(&redis.url(), true).await;
    let signed = now();
    assert_eq!(node.enter(1, signed).await, Ok(()));
    let keys = redis.command(&["--no-raw", "SCAN", "0", "MATCH", "avouch:shop:n:*"]).unwrap();
    assert!(keys.contains("avouch:shop:n:"), "{keys}");
    let left = "return redis.call('TTL', redis.call('SCAN', '0', 'MATCH', 'avouch:shop:n:*')[2][1])";
    let left: u64 = redis.command(&["EVAL", left, "0"]).unwrap().parse().unwrap();
    assert!((350..=360).contains(&left), "{left}");
    // What has ended by the clock of Redis is not entered at all.
    assert_eq!(node.enter(2, signed - 361).await, Err(NotCommitted::Expired));
}

#[tokio::test]
async fn scripts_that_redis_has_forgotten_are_brought_along() {
    let Some(redis) = redis(&[]) else { return };
    let node = Node::at(&redis.url(), true).await;
    assert_eq!(redis.command(&["SCRIPT", "FLUSH"]).unwrap(), "OK");
    assert_eq!((node.enter(1, now()).await, node.enter(2, now()).await), (Ok(()), Ok(())));
}

#[tokio::test]
async fn all_nodes_challenge_by_the_secret_that_the_first_has_drawn() {
    let Some(redis) = redis(&[]) else { return };
    let (one, other) = (Node::at(&redis.url(), false).await, Node::at(&redis.url(), false).await);
    let time = Time::from_seconds(now());
    let (first, second) =
        (one.store.context_keys(time).await.unwrap(), other.store.context_keys(time).await.unwrap());
    assert_eq!(first, second);
    let (present, next) = (Epoch::at(time), Epoch::at(time).next());
    let id = |epoch| match first.of(epoch) {
        Held::Key(key) => key.id(),
        held => panic!("{held:?}"),
    };
    assert_ne!(id(present), id(next));
    assert!(matches!(first.of(Epoch::at(Time::from_seconds(time.seconds() - 150))), Held::None));
    assert!(matches!(first.of(next.next()), Held::Unknown));
    // What they redeem needs no waiting after the start, and is redeemed once.
    let token = answering(7, present, &first);
    assert_eq!(one.store.enter(token).await, Ok(()));
    assert_eq!(other.store.enter(token).await, Err(NotCommitted::Replayed));
    let forged = Spent { challenge: Some(ContextKeyId([9; 16])), ..answering(8, present, &first) };
    assert_eq!(other.store.enter(forged).await, Err(NotCommitted::StartRule));
}

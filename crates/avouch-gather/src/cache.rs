//! The only cache of DNS answers: true to the TTL, one look-up at a time per name, bounded.
//!
//! There is no second cache in front of it or behind it, and no answer is served beyond its
//! end: what is deleted in the DNS stops counting when its TTL is over (VICDM §6.4).

use core::hash::Hash;
use core::time::Duration;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use avouch_engine::evidence::{Answer, Cause};
use avouch_wire::time::Time;
use equivalent::Equivalent;
use tokio::sync::OnceCell;

use crate::bounded::Bounded;
use crate::clock::Clock;
use crate::hash_key::HashKey;

/// How long a failed look-up is remembered: RFC 9520 section 3.2 asks for at least one second,
/// and an agent whose DNS recovers should not wait longer.
pub const FAILURE_KEPT: Duration = Duration::from_secs(1);

/// Names found, in the default setting: some 100 000 agents seen within one TTL, at a few
/// hundred octets each.
pub const FOUND_ENTRIES: usize = 1 << 17;

/// Names not found, in the default setting. Smaller, because a stranger can name any number of
/// names that do not exist, and what is lost from here costs one look-up and no honest agent.
pub const UNFOUND_ENTRIES: usize = 1 << 15;

/// How many answers are kept, and for how long at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Most answers kept that hold a value.
    pub found: usize,
    /// Most answers kept that hold none (absent, or could not be found out).
    pub unfound: usize,
    /// The operator's limit to the time an answer is used, below its TTL; `None`: the TTL alone.
    pub ttl_cap: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { found: FOUND_ENTRIES, unfound: UNFOUND_ENTRIES, ttl_cap: None }
    }
}

/// Answers by question, shared by all requests. `V` should be cheap to clone (an [`Arc`]).
///
/// Found and unfound names live in two tables, so a flood of names that do not exist cannot push
/// out the keys of honest agents. A full table drops what has ended first, then what was used
/// longest ago.
pub struct AnswerCache<K, V> {
    clock: Arc<dyn Clock>,
    ttl_cap: Option<Duration>,
    hash_key: HashKey,
    found: Bounded<K, Kept<V>>,
    /// By a 128-bit keyed hash alone, so that whoever floods it with names takes no memory for them.
    /// That two names meet under a secret key takes 2^64 of them.
    unfound: Bounded<u128, Kept<V>>,
    /// Look-ups under way; at most one per request that waits.
    flights: Mutex<HashMap<K, Flight<V>>>,
}

type Flight<V> = Arc<OnceCell<Answer<V>>>;

#[derive(Debug)]
struct Kept<V> {
    answer: Answer<V>,
    /// When it was put here. A clock that was set back before this moment makes it unusable, so
    /// no step of the clock stretches an answer beyond twice its TTL.
    since: Time,
    until: Time,
}

impl<V> Kept<V> {
    fn usable(&self, now: Time) -> bool {
        self.since <= now && now < self.until
    }
}

impl<K: Hash + Eq + Clone, V: Clone> AnswerCache<K, V> {
    /// An empty cache.
    #[must_use]
    pub fn new(settings: Settings, clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            ttl_cap: settings.ttl_cap,
            hash_key: HashKey::random(),
            found: Bounded::new(settings.found),
            unfound: Bounded::new(settings.unfound),
            flights: Mutex::default(),
        }
    }

    /// The answer kept for `key`, if it may still be used at `now`. Never waits, never allocates;
    /// `key` may be any borrowed form of `K`.
    pub fn peek<Q>(&self, key: &Q, now: Time) -> Option<Answer<V>>
    where
        Q: ?Sized + Hash + Equivalent<K>,
    {
        let usable = |kept: &Kept<V>| kept.usable(now).then(|| kept.answer.clone());
        let name = self.hash_key.name(key);
        let found = self.found.read(name as u64, key, usable).flatten();
        found.or_else(|| self.unfound.read(name as u64, &name, usable).flatten())
    }

    /// The answer for `key`, from here or by `look_up`.
    ///
    /// Of the callers that ask for one key at the same time, one looks up and the others wait
    /// for its answer; if it is cancelled, another takes over. [`Cause::Budget`] says something
    /// about the asker and nothing about the name: it is neither kept nor given to others, so a
    /// client that has spent its budget cannot darken a name for everybody.
    pub async fn get<F, Fut>(&self, key: &K, look_up: F) -> Answer<V>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Answer<V>>,
    {
        if let Some(answer) = self.peek(key, self.clock.now()) {
            return answer;
        }
        let boarding = Boarding::join(self, key);
        let landed = boarding.flight.get_or_try_init(|| self.fly(key, look_up)).await;
        landed.cloned().unwrap_or_else(Answer::Unknown)
    }

    async fn fly<F, Fut>(&self, key: &K, look_up: F) -> Result<Answer<V>, Cause>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Answer<V>>,
    {
        // An earlier flight may have landed between this caller's peek and its boarding.
        if let Some(answer) = self.peek(key, self.clock.now()) {
            return Ok(answer);
        }
        match look_up().await {
            Answer::Unknown(Cause::Budget) => Err(Cause::Budget),
            answer => {
                let answer = self.keep(key, answer);
                // From here on the cache answers; who comes later must not join what has landed.
                self.flights().remove(key);
                Ok(answer)
            }
        }
    }

    /// Keeps `answer` for as long as it may be used, and gives it back with that end.
    fn keep(&self, key: &K, answer: Answer<V>) -> Answer<V> {
        let now = self.clock.now();
        let answer = cap(answer, self.ttl_cap.map_or(Time::MAX, |cap| now.after(cap)));
        let until = answer.until().unwrap_or_else(|| now.after(FAILURE_KEPT));
        let kept = Kept { answer: answer.clone(), since: now, until };
        let spent = |kept: &Kept<V>| !kept.usable(now);
        let name = self.hash_key.name(key);
        if matches!(answer, Answer::Found { .. }) {
            self.found.put(name as u64, key.clone(), kept, spent);
            self.unfound.remove(name as u64, &name);
        } else {
            self.unfound.put(name as u64, name, kept, spent);
            self.found.remove(name as u64, key);
        }
        answer
    }

    /// Answers held, ended ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.found.len() + self.unfound.len()
    }

    /// Whether nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K, V> AnswerCache<K, V> {
    fn flights(&self) -> MutexGuard<'_, HashMap<K, Flight<V>>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `answer` used no longer than `latest`.
fn cap<V>(answer: Answer<V>, latest: Time) -> Answer<V> {
    match answer {
        Answer::Found { value, dnssec, until } => Answer::Found { value, dnssec, until: until.min(latest) },
        Answer::Absent { dnssec, until } => Answer::Absent { dnssec, until: until.min(latest) },
        Answer::Unknown(cause) => Answer::Unknown(cause),
    }
}

/// One caller's place in a look-up. The last to leave without an answer clears the entry away,
/// so that a cancelled look-up leaves nothing behind.
struct Boarding<'a, K: Hash + Eq, V> {
    cache: &'a AnswerCache<K, V>,
    key: &'a K,
    flight: Flight<V>,
}

impl<'a, K: Hash + Eq + Clone, V> Boarding<'a, K, V> {
    fn join(cache: &'a AnswerCache<K, V>, key: &'a K) -> Self {
        let flight = Arc::clone(cache.flights().entry(key.clone()).or_default());
        Self { cache, key, flight }
    }
}

impl<K: Hash + Eq, V> Drop for Boarding<'_, K, V> {
    fn drop(&mut self) {
        let mut flights = self.cache.flights();
        let ours = flights.get(self.key).is_some_and(|flight| Arc::ptr_eq(flight, &self.flight));
        // Two holders are the map and this caller; joining needs the lock held here.
        if ours && Arc::strong_count(&self.flight) <= 2 {
            flights.remove(self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use core::pin::pin;
    use core::sync::atomic::{AtomicU32, Ordering};
    use core::task::Poll;

    use avouch_engine::evidence::Dnssec;
    use tokio::sync::Notify;

    use super::*;
    use crate::clock::ManualClock;

    type Cache = AnswerCache<Box<str>, u32>;

    fn cache(settings: Settings) -> (Arc<ManualClock>, Cache) {
        let clock = Arc::new(ManualClock::at(Time::from_seconds(1_000)));
        (Arc::clone(&clock), AnswerCache::new(settings, clock))
    }

    fn found(value: u32, until: u64) -> Answer<u32> {
        Answer::Found { value, dnssec: Dnssec::Insecure, until: Time::from_seconds(until) }
    }

    fn absent(until: u64) -> Answer<u32> {
        Answer::Absent { dnssec: Dnssec::Insecure, until: Time::from_seconds(until) }
    }

    async fn ask(cache: &Cache, key: &str, answer: Answer<u32>) -> Answer<u32> {
        cache.get(&key.into(), || async { answer }).await
    }

    #[tokio::test]
    async fn an_answer_is_used_until_its_end_and_not_a_moment_longer() {
        let (clock, cache) = cache(Settings::default());
        assert_eq!(ask(&cache, "a", found(1, 1_005)).await, found(1, 1_005));
        clock.set(Time::from_millis(1_004_999));
        assert_eq!(ask(&cache, "a", found(2, 1_009)).await, found(1, 1_005));
        assert_eq!(cache.peek("a", Time::from_seconds(1_005)), None);
        clock.set(Time::from_seconds(1_005));
        assert_eq!(ask(&cache, "a", found(2, 1_009)).await, found(2, 1_009));
    }

    #[tokio::test]
    async fn the_operators_cap_shortens_and_never_lengthens() {
        let settings = Settings { ttl_cap: Some(Duration::from_secs(60)), ..Settings::default() };
        let (_, cache) = cache(settings);
        assert_eq!(ask(&cache, "long", found(1, 5_000)).await, found(1, 1_060));
        assert_eq!(ask(&cache, "short", found(1, 1_010)).await, found(1, 1_010));
    }

    #[tokio::test]
    async fn a_failure_is_remembered_for_one_second() {
        let (clock, cache) = cache(Settings::default());
        let failed = Answer::Unknown(Cause::Timeout);
        ask(&cache, "a", failed.clone()).await;
        clock.advance(Duration::from_millis(999));
        assert_eq!(ask(&cache, "a", found(1, 2_000)).await, failed);
        clock.advance(Duration::from_millis(1));
        assert_eq!(ask(&cache, "a", found(1, 2_000)).await, found(1, 2_000));
    }

    #[tokio::test]
    async fn a_spent_budget_concerns_the_asker_alone() {
        let (_, cache) = cache(Settings::default());
        assert_eq!(ask(&cache, "a", Answer::Unknown(Cause::Budget)).await, Answer::Unknown(Cause::Budget));
        assert_eq!(ask(&cache, "a", found(1, 2_000)).await, found(1, 2_000));
    }

    #[tokio::test]
    async fn a_waiter_looks_up_itself_when_the_first_had_no_budget() {
        let (_, cache) = cache(Settings::default());
        let (key, go) = ("a".into(), Notify::new());
        let poor = cache.get(&key, || async {
            go.notified().await;
            Answer::Unknown(Cause::Budget)
        });
        let rich = cache.get(&key, || async { found(1, 2_000) });
        let ((poor, rich), ()) = tokio::join!(async { tokio::join!(poor, rich) }, async { go.notify_one() });
        assert_eq!((poor, rich), (Answer::Unknown(Cause::Budget), found(1, 2_000)));
    }

    #[tokio::test]
    async fn an_answer_that_changes_kind_replaces_the_old_one() {
        let (clock, cache) = cache(Settings::default());
        ask(&cache, "a", absent(1_001)).await;
        clock.advance(Duration::from_secs(1));
        ask(&cache, "a", found(1, 1_002)).await;
        clock.advance(Duration::from_secs(1));
        assert_eq!(ask(&cache, "a", absent(1_003)).await, absent(1_003));
        assert_eq!(cache.peek("a", clock.now()), Some(absent(1_003)));
        assert_eq!(cache.len(), 1);
    }

    #[tokio::test]
    async fn nothing_from_the_future_is_used_after_the_clock_was_set_back() {
        let (clock, cache) = cache(Settings::default());
        ask(&cache, "a", found(1, 1_300)).await;
        clock.set(Time::from_seconds(999));
        assert_eq!(cache.peek("a", clock.now()), None);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_hundred_callers_share_one_look_up() {
        let (_, cache) = cache(Settings::default());
        let (cache, asked) = (Arc::new(cache), Arc::new(AtomicU32::new(0)));
        let callers: Vec<_> = (0..100)
            .map(|_| {
                let (cache, asked) = (Arc::clone(&cache), Arc::clone(&asked));
                tokio::spawn(async move {
                    let look_up = || async {
                        tokio::task::yield_now().await;
                        found(asked.fetch_add(1, Ordering::Relaxed), 2_000)
                    };
                    cache.get(&"a".into(), look_up).await
                })
            })
            .collect();
        for caller in callers {
            assert_eq!(caller.await.unwrap(), found(0, 2_000));
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        assert!(cache.flights().is_empty());
    }

    #[tokio::test]
    async fn when_the_first_is_cancelled_another_takes_over() {
        let (_, cache) = cache(Settings::default());
        let key = "a".into();
        let mut second = pin!(cache.get(&key, || async { found(2, 2_000) }));
        {
            let mut first = pin!(cache.get(&key, core::future::pending));
            core::future::poll_fn(|cx| {
                assert!(first.as_mut().poll(cx).is_pending());
                assert!(second.as_mut().poll(cx).is_pending());
                Poll::Ready(())
            })
            .await;
        }
        assert_eq!(second.await, found(2, 2_000));
        assert!(cache.flights().is_empty());
    }

    #[tokio::test]
    async fn a_look_up_everybody_left_leaves_nothing_behind() {
        let (_, cache) = cache(Settings::default());
        let key = "a".into();
        {
            let mut only = pin!(cache.get(&key, core::future::pending));
            let waits = core::future::poll_fn(|cx| Poll::Ready(only.as_mut().poll(cx).is_pending()));
            assert!(waits.await);
            assert_eq!(cache.flights().len(), 1);
        }
        assert!(cache.flights().is_empty());
    }

    #[tokio::test]
    async fn a_flood_of_absent_names_leaves_found_ones_alone_and_memory_bounded() {
        let (clock, cache) = cache(Settings { found: 64, unfound: 64, ttl_cap: None });
        for name in 0..10 {
            ask(&cache, &format!("honest-{name}"), found(name, 2_000)).await;
        }
        for name in 0..5_000 {
            ask(&cache, &format!("flood-{name}"), absent(2_000)).await;
        }
        for name in 0..10 {
            let kept = cache.peek(format!("honest-{name}").as_str(), clock.now());
            assert_eq!(kept, Some(found(name, 2_000)));
        }
        assert!(cache.len() <= 128);
    }
}

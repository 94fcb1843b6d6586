//! The store of a group: kept connected, asked within a deadline, and told of when it is out of reach.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use avouch_engine::pipeline::NotCommitted;
use avouch_gather::pauses;
use avouch_gather::replay::{Entering, Shared, Spent};
use avouch_tls::Connector;
use avouch_wire::privacy_pass::Epoch;
use avouch_wire::time::Time;
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, timeout};

use crate::address::{Address, Group};
use crate::counts::{Counts, Figures};
use crate::line::{IN_FLIGHT, Line};
use crate::script::code;
use crate::trouble::Trouble;

/// The longest that connecting and introducing oneself may take.
const CONNECT: Duration = Duration::from_secs(2);

/// How often a connection is looked at: whether it answers, and whether Redis may forget.
const LOOK: Duration = Duration::from_secs(5);

/// The pauses between attempts to connect: a restart of Redis takes a second, and a fail-over ten.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How a store is reached.
pub struct Settings {
    /// Where Redis is.
    pub address: Address,
    /// Who shares it.
    pub group: Group,
    /// How long an answer is waited for.
    pub deadline: Duration,
    /// What opens TLS, where the address asks for it.
    pub tls: Option<Connector>,
    /// The operator asserts that no gateway of the group has served these authorities before: where the first attempt to
    /// connect finds no marker, nothing is refused for that.
    pub fresh: bool,
}

/// What replicas share, through Redis.
pub struct Store {
    settings: Settings,
    marker: String,
    line: RwLock<Option<Arc<Line>>>,
    places: Semaphore,
    pub(crate) counts: Counts,
    fresh: AtomicBool,
    /// Whether the first attempt to connect has come to something.
    tried: Notify,
    /// What the log was told last.
    told: Mutex<Option<String>>,
    random: RandomState,
}

impl Store {
    /// A store that is not connected: [`Store::keep`] does that, and must run for anything to be entered.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            marker: format!("avouch:{}:marker", settings.group),
            fresh: AtomicBool::new(settings.fresh),
            settings,
            line: RwLock::new(None),
            places: Semaphore::new(IN_FLIGHT),
            counts: Counts::default(),
            tried: Notify::new(),
            told: Mutex::new(None),
            random: RandomState::new(),
        }
    }

    /// Connects, looks after the connection, and connects again, for as long as it is polled.
    pub async fn keep(self: Arc<Self>, clock: impl Fn() -> Time) {
        let mut failures: u32 = 0;
        loop {
            let open = timeout(CONNECT, Line::open(&self.settings.address, self.settings.tls.as_ref())).await;
            let trouble = match open.unwrap_or(Err(Trouble::Silent(CONNECT))) {
                Ok(line) => self.look_after(Arc::new(line), &clock, &mut failures).await,
                Err(trouble) => trouble,
            };
            self.tell(Some(&trouble));
            // Whoever connects later may find what another gateway has begun and Redis lost.
            self.fresh.store(false, Ordering::Relaxed);
            self.tried.notify_one();
            failures = failures.saturating_add(1);
            let whole = pauses::after(failures, FIRST_PAUSE, LONGEST_PAUSE);
            tokio::time::sleep(pauses::shortened(whole, 2, self.random.hash_one(failures))).await;
        }
    }

    /// Waits until the first attempt to connect has come to something, so that a gateway that starts beside a store at
    /// work refuses nobody.
    pub async fn tried(&self) {
        self.tried.notified().await;
    }

    /// Uses a connection until it fails; gives why.
    async fn look_after(&self, line: Arc<Line>, clock: &impl Fn() -> Time, failures: &mut u32) -> Trouble {
        let mut has_lasted = false;
        loop {
            match self.look(&line, clock()).await {
                Ok(()) => {
                    // One that fails at the first question is not to be tried ten times a second.
                    if has_lasted {
                        *failures = 0;
                    }
                    self.tell(None);
                    self.put(Some(Arc::clone(&line)));
                    self.tried.notify_one();
                }
                // It is asked all the same: what has ended makes room.
                Err(Trouble::Full) => {
                    self.note(&line, Trouble::Full);
                    self.put(Some(Arc::clone(&line)));
                    self.tried.notify_one();
                }
                Err(trouble) => {
                    self.put(None);
                    if trouble.ends_connection() {
                        return trouble;
                    }
                    self.tell(Some(&trouble));
                    self.tried.notify_one();
                }
            }
            if let Ok(trouble) = timeout(LOOK, line.failed()).await {
                self.put(None);
                return trouble;
            }
            has_lasted = true;
        }
    }

    /// Whether a connection can be used: Redis keeps what it is given, its clock is ours, and the marker stands.
    async fn look(&self, line: &Line, now: Time) -> Result<(), Trouble> {
        let fresh = self.fresh.swap(false, Ordering::Relaxed);
        let looked = line.look(CONNECT).await;
        if let Err(Trouble::Evicts(_)) = &looked {
            // What was forgotten meanwhile nobody will know: at its end the memory begins anew.
            line.forget(&self.marker, CONNECT).await;
        }
        looked?;
        self.draw_on(line, &[], (now, fresh), CONNECT).await.map(drop)
    }

    /// The secrets of these epochs, for which those are drawn that come with one; of the others what there is.
    ///
    /// # Errors
    /// The store is out of reach.
    pub(crate) async fn draw(
        &self,
        epochs: &[(Epoch, Vec<u8>)],
        now: Time,
    ) -> Result<Vec<Option<[u8; 32]>>, Unavailable> {
        let line = self.line().ok_or(Unavailable)?;
        let drawn = self.draw_on(&line, epochs, (now, false), self.settings.deadline).await;
        drawn.map_err(|trouble| self.note(&line, trouble))
    }

    async fn draw_on(
        &self,
        line: &Line,
        epochs: &[(Epoch, Vec<u8>)],
        (now, fresh): (Time, bool),
        patience: Duration,
    ) -> Result<Vec<Option<[u8; 32]>>, Trouble> {
        let names: Vec<String> = epochs.iter().map(|(epoch, _)| self.secret(*epoch)).collect();
        let keys = std::iter::once(self.marker.as_bytes()).chain(names.iter().map(String::as_bytes));
        let (now, kept) = (now.seconds().to_string(), crate::secrets::KEPT.to_string());
        let fresh: &[u8] = if fresh { b"1" } else { b"0" };
        let given = epochs.iter().map(|(_, drawn)| drawn.as_slice());
        let arguments = [now.as_bytes(), fresh, kept.as_bytes()].into_iter().chain(given);
        let (keys, arguments): (Vec<_>, Vec<_>) = (keys.collect(), arguments.collect());
        let told = line.draw(&keys, &arguments, patience).await?;
        let mut told = told.into_iter();
        let mut number = || told.next().and_then(|value| redis::from_redis_value::<i64>(value).ok());
        match (number(), number()) {
            (Some(code::CLOCK), Some(off)) => return Err(Trouble::Clock(off)),
            (Some(code::ANOTHER), Some(_)) => return Err(Trouble::Another),
            (Some(code::DONE), Some(_)) => {}
            _ => return Err(Trouble::Untold),
        }
        let secret = |value| redis::from_redis_value::<Vec<u8>>(value).ok()?.try_into().ok();
        Ok(told.map(secret).collect())
    }

    /// What became of everything so far.
    #[must_use]
    pub fn figures(&self) -> Figures {
        self.counts.figures(self.line().is_some())
    }

    async fn ask(&self, spent: Spent) -> Result<(), NotCommitted> {
        let Some(line) = self.line() else {
            self.counts.unasked();
            return Err(NotCommitted::StoreUnreachable);
        };
        let Ok(_place) = self.places.try_acquire() else {
            self.counts.unasked();
            return Err(NotCommitted::StoreUnreachable);
        };
        let began = Instant::now();
        let answer = self.enter_on(&line, spent).await;
        self.counts.answered(&answer, began.elapsed());
        match answer {
            Ok((code::DONE, _)) => Ok(()),
            Ok((code::HELD, _)) => Err(NotCommitted::Replayed),
            Ok((code::FLOOR | code::FORGOTTEN, _)) => Err(NotCommitted::StartRule),
            Ok((code::ENDED, _)) => Err(NotCommitted::Expired),
            Ok((code::BEHIND, _)) => Err(NotCommitted::SequenceBehind),
            Ok((code::JUMPED, _)) => Err(NotCommitted::SequenceAhead),
            Ok((code::CLOCK, off)) => Err(self.note(&line, Trouble::Clock(off)).into()),
            Ok((code::ANOTHER, _)) => Err(self.note(&line, Trouble::Another).into()),
            Ok(_) => Err(self.note(&line, Trouble::Untold).into()),
            Err(Trouble::Full) => {
                self.note(&line, Trouble::Full);
                Err(NotCommitted::TableFull)
            }
            Err(trouble) => Err(self.note(&line, trouble).into()),
        }
    }

    async fn enter_on(&self, line: &Line, spent: Spent) -> Result<(i64, i64), Trouble> {
        let Spent { fingerprint, signed, until, challenge, counted, now } = spent;
        let mut nonce = format!("avouch:{}:n:", self.settings.group).into_bytes();
        nonce.extend(fingerprint);
        let secret = challenge.map(|_| self.secret(Epoch::at(Time::from_seconds(signed))));
        let count = counted.map(|counted| self.count(&counted.name));
        let third = secret.as_deref().map(str::as_bytes).or(count.as_deref());
        let keys = [Some(self.marker.as_bytes()), Some(&nonce), third];
        let keys: Vec<&[u8]> = keys.into_iter().flatten().collect();
        let [now, signed, until] = [now.seconds(), signed, until].map(|second| second.to_string());
        let id = challenge.map(|challenge| challenge.0).unwrap_or_default();
        // As long as the highest number, so that they compare as text.
        let numbers = counted.map(|counted| [counted.number, counted.after].map(|n| format!("{n:020}")));
        let arguments = [now.as_bytes(), b"0", signed.as_bytes(), until.as_bytes(), &id];
        let numbers = numbers.iter().flatten().map(String::as_bytes);
        let arguments: Vec<&[u8]> = arguments.into_iter().chain(numbers).collect();
        line.enter(&keys, &arguments, self.settings.deadline).await
    }

    fn count(&self, name: &[u8; 16]) -> Vec<u8> {
        let mut count = format!("avouch:{}:q:", self.settings.group).into_bytes();
        count.extend(name);
        count
    }

    fn secret(&self, epoch: Epoch) -> String {
        format!("avouch:{}:secret:{}", self.settings.group, epoch.begins())
    }

    pub(crate) fn rate(&self, name: &[u8; 16]) -> Vec<u8> {
        let mut rate = format!("avouch:{}:r:", self.settings.group).into_bytes();
        rate.extend(name);
        rate
    }

    pub(crate) const fn deadline(&self) -> Duration {
        self.settings.deadline
    }

    /// Takes note of trouble that an answer told of. Its end is told by the next look: a Redis that is nearly full takes
    /// one and refuses another, and the log is not to be told of each.
    pub(crate) fn note(&self, line: &Line, trouble: Trouble) -> Unavailable {
        if trouble.ends_connection() {
            // A single late answer is none; where nothing answers, the connection has said so itself.
            if !matches!(trouble, Trouble::Silent(_)) {
                line.fail(trouble);
            }
        } else {
            self.tell(Some(&trouble));
        }
        Unavailable
    }

    /// Tells the log when something has changed.
    fn tell(&self, trouble: Option<&Trouble>) {
        let Settings { address, group, .. } = &self.settings;
        let text = trouble.map(ToString::to_string);
        let mut told = lock(&self.told);
        match (&text, told.as_deref()) {
            (Some(text), before) if before != Some(text) => {
                tracing::error!("the store {address} {text}; what is signed cannot be accepted meanwhile");
            }
            (None, before) if before != Some("") => {
                tracing::info!("the store {address} is in use, for the group {group}");
            }
            _ => {}
        }
        *told = Some(text.unwrap_or_default());
    }

    /// What the log was told last; nothing while all is well.
    #[cfg(test)]
    pub(crate) fn told(&self) -> String {
        lock(&self.told).clone().unwrap_or_default()
    }

    pub(crate) fn line(&self) -> Option<Arc<Line>> {
        let line = self.line.read().unwrap_or_else(PoisonError::into_inner).clone();
        line.filter(|line| !line.is_dead())
    }

    fn put(&self, line: Option<Arc<Line>>) {
        *self.line.write().unwrap_or_else(PoisonError::into_inner) = line;
    }
}

impl Shared for Store {
    fn enter(&self, spent: Spent) -> Entering<'_> {
        Box::pin(self.ask(spent))
    }
}

/// The store gave no answer that can be used; the log was told why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store is out of reach")]
pub struct Unavailable;

impl From<Unavailable> for NotCommitted {
    fn from(_: Unavailable) -> Self {
        Self::StoreUnreachable
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

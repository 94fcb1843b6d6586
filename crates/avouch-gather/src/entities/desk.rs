//! Where one entity is asked: each question once, and those that wait for a place together.

use super::EntityFigures;
use super::figures::{Counts, add};
use super::known::Known;
use super::name::{Name, Names};
use super::pace::Pace;
use super::trouble::Trouble;
use super::unfound::Unfound;
use crate::clock::Clock;
use crate::https::{Asked, Client, Question};
use crate::pauses;
use avouch_engine::evidence::{Answer, Cause, EntityQuestion, Registered};
use avouch_keys::SecretKey;
use avouch_keys::entity::{self, Asked as Signed};
use avouch_keys::entropy::SystemEntropy;
use avouch_wire::authority::{Authority, Scheme};
use avouch_wire::entity::{
    AgentQuestion, EPOCH, KeyAnswer, KeyQuestion, MAX_AGENTS, MAX_ANSWER, MessageError, Question as Asks,
    Registration, epoch_of,
};
use avouch_wire::name::Domain;
use avouch_wire::time::Time;
use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

/// Questions under way at once. While these are, further ones wait, and go together.
const SIMULTANEOUS: usize = 4;

/// Agents that are asked for or wait to be: a crowd of them that comes at the beginning of an epoch.
const WAITING: usize = 4_096;

/// How long a request waits for its answer.
const DEADLINE: Duration = Duration::from_secs(3);

/// After a failure of the entity, and after each further one twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// However often it failed, and however long it wants to be left alone.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Sites that pauses are told apart by; a verifier has few.
const AUDIENCES: usize = 64;

/// The right of a source to cause a question, held until it is answered.
pub(super) type Admission = Box<dyn Any + Send>;

type Landing = watch::Receiver<Option<Answer<Arc<Registered>>>>;

/// Where one entity is asked.
pub(super) struct Desk {
    pub(super) entity: Domain<'static>,
    port: u16,
    pub(super) client: Client,
    pub(super) key: Arc<SecretKey>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) forgotten: Arc<AtomicU64>,
    pub(super) known: RwLock<Known>,
    pub(super) names: Names,
    pub(super) counts: Counts,
    unfound: Unfound,
    waiting: Mutex<Waiting>,
    pace: Pace,
    pauses: Mutex<HashMap<String, Pause>>,
    /// What the log was told last of questions for each site that is in trouble.
    told: Mutex<HashMap<String, String>>,
}

/// Who waits for answers.
#[derive(Default)]
struct Waiting {
    /// Those under way and those that wait for a place.
    flights: HashMap<u128, Landing>,
    queue: VecDeque<Waiter>,
    /// Tasks that ask.
    asking: usize,
}

/// A question that waits for a place.
struct Waiter {
    question: EntityQuestion,
    landing: watch::Sender<Option<Answer<Arc<Registered>>>>,
    _admission: Admission,
}

/// A signed question, and where it goes.
pub(super) struct ToAsk {
    url: String,
    signed: Signed,
}

/// Until when an entity is left alone, and why.
#[derive(Clone, Copy)]
struct Pause {
    failures: u32,
    until: Time,
    cause: Cause,
}

impl Desk {
    pub(super) fn new(
        entity: Domain<'static>,
        port: u16,
        client: Client,
        (key, forgotten, clock): (Arc<SecretKey>, Arc<AtomicU64>, Arc<dyn Clock>),
    ) -> Self {
        Self {
            entity,
            port,
            client,
            key,
            clock,
            forgotten,
            known: RwLock::default(),
            names: Names::new(),
            counts: Counts::default(),
            unfound: Unfound::new(),
            waiting: Mutex::default(),
            pace: Pace::default(),
            pauses: Mutex::default(),
            told: Mutex::default(),
        }
    }

    pub(super) fn figures(&self) -> EntityFigures {
        self.counts.figures(self.known.read().unwrap_or_else(PoisonError::into_inner).len())
    }

    pub(super) fn sweep(&self, now: Time) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).sweep(now);
    }

    pub(super) fn peek(&self, question: &EntityQuestion, now: Time) -> Option<Answer<Arc<Registered>>> {
        self.peek_by(self.names.question(question), now)
    }

    fn peek_by(&self, name: u128, now: Time) -> Option<Answer<Arc<Registered>>> {
        let found = self.known.read().unwrap_or_else(PoisonError::into_inner).peek(name, now);
        found.or_else(|| self.unfound.peek(name, now))
    }

    pub(super) async fn look_up(
        self: &Arc<Self>,
        question: &EntityQuestion,
        admit: impl FnOnce() -> Result<Admission, Cause>,
    ) -> Answer<Arc<Registered>> {
        let mut landing = match self.board(question, admit) {
            Ok(landing) => landing,
            Err(answer) => return answer,
        };
        match timeout(DEADLINE, landing.wait_for(Option::is_some)).await {
            Ok(Ok(answer)) => answer.clone().unwrap_or_default(),
            Ok(Err(_)) | Err(_) => Answer::Unknown(Cause::EntityUnreachable),
        }
    }

    /// A place where the answer will land, or what is at hand.
    fn board(
        self: &Arc<Self>,
        question: &EntityQuestion,
        admit: impl FnOnce() -> Result<Admission, Cause>,
    ) -> Result<Landing, Answer<Arc<Registered>>> {
        let name = self.names.question(question);
        let mut waiting = lock(&self.waiting);
        // Under the lock: what has landed since it was looked for is not asked for again.
        if let Some(answer) = self.peek_by(name, self.clock.now()) {
            return Err(answer);
        }
        if let Some(landing) = waiting.flights.get(&name) {
            return Ok(landing.clone());
        }
        if waiting.flights.len() >= WAITING {
            return Err(Answer::Unknown(Cause::Budget));
        }
        let admission = admit().map_err(Answer::Unknown)?;
        let (sender, landing) = watch::channel(None);
        waiting.flights.insert(name, landing.clone());
        waiting.queue.push_back(Waiter {
            question: question.clone(),
            landing: sender,
            _admission: admission,
        });
        if waiting.asking < SIMULTANEOUS {
            waiting.asking += 1;
            // It goes on without those who asked, so that nobody takes an answer from others by hanging up.
            tokio::spawn(Arc::clone(self).ask_all());
        }
        Ok(landing)
    }

    /// Asks until nobody waits for a place any more.
    async fn ask_all(self: Arc<Self>) {
        while let Some(waiters) = self.next_waiters().await {
            let questions: Vec<_> = waiters.iter().map(|waiter| &waiter.question).collect();
            let answers = self.ask(&questions).await;
            let mut waiting = lock(&self.waiting);
            for (waiter, answer) in waiters.iter().zip(answers) {
                waiting.flights.remove(&self.names.question(&waiter.question));
                waiter.landing.send_replace(Some(answer));
            }
        }
    }

    /// Those who are asked for next, together; who comes while a question has to wait goes with it.
    async fn next_waiters(&self) -> Option<Vec<Waiter>> {
        if !lock(&self.waiting).queue.is_empty() {
            tokio::time::sleep_until(self.pace.turn(Instant::now())).await;
        }
        lock(&self.waiting).next()
    }

    /// Asks for agents of one site and epoch, and gives an answer for each.
    async fn ask(&self, questions: &[&EntityQuestion]) -> Vec<Answer<Arc<Registered>>> {
        let Some(first) = questions.first() else { return Vec::new() };
        let site = first.audience.as_str();
        let now = self.clock.now();
        if let Some(cause) = self.pausing(site, now) {
            return questions.iter().map(|_| Answer::Unknown(cause)).collect();
        }
        match self.exchange(questions, now).await {
            Ok(answers) => {
                add(&self.counts.answered);
                lock(&self.pauses).remove(site);
                self.tell(site, None);
                answers
            }
            Err(trouble) => {
                let cause = trouble.cause();
                let unusable = cause == Cause::EntityUnusable;
                add(if unusable { &self.counts.unusable } else { &self.counts.unreachable });
                if trouble.is_of_entity() {
                    self.pause(site, &trouble, self.clock.now());
                    self.tell(site, Some(&trouble));
                }
                let failed = |question: &&EntityQuestion| {
                    self.unfound.failed(self.names.question(question), cause, self.clock.now());
                    Answer::Unknown(cause)
                };
                questions.iter().map(failed).collect()
            }
        }
    }

    async fn exchange(
        &self,
        questions: &[&EntityQuestion],
        now: Time,
    ) -> Result<Vec<Answer<Arc<Registered>>>, Trouble> {
        let question = self.question(questions, now)?;
        let signed = self.sign(question.clone()).await?;
        match self.client.ask(signed.question(), MAX_ANSWER, now).await? {
            Asked::Answer(octets) => {
                let answer = KeyAnswer::read(&octets, &question)?;
                self.land(questions, answer, now)
            }
            Asked::Refused(status, pause) => Err(Trouble::Refused(status, pause)),
        }
    }

    fn question(&self, questions: &[&EntityQuestion], now: Time) -> Result<KeyQuestion, Trouble> {
        let site = questions.first().map_or("", |question| &question.audience);
        let audience = Authority::parse(site, Scheme::Https).map_err(|_| MessageError::Form("aud"))?;
        let agent = |question: &&EntityQuestion| AgentQuestion {
            domain: question.domain.clone(),
            agent: question.agent.clone(),
            epoch: question.epoch,
        };
        Ok(KeyQuestion {
            entity: self.entity.clone(),
            audience: audience.into_owned(),
            time: now.seconds(),
            nonce: entity::nonce(&mut SystemEntropy)?,
            agents: questions.iter().map(agent).collect(),
        })
    }

    /// Signs a question, on a thread that may wait: the key may be in a TPM.
    pub(super) async fn sign<Q: Asks + Send + 'static>(&self, question: Q) -> Result<ToAsk, Trouble> {
        let key = Arc::clone(&self.key);
        let signing = tokio::task::spawn_blocking(move || entity::ask(&key, &question));
        let signed = signing.await.map_err(|_| Trouble::Cancelled)??;
        let port = if self.port == 443 { String::new() } else { format!(":{}", self.port) };
        Ok(ToAsk { url: format!("https://{}{port}{}", self.entity, Q::PATH), signed })
    }

    /// Takes in an answer to what was asked at `asked`. Nothing of it is used at the end of the epoch that ran then, nor
    /// when the entity says.
    fn land(
        &self,
        questions: &[&EntityQuestion],
        answer: KeyAnswer,
        asked: Time,
    ) -> Result<Vec<Answer<Arc<Registered>>>, Trouble> {
        let now = self.clock.now();
        let end = (epoch_of(asked.seconds()) + 1).saturating_mul(EPOCH).min(answer.until);
        let until = Time::from_seconds(end);
        if now >= until || now < asked {
            return Err(Trouble::Past);
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let mut land = |(question, agent): (&&EntityQuestion, Registration)| {
            let name = self.names.of(question);
            let registered = match agent {
                Registration::Registered { keys, floor } => Registered::Active { keys, floor },
                Registration::Revoked => Registered::Revoked,
                Registration::Unknown => return Some(self.unfound.unknown(name.question, now, until)),
            };
            let about: (Name, _, _) = (name, &question.domain, &question.agent);
            known.land(about, (registered, answer.event), (now, until))
        };
        let agents = answer.agents.into_iter().map(|agent| agent.registration);
        let landed: Option<Vec<_>> = questions.iter().zip(agents).map(&mut land).collect();
        landed.ok_or(Trouble::Overtaken)
    }

    /// Why nothing is asked for this site now.
    fn pausing(&self, site: &str, now: Time) -> Option<Cause> {
        let pause = *lock(&self.pauses).get(site)?;
        (!pauses::is_due(pause.until, now, LONGEST_PAUSE)).then_some(pause.cause)
    }

    fn pause(&self, site: &str, trouble: &Trouble, now: Time) {
        let mut pauses = lock(&self.pauses);
        if pauses.len() >= AUDIENCES {
            pauses.retain(|_, pause| !pauses::is_due(pause.until, now, LONGEST_PAUSE));
        }
        let failures = pauses.get(site).map_or(0, |pause| pause.failures).saturating_add(1);
        let own = pauses::after(failures, FIRST_PAUSE, LONGEST_PAUSE);
        let whole = trouble.wanted_pause().map_or(own, |wanted| wanted.max(own)).min(LONGEST_PAUSE);
        if pauses.len() < AUDIENCES {
            pauses
                .insert(site.to_owned(), Pause { failures, until: now.after(whole), cause: trouble.cause() });
        }
    }

    /// Tells the log when something has changed.
    fn tell(&self, site: &str, trouble: Option<&Trouble>) {
        let mut told = lock(&self.told);
        match trouble.map(ToString::to_string) {
            None if told.remove(site).is_some() => {
                tracing::info!("the registration entity {} gives keys for {site} again", self.entity);
            }
            Some(text)
                if told.get(site) != Some(&text) && (told.len() < AUDIENCES || told.contains_key(site)) =>
            {
                tracing::warn!("the registration entity {} gives no keys for {site}: it {text}", self.entity);
                told.insert(site.to_owned(), text);
            }
            None | Some(_) => {}
        }
    }
}

impl ToAsk {
    pub(super) fn question(&self) -> Question<'_> {
        let Signed { authorization, body } = &self.signed;
        Question { url: &self.url, authorization, body: body.clone().into() }
    }
}

impl Waiting {
    /// Those that wait longest for one site and epoch; `None` ends the task that asks. Of one epoch, so that a question
    /// for one that the entity's clock is past keeps no other from being answered.
    fn next(&mut self) -> Option<Vec<Waiter>> {
        let Some(first) = self.queue.pop_front() else {
            self.asking = self.asking.saturating_sub(1);
            return None;
        };
        let mut waiters = vec![first];
        let mut rest = VecDeque::with_capacity(self.queue.len());
        for waiter in self.queue.drain(..) {
            let goes_along = waiters.first().is_some_and(|first| {
                let (one, other) = (&first.question, &waiter.question);
                one.epoch == other.epoch && one.audience == other.audience
            });
            if goes_along && waiters.len() < MAX_AGENTS {
                waiters.push(waiter);
            } else {
                rest.push_back(waiter);
            }
        }
        self.queue = rest;
        Some(waiters)
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

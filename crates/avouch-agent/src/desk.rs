//! Where signatures are made.
//!
//! This file alone knows how a signature comes about. A key in memory signs each request by itself, on a bounded number
//! of threads. A key in a TPM takes its time, one signature after the other: what SAIP certifies by it goes into batches,
//! for which no thread waits, and whatever else it signs has one thread. Nothing waits longer than `[limits] wait` for its
//! turn, nor longer for its signature.

use std::sync::Arc;
use std::time::Duration;

use avouch_gather::clock::Clock;
use avouch_keys::KeyError;
use avouch_keys::batch::Pending;
use avouch_wire::time::Time;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};

use crate::config::{Limits, Protocols};
use crate::identity::{Identity, SAIP, SignError, not_in_batch};
use crate::lines::Ticket;
use crate::question::Question;
use crate::standing::Standing;

/// How often a key in a TPM is tried out that has signed nothing meanwhile.
const TRY: Duration = Duration::from_secs(30);

/// The same while it does not sign, so that signing goes on soon after it could.
const TRY_AGAIN: Duration = Duration::from_secs(2);

/// Why there is no signature.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// As many wait as may, or the wait was too long.
    #[error(
        "more requests are to be signed than the key signs; `[limits] waiting` and `wait` say how many wait, and how long"
    )]
    Busy,
    /// The key does not sign.
    #[error("{0}")]
    Key(KeyError),
    /// The key was at work, and made no signature in time.
    #[error("the key made no signature within {} ms (`[limits] wait`): see whether its TPM answers", .0.as_millis())]
    Late(Duration),
    /// The request cannot be signed.
    #[error("{0}")]
    Sign(SignError),
    /// The thread ended without a result; a defect of avouch.
    #[error("signing broke off")]
    Broken,
}

impl From<SignError> for DeskError {
    fn from(error: SignError) -> Self {
        error.of_key().map_or(Self::Sign(error), Self::Key)
    }
}

/// The fields that sign a request.
type Signed = Vec<(&'static str, String)>;

/// Where requests are counted: the place of this one, to be kept until its answer begins.
type Counted = Option<Ticket>;

/// Signs, a bounded number at once.
pub(crate) struct Desk {
    identity: Arc<Identity>,
    clock: Arc<dyn Clock>,
    standing: Standing,
    /// Places for those that are signed and those that wait.
    room: Semaphore,
    /// Threads.
    hands: Arc<Semaphore>,
    wait: Duration,
}

impl Desk {
    pub(crate) fn new(identity: Identity, clock: Arc<dyn Clock>, limits: &Limits) -> Self {
        // More threads would only stand in each other's way, and in that of the batches.
        let hands = if identity.is_in_tpm() { 1 } else { limits.signatures };
        Self {
            identity: Arc::new(identity),
            clock,
            standing: Standing::default(),
            room: Semaphore::new(limits.signatures.saturating_add(limits.waiting)),
            hands: Arc::new(Semaphore::new(hands)),
            wait: limits.wait,
        }
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Whether the key signs.
    pub(crate) const fn standing(&self) -> &Standing {
        &self.standing
    }

    /// The fields that sign a request. Every call makes a signature of its own, with its own nonce.
    pub(crate) async fn sign(
        &self,
        by: Protocols,
        question: Question,
    ) -> Result<(Signed, Counted), DeskError> {
        let _place = self.room.try_acquire().map_err(|_| DeskError::Busy)?;
        let signed = self.make(by, question).await;
        self.standing.learn(&signed, self.clock.now());
        signed
    }

    /// Keeps up with what changes while nothing is sent: a key in a TPM may go away and come back, and a secret is
    /// renewed.
    pub(crate) async fn keep_up(&self) {
        tokio::join!(self.try_out(), self.refresh());
    }

    async fn refresh(&self) {
        let Some(registered) = self.identity.registered() else { return };
        loop {
            tokio::time::sleep(TRY_AGAIN).await;
            registered.refresh();
        }
    }

    async fn try_out(&self) {
        if !self.identity.is_in_tpm() {
            return;
        }
        let mut tried = Instant::now();
        loop {
            tokio::time::sleep(TRY_AGAIN).await;
            let is_due = tried.elapsed() >= TRY && !self.standing.has_signed();
            if is_due || self.standing.failing().is_some() {
                let trial = self.by_hand(Instant::now() + self.wait, |identity, now| identity.try_out(now));
                self.standing.learn(&trial.await, self.clock.now());
            }
            if tried.elapsed() >= TRY {
                tried = Instant::now();
            }
        }
    }

    async fn make(&self, by: Protocols, question: Question) -> Result<(Signed, Counted), DeskError> {
        let until = Instant::now() + self.wait;
        match self.identity.registered().filter(|_| by.saip) {
            Some(registered) => {
                let counting = timeout_at(until, registered.sign(&question, || self.clock.now())).await;
                let (header, ticket) = counting.map_err(|_| DeskError::Busy)??;
                let rest = Protocols { saip: false, ..by };
                let mut signed = vec![(SAIP, header)];
                if !rest.is_none() {
                    signed.extend(self.by_key(until, rest, question).await?);
                }
                Ok((signed, Some(ticket)))
            }
            None => Ok((self.by_key(until, by, question).await?, None)),
        }
    }

    async fn by_key(&self, until: Instant, by: Protocols, question: Question) -> Result<Signed, DeskError> {
        let pending = match by.saip {
            true => self.identity.hand_in(&question, self.clock.now())?,
            false => None,
        };
        let rest = Protocols { saip: by.saip && pending.is_none(), ..by };
        if pending.is_some() && rest.is_none() {
            return self.certified(until, pending).await;
        }
        let by_hand = self.by_hand(until, move |identity, now| identity.sign(rest, &question, now));
        let (mut signed, more) = tokio::try_join!(self.certified(until, pending), by_hand)?;
        signed.extend(more);
        Ok(signed)
    }

    /// Waits for the certificate of a batch.
    async fn certified(&self, until: Instant, pending: Option<Pending>) -> Result<Signed, DeskError> {
        let Some(pending) = pending else { return Ok(Vec::new()) };
        let header = timeout_at(until, pending).await.map_err(|_| DeskError::Late(self.wait))?;
        Ok(vec![(SAIP, header.map_err(not_in_batch)?)])
    }

    /// Waits for a thread, and has it do something with the key.
    async fn by_hand<T: Send + 'static>(
        &self,
        until: Instant,
        work: impl FnOnce(&Identity, Time) -> Result<T, SignError> + Send + 'static,
    ) -> Result<T, DeskError> {
        let hand = timeout_at(until, Arc::clone(&self.hands).acquire_owned()).await;
        let hand = hand.map_err(|_| DeskError::Busy)?.map_err(|_| DeskError::Broken)?;
        let (identity, clock) = (Arc::clone(&self.identity), Arc::clone(&self.clock));
        let signing = tokio::task::spawn_blocking(move || {
            // Held by the thread: whoever asked may be gone before it is done.
            let _hand = hand;
            work(&identity, clock.now())
        });
        let signed = timeout(self.wait, signing).await.map_err(|_| DeskError::Late(self.wait))?;
        Ok(signed.map_err(|_| DeskError::Broken)??)
    }
}

#[cfg(test)]
mod tests {
    use avouch_gather::clock::SystemClock;
    use avouch_keys::SecretKey;
    use avouch_keys::entropy::SystemEntropy;
    use avouch_keys::store::{self, Protection};
    use avouch_wire::authority::{Authority, Scheme};
    use avouch_wire::key::KeyType;

    use super::*;
    use crate::config::Config;
    use crate::question::Content;
    use crate::site::Site;

    fn desk(limits: &str) -> Desk {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("k");
        let key = SecretKey::generate(KeyType::Ed25519, &mut SystemEntropy).unwrap();
        store::create(&path, &key, Protection::None).unwrap();
        let text = format!(
            "key = 'file:{}'\ndomain = 'acme.example'\nagent = 'bot'\nsigner.socket = '/s'\ndestination = {{ host = '*' }}\nlimits = {limits}",
            path.display()
        );
        let config = Config::parse("f", &text).unwrap();
        Desk::new(Identity::open(&config.identity).unwrap(), Arc::new(SystemClock::new()), &config.limits)
    }

    fn question(method: &str) -> Question {
        let authority = Authority::parse("www.shop.example", Scheme::Https).unwrap();
        let site = Site { scheme: Scheme::Https, authority };
        Question { method: method.into(), site, target: "/".into(), content: Content::None }
    }

    #[tokio::test]
    async fn every_signature_is_another_and_what_cannot_be_signed_is_not() {
        let desk = desk("{}");
        let one = desk.sign(Protocols::SAIP, question("GET")).await.unwrap().0;
        assert_ne!(one, desk.sign(Protocols::SAIP, question("GET")).await.unwrap().0);
        let refused = desk.sign(Protocols::SAIP, question("GE T")).await;
        assert!(matches!(refused, Err(DeskError::Sign(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_wait_than_may_and_none_longer() {
        let desk = Arc::new(desk("{ signatures = 1, waiting = 1, wait = '2s' }"));
        let only = Arc::clone(&desk.hands).acquire_owned().await.unwrap();
        let wait = || {
            let desk = Arc::clone(&desk);
            tokio::spawn(async move { desk.sign(Protocols::SAIP, question("GET")).await })
        };
        let (one, two) = (wait(), wait());
        tokio::task::yield_now().await;
        assert!(matches!(desk.sign(Protocols::SAIP, question("GET")).await, Err(DeskError::Busy)), "a third");
        for waiting in [one, two] {
            assert!(matches!(waiting.await.unwrap(), Err(DeskError::Busy)), "in vain");
        }
        drop(only);
        assert!(desk.sign(Protocols::SAIP, question("GET")).await.is_ok(), "and then there is room again");
    }
}

//! Where signatures are made: a bounded number at once, each by a thread that may block.
//!
//! This file alone knows how a signature comes about. A key in hardware takes its time, and a queue that makes many
//! signatures of one takes this place without anybody else noticing.

use std::sync::Arc;
use std::time::Duration;

use avouch_gather::clock::Clock;
use tokio::sync::Semaphore;

use crate::config::{Limits, Protocols};
use crate::identity::{Identity, SignError};
use crate::question::Question;

/// Why there is no signature.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// As many wait as may, or the wait was too long.
    #[error(
        "more requests are to be signed than the key signs; `[limits] waiting` and `wait` say how many wait, and how long"
    )]
    Busy,
    /// The request cannot be signed.
    #[error("{0}")]
    Sign(#[from] SignError),
    /// The thread ended without a result; a defect of avouch.
    #[error("signing broke off")]
    Broken,
}

/// Signs, a bounded number at once.
pub(crate) struct Desk {
    identity: Arc<Identity>,
    clock: Arc<dyn Clock>,
    /// Places for those that are signed and those that wait.
    room: Semaphore,
    /// Threads.
    hands: Arc<Semaphore>,
    wait: Duration,
}

impl Desk {
    pub(crate) fn new(identity: Identity, clock: Arc<dyn Clock>, limits: &Limits) -> Self {
        Self {
            identity: Arc::new(identity),
            clock,
            room: Semaphore::new(limits.signatures.saturating_add(limits.waiting)),
            hands: Arc::new(Semaphore::new(limits.signatures)),
            wait: limits.wait,
        }
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The fields that sign a request. Every call makes a signature of its own, with its own nonce.
    pub(crate) async fn sign(
        &self,
        by: Protocols,
        question: Question,
    ) -> Result<Vec<(&'static str, String)>, DeskError> {
        let _place = self.room.try_acquire().map_err(|_| DeskError::Busy)?;
        let hand = tokio::time::timeout(self.wait, Arc::clone(&self.hands).acquire_owned()).await;
        let hand = hand.map_err(|_| DeskError::Busy)?.map_err(|_| DeskError::Broken)?;
        let (identity, clock) = (Arc::clone(&self.identity), Arc::clone(&self.clock));
        let signing = tokio::task::spawn_blocking(move || {
            // Held by the thread: whoever asked may be gone before it is done.
            let _hand = hand;
            identity.sign(by, &question, clock.now())
        });
        Ok(signing.await.map_err(|_| DeskError::Broken)??)
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
        let one = desk.sign(Protocols::SAIP, question("GET")).await.unwrap();
        assert_ne!(one, desk.sign(Protocols::SAIP, question("GET")).await.unwrap());
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

//! When a certificate is ordered: at once where there is none, when two thirds of its life are over, and after failures
//! at growing pauses. Whatever fails, the certificate at hand stays in use.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use avouch_dns::Dns;
use avouch_gather::clock::Clock;
use avouch_gather::folder::StoreError;
use avouch_gather::pauses;
use avouch_keys::entropy::{Entropy as _, SystemEntropy};
use avouch_tls::{Acceptor, Connector};
use avouch_wire::time::Time;

use crate::exchange::Exchange;
use crate::kept::Kept;
use crate::order::order;
use crate::{AcmeError, Answers, Settings};

/// How often the clock is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Pauses between failures. Authorities let an account fail five times an hour for one name; the first pause is such
/// that this is not reached.
const FIRST_PAUSE: Duration = Duration::from_mins(5);
const LONGEST_PAUSE: Duration = Duration::from_hours(6);

/// The longest that an authority's word is waited for: one that says a year is not meant.
const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// Longer than any order with reason.
const LONGEST_ORDER: Duration = Duration::from_mins(5);

/// The part of a pause that may be left out, so that many sites that failed together do not come back together.
const PART: u32 = 4;

/// Keeps a certificate in force.
pub struct Keeper {
    settings: Settings,
    kept: Kept,
    exchange: Exchange,
    answers: Answers,
    clock: Arc<dyn Clock>,
    done: AtomicU64,
    failed: AtomicU64,
}

/// What became of orders since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Certificates that were issued and put to use.
    pub done: u64,
    /// Orders that came to nothing.
    pub failed: u64,
}

impl Keeper {
    /// Takes the folder. Hosts are looked up by `dns`, and asked by `connector`; challenges are answered with `answers`.
    ///
    /// # Errors
    ///
    /// The folder cannot be used, or another process holds it.
    pub fn open(
        settings: Settings,
        (dns, connector): (Dns, Connector),
        answers: Answers,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let kept = Kept::open(&settings.folder)?;
        let exchange = Exchange::new(dns, connector, Arc::clone(&clock));
        let (done, failed) = Default::default();
        Ok(Self { settings, kept, exchange, answers, clock, done, failed })
    }

    /// What became of orders so far.
    pub fn figures(&self) -> Figures {
        Figures { done: self.done.load(Ordering::Relaxed), failed: self.failed.load(Ordering::Relaxed) }
    }

    /// What challenges are answered with.
    pub const fn answers(&self) -> &Answers {
        &self.answers
    }

    /// Keeps a certificate in force for as long as it is polled. `renewed` is called when another one is in the folder.
    pub async fn keep(&self, renewed: impl Fn()) {
        let held = self.kept.certificate(&self.settings, self.clock.now());
        let mut due = held.as_ref().map_or(Time::default(), |held| self.renewal(held));
        let (mut failures, mut longest) = (0_u32, None);
        loop {
            let now = self.clock.now();
            // A clock that was set back lets nobody wait for longer than a pause.
            let is_due = longest.map_or(due <= now, |longest| pauses::is_due(due, now, longest));
            if is_due {
                (due, longest) = match self.renew().await {
                    Ok(acceptor) => {
                        (failures, _) = (0, self.done.fetch_add(1, Ordering::Relaxed));
                        renewed();
                        (self.renewal(&acceptor), None)
                    }
                    Err(error) => {
                        failures = failures.saturating_add(1);
                        let pause = self.pause(failures);
                        (self.clock.now().after(self.failed(&error, pause)), Some(pause))
                    }
                };
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn renew(&self) -> Result<Acceptor, AcmeError> {
        let ordering = order(&self.settings, &self.kept, &self.exchange, &self.answers, &*self.clock);
        let ordered = tokio::time::timeout(LONGEST_ORDER, ordering).await.unwrap_or(Err(AcmeError::TooLong));
        self.answers.clear();
        let (pem, acceptor) = ordered?;
        self.kept.keep_certificate(&pem)?;
        tracing::info!(names = %self.settings.names.join(" "), "a TLS certificate was issued, and is in use");
        Ok(acceptor)
    }

    /// When two thirds of a certificate's life are over, or a little before.
    fn renewal(&self, acceptor: &Acceptor) -> Time {
        let begin = acceptor.begins().and_then(|begin| u64::try_from(begin).ok()).unwrap_or_default();
        let end = acceptor.expires().and_then(|end| u64::try_from(end).ok()).unwrap_or_default();
        let life = Duration::from_secs(end.saturating_sub(begin));
        Time::from_seconds(begin).after(pauses::shortened(life * 2 / 3, 16, random()))
    }

    fn pause(&self, failures: u32) -> Duration {
        let pause = pauses::shortened(pauses::after(failures, FIRST_PAUSE, LONGEST_PAUSE), PART, random());
        let said = self.exchange.take_wait().unwrap_or_default().min(LONGEST_WAIT);
        pause.max(said)
    }

    fn failed(&self, error: &AcmeError, pause: Duration) -> Duration {
        self.failed.fetch_add(1, Ordering::Relaxed);
        tracing::error!(
            "no TLS certificate for {}: {error}; the one at hand stays in use, the next try is in {} s",
            self.settings.names.join(" "),
            pause.as_secs()
        );
        pause
    }
}

/// A number that nobody can foresee; where the system has none, any will do.
fn random() -> u64 {
    let mut octets = [0; 8];
    let drawn = SystemEntropy.fill(&mut octets);
    drawn.map_or(0, |()| u64::from_be_bytes(octets))
}

//! When a certificate is ordered: at once where there is none, when the authority would have it or else when two thirds
//! of its life are over, and after failures at growing pauses. Whatever fails, the certificate at hand stays in use.

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

use crate::advice::Advice;
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

/// When an authority is asked again that does not say when to renew.
const ASK_AGAIN: Duration = Duration::from_hours(24);

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
        let mut plan = Plan::of(self.kept.certificate(&self.settings, self.clock.now()));
        loop {
            let now = self.clock.now();
            if plan.is_due(now) {
                plan = match self.renew().await {
                    Ok(acceptor) => {
                        self.done.fetch_add(1, Ordering::Relaxed);
                        renewed();
                        // One that was just issued is not asked about: whatever the authority says of it, no
                        // order follows another at once.
                        let (now, plan) = (self.clock.now(), Plan::of(Some(acceptor)));
                        // Nor where most of its life is over by our clock already.
                        let due = plan.due.max(now.after(FIRST_PAUSE));
                        Plan { due, ask_at: now.after(ASK_AGAIN), ..plan }
                    }
                    Err(error) => self.again(plan, &error),
                };
            } else if plan.asks(now) {
                self.take_advice(&mut plan).await;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Asks the authority when it would have the certificate renewed. Where it does not say, two thirds of its life decide.
    async fn take_advice(&self, plan: &mut Plan) {
        let Some(held) = &plan.held else { return };
        let asking = Advice::ask(&self.settings, (&self.kept, &self.exchange), held);
        let asked = tokio::time::timeout(LONGEST_ORDER, asking).await.unwrap_or(Err(AcmeError::TooLong));
        let now = self.clock.now();
        plan.ask_at = now.after(ASK_AGAIN);
        match asked {
            Ok(Some(advice)) => {
                plan.due = advice.due(plan.due, random());
                plan.ask_at = now.after(advice.for_now);
            }
            Ok(None) => {}
            Err(error) => tracing::debug!(%error, "the authority does not say when to renew"),
        }
    }

    async fn renew(&self) -> Result<Acceptor, AcmeError> {
        let _of_other_questions = self.exchange.take_wait();
        let ordering = order(&self.settings, &self.kept, &self.exchange, &self.answers, &*self.clock);
        let ordered = tokio::time::timeout(LONGEST_ORDER, ordering).await.unwrap_or(Err(AcmeError::TooLong));
        self.answers.clear();
        let (pem, acceptor) = ordered?;
        self.kept.keep_certificate(&pem)?;
        tracing::info!(names = %self.settings.names.join(" "), "a TLS certificate was issued, and is in use");
        Ok(acceptor)
    }

    /// What follows a failure.
    fn again(&self, plan: Plan, error: &AcmeError) -> Plan {
        let failures = plan.failures.saturating_add(1);
        let pause = self.pause(failures);
        self.failed.fetch_add(1, Ordering::Relaxed);
        tracing::error!(
            "no TLS certificate for {}: {error}; the one at hand stays in use, the next try is in {} s",
            self.settings.names.join(" "),
            pause.as_secs()
        );
        Plan { due: self.clock.now().after(pause), pause: Some(pause), failures, ..plan }
    }

    fn pause(&self, failures: u32) -> Duration {
        let pause = pauses::shortened(pauses::after(failures, FIRST_PAUSE, LONGEST_PAUSE), PART, random());
        let said = self.exchange.take_wait().unwrap_or_default().min(LONGEST_WAIT);
        pause.max(said)
    }
}

/// What comes next.
struct Plan {
    /// The certificate at hand.
    held: Option<Acceptor>,
    /// When another is ordered.
    due: Time,
    /// When the authority is asked for its advice on that.
    ask_at: Time,
    /// After failures: how many in a row, and the pause that the last one brought.
    failures: u32,
    pause: Option<Duration>,
}

impl Plan {
    /// With this certificate, which is renewed when two thirds of its life are over, or a little before.
    fn of(held: Option<Acceptor>) -> Self {
        let due = held.as_ref().map_or(Time::default(), |held| {
            let seconds = |at: Option<i64>| at.and_then(|at| u64::try_from(at).ok()).unwrap_or_default();
            let (begin, end) = (seconds(held.begins()), seconds(held.expires()));
            let life = Duration::from_secs(end.saturating_sub(begin));
            Time::from_seconds(begin).after(pauses::shortened(life * 2 / 3, 16, random()))
        });
        Self { held, due, ask_at: Time::default(), failures: 0, pause: None }
    }

    /// A clock that was set back lets nobody wait for longer than a pause.
    fn is_due(&self, now: Time) -> bool {
        self.pause.map_or(self.due <= now, |pause| pauses::is_due(self.due, now, pause))
    }

    /// Whether the authority is asked for its advice: not while orders fail.
    fn asks(&self, now: Time) -> bool {
        self.failures == 0 && self.held.is_some() && pauses::is_due(self.ask_at, now, ASK_AGAIN)
    }
}

/// A number that nobody can foresee; where the system has none, any will do.
fn random() -> u64 {
    let mut octets = [0; 8];
    let drawn = SystemEntropy.fill(&mut octets);
    drawn.map_or(0, |()| u64::from_be_bytes(octets))
}

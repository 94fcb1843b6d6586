//! How many look-ups one source of requests may cause, and how many run at the same time.
//!
//! A stranger who names a new domain in each request makes us ask the DNS for each of them. The
//! budget bounds what one source can make us do; the bound on simultaneous look-ups what all of
//! them together can.

use core::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use avouch_engine::decision::Subject;
use avouch_engine::evidence::Cause;
use avouch_wire::time::Time;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::bounded::Bounded;
use crate::hash_key::HashKey;

/// Look-ups a second and source, in the default setting: an agent costs at most five (its own
/// name and its ancestors) once per TTL, so this admits twenty new agents a second from one
/// address.
pub const PER_SECOND: u32 = 100;

/// Look-ups a source may cause at once after a pause: a crawler that starts a hundred agents.
pub const BURST: u32 = 500;

/// Look-ups under way at the same time, for all sources: each is a UDP socket and some memory.
pub const SIMULTANEOUS: usize = 1024;

/// Sources counted apart, in the default setting: 2 MiB. When more are active at once, newcomers
/// share one budget until some fall idle.
pub const SOURCES: usize = 1 << 15;

/// The bounds of a [`Budget`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Look-ups a second and source; 0 is read as 1.
    pub per_second: u32,
    /// Look-ups a source may cause at once after a pause; 0 is read as 1.
    pub burst: u32,
    /// Look-ups under way at the same time, for all sources.
    pub simultaneous: usize,
    /// Sources counted apart.
    pub sources: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { per_second: PER_SECOND, burst: BURST, simultaneous: SIMULTANEOUS, sources: SOURCES }
    }
}

/// Who causes a look-up: an IPv4 address, or the /64 of an IPv6 address, as for the policy's rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Source(Subject<'static>);

impl From<IpAddr> for Source {
    fn from(address: IpAddr) -> Self {
        Self(Subject::address(address))
    }
}

/// The right to run one look-up; dropping it makes room for another.
#[derive(Debug)]
#[must_use = "the look-up counts as under way only while this is held"]
pub struct Admission(#[expect(dead_code, reason = "held for its Drop")] OwnedSemaphorePermit);

/// The look-ups of all sources, counted.
#[derive(Debug)]
pub struct Budget {
    /// Per source the moment, in microseconds, at which its bucket is full again (GCRA).
    sources: Bounded<Source, u64>,
    key: HashKey,
    newcomers: Mutex<u64>,
    running: Arc<Semaphore>,
    interval: u64,
    burst: u64,
}

impl Budget {
    /// A budget nobody has drawn on.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let interval = 1_000_000 / u64::from(settings.per_second.max(1));
        Self {
            sources: Bounded::new(settings.sources),
            key: HashKey::random(),
            newcomers: Mutex::new(0),
            running: Arc::new(Semaphore::new(settings.simultaneous.min(Semaphore::MAX_PERMITS))),
            interval,
            burst: interval.saturating_mul(u64::from(settings.burst.max(1))),
        }
    }

    /// Admits one look-up caused by `source`; never waits.
    ///
    /// # Errors
    ///
    /// [`Cause::Budget`] when the source has spent its share or too many look-ups are running;
    /// the latter costs the source nothing.
    pub fn admit(&self, source: Source, now: Time) -> Result<Admission, Cause> {
        let running = Arc::clone(&self.running).try_acquire_owned().map_err(|_| Cause::Budget)?;
        let now = now.millis().saturating_mul(1_000);
        let draw = |full_at: &mut u64| self.draw(full_at, now);
        let hash = self.key.of(&source);
        let drawn =
            self.sources.enter(hash, source, |full_at| *full_at <= now, || 0, draw).unwrap_or_else(|| {
                self.draw(&mut self.newcomers.lock().unwrap_or_else(PoisonError::into_inner), now)
            });
        drawn.then_some(Admission(running)).ok_or(Cause::Budget)
    }

    fn draw(&self, full_at: &mut u64, now: u64) -> bool {
        // The upper end matters after a clock was set back: a bucket lacks at most its burst.
        *full_at = (*full_at).clamp(now, now.saturating_add(self.burst));
        let after = full_at.saturating_add(self.interval);
        let enough = after - now <= self.burst;
        if enough {
            *full_at = after;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_seconds(1_000);

    fn budget(sources: usize, simultaneous: usize) -> Budget {
        Budget::new(Settings { per_second: 10, burst: 3, simultaneous, sources })
    }

    fn source(address: &str) -> Source {
        address.parse::<IpAddr>().unwrap().into()
    }

    fn draws(budget: &Budget, source: Source, now: Time) -> usize {
        (0..100).take_while(|_| budget.admit(source, now).is_ok()).count()
    }

    #[test]
    fn a_source_has_its_burst_and_then_its_rate() {
        let budget = budget(64, 64);
        let source = source("192.0.2.1");
        assert_eq!(draws(&budget, source, NOW), 3);
        assert_eq!(draws(&budget, source, Time::from_millis(1_000_099)), 0);
        assert_eq!(draws(&budget, source, Time::from_millis(1_000_100)), 1);
        assert_eq!(draws(&budget, source, Time::from_seconds(2_000)), 3);
    }

    #[test]
    fn sources_are_addresses_in_ipv4_and_networks_of_64_bits_in_ipv6() {
        assert_ne!(source("192.0.2.1"), source("192.0.2.2"));
        assert_eq!(source("192.0.2.1"), source("::ffff:192.0.2.1"));
        assert_eq!(source("2001:db8::1"), source("2001:db8::ffff:0:0:2"));
        assert_ne!(source("2001:db8::1"), source("2001:db8:0:1::1"));
    }

    #[test]
    fn one_source_does_not_spend_anothers_budget() {
        let budget = budget(64, 64);
        assert_eq!(draws(&budget, source("192.0.2.1"), NOW), 3);
        assert_eq!(draws(&budget, source("192.0.2.2"), NOW), 3);
    }

    #[test]
    fn a_flood_of_sources_shares_one_budget_once_the_table_is_full() {
        let budget = budget(16, 4096);
        let flood = |n: u32| Source::from(IpAddr::from(n.to_be_bytes()));
        let total: usize = (0..1_000).map(|n| draws(&budget, flood(n), NOW)).sum();
        assert_eq!(total, 16 * 3 + 3);
    }

    #[test]
    fn only_so_many_look_ups_run_at_once() {
        let budget = budget(64, 2);
        let first = budget.admit(source("192.0.2.1"), NOW);
        let second = budget.admit(source("192.0.2.2"), NOW);
        assert!(first.is_ok() && second.is_ok());
        assert_eq!(budget.admit(source("192.0.2.3"), NOW).unwrap_err(), Cause::Budget);
        drop(first);
        assert!(budget.admit(source("192.0.2.3"), NOW).is_ok());
    }

    #[test]
    fn a_clock_set_back_does_not_lock_a_source_out() {
        let budget = budget(64, 64);
        let source = source("192.0.2.1");
        assert_eq!(draws(&budget, source, NOW), 3);
        assert_eq!(draws(&budget, source, Time::from_seconds(500)), 0);
        assert_eq!(draws(&budget, source, Time::from_seconds(501)), 3);
    }
}

//! Rate limits: one number per subject and rule, changed by compare-and-swap.

use core::net::{IpAddr, Ipv6Addr};
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use avouch_wire::key::Fingerprint;
use avouch_wire::name::{AgentId, Domain};
use avouch_wire::settings::Rate;
use avouch_wire::time::Time;

/// The highest burst. Above it a burst is an attack on the upstream rather than a tolerance.
pub const MAX_BURST: u32 = 1_000_000;

/// The longest time a burst may take to refill. A subject is remembered for as long, so this bounds
/// how long the table of cells must keep a cell.
pub const MAX_REFILL: Duration = Duration::from_secs(30 * 86_400);

/// How far the clocks of two threads that judge at the same moment may differ. A cell that lies
/// further ahead comes from a clock that was set back since, and is pulled in; but see [`Limit::in_group`].
const SKEW: u64 = 1_000_000_000;

/// A limit ready for use: how fast cells move and how far they may run ahead, in nanoseconds.
///
/// Nanoseconds, because at a million per second a microsecond is the whole interval; 64 bits of
/// them since 1970 last until 2554.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    id: u32,
    interval: u64,
    tolerance: u64,
    debt: u64,
}

/// How many verifiers of a group may each let a burst through before they hear of each other, and have all of it
/// counted. What more of them let through is forgotten: once, and then the rate holds for them together.
const PEERS: u64 = 8;

impl Limit {
    /// `rate` with bursts of `burst`, 1 to [`MAX_BURST`]; `id` keeps the cells of different limits
    /// of one subject apart. `None` when the burst is out of range or refills slower than
    /// [`MAX_REFILL`].
    #[must_use]
    pub fn new(id: u32, rate: Rate, burst: u32) -> Option<Self> {
        let interval = (rate.per.seconds() * 1_000_000_000).div_ceil(u64::from(rate.count.get()));
        let tolerance = interval.checked_mul(u64::from(burst))?;
        let fits = (1..=MAX_BURST).contains(&burst) && u128::from(tolerance) <= MAX_REFILL.as_nanos();
        fits.then_some(Self { id, interval, tolerance, debt: SKEW })
    }

    /// The same, for cells that learn what others admitted: these may lie further ahead than one verifier alone would
    /// bring them.
    #[must_use]
    pub const fn in_group(self) -> Self {
        Self { debt: SKEW.saturating_add(self.tolerance.saturating_mul(PEERS)), ..self }
    }

    /// By how much one request moves a cell.
    #[must_use]
    pub const fn interval(&self) -> Duration {
        Duration::from_nanos(self.interval)
    }

    /// How far ahead of now a cell may lie.
    #[must_use]
    pub const fn reach(&self) -> Duration {
        Duration::from_nanos(self.tolerance.saturating_add(self.debt))
    }

    /// The burst a rate has when none is given: what it allows in a second, at least 1.
    #[must_use]
    pub fn usual_burst(rate: Rate) -> u32 {
        let per_second = u64::from(rate.count.get()).div_ceil(rate.per.seconds());
        u32::try_from(per_second).unwrap_or(MAX_BURST).clamp(1, MAX_BURST)
    }

    /// Which limit of the policies loaded this is; equal limits of different rules differ in it.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// How long a cell of this limit must be kept after its last use: then it is as good as new.
    #[must_use]
    pub const fn memory(&self) -> Duration {
        Duration::from_nanos(self.tolerance)
    }

    /// Requests per hour, for comparing limits.
    pub(super) fn per_hour(&self) -> u64 {
        3_600_000_000_000 / self.interval.max(1)
    }
}

/// The state of one limit for one subject: a GCRA cell (generic cell rate algorithm, ITU-T I.371),
/// the time at which the next request would be due if they came evenly. Zero is an unused cell.
#[derive(Debug, Default)]
pub struct Cell(AtomicU64);

impl Cell {
    /// A cell that has admitted nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Admits one request at `now`, or says after how long the next would be admitted.
    ///
    /// Within any span t it admits at most burst + rate · t, whatever the number of threads, as
    /// long as `now` does not run backwards. A refusal costs the subject nothing.
    ///
    /// # Errors
    /// The time to wait.
    pub fn admit(&self, limit: &Limit, now: Time) -> Result<(), Duration> {
        let now = now.millis().saturating_mul(1_000_000);
        let latest = now.saturating_add(limit.tolerance);
        let mut due = self.0.load(Ordering::Relaxed);
        loop {
            let stepped_back = due > latest.saturating_add(limit.debt);
            let start = if stepped_back { latest } else { due.max(now) };
            let next = start.saturating_add(limit.interval);
            if next > latest && !stepped_back {
                return Err(Duration::from_nanos(next - latest));
            }
            let stored = if stepped_back { latest } else { next };
            match self.0.compare_exchange_weak(due, stored, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) if stepped_back => return Err(Duration::from_nanos(limit.interval)),
                Ok(_) => return Ok(()),
                Err(changed) => due = changed,
            }
        }
    }

    /// Learns that others admitted requests, too, by which it lies `ahead` of `now` at least; no further than
    /// [`Limit::reach`].
    pub fn learn(&self, limit: &Limit, now: Time, ahead: Duration) {
        let ahead = u64::try_from(ahead.min(limit.reach()).as_nanos()).unwrap_or(u64::MAX);
        let due = now.millis().saturating_mul(1_000_000).saturating_add(ahead);
        self.0.fetch_max(due, Ordering::Relaxed);
    }

    /// Whether forgetting this cell at `now` changes nothing for its subject.
    #[must_use]
    pub fn is_idle(&self, now: Time) -> bool {
        self.0.load(Ordering::Relaxed) <= now.millis().saturating_mul(1_000_000)
    }
}

/// Whose rate is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject<'a> {
    /// An agent of class 2 or 3, or its domain where no agent is named; instances of it share.
    Agent(&'a Domain<'static>, Option<&'a AgentId<'static>>),
    /// All agents of a domain together.
    Domain(&'a Domain<'static>),
    /// The holder of a key nobody vouches for.
    Pseudonym(&'a Fingerprint),
    /// An address; made by [`Subject::address`].
    Address(IpAddr),
}

impl Subject<'_> {
    /// The subject an address stands for: IPv4 as it is, also when mapped into IPv6; of IPv6 the
    /// /64, since every host of a /64 has all its addresses.
    #[must_use]
    pub fn address(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V4(v4) => IpAddr::V4(v4),
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        })
    }
}

/// Where the cells are. Contract: for one subject and one [`Limit::id`] every call reaches the same
/// [`Cell`] for at least [`Limit::memory`] after its last use, unless the table is full, when the
/// implementation decides between forgetting and refusing. Called concurrently; never blocks on I/O.
pub trait Meter {
    /// Admits one request of `subject` under `limit`, or says how long to wait.
    ///
    /// # Errors
    /// The time to wait.
    fn admit(&self, subject: Subject<'_>, limit: &Limit, now: Time) -> Result<(), Duration>;
}

#[cfg(test)]
mod tests {
    use core::num::NonZeroU32;

    use avouch_wire::settings::Span;
    use proptest::prelude::*;

    use super::*;

    fn limit(count: u32, per: Span, burst: u32) -> Limit {
        Limit::new(0, Rate { count: NonZeroU32::new(count).unwrap(), per }, burst).unwrap()
    }

    fn admitted(cell: &Cell, limit: &Limit, at: u64, tries: usize) -> usize {
        (0..tries).filter(|_| cell.admit(limit, Time::from_millis(at)).is_ok()).count()
    }

    #[test]
    fn a_burst_is_admitted_and_then_the_rate() {
        let (cell, limit) = (Cell::new(), limit(10, Span::Second, 5));
        assert_eq!(admitted(&cell, &limit, 1_000_000, 9), 5);
        assert_eq!(cell.admit(&limit, Time::from_millis(1_000_000)), Err(Duration::from_millis(100)));
        assert_eq!(cell.admit(&limit, Time::from_millis(1_000_099)), Err(Duration::from_millis(1)));
        assert_eq!(admitted(&cell, &limit, 1_000_100, 9), 1);
        assert_eq!(admitted(&cell, &limit, 1_060_000, 9), 5, "a rested subject has its burst again");
    }

    #[test]
    fn waiting_as_told_is_enough() {
        let (cell, limit) = (Cell::new(), limit(3, Span::Second, 1));
        cell.admit(&limit, Time::from_millis(500)).unwrap();
        let wait = cell.admit(&limit, Time::from_millis(600)).unwrap_err();
        let then = Time::from_millis(600 + u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap());
        assert_eq!(cell.admit(&limit, then), Ok(()));
    }

    #[test]
    fn a_million_per_second_is_a_thousand_per_millisecond() {
        let (cell, limit) = (Cell::new(), limit(1_000_000, Span::Second, 1_000));
        assert_eq!(admitted(&cell, &limit, 10, 2_000), 1_000);
        assert_eq!(admitted(&cell, &limit, 11, 2_000), 1_000);
    }

    #[test]
    fn threads_together_get_no_more_than_one_alone() {
        let (cell, limit) = (Cell::new(), limit(1, Span::Second, 100));
        let total: usize = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..8).map(|_| scope.spawn(|| admitted(&cell, &limit, 5_000, 1_000))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(total, 100);
    }

    #[test]
    fn a_clock_set_back_blocks_nobody_for_long() {
        let (cell, limit) = (Cell::new(), limit(1, Span::Second, 2));
        assert_eq!(admitted(&cell, &limit, 900_000_000, 1), 1);
        assert_eq!(admitted(&cell, &limit, 1_000, 1), 0);
        assert_eq!(admitted(&cell, &limit, 2_000, 5), 1);
    }

    #[test]
    fn what_others_admitted_counts_and_no_more_than_a_group_can_owe() {
        let (cell, limit) = (Cell::new(), limit(1, Span::Second, 2).in_group());
        assert_eq!(admitted(&cell, &limit, 1_000_000, 9), 2);
        // Another admitted a burst at the same moment.
        cell.learn(&limit, Time::from_millis(1_000_000), Duration::from_secs(4));
        assert_eq!(cell.admit(&limit, Time::from_millis(1_000_000)), Err(Duration::from_secs(3)));
        assert_eq!(admitted(&cell, &limit, 1_002_999, 9), 0);
        assert_eq!(admitted(&cell, &limit, 1_003_000, 9), 1);
        cell.learn(&limit, Time::from_millis(1_003_000), Duration::ZERO);
        assert_eq!(admitted(&cell, &limit, 1_004_000, 9), 1, "what is less than it knows changes nothing");
        cell.learn(&limit, Time::from_millis(1_010_000), Duration::from_secs(1_000_000));
        assert_eq!(admitted(&cell, &limit, 1_010_000 + 17_999, 9), 0);
        assert_eq!(
            admitted(&cell, &limit, 1_010_000 + 18_000, 9),
            1,
            "eight bursts and a second are owed at most"
        );
    }

    #[test]
    fn limits_that_never_refill_are_refused() {
        let per_day = Rate { count: NonZeroU32::MIN, per: Span::Day };
        assert!(Limit::new(0, per_day, 30).is_some());
        assert!(Limit::new(0, per_day, 31).is_none());
        assert!(Limit::new(0, per_day, 0).is_none());
        assert!(Limit::new(0, Rate { count: NonZeroU32::MIN, per: Span::Second }, MAX_BURST + 1).is_none());
    }

    #[test]
    fn addresses_of_one_network_are_one_subject() {
        let subject = |text: &str| Subject::address(text.parse().unwrap());
        assert_eq!(subject("2001:db8::1"), subject("2001:db8::ffff:0:0:2"));
        assert_ne!(subject("2001:db8::1"), subject("2001:db8:0:1::1"));
        assert_eq!(subject("::ffff:192.0.2.1"), subject("192.0.2.1"));
        assert_ne!(subject("192.0.2.1"), subject("192.0.2.2"));
    }

    fn spans() -> impl Strategy<Value = Span> {
        prop_oneof![Just(Span::Second), Just(Span::Minute), Just(Span::Hour), Just(Span::Day)]
    }

    proptest! {
        #[test]
        fn never_more_than_burst_and_rate_times_time(
            count in 1..=Rate::MAX,
            per in spans(),
            burst in 1u32..200,
            steps in proptest::collection::vec(0u64..3_000, 1..200),
        ) {
            let Some(limit) = Limit::new(0, Rate { count: NonZeroU32::new(count).unwrap(), per }, burst) else {
                return Ok(());
            };
            let cell = Cell::new();
            let (mut now, mut passed) = (1_000, 0u64);
            for step in steps {
                now += step;
                passed += u64::from(cell.admit(&limit, Time::from_millis(now)).is_ok());
                let earned = (now - 1_000) as f64 / 1000.0 * f64::from(count) / per.seconds() as f64;
                prop_assert!(passed as f64 <= f64::from(burst) + earned + 1e-6, "{passed} after {now} ms");
            }
        }
    }
}

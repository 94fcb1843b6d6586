//! What is counted of one domain: rows, and what has no room in one.

use avouch_wire::name::AgentId;
use avouch_wire::report::{Head, Outcome, Report, ReportId, Row, Standing};
use ipnet::IpNet;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Rows of one domain that tell agents and networks apart, of what was proved (classes 2 and 3), and as many of
/// what was not: neither a flood of false claims nor many networks of a crawler hide the other.
const APART: usize = 512;

/// Rows of one domain that tell neither agents nor networks: more than verdicts come out in different ways.
const ALIKE: usize = 64;

/// Rows that every domain has room for.
const OWN: usize = 8;

/// Rows beyond those, of all domains together. With those each has of its own, the longest of agents, and words that
/// were read from the disk they take less than 64 MiB.
const SHARED: usize = 1 << 16;

/// Of these, for what was not proved.
const SHARED_UNPROVED: usize = SHARED / 2;

/// By what requests are told apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Alike {
    pub(crate) outcome: Outcome,
    pub(crate) agent: Option<AgentId<'static>>,
    pub(crate) network: Option<IpNet>,
}

impl Alike {
    /// Whether the claim held.
    pub(crate) const fn is_proved(&self) -> bool {
        matches!(self.outcome.standing, Standing::Verified | Standing::Partial)
    }

    const fn is_coarse(&self) -> bool {
        self.agent.is_none() && self.network.is_none()
    }
}

/// The room that domains share.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    proved: AtomicUsize,
    unproved: AtomicUsize,
}

impl Pool {
    fn of(&self, proved: bool) -> (&AtomicUsize, usize) {
        if proved { (&self.proved, SHARED - SHARED_UNPROVED) } else { (&self.unproved, SHARED_UNPROVED) }
    }

    fn take(&self, proved: bool) -> bool {
        let (taken, most) = self.of(proved);
        taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| (now < most).then_some(now + 1))
            .is_ok()
    }

    fn give_back(&self, proved: bool, rows: usize) {
        let (taken, _) = self.of(proved);
        taken.fetch_sub(rows, Ordering::Relaxed);
    }
}

/// Numbers of rows: of what was proved, and of what was not.
#[derive(Debug, Default)]
struct Kinds {
    proved: usize,
    unproved: usize,
}

impl Kinds {
    const fn of(&mut self, proved: bool) -> &mut usize {
        if proved { &mut self.proved } else { &mut self.unproved }
    }
}

/// What is counted of one domain.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    rows: HashMap<Alike, u64>,
    /// Rows that tell agents or networks apart.
    apart: Kinds,
    /// Rows in room that domains share.
    shared: Kinds,
    has_proof: bool,
    unlisted: u64,
    /// As before a restart.
    id: Option<ReportId>,
}

impl Tally {
    /// Counts requests in their row; where there is no room for it, in one that tells less; else in none.
    pub(crate) fn add(&mut self, alike: Alike, requests: u64, pool: &Pool) {
        self.has_proof |= alike.is_proved();
        let coarse = Alike { outcome: alike.outcome.clone(), agent: None, network: None };
        for alike in [alike, coarse] {
            if let Some(count) = self.rows.get_mut(&alike) {
                *count = count.saturating_add(requests);
                return;
            }
            if self.has_room(&alike, pool) {
                self.rows.insert(alike, requests);
                return;
            }
        }
        self.unlisted = self.unlisted.saturating_add(requests);
    }

    /// Whether there is room for another row, which is taken then.
    fn has_room(&mut self, alike: &Alike, pool: &Pool) -> bool {
        let (proved, coarse) = (alike.is_proved(), alike.is_coarse());
        let full = match coarse {
            true => self.rows.len() - self.apart.proved - self.apart.unproved >= ALIKE,
            false => *self.apart.of(proved) >= APART,
        };
        let shared = self.rows.len() >= OWN;
        if full || (shared && !pool.take(proved)) {
            return false;
        }
        *self.shared.of(proved) += usize::from(shared);
        *self.apart.of(proved) += usize::from(!coarse);
        true
    }

    /// Whether any claim of the domain held.
    pub(crate) const fn has_proof(&self) -> bool {
        self.has_proof
    }

    /// All requests.
    pub(crate) fn requests(&self) -> u64 {
        self.rows.values().fold(self.unlisted, |sum, count| sum.saturating_add(*count))
    }

    /// Gives the room it had back to all.
    pub(crate) fn give_back(self, pool: &Pool) {
        pool.give_back(false, self.shared.unproved);
        pool.give_back(true, self.shared.proved);
    }

    /// The id it has, or the one made for it.
    pub(crate) fn id(&self, make: impl FnOnce() -> String) -> Option<ReportId> {
        self.id.clone().or_else(|| ReportId::parse(&make()).ok())
    }

    /// Takes back what rows do not hold.
    pub(crate) fn restore(&mut self, id: ReportId, unlisted: u64) {
        self.id = Some(id);
        self.unlisted = self.unlisted.saturating_add(unlisted);
    }

    /// As a report, most trusted and then most frequent first.
    pub(crate) fn report(&self, head: Head) -> Report {
        let row = |(alike, requests): (&Alike, &u64)| Row {
            requests: *requests,
            outcome: alike.outcome.clone(),
            agent: alike.agent.clone(),
            network: alike.network,
        };
        let mut rows: Vec<_> = self.rows.iter().map(row).collect();
        rows.sort_by(|a, b| (a.outcome.standing, b.requests).cmp(&(b.outcome.standing, a.requests)));
        Report { head, record: None, rows, unlisted: self.unlisted }
    }
}

//! What is counted of each domain, in a table that strangers cannot make grow.
//!
//! A set of the table holds 16 domains, and all domains under one registrable domain share a set: whoever can make
//! names below theirs fills 1/256 of the table. In a full set a domain whose claims were all false may give way. It has
//! a credit, which its own requests raise and newcomers use up: a name that many requests claim outlives any number of
//! names that are claimed once.

use crate::tally::{Alike, Pool, Tally};
use avouch_engine::evidence::Persistence;
use avouch_engine::verdict::{Standing as Judged, Verdict};
use avouch_gather::https::is_public;
use avouch_wire::name::{AgentId, Domain, Identity};
use avouch_wire::report::{Code, Head, Mailbox, Organization, Outcome, Report, Standing, network_of};
use avouch_wire::time::Time;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Sets of the table.
const SETS: usize = 256;

/// Domains in a set. A gateway that sees claims of more than 4096 domains a day is under attack.
const WAYS: usize = 16;

/// Domains counted apart at once.
pub(crate) const DOMAINS: usize = SETS * WAYS;

/// The most credit that newcomers have to use up: so long lasts a name that is no longer claimed.
const MAX_CREDIT: u32 = 1 << 16;

/// Whose reports they are.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    pub(crate) organization: Organization,
    pub(crate) contact: Mailbox,
}

/// Counts of a period, by domain. Counting takes the lock of one set for some hundred nanoseconds.
pub(crate) struct Counts {
    sets: Box<[Mutex<Vec<Entry>>; SETS]>,
    random: RandomState,
    pool: Pool,
    /// Requests that claimed a domain, and are in no tally.
    others: AtomicU64,
}

struct Entry {
    domain: Domain<'static>,
    credit: u32,
    tally: Tally,
}

impl Counts {
    pub(crate) fn new() -> Self {
        Self {
            sets: Box::new(std::array::from_fn(|_| Mutex::default())),
            random: RandomState::new(),
            pool: Pool::default(),
            others: AtomicU64::new(0),
        }
    }

    /// Counts a request, if it claimed a domain: those that claim none are nobody's business.
    pub(crate) fn count(&self, verdict: &Verdict, address: IpAddr) {
        let Some((domain, alike)) = told(verdict, address) else { return };
        self.add(domain, alike, 1);
    }

    pub(crate) fn add(&self, domain: Domain<'static>, alike: Alike, requests: u64) {
        let proved = alike.is_proved();
        let mut set = self.set(&domain);
        let known = set.iter_mut().find(|entry| entry.domain == domain);
        let entry = match known {
            Some(entry) => Some(entry),
            None => self.newcomer(&mut set, domain, proved),
        };
        let Some(entry) = entry else {
            drop(set);
            self.others.fetch_add(requests, Ordering::Relaxed);
            return;
        };
        let credit = u32::try_from(requests).unwrap_or(MAX_CREDIT);
        entry.credit = entry.credit.saturating_add(credit).min(MAX_CREDIT);
        entry.tally.add(alike, requests, &self.pool);
    }

    /// A place for a domain that was not counted before. In a full set the weakest of those that never proved anything
    /// loses credit to a newcomer, and its place when it has none left; a newcomer that proves itself takes it at once.
    fn newcomer<'s>(
        &self,
        set: &'s mut Vec<Entry>,
        domain: Domain<'static>,
        proved: bool,
    ) -> Option<&'s mut Entry> {
        if set.len() >= WAYS {
            let weak = set.iter_mut().enumerate().filter(|(_, entry)| !entry.tally.has_proof());
            let (at, weakest) = weak.min_by_key(|(_, entry)| entry.credit)?;
            if weakest.credit > 0 && !proved {
                weakest.credit -= 1;
                return None;
            }
            let gone = set.swap_remove(at);
            self.others.fetch_add(gone.tally.requests(), Ordering::Relaxed);
            gone.tally.give_back(&self.pool);
        }
        set.push(Entry { domain, credit: 0, tally: Tally::default() });
        set.last_mut()
    }

    /// The reports of the period so far, which goes on.
    pub(crate) fn so_far(&self, sender: &Sender, begin: Time, end: Time) -> Vec<Report> {
        let of = |set: &Mutex<Vec<Entry>>| -> Vec<Report> {
            lock(set).iter().filter_map(|entry| entry.report(sender, (begin, end), &self.random)).collect()
        };
        self.sets.iter().flat_map(of).collect()
    }

    /// The reports of the period, which ends.
    pub(crate) fn take(&self, sender: &Sender, begin: Time, end: Time) -> Vec<Report> {
        let mut reports = Vec::new();
        for set in self.sets.iter() {
            let taken = std::mem::take(&mut *lock(set));
            for entry in taken {
                reports.extend(entry.report(sender, (begin, end), &self.random));
                entry.tally.give_back(&self.pool);
            }
        }
        reports
    }

    /// Counts again what was counted before a restart.
    pub(crate) fn restore(&self, report: Report) {
        let Report { head, rows, unlisted, .. } = report;
        for row in rows {
            let alike = Alike { outcome: row.outcome, agent: row.agent, network: row.network };
            self.add(head.domain.clone(), alike, row.requests);
        }
        let mut set = self.set(&head.domain);
        if let Some(entry) = set.iter_mut().find(|entry| entry.domain == head.domain) {
            entry.tally.restore(head.id, unlisted);
        }
    }

    /// Requests that were counted for no domain, for want of room.
    pub(crate) fn others(&self) -> u64 {
        self.others.load(Ordering::Relaxed)
    }

    fn set(&self, domain: &Domain<'_>) -> MutexGuard<'_, Vec<Entry>> {
        let at = self.random.hash_one(domain.registrable()) as usize;
        let [first, others @ ..] = &*self.sets;
        lock(others.get(at % SETS).unwrap_or(first))
    }
}

impl Entry {
    fn report(&self, sender: &Sender, (begin, end): (Time, Time), random: &RandomState) -> Option<Report> {
        let half = |salt: u8| random.hash_one((self.domain.as_str(), begin, salt));
        let head = Head {
            id: self.tally.id(|| format!("{:016x}{:016x}", half(0), half(1)))?,
            organization: sender.organization.clone(),
            contact: sender.contact.clone(),
            domain: self.domain.clone(),
            begin,
            end,
        };
        Some(self.tally.report(head))
    }
}

fn lock(set: &Mutex<Vec<Entry>>) -> MutexGuard<'_, Vec<Entry>> {
    // A panic elsewhere leaves counts that are short by one.
    set.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a report tells of a request: of its address the network, and that only if it is public, for those of an
/// operator's own network are no affair of the domain.
fn told(verdict: &Verdict, address: IpAddr) -> Option<(Domain<'static>, Alike)> {
    let Identity { domain, agent, .. } = match verdict.identity() {
        Some(identity) => identity.clone(),
        None => Identity::parse(verdict.claimed()?).ok()?,
    };
    let standing = match verdict.standing() {
        Judged::Verified => Standing::Verified,
        Judged::Partial => Standing::Partial,
        Judged::Anonymous | Judged::Pseudonymous => Standing::Anonymous,
        Judged::Invalid => Standing::Invalid,
        Judged::Undetermined(Persistence::Temporary) => Standing::UndeterminedTemporary,
        Judged::Undetermined(Persistence::Permanent) => Standing::UndeterminedPermanent,
    };
    let outcome = Outcome {
        standing,
        mechanism: Code::of(verdict.mechanism().name()).ok()?,
        reason: Code::of(verdict.reasons().first()?.code()).ok()?,
        dnssec: verdict.dnssec().and_then(|found| Code::of(found.name()).ok()),
    };
    let network = is_public(address).then(|| network_of(address)).flatten();
    Some((domain, Alike { outcome, agent: agent.map(AgentId::into_owned), network }))
}

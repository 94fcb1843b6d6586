//! What is known of the agents of one registration entity, and what it said since.
//!
//! Keys and events are under one lock, so that an answer which was given before a revocation and comes after it counts
//! for nothing. Keys are wiped when they end, or are forgotten.

use super::name::{Name, Names};
use avouch_engine::evidence::{Answer, Dnssec, Registered};
use avouch_wire::entity::{Event, Happening};
use avouch_wire::name::{AgentId, Domain};
use avouch_wire::time::Time;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

/// Most agents whose keys are held, each of an epoch and a site: less than 32 MiB.
pub(super) const CAPACITY: usize = 1 << 16;

/// Those of one registrable domain: ten thousand machines in the epoch that runs and the one before.
pub(super) const OF_A_DOMAIN: usize = CAPACITY / 16 * 5;

/// Events that are remembered to hold answers against that were given before them. An answer is under way for seconds.
const REMEMBERED: usize = 1_024;

/// What is known.
#[derive(Default)]
pub(super) struct Known {
    agents: HashMap<u128, Kept>,
    domains: HashMap<u64, HashSet<u128>>,
    /// The last event.
    last: u64,
    /// All events after this one are in `since`.
    from: u64,
    since: VecDeque<Event>,
}

/// What an entity said of an agent.
struct Kept {
    name: Name,
    registered: Arc<Registered>,
    since: Time,
    until: Time,
}

/// What an event came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Nothing to speak of.
    Alive,
    /// Whom it concerns is forgotten.
    Revoked,
    /// A sequence begins elsewhere.
    Floor,
    /// Everything is forgotten.
    Reset,
}

impl Known {
    /// What is held, if it may still be used.
    pub(super) fn peek(&self, question: u128, now: Time) -> Option<Answer<Arc<Registered>>> {
        let kept = self.agents.get(&question)?;
        let usable = kept.since <= now && now < kept.until;
        usable.then(|| kept.answer())
    }

    /// Takes in what was answered of an agent, as of this event; `None` where more has happened since than is
    /// remembered. It is kept if there is room, and given back as it is to be used now.
    pub(super) fn land(
        &mut self,
        (name, domain, agent): (Name, &Domain<'_>, &AgentId<'_>),
        (registered, event): (Registered, u64),
        (now, until): (Time, Time),
    ) -> Option<Answer<Arc<Registered>>> {
        if event < self.from {
            return None;
        }
        let mut registered = registered;
        for since in self.since.iter().filter(|since| since.number > event) {
            match &since.happening {
                Happening::Revoked { domain: of, agent: one }
                    if concerns(of, one.as_ref(), domain, agent) =>
                {
                    registered = Registered::Revoked;
                }
                Happening::Floor { domain: of, agent: one, floor }
                    if concerns(of, Some(one), domain, agent) =>
                {
                    registered = raised(registered, *floor);
                }
                _ => {}
            }
        }
        let kept = Kept { name, registered: Arc::new(registered), since: now, until };
        let answer = kept.answer();
        self.keep(kept);
        Some(answer)
    }

    /// Nothing gives way: what has ended is forgotten every second.
    fn keep(&mut self, kept: Kept) {
        let name = kept.name;
        if !self.agents.contains_key(&name.question) {
            if !self.has_room(name.registrable) {
                return;
            }
            self.domains.entry(name.registrable).or_default().insert(name.question);
        }
        self.agents.insert(name.question, kept);
    }

    fn has_room(&self, registrable: u64) -> bool {
        let held = self.domains.get(&registrable).map_or(0, HashSet::len);
        self.agents.len() < CAPACITY && held < OF_A_DOMAIN
    }

    /// Forgets what has ended.
    pub(super) fn sweep(&mut self, now: Time) {
        let has_ended = |kept: &&Kept| now < kept.since || kept.until <= now;
        let ended: Vec<Name> = self.agents.values().filter(has_ended).map(|kept| kept.name).collect();
        ended.iter().for_each(|name| self.forget(name));
    }

    fn forget(&mut self, name: &Name) {
        self.agents.remove(&name.question);
        if let Some(held) = self.domains.get_mut(&name.registrable) {
            held.remove(&name.question);
            if held.is_empty() {
                self.domains.remove(&name.registrable);
            }
        }
    }

    /// How many agents are held, each of an epoch and a site.
    pub(super) fn len(&self) -> usize {
        self.agents.len()
    }

    /// The last event.
    pub(super) const fn last(&self) -> u64 {
        self.last
    }

    /// Takes in an event, and says whether a request that is being judged may rest on what was forgotten.
    pub(super) fn hear(&mut self, event: Event, names: &Names) -> (Heard, bool) {
        if !event.follows(self.last) || event.happening == Happening::Reset {
            return (Heard::Reset, self.reset(event.number));
        }
        self.last = event.number;
        let heard = match &event.happening {
            Happening::Alive | Happening::Reset => return (Heard::Alive, false),
            Happening::Revoked { domain, agent } => {
                (Heard::Revoked, self.revoke(domain, agent.as_ref(), names))
            }
            Happening::Floor { domain, agent, floor } => {
                self.raise(domain, agent, *floor, names);
                (Heard::Floor, false)
            }
        };
        if self.since.len() >= REMEMBERED
            && let Some(oldest) = self.since.pop_front()
        {
            self.from = oldest.number;
        }
        self.since.push_back(event);
        heard
    }

    /// Forgets everything: what was missed is not known. What is answered as of an earlier event counts no more.
    pub(super) fn reset(&mut self, number: u64) -> bool {
        let were_held = !self.agents.is_empty();
        (self.last, self.from) = (number, number);
        self.agents.clear();
        self.domains.clear();
        self.since.clear();
        were_held
    }

    /// Whether any was held, or may be in use without being held, because there was no room.
    fn revoke(&mut self, domain: &Domain<'_>, agent: Option<&AgentId<'_>>, names: &Names) -> bool {
        let registrable = names.registrable(domain);
        let mut was_held = !self.has_room(registrable);
        let (of, one) = (names.domain(domain), agent.map(|agent| names.agent(domain, agent)));
        for name in self.of(registrable) {
            if name.domain == of && one.is_none_or(|one| name.agent == one) {
                self.forget(&name);
                was_held = true;
            }
        }
        was_held
    }

    fn raise(&mut self, domain: &Domain<'_>, agent: &AgentId<'_>, floor: u64, names: &Names) {
        let one = names.agent(domain, agent);
        for name in self.of(names.registrable(domain)).into_iter().filter(|name| name.agent == one) {
            if let Some(kept) = self.agents.get_mut(&name.question) {
                kept.registered = Arc::new(raised((*kept.registered).clone(), floor));
            }
        }
    }

    /// The names of what is held of a registrable domain.
    fn of(&self, registrable: u64) -> Vec<Name> {
        let held = self.domains.get(&registrable).into_iter().flatten();
        held.filter_map(|question| self.agents.get(question)).map(|kept| kept.name).collect()
    }
}

impl Kept {
    fn answer(&self) -> Answer<Arc<Registered>> {
        let value = Arc::clone(&self.registered);
        Answer::Found { value, dnssec: Dnssec::Insecure, until: self.until }
    }
}

/// Whether what is said of a domain, or of one agent of it, is said of this agent.
fn concerns(of: &Domain<'_>, one: Option<&AgentId<'_>>, domain: &Domain<'_>, agent: &AgentId<'_>) -> bool {
    of.as_str() == domain.as_str() && one.is_none_or(|one| one.as_str() == agent.as_str())
}

/// A floor never falls.
fn raised(registered: Registered, to: u64) -> Registered {
    match registered {
        Registered::Active { keys, floor } => Registered::Active { keys, floor: floor.max(to) },
        Registered::Revoked => Registered::Revoked,
    }
}

//! The roots of batches that were found certified, so that of a batch one signature is verified once.
//!
//! In memory only, and nothing but a saving of work: a root that is forgotten is verified again. What a root is worth
//! at a moment the engine decides; it asks only for roots under keys that are live then.

use std::collections::VecDeque;

use avouch_engine::evidence::{BatchRoot, CertifiedRoot, KnownRoots};
use avouch_wire::key::Fingerprint;
use avouch_wire::merkle::Hash;

use crate::bounded::Bounded;
use crate::hash_key::HashKey;

/// Agents, that is master keys, whose roots are remembered: at most 14 MiB with all their roots. Whoever came longest
/// ago gives way.
const AGENTS: usize = 1 << 13;

/// Roots of one agent that are remembered, the latest: of a key that makes five signatures a second those of three
/// seconds. However many an agent makes, they take each other's place alone.
const EACH: usize = 16;

/// Which roots were found certified. Each look is one lock, which those of other agents do not wait for.
#[derive(Debug)]
pub(crate) struct Roots {
    agents: Bounded<Fingerprint, Recent>,
    hash_key: HashKey,
}

/// The latest roots of an agent, the newest first.
#[derive(Debug, Default)]
struct Recent(VecDeque<Seen>);

/// What tells a root from all others of its agent.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    root: Hash,
    size: u64,
    certificate: [u8; 64],
}

impl Roots {
    pub(crate) fn new() -> Self {
        Self { agents: Bounded::new(AGENTS), hash_key: HashKey::random() }
    }

    /// Remembers a root.
    pub(crate) fn remember(&self, certified: &CertifiedRoot) {
        let root = certified.root();
        let hash = self.hash_key.of(&root.master);
        let add = |recent: &mut Recent| recent.add(Seen::of(root));
        if self.agents.enter(hash, root.master, |_| false, Recent::default, add).is_none() {
            let mut recent = Recent::default();
            recent.add(Seen::of(root));
            self.agents.put(hash, root.master, recent, |_| false);
        }
    }
}

impl KnownRoots for Roots {
    fn knows(&self, root: &BatchRoot) -> bool {
        let hash = self.hash_key.of(&root.master);
        let seen = Seen::of(root);
        self.agents.read(hash, &root.master, |recent| recent.0.contains(&seen)).unwrap_or_default()
    }
}

impl Recent {
    fn add(&mut self, seen: Seen) {
        // Requests of a batch that come at the same moment each find it certified.
        if !self.0.contains(&seen) {
            self.0.truncate(EACH - 1);
            self.0.push_front(seen);
        }
    }
}

impl Seen {
    const fn of(root: &BatchRoot) -> Self {
        Self { root: root.root, size: root.size, certificate: root.certificate }
    }
}

#[cfg(test)]
mod tests;

//! What became of questions and events of one entity.

use super::known::Heard;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What became of everything so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EntityFigures {
    /// Whether its stream of events is heard now.
    pub listening: bool,
    /// Agents whose keys are held, each of an epoch and a site.
    pub agents: usize,
    /// Questions that were answered.
    pub answered: u64,
    /// Questions to which no answer came.
    pub unreachable: u64,
    /// Questions whose answer was none, or a refusal.
    pub unusable: u64,
    /// Revocations that were heard of.
    pub revoked: u64,
    /// Other beginnings of sequences that were heard of.
    pub floors: u64,
    /// How often something was missed, and everything asked for anew.
    pub resets: u64,
}

/// The counters behind them.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) listening: AtomicBool,
    pub(super) answered: AtomicU64,
    pub(super) unreachable: AtomicU64,
    pub(super) unusable: AtomicU64,
    revoked: AtomicU64,
    floors: AtomicU64,
    resets: AtomicU64,
}

impl Counts {
    pub(super) fn heard(&self, heard: Heard) {
        match heard {
            Heard::Alive => {}
            Heard::Revoked => add(&self.revoked),
            Heard::Floor => add(&self.floors),
            Heard::Reset => add(&self.resets),
        }
    }

    pub(super) fn figures(&self, agents: usize) -> EntityFigures {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        EntityFigures {
            listening: self.listening.load(Ordering::Relaxed),
            agents,
            answered: of(&self.answered),
            unreachable: of(&self.unreachable),
            unusable: of(&self.unusable),
            revoked: of(&self.revoked),
            floors: of(&self.floors),
            resets: of(&self.resets),
        }
    }
}

pub(super) fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

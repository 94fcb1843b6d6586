//! What a site asks of claims in registry mode.

use crate::reason::Reason;
use avouch_wire::name::Domain;
use avouch_wire::saip::Registry;

/// What a site asks of claims in registry mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityRules {
    entities: Vec<Domain<'static>>,
    window: u64,
}

impl EntityRules {
    /// How far ahead of the last a sequence number may lie, where the operator says nothing else.
    pub const WINDOW: u64 = 5;

    /// The most that an operator may set: more would be no sequence.
    pub const MAX_WINDOW: u64 = 10;

    /// A site that works with these registration entities, and accepts sequence numbers that lie ahead of the last by
    /// at most `window`, 1 to [`EntityRules::MAX_WINDOW`] (others are read as the nearest bound).
    #[must_use]
    pub fn new(entities: Vec<Domain<'static>>, window: u64) -> Self {
        Self { entities, window: window.clamp(1, Self::MAX_WINDOW) }
    }

    /// How far ahead of the last a sequence number may lie.
    #[must_use]
    pub const fn window(&self) -> u64 {
        self.window
    }

    /// Whether the operator configured the entity that a claim names: no other is ever asked.
    pub(crate) fn admit(&self, claimed: &Registry<'_>) -> Result<(), Reason> {
        match self.entities.iter().any(|entity| entity.as_str() == claimed.entity.as_str()) {
            true => Ok(()),
            false => Err(Reason::EntityNotConfigured),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_lies_within_its_bounds() {
        let window = |set| EntityRules::new(Vec::new(), set).window();
        assert_eq!([0, 1, 5, 10, 11, u64::MAX].map(window), [1, 1, 5, 10, 10, 10]);
    }
}

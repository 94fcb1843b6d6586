//! What a site asks of claims in registry mode.

use crate::reason::Reason;
use avouch_wire::name::Domain;
use avouch_wire::saip::Registry;

/// What a site asks of claims in registry mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityRules {
    /// Each with its window.
    entities: Vec<(Domain<'static>, u64)>,
}

impl EntityRules {
    /// How far ahead of the last a sequence number may lie, where the operator says nothing else.
    pub const WINDOW: u64 = 5;

    /// The most that an operator may set: more would be no sequence.
    pub const MAX_WINDOW: u64 = 10;

    /// A site that works with these registration entities, and accepts sequence numbers that lie ahead of the last by
    /// at most the window of each, 1 to [`EntityRules::MAX_WINDOW`] (others are read as the nearest bound).
    #[must_use]
    pub fn new(entities: impl IntoIterator<Item = (Domain<'static>, u64)>) -> Self {
        let within = |(entity, window): (_, u64)| (entity, window.clamp(1, Self::MAX_WINDOW));
        Self { entities: entities.into_iter().map(within).collect() }
    }

    /// How far ahead of the last a sequence number may lie with this entity; `None` for one that is not configured.
    #[must_use]
    pub fn window(&self, entity: &Domain<'_>) -> Option<u64> {
        let own = self.entities.iter().find(|(own, _)| own.as_str() == entity.as_str());
        own.map(|(_, window)| *window)
    }

    /// Whether the operator configured the entity that a claim names: no other is ever asked.
    pub(crate) fn admit(&self, claimed: &Registry<'_>) -> Result<(), Reason> {
        self.window(&claimed.entity).map(drop).ok_or(Reason::EntityNotConfigured)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_entity_has_a_window_within_its_bounds() {
        let entity = |name| Domain::parse(name).unwrap();
        let window = |set| EntityRules::new([(entity("re.example"), set)]).window(&entity("re.example"));
        assert_eq!([0, 1, 5, 10, 11, u64::MAX].map(window), [1, 1, 5, 10, 10, 10].map(Some));
        let two = EntityRules::new([(entity("re.example"), 1), (entity("re2.example"), 7)]);
        assert_eq!(["re.example", "re2.example"].map(|name| two.window(&entity(name))), [Some(1), Some(7)]);
        assert_eq!(two.window(&entity("re3.example")), None);
    }
}

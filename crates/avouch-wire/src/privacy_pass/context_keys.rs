//! Which key contexts are derived by: one from a start to its end, or one for each epoch, shared by several gateways.

use super::{ContextKey, Epoch};
use crate::time::Time;
use std::time::Duration;

/// How far the clocks of two that share keys may be apart: each is at most half as far off from the clock of what they
/// share.
const CLOCKS_DIFFER: Duration = Duration::from_secs(10);

/// The keys that a gateway holds.
#[derive(Clone, Debug)]
pub struct ContextKeys(Keys);

#[derive(Clone, Debug)]
enum Keys {
    Always(Box<ContextKey>),
    ByEpoch { keys: Vec<(Epoch, ContextKey)>, known_until: Option<Epoch> },
}

/// What is known of the key of an epoch.
#[derive(Clone, Copy, Debug)]
pub enum Held<'a> {
    /// This is it.
    Key(&'a ContextKey),
    /// There is none, so no challenge of that epoch was made by it.
    None,
    /// It could not be found out.
    Unknown,
}

impl ContextKeys {
    /// One key for all epochs, drawn at the start.
    #[must_use]
    pub fn always(key: ContextKey) -> Self {
        Self(Keys::Always(Box::new(key)))
    }

    /// A key for each of these epochs, and none for others up to `known_until`. Of later ones nothing is known.
    #[must_use]
    pub const fn by_epoch(keys: Vec<(Epoch, ContextKey)>, known_until: Option<Epoch>) -> Self {
        Self(Keys::ByEpoch { keys, known_until })
    }

    /// The key of an epoch.
    #[must_use]
    pub fn of(&self, epoch: Epoch) -> Held<'_> {
        match &self.0 {
            Keys::Always(key) => Held::Key(key),
            Keys::ByEpoch { keys, known_until } => {
                let held = keys.iter().find(|(of, _)| *of == epoch).map(|(_, key)| Held::Key(key));
                held.unwrap_or(if Some(epoch) <= *known_until { Held::None } else { Held::Unknown })
            }
        }
    }

    /// The next epoch and its key, within 10 s of its beginning and where it is shared: somebody whose clock is ahead
    /// may challenge by it already.
    #[must_use]
    pub fn soon(&self, now: Time) -> Option<(Epoch, &ContextKey)> {
        let Keys::ByEpoch { keys, .. } = &self.0 else { return None };
        let soon = Some(Epoch::at(now.after(CLOCKS_DIFFER))).filter(|soon| *soon > Epoch::at(now))?;
        keys.iter().find(|(epoch, _)| *epoch == soon).map(|(epoch, key)| (*epoch, key))
    }
}

/// The same keys for the same epochs, as far as their ids tell.
impl PartialEq for ContextKeys {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Keys::Always(one), Keys::Always(other)) => one.id() == other.id(),
            (
                Keys::ByEpoch { keys, known_until },
                Keys::ByEpoch { keys: others, known_until: other_until },
            ) => {
                let ids = |keys: &[(Epoch, ContextKey)]| {
                    keys.iter().map(|(epoch, key)| (*epoch, key.id())).collect::<Vec<_>>()
                };
                known_until == other_until && ids(keys) == ids(others)
            }
            _ => false,
        }
    }
}

impl Eq for ContextKeys {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_key_and_what_nobody_asked_for_are_told_apart() {
        let epochs: Vec<_> = Epoch::at(Time::from_seconds(1_790_000_000)).and_before().take(3).collect();
        let keys = ContextKeys::by_epoch(vec![(epochs[1], ContextKey::new(&[1; 32]))], Some(epochs[1]));
        assert!(matches!(keys.of(epochs[1]), Held::Key(key) if key.id() == ContextKey::new(&[1; 32]).id()));
        assert!(matches!(keys.of(epochs[2]), Held::None));
        assert!(matches!(keys.of(epochs[0]), Held::Unknown));
        assert!(matches!(ContextKeys::by_epoch(Vec::new(), None).of(epochs[2]), Held::Unknown));
        assert!(matches!(ContextKeys::always(ContextKey::new(&[1; 32])).of(epochs[0]), Held::Key(_)));
    }

    #[test]
    fn the_next_epoch_counts_within_what_clocks_differ_and_where_it_is_shared() {
        // The next epoch begins 100 s later.
        let at = |second: u64| Time::from_seconds(1_790_000_000 + second);
        let next = Epoch::at(at(0)).next();
        let shared = ContextKeys::by_epoch(vec![(next, ContextKey::new(&[1; 32]))], Some(next));
        let soon = |keys: &ContextKeys, second| keys.soon(at(second)).map(|(epoch, _)| epoch);
        assert_eq!(
            [89, 90, 99, 100].map(|second| soon(&shared, second)),
            [None, Some(next), Some(next), None]
        );
        assert_eq!(soon(&ContextKeys::by_epoch(Vec::new(), Some(next)), 95), None);
        assert_eq!(soon(&ContextKeys::always(ContextKey::new(&[1; 32])), 95), None);
    }

    #[test]
    fn keys_are_the_same_when_each_epoch_has_the_same() {
        let epoch = Epoch::at(Time::from_seconds(1_790_000_000));
        let of = |secret, until| ContextKeys::by_epoch(vec![(epoch, ContextKey::new(&[secret; 32]))], until);
        assert_eq!(of(1, Some(epoch)), of(1, Some(epoch)));
        assert_ne!(of(1, Some(epoch)), of(2, Some(epoch)));
        assert_ne!(of(1, Some(epoch)), of(1, None));
        assert_ne!(of(1, Some(epoch)), ContextKeys::always(ContextKey::new(&[1; 32])));
    }
}

//! When a signature counts.

use super::SignatureInput;
use crate::saip::WINDOW_AFTER;
use thiserror::Error;

/// What a verifier asks of the times of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRules {
    /// How far `expires` may lie after `created`, in seconds.
    pub max_lifetime: u64,
}

impl TimeRules {
    /// A day, which the Web Bot Auth drafts recommend as the longest.
    pub const DEFAULT: Self = Self { max_lifetime: 24 * 60 * 60 };
}

/// Why a signature does not count now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TimeError {
    /// `created` is missing.
    #[error("created is missing")]
    NoCreated,
    /// `expires` is missing.
    #[error("expires is missing")]
    NoExpires,
    /// `expires` does not lie after `created`, or too far.
    #[error("expires lies {0} seconds after created")]
    Lifetime(i128),
    /// `created` lies ahead by more than clocks may differ.
    #[error("created lies {0} seconds ahead")]
    Ahead(u64),
    /// `expires` is reached.
    #[error("expired {0} seconds ago")]
    Expired(u64),
}

impl SignatureInput<'_> {
    /// Whether it counts at `now` (Unix seconds): `created` at most [`WINDOW_AFTER`] ahead, `expires` not
    /// reached, between them a second at least and the longest lifetime at most.
    ///
    /// # Errors
    /// [`TimeError`] says which rule it breaks.
    pub fn check_times(&self, now: u64, rules: TimeRules) -> Result<(), TimeError> {
        let created = self.created.ok_or(TimeError::NoCreated)?;
        let expires = self.expires.ok_or(TimeError::NoExpires)?;
        let lifetime = i128::from(expires) - i128::from(created);
        if lifetime < 1 || lifetime > i128::from(rules.max_lifetime) {
            return Err(TimeError::Lifetime(lifetime));
        }
        if created > now.saturating_add(WINDOW_AFTER) {
            return Err(TimeError::Ahead(created - now));
        }
        if now >= expires { Err(TimeError::Expired(now - expires)) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(created: Option<u64>, expires: Option<u64>, now: u64) -> Result<(), TimeError> {
        let mut input = SignatureInput::default();
        (input.created, input.expires) = (created, expires);
        input.check_times(now, TimeRules::DEFAULT)
    }

    #[test]
    fn every_limit_is_exact() {
        let at = |created, expires, now| check(Some(created), Some(expires), now);
        assert_eq!(at(1000, 1060, 1000), Ok(()));
        assert_eq!(at(1000, 1060, 970), Ok(()));
        assert_eq!(at(1000, 1060, 969), Err(TimeError::Ahead(31)));
        assert_eq!(at(1000, 1060, 1059), Ok(()));
        assert_eq!(at(1000, 1060, 1060), Err(TimeError::Expired(0)));
        assert_eq!(at(1000, 1000 + 86_400, 1000), Ok(()));
        assert_eq!(at(1000, 1000 + 86_401, 1000), Err(TimeError::Lifetime(86_401)));
        assert_eq!(at(1000, 1001, 1000), Ok(()));
        assert_eq!(at(1000, 1000, 999), Err(TimeError::Lifetime(0)));
        assert_eq!(at(1000, 999, 998), Err(TimeError::Lifetime(-1)));
        assert_eq!(check(None, Some(1060), 1000), Err(TimeError::NoCreated));
        assert_eq!(check(Some(1000), None, 1000), Err(TimeError::NoExpires));
    }
}

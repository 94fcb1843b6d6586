//! Redemption contexts (RFC 9577 section 2.1.2): a function of the site and of the time, which only whoever
//! has the key can compute, so that a challenge need not be remembered to be recognised.

use crate::context::{PASS_CONTEXT, PASS_KEY};
use crate::time::Time;
use aws_lc_rs::hmac;
use std::fmt;

/// How long one context is given out, in seconds.
pub const EPOCH: u64 = 150;

/// How long a token may count, in seconds from the beginning of the epoch of its context: that epoch and the
/// next, so that a challenge given out at the very end of one can still be answered.
pub const LIFETIME: u64 = 2 * EPOCH;

/// A span of [`EPOCH`] seconds, counted from 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(u64);

impl Epoch {
    /// That of a moment.
    #[must_use]
    pub const fn at(now: Time) -> Self {
        Self(now.seconds() / EPOCH)
    }

    /// This one and those before it, the latest first.
    pub fn and_before(self) -> impl Iterator<Item = Self> {
        (0..=self.0).rev().map(Self)
    }

    /// The next one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Its first second, in Unix seconds.
    #[must_use]
    pub const fn begins(self) -> u64 {
        self.0 * EPOCH
    }

    /// The first second at which tokens of its context no longer count.
    #[must_use]
    pub const fn ends(self) -> u64 {
        self.begins() + LIFETIME
    }
}

/// The key by which contexts are derived.
#[derive(Clone)]
pub struct ContextKey {
    key: hmac::Key,
    id: ContextKeyId,
}

/// Stands for a [`ContextKey`], and tells nothing of it: equal for equal keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContextKeyId(pub [u8; 16]);

impl ContextKey {
    /// A key made of 32 octets that nobody else knows.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let id = ContextKeyId(hmac::sign(&key, PASS_KEY).as_ref().first_chunk().copied().unwrap_or_default());
        Self { key, id }
    }

    /// What stands for it.
    #[must_use]
    pub const fn id(&self) -> ContextKeyId {
        self.id
    }

    /// HMAC-SHA256 of the site's name and the epoch.
    #[must_use]
    pub fn context(&self, origin: &str, Epoch(epoch): Epoch) -> [u8; 32] {
        let mut made = hmac::Context::with_key(&self.key);
        made.update(PASS_CONTEXT);
        // The epoch first, which has a fixed length, so that what is hashed is unambiguous.
        made.update(&epoch.to_be_bytes());
        made.update(origin.as_bytes());
        made.sign().as_ref().first_chunk().copied().unwrap_or_default()
    }
}

impl fmt::Debug for ContextKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContextKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_is_one_sites_one_epochs_and_one_keys() {
        let (key, epoch) = (ContextKey::new(&[1; 32]), Epoch::at(Time::from_seconds(1_790_000_000)));
        let next = Epoch::at(Time::from_seconds(1_790_000_000 + EPOCH));
        let context = key.context("a.example", epoch);
        assert_eq!(ContextKey::new(&[1; 32]).context("a.example", epoch), context);
        assert_ne!(key.context("b.example", epoch), context);
        assert_ne!(key.context("a.example", next), context);
        assert_ne!(ContextKey::new(&[2; 32]).context("a.example", epoch), context);
    }

    #[test]
    fn a_keys_id_is_its_own_and_none_of_its_contexts() {
        let (one, other) = (ContextKey::new(&[1; 32]), ContextKey::new(&[2; 32]));
        assert_eq!(one.id(), ContextKey::new(&[1; 32]).id());
        assert_ne!(one.id(), other.id());
        assert!(!one.context("a.example", Epoch::at(Time::default())).starts_with(&one.id().0));
    }

    #[test]
    fn an_epoch_holds_150_seconds_and_its_tokens_count_for_300() {
        let epoch = Epoch::at(Time::from_seconds(1_790_000_000));
        assert_eq!(epoch.begins(), 1_789_999_950);
        assert_eq!(Epoch::at(Time::from_seconds(1_790_000_099)), epoch);
        assert!(Epoch::at(Time::from_seconds(1_790_000_100)) > epoch);
        assert_eq!(epoch.ends(), 1_790_000_250);
        assert_eq!(Epoch::at(Time::from_seconds(0)).and_before().count(), 1);
        let latest: Vec<_> = epoch.and_before().take(2).map(Epoch::begins).collect();
        assert_eq!(latest, [1_789_999_950, 1_789_999_800]);
    }

    #[test]
    fn printing_a_key_shows_nothing_of_it() {
        assert_eq!(format!("{:?}", ContextKey::new(&[9; 32])), "ContextKey");
    }
}

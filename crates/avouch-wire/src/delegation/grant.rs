//! What a token says.

use super::{Scope, Subject};
use crate::authority::Authority;
use crate::name::Domain;
use crate::target::NormalPath;
use crate::time::Time;
use thiserror::Error;

/// The longest a token may last, in seconds: 90 days. Whoever is authorised for longer gets another.
pub const MAX_LIFETIME: u64 = 90 * 24 * 60 * 60;

/// The most scopes and authorities a token lists; far fewer fill its octets.
pub const MAX_LISTED: usize = 64;

/// The most octets of a token's own name.
pub const MAX_ID: usize = 128;

/// What a domain allows: who may act for it, from when until when, for what, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The domain (`iss`).
    pub issuer: Domain<'static>,
    /// Who is authorised (`sub`).
    pub subject: Subject,
    /// From when on, in Unix seconds (`nbf`).
    pub not_before: u64,
    /// Until when; this second no longer counts (`exp`).
    pub expires: u64,
    /// For what: 1–[`MAX_LISTED`] (`scope`).
    pub scopes: Vec<Scope>,
    /// At which sites; none: at all of them (`aud`).
    pub audience: Vec<Authority<'static>>,
    /// The token's own name (`jti`): 1–[`MAX_ID`] octets 0x21–0x7E.
    pub id: String,
}

/// Why a grant cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum GrantError {
    /// It would never count.
    #[error("nbf does not lie before exp")]
    Times,
    /// It would last too long.
    #[error("nbf and exp lie {0} s apart; 90 days (7776000 s) is the most")]
    Lifetime(u64),
    /// It allows nothing.
    #[error("scope is empty; `* /` is everything")]
    NoScope,
    /// It lists too much.
    #[error("scope and aud list 64 at most, each")]
    TooMany,
    /// Not a name.
    #[error("jti is not 1 to 128 visible ASCII characters")]
    Id,
}

impl Grant {
    /// Whether it keeps to the limits.
    ///
    /// # Errors
    /// [`GrantError`] names the first rule broken.
    pub fn check(&self) -> Result<(), GrantError> {
        let lasts = self.expires.checked_sub(self.not_before).filter(|lasts| *lasts > 0);
        let lasts = lasts.ok_or(GrantError::Times)?;
        if lasts > MAX_LIFETIME {
            return Err(GrantError::Lifetime(lasts));
        }
        if self.scopes.is_empty() {
            return Err(GrantError::NoScope);
        }
        if self.scopes.len() > MAX_LISTED || self.audience.len() > MAX_LISTED {
            return Err(GrantError::TooMany);
        }
        let is_name = (1..=MAX_ID).contains(&self.id.len()) && self.id.bytes().all(|o| o.is_ascii_graphic());
        if is_name { Ok(()) } else { Err(GrantError::Id) }
    }

    /// Whether it counts at `now`: from `nbf` until before `exp`, without tolerance.
    #[must_use]
    pub fn is_in_force(&self, now: Time) -> bool {
        (self.not_before..self.expires).contains(&now.seconds())
    }

    /// Whether it allows this request.
    #[must_use]
    pub fn admits(&self, method: &str, path: &NormalPath<'_>) -> bool {
        self.scopes.iter().any(|scope| scope.admits(method, path))
    }

    /// Whether it counts at this site.
    #[must_use]
    pub fn is_for(&self, authority: &Authority<'_>) -> bool {
        self.audience.is_empty() || self.audience.contains(authority)
    }
}

//! The two ways a decision comes out. Only this stage makes either.

use core::time::Duration;

use super::{Action, Priority};
use crate::reason::Reason;

/// The right to be forwarded; a forwarder takes nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permit {
    pub(super) priority: Priority,
    pub(super) audit: bool,
    pub(super) told: Option<Action>,
    pub(super) withheld: Option<Refusal>,
}

impl Permit {
    /// The place of the request when not all can be served.
    #[must_use]
    pub const fn priority(&self) -> Priority {
        self.priority
    }

    /// Whether the request is to be audited.
    #[must_use]
    pub const fn is_audited(&self) -> bool {
        self.audit
    }

    /// What the upstream is told in `Avouch-Decision`; `None` (written `-`) where a refusal was
    /// withheld in [`Mode::Observe`](super::Mode::Observe).
    #[must_use]
    pub const fn told(&self) -> Option<Action> {
        self.told
    }

    /// The refusal that the mode kept from being carried out, for the log.
    #[must_use]
    pub const fn withheld(&self) -> Option<&Refusal> {
        self.withheld.as_ref()
    }
}

/// An answer in place of the upstream's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub(super) action: Action,
    pub(super) reason: Reason,
    pub(super) identified: bool,
    pub(super) retry_after: Option<Duration>,
    pub(super) retryable: bool,
}

impl Refusal {
    /// What is done instead of forwarding: throttle, challenge, reject or unavailable.
    #[must_use]
    pub const fn action(&self) -> Action {
        self.action
    }

    /// The HTTP status: 429 for throttle, 403 for reject, 503 for unavailable; for challenge 401,
    /// or 403 where the sender already proved who it is, so that proving it again would not help.
    /// A 401 carries `WWW-Authenticate` (RFC 9110 section 15.5.2).
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self.action {
            Action::Throttle => 429,
            Action::Challenge if !self.identified => 401,
            Action::Unavailable => 503,
            Action::Challenge | Action::Reject | Action::Accept | Action::Monitor => 403,
        }
    }

    /// Why, as the answer says it.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// How long to wait before trying again, where that is known. `Retry-After` takes it in
    /// seconds, rounded up.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Whether the same request, signed afresh where it was signed, may be let through later.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        self.retryable
    }
}

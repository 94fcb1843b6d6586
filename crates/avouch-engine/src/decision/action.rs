//! What can be done with a request.

use core::fmt;

use crate::evidence::Persistence;
use crate::verdict::Standing;

/// What happens to a request: the five actions of rules (VICDM draft sections 7 and 8), and one
/// that no rule can order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Answer 503: the request could not be accepted for a reason on this side. Never in a rule.
    Unavailable,
    /// Answer 403.
    Reject,
    /// Answer 401 or 403 and say which proof would help.
    Challenge,
    /// Let through at the rule's rate, answer 429 beyond it.
    Throttle,
    /// Let through and keep an audit record.
    Monitor,
    /// Let through.
    Accept,
}

impl Action {
    /// The actions of rules, each with the word for it.
    pub const WORDS: [(&'static str, Self); 5] = [
        ("accept", Self::Accept),
        ("monitor", Self::Monitor),
        ("throttle", Self::Throttle),
        ("challenge", Self::Challenge),
        ("reject", Self::Reject),
    ];

    /// The word policies, logs and headers use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Monitor => "monitor",
            Self::Throttle => "throttle",
            Self::Challenge => "challenge",
            Self::Reject => "reject",
            Self::Unavailable => "unavailable",
        }
    }

    /// Whether a rule with this action lets any request through.
    #[must_use]
    pub const fn allows(self) -> bool {
        match self {
            Self::Accept | Self::Monitor | Self::Throttle => true,
            Self::Challenge | Self::Reject | Self::Unavailable => false,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The place of a request when not all can be served: the lowest is shed first (VICDM draft
/// section 7: 3 high, 2 medium, 0 low, 1 minimal).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Shed first: a claim that does not hold.
    Minimal,
    /// Nobody in particular.
    Low,
    /// Probably who they say.
    Medium,
    /// Shed last: proven.
    High,
}

impl Priority {
    /// Every priority with the word for it.
    pub const WORDS: [(&'static str, Self); 4] =
        [("high", Self::High), ("medium", Self::Medium), ("low", Self::Low), ("minimal", Self::Minimal)];

    /// The priority of a standing where no rule says otherwise. What could not be found out for
    /// now has the place of having claimed nothing.
    #[must_use]
    pub const fn of(standing: Standing) -> Self {
        match standing {
            Standing::Verified => Self::High,
            Standing::Partial => Self::Medium,
            Standing::Anonymous | Standing::Pseudonymous | Standing::Undetermined(Persistence::Temporary) => {
                Self::Low
            }
            Standing::Invalid | Standing::Undetermined(Persistence::Permanent) => Self::Minimal,
        }
    }

    /// The word policies and logs use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
            Self::Minimal => "minimal",
        }
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_the_written_forms() {
        assert!(Action::WORDS.iter().all(|(word, action)| *word == action.as_str()));
        assert!(Priority::WORDS.iter().all(|(word, priority)| *word == priority.as_str()));
    }

    #[test]
    fn the_trust_order_is_that_of_the_draft() {
        assert!(Priority::High > Priority::Medium && Priority::Medium > Priority::Low);
        assert!(
            Priority::Low > Priority::Minimal,
            "an anonymous request outranks a claim that does not hold"
        );
    }
}

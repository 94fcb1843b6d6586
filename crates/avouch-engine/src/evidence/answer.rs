//! What a look-up came to. Not knowing is the default and a value of its own.

use avouch_wire::time::Time;

/// The outcome of looking something up.
///
/// There is no way to the value but through a match or [`Answer::found`]: whoever reads a fact
/// says what happens when it is absent and what when it could not be found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<T> {
    /// The source holds it.
    Found {
        /// What it holds.
        value: T,
        /// Whether the zone proved it.
        dnssec: Dnssec,
        /// The last moment at which it may be used is the one before this.
        until: Time,
    },
    /// The source answered that there is no such thing (NXDOMAIN or NODATA).
    Absent {
        /// Whether the zone proved the absence.
        dnssec: Dnssec,
        /// How long the absence may be relied on.
        until: Time,
    },
    /// It could not be found out.
    Unknown(Cause),
}

/// Whether a usable DNS answer was validated.
///
/// The two other outcomes of validation (RFC 4035 section 4.3) never carry a usable value; they
/// are [`Cause::Bogus`] and [`Cause::Indeterminate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dnssec {
    /// The zone is provably unsigned, or the answer comes from an offline source without proof.
    Insecure,
    /// A chain of signatures leads to a trust anchor.
    Secure,
}

/// Why something could not be found out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cause {
    /// Nobody asked. The default, so that evidence nobody gathered is never taken for fine.
    #[default]
    NotAsked,
    /// No answer arrived in time.
    Timeout,
    /// The server answered that it failed (SERVFAIL, REFUSED, a broken message).
    ServerFailure,
    /// The source or store could not be reached.
    Unreachable,
    /// This source of requests has used up its look-ups for now.
    Budget,
    /// DNSSEC validation failed.
    Bogus,
    /// DNSSEC validation could not reach a conclusion.
    Indeterminate,
    /// A key directory could not be fetched.
    DirectoryUnreachable,
    /// What was fetched is no key directory.
    DirectoryUnusable,
    /// A registration entity gave no answer.
    EntityUnreachable,
    /// What a registration entity gave is no answer to the question.
    EntityUnusable,
}

/// Whether trying again later can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Persistence {
    /// A later attempt may succeed.
    Temporary,
    /// Only a change at the domain will help.
    Permanent,
}

impl Cause {
    /// Whether trying again later can help.
    #[must_use]
    pub const fn persistence(self) -> Persistence {
        match self {
            Self::NotAsked
            | Self::Timeout
            | Self::ServerFailure
            | Self::Unreachable
            | Self::Budget
            | Self::DirectoryUnreachable
            | Self::DirectoryUnusable
            | Self::EntityUnreachable
            | Self::EntityUnusable => Persistence::Temporary,
            Self::Bogus | Self::Indeterminate => Persistence::Permanent,
        }
    }
}

impl<T> Default for Answer<T> {
    fn default() -> Self {
        Self::Unknown(Cause::NotAsked)
    }
}

impl<T> Answer<T> {
    /// The value, when it was found and may still be used at `now`.
    pub fn found(&self, now: Time) -> Option<&T> {
        match self {
            Self::Found { value, until, .. } if now < *until => Some(value),
            Self::Found { .. } | Self::Absent { .. } | Self::Unknown(_) => None,
        }
    }

    /// The moment from which this answer may no longer be used; `None` when nothing was found out.
    pub const fn until(&self) -> Option<Time> {
        match self {
            Self::Found { until, .. } | Self::Absent { until, .. } => Some(*until),
            Self::Unknown(_) => None,
        }
    }

    /// The same answer with its value changed by `f`.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Answer<U> {
        match self {
            Self::Found { value, dnssec, until } => Answer::Found { value: f(value), dnssec, until },
            Self::Absent { dnssec, until } => Answer::Absent { dnssec, until },
            Self::Unknown(cause) => Answer::Unknown(cause),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_asked_is_unknown() {
        assert_eq!(Answer::<()>::default(), Answer::Unknown(Cause::NotAsked));
    }

    #[test]
    fn a_value_is_usable_until_its_end_and_not_a_moment_longer() {
        let answer = Answer::Found { value: 7, dnssec: Dnssec::Secure, until: Time::from_millis(5_000) };
        assert_eq!(answer.found(Time::from_millis(4_999)), Some(&7));
        assert_eq!(answer.found(Time::from_millis(5_000)), None);
    }
}

//! Why somebody is not answered.

use std::time::Duration;

use http::StatusCode;

/// Why a question is answered with no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Another entity is meant.
    #[error("another registration entity is asked: correct `re`")]
    OtherEntity,
    /// Too old, or ahead.
    #[error("asked more than 60 s from now: set the clock of the machine")]
    Time,
    /// Asked before this entity started anew from a backup: nobody knows whether the nonce was used.
    #[error("the entity was restored a moment ago: ask again in a minute")]
    Restored,
    /// An epoch that nobody may ask for.
    #[error("an epoch is neither the one that runs nor the one before, nor the next within 30 s of it")]
    Epoch,
    /// No signature, or another scheme.
    #[error("no signature of who asks: send `Authorization: {0} <fingerprint>.<signature>`")]
    NoSignature(&'static str),
    /// It does not hold.
    #[error("the signature does not hold for this question, or is by another key")]
    Signature,
    /// The site does not list the key.
    #[error("the site does not list the key that signed: publish it at /.well-known/avouch/verifier.json")]
    NotListed,
    /// The site is out of reach, or publishes nothing that can be read.
    #[error("the site's /.well-known/avouch/verifier.json cannot be had: {0}")]
    Site(&'static str),
    /// The nonce was used.
    #[error("the nonce was used already: ask with another")]
    NonceUsed,
    /// Too many questions of one site or agent.
    #[error("asked too often within two minutes: ask for several agents at once")]
    AskedTooOften,
    /// Too many questions of all.
    #[error("too many questions were asked within two minutes: ask again in a minute")]
    Full,
    /// Too many streams.
    #[error("too many streams: end one, or try again later")]
    TooManyStreams,
    /// There is no such token.
    #[error("the token is not known here: ask the operator of the registration entity for one")]
    TokenUnknown,
    /// It has ended.
    #[error("the token has ended: ask the operator of the registration entity for another")]
    TokenExpired,
    /// It was used as often as it may be.
    #[error(
        "the token was used as often as it may be: ask the operator of the registration entity for another"
    )]
    TokenUsedUp,
    /// It is for other agents.
    #[error("the token is for other agents")]
    AgentNotAllowed,
    /// The agent is registered with another key.
    #[error("the agent is registered with another key: register by another id")]
    KeyConflict,
    /// The agent is registered, for some time already.
    #[error("the agent is registered already: ask for another secret at /v1/agents/secret")]
    Registered,
    /// It is not.
    #[error("the agent is not registered here")]
    NotRegistered,
    /// The agent was revoked, or its fleet, or its domain.
    #[error("the agent was revoked, or its fleet, or all of its domain: register by another id")]
    Revoked,
    /// Too many are registered.
    #[error("too many agents are registered here")]
    TooManyAgents,
    /// Its sequence began elsewhere too often.
    #[error("the sequence began elsewhere 3 times in 24 hours: wait")]
    TurnsUsedUp {
        /// For how long.
        wait: Duration,
    },
}

impl Refusal {
    /// As it is written in answers.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::OtherEntity => "other-entity",
            Self::Time => "time",
            Self::Restored => "restored",
            Self::Epoch => "epoch",
            Self::NoSignature(_) => "no-signature",
            Self::Signature => "signature",
            Self::NotListed => "key-not-listed",
            Self::Site(_) => "site-unreachable",
            Self::NonceUsed => "nonce-used",
            Self::AskedTooOften => "asked-too-often",
            Self::Full => "full",
            Self::TooManyStreams => "too-many-streams",
            Self::TokenUnknown => "token-unknown",
            Self::TokenExpired => "token-expired",
            Self::TokenUsedUp => "token-used-up",
            Self::AgentNotAllowed => "agent-not-allowed",
            Self::KeyConflict => "key-conflict",
            Self::Registered => "registered",
            Self::NotRegistered => "not-registered",
            Self::Revoked => "revoked",
            Self::TooManyAgents => "too-many-agents",
            Self::TurnsUsedUp { .. } => "turns-used-up",
        }
    }

    /// The status of the answer.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Time | Self::Epoch => StatusCode::BAD_REQUEST,
            Self::NoSignature(_) | Self::Signature | Self::TokenUnknown => StatusCode::UNAUTHORIZED,
            Self::OtherEntity
            | Self::NotListed
            | Self::TokenExpired
            | Self::TokenUsedUp
            | Self::AgentNotAllowed
            | Self::NotRegistered
            | Self::Revoked => StatusCode::FORBIDDEN,
            Self::NonceUsed | Self::KeyConflict | Self::Registered => StatusCode::CONFLICT,
            Self::AskedTooOften | Self::TooManyStreams | Self::TurnsUsedUp { .. } => {
                StatusCode::TOO_MANY_REQUESTS
            }
            Self::Restored | Self::Full | Self::Site(_) | Self::TooManyAgents => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }

    /// Seconds after which to ask again.
    #[must_use]
    pub fn retry_after(self) -> Option<u64> {
        match self {
            Self::TurnsUsedUp { wait } => Some(wait.as_secs().saturating_add(1)),
            Self::AskedTooOften | Self::Full | Self::Restored | Self::TooManyAgents => Some(60),
            Self::Site(_) | Self::TooManyStreams => Some(10),
            _ => None,
        }
    }
}

/// Why the owner's word changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unchanged {
    /// A token of that name.
    #[error("there is a token {0} already: choose another name, or remove it")]
    TokenExists(String),
    /// No token of that name.
    #[error("there is no token {0}")]
    NoToken(String),
    /// Too many tokens.
    #[error("there are too many tokens: remove those that ended")]
    TooManyTokens,
}

//! What is wrong with an entity, in words for whoever can mend it.

use super::lines::NoLine;
use super::stream::SILENCE;
use crate::https::HttpsError;
use avouch_engine::evidence::Cause;
use avouch_keys::KeyError;
use avouch_keys::entropy::NoRandomness;
use avouch_wire::entity::MessageError;
use hyper::StatusCode;
use std::time::Duration;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("{0}")]
    Https(#[from] HttpsError),
    #[error("refuses the question: {}", refusal(*.0))]
    Refused(StatusCode, Option<Duration>),
    #[error("answers something else than it was asked: {0}")]
    Unusable(#[from] MessageError),
    #[error("says that its answer has ended already: have both clocks kept by NTP")]
    Past,
    #[error("answered before something happened that it told of meanwhile")]
    Overtaken,
    #[error("cannot be asked: {0}")]
    Key(#[from] KeyError),
    #[error("cannot be asked: {0}")]
    Randomness(#[from] NoRandomness),
    #[error("cannot be asked: the key was not at hand")]
    Cancelled,
    #[error("has a stream that {0}")]
    Stream(#[from] NoLine),
    #[error("has a stream that sent what is no event: {0}")]
    NoEvent(MessageError),
    #[error("has said nothing for {} s", SILENCE.as_secs())]
    Silent,
}

/// What a refusal means to the operator.
fn refusal(status: StatusCode) -> String {
    let means = match status {
        StatusCode::BAD_REQUEST => "it cannot be read there; compare versions, and both clocks",
        StatusCode::UNAUTHORIZED => "the signature does not count there",
        StatusCode::FORBIDDEN => {
            "it finds no such key at /.well-known/avouch/verifier.json of the site, or is asked by another name than its own"
        }
        StatusCode::CONFLICT => "it was asked already",
        StatusCode::TOO_MANY_REQUESTS => "it is asked too often",
        StatusCode::SERVICE_UNAVAILABLE => {
            "it is busy, or cannot fetch /.well-known/avouch/verifier.json of the site"
        }
        _ => "",
    };
    if means.is_empty() { status.to_string() } else { format!("{status}: {means}") }
}

impl Trouble {
    /// What requests are told that wait for the answer.
    pub(super) const fn cause(&self) -> Cause {
        match self {
            Self::Https(HttpsError::MediaType | HttpsError::Encoded | HttpsError::Body(_))
            | Self::Unusable(_)
            | Self::Past
            | Self::NoEvent(_) => Cause::EntityUnusable,
            Self::Refused(status, _) if is_busy(*status) => Cause::EntityUnreachable,
            Self::Refused(..) => Cause::EntityUnusable,
            Self::Https(_)
            | Self::Overtaken
            | Self::Key(_)
            | Self::Randomness(_)
            | Self::Cancelled
            | Self::Stream(_)
            | Self::Silent => Cause::EntityUnreachable,
        }
    }

    /// Whether it says something about the entity, and not about this question alone: strangers choose what is asked
    /// for, and must not keep others from being.
    pub(super) const fn is_of_entity(&self) -> bool {
        match self {
            Self::Refused(status, _) => !matches!(*status, StatusCode::BAD_REQUEST | StatusCode::CONFLICT),
            Self::Past | Self::Overtaken => false,
            _ => true,
        }
    }

    /// For how long the entity wants to be left alone.
    pub(super) const fn wanted_pause(&self) -> Option<Duration> {
        match self {
            Self::Refused(_, pause) => *pause,
            _ => None,
        }
    }
}

/// Whether it may answer later.
const fn is_busy(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 500..=599)
}

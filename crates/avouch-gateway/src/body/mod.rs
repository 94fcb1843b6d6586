//! Bodies on their way through: bounded in time, their trailers cleaned, their digest held to.

mod answer;
mod pause;
mod request;
mod watched;

pub(crate) use answer::AnswerBody;
pub(crate) use pause::Pause;
pub(crate) use request::{RequestBody, Signed};
pub(crate) use watched::Watch;

/// Why a body stops before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The client's or upstream's connection broke, or it sent something that is no body.
    #[error("the body broke off: {0}")]
    Broken(#[from] hyper::Error),
    /// Nothing arrived for as long as a body may pause.
    #[error("the body paused for too long")]
    Paused,
    /// The content is not what the sender signed.
    #[error("the content does not match its signed digest")]
    Mismatch,
}

//! What the messages have in common: their members, read strictly.

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::authority::{Authority, Scheme};
use crate::b64u;
use crate::name::{AgentId, Domain, NameError};

/// Why a message is none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MessageError {
    /// Longer than this many octets.
    #[error("longer than {0} octets")]
    TooLong(usize),
    /// Not the JSON that is expected; where, and what of it.
    #[error("not as expected: {0}")]
    Document(String),
    /// A member that is no name.
    #[error("{0} {1}")]
    Name(&'static str, NameError),
    /// A member that is not of its form.
    #[error("{0} is not of its form")]
    Form(&'static str),
    /// Fewer or more than may stand there.
    #[error("{0}: 1 to {1} may stand there")]
    Count(&'static str, usize),
    /// An answer that is not one to what was asked.
    #[error("{0} is not what was asked for")]
    NotAsked(&'static str),
}

/// Reads JSON of at most `most` octets. Members that are unknown or stand twice are refused by the types.
pub(super) fn read<T: DeserializeOwned>(octets: &[u8], most: usize) -> Result<T, MessageError> {
    if octets.len() > most {
        return Err(MessageError::TooLong(most));
    }
    serde_json::from_slice(octets).map_err(|error| MessageError::Document(error.to_string()))
}

/// Writes JSON. Of what is written here nothing can fail.
pub(super) fn write(document: &impl Serialize) -> String {
    serde_json::to_string(document).unwrap_or_default()
}

/// A domain in the one way it is written here, in lower case.
pub(super) fn domain(member: &'static str, text: &str) -> Result<Domain<'static>, MessageError> {
    let domain = Domain::parse(text).map_err(|error| MessageError::Name(member, error))?;
    if domain.as_str() == text { Ok(domain.into_owned()) } else { Err(MessageError::Form(member)) }
}

/// An agent with its domain, whose name in the DNS is not too long.
pub(super) fn agent(dom: &str, id: &str) -> Result<(Domain<'static>, AgentId<'static>), MessageError> {
    let domain = domain("dom", dom)?;
    let agent = AgentId::parse(id).map_err(|error| MessageError::Name("id", error))?;
    agent.record_name(&domain).map_err(|error| MessageError::Name("id", error))?;
    Ok((domain, agent.into_owned()))
}

/// An authority in the one way it is written.
pub(super) fn authority(text: &str) -> Result<Authority<'static>, MessageError> {
    match Authority::parse(text, Scheme::Https) {
        Ok(authority) if authority.as_str() == text => Ok(authority.into_owned()),
        Ok(_) | Err(_) => Err(MessageError::Form("aud")),
    }
}

/// A nonce: 16 to 64 octets of the alphabet of base64url.
pub(super) fn nonce(text: String) -> Result<String, MessageError> {
    let is_nonce = (16..=64).contains(&text.len()) && b64u::is_alphabet(&text);
    if is_nonce { Ok(text) } else { Err(MessageError::Form("nonce")) }
}

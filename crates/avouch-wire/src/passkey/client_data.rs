//! What a browser says it was asked: `CollectedClientData` (section 5.8.1).

use super::{Challenge, MAX_CLIENT_DATA};
use crate::b64u;
use serde::Deserialize;
use std::borrow::Cow;
use thiserror::Error;

/// Why octets are no client data of an assertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ClientDataError {
    /// Longer than any browser's.
    #[error("have more than {MAX_CLIENT_DATA} octets")]
    Length,
    /// No object of JSON with the members it must have, each once.
    #[error("are not JSON with type, challenge and origin")]
    Json,
    /// Of another ceremony.
    #[error("are not those of an assertion")]
    Type,
    /// Not 256 bits in base64url.
    #[error("have a challenge that is not ours")]
    Challenge,
    /// Another page had a frame with the one that asked in it.
    #[error("come from a page within another")]
    Framed,
}

/// The client data of an assertion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientData<'a> {
    /// What was asked.
    pub challenge: Challenge,
    /// The origin of the page that asked.
    pub origin: Cow<'a, str>,
}

/// Members that are not here are for later, and mean nothing to a verifier (section 5.8.1).
#[derive(Deserialize)]
struct Written<'a> {
    #[serde(borrow, rename = "type")]
    ceremony: Cow<'a, str>,
    #[serde(borrow)]
    challenge: Cow<'a, str>,
    #[serde(borrow)]
    origin: Cow<'a, str>,
    #[serde(default, rename = "crossOrigin")]
    cross_origin: bool,
    #[serde(borrow, default, rename = "topOrigin")]
    top_origin: Option<Cow<'a, str>>,
}

impl<'a> ClientData<'a> {
    /// Reads the client data of an assertion.
    ///
    /// # Errors
    /// [`ClientDataError`].
    pub fn read(octets: &'a [u8]) -> Result<Self, ClientDataError> {
        if octets.len() > MAX_CLIENT_DATA {
            return Err(ClientDataError::Length);
        }
        let written: Written<'a> = serde_json::from_slice(octets).map_err(|_| ClientDataError::Json)?;
        if written.ceremony != "webauthn.get" {
            return Err(ClientDataError::Type);
        }
        if written.cross_origin || written.top_origin.is_some() {
            return Err(ClientDataError::Framed);
        }
        let challenge = b64u::decode(&written.challenge).map_err(|_| ClientDataError::Challenge)?;
        Ok(Self { challenge, origin: written.origin })
    }
}

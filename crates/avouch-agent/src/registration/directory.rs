//! The key directory, by which Web Bot Auth finds keys.

use avouch_gather::https::{Client, Get, Got, HttpsError};
use avouch_wire::http_signature::Thumbprint;
use avouch_wire::time::Time;
use avouch_wire::web_bot_auth::{Directory, Discovery, MAX_DIRECTORY, MEDIA_TYPE};

use super::{Found, State};

/// Looks whether the directory at `url` holds the key.
pub(super) async fn look(
    client: &Client,
    discovery: Discovery,
    url: &str,
    key: &Thumbprint,
    now: Time,
) -> Found {
    if discovery == Discovery::Cimd {
        return Found(State::Unknown, "a metadata document is not looked into".into());
    }
    let get = Get { url, accept: MEDIA_TYPE, limit: MAX_DIRECTORY, unless: None };
    let document = match client.get(get, now).await {
        Ok(Got::Document(document)) => document,
        Ok(Got::Unchanged(_)) => return Found(State::Unknown, "no document came".into()),
        Err(HttpsError::Gone(status)) => {
            return Found(State::Missing, format!("nothing stands there: {status}"));
        }
        Err(error) => return Found(State::Unknown, error.to_string()),
    };
    match Directory::parse(&document.body) {
        Ok(directory) if directory.find(key).is_some() => {
            Found(State::Published, "the directory holds the key".into())
        }
        Ok(directory) if directory.keys().is_empty() => {
            Found(State::Missing, "the directory holds no key".into())
        }
        Ok(_) => Found(State::OtherKey, format!("the directory holds other keys, and not {key}")),
        Err(error) => Found(State::Missing, format!("what stands there is no directory: {error}")),
    }
}

//! Signing in by a passkey, bringing a new one, and signing out.

use std::net::IpAddr;
use std::sync::Arc;

use askama::Template;
use avouch_engine::decision::{Meter as _, Subject};
use avouch_gateway::trust::Remote;
use avouch_keys::entropy::NoRandomness;
use avouch_wire::b64u;
use avouch_wire::key::PublicKey;
use avouch_wire::passkey::{self, Assertion, MAX_CREDENTIAL_ID, RelyingParty};
use axum::Json;
use axum::extract::{ConnectInfo, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::Console;
use crate::frame::Frame;
use crate::refusal::{Refusal, SIGN_IN, page};
use crate::user::{Fields, User, cookies};
use crate::users::{Refused, Ticket, UsersError};

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn {
    frame: Frame,
}

#[derive(Template)]
#[template(path = "enrol.html")]
struct Enrol {
    frame: Frame,
}

/// What a browser hands to its authenticator.
#[derive(Serialize)]
pub(crate) struct Asked {
    challenge: String,
    /// The host passkeys are made for.
    host: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

/// What an authenticator gave. All of it base64url.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shown {
    id: String,
    client_data: String,
    authenticator_data: String,
    signature: String,
}

/// The bearer of an invitation.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bearer {
    ticket: String,
}

/// A new passkey, which has just shown itself.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Brought {
    ticket: String,
    key: String,
    shown: Shown,
}

/// Why nobody is signed in; what is said of it tells nothing of who might be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("Too often: wait a minute, and try again.")]
    Often,
    #[error("The page sent something that is no passkey’s.")]
    Malformed,
    #[error("This took too long, or was answered before: try again.")]
    Challenge,
    #[error("This passkey does not open the console: {0}.")]
    Assertion(#[from] passkey::AssertionError),
    #[error("This passkey does not open the console. Ask an operator for an invitation.")]
    Unknown,
    #[error("This kind of passkey is not taken: choose one with ES256 or Ed25519.")]
    Kind,
    #[error("It cannot be enrolled: {0}.")]
    Refused(#[from] Refused),
    #[error("Something in the gateway does not work; its log says what.")]
    Broken,
}

impl From<NoRandomness> for Failure {
    fn from(error: NoRandomness) -> Self {
        tracing::error!(%error, "nobody can sign in");
        Self::Broken
    }
}

impl From<UsersError> for Failure {
    fn from(error: UsersError) -> Self {
        tracing::error!(%error, "the console’s users are not to be had");
        Self::Broken
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::Often => StatusCode::TOO_MANY_REQUESTS,
            Self::Broken => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Malformed | Self::Kind => StatusCode::BAD_REQUEST,
            Self::Challenge | Self::Assertion(_) | Self::Unknown | Self::Refused(_) => StatusCode::FORBIDDEN,
        };
        (status, self.to_string()).into_response()
    }
}

type Answer<T> = Result<T, Failure>;
type From_ = ConnectInfo<Remote>;

pub(crate) async fn sign_in_page(user: Result<User, Refusal>) -> Response {
    match user {
        Ok(_) => Redirect::to("/console/").into_response(),
        Err(_) => page(&SignIn { frame: Frame::outside() }),
    }
}

pub(crate) async fn enrol_page() -> Response {
    page(&Enrol { frame: Frame::outside() })
}

/// Asks for a passkey, whosever it is.
pub(crate) async fn ask(
    State(console): State<Arc<Console>>,
    from: From_,
    headers: HeaderMap,
) -> Answer<Json<Asked>> {
    console.admit(from, &headers)?;
    console.asked(None).map(Json)
}

/// Takes a passkey for what it shows.
pub(crate) async fn sign_in(
    State(console): State<Arc<Console>>,
    from: From_,
    headers: HeaderMap,
    Json(shown): Json<Shown>,
) -> Answer<Response> {
    let address = console.admit(from, &headers)?;
    let id = shown.id()?;
    let file = console.users.clone();
    let users = blocking(move || Ok(file.read()?)).await?;
    let passkey = users.passkey(&id).ok_or(Failure::Unknown);
    let held = passkey.and_then(|passkey| console.hold(&shown, &passkey.key).map(|()| passkey));
    let passkey = held.inspect_err(|why| {
        tracing::warn!(%address, %why, "a passkey does not open the console");
    })?;
    tracing::info!(user = %passkey.name, role = passkey.role.as_str(), %address, "signed in to the console");
    console.open(&id)
}

/// Asks the bearer of an invitation for a new passkey.
pub(crate) async fn ask_new(
    State(console): State<Arc<Console>>,
    from: From_,
    headers: HeaderMap,
    Json(bearer): Json<Bearer>,
) -> Answer<Json<Asked>> {
    console.admit(from, &headers)?;
    let ticket = Ticket::parse(&bearer.ticket).ok_or(Refused::Invitation)?;
    let (file, now) = (console.users.clone(), console.insight.now());
    let users = blocking(move || Ok(file.read()?)).await?;
    let invitation = users.invitation(ticket, now).ok_or(Refused::Invitation)?;
    console.asked(Some(invitation.name.to_string())).map(Json)
}

/// Enrols a new passkey, once it has shown that it signs for this console.
pub(crate) async fn enrol(
    State(console): State<Arc<Console>>,
    from: From_,
    headers: HeaderMap,
    Json(brought): Json<Brought>,
) -> Answer<Response> {
    let address = console.admit(from, &headers)?;
    let ticket = Ticket::parse(&brought.ticket).ok_or(Refused::Invitation)?;
    let id = brought.shown.id()?;
    let key = b64u::decode_vec(&brought.key).map_err(|_| Failure::Malformed)?;
    let key = passkey::key(&key).ok_or(Failure::Kind)?;
    console.hold(&brought.shown, &key)?;
    let (file, now, new) = (console.users.clone(), console.insight.now(), id.clone());
    let enrolling = move || file.change(|users| Ok(users.enrol(ticket, &new, key, now)?));
    let (user, role) = blocking(enrolling).await?;
    tracing::info!(%user, role = role.as_str(), %address, "a passkey was enrolled for the console");
    console.open(&id)
}

/// Ends the session.
pub(crate) async fn sign_out(
    State(console): State<Arc<Console>>,
    headers: HeaderMap,
    _user: User,
    _form: Fields,
) -> Response {
    let ended = console.sessions.end(&cookies(&headers));
    ([(header::SET_COOKIE, ended)], Redirect::to(SIGN_IN)).into_response()
}

impl Shown {
    fn id(&self) -> Answer<Vec<u8>> {
        let id = b64u::decode_vec(&self.id).map_err(|_| Failure::Malformed)?;
        if (1..=MAX_CREDENTIAL_ID).contains(&id.len()) { Ok(id) } else { Err(Failure::Malformed) }
    }
}

impl Console {
    /// Counts an attempt of a client; its address, as trusted proxies tell it.
    fn admit(&self, ConnectInfo(remote): From_, headers: &HeaderMap) -> Answer<IpAddr> {
        let (limit, now) = (&self.attempts.1, self.insight.now());
        let address = self.insight.client(remote, headers);
        self.attempts.0.admit(Subject::address(address), limit, now).map_err(|_| Failure::Often)?;
        Ok(address)
    }

    fn asked(&self, name: Option<String>) -> Answer<Asked> {
        let challenge = b64u::encode(&self.challenges.draw(Instant::now())?);
        Ok(Asked { challenge, host: self.origin.host().to_owned(), name })
    }

    /// Holds what a passkey showed to a challenge of ours, which is spent by it, and to the key.
    fn hold(&self, shown: &Shown, key: &PublicKey) -> Answer<()> {
        let octets = |text: &str| b64u::decode_vec(text).map_err(|_| Failure::Malformed);
        let (client_data, data) = (octets(&shown.client_data)?, octets(&shown.authenticator_data)?);
        let signature = octets(&shown.signature)?;
        let assertion =
            Assertion { client_data: &client_data, authenticator_data: &data, signature: &signature };
        let challenge = assertion.challenge().map_err(passkey::AssertionError::from)?;
        if !self.challenges.take(&challenge, Instant::now()) {
            return Err(Failure::Challenge);
        }
        let origin = self.origin.to_string();
        let party = RelyingParty { id: self.origin.host(), origin: &origin };
        Ok(assertion.verify(party, &challenge, key)?)
    }

    fn open(&self, passkey: &[u8]) -> Answer<Response> {
        let cookie = self.sessions.open(passkey, Instant::now())?;
        Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Answer<T> + Send + 'static) -> Answer<T> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Failure::Broken)?
}

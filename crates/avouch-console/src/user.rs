//! Who asks: what a request has to show before a page is made for it.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Form;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, Request};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method, header};
use tokio::time::Instant;

use crate::Console;
use crate::refusal::Refusal;
use crate::session::{Secret, Session};
use crate::users::{Role, UserName, UsersError};

/// What htmx says of itself.
const PART: HeaderName = HeaderName::from_static("hx-request");
const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Most fields of a form.
const MAX_FIELDS: usize = 8;

/// The field of a form that says of which session it is.
const CSRF: &str = "csrf";

/// Somebody who is signed in.
#[derive(Clone)]
pub(crate) struct User {
    pub(crate) name: UserName,
    pub(crate) role: Role,
    pub(crate) csrf: Secret,
}

/// An operator who is signed in.
pub(crate) struct Operator(pub(crate) User);

/// The fields of a form that belongs to the session.
pub(crate) struct Fields(HashMap<String, String>);

impl Fields {
    /// A field; empty where it is missing.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

/// Holds a request to the console's host, and one that changes something to its origin.
pub(crate) fn check(console: &Console, method: &Method, headers: &HeaderMap) -> Result<(), Refusal> {
    let one = |name: &HeaderName| {
        let mut values = headers.get_all(name).iter();
        let value = values.next().map(|value| value.to_str().unwrap_or_default());
        if values.next().is_some() { Some("") } else { value }
    };
    if one(&header::HOST) != Some(console.origin.authority()) {
        return Err(Refusal::Misdirected);
    }
    if matches!(*method, Method::GET | Method::HEAD) {
        return Ok(());
    }
    let origin = console.origin.to_string();
    let same_site = one(&SITE).is_none_or(|site| site == "same-origin");
    if one(&header::ORIGIN) == Some(&origin) && same_site { Ok(()) } else { Err(Refusal::CrossSite) }
}

/// All cookies of a request; there are several fields of them in HTTP/2.
pub(crate) fn cookies(headers: &HeaderMap) -> String {
    let fields = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    fields.collect::<Vec<_>>().join("; ")
}

/// The session of a request. A part that a page asks for by itself does not count as use of it.
fn session(console: &Console, headers: &HeaderMap) -> Result<Session, Refusal> {
    let part = headers.contains_key(&PART);
    let (cookies, now) = (cookies(headers), Instant::now());
    let session =
        if part { console.sessions.seen(&cookies, now) } else { console.sessions.of(&cookies, now) };
    session.ok_or(Refusal::SignedOut { part })
}

impl FromRequestParts<Arc<Console>> for User {
    type Rejection = Refusal;

    /// The file of users is asked each time: who is removed is out, and a role is what it says now.
    async fn from_request_parts(parts: &mut Parts, console: &Arc<Console>) -> Result<Self, Refusal> {
        let session = session(console, &parts.headers)?;
        let file = console.users.clone();
        let users = blocking(move || file.read()).await?;
        let passkey = users.passkey(&session.passkey);
        let passkey = passkey.ok_or(Refusal::SignedOut { part: parts.headers.contains_key(&PART) })?;
        Ok(Self { name: passkey.name.clone(), role: passkey.role, csrf: session.csrf })
    }
}

impl FromRequestParts<Arc<Console>> for Operator {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, console: &Arc<Console>) -> Result<Self, Refusal> {
        let user = User::from_request_parts(parts, console).await?;
        if user.role == Role::Operator { Ok(Self(user)) } else { Err(Refusal::Operators) }
    }
}

impl FromRequest<Arc<Console>> for Fields {
    type Rejection = Refusal;

    /// The session is found before the form is read, so strangers have nothing read.
    async fn from_request(request: Request, console: &Arc<Console>) -> Result<Self, Refusal> {
        let session = session(console, request.headers())?;
        let (parts, body) = request.into_parts();
        let content = Request::from_parts(parts.clone(), body);
        let content = Bytes::from_request(content, console).await.map_err(|_| Refusal::Malformed)?;
        if content.iter().filter(|octet| **octet == b'&').count() >= MAX_FIELDS {
            return Err(Refusal::Malformed);
        }
        let request = Request::from_parts(parts, Body::from(content));
        let form = Form::<HashMap<String, String>>::from_request(request, console).await;
        let Form(fields) = form.map_err(|_| Refusal::Malformed)?;
        let fields = Self(fields);
        if session.csrf.is(fields.get(CSRF)) { Ok(fields) } else { Err(Refusal::Forged) }
    }
}

/// Works with the file of users where that may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, UsersError> + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::task::spawn_blocking(work).await.map_err(|_| Refusal::Broken)?;
    done.map_err(|error| {
        tracing::error!(%error, "the console’s users are not to be had");
        Refusal::Broken
    })
}

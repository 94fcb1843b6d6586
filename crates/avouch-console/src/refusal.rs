//! What is answered in place of a page.

use askama::Template;
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};

use crate::frame::Frame;

/// Says to htmx where to go, in place of putting an answer into the page.
const GO_TO: HeaderName = HeaderName::from_static("hx-redirect");

/// Where people sign in.
pub(crate) const SIGN_IN: &str = "/console/sign-in";

/// Why something was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The request is for another host: perhaps a page elsewhere that made its own name lead here.
    Misdirected,
    /// The request comes from a page of another origin, or does not say from which.
    CrossSite,
    /// The form is not one of this session's.
    Forged,
    /// Nobody is signed in; the request wanted a page, or a part of one.
    SignedOut { part: bool },
    /// It is for operators.
    Operators,
    /// Too often.
    Often,
    /// Another draft is being compared.
    Busy,
    /// It is not there.
    Missing,
    /// It cannot be understood.
    Malformed,
    /// Something here does not work; the log says what.
    Broken,
}

#[derive(Template)]
#[template(path = "refusal.html")]
struct Page {
    frame: Frame,
    title: &'static str,
    fix: &'static str,
}

impl Refusal {
    /// Status, what happened, and what to do.
    pub(crate) const fn told(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Misdirected => (
                StatusCode::MISDIRECTED_REQUEST,
                "This is not the host of the console.",
                "Open it at the origin that the configuration names; a proxy in front has to pass `Host` on as it is.",
            ),
            Self::CrossSite => (
                StatusCode::FORBIDDEN,
                "This came from a page of another origin.",
                "Open the console itself, and try again there.",
            ),
            Self::Forged => (
                StatusCode::FORBIDDEN,
                "This form is not one of your session’s.",
                "Open the page again, and send the form from there.",
            ),
            Self::SignedOut { .. } => (StatusCode::UNAUTHORIZED, "You are not signed in.", "Sign in."),
            Self::Operators => (
                StatusCode::FORBIDDEN,
                "This is for operators.",
                "You are signed in as a viewer; an invitation with `--role operator` brings another passkey.",
            ),
            Self::Often => (StatusCode::TOO_MANY_REQUESTS, "Too often.", "Wait a minute, and try again."),
            Self::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                "Another draft is being compared.",
                "Go back, and send yours again in a moment.",
            ),
            Self::Missing => (
                StatusCode::NOT_FOUND,
                "There is no such page, or it is no longer remembered.",
                "The last requests of each class are remembered; the access log has them all.",
            ),
            Self::Malformed => (
                StatusCode::BAD_REQUEST,
                "This cannot be understood.",
                "Open the page again, and try from there.",
            ),
            Self::Broken => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "Something in the gateway does not work.",
                "The gateway’s log says what.",
            ),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, title, fix) = self.told();
        match self {
            Self::SignedOut { part: false } => Redirect::to(SIGN_IN).into_response(),
            Self::SignedOut { part: true } => {
                let go = [(GO_TO, HeaderValue::from_static(SIGN_IN))];
                (StatusCode::UNAUTHORIZED, go, title).into_response()
            }
            Self::Often => {
                let wait = [(header::RETRY_AFTER, HeaderValue::from_static("60"))];
                (wait, show(status, &Page { frame: Frame::outside(), title, fix })).into_response()
            }
            _ => show(status, &Page { frame: Frame::outside(), title, fix }),
        }
    }
}

/// A page, or word that it cannot be shown.
pub(crate) fn show(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => (status, axum::response::Html(text)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page cannot be shown");
            (StatusCode::INTERNAL_SERVER_ERROR, "a page cannot be shown; the log says why").into_response()
        }
    }
}

/// A page that is as it should be.
pub(crate) fn page(page: &impl Template) -> Response {
    show(StatusCode::OK, page)
}

//! The operators' pages, on the gateway's admin listener: who came, what was decided, and why.
//!
//! In scope: signing in by passkey, and pages of what [`avouch_gateway::Insight`] shows: traffic by class, identities,
//! one request explained, the policy with what a draft would change, what a domain publishes, keys, caches and health. Out
//! of scope: deciding anything, changing the configuration, keeping what the gateway forgets (the access log), figures over
//! days (Prometheus reads `/metrics`).
//!
//! What strangers chose stands on every page. Templates escape it, and the pages' own policy lets no script run and no
//! style count that is not a file of this binary. Limits: requests remembered (`[limits] remembered`), rows of a page,
//! sessions, challenges, passkeys and attempts, each named beside its use.
//!
//! ```no_run
//! use avouch_gateway::config::Config;
//! use avouch_gateway::Surroundings;
//!
//! let config = Config::load("gateway.toml".as_ref())?;
//! let console = config.console.as_ref().map(avouch_console::pages);
//! let surroundings = Surroundings { console, ..Surroundings::default() };
//! # Ok::<(), avouch_gateway::config::ConfigError>(())
//! ```

mod assets;
mod challenges;
mod frame;
mod pages;
mod refusal;
mod series;
mod session;
mod shown;
mod sign_in;
mod user;
pub mod users;

use std::num::NonZeroU32;
use std::sync::Arc;

use avouch_engine::decision::Limit;
use avouch_engine::decision::rate::Cell;
use avouch_gateway::Insight;
use avouch_gateway::config::{self, ConsoleOrigin};
use avouch_gather::meter::RateTable;
use avouch_wire::settings::{Rate, Span};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use http::{HeaderName, HeaderValue, header};
use tokio::sync::Semaphore;

use challenges::Challenges;
use refusal::Refusal;
use series::Series;
use session::{Lifetimes, Sessions};
use users::UsersFile;

/// Attempts to sign in, for each address and minute. A sign-in takes two requests.
const ATTEMPTS: NonZeroU32 = NonZeroU32::MIN.saturating_add(59);

/// Addresses whose attempts are counted apart.
const ADDRESSES: usize = 4_096;

/// Look-ups of records that all operators together may ask for in a minute; each asks the DNS some five names.
const EXAMINATIONS: NonZeroU32 = NonZeroU32::MIN.saturating_add(29);

/// Drafts that are compared at the same time; each takes a processor for some milliseconds.
const DRAFTS: usize = 1;

/// The largest content of any other request: a credential's longest name, and what browsers put beside it.
const MAX_CONTENT: usize = 16 << 10;

/// The largest draft of a policy, as a form: one as long as a policy may be, in which each octet may take three.
const MAX_DRAFT: usize = 3 << 20;

/// Lets nothing run or count that is not a file of ours, and nobody show a page within another.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// What every answer says of itself. Referrers stay within the console: without any, browsers would not say where a
/// form comes from.
const SAID: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// What all pages share.
struct Console {
    origin: ConsoleOrigin,
    users: UsersFile,
    sessions: Sessions,
    challenges: Challenges,
    attempts: (RateTable, Limit),
    examinations: (Cell, Limit),
    /// Turns to compare a draft.
    drafts: Arc<Semaphore>,
    series: Series,
    insight: Insight,
}

/// Makes the pages of a running gateway, as it is configured.
#[must_use]
pub fn pages(settings: &config::Console) -> avouch_gateway::Console {
    let settings = settings.clone();
    Box::new(move |insight| router(&settings, insight))
}

fn router(settings: &config::Console, insight: Insight) -> Router {
    let (Some(attempts), Some(examinations)) = (limit(1, ATTEMPTS), limit(2, EXAMINATIONS)) else {
        // Both are named above, and within the bounds of limits.
        return Router::new();
    };
    let console = Arc::new(Console {
        origin: settings.origin.clone(),
        users: UsersFile::new(&settings.users),
        sessions: Sessions::new(Lifetimes { idle: settings.idle, longest: settings.longest }),
        challenges: Challenges::default(),
        attempts: (RateTable::new(ADDRESSES), attempts),
        examinations: (Cell::new(), examinations),
        drafts: Arc::new(Semaphore::new(DRAFTS)),
        series: Series::default(),
        insight,
    });
    tokio::spawn(series::keep(Arc::downgrade(&console)));
    let outside = Router::new()
        .route("/console/sign-in", get(sign_in::sign_in_page).post(sign_in::sign_in))
        .route("/console/sign-in/ask", post(sign_in::ask))
        .route("/console/enrol", get(sign_in::enrol_page).post(sign_in::enrol))
        .route("/console/enrol/ask", post(sign_in::ask_new));
    let draft = post(pages::policy::what_if).layer(DefaultBodyLimit::max(MAX_DRAFT));
    let inside = Router::new()
        .route("/console", get(async || Redirect::permanent("/console/")))
        .route("/console/assets/{digest}/{name}", get(assets::serve))
        .route("/console/sign-out", post(sign_in::sign_out))
        .route("/console/", get(pages::traffic::page))
        .route("/console/traffic", get(pages::traffic::part))
        .route("/console/requests", get(pages::requests::list))
        .route("/console/requests/{id}", get(pages::requests::one))
        .route("/console/identities", get(pages::identities::page))
        .route("/console/policy", get(pages::policy::page).merge(draft))
        .route("/console/record", get(pages::record::page).post(pages::record::examine))
        .route("/console/keys", get(pages::keys::page))
        .route("/console/health", get(pages::health::page))
        .route("/console/{*rest}", get(async || Refusal::Missing));
    outside
        .merge(inside)
        .layer(DefaultBodyLimit::max(MAX_CONTENT))
        .layer(middleware::from_fn_with_state(Arc::clone(&console), guard))
        .with_state(console)
}

/// So many in a minute, and as many at once.
fn limit(id: u32, count: NonZeroU32) -> Option<Limit> {
    Limit::new(id, Rate { count, per: Span::Minute }, count.get())
}

/// What holds for every request and every answer.
async fn guard(State(console): State<Arc<Console>>, request: Request, next: Next) -> Response {
    let mut answer = match user::check(&console, request.method(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    let headers = answer.headers_mut();
    headers.extend(SAID.map(|(name, value)| (name, HeaderValue::from_static(value))));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    answer
}

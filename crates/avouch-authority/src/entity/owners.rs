//! What those ask who run the entity, by a Unix socket: who may connect is who may ask.

use std::sync::Arc;
use std::time::Duration;

use avouch_keys::entropy::{Entropy as _, SystemEntropy};
use avouch_store::ledger::entity::{Agent, AgentState, Name, Token};
use avouch_store::ledger::{Audited, LedgerError, Transaction};
use avouch_wire::enrolment::{AgentPattern, token_text};
use avouch_wire::entity::token_digest;
use avouch_wire::name::Domain;
use avouch_wire::time::Time;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::future::BoxFuture;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::Shared;
use super::refusal::Unchanged;
use super::rules::{Actor, Scope, key_of, shown, state};
use crate::answers::{problem, unavailable};
use crate::desk::Lane;
use crate::terms;

/// Most lines of the audit that are shown at once.
const AUDIT: u32 = 1_000;

const OWNER: Actor<'static> = Actor("owner");

pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/agents", get(agents))
        .route("/v1/revoke", post(revoke))
        .route("/v1/tokens", get(tokens).post(add_token))
        .route("/v1/tokens/remove", post(remove_token))
        .route("/v1/audit", get(audit))
        .with_state(shared)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    #[serde(default)]
    after: String,
    state: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Revoked {
    domain: String,
    /// An agent, or `*.` and the labels after it.
    agents: Option<String>,
    /// Every agent of the domain.
    #[serde(default)]
    all: bool,
}

impl Revoked {
    fn scope(&self) -> Result<(Domain<'static>, Scope), String> {
        let domain = the_domain(&self.domain)?;
        match (&self.agents, self.all) {
            (Some(agents), false) => match AgentPattern::parse(agents) {
                Ok(pattern) => Ok((domain, Scope::Agents(pattern))),
                Err(error) => Err(format!("agents: {error}")),
            },
            (None, true) => Ok((domain, Scope::All)),
            _ => Err("write agents, or all".to_owned()),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewToken {
    name: String,
    domain: String,
    agents: String,
    uses: u32,
    /// Seconds from now.
    lasts: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenName {
    name: String,
}

#[derive(Serialize)]
struct ShownAgent {
    agent: String,
    state: &'static str,
    key: String,
    token: String,
    version: u64,
    floor: u64,
    changed: String,
}

#[derive(Serialize)]
struct ShownToken {
    name: String,
    domain: String,
    agents: String,
    uses: u32,
    expires: String,
}

#[derive(Serialize)]
struct ShownDeed {
    time: String,
    who: String,
    what: String,
    subject: String,
    detail: String,
}

#[derive(Serialize)]
struct Status {
    entity: String,
    registered: u64,
    revoked: u64,
    tokens: u64,
    /// The number of the latest event.
    event: u64,
    /// Verifiers that listen.
    streams: usize,
}

/// Does something in a transaction; what came of it as an answer.
async fn within<T: Send + 'static>(
    shared: &Shared,
    job: impl for<'t> FnOnce(&'t mut Transaction) -> BoxFuture<'t, Result<T, LedgerError>> + Send + 'static,
    show: impl FnOnce(T) -> Response,
) -> Response {
    match shared.desk.run(Lane::First, job).await {
        Ok(done) => show(done),
        Err(error) => unavailable(&error),
    }
}

fn list<T, S: Serialize>(show: fn(T) -> S) -> impl FnOnce(Vec<T>) -> Response {
    move |found| Json(found.into_iter().map(show).collect::<Vec<_>>()).into_response()
}

fn unreadable(detail: impl ToString) -> Response {
    problem(StatusCode::BAD_REQUEST, "malformed", detail)
}

fn the_domain(text: &str) -> Result<Domain<'static>, String> {
    let domain = Domain::parse(text).map_err(|error| format!("domain: {error}"))?;
    if domain.as_str() == text {
        Ok(domain.into_owned())
    } else {
        Err("domain: write it in lower case".to_owned())
    }
}

async fn status(State(shared): State<Arc<Shared>>) -> Response {
    let (entity, streams) = (shared.rules.entity.to_string(), shared.events.receiver_count());
    within(
        &shared,
        |ledger| {
            Box::pin(async move {
                let mut tables = ledger.entity();
                Ok((tables.counts().await?, state(&mut tables).await?.event))
            })
        },
        move |(counts, event)| {
            let (registered, revoked, tokens) = (counts.registered, counts.revoked, counts.tokens);
            Json(Status { entity, registered, revoked, tokens, event, streams }).into_response()
        },
    )
    .await
}

async fn agents(State(shared): State<Arc<Shared>>, Query(page): Query<Page>) -> Response {
    let state = match page.state.as_deref().map(|state| AgentState::parse(state).ok_or(state)) {
        None => None,
        Some(Ok(state)) => Some(state),
        Some(Err(state)) => return unreadable(format!("state: {state:?} is none of registered, revoked")),
    };
    let (id, domain) = page.after.split_once('@').unwrap_or_default();
    let after = Name { domain: domain.to_owned(), id: id.to_owned() };
    let show = |agent: Agent| ShownAgent {
        agent: shown(&agent.name),
        state: agent.state.name(),
        key: key_of(&agent).map_or_else(|_| "-".to_owned(), |key| key.fingerprint().to_string()),
        token: agent.token,
        version: agent.version,
        floor: agent.floor,
        changed: agent.changed.to_string(),
    };
    within(
        &shared,
        move |ledger| Box::pin(async move { ledger.entity().agents(state, &after).await }),
        list(show),
    )
    .await
}

async fn revoke(State(shared): State<Arc<Shared>>, Json(revoked): Json<Revoked>) -> Response {
    let (domain, scope) = match revoked.scope() {
        Ok(scope) => scope,
        Err(error) => return unreadable(error),
    };
    let (rules, now) = (shared.rules.clone(), shared.clock.now());
    within(
        &shared,
        move |ledger| Box::pin(async move { rules.revoke(ledger, (&domain, &scope), OWNER, now).await }),
        |count| Json(serde_json::json!({ "revoked": count })).into_response(),
    )
    .await
}

async fn tokens(State(shared): State<Arc<Shared>>, Query(page): Query<Page>) -> Response {
    let show = |token: Token| ShownToken {
        name: token.name,
        domain: token.domain,
        agents: token.agents,
        uses: token.uses,
        expires: token.expires.to_string(),
    };
    within(
        &shared,
        move |ledger| Box::pin(async move { ledger.entity().tokens(&page.after).await }),
        list(show),
    )
    .await
}

/// The token is told here, once: what is kept is its digest.
async fn add_token(State(shared): State<Arc<Shared>>, Json(new): Json<NewToken>) -> Response {
    let now = shared.clock.now();
    let mut random = [0; 32];
    if SystemEntropy.fill(&mut random).is_err() {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "the system gives no randomness");
    }
    let text = token_text(&random);
    let token = match made(&new, &text, now) {
        Ok(token) => token,
        Err(error) => return unreadable(error),
    };
    let rules = shared.rules.clone();
    within(
        &shared,
        move |ledger| Box::pin(async move { rules.add_token(ledger, &token, OWNER, now).await }),
        |outcome| match outcome {
            Ok(()) => (StatusCode::CREATED, Json(serde_json::json!({ "token": text }))).into_response(),
            Err(unchanged) => problem(StatusCode::CONFLICT, "unchanged", unchanged),
        },
    )
    .await
}

fn made(new: &NewToken, text: &str, now: Time) -> Result<Token, String> {
    let domain = the_domain(&new.domain)?;
    let agents = AgentPattern::parse(&new.agents).map_err(|error| format!("agents: {error}"))?;
    terms::check(&new.name, new.uses, new.lasts)?;
    Ok(Token {
        digest: token_digest(text).unwrap_or_default(),
        name: new.name.clone(),
        domain: domain.to_string(),
        agents: agents.to_string(),
        uses: new.uses,
        expires: now.after(Duration::from_secs(new.lasts)),
    })
}

async fn remove_token(State(shared): State<Arc<Shared>>, Json(named): Json<TokenName>) -> Response {
    let (rules, now) = (shared.rules.clone(), shared.clock.now());
    within(
        &shared,
        move |ledger| Box::pin(async move { rules.remove_token(ledger, &named.name, OWNER, now).await }),
        |outcome: Result<(), Unchanged>| match outcome {
            Ok(()) => StatusCode::NO_CONTENT.into_response(),
            Err(unchanged) => problem(StatusCode::NOT_FOUND, "unchanged", unchanged),
        },
    )
    .await
}

async fn audit(State(shared): State<Arc<Shared>>) -> Response {
    let show = |audited: Audited| ShownDeed {
        time: audited.at.to_string(),
        who: audited.who,
        what: audited.what,
        subject: audited.subject,
        detail: audited.detail,
    };
    within(&shared, move |ledger| Box::pin(async move { ledger.audited(AUDIT).await }), list(show)).await
}

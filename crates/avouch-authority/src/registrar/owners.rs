//! What those ask who run the registrar, by Unix sockets: who may connect is who may ask.

use std::sync::Arc;
use std::time::Duration;

use avouch_keys::entropy::{Entropy as _, SystemEntropy};
use avouch_store::ledger::{Agent, AgentState, Audited, LedgerError, Proposal, Token, Transaction};
use avouch_wire::enrolment::{AgentPattern, token_digest, token_text};
use avouch_wire::name::AgentId;
use avouch_wire::time::Time;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::future::BoxFuture;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::publishing::waited;
use super::rules::fingerprint_of;
use super::{Actor, Role, Scope, Shared, Unchanged};
use crate::answers::{problem, unavailable};
use crate::desk::Lane;
use crate::terms;

/// Most lines of the audit that are shown at once.
const AUDIT: u32 = 1_000;

#[derive(Clone)]
struct Office {
    shared: Arc<Shared>,
    role: Role,
}

impl Office {
    const fn who(&self) -> Actor<'static> {
        match self.role {
            Role::Owner => Actor("owner"),
            Role::Operator => Actor("operator"),
        }
    }
}

pub(super) fn router(shared: Arc<Shared>, role: Role) -> Router {
    let both = Router::new()
        .route("/v1/status", get(status))
        .route("/v1/agents", get(agents))
        .route("/v1/proposals", get(proposals))
        .route("/v1/approve", post(approve))
        .route("/v1/reject", post(reject))
        .route("/v1/revoke", post(revoke))
        .route("/v1/audit", get(audit));
    let routes = match role {
        Role::Operator => both,
        Role::Owner => both
            .route("/v1/forget", post(forget))
            .route("/v1/tokens", get(tokens).post(add_token))
            .route("/v1/tokens/remove", post(remove_token)),
    };
    routes
        .fallback(async || {
            problem(StatusCode::FORBIDDEN, "owner-only", "only the owner's socket answers this, if any")
        })
        .with_state(Office { shared, role })
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
struct Named {
    agent: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Approved {
    agent: String,
    /// The fingerprint of the key that is approved.
    key: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Revoked {
    /// An agent or fleet.
    agent: Option<String>,
    /// Every agent of the domain.
    #[serde(default)]
    all: bool,
}

impl Revoked {
    fn scope(&self) -> Result<Scope, String> {
        match (&self.agent, self.all) {
            (Some(id), false) => match AgentId::parse(id) {
                Ok(id) if !id.is_domain_itself() => Ok(Scope::Below(id.into_owned())),
                Ok(_) => Err("agent: for every agent write all".to_owned()),
                Err(error) => Err(format!("agent: {error}")),
            },
            (None, true) => Ok(Scope::All),
            _ => Err("write an agent, or all".to_owned()),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewToken {
    name: String,
    agents: String,
    uses: u32,
    /// Seconds from now.
    lasts: u64,
    #[serde(default)]
    approval: bool,
    #[serde(default)]
    attested: bool,
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
    tier: String,
    /// The fingerprint of the endorsement key of the TPM that attested it; empty where none did.
    endorsement: String,
    /// Who certified that; empty where nobody known did.
    maker: String,
    token: String,
    changed: String,
}

#[derive(Serialize)]
struct ShownProposal {
    agent: String,
    key: String,
    tier: String,
    /// The fingerprint of the endorsement key of the TPM that attested it; empty where none did.
    endorsement: String,
    /// Who certified that; empty where nobody known did.
    maker: String,
    token: String,
    made: String,
}

#[derive(Serialize)]
struct ShownToken {
    name: String,
    agents: String,
    uses: u32,
    expires: String,
    approval: bool,
    attested: bool,
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
    domain: String,
    pending: u64,
    enrolled: u64,
    revoked: u64,
    /// Names whose record is not at the name server yet.
    waiting: u64,
    /// Seconds since when the oldest of them is due.
    waited: u64,
    published: u64,
    failed: u64,
    trouble: Option<String>,
    /// Lines that the parent of a zone of our own needs, in the form of zone files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    at_parent: Vec<String>,
}

/// Does something in a transaction; what came of it as an answer.
async fn within<T: Send + 'static>(
    office: &Office,
    job: impl for<'t> FnOnce(&'t mut Transaction) -> BoxFuture<'t, Result<T, LedgerError>> + Send + 'static,
    shown: impl FnOnce(T) -> Response,
) -> Response {
    match office.shared.desk.run(Lane::First, job).await {
        Ok(done) => shown(done),
        Err(error) => unavailable(&error),
    }
}

fn list<T, S: Serialize>(show: fn(T) -> S) -> impl FnOnce(Vec<T>) -> Response {
    move |found| Json(found.into_iter().map(show).collect::<Vec<_>>()).into_response()
}

fn done(outcome: Result<(), Unchanged>) -> Response {
    match outcome {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(unchanged @ (Unchanged::OtherKey { .. } | Unchanged::Revoked(_))) => {
            problem(StatusCode::CONFLICT, "unchanged", unchanged)
        }
        Err(unchanged) => problem(StatusCode::NOT_FOUND, "unchanged", unchanged),
    }
}

fn unreadable(detail: impl ToString) -> Response {
    problem(StatusCode::BAD_REQUEST, "malformed", detail)
}

async fn status(State(office): State<Office>) -> Response {
    let domain = office.shared.rules.domain.to_string();
    let lines = office.shared.at_parent.iter().map(ToString::to_string).collect::<String>();
    let at_parent: Vec<String> = lines.lines().map(str::to_owned).collect();
    let (standing, now) = (office.shared.standing.borrow().clone(), office.shared.clock.now());
    within(
        &office,
        move |ledger| {
            Box::pin(async move {
                let [pending, enrolled, revoked] = AgentState::ALL;
                let counts = [
                    ledger.count(pending).await?,
                    ledger.count(enrolled).await?,
                    ledger.count(revoked).await?,
                ];
                Ok((counts, ledger.waiting().await?))
            })
        },
        |([pending, enrolled, revoked], (waiting, oldest, _))| {
            let waited = waited(oldest, now).as_secs();
            let super::Standing { published, failed, trouble } = standing;
            Json(Status {
                domain,
                pending,
                enrolled,
                revoked,
                waiting,
                waited,
                published,
                failed,
                trouble,
                at_parent,
            })
            .into_response()
        },
    )
    .await
}

async fn agents(State(office): State<Office>, Query(page): Query<Page>) -> Response {
    let state = match page.state.as_deref().map(|state| AgentState::parse(state).ok_or(state)) {
        None => None,
        Some(Ok(state)) => Some(state),
        Some(Err(state)) => {
            return unreadable(format!("state: {state:?} is none of pending, enrolled, revoked"));
        }
    };
    let show = |agent: Agent| ShownAgent {
        agent: agent.id,
        state: agent.state.name(),
        key: fingerprint_of(&agent.key),
        tier: agent.held.tier,
        endorsement: agent.held.endorsement,
        maker: agent.held.maker,
        token: agent.token,
        changed: agent.changed.to_string(),
    };
    within(
        &office,
        move |ledger| Box::pin(async move { ledger.agents(state, &page.after).await }),
        list(show),
    )
    .await
}

async fn proposals(State(office): State<Office>, Query(page): Query<Page>) -> Response {
    let show = |proposal: Proposal| ShownProposal {
        agent: proposal.id,
        key: fingerprint_of(&proposal.key),
        tier: proposal.held.tier,
        endorsement: proposal.held.endorsement,
        maker: proposal.held.maker,
        token: proposal.token,
        made: proposal.made.to_string(),
    };
    within(&office, move |ledger| Box::pin(async move { ledger.proposals(&page.after).await }), list(show))
        .await
}

async fn approve(State(office): State<Office>, Json(named): Json<Approved>) -> Response {
    if let Err(error) = AgentId::parse(&named.agent) {
        return unreadable(format!("agent: {error}"));
    }
    let (rules, who, now) = (office.shared.rules.clone(), office.who(), office.shared.clock.now());
    let may_change_keys = office.role == Role::Owner;
    within(
        &office,
        move |ledger| {
            Box::pin(async move {
                if !may_change_keys && ledger.proposal(&named.agent).await?.is_some() {
                    return Ok(None);
                }
                rules.approve(ledger, (&named.agent, &named.key), who, now).await.map(Some)
            })
        },
        |outcome| match outcome {
            Some(outcome) => done(outcome),
            None => problem(
                StatusCode::FORBIDDEN,
                "owner-only",
                "another key of an agent is the owner's to approve",
            ),
        },
    )
    .await
}

async fn reject(State(office): State<Office>, Json(named): Json<Named>) -> Response {
    if let Err(error) = AgentId::parse(&named.agent) {
        return unreadable(format!("agent: {error}"));
    }
    let (rules, who, now) = (office.shared.rules.clone(), office.who(), office.shared.clock.now());
    within(
        &office,
        move |ledger| Box::pin(async move { rules.reject(ledger, &named.agent, who, now).await }),
        done,
    )
    .await
}

async fn revoke(State(office): State<Office>, Json(revoked): Json<Revoked>) -> Response {
    let scope = match revoked.scope() {
        Ok(Scope::All) if office.role == Role::Operator => {
            return problem(StatusCode::FORBIDDEN, "owner-only", "all agents are the owner's to revoke");
        }
        Ok(scope) => scope,
        Err(error) => return unreadable(error),
    };
    let (rules, who, now) = (office.shared.rules.clone(), office.who(), office.shared.clock.now());
    within(
        &office,
        move |ledger| Box::pin(async move { rules.revoke(ledger, &scope, who, now).await }),
        |count| Json(serde_json::json!({ "revoked": count })).into_response(),
    )
    .await
}

async fn forget(State(office): State<Office>, Json(revoked): Json<Revoked>) -> Response {
    let scope = match revoked.scope() {
        Ok(scope) => scope,
        Err(error) => return unreadable(error),
    };
    let (rules, who, now) = (office.shared.rules.clone(), office.who(), office.shared.clock.now());
    within(&office, move |ledger| Box::pin(async move { rules.forget(ledger, &scope, who, now).await }), done)
        .await
}

async fn tokens(State(office): State<Office>, Query(page): Query<Page>) -> Response {
    let show = |token: Token| ShownToken {
        name: token.name,
        agents: token.agents,
        uses: token.uses,
        expires: token.expires.to_string(),
        approval: token.approval,
        attested: token.attested,
    };
    within(&office, move |ledger| Box::pin(async move { ledger.tokens(&page.after).await }), list(show)).await
}

/// The token is told here, once: what is kept is its digest.
async fn add_token(State(office): State<Office>, Json(new): Json<NewToken>) -> Response {
    let now = office.shared.clock.now();
    let mut random = [0; 32];
    if SystemEntropy.fill(&mut random).is_err() {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "the system gives no randomness");
    }
    let text = token_text(&random);
    let token = match made(&new, &text, now) {
        Ok(token) => token,
        Err(error) => return unreadable(error),
    };
    let (rules, who) = (office.shared.rules.clone(), office.who());
    within(
        &office,
        move |ledger| Box::pin(async move { rules.add_token(ledger, &token, who, now).await }),
        |outcome| match outcome {
            Ok(()) => (StatusCode::CREATED, Json(serde_json::json!({ "token": text }))).into_response(),
            Err(unchanged) => problem(StatusCode::CONFLICT, "unchanged", unchanged),
        },
    )
    .await
}

fn made(new: &NewToken, text: &str, now: Time) -> Result<Token, String> {
    let agents = AgentPattern::parse(&new.agents).map_err(|error| format!("agents: {error}"))?;
    terms::check(&new.name, new.uses, new.lasts)?;
    Ok(Token {
        digest: token_digest(text).unwrap_or_default(),
        name: new.name.clone(),
        agents: agents.to_string(),
        uses: new.uses,
        expires: now.after(Duration::from_secs(new.lasts)),
        approval: new.approval,
        attested: new.attested,
    })
}

async fn remove_token(State(office): State<Office>, Json(named): Json<TokenName>) -> Response {
    let (rules, who, now) = (office.shared.rules.clone(), office.who(), office.shared.clock.now());
    within(
        &office,
        move |ledger| Box::pin(async move { rules.remove_token(ledger, &named.name, who, now).await }),
        done,
    )
    .await
}

async fn audit(State(office): State<Office>) -> Response {
    let show = |audited: Audited| ShownDeed {
        time: audited.at.to_string(),
        who: audited.who,
        what: audited.what,
        subject: audited.subject,
        detail: audited.detail,
    };
    within(&office, move |ledger| Box::pin(async move { ledger.audited(AUDIT).await }), list(show)).await
}

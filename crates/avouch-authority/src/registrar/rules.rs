//! What may become of an agent, and what stands in the DNS for it: each step within one transaction.
//!
//! Whatever changes an agent queues what is to be published in the same transaction, so after a crash both are there
//! or neither is.

use avouch_store::ledger::{Agent, AgentState, Audited, LedgerError, Proposal, Token, Transaction};
use avouch_wire::b64u;
use avouch_wire::enrolment::{AgentPattern, Enrolment};
use avouch_wire::key::PublicKey;
use avouch_wire::name::{AgentId, Domain};
use avouch_wire::record::Record;
use avouch_wire::time::Time;

/// Most agents that wait for an approval, each some hundred octets: more than anybody approves by hand.
pub const MAX_PENDING: u64 = 10_000;

/// Where a key is kept, as long as nothing attests it.
const UNATTESTED: &str = "unknown";

/// Why an agent is not enrolled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such token.
    #[error("the token is not known here: ask the owner of the domain for one")]
    TokenUnknown,
    /// It has ended.
    #[error("the token has ended: ask the owner of the domain for another")]
    TokenExpired,
    /// It was used as often as it may be.
    #[error("the token was used as often as it may be: ask the owner of the domain for another")]
    TokenUsedUp,
    /// It is for other agents.
    #[error("the token is for other agents")]
    AgentNotAllowed,
    /// The key has to be attested, and is not.
    #[error("the token asks for a key that a TPM attests, and nothing attests this one")]
    NotAttested,
    /// The agent is known with another key; the owner has been asked.
    #[error("the agent is enrolled with another key: the owner of the domain has to approve this one")]
    KeyConflict,
    /// The agent was revoked.
    #[error("the agent was revoked: enrol by another id, or have the owner forget it")]
    Revoked,
    /// Too many wait for an approval.
    #[error("too many agents wait for an approval: try again later")]
    TooManyPending,
}

impl Refusal {
    /// As it is written in answers and logs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::TokenUnknown => "token-unknown",
            Self::TokenExpired => "token-expired",
            Self::TokenUsedUp => "token-used-up",
            Self::AgentNotAllowed => "agent-not-allowed",
            Self::NotAttested => "not-attested",
            Self::KeyConflict => "key-conflict",
            Self::Revoked => "revoked",
            Self::TooManyPending => "too-many-pending",
        }
    }
}

/// Who does something: what the audit says.
#[derive(Clone, Copy, Debug)]
pub struct Actor<'a>(pub &'a str);

/// Why an owner's word changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unchanged {
    /// Nobody of that name.
    #[error("no agent {0} is known here")]
    NoAgent(String),
    /// Nothing waits for an approval.
    #[error("nothing of {0} waits for an approval")]
    NothingPending(String),
    /// A token of that name.
    #[error("there is a token {0} already: choose another name, or remove it")]
    TokenExists(String),
    /// No token of that name.
    #[error("there is no token {0}")]
    NoToken(String),
}

/// What a revocation takes away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// An agent or fleet, with everything below its name.
    Below(AgentId<'static>),
    /// Every agent of the domain.
    All,
}

/// The rules of one domain's registrar.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Whose agents enrol.
    pub domain: Domain<'static>,
}

impl Rules {
    /// Enrols an agent whose proof holds. The same question again is answered the same, and uses nothing up: whoever
    /// did not get the answer asks again.
    ///
    /// # Errors
    /// The database fails, and nothing of it happened.
    pub async fn enrol(
        &self,
        ledger: &mut Transaction,
        asked: &Enrolment,
        from: &str,
        now: Time,
    ) -> Result<Result<AgentState, Refusal>, LedgerError> {
        let known = ledger.agent(asked.agent.as_str()).await?;
        let refusal = match ledger.token(&asked.token).await? {
            None => Refusal::TokenUnknown,
            Some(token) if token.expires <= now => Refusal::TokenExpired,
            Some(token) if !is_for(&token, &asked.agent) => Refusal::AgentNotAllowed,
            Some(token) if token.attested => Refusal::NotAttested,
            Some(token) => match known {
                Some(known) if known.state == AgentState::Revoked => Refusal::Revoked,
                Some(known) if known.key == asked.key.octets() => return Ok(Ok(known.state)),
                Some(_) => return self.propose(ledger, asked, &token, from, now).await.map(Err),
                None if token.uses == 0 => Refusal::TokenUsedUp,
                None if token.approval && ledger.count(AgentState::Pending).await? >= MAX_PENDING => {
                    Refusal::TooManyPending
                }
                None => return self.admit(ledger, asked, &token, from, now).await.map(Ok),
            },
        };
        Ok(Err(refusal))
    }

    async fn admit(
        &self,
        ledger: &mut Transaction,
        asked: &Enrolment,
        token: &Token,
        from: &str,
        now: Time,
    ) -> Result<AgentState, LedgerError> {
        ledger.use_token(&token.digest).await?;
        let state = if token.approval { AgentState::Pending } else { AgentState::Enrolled };
        let agent = Agent {
            id: asked.agent.to_string(),
            state,
            key: asked.key.octets().to_vec(),
            tier: UNATTESTED.to_owned(),
            token: token.name.clone(),
            changed: now,
        };
        self.put(ledger, &agent, now).await?;
        let detail = format!("{} by token {} from {from}", asked.key.fingerprint(), token.name);
        note(ledger, now, Actor("agent"), "enrol", &agent.id, detail).await?;
        Ok(state)
    }

    /// Writes an agent, and what is to stand at its name.
    async fn put(&self, ledger: &mut Transaction, agent: &Agent, now: Time) -> Result<(), LedgerError> {
        ledger.put_agent(agent).await?;
        let (Ok(id), Ok(key)) = (AgentId::parse(&agent.id), PublicKey::from_octets(&agent.key)) else {
            return Err(LedgerError::Damaged { what: "an agent" });
        };
        let text = match agent.state {
            AgentState::Pending => return Ok(()),
            AgentState::Enrolled => Record::of_key(key).to_string(),
            AgentState::Revoked => Record::revocation().to_string(),
        };
        ledger.queue(&self.name(&id), &[text], now).await
    }

    /// An id that is in the ledger was held to the length of its name when it came.
    fn name(&self, id: &AgentId<'_>) -> String {
        id.record_name(&self.domain).unwrap_or_default()
    }

    async fn propose(
        &self,
        ledger: &mut Transaction,
        asked: &Enrolment,
        token: &Token,
        from: &str,
        now: Time,
    ) -> Result<Refusal, LedgerError> {
        let proposal = Proposal {
            id: asked.agent.to_string(),
            key: asked.key.octets().to_vec(),
            tier: UNATTESTED.to_owned(),
            token: token.name.clone(),
            made: now,
        };
        // One that stands already was noted when it came; another takes its place, and the owner sees the last.
        if ledger.proposal(&proposal.id).await?.is_none_or(|standing| standing.key != proposal.key) {
            let detail = format!("{} by token {} from {from}", asked.key.fingerprint(), token.name);
            note(ledger, now, Actor("agent"), "ask-for-key", &proposal.id, detail).await?;
            ledger.put_proposal(&proposal).await?;
        }
        Ok(Refusal::KeyConflict)
    }

    /// Approves an agent that waits, or the other key that one asked for; the key it had counts no more.
    ///
    /// # Errors
    /// The database fails, and nothing of it happened.
    pub async fn approve(
        &self,
        ledger: &mut Transaction,
        id: &str,
        by: Actor<'_>,
        now: Time,
    ) -> Result<Result<(), Unchanged>, LedgerError> {
        let Some(agent) = ledger.agent(id).await? else { return Ok(Err(Unchanged::NoAgent(id.to_owned()))) };
        let approved = match ledger.proposal(id).await? {
            Some(Proposal { key, tier, token, .. }) if agent.state != AgentState::Revoked => {
                ledger.remove_proposal(id).await?;
                Agent { state: AgentState::Enrolled, key, tier, token, changed: now, ..agent }
            }
            _ if agent.state == AgentState::Pending => {
                Agent { state: AgentState::Enrolled, changed: now, ..agent }
            }
            _ => return Ok(Err(Unchanged::NothingPending(id.to_owned()))),
        };
        self.put(ledger, &approved, now).await?;
        note(ledger, now, by, "approve", id, b64u::encode(&approved.key)).await?;
        Ok(Ok(()))
    }

    /// Turns away an agent that waits, who is forgotten, or the other key that one asked for.
    ///
    /// # Errors
    /// The database fails, and nothing of it happened.
    pub async fn reject(
        &self,
        ledger: &mut Transaction,
        id: &str,
        by: Actor<'_>,
        now: Time,
    ) -> Result<Result<(), Unchanged>, LedgerError> {
        let Some(agent) = ledger.agent(id).await? else { return Ok(Err(Unchanged::NoAgent(id.to_owned()))) };
        if ledger.proposal(id).await?.is_some() {
            ledger.remove_proposal(id).await?;
        } else if agent.state == AgentState::Pending {
            ledger.remove_agent(id).await?;
        } else {
            return Ok(Err(Unchanged::NothingPending(id.to_owned())));
        }
        note(ledger, now, by, "reject", id, String::new()).await?;
        Ok(Ok(()))
    }

    /// Revokes: an empty key is published at the name, which takes away every key there and below it; how many agents
    /// that were. A name that never enrolled is revoked, too: what stands there may be by another hand.
    ///
    /// # Errors
    /// The database fails, and nothing of it happened.
    pub async fn revoke(
        &self,
        ledger: &mut Transaction,
        scope: &Scope,
        by: Actor<'_>,
        now: Time,
    ) -> Result<u64, LedgerError> {
        let itself = AgentId::parse("_").map_err(|_| LedgerError::Damaged { what: "a name" })?;
        let (id, suffix) = match scope {
            Scope::Below(id) => (id.borrowed(), format!(".{id}")),
            Scope::All => (itself, String::new()),
        };
        let mut revoked = ledger.revoke_below(&suffix, now).await?;
        if let Some(agent) =
            ledger.agent(id.as_str()).await?.filter(|agent| agent.state != AgentState::Revoked)
        {
            ledger.put_agent(&Agent { state: AgentState::Revoked, changed: now, ..agent }).await?;
            revoked += 1;
        }
        ledger.remove_proposal(id.as_str()).await?;
        ledger.queue(&self.name(&id), &[Record::revocation().to_string()], now).await?;
        note(ledger, now, by, "revoke", id.as_str(), format!("{revoked} agents")).await?;
        Ok(revoked)
    }

    /// Adds a token.
    ///
    /// # Errors
    /// The database fails, and nothing of it happened.
    pub async fn add_token(
        &self,
        ledger: &mut Transaction,
        token: &Token,
        by: Actor<'_>,
        now: Time,
    ) -> Result<Result<(), Unchanged>, LedgerError> {
        if !ledger.add_token(token).await? {
            return Ok(Err(Unchanged::TokenExists(token.name.clone())));
        }
        let detail = format!("{} agents {}", token.uses, token.agents);
        note(ledger, now, by, "add-token", &token.name, detail).await?;
        Ok(Ok(()))
    }

    /// Removes a token; who enrolled by it stays.
    ///
    /// # Errors
    /// The database fails, and nothing of it happened.
    pub async fn remove_token(
        &self,
        ledger: &mut Transaction,
        name: &str,
        by: Actor<'_>,
        now: Time,
    ) -> Result<Result<(), Unchanged>, LedgerError> {
        if !ledger.remove_token(name).await? {
            return Ok(Err(Unchanged::NoToken(name.to_owned())));
        }
        note(ledger, now, by, "remove-token", name, String::new()).await?;
        Ok(Ok(()))
    }
}

fn is_for(token: &Token, agent: &AgentId<'_>) -> bool {
    AgentPattern::parse(&token.agents).is_ok_and(|pattern| pattern.matches(agent))
}

async fn note(
    ledger: &mut Transaction,
    at: Time,
    by: Actor<'_>,
    what: &str,
    subject: &str,
    detail: String,
) -> Result<(), LedgerError> {
    let (who, what, subject) = (by.0.to_owned(), what.to_owned(), subject.to_owned());
    ledger.audit(&Audited { at, who, what, subject, detail }).await
}

//! What may become of an agent, and what stands in the DNS for it: each step within one transaction.
//!
//! Whatever changes an agent queues what is to be published in the same transaction, so after a crash both are there
//! or neither is.

use avouch_store::ledger::{
    Agent, AgentState, Audited, Held, LedgerError, Proposal, Publication, Token, Transaction,
};
use avouch_wire::enrolment::{AgentPattern, Enrolment};
use avouch_wire::key::PublicKey;
use avouch_wire::name::{AgentId, Domain};
use avouch_wire::record::Record;
use avouch_wire::time::Time;

/// Most agents that wait for an approval, each some hundred octets: more than anybody approves by hand.
pub const MAX_PENDING: u64 = 10_000;

/// What stands for all agents of the domain.
const ITSELF: &str = "_";

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
    /// The agent was revoked, or a fleet that it belongs to, or all of the domain.
    #[error("the agent or its fleet was revoked: enrol by another id, or have the owner forget it")]
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
    /// Another key waits than the one that was named.
    #[error("another key of {id} waits for an approval: {waits}")]
    OtherKey {
        /// Whose.
        id: String,
        /// The fingerprint of the key that waits.
        waits: String,
    },
    /// It, or a name above it, is revoked.
    #[error("{0} is revoked, or a fleet that it belongs to, or all of the domain")]
    Revoked(String),
    /// Nothing to forget.
    #[error("{0} is not revoked")]
    NotRevoked(String),
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

impl Scope {
    /// The name, and what every id below it ends with.
    fn parts(&self) -> Result<(AgentId<'_>, String), LedgerError> {
        match self {
            Self::Below(id) => Ok((id.borrowed(), format!(".{id}"))),
            Self::All => {
                let itself = AgentId::parse(ITSELF).map_err(|_| LedgerError::Damaged { what: "a name" })?;
                Ok((itself, String::new()))
            }
        }
    }
}

/// The rules of one domain's registrar.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Whose agents enrol.
    pub domain: Domain<'static>,
}

impl Rules {
    /// Enrols an agent whose proof holds, and whose key is `held` so. The same question again is answered the same, and uses nothing up: whoever
    /// did not get the answer asks again.
    ///
    /// # Errors
    /// The database fails, and nothing of it happened.
    pub async fn enrol(
        &self,
        ledger: &mut Transaction,
        (asked, held): (&Enrolment, &Held),
        from: &str,
        now: Time,
    ) -> Result<Result<AgentState, Refusal>, LedgerError> {
        let refusal = match ledger.token(&asked.token).await? {
            None => Refusal::TokenUnknown,
            Some(token) if token.expires <= now => Refusal::TokenExpired,
            Some(token) if !is_for(&token, &asked.agent) => Refusal::AgentNotAllowed,
            Some(token) if token.attested && held.endorsement.is_empty() => Refusal::NotAttested,
            Some(_) if is_revoked_above(ledger, asked.agent.as_str()).await? => Refusal::Revoked,
            Some(token) => match ledger.agent(asked.agent.as_str()).await? {
                Some(known) if known.state == AgentState::Revoked => Refusal::Revoked,
                Some(known) if known.key == asked.key.octets() => {
                    return self.again(ledger, known, held, now).await.map(Ok);
                }
                Some(known) => {
                    return self.propose(ledger, (asked, held), (&known, &token), from, now).await.map(Err);
                }
                None if token.approval && ledger.count(AgentState::Pending).await? >= MAX_PENDING => {
                    Refusal::TooManyPending
                }
                None => return self.admit(ledger, (asked, held), &token, from, now).await,
            },
        };
        Ok(Err(refusal))
    }

    /// An agent that is known asks again. That its key is in a TPM is noted when it comes to be known.
    async fn again(
        &self,
        ledger: &mut Transaction,
        known: Agent,
        held: &Held,
        now: Time,
    ) -> Result<AgentState, LedgerError> {
        let state = known.state;
        if !held.endorsement.is_empty() && known.held != *held {
            let detail = format!("{} by {}", fingerprint_of(&known.key), shown(held));
            note(ledger, now, Actor("agent"), "attest", &known.id, detail).await?;
            ledger.put_agent(&Agent { held: held.clone(), ..known }).await?;
        }
        Ok(state)
    }

    async fn admit(
        &self,
        ledger: &mut Transaction,
        (asked, held): (&Enrolment, &Held),
        token: &Token,
        from: &str,
        now: Time,
    ) -> Result<Result<AgentState, Refusal>, LedgerError> {
        if !ledger.use_token(&token.digest).await? {
            return Ok(Err(Refusal::TokenUsedUp));
        }
        let state = if token.approval { AgentState::Pending } else { AgentState::Enrolled };
        let agent = Agent {
            id: asked.agent.to_string(),
            state,
            key: asked.key.octets().to_vec(),
            held: held.clone(),
            token: token.name.clone(),
            changed: now,
        };
        self.put(ledger, &agent, true, now).await?;
        let detail = told(asked, held, token, from);
        note(ledger, now, Actor("agent"), "enrol", &agent.id, detail).await?;
        Ok(Ok(state))
    }

    /// Writes an agent, and what is to stand at its name; where it is `fresh`, only if nothing stands there: what another
    /// hand published is not replaced by whoever holds a token.
    async fn put(
        &self,
        ledger: &mut Transaction,
        agent: &Agent,
        fresh: bool,
        now: Time,
    ) -> Result<(), LedgerError> {
        ledger.put_agent(agent).await?;
        let (Ok(id), Ok(key)) = (AgentId::parse(&agent.id), PublicKey::from_octets(&agent.key)) else {
            return Err(LedgerError::Damaged { what: "an agent" });
        };
        if agent.state != AgentState::Enrolled {
            return Ok(());
        }
        ledger.queue(&self.name(&id), &[Record::of_key(key).to_string()], fresh, now).await
    }

    /// An id that is in the ledger was held to the length of its name when it came.
    pub(super) fn name(&self, id: &AgentId<'_>) -> String {
        id.record_name(&self.domain).unwrap_or_default()
    }

    /// Something else stood at the name of an agent that was to be published: the owner decides.
    ///
    /// # Errors
    /// The database fails, and nothing of it happened.
    pub async fn taken(
        &self,
        ledger: &mut Transaction,
        publication: &Publication,
        now: Time,
    ) -> Result<(), LedgerError> {
        ledger.published(publication).await?;
        let id = publication.name.strip_suffix(&format!("._saip.{}", self.domain)).unwrap_or_default();
        let Some(agent) = ledger.agent(id).await?.filter(|agent| agent.state == AgentState::Enrolled) else {
            return Ok(());
        };
        ledger.put_agent(&Agent { state: AgentState::Pending, changed: now, ..agent }).await?;
        let detail = "something else stands there, which an approval replaces".to_owned();
        note(ledger, now, Actor("registrar"), "name-taken", id, detail).await
    }

    /// Notes the other key that an enrolled agent asks for, once, which takes a use of the token: the owner decides about
    /// one at a time.
    async fn propose(
        &self,
        ledger: &mut Transaction,
        (asked, held): (&Enrolment, &Held),
        (known, token): (&Agent, &Token),
        from: &str,
        now: Time,
    ) -> Result<Refusal, LedgerError> {
        let is_open = known.state == AgentState::Enrolled && ledger.proposal(&known.id).await?.is_none();
        if is_open && ledger.use_token(&token.digest).await? {
            let proposal = Proposal {
                id: asked.agent.to_string(),
                key: asked.key.octets().to_vec(),
                held: held.clone(),
                token: token.name.clone(),
                made: now,
            };
            let detail = told(asked, held, token, from);
            note(ledger, now, Actor("agent"), "ask-for-key", &proposal.id, detail).await?;
            ledger.put_proposal(&proposal).await?;
        }
        Ok(Refusal::KeyConflict)
    }

    /// Approves an agent that waits, or the other key that one asked for, if that is the key of this fingerprint; the key
    /// it had counts no more.
    ///
    /// # Errors
    /// The database fails, and nothing of it happened.
    pub async fn approve(
        &self,
        ledger: &mut Transaction,
        (id, fingerprint): (&str, &str),
        by: Actor<'_>,
        now: Time,
    ) -> Result<Result<(), Unchanged>, LedgerError> {
        let Some(agent) = ledger.agent(id).await? else { return Ok(Err(Unchanged::NoAgent(id.to_owned()))) };
        let approved = match (agent.state, ledger.proposal(id).await?) {
            (AgentState::Enrolled, Some(Proposal { key, held, token, .. })) => {
                Agent { key, held, token, changed: now, ..agent }
            }
            (AgentState::Pending, _) => Agent { state: AgentState::Enrolled, changed: now, ..agent },
            _ => return Ok(Err(Unchanged::NothingPending(id.to_owned()))),
        };
        let waits = fingerprint_of(&approved.key);
        if waits != fingerprint {
            return Ok(Err(Unchanged::OtherKey { id: id.to_owned(), waits }));
        }
        if is_revoked_above(ledger, id).await? {
            return Ok(Err(Unchanged::Revoked(id.to_owned())));
        }
        ledger.remove_proposal(id).await?;
        self.put(ledger, &approved, false, now).await?;
        note(ledger, now, by, "approve", id, waits).await?;
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
    /// that were. A name that never enrolled is revoked, too, and stays so: neither it nor anything below it enrols.
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
        let (id, suffix) = scope.parts()?;
        let mut revoked = ledger.revoke_below(&suffix, now).await?;
        let agent = match ledger.agent(id.as_str()).await? {
            Some(agent) => {
                revoked += u64::from(agent.state != AgentState::Revoked);
                Agent { state: AgentState::Revoked, changed: now, ..agent }
            }
            None => Agent {
                id: id.to_string(),
                state: AgentState::Revoked,
                key: Vec::new(),
                held: Held::unknown(),
                token: String::new(),
                changed: now,
            },
        };
        ledger.put_agent(&agent).await?;
        ledger.remove_proposal(id.as_str()).await?;
        ledger.queue(&self.name(&id), &[Record::revocation().to_string()], false, now).await?;
        note(ledger, now, by, "revoke", id.as_str(), format!("{revoked} agents")).await?;
        Ok(revoked)
    }

    /// Forgets what was revoked, so that it can enrol again. Agents below it stay revoked, each by a record of its own
    /// that is published before the one above them goes.
    ///
    /// # Errors
    /// The database fails, and nothing of it happened.
    pub async fn forget(
        &self,
        ledger: &mut Transaction,
        scope: &Scope,
        by: Actor<'_>,
        now: Time,
    ) -> Result<Result<(), Unchanged>, LedgerError> {
        let (id, suffix) = scope.parts()?;
        let known = ledger.agent(id.as_str()).await?;
        if known.is_none_or(|agent| agent.state != AgentState::Revoked) {
            return Ok(Err(Unchanged::NotRevoked(id.to_string())));
        }
        ledger.remove_agent(id.as_str()).await?;
        let mut after = String::new();
        loop {
            let below = ledger.below(&suffix, &after).await?;
            let Some(last) = below.last() else { break };
            last.clone_into(&mut after);
            for id in below.iter().filter_map(|id| AgentId::parse(id).ok()) {
                ledger.queue(&self.name(&id), &[Record::revocation().to_string()], false, now).await?;
            }
        }
        ledger.queue(&self.name(&id), &[], false, now).await?;
        note(ledger, now, by, "forget", id.as_str(), String::new()).await?;
        Ok(Ok(()))
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

/// Whether a name above this one, or the whole domain, is revoked.
async fn is_revoked_above(ledger: &mut Transaction, id: &str) -> Result<bool, LedgerError> {
    let above = std::iter::successors(Some(id), |id| id.split_once('.').map(|(_, above)| above)).skip(1);
    for name in above.chain([ITSELF]) {
        if ledger.agent(name).await?.is_some_and(|agent| agent.state == AgentState::Revoked) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// How a key is shown to people who compare it; `-` where there is none.
pub(super) fn fingerprint_of(key: &[u8]) -> String {
    PublicKey::from_octets(key).map_or_else(|_| "-".to_owned(), |key| key.fingerprint().to_string())
}

/// What the audit says of a question.
fn told(asked: &Enrolment, held: &Held, token: &Token, from: &str) -> String {
    let attested =
        if held.endorsement.is_empty() { String::new() } else { format!(" attested by {}", shown(held)) };
    format!("{}{attested} by token {} from {from}", asked.key.fingerprint(), token.name)
}

/// Which TPM holds a key.
fn shown(held: &Held) -> String {
    let maker = if held.maker.is_empty() { "an unknown maker" } else { &held.maker };
    format!("the TPM {} of {maker}", held.endorsement)
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

//! What is answered to verifiers and agents, and what those who run it may do: each step within one transaction.
//!
//! Whatever may not be taken back raises the revision in the same transaction: of what was told to anybody, the database
//! and the mark beside it know.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use avouch_keys::entity::{Registered, Root};
use avouch_store::ledger::entity::{Agent, AgentState, Name, State, Tables, Token};
use avouch_store::ledger::{Audited, LedgerError, Transaction};
use avouch_wire::enrolment::AgentPattern;
use avouch_wire::entity::{
    AgentAnswer, AgentQuestion, Event, Happening, KeyAnswer, KeyName, KeyQuestion, Registration,
    RegistrationQuestion, Renegotiation, SecretAnswer, VerifierKey, epoch_of, token_digest,
};
use avouch_wire::key::Fingerprint;
use avouch_wire::name::{AgentId, Domain};
use avouch_wire::time::Time;

use super::asked::counted;
use super::refusal::{Refusal, Unchanged};

/// Most agents, revoked ones among them, for none is forgotten: some hundred octets each.
pub const MAX_AGENTS: u64 = 1_000_000;

/// Most tokens.
pub const MAX_TOKENS: u64 = 10_000;

/// Seconds for which a question counts, before and after now.
pub const WINDOW: u64 = 60;

/// Most questions of the sites of one registrable domain, or of one agent, within the window, each of up to 64 agents.
pub const MAX_ASKED: u64 = 1_024;

/// Most nonces in all, some hundred octets each; beyond that whoever asks is told to wait until some have ended.
pub const MAX_NOTED: u64 = 500_000;

/// How long events are kept, and within how long an agent may have its sequence begin elsewhere [`MAX_TURNS`] times.
pub const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// How often an agent may.
pub const MAX_TURNS: usize = 3;

/// Most agents of a fleet whose revocation is told one by one. Of a larger one verifiers ask anew for every key.
const MAX_TOLD: usize = 256;

/// Epochs after the begin of a secret in which the one before may still be asked for.
const OVERLAP: u64 = 2;

/// Seconds before its begin from which on an epoch may be asked for.
const AHEAD: u64 = 30;

/// Sequence numbers from one floor to the next.
const STEP: u64 = 1 << 32;

/// Who does something: what the audit says.
#[derive(Clone, Copy, Debug)]
pub struct Actor<'a>(pub &'a str);

/// Whom a revocation means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// An agent, or those below a fleet.
    Agents(AgentPattern),
    /// Every agent of the domain.
    All,
}

impl Scope {
    fn pattern(&self) -> String {
        match self {
            Self::Agents(pattern) => pattern.to_string(),
            Self::All => "*".to_owned(),
        }
    }
}

/// The rules of one registration entity.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Its host.
    pub entity: Domain<'static>,
    /// What secrets are derived of.
    pub root: Arc<Root>,
    /// How many nonces are noted: as many as were counted last, and all since.
    pub noted: Arc<AtomicU64>,
}

impl Rules {
    /// Whether a question is for this entity, and of now.
    ///
    /// # Errors
    /// It is for another, or too old or new.
    pub fn is_timely(&self, entity: &Domain<'_>, time: u64, now: Time) -> Result<(), Refusal> {
        if entity.as_str() != self.entity.as_str() {
            return Err(Refusal::OtherEntity);
        }
        is_of_now(time, now)
    }

    /// Whether a key of this epoch may be asked for.
    ///
    /// # Errors
    /// [`Refusal::Epoch`].
    pub fn may_ask_for(&self, agents: &[AgentQuestion], now: Time) -> Result<(), Refusal> {
        let latest = epoch_of(now.seconds().saturating_add(AHEAD));
        let earliest = epoch_of(now.seconds()).saturating_sub(1);
        let is_one = agents.iter().all(|agent| (earliest..=latest).contains(&agent.epoch));
        if is_one { Ok(()) } else { Err(Refusal::Epoch) }
    }

    /// Takes a question's nonce, which counts once. Whether the question is of now is looked at again: a copy that waited
    /// until the nonce was forgotten would count anew.
    ///
    /// # Errors
    /// The database fails, and nothing of it happened.
    pub async fn take(
        &self,
        ledger: &mut Transaction,
        (who, nonce, time): (&str, &str, u64),
        now: Time,
    ) -> Result<Result<(), Refusal>, LedgerError> {
        if let Err(refusal) = is_of_now(time, now) {
            return Ok(Err(refusal));
        }
        let mut tables = ledger.entity();
        if self.noted.load(Ordering::Relaxed) >= MAX_NOTED {
            return Ok(Err(Refusal::Full));
        }
        if tables.nonces(who, now).await? >= MAX_ASKED {
            return Ok(Err(Refusal::AskedTooOften));
        }
        // Beyond the end of the window, whichever way the seconds are cut.
        let until = Time::from_seconds(time.saturating_add(WINDOW + 1));
        let is_new = tables.note_nonce(who, nonce, until).await?;
        self.noted.fetch_add(u64::from(is_new), Ordering::Relaxed);
        Ok(if is_new { Ok(()) } else { Err(Refusal::NonceUsed) })
    }

    /// The keys that a verifier asked for, whose signature held.
    ///
    /// # Errors
    /// The database fails, and nothing of it happened.
    pub async fn keys(
        &self,
        ledger: &mut Transaction,
        asked: &KeyQuestion,
        now: Time,
    ) -> Result<Result<KeyAnswer, Refusal>, LedgerError> {
        let (audience, who) = (asked.audience.as_str(), counted(&asked.audience));
        if let Err(refusal) = self.take(ledger, (&who, &asked.nonce, asked.time), now).await? {
            return Ok(Err(refusal));
        }
        let mut tables = ledger.entity();
        let mut agents = Vec::with_capacity(asked.agents.len());
        for question in &asked.agents {
            let known = tables.agent(&name(&question.domain, &question.agent)).await?;
            let registration = match known {
                None => Registration::Unknown,
                Some(agent) if agent.state == AgentState::Revoked => Registration::Revoked,
                Some(agent) => Registration::Registered {
                    keys: self.derived(&agent, audience, question),
                    floor: agent.floor,
                },
            };
            agents.push(AgentAnswer { question: question.clone(), registration });
        }
        Ok(Ok(KeyAnswer {
            entity: self.entity.clone(),
            audience: asked.audience.clone(),
            until: (epoch_of(now.seconds()) + 1) * avouch_wire::entity::EPOCH,
            event: state(&mut tables).await?.event,
            agents,
        }))
    }

    /// The keys of the secrets that count in an epoch: of the present one, and in its first two epochs of the one before;
    /// of that alone before it begins.
    fn derived(&self, agent: &Agent, audience: &str, asked: &AgentQuestion) -> Vec<VerifierKey> {
        let AgentQuestion { domain, agent: id, epoch } = asked;
        let key = |version, salt: &[u8; 32]| {
            let of = Registered { entity: &self.entity, domain, agent: id, version, salt };
            let for_one = KeyName { entity: &self.entity, audience, domain, agent: id, epoch: *epoch };
            self.root.secret(&of).verifier_key(&for_one)
        };
        let former = agent.former.map(|salt| key(agent.version.saturating_sub(1), &salt));
        match former {
            Some(former) if *epoch < agent.epoch => vec![former],
            Some(former) if *epoch <= agent.epoch.saturating_add(1) => {
                vec![key(agent.version, &agent.salt), former]
            }
            _ => vec![key(agent.version, &agent.salt)],
        }
    }

    /// Forgets what counts no more.
    ///
    /// # Errors
    /// The database fails, and nothing of it happened.
    pub async fn tidy(&self, ledger: &mut Transaction, now: Time) -> Result<(), LedgerError> {
        let epoch = epoch_of(now.seconds()).saturating_sub(OVERLAP);
        let noted = ledger.entity().tidy(now, KEPT, epoch).await?;
        self.noted.store(noted, Ordering::Relaxed);
        Ok(())
    }

    /// Registers an agent whose signature held. Asked again while the secret is new, it tells the same, and uses nothing
    /// up: whoever did not get the answer asks again.
    ///
    /// # Errors
    /// The database fails, and nothing of it happened.
    pub async fn register(
        &self,
        ledger: &mut Transaction,
        asked: &RegistrationQuestion,
        (salt, from): ([u8; 32], &str),
        now: Time,
    ) -> Result<Result<SecretAnswer, Refusal>, LedgerError> {
        let named = name(&asked.domain, &asked.agent);
        let digest = token_digest(&asked.token).unwrap_or_default();
        let token = match ledger.entity().token(&digest).await? {
            None => return Ok(Err(Refusal::TokenUnknown)),
            Some(token) if token.expires <= now => return Ok(Err(Refusal::TokenExpired)),
            Some(token) if !is_for(&token, asked) => return Ok(Err(Refusal::AgentNotAllowed)),
            Some(token) => token,
        };
        if is_revoked(&mut ledger.entity(), &named).await? {
            return Ok(Err(Refusal::Revoked));
        }
        let known = ledger.entity().agent(&named).await?;
        match &known {
            Some(agent) if agent.state == AgentState::Revoked => return Ok(Err(Refusal::Revoked)),
            Some(agent) if agent.key != asked.key.octets() => return Ok(Err(Refusal::KeyConflict)),
            _ => {}
        }
        // Not before: who holds a token only takes none of the questions that an agent may ask.
        if let Err(refusal) = self.take(ledger, (&shown(&named), &asked.nonce, asked.time), now).await? {
            return Ok(Err(refusal));
        }
        if let Some(agent) = known {
            let told = self.told_again(ledger, agent, now).await?;
            return Ok(told.ok_or(Refusal::Registered));
        }
        let mut tables = ledger.entity();
        let before = state(&mut tables).await?;
        if before.agents >= MAX_AGENTS {
            return Ok(Err(Refusal::TooManyAgents));
        }
        if !tables.use_token(&digest).await? {
            return Ok(Err(Refusal::TokenUsedUp));
        }
        let agent = Agent {
            name: named,
            state: AgentState::Registered,
            key: asked.key.octets().to_vec(),
            token: token.name,
            version: 1,
            epoch: epoch_of(now.seconds()),
            salt,
            former: None,
            floor: before.ground,
            changed: now,
        };
        tables.put_agent(&agent).await?;
        tables.put_state(&State { agents: before.agents + 1, ..before }).await?;
        advance(&mut tables, None, now).await?;
        let detail = format!("{} by token {} from {from}", asked.key.fingerprint(), agent.token);
        note(ledger, now, Actor("agent"), "register", &shown(&agent.name), detail).await?;
        Ok(Ok(self.told(&agent, &asked.domain, &asked.agent)))
    }

    /// Gives an agent, whose signature by this key held, another secret, which counts from the next epoch on. Asked again
    /// while that is new, it tells the same.
    ///
    /// # Errors
    /// The database fails, and nothing of it happened.
    pub async fn rotate(
        &self,
        ledger: &mut Transaction,
        (asked, key): (&Renegotiation, &Fingerprint),
        salt: [u8; 32],
        now: Time,
    ) -> Result<Result<SecretAnswer, Refusal>, LedgerError> {
        let agent = match self.asking(ledger, (asked, key), now).await? {
            Ok(agent) => agent,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let is_first = agent.version == 1 && agent.epoch != 0;
        if !is_first && let Some(told) = self.told_again(ledger, agent.clone(), now).await? {
            return Ok(Ok(told));
        }
        let agent = Agent {
            version: agent.version.saturating_add(1),
            epoch: epoch_of(now.seconds()) + 1,
            former: Some(agent.salt),
            salt,
            changed: now,
            ..agent
        };
        let mut tables = ledger.entity();
        tables.put_agent(&agent).await?;
        advance(&mut tables, None, now).await?;
        let detail = format!("secret {}", agent.version);
        note(ledger, now, Actor("agent"), "rotate", &shown(&agent.name), detail).await?;
        Ok(Ok(self.told(&agent, &asked.domain, &asked.agent)))
    }

    /// Has the sequence of an agent, whose signature by this key held, begin above every number before.
    ///
    /// # Errors
    /// The database fails, and nothing of it happened.
    pub async fn renegotiate(
        &self,
        ledger: &mut Transaction,
        (asked, key): (&Renegotiation, &Fingerprint),
        now: Time,
    ) -> Result<Result<u64, Refusal>, LedgerError> {
        let agent = match self.asking(ledger, (asked, key), now).await? {
            Ok(agent) => agent,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let mut tables = ledger.entity();
        let since = Time::from_millis(now.millis().saturating_sub(KEPT.as_millis() as u64));
        let turns = tables.turns(&agent.name, since).await?;
        if let [first, ..] = turns.as_slice()
            && turns.len() >= MAX_TURNS
        {
            return Ok(Err(Refusal::TurnsUsedUp { wait: first.after(KEPT).since(now) }));
        }
        let floor = next_floor(agent.floor);
        tables.add_turn(&agent.name, now).await?;
        tables.put_agent(&Agent { floor, changed: now, ..agent }).await?;
        let (domain, agent) = (asked.domain.clone(), asked.agent.clone());
        let named = name(&domain, &agent);
        advance(&mut tables, Some(Happening::Floor { domain, agent, floor }), now).await?;
        note(ledger, now, Actor("agent"), "renegotiate", &shown(&named), format!("floor {floor}")).await?;
        Ok(Ok(floor))
    }

    /// Takes a question of a registered agent, if it was this agent's key that signed it.
    async fn asking(
        &self,
        ledger: &mut Transaction,
        (asked, key): (&Renegotiation, &Fingerprint),
        now: Time,
    ) -> Result<Result<Agent, Refusal>, LedgerError> {
        let named = name(&asked.domain, &asked.agent);
        let agent = match ledger.entity().agent(&named).await? {
            None => return Ok(Err(Refusal::NotRegistered)),
            Some(agent) if agent.state == AgentState::Revoked => return Ok(Err(Refusal::Revoked)),
            Some(agent) => agent,
        };
        if key_of(&agent)?.fingerprint() != key {
            return Ok(Err(Refusal::Signature));
        }
        Ok(self.take(ledger, (&shown(&named), &asked.nonce, asked.time), now).await?.map(|()| agent))
    }

    /// The secret at hand, while it is new: until the end of the epoch after the one that it began in. One that was drawn
    /// when a backup was restored, and told nobody yet, begins now.
    async fn told_again(
        &self,
        ledger: &mut Transaction,
        agent: Agent,
        now: Time,
    ) -> Result<Option<SecretAnswer>, LedgerError> {
        let epoch = epoch_of(now.seconds());
        let agent = match agent.epoch {
            0 => Agent { epoch, changed: now, ..agent },
            began if began.saturating_add(1) >= epoch => agent,
            _ => return Ok(None),
        };
        let mut tables = ledger.entity();
        tables.put_agent(&agent).await?;
        let damaged = LedgerError::Damaged { what: "a name" };
        let (Ok(domain), Ok(id)) = (Domain::parse(&agent.name.domain), AgentId::parse(&agent.name.id)) else {
            return Err(damaged);
        };
        Ok(Some(self.told(&agent, &domain, &id)))
    }

    fn told(&self, agent: &Agent, domain: &Domain<'_>, id: &AgentId<'_>) -> SecretAnswer {
        let of =
            Registered { entity: &self.entity, domain, agent: id, version: agent.version, salt: &agent.salt };
        SecretAnswer {
            entity: self.entity.clone(),
            domain: domain.borrowed().into_owned(),
            agent: id.borrowed().into_owned(),
            secret: self.root.secret(&of),
            version: agent.version,
            epoch: agent.epoch,
            floor: agent.floor,
        }
    }

    /// Revokes agents, known or not: none of these names registers again. How many agents that were.
    ///
    /// # Errors
    /// The database fails, and nothing of it happened.
    pub async fn revoke(
        &self,
        ledger: &mut Transaction,
        (domain, scope): (&Domain<'static>, &Scope),
        by: Actor<'_>,
        now: Time,
    ) -> Result<u64, LedgerError> {
        let (pattern, mut tables) = (scope.pattern(), ledger.entity());
        let meant = tables.meant(domain.as_str(), &pattern, MAX_TOLD + 1).await?;
        let revoked = tables.revoke(domain.as_str(), &pattern, now).await?;
        let happened = match scope {
            Scope::All => vec![Happening::Revoked { domain: domain.clone(), agent: None }],
            Scope::Agents(_) if meant.len() > MAX_TOLD => vec![Happening::Reset],
            Scope::Agents(_) => {
                let ids = meant.iter().filter_map(|id| AgentId::parse(id).ok().map(AgentId::into_owned));
                ids.map(|id| Happening::Revoked { domain: domain.clone(), agent: Some(id) }).collect()
            }
        };
        for happening in happened {
            advance(&mut tables, Some(happening), now).await?;
        }
        let before = state(&mut tables).await?;
        tables
            .put_state(&State { revoked: before.revoked + 1, revision: before.revision + 1, ..before })
            .await?;
        let subject = format!("{pattern}@{domain}");
        note(ledger, now, by, "revoke", &subject, format!("{revoked} agents")).await?;
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
        let mut tables = ledger.entity();
        if tables.counts().await?.tokens >= MAX_TOKENS {
            return Ok(Err(Unchanged::TooManyTokens));
        }
        if !tables.add_token(token).await? {
            return Ok(Err(Unchanged::TokenExists(token.name.clone())));
        }
        let detail = format!("{} agents {}@{}", token.uses, token.agents, token.domain);
        note(ledger, now, by, "add-token", &token.name, detail).await?;
        Ok(Ok(()))
    }

    /// Removes a token; who registered by it stays.
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
        if !ledger.entity().remove_token(name).await? {
            return Ok(Err(Unchanged::NoToken(name.to_owned())));
        }
        note(ledger, now, by, "remove-token", name, String::new()).await?;
        Ok(Ok(()))
    }
}

fn is_of_now(time: u64, now: Time) -> Result<(), Refusal> {
    if time.abs_diff(now.seconds()) > WINDOW { Err(Refusal::Time) } else { Ok(()) }
}

/// The first floor above one: a multiple of 2^32.
pub(super) const fn next_floor(floor: u64) -> u64 {
    (floor / STEP).saturating_add(1).saturating_mul(STEP)
}

/// How far it has come; the start has seen to it that something stands there.
pub(super) async fn state(tables: &mut Tables<'_>) -> Result<State, LedgerError> {
    tables.state().await?.ok_or(LedgerError::Damaged { what: "no state" })
}

/// Raises the revision, and tells of an event.
pub(super) async fn advance(
    tables: &mut Tables<'_>,
    happening: Option<Happening>,
    now: Time,
) -> Result<(), LedgerError> {
    let mut state = state(tables).await?;
    state.revision += 1;
    if let Some(happening) = happening {
        state.event += 1;
        let line = Event { number: state.event, happening }.write();
        tables.add_event(state.event, &line, now).await?;
    }
    tables.put_state(&state).await
}

pub(super) fn name(domain: &Domain<'_>, agent: &AgentId<'_>) -> Name {
    Name { domain: domain.to_string(), id: agent.to_string() }
}

/// How an agent is shown; also whose nonces those of an agent are: no authority has an `@`.
pub(super) fn shown(name: &Name) -> String {
    format!("{}@{}", name.id, name.domain)
}

/// The key of an agent.
pub(super) fn key_of(agent: &Agent) -> Result<avouch_wire::key::PublicKey, LedgerError> {
    avouch_wire::key::PublicKey::from_octets(&agent.key).map_err(|_| LedgerError::Damaged { what: "a key" })
}

fn is_for(token: &Token, asked: &RegistrationQuestion) -> bool {
    token.domain == asked.domain.as_str()
        && AgentPattern::parse(&token.agents).is_ok_and(|pattern| pattern.matches(&asked.agent))
}

/// Whether an agent, a fleet that it belongs to or its whole domain is revoked.
async fn is_revoked(tables: &mut Tables<'_>, name: &Name) -> Result<bool, LedgerError> {
    let above = |id: &str| id.split_once('.').map(|(_, above)| above.to_owned());
    let fleets = std::iter::successors(above(&name.id), |id| above(id)).map(|fleet| format!("*.{fleet}"));
    for pattern in fleets.chain([name.id.clone(), "*".to_owned()]) {
        if tables.is_revoked(&name.domain, &pattern).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(super) async fn note(
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

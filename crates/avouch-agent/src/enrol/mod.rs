//! Enrolment: an agent has the registrar of its domain publish its key, and waits until it stands in the DNS.
//!
//! Every step can be taken again: the key is made once, the same question is answered the same, and the DNS is only
//! looked at. So an enrolment that was cut off anywhere is begun anew, and comes to the same end.

mod answer;
mod ask;
mod attested;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use avouch_gather::clock::Clock;
use avouch_keys::{KeyError, SecretKey};
use avouch_wire::enrolment::{Enrolment as Question, TokenDigest, token_digest};
use avouch_wire::key::PublicKey;
use avouch_wire::name::{AgentId, Domain};
use avouch_wire::record::Place;
use tokio::time::{Instant, sleep};

pub use ask::{Registrar, RegistrarError};

use crate::config::Config;
use crate::key::{self, OpenError};
use crate::load::{self, LoadError};
use crate::outbound::{Outbound, OwnSockets, Reach};
use crate::registration::{Found, State, record};
use answer::Answer;

/// The pause before the registrar is asked again that could not say; as long as registrars ask for.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// The pause before the DNS is looked at again. It grows: who approves is a human, and resolvers remember for minutes
/// that there was nothing.
const FIRST_LOOK: Duration = Duration::from_secs(1);
const LAST_LOOK: Duration = Duration::from_secs(15);

/// What an enrolment takes beside the configuration.
pub struct Enrolment {
    /// Whom to ask.
    pub registrar: Registrar,
    /// The token, as the owner of the domain gave it.
    pub token: Token,
    /// The roots that the registrar's certificate leads to; without it those of the configuration, or the system.
    pub roots: Option<PathBuf>,
    /// How long to wait for all of it.
    pub wait: Duration,
}

/// A token of enrolment. It is not shown.
pub struct Token {
    text: String,
    digest: TokenDigest,
}

impl Token {
    /// Reads a token; whatever is around it on its line is not part of it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        token_digest(text).map(|digest| Self { text: text.to_owned(), digest })
    }
}

/// What happens, step by step, as it is told to whoever watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The key was made, and where; or was there.
    Key {
        /// Where it is.
        place: String,
        /// Its type and fingerprint.
        key: String,
        /// Whether it was made just now.
        made: bool,
    },
    /// The registrar is shown that a TPM holds the key.
    Attesting,
    /// The registrar has enrolled the agent.
    Enrolled,
    /// The owner of the domain has to approve.
    Pending(String),
    /// The registrar cannot be asked now, and is asked again.
    Postponed(String),
    /// The record does not stand in the DNS yet.
    NotYet(String),
    /// It does.
    Published {
        /// At which name.
        name: String,
        /// How.
        detail: String,
    },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key { place, key, made } => {
                let done = if *made { "made the key" } else { "the key is there:" };
                write!(f, "{done} {place}, {key}")
            }
            Self::Attesting => f.write_str("the token asks for a key in a TPM, which attests it now"),
            Self::Enrolled => f.write_str("the registrar has enrolled the agent"),
            Self::Pending(detail) => write!(f, "the registrar waits for an approval: {detail}"),
            Self::Postponed(detail) => write!(
                f,
                "the registrar cannot be asked now, and is asked again in {} s: {detail}",
                ASK_AGAIN.as_secs()
            ),
            Self::NotYet(detail) => write!(f, "not in the DNS yet: {detail}"),
            Self::Published { name, detail } => write!(f, "{name}: {detail}"),
        }
    }
}

/// Why the key is not published.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// The configuration names no agent of a domain.
    #[error("only an agent of a domain is enrolled: set `domain`, and `agent` to its id within it")]
    NoName,
    /// Something that the configuration names cannot be used.
    #[error("{0}")]
    Load(#[from] LoadError),
    /// The key did not sign the question.
    #[error("the key does not sign: {0}")]
    Key(KeyError),
    /// The TPM does not attest the key.
    #[error("the key is not attested: {0}")]
    Attesting(KeyError),
    /// The token asks for a key in a TPM.
    #[error(
        "the token asks for a key that a TPM attests, and this one is in none: set `key = \"tpm:PATH\"`, \
         or have the owner of the domain give another token"
    )]
    NotInTpm,
    /// The registrar refuses.
    #[error("the registrar refuses ({reason}): {detail}")]
    Refused {
        /// In a word, for programs.
        reason: String,
        /// In words.
        detail: String,
    },
    /// What answers is no registrar of this domain.
    #[error("the registrar: {0}")]
    Foreign(String),
    /// The DNS revokes the agent.
    #[error("the DNS revokes the agent: {0}")]
    Revoked(String),
    /// The wait is over, and it may still come.
    #[error("{0}; the wait is over, and it may come yet")]
    NotYet(Step),
    /// A thread ended without a result; a defect of avouch.
    #[error("enrolling broke off")]
    Broken,
}

impl From<OpenError> for EnrolError {
    fn from(error: OpenError) -> Self {
        Self::Load(LoadError::Key(error))
    }
}

/// An agent at its enrolment.
struct Enrolling<'a> {
    config: &'a Config,
    clock: &'a dyn Clock,
    until: Instant,
    domain: Domain<'static>,
    agent: AgentId<'static>,
    name: String,
}

/// Enrols the agent of a configuration, and waits until its key stands in the DNS. Each step is told as it is taken.
///
/// # Errors
/// [`EnrolError`].
pub async fn enrol(
    config: &Config,
    enrolment: Enrolment,
    clock: &dyn Clock,
    mut tell: impl FnMut(&Step),
) -> Result<(), EnrolError> {
    let identity = &config.identity;
    let domain = identity.domain.clone().ok_or(EnrolError::NoName)?;
    let agent = identity.agent.clone();
    if agent.is_domain_itself() {
        return Err(EnrolError::NoName);
    }
    let name = agent.record_name(&domain).map_err(|_| EnrolError::NoName)?;
    let place = Place { agent: agent.clone(), domain: domain.clone() };
    let until = Instant::now() + enrolment.wait;
    let at = Enrolling { config, clock, until, domain, agent, name };
    // A chip takes a second for a key, and longer for its first.
    let own = identity.clone();
    let making = tokio::task::spawn_blocking(move || key::make_or_open(&own));
    let (key, made) = making.await.map_err(|_| EnrolError::Broken)??;
    let public = key.public().clone();
    tell(&Step::Key { place: identity.key.to_string(), key: record::shown(&public), made });
    at.ask(Arc::new(key), &enrolment, &mut tell).await?;
    at.look(&place, &public, &mut tell).await
}

impl Enrolling<'_> {
    /// Asks the registrar until it says something.
    async fn ask(
        &self,
        key: Arc<SecretKey>,
        enrolment: &Enrolment,
        tell: &mut impl FnMut(&Step),
    ) -> Result<(), EnrolError> {
        let connector = load::connector_by(enrolment.roots.as_deref().or(self.config.roots.as_deref()))?;
        let outbound =
            Outbound::new(Reach::Configured, connector, &self.config.limits, OwnSockets::default());
        let mut told = None;
        loop {
            // Anew each time: what it signs is good for some minutes.
            let question = self.question(&key, &enrolment.token).await?;
            let text = question.write(&enrolment.token.text);
            let mut answer =
                enrolment.registrar.ask(&outbound, text, (self.agent.as_str(), &self.name)).await;
            if matches!(answer, Answer::Unattested(_)) {
                if !key.is_in_tpm() {
                    return Err(EnrolError::NotInTpm);
                }
                tell(&Step::Attesting);
                answer = self.attest(&key, question, enrolment, &outbound).await?;
            }
            let step = match answer {
                Answer::Enrolled => {
                    tell(&Step::Enrolled);
                    return Ok(());
                }
                Answer::Pending(detail) => {
                    tell(&Step::Pending(detail));
                    return Ok(());
                }
                Answer::Unattested(detail) => {
                    return Err(EnrolError::Refused { reason: "not-attested".to_owned(), detail });
                }
                Answer::Refused(reason, detail) => return Err(EnrolError::Refused { reason, detail }),
                Answer::Foreign(what) => return Err(EnrolError::Foreign(what)),
                Answer::Postponed(detail) => Step::Postponed(detail),
            };
            self.pause(ASK_AGAIN, step, &mut told, tell).await?;
        }
    }

    async fn question(&self, key: &Arc<SecretKey>, token: &Token) -> Result<Question, EnrolError> {
        let (domain, agent, digest) = (self.domain.clone(), self.agent.clone(), token.digest);
        let (key, now) = (Arc::clone(key), self.clock.now());
        let signing =
            move || avouch_keys::enrolment::enrol(&key, &domain, agent, digest, now).map_err(EnrolError::Key);
        tokio::task::spawn_blocking(signing).await.map_err(|_| EnrolError::Broken)?
    }

    /// Looks at the DNS until the key is there.
    async fn look(
        &self,
        place: &Place,
        public: &PublicKey,
        tell: &mut impl FnMut(&Step),
    ) -> Result<(), EnrolError> {
        let (mut told, mut pause) = (None, FIRST_LOOK);
        let shown = record::shown(public);
        loop {
            // One that has cached nothing yet.
            let dns = load::dns(&self.config.dns)?;
            let Found(state, detail) = record::look(&dns, place, &shown, self.clock.now()).await;
            match state {
                State::Published | State::Pseudonym => {
                    tell(&Step::Published { name: self.name.clone(), detail });
                    return Ok(());
                }
                State::Revoked => return Err(EnrolError::Revoked(detail)),
                State::OtherKey | State::Missing | State::Unknown => {}
            }
            let detail = format!("{}: {detail}", self.name);
            self.pause(pause, Step::NotYet(detail), &mut told, tell).await?;
            pause = (pause * 2).min(LAST_LOOK);
        }
    }

    /// Waits before something is tried again, and not beyond the end. The same is told once.
    async fn pause(
        &self,
        pause: Duration,
        step: Step,
        told: &mut Option<Step>,
        tell: &mut impl FnMut(&Step),
    ) -> Result<(), EnrolError> {
        let now = Instant::now();
        if now >= self.until {
            return Err(EnrolError::NotYet(step));
        }
        if told.as_ref() != Some(&step) {
            tell(&step);
            *told = Some(step);
        }
        sleep(pause.min(self.until - now)).await;
        Ok(())
    }
}

//! What an agent asks of the registration entity that it shares a secret with: to be registered, for another secret, for
//! another beginning of its count (`docs/formats/registration-entity.md`).

use std::path::PathBuf;
use std::time::Duration;

use avouch_gather::clock::Clock;
use avouch_keys::entity::{Asked, Secrets, SecretsError, ask, nonce};
use avouch_keys::entropy::{NoRandomness, SystemEntropy};
use avouch_keys::store::StoreError;
use avouch_keys::{KeyError, SecretKey};
use avouch_wire::entity::{
    FloorAnswer, MAX_TOLD, MessageError, Question, RegistrationQuestion, Renegotiation, Rotation,
    SecretAnswer, token_digest,
};
use avouch_wire::name::Domain;
use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use serde::Deserialize;
use tokio::time::timeout;

use crate::config::{Config, Registry, Saip};
use crate::key::{self, OpenError};
use crate::load::{self, LoadError};
use crate::outbound::{Outbound, OwnSockets, Reach};
use crate::site::Site;

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Longest sentence of an entity's that is passed on, in characters.
const MAX_DETAIL: usize = 300;

/// Where the entity of a configuration is asked.
#[derive(Clone, Debug, Default)]
pub struct Reached {
    /// `host:port`, where it is not the entity's own host at port 443. Its certificate is that of this host.
    pub at: Option<Site>,
    /// The roots that its certificate leads to; without it those of the configuration, or the system.
    pub roots: Option<PathBuf>,
}

/// Why nothing was agreed on.
#[derive(Debug, thiserror::Error)]
pub enum EntityError {
    /// The configuration names no entity.
    #[error("the configuration names no registration entity to ask")]
    NoEntity,
    /// The configuration names no agent of a domain.
    #[error("only an agent of a domain is registered: set `domain`, and `agent` to its id within it")]
    NoName,
    /// The token is none.
    #[error("the token is none of a registration entity's")]
    Token,
    /// Something that the configuration names cannot be used.
    #[error("{0}")]
    Load(#[from] LoadError),
    /// The key.
    #[error("{0}")]
    Open(#[from] OpenError),
    /// The agent is registered already.
    #[error("{} is there: the agent is registered. Remove the file to register anew", .0.display())]
    Registered(PathBuf),
    /// It is not.
    #[error("{0}")]
    NotRegistered(SecretsError),
    /// The secret was told, and cannot be kept: it is lost, and has to be renewed.
    #[error("{0}; the secret is lost: mend it, and register again")]
    Keep(#[from] StoreError),
    /// The key did not sign.
    #[error("the key does not sign: {0}")]
    Key(KeyError),
    /// There are no random octets.
    #[error("{0}")]
    Random(#[from] NoRandomness),
    /// The entity refuses.
    #[error("{entity} refuses ({status}): {detail}")]
    Refused {
        /// Who.
        entity: Domain<'static>,
        /// The status of its answer.
        status: StatusCode,
        /// What it says.
        detail: String,
    },
    /// It cannot be asked now.
    #[error("{0}")]
    Unreachable(String),
    /// Its answer is none.
    #[error("the answer is not that of a registration entity: {0}")]
    Foreign(#[from] MessageError),
    /// A thread ended without a result; a defect of avouch.
    #[error("asking broke off")]
    Broken,
}

/// What was agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// The entity.
    pub entity: Domain<'static>,
    /// The number of the secret at hand.
    pub version: u64,
    /// The least number that counts.
    pub floor: u64,
}

/// An agent and its entity.
struct Party<'a> {
    config: &'a Config,
    registry: &'a Registry,
    domain: Domain<'static>,
    clock: &'a dyn Clock,
    reached: &'a Reached,
}

/// Registers the agent of a configuration, and keeps the secret in the file that it names. The key is made where there is
/// none. What was registered and is not kept, because something failed in between, is registered again by the same token.
///
/// # Errors
/// [`EntityError`].
pub async fn register(
    config: &Config,
    reached: &Reached,
    token: &str,
    clock: &dyn Clock,
) -> Result<Agreed, EntityError> {
    let party = Party::of(config, reached, clock)?;
    let path = party.registry.secret.clone();
    if path.symlink_metadata().is_ok() {
        return Err(EntityError::Registered(path));
    }
    let token = token.trim();
    token_digest(token).ok_or(EntityError::Token)?;
    let own = config.identity.clone();
    let making = tokio::task::spawn_blocking(move || key::make_or_open(&own));
    let (key, _) = making.await.map_err(|_| EntityError::Broken)??;
    let question = RegistrationQuestion {
        entity: party.registry.entity.clone(),
        domain: party.domain.clone(),
        agent: config.identity.agent.clone(),
        key: key.public().clone(),
        token: token.to_owned(),
        time: clock.now().seconds(),
        nonce: nonce(&mut SystemEntropy)?,
    };
    let told = party.ask(key, question).await?;
    let secrets = Secrets::of(party.secret(&told)?);
    secrets.save(&path)?;
    Ok(agreed(&secrets))
}

/// Asks for another secret, which counts from the next epoch on.
///
/// # Errors
/// [`EntityError`].
pub async fn renew(config: &Config, reached: &Reached, clock: &dyn Clock) -> Result<Agreed, EntityError> {
    let party = Party::of(config, reached, clock)?;
    let mut secrets = party.secrets()?;
    let told = party.ask(party.key().await?, Rotation(party.question()?)).await?;
    secrets.rotated(party.secret(&told)?);
    secrets.save(&party.registry.secret)?;
    Ok(agreed(&secrets))
}

/// Agrees on another beginning of the count, after which nothing that was signed before is accepted.
///
/// # Errors
/// [`EntityError`].
pub async fn renegotiate(
    config: &Config,
    reached: &Reached,
    clock: &dyn Clock,
) -> Result<Agreed, EntityError> {
    let party = Party::of(config, reached, clock)?;
    let mut secrets = party.secrets()?;
    let told = party.ask(party.key().await?, party.question()?).await?;
    secrets.renegotiated(FloorAnswer::read(&told)?.floor);
    secrets.save(&party.registry.secret)?;
    Ok(agreed(&secrets))
}

fn agreed(secrets: &Secrets) -> Agreed {
    Agreed { entity: secrets.entity().clone(), version: secrets.version(), floor: secrets.floor() }
}

impl<'a> Party<'a> {
    fn of(config: &'a Config, reached: &'a Reached, clock: &'a dyn Clock) -> Result<Self, EntityError> {
        let Saip::Secret(registry) = &config.identity.saip else { return Err(EntityError::NoEntity) };
        let domain = config.identity.domain.clone().ok_or(EntityError::NoName)?;
        if config.identity.agent.is_domain_itself() {
            return Err(EntityError::NoName);
        }
        Ok(Self { config, registry, domain, clock, reached })
    }

    fn secrets(&self) -> Result<Secrets, EntityError> {
        Secrets::open(&self.registry.secret).map_err(EntityError::NotRegistered)
    }

    async fn key(&self) -> Result<SecretKey, EntityError> {
        let own = self.config.identity.clone();
        let opening = tokio::task::spawn_blocking(move || key::open(&own));
        Ok(opening.await.map_err(|_| EntityError::Broken)??)
    }

    fn secret(&self, told: &[u8]) -> Result<SecretAnswer, EntityError> {
        let of = (&self.registry.entity, &self.domain, &self.config.identity.agent);
        Ok(SecretAnswer::read(told, of)?)
    }

    fn question(&self) -> Result<Renegotiation, EntityError> {
        Ok(Renegotiation {
            entity: self.registry.entity.clone(),
            domain: self.domain.clone(),
            agent: self.config.identity.agent.clone(),
            time: self.clock.now().seconds(),
            nonce: nonce(&mut SystemEntropy)?,
        })
    }

    /// Signs a question, sends it, and gives what it is answered with.
    async fn ask<Q: Question + Send + 'static>(
        &self,
        key: SecretKey,
        question: Q,
    ) -> Result<Bytes, EntityError> {
        // A TPM takes its time.
        let signing = tokio::task::spawn_blocking(move || ask(&key, &question));
        let asked = signing.await.map_err(|_| EntityError::Broken)?.map_err(EntityError::Key)?;
        let (status, told) = match timeout(PATIENCE, self.send(Q::PATH, asked)).await {
            Ok(told) => told?,
            Err(_) => {
                let entity = &self.registry.entity;
                let late = format!("{entity} does not answer within {} s", PATIENCE.as_secs());
                return Err(EntityError::Unreachable(late));
            }
        };
        if status.is_success() {
            return Ok(told);
        }
        let detail = serde_json::from_slice::<Problem>(&told).map(|problem| problem.detail);
        let detail = detail.unwrap_or_else(|_| "it says nothing more".to_owned());
        let detail = detail.chars().filter(|letter| !letter.is_control()).take(MAX_DETAIL).collect();
        Err(EntityError::Refused { entity: self.registry.entity.clone(), status, detail })
    }

    async fn send(&self, path: &'static str, asked: Asked) -> Result<(StatusCode, Bytes), EntityError> {
        let entity = &self.registry.entity;
        let site = match &self.reached.at {
            Some(site) => site.clone(),
            None => Site::parse(&format!("https://{entity}")).ok_or(EntityError::NoEntity)?,
        };
        let roots = self.reached.roots.as_deref().or(self.config.roots.as_deref());
        let connector = load::connector_by(roots)?;
        let outbound =
            Outbound::new(Reach::Configured, connector, &self.config.limits, OwnSockets::default());
        let unreachable =
            |error: &dyn std::fmt::Display| EntityError::Unreachable(format!("{entity}: {error}"));
        let mut sender = outbound.open(&site).await.map_err(|refusal| unreachable(&refusal))?;
        let body = Full::new(Bytes::from(asked.body)).map_err(|never| match never {}).boxed_unsync();
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from(PathAndQuery::from_static(path));
        let field = |text: &str| HeaderValue::from_str(text).map_err(|error| unreachable(&error));
        let fields = [
            (header::HOST, field(site.authority.as_str())?),
            (header::AUTHORIZATION, field(&asked.authorization)?),
            (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        ];
        request.headers_mut().extend(fields);
        let answer = sender.send_request(request).await.map_err(|error| unreachable(&error))?;
        let (head, body) = answer.into_parts();
        let told = Limited::new(body, MAX_TOLD).collect().await.map_err(|error| unreachable(&error))?;
        Ok((head.status, told.to_bytes()))
    }
}

/// A problem document (RFC 9457).
#[derive(Deserialize)]
struct Problem {
    detail: String,
}

//! Where the agent's key is published: looked up at the start, and again from time to time.

mod directory;
pub(crate) mod record;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use avouch_dns::Dns;
use avouch_gather::clock::Clock;
use avouch_gather::https::Client;
use avouch_keys::saip::Mode;
use avouch_tls::Connector;
use avouch_wire::http_signature::Thumbprint;
use avouch_wire::key::PublicKey;
use avouch_wire::name::{AgentId, Domain};
use avouch_wire::record::Place;
use avouch_wire::time::Time;
use avouch_wire::web_bot_auth::Discovery;
use serde::Serialize;

use crate::bot::named;
use crate::config::{Config, Saip};

/// How often it is looked up: a record lives for 300 s where its owner follows the recommendation.
const AGAIN: Duration = Duration::from_secs(300);

/// The same while something could not be found out.
const SOON: Duration = Duration::from_secs(30);

/// How long a directory may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is known of one place where sites look for the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Registration {
    /// By which protocol they look there.
    pub(crate) by: &'static str,
    /// The name of the record, or the URL of the directory.
    pub(crate) place: Option<String>,
    /// How it stands.
    pub(crate) state: State,
    /// What was found, in words.
    pub(crate) detail: String,
    /// When it was looked up, in seconds of Unix time.
    pub(crate) checked_at: Option<u64>,
}

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    /// A pseudonym: sites look nowhere.
    Pseudonym,
    /// The key is published.
    Published,
    /// Other keys are, and this one is not.
    OtherKey,
    /// No key is.
    Missing,
    /// The name, or one above it, revokes.
    Revoked,
    /// It could not be found out, or was not looked up yet.
    Unknown,
}

/// What one look came to.
pub(crate) struct Found(pub(crate) State, pub(crate) String);

impl State {
    /// Whether the key is published; `None` where that is not known.
    pub(crate) const fn registered(self) -> Option<bool> {
        match self {
            Self::Published | Self::Pseudonym => Some(true),
            Self::OtherKey | Self::Missing | Self::Revoked => Some(false),
            Self::Unknown => None,
        }
    }
}

/// Where sites look.
enum Where {
    Nowhere,
    Record(Place),
    /// The agent's name, above which the domain's own has to name this registration entity.
    Entity(Place, Domain<'static>),
    Directory(Discovery, String),
}

/// Looks up where the key is published, and remembers.
pub(crate) struct Watch {
    dns: Dns,
    client: Client,
    clock: Arc<dyn Clock>,
    key: PublicKey,
    places: Vec<Where>,
    known: Mutex<Vec<Registration>>,
}

impl Watch {
    pub(crate) fn new(
        (dns, connector): (Dns, Connector),
        clock: Arc<dyn Clock>,
        config: &Config,
        key: PublicKey,
    ) -> Self {
        // The directory is the operator's own, wherever it stands.
        let client = Client::new(dns.clone(), connector, crate::run::everyone(), PATIENCE);
        let (places, known) = places(config).into_iter().unzip();
        Self { dns, client, clock, key, places, known: Mutex::new(known) }
    }

    /// What is known of each place.
    pub(crate) fn known(&self) -> Vec<Registration> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks again and again.
    pub(crate) async fn keep_up(self: Arc<Self>) {
        loop {
            let pause = self.look_everywhere().await;
            tokio::time::sleep(pause).await;
        }
    }

    /// Looks at each place, and says when to look again.
    async fn look_everywhere(&self) -> Duration {
        let mut pause = AGAIN;
        for (at, place) in self.places.iter().enumerate() {
            let now = self.clock.now();
            let Some(Found(state, detail)) = self.look(place, now).await else { continue };
            if state == State::Unknown {
                pause = SOON;
            }
            self.learn(at, state, detail, now);
        }
        pause
    }

    async fn look(&self, place: &Where, now: Time) -> Option<Found> {
        match place {
            Where::Nowhere => None,
            Where::Record(place) => {
                Some(record::look(&self.dns, place, &record::shown(&self.key), now).await)
            }
            Where::Entity(place, entity) => Some(record::look_for(&self.dns, place, entity, now).await),
            Where::Directory(discovery, url) => {
                let thumbprint = Thumbprint::of(&self.key);
                Some(directory::look(&self.client, *discovery, url, &thumbprint, now).await)
            }
        }
    }

    fn learn(&self, at: usize, state: State, detail: String, now: Time) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = known.get_mut(at) else { return };
        let before = std::mem::replace(&mut known.state, state);
        (known.detail, known.checked_at) = (detail, Some(now.seconds()));
        if before != state || state == State::Unknown {
            tell(known);
        }
    }
}

fn tell(known: &Registration) {
    let (place, detail) = (known.place.as_deref().unwrap_or_default(), known.detail.as_str());
    match known.state.registered() {
        Some(true) => tracing::info!(place, detail, "the agent's key is published"),
        Some(false) => tracing::error!(
            place,
            detail,
            "the agent's key is not published: sites will refuse what it signs; see `avouch dns record` and `avouch directory build`"
        ),
        None => tracing::warn!(place, detail, "whether the agent's key is published could not be found out"),
    }
}

/// Where sites look for the key, by the protocols that are spoken.
fn places(config: &Config) -> Vec<(Where, Registration)> {
    let spoken = || config.destinations.iter().map(|place| place.sign);
    let mut places = Vec::new();
    if spoken().any(|protocols| protocols.saip) {
        let place = record_of(config);
        let name = place.as_ref().map(ToString::to_string);
        let place = match (place, &config.identity.saip) {
            (None, _) => Where::Nowhere,
            (Some(place), Saip::Key(_)) => Where::Record(place),
            (Some(place), Saip::Secret(registry)) => Where::Entity(place, registry.entity.clone()),
        };
        places.push((place, unseen("saip", name)));
    }
    let url = config.identity.directory.as_deref();
    if let Some(url) = url.filter(|_| spoken().any(|protocols| protocols.bot.is_some()))
        && let Ok(agent) = named(url)
    {
        let known = unseen("web-bot-auth", Some(agent.url.clone()));
        places.push((Where::Directory(agent.discovery, agent.url), known));
    }
    places
}

fn unseen(by: &'static str, place: Option<String>) -> Registration {
    let (state, detail) = match &place {
        Some(_) => (State::Unknown, "was not looked up yet"),
        None => (State::Pseudonym, "a pseudonym is published nowhere"),
    };
    Registration { by, place, state, detail: detail.into(), checked_at: None }
}

/// Where the record is: that of the agent, or the domain's own where the key travels along.
fn record_of(config: &Config) -> Option<Place> {
    let domain = config.identity.domain.clone()?;
    let agent = match config.identity.saip {
        Saip::Key(Mode::Stateless) => AgentId::parse("_").ok()?,
        Saip::Key(Mode::Rolling(_) | Mode::Direct) | Saip::Secret(_) => config.identity.agent.clone(),
    };
    Some(Place { domain, agent })
}

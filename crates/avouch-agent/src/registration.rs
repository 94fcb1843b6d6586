//! What the DNS says of the agent's key: looked up at the start and again from time to time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use avouch_dns::Dns;
use avouch_gather::clock::Clock;
use avouch_gather::examination::Examination;
use avouch_keys::saip::Mode;
use avouch_wire::key::PublicKey;
use avouch_wire::name::AgentId;
use avouch_wire::record::Place;
use avouch_wire::time::Time;
use serde::Serialize;

use crate::config;

/// How often it is looked up: a record lives for 300 s where its owner follows the recommendation.
pub(crate) const AGAIN: Duration = Duration::from_secs(300);

/// The same while it could not be found out.
const SOON: Duration = Duration::from_secs(30);

/// What is known of the agent's record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Registration {
    /// How it stands.
    pub(crate) state: State,
    /// The name of the record.
    pub(crate) name: Option<String>,
    /// What was found, in words.
    pub(crate) detail: String,
    /// When it was looked up, in seconds of Unix time.
    pub(crate) checked_at: Option<u64>,
}

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    /// A pseudonym: there is no record.
    Pseudonym,
    /// The key is published.
    Published,
    /// The name exists, and publishes other keys alone.
    OtherKey,
    /// Nothing is published.
    Missing,
    /// The name, or one above it, revokes.
    Revoked,
    /// It could not be found out, or was not looked up yet.
    Unknown,
}

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

/// Looks the record up, and remembers.
pub(crate) struct Watch {
    dns: Dns,
    clock: Arc<dyn Clock>,
    place: Option<(Place, String)>,
    /// The key, as an examination shows it.
    key: String,
    known: Mutex<Registration>,
}

impl Watch {
    pub(crate) fn new(dns: Dns, clock: Arc<dyn Clock>, identity: &config::Identity, key: &PublicKey) -> Self {
        let place = place(identity);
        let known = match &place {
            Some((_, name)) => Registration {
                state: State::Unknown,
                name: Some(name.clone()),
                detail: "was not looked up yet".into(),
                checked_at: None,
            },
            None => Registration {
                state: State::Pseudonym,
                name: None,
                detail: "a pseudonym has no record".into(),
                checked_at: None,
            },
        };
        let key = format!("{} {}", key.key_type().name(), key.fingerprint());
        Self { dns, clock, place, key, known: Mutex::new(known) }
    }

    pub(crate) fn known(&self) -> Registration {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks it up again and again.
    pub(crate) async fn keep_up(self: Arc<Self>) {
        while let Some((place, name)) = &self.place {
            let now = self.clock.now();
            let found = self.look_up(place, name, now).await;
            let pause = if found.state == State::Unknown { SOON } else { AGAIN };
            let before = std::mem::replace(
                &mut *self.known.lock().unwrap_or_else(PoisonError::into_inner),
                found.clone(),
            );
            if before.state != found.state {
                tell(&found, name);
            }
            tokio::time::sleep(pause).await;
        }
    }

    async fn look_up(&self, place: &Place, name: &str, now: Time) -> Registration {
        let seen = Examination::of(&self.dns, place, now).await;
        let (state, detail) = self.read(&seen);
        Registration { state, name: Some(name.to_owned()), detail, checked_at: Some(now.seconds()) }
    }

    fn read(&self, seen: &Examination) -> (State, String) {
        if let Some(above) = seen.names.iter().find(|examined| examined.revoked) {
            return (State::Revoked, format!("{} revokes it", above.name));
        }
        if let Some(open) = seen.names.iter().find(|examined| examined.cause.is_some()) {
            return (State::Unknown, format!("{}: {}", open.name, open.cause.unwrap_or("unknown")));
        }
        let Some(own) = seen.names.first() else {
            return (State::Unknown, "nothing was looked up".into());
        };
        let keys: Vec<_> = own.live.iter().filter(|live| live.what == "key").collect();
        let proof = own.dnssec.unwrap_or("unknown");
        match keys.iter().find(|live| live.value == self.key) {
            Some(live) if live.testing => {
                (State::Published, format!("the key is published for testing, {proof}"))
            }
            Some(_) => (State::Published, format!("the key is published, {proof}")),
            None if keys.is_empty() => (State::Missing, "no key is published there".into()),
            None => (State::OtherKey, format!("the key published there is another, not {}", self.key)),
        }
    }
}

fn tell(found: &Registration, name: &str) {
    match found.state.registered() {
        Some(true) => tracing::info!(name, detail = found.detail, "the agent's key is published"),
        Some(false) => tracing::error!(
            name,
            detail = found.detail,
            "the agent's key is not published: sites will refuse what it signs; `avouch dns record` prints the record"
        ),
        None => tracing::warn!(
            name,
            detail = found.detail,
            "whether the agent's key is published could not be found out"
        ),
    }
}

/// Where the record of an identity is: that of the agent, or the domain's own where the key travels along.
fn place(identity: &config::Identity) -> Option<(Place, String)> {
    let domain = identity.domain.clone()?;
    let agent = match identity.mode {
        Mode::Stateless => AgentId::parse("_").ok()?,
        Mode::Rolling(_) | Mode::Direct => identity.agent.clone(),
    };
    let place = Place { domain, agent };
    let name = place.to_string();
    Some((place, name))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use avouch_dns::ZoneFiles;
    use avouch_gather::clock::ManualClock;
    use avouch_keys::SecretKey;
    use avouch_keys::entropy::SystemEntropy;
    use avouch_wire::b64u;
    use avouch_wire::key::KeyType;

    use super::*;
    use crate::config::Config;

    async fn state_of(records: impl Fn(&str) -> String, more: &str) -> Registration {
        let key = SecretKey::generate(KeyType::Ed25519, &mut SystemEntropy).unwrap();
        let published = b64u::encode(key.public().octets());
        let zone =
            format!("$ORIGIN acme.example.\n$TTL 300\n@ SOA ns host 1 2 3 4 30\n{}", records(&published));
        let zones = ZoneFiles::parse(&[("z", &zone)], avouch_engine::evidence::Dnssec::Insecure).unwrap();
        let text = format!(
            "key = 'file:k'\ndomain = 'acme.example'\nagent = 'bot.fleet'\nsigner.socket = '/s'\ndestination = {{ host = '*' }}\n{more}"
        );
        let config = Config::parse("f", &text).unwrap();
        let clock = Arc::new(ManualClock::at(Time::from_seconds(1_790_000_000)));
        let watch = Arc::new(Watch::new(Dns::Zones(zones), clock, &config.identity, key.public()));
        assert!(watch.known().checked_at.is_none());
        let _ends = tokio::time::timeout(Duration::from_millis(200), Arc::clone(&watch).keep_up()).await;
        watch.known()
    }

    #[tokio::test]
    async fn the_state_of_the_record_is_told_apart() {
        let txt = |name: &str, key: &str| format!("{name} TXT \"v=saip1; pk={key}\"\n");
        let other = "iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w";
        let own = state_of(|key| txt("bot.fleet._saip", key), "").await;
        assert_eq!(
            (own.state, own.name.as_deref()),
            (State::Published, Some("bot.fleet._saip.acme.example"))
        );
        assert_eq!(own.checked_at, Some(1_790_000_000));
        assert_eq!(state_of(|_| txt("bot.fleet._saip", other), "").await.state, State::OtherKey);
        assert_eq!(state_of(|key| txt("bots.fleet._saip", key), "").await.state, State::Missing);
        let above = |key: &str| txt("bot.fleet._saip", key) + &txt("fleet._saip", "");
        assert_eq!(state_of(above, "").await.state, State::Revoked);
        let elsewhere = state_of(|_| String::new(), "[dns]").await;
        assert_eq!(elsewhere.state, State::Missing);
    }

    #[tokio::test]
    async fn what_cannot_be_found_out_is_unknown_and_neither_good_nor_bad() {
        let key = SecretKey::generate(KeyType::Ed25519, &mut SystemEntropy).unwrap();
        let zones = ZoneFiles::parse(
            &[("z", "$ORIGIN other.example.\n@ 60 SOA ns host 1 2 3 4 30\n")],
            avouch_engine::evidence::Dnssec::Insecure,
        );
        let text = "key = 'file:k'\ndomain = 'acme.example'\nagent = 'bot'\nsigner.socket = '/s'\ndestination = { host = '*' }";
        let config = Config::parse("f", text).unwrap();
        let clock = Arc::new(ManualClock::at(Time::from_seconds(1)));
        let watch = Arc::new(Watch::new(Dns::Zones(zones.unwrap()), clock, &config.identity, key.public()));
        let _ends = tokio::time::timeout(Duration::from_millis(200), Arc::clone(&watch).keep_up()).await;
        assert_eq!((watch.known().state, watch.known().state.registered()), (State::Unknown, None));
        assert!(watch.known().checked_at.is_some());
    }
}

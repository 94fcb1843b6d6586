//! Fetches directories, and remembers what became of each: what was last read, and when to try again.

use super::fetch::{Client, FetchError, Fetched};
use super::vouched;
use crate::bounded::Bounded;
use crate::hash_key::HashKey;
use avouch_dns::Dns;
use avouch_engine::evidence::{Answer, Cause, DirectoryQuestion, Dnssec};
use avouch_tls::Connector;
use avouch_wire::time::Time;
use avouch_wire::web_bot_auth::{Directory, Discovery, Document};
use ipnet::IpNet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Directories remembered: every operator of bots there is, many times over, at some kilobytes each.
const REMEMBERED: usize = 4096;

/// Fetches under way at the same time: each holds a connection and up to 256 KiB.
const SIMULTANEOUS: usize = 32;

/// Directories never heard of before that are fetched within a minute. A stranger can name any
/// number of them, and each costs its host a connection.
const NEW_PER_MINUTE: u32 = 120;

/// After a failure, and after each further one twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(2);

/// However often it failed.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// How long what was last read is relied on while a directory is out of reach; keys that say when
/// they end, end then. Longer outages exist, but not of directories anyone looks after.
const OUTLIVES: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How long a directory that its host says is not there counts as empty: a key that stands there
/// again should not wait longer.
const GONE_KEPT: Duration = Duration::from_secs(300);

/// How directories are fetched.
#[derive(Clone, Debug, Default)]
pub struct FetchSettings {
    /// Networks that are not public, and where directories may stand all the same.
    pub allowed_networks: Vec<IpNet>,
    /// Whether only keys count that signed the directory they stand in.
    pub require_signed: bool,
}

/// Fetches directories over the network.
pub struct Fetcher {
    client: Client,
    require_signed: bool,
    known: Bounded<DirectoryQuestion, Known>,
    key: HashKey,
    places: Semaphore,
    newcomers: Mutex<Newcomers>,
}

/// What is known of one directory.
#[derive(Clone, Debug)]
struct Known {
    last: Option<(Arc<Directory>, Time)>,
    failures: u32,
    retry_at: Time,
}

/// Directories heard of for the first time, in the minute that began at `since`.
struct Newcomers {
    since: Time,
    count: u32,
}

impl Fetcher {
    /// Looks hosts up by `dns`, and trusts the roots of `connector`.
    #[must_use]
    pub fn new(dns: Dns, connector: Connector, settings: FetchSettings) -> Self {
        Self {
            client: Client { dns, connector, allowed: settings.allowed_networks },
            require_signed: settings.require_signed,
            known: Bounded::new(REMEMBERED),
            key: HashKey::random(),
            places: Semaphore::new(SIMULTANEOUS),
            newcomers: Mutex::new(Newcomers { since: Time::from_seconds(0), count: 0 }),
        }
    }

    /// The directory, fetched now unless it failed too recently. One that is out of reach leaves
    /// what was last read in force; one that was read does not.
    pub(super) async fn look_up(&self, question: &DirectoryQuestion, now: Time) -> Answer<Arc<Directory>> {
        let hash = self.key.of(question);
        let known = self.known.read(hash, question, Known::clone);
        if let Some(known) = known.as_ref().filter(|known| now < known.retry_at) {
            return known.answer(known.retry_at, now);
        }
        if known.is_none() && !self.admit_newcomer(now) {
            return Answer::Unknown(Cause::Budget);
        }
        let Ok(_place) = self.places.try_acquire() else { return Answer::Unknown(Cause::Budget) };
        match self.fetch(question, now).await {
            Ok((directory, kept)) => {
                let (directory, until) = (Arc::new(directory), now.after(kept));
                let last = Some((Arc::clone(&directory), now));
                self.known.put(hash, question.clone(), Known { last, failures: 0, retry_at: now }, |_| false);
                Answer::Found { value: directory, dnssec: Dnssec::Insecure, until }
            }
            Err(cause) => {
                let failures = known.as_ref().map_or(0, |known| known.failures).saturating_add(1);
                let retry_at = now.after(self.pause(failures, hash));
                let known = Known { last: known.and_then(|known| known.last), failures, retry_at };
                self.known.put(hash, question.clone(), known.clone(), |_| false);
                match known.answer(retry_at, now) {
                    Answer::Unknown(_) => Answer::Unknown(cause),
                    answer => answer,
                }
            }
        }
    }

    async fn fetch(&self, question: &DirectoryQuestion, now: Time) -> Result<(Directory, Duration), Cause> {
        let gone = || (Directory::default(), GONE_KEPT);
        let unusable = |error: &dyn std::fmt::Display| unusable(&question.url, error);
        let Some(fetched) = self.get(&question.url, now).await? else { return Ok(gone()) };
        let (directory, fetched) = match question.discovery {
            Discovery::Directory | Discovery::JwksUri => (Directory::parse(&fetched.body), fetched),
            Discovery::Cimd => match Document::parse(&fetched.body).map_err(|error| unusable(&error))? {
                Document::Keys(directory) => (Ok(directory), fetched),
                Document::JwksUri(url) => match self.get(&url, now).await? {
                    Some(fetched) => (Directory::parse(&fetched.body), fetched),
                    None => return Ok(gone()),
                },
            },
        };
        let mut directory = directory.map_err(|error| unusable(&error))?;
        let signed = vouched::by(&directory, &fetched, now);
        let signed = signed.map_err(|_| unusable(&"a signature of one of its keys does not hold"))?;
        if self.require_signed {
            directory.retain(|thumbprint| signed.contains(thumbprint));
        }
        Ok((directory, fetched.storage))
    }

    /// `None` where the host itself says that nothing stands there: whoever takes a directory down
    /// takes its keys back.
    async fn get(&self, url: &str, now: Time) -> Result<Option<Fetched>, Cause> {
        match self.client.fetch(url, now).await {
            Ok(fetched) => Ok(Some(fetched)),
            Err(error @ FetchError::Gone(_)) => {
                tracing::info!(url, %error, "key directory gone");
                Ok(None)
            }
            Err(error) => {
                tracing::info!(url, %error, "key directory out of reach");
                Err(Cause::DirectoryUnreachable)
            }
        }
    }

    /// Twice as long after each failure, less up to a half: many verifiers that lost a directory at the same moment do
    /// not come back at the same one.
    fn pause(&self, failures: u32, hash: u64) -> Duration {
        let doubled = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(16)));
        let whole = doubled.min(LONGEST_PAUSE);
        let share = u32::try_from(self.key.of(&(hash, failures)) % 512).unwrap_or(0);
        whole - whole * share / 1024
    }

    fn admit_newcomer(&self, now: Time) -> bool {
        let mut newcomers = self.newcomers.lock().unwrap_or_else(PoisonError::into_inner);
        if now >= newcomers.since.after(Duration::from_secs(60)) || now < newcomers.since {
            *newcomers = Newcomers { since: now, count: 0 };
        }
        newcomers.count = newcomers.count.saturating_add(1);
        newcomers.count <= NEW_PER_MINUTE
    }
}

impl Known {
    /// What was last read, until the next attempt.
    fn answer(&self, until: Time, now: Time) -> Answer<Arc<Directory>> {
        match &self.last {
            Some((directory, read)) if now < read.after(OUTLIVES) => {
                Answer::Found { value: Arc::clone(directory), dnssec: Dnssec::Insecure, until }
            }
            _ => Answer::Unknown(Cause::DirectoryUnreachable),
        }
    }
}

fn unusable(url: &str, error: &dyn std::fmt::Display) -> Cause {
    tracing::info!(url, %error, "no key directory");
    Cause::DirectoryUnusable
}

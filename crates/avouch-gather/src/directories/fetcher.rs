//! Fetches directories, and remembers what became of each: what was last read, and when to try again.

use super::newcomers::Newcomers;
use super::{storage, vouched};
use crate::bounded::Bounded;
use crate::hash_key::HashKey;
use crate::https::{Client, Document as Fetched, Get, Got, HttpsError};
use crate::pauses;
use avouch_dns::Dns;
use avouch_engine::evidence::{Answer, Cause, DirectoryQuestion, Dnssec};
use avouch_tls::Connector;
use avouch_wire::time::Time;
use avouch_wire::web_bot_auth::{Directory, Discovery, Document, MAX_DIRECTORY, WELL_KNOWN};
use ipnet::IpNet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Directories remembered, here and by the answer cache: every operator of bots there is, many times
/// over. A directory of 100 keys that are the dearest to keep takes less than 100 KiB (those of P-256
/// take 900 octets each), so both tables together take less than 256 MiB, however strangers fill them.
pub(crate) const REMEMBERED: usize = 1280;

/// How long the documents of a directory may take together, from the first look-up to the last octet.
const PATIENCE: Duration = Duration::from_secs(2);

/// What directories are served as.
pub(super) const TYPES: &str =
    "application/http-message-signatures-directory+json, application/jwk-set+json, application/json";

/// Fetches under way at the same time: each holds a connection and up to 256 KiB.
const SIMULTANEOUS: usize = 32;

/// Of these, kept for directories whose keys are known: hosts that strangers name, and that answer
/// slowly, must not keep the keys of those in use from being renewed.
const KEPT_FREE: usize = 8;

/// After a failure, and after each further one twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(2);

/// However often it failed.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// How long what was last read is relied on while a directory is out of reach; keys that say when
/// they end, end then. Longer outages exist, but not of directories anyone looks after.
const OUTLIVES: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How long the keys of a directory are relied on beyond the end of the last answer while there is
/// no place to fetch it again. Long enough to sit out a flood, and so short that a flood keeps no
/// revoked key alive for long.
const GRACE: Duration = Duration::from_secs(60 * 60);

/// How long such an answer is given before a place is looked for again.
const BUSY_KEPT: Duration = Duration::from_secs(2);

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

/// Fetches directories over the network. Cloning is cheap, and clones share everything.
#[derive(Clone)]
pub struct Fetcher(Arc<State>);

struct State {
    client: Client,
    require_signed: bool,
    known: Bounded<DirectoryQuestion, Known>,
    key: HashKey,
    places: Arc<Semaphore>,
    kept_free: Arc<Semaphore>,
    newcomers: Mutex<Newcomers>,
}

/// What is known of one directory.
#[derive(Clone, Debug)]
struct Known {
    last: Option<Last>,
    failures: u32,
    retry_at: Time,
}

/// What was last read of a directory.
#[derive(Clone, Debug)]
struct Last {
    directory: Arc<Directory>,
    read: Time,
    /// When it is to be read again.
    until: Time,
}

impl Fetcher {
    /// Looks hosts up by `dns`, and trusts the roots of `connector`.
    #[must_use]
    pub fn new(dns: Dns, connector: Connector, settings: FetchSettings) -> Self {
        Self(Arc::new(State {
            client: Client::new(dns, connector, settings.allowed_networks, PATIENCE),
            require_signed: settings.require_signed,
            known: Bounded::new(REMEMBERED),
            key: HashKey::random(),
            places: Arc::new(Semaphore::new(SIMULTANEOUS - KEPT_FREE)),
            kept_free: Arc::new(Semaphore::new(KEPT_FREE)),
            newcomers: Mutex::default(),
        }))
    }

    /// The directory, fetched now unless what was last read still holds, or it failed too recently.
    /// One that is out of reach leaves what was last read in force; one that was read does not.
    pub(super) async fn look_up(&self, question: &DirectoryQuestion, now: Time) -> Answer<Arc<Directory>> {
        let hash = self.0.key.of(question);
        let known = self.0.known.read(hash, question, Known::clone);
        if let Some(answer) = known.as_ref().and_then(|known| known.at_hand(now)) {
            return answer;
        }
        let Some(place) = self.0.place(known.as_ref()) else {
            return known.map_or(Answer::Unknown(Cause::Budget), |known| known.answer_while_busy(now));
        };
        if known.is_none() && !self.0.admit_newcomer(&question.url, now) {
            return Answer::Unknown(Cause::Budget);
        }
        // The attempt counts as failed until it succeeds, and goes on without those who asked for it:
        // whoever hangs up neither avoids the pause nor takes the directory from the next one.
        let before = self.0.enter_attempt(question, hash, known, now);
        let (state, question) = (Arc::clone(&self.0), question.clone());
        let attempt = tokio::spawn(async move {
            let answer = state.attempt(question, hash, before, now).await;
            drop(place);
            answer
        });
        attempt.await.unwrap_or(Answer::Unknown(Cause::DirectoryUnreachable))
    }
}

impl State {
    /// The right to fetch, if there is room for it.
    fn place(&self, known: Option<&Known>) -> Option<OwnedSemaphorePermit> {
        let take = |places: &Arc<Semaphore>| Arc::clone(places).try_acquire_owned().ok();
        let has_keys = known.is_some_and(Known::has_keys);
        take(&self.places).or_else(|| has_keys.then(|| take(&self.kept_free)).flatten())
    }

    fn enter_attempt(
        &self,
        question: &DirectoryQuestion,
        hash: u64,
        known: Option<Known>,
        now: Time,
    ) -> Known {
        let failures = known.as_ref().map_or(0, |known| known.failures).saturating_add(1);
        let retry_at = now.after(self.pause(failures, hash));
        let known = Known { last: known.and_then(|known| known.last), failures, retry_at };
        self.remember(question.clone(), hash, known.clone());
        known
    }

    async fn attempt(
        &self,
        question: DirectoryQuestion,
        hash: u64,
        before: Known,
        now: Time,
    ) -> Answer<Arc<Directory>> {
        let fetched = timeout(PATIENCE, self.fetch(&question, now)).await.unwrap_or_else(|_| {
            tracing::info!(url = question.url, "key directory takes longer than {} s", PATIENCE.as_secs());
            Err(Cause::DirectoryUnreachable)
        });
        match fetched {
            Ok((directory, kept)) => {
                let last = Last { directory: Arc::new(directory), read: now, until: now.after(kept) };
                let answer = last.answer(last.until);
                self.remember(question, hash, Known { last: Some(last), failures: 0, retry_at: now });
                answer
            }
            Err(cause) => match before.while_out_of_reach(now) {
                Answer::Unknown(_) => Answer::Unknown(cause),
                answer => answer,
            },
        }
    }

    /// What holds no keys gives way first, so that names of directories that are none push out no other.
    fn remember(&self, question: DirectoryQuestion, hash: u64, known: Known) {
        self.known.put(hash, question, known, |known| !known.has_keys());
    }

    async fn fetch(&self, question: &DirectoryQuestion, now: Time) -> Result<(Directory, Duration), Cause> {
        let gone = || (Directory::default(), GONE_KEPT);
        let unusable = |error: &dyn std::fmt::Display| unusable(&question.url, error);
        let Some(fetched) = self.get(&question.url, now).await? else { return Ok(gone()) };
        let (directory, fetched) = match question.discovery {
            Discovery::Directory | Discovery::JwksUri => (Directory::parse(&fetched.body), fetched),
            Discovery::Cimd => {
                match Document::parse(&fetched.body, &question.url).map_err(|error| unusable(&error))? {
                    Document::Keys(directory) => (Ok(directory), fetched),
                    Document::JwksUri(url) => match self.get(&url, now).await? {
                        Some(fetched) => (Directory::parse(&fetched.body), fetched),
                        None => return Ok(gone()),
                    },
                }
            }
        };
        let mut directory = directory.map_err(|error| unusable(&error))?;
        let signed = vouched::by(&directory, &fetched, now);
        let signed = signed.map_err(|_| unusable(&"a signature of one of its keys does not hold"))?;
        if self.require_signed {
            directory.retain(|thumbprint| signed.contains(thumbprint));
        }
        Ok((directory, storage::of(&fetched.headers)))
    }

    /// `None` where the host itself says that nothing stands there: whoever takes a directory down
    /// takes its keys back.
    async fn get(&self, url: &str, now: Time) -> Result<Option<Fetched>, Cause> {
        let get = Get { url, accept: TYPES, limit: MAX_DIRECTORY, unless: None };
        match self.client.get(get, now).await {
            // Whoever can write to the well-known path speaks for the host; elsewhere many may.
            Ok(Got::Document(fetched)) if fetched.path != WELL_KNOWN && !fetched.is_json() => {
                Err(unusable(url, &"its Content-Type is not JSON"))
            }
            Ok(Got::Document(fetched)) => Ok(Some(fetched)),
            Ok(Got::Unchanged(_)) => Err(unusable(url, &"it was not asked whether it changed")),
            Err(error @ HttpsError::Gone(_)) => {
                tracing::info!(url, %error, "key directory gone");
                Ok(None)
            }
            Err(error) => {
                tracing::info!(url, %error, "key directory out of reach");
                Err(Cause::DirectoryUnreachable)
            }
        }
    }

    /// Up to a half of it is left out.
    fn pause(&self, failures: u32, hash: u64) -> Duration {
        let whole = pauses::after(failures, FIRST_PAUSE, LONGEST_PAUSE);
        pauses::shortened(whole, 2, self.key.of(&(hash, failures)))
    }

    fn admit_newcomer(&self, url: &str, now: Time) -> bool {
        self.newcomers.lock().unwrap_or_else(PoisonError::into_inner).admit(url, now)
    }
}

impl Known {
    fn has_keys(&self) -> bool {
        self.last.as_ref().is_some_and(|last| !last.directory.keys().is_empty())
    }

    /// What needs no fetch, or must not have one yet. After a clock was set back no pause is longer
    /// than the longest, and nothing was read in the future.
    fn at_hand(&self, now: Time) -> Option<Answer<Arc<Directory>>> {
        let fresh = |last: &&Last| self.failures == 0 && last.read <= now && now < last.until;
        if let Some(last) = self.last.as_ref().filter(fresh) {
            return Some(last.answer(last.until));
        }
        let pauses = !pauses::is_due(self.retry_at, now, LONGEST_PAUSE);
        pauses.then(|| self.while_out_of_reach(now))
    }

    /// What was last read, until the next attempt.
    fn while_out_of_reach(&self, now: Time) -> Answer<Arc<Directory>> {
        match &self.last {
            Some(last) if now < last.read.after(OUTLIVES) => last.answer(self.retry_at),
            _ => Answer::Unknown(Cause::DirectoryUnreachable),
        }
    }

    /// What was last read, while there is no place to fetch it again.
    fn answer_while_busy(&self, now: Time) -> Answer<Arc<Directory>> {
        match &self.last {
            // Its end, or that of the last pause if it was out of reach since.
            Some(last)
                if now < last.until.max(self.retry_at).after(GRACE) && now < last.read.after(OUTLIVES) =>
            {
                last.answer(now.after(BUSY_KEPT))
            }
            _ => Answer::Unknown(Cause::Budget),
        }
    }
}

impl Last {
    fn answer(&self, until: Time) -> Answer<Arc<Directory>> {
        Answer::Found { value: Arc::clone(&self.directory), dnssec: Dnssec::Insecure, until }
    }
}

fn unusable(url: &str, error: &dyn std::fmt::Display) -> Cause {
    tracing::info!(url, %error, "no key directory");
    Cause::DirectoryUnusable
}

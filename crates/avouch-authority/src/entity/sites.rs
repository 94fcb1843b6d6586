//! The keys of a site's verifiers, as it publishes them itself: fetched once for all who wait, and kept for five minutes
//! at most.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use avouch_gather::https::{Client, Get, Got};
use avouch_wire::authority::Authority;
use avouch_wire::entity::{Credentials, VERIFIER_PATH, VerifierDocument};
use avouch_wire::time::Time;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::refusal::Refusal;

/// How long one exchange with a site may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);

/// How long a document is kept.
const KEPT: Duration = Duration::from_secs(300);

/// How long it is known that there was none; and how old a document has to be to be fetched again for a key that it does
/// not list.
const PAUSE: Duration = Duration::from_secs(10);

/// Most sites that are known. Beyond that the one that was not used for longest is forgotten, which costs a fetch.
const MAX_SITES: usize = 4_096;

/// Fetches under way at once, of sites that nothing is known of and of the others: hosts that strangers name, and that
/// answer slowly, do not keep the keys of those in use from being renewed.
const OF_STRANGERS: usize = 24;
const OF_KNOWN: usize = 8;

/// Longest document, in octets.
const MAX_DOCUMENT: usize = 4096;

pub(super) struct Sites {
    client: Client,
    known: Mutex<HashMap<String, Site>>,
    strangers: Semaphore,
    others: Semaphore,
}

#[derive(Clone)]
struct Site {
    slot: Arc<Slot>,
    /// When a question of it last verified; before that, when somebody first asked.
    used: Time,
    /// Whether a document was ever read.
    is_known: bool,
}

#[derive(Default)]
struct Slot {
    /// Held while the document is fetched.
    turn: tokio::sync::Mutex<()>,
    read: Mutex<Read>,
}

#[derive(Default)]
struct Read {
    /// What was read last. A fetch that fails leaves it as it is: whoever asks by a key that is not listed, and so has
    /// it fetched, takes nothing from those whose key is.
    document: Option<(Arc<VerifierDocument>, Time)>,
    /// Why nothing was read since.
    failed: Option<(&'static str, Time)>,
}

impl Slot {
    /// What is known without a fetch: a document that is no older than this, or that there was none a moment ago.
    fn at_hand(&self, kept: Duration, now: Time) -> Option<Result<Arc<VerifierDocument>, Refusal>> {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        match (&read.document, read.failed) {
            (Some((document, at)), _) if now.since(*at) < kept => Some(Ok(Arc::clone(document))),
            (_, Some((why, at))) if now.since(at) < PAUSE => Some(Err(Refusal::Site(why))),
            _ => None,
        }
    }

    fn keep(&self, fetched: &Result<Arc<VerifierDocument>, &'static str>, now: Time) {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        match fetched {
            Ok(document) => *read = Read { document: Some((Arc::clone(document), now)), failed: None },
            Err(why) => read.failed = Some((*why, now)),
        }
    }
}

impl Sites {
    pub(super) fn new(client: Client) -> Self {
        let (strangers, others) = (Semaphore::new(OF_STRANGERS), Semaphore::new(OF_KNOWN));
        Self { client, known: Mutex::default(), strangers, others }
    }

    /// Whether a key that the site publishes signed this question.
    pub(super) async fn signed(
        &self,
        audience: &Authority<'_>,
        credentials: &Credentials,
        (path, body): (&str, &[u8]),
        now: Time,
    ) -> Result<(), Refusal> {
        let lists = |read: &VerifierDocument| {
            read.keys.iter().any(|key| key.fingerprint().as_bytes() == &credentials.key)
        };
        let mut document = self.document(audience.as_str(), KEPT, now).await?;
        if !lists(&document) {
            // The site may have changed its keys a moment ago.
            document = self.document(audience.as_str(), PAUSE, now).await?;
        }
        match document.signer(credentials, path, body) {
            Some(_) => {
                self.used(audience.as_str(), now);
                Ok(())
            }
            None if lists(&document) => Err(Refusal::Signature),
            None => Err(Refusal::NotListed),
        }
    }

    async fn document(
        &self,
        audience: &str,
        kept: Duration,
        now: Time,
    ) -> Result<Arc<VerifierDocument>, Refusal> {
        let site = self.site(audience, now);
        if let Some(known) = site.slot.at_hand(kept, now) {
            return known;
        }
        let _turn = site.slot.turn.lock().await;
        if let Some(known) = site.slot.at_hand(kept, now) {
            return known;
        }
        let _place = self.place(site.is_known).ok_or(Refusal::Site("too many sites are asked at once"))?;
        let fetched = self.fetch(audience, now).await;
        site.slot.keep(&fetched, now);
        if fetched.is_ok() {
            self.note(audience, |site| site.is_known = true);
        }
        fetched.map_err(Refusal::Site)
    }

    fn site(&self, audience: &str, now: Time) -> Site {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(site) = known.get(audience) {
            return site.clone();
        }
        if known.len() >= MAX_SITES {
            // Those that published nothing go first.
            let first = known.iter().min_by_key(|(_, site)| (site.is_known, site.used));
            if let Some(first) = first.map(|(name, _)| name.clone()) {
                known.remove(&first);
            }
        }
        let site = Site { slot: Arc::default(), used: now, is_known: false };
        known.insert(audience.to_owned(), site.clone());
        site
    }

    fn note(&self, audience: &str, what: impl FnOnce(&mut Site)) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get_mut(audience).map(what);
    }

    fn used(&self, audience: &str, now: Time) {
        self.note(audience, |site| site.used = site.used.max(now));
    }

    fn place(&self, is_known: bool) -> Option<SemaphorePermit<'_>> {
        let of_others = || if is_known { self.others.try_acquire().ok() } else { None };
        self.strangers.try_acquire().ok().or_else(of_others)
    }

    async fn fetch(&self, audience: &str, now: Time) -> Result<Arc<VerifierDocument>, &'static str> {
        let url = format!("https://{audience}{VERIFIER_PATH}");
        let get = Get { url: &url, accept: "application/json", limit: MAX_DOCUMENT, unless: None };
        match self.client.get(get, now).await {
            // A file that a host serves for others does not speak for the host.
            Ok(Got::Document(document)) if !document.is_json() => {
                Err("what stands there is not sent as JSON")
            }
            Ok(Got::Document(document)) => match VerifierDocument::read(&document.body) {
                Ok(read) => Ok(Arc::new(read)),
                Err(error) => {
                    tracing::info!(audience, %error, "what a site publishes lists no keys");
                    Err("what stands there is not as the format says")
                }
            },
            Ok(Got::Unchanged(_)) => Err("no answer"),
            Err(error) => {
                tracing::info!(audience, %error, "a site does not say which keys its verifiers have");
                Err("no answer that could be used")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use avouch_dns::{Dns, ZoneFiles};
    use avouch_engine::evidence::Dnssec;
    use avouch_tls::{Connector, Protocol};
    use testkit::certificate::Certificate;

    fn sites() -> Sites {
        let dns = Dns::Zones(ZoneFiles::parse(&[], Dnssec::Insecure).unwrap());
        let certificate = Certificate::of(&["a.example"]).unwrap();
        let connector = Connector::trusting(certificate.certificate.as_bytes(), &[Protocol::Http1]).unwrap();
        Sites::new(Client::new(dns, connector, Vec::new(), PATIENCE))
    }

    #[test]
    fn a_site_in_use_stays_and_the_one_not_used_for_longest_is_forgotten() {
        let sites = sites();
        let name = |number: usize| format!("s{number}.example");
        for number in 0..MAX_SITES {
            sites.site(&name(number), Time::from_seconds(number as u64));
            sites.note(&name(number), |site| site.is_known = true);
        }
        sites.used(&name(0), Time::from_seconds(10_000));
        sites.site("more.example", Time::from_seconds(10_001));
        let known = sites.known.lock().unwrap();
        assert_eq!(known.len(), MAX_SITES);
        assert!(known.contains_key(&name(0)) && known.contains_key("more.example"));
        assert!(!known.contains_key(&name(1)) && known.contains_key(&name(2)));
    }
}

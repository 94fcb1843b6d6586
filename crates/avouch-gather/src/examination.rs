//! What a domain or an agent publishes now, and what is wrong with it: for whoever publishes, and for an operator who
//! wants to know why a claim fails.

use avouch_dns::{Dns, Txt};
use avouch_engine::evidence::{Answer, Cause, Dnssec};
use avouch_wire::key::Fingerprint;
use avouch_wire::name::ancestors;
use avouch_wire::record::lint::{self, Alias, Concern, Finding, Subject};
use avouch_wire::record::{Place, Published, consents};
use avouch_wire::time::Time;

/// What was found out.
#[derive(Clone, Debug)]
pub struct Examination {
    /// The name that was asked for, and those above it that could revoke.
    pub names: Vec<Examined>,
    /// What is wrong, or only unwise.
    pub findings: Vec<Finding>,
    /// The name at which the chain of signatures breaks, when it does.
    pub broken_at: Option<String>,
}

/// What counts at one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examined {
    /// The name.
    pub name: String,
    /// `found`, `absent` or `unknown`.
    pub answer: &'static str,
    /// Why it is unknown, in words.
    pub cause: Option<&'static str>,
    /// `secure` or `insecure`, where there is an answer.
    pub dnssec: Option<&'static str>,
    /// For how long the answer counts, in seconds.
    pub ttl: Option<u64>,
    /// Whether a record revokes what is here and below.
    pub revoked: bool,
    /// What counts now.
    pub live: Vec<Live>,
    /// The keys among it, those for testing left out.
    pub keys: Vec<Fingerprint>,
}

/// One thing that is live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live {
    /// `key`, `network`, `asn`, `registration entity` or `reports`.
    pub what: &'static str,
    /// Which.
    pub value: String,
    /// Whether it is published for testing only.
    pub testing: bool,
}

/// What stands at one name.
struct Standing {
    place: Place,
    name: String,
    answer: Answer<Txt>,
}

impl Examination {
    /// Looks up a name and every name above it that could revoke. How many there are is bounded by the length of names;
    /// findings about reports may ask for one more name each.
    pub async fn of(dns: &Dns, place: &Place, now: Time) -> Self {
        let standings = look_up(dns, place, now).await;
        let findings = lint::lint(&subjects(&standings, now), now);
        let findings = without_consented(findings, dns, now).await;
        let broken_at = broken_at(dns, place, &standings, now).await;
        let names = standings.iter().map(|standing| standing.examined(now)).collect();
        Self { names, findings, broken_at }
    }

    /// Whether something could not be found out.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.names.iter().any(|examined| examined.cause.is_some())
    }
}

async fn look_up(dns: &Dns, place: &Place, now: Time) -> Vec<Standing> {
    let own = place.to_string();
    let mut standings = Vec::new();
    for name in std::iter::once(&*own).chain(ancestors(&own)) {
        let Ok(place) = Place::parse(name) else { continue };
        let answer = dns.txt(name, now).await;
        standings.push(Standing { place, name: name.to_owned(), answer });
    }
    standings
}

/// What there is to examine. A name above that is absent is as it should be; the name itself is not.
fn subjects(standings: &[Standing], now: Time) -> Vec<Subject<'_>> {
    standings.iter().enumerate().filter_map(|(i, standing)| standing.subject(i == 0, now)).collect()
}

impl Standing {
    fn subject(&self, asked_for: bool, now: Time) -> Option<Subject<'_>> {
        let name = Some(self.name.as_str());
        match &self.answer {
            Answer::Found { value, dnssec, until } => Some(Subject {
                name,
                texts: value.records.iter().map(AsRef::as_ref).collect(),
                ttl: u32::try_from(until.since(now).as_secs()).ok(),
                wildcard: value.wildcard,
                signed: Some(*dnssec == Dnssec::Secure),
                alias: value.alias.as_deref().map(|target| Alias { target, beside_records: false }),
            }),
            Answer::Absent { .. } => asked_for.then(|| Subject { name, ..Subject::default() }),
            Answer::Unknown(_) => None,
        }
    }

    fn examined(&self, now: Time) -> Examined {
        let none = Published::default();
        let (answer, why, proof, published) = match &self.answer {
            Answer::Found { value, dnssec, .. } => {
                let texts = value.records.iter().map(AsRef::as_ref);
                ("found", None, Some(*dnssec), Published::unite(texts, self.place.level()))
            }
            Answer::Absent { dnssec, .. } => ("absent", None, Some(*dnssec), none),
            Answer::Unknown(why) => ("unknown", Some(cause(*why)), None, none),
        };
        Examined {
            name: self.name.clone(),
            answer,
            cause: why,
            dnssec: proof.map(dnssec),
            ttl: self.answer.until().map(|until| until.since(now).as_secs()),
            revoked: published.is_revoked(),
            live: live(&published, now),
            keys: published
                .keys(now)
                .filter(|key| !key.testing)
                .map(|key| *key.value.fingerprint())
                .collect(),
        }
    }
}

/// The findings but those about consent that has been given.
async fn without_consented(found: Vec<Finding>, dns: &Dns, now: Time) -> Vec<Finding> {
    let mut left = Vec::with_capacity(found.len());
    for finding in found {
        if let Concern::ReportConsent(name) = &finding.concern
            && let Answer::Found { value, .. } = dns.txt(name, now).await
            && consents(value.records.iter().map(AsRef::as_ref))
        {
            continue;
        }
        left.push(finding);
    }
    left
}

/// Where the chain of trust breaks, when it does: the first name from the top that fails validation.
async fn broken_at(dns: &Dns, place: &Place, standings: &[Standing], now: Time) -> Option<String> {
    let bogus = |answer: &Answer<Txt>| matches!(answer, Answer::Unknown(Cause::Bogus | Cause::Indeterminate));
    if !standings.iter().any(|standing| bogus(&standing.answer)) {
        return None;
    }
    let name = place.to_string();
    let starts = name.rmatch_indices('.').map(|(at, _)| at + 1).chain([0]);
    for name in starts.filter_map(|at| name.get(at..)) {
        if bogus(&dns.txt(name, now).await) {
            return Some(name.to_owned());
        }
    }
    None
}

const fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::NotAsked => "not asked",
        Cause::Timeout => "no answer in time",
        Cause::ServerFailure => "the server failed",
        Cause::Unreachable => "no server could be reached",
        Cause::Budget => "too many look-ups",
        Cause::Bogus => "DNSSEC validation failed",
        Cause::Indeterminate => "DNSSEC validation came to no conclusion",
        Cause::DirectoryUnreachable | Cause::DirectoryUnusable => "no key directory is asked for here",
        Cause::EntityUnreachable | Cause::EntityUnusable => "no registration entity is asked here",
    }
}

const fn dnssec(standing: Dnssec) -> &'static str {
    match standing {
        Dnssec::Secure => "secure",
        Dnssec::Insecure => "insecure",
    }
}

fn live(published: &Published, now: Time) -> Vec<Live> {
    let live = |what, value: String, testing| Live { what, value, testing };
    let keys = published.keys(now).map(|key| {
        let shown = format!("{} {}", key.value.key_type().name(), key.value.fingerprint());
        live("key", shown, key.testing)
    });
    let networks = published.networks(now).map(|net| live("network", net.value.to_string(), net.testing));
    let asns = published.asns(now).map(|asn| live("asn", format!("AS{}", asn.value), asn.testing));
    let entities =
        published.entities(now).map(|re| live("registration entity", re.value.to_string(), re.testing));
    let reports = published.report_to(now).map(|to| live("reports", to.to_string(), false));
    keys.chain(networks).chain(asns).chain(entities).chain(reports).collect()
}

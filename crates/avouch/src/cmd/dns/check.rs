//! `avouch dns check`: what a domain publishes now, and what is wrong with it.

use super::{findings, record};
use crate::cmd::resolving::Resolving;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use avouch_dns::{Dns, Txt};
use avouch_engine::evidence::{Answer, Cause, Dnssec};
use avouch_wire::name::ancestors;
use avouch_wire::record::lint::{self, Concern, Finding, Subject};
use avouch_wire::record::{Place, Published, consents};
use avouch_wire::time::Time;
use clap::Args;
use serde::Serialize;
use std::fmt::Write as _;

/// Look up what a domain or an agent publishes, and examine it
///
/// Ends 0 when nothing found is an error, otherwise 1; 4 when it could not be found out.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  avouch dns check acme.example
  avouch dns check crawler-7@acme.example --resolver 9.9.9.9")]
pub(super) struct CheckArgs {
    /// acme.example, or an agent as crawler-7@acme.example
    #[arg(value_name = "DOMAIN|AGENT@DOMAIN")]
    who: String,
    #[command(flatten)]
    resolving: Resolving,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What stands at one name.
struct Standing {
    place: Place,
    name: String,
    answer: Answer<Txt>,
}

impl CheckArgs {
    pub(super) fn run(&self, now: Time) -> Result<Exit, Failure> {
        let (agent, domain) = self.who.split_once('@').unwrap_or(("_", &self.who));
        let place = record::place(domain, agent)?;
        crate::cmd::wait_for(self.look_up(&Dns::Live(self.resolving.resolver()?), &place, now))
    }

    async fn look_up(&self, dns: &Dns, place: &Place, now: Time) -> Result<Exit, Failure> {
        let seen = Seen::gather(dns, place, now).await;
        let names: Vec<_> = seen.standings.iter().map(|standing| Shown::new(standing, now)).collect();
        if self.json {
            let (findings, broken) = (findings::shown(&seen.findings), seen.broken_at.as_deref());
            output::json(&All { names: &names, dnssec_broken_at: broken, findings })?;
        } else {
            let shown: String = names.iter().map(Shown::text).collect();
            output::octets((shown + &findings::text(&seen.findings)).as_bytes())?;
            if let Some(name) = &seen.broken_at {
                output::data(format_args!("the chain of DNSSEC signatures breaks at {name}"))?;
            }
            output::talk(format_args!("names looked up: {}, findings: {}", names.len(), seen.findings.len()));
        }
        Ok(seen.exit())
    }
}

/// What was seen.
struct Seen {
    standings: Vec<Standing>,
    findings: Vec<Finding>,
    /// The name at which the chain of signatures breaks, when it does.
    broken_at: Option<String>,
}

impl Seen {
    async fn gather(dns: &Dns, place: &Place, now: Time) -> Self {
        let standings = look_up(dns, place, now).await;
        let findings = lint::lint(&subjects(&standings, now), now);
        let findings = without_consented(findings, dns, now).await;
        let broken_at = broken_at(dns, place, &standings, now).await;
        Self { standings, findings, broken_at }
    }

    fn exit(&self) -> Exit {
        if self.standings.iter().any(|standing| matches!(standing.answer, Answer::Unknown(_))) {
            return Exit::Unknown;
        }
        findings::exit(&self.findings)
    }
}

/// Asks for the name itself and every name above it that could revoke.
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
            }),
            Answer::Absent { .. } => asked_for.then(|| Subject { name, ..Subject::default() }),
            Answer::Unknown(_) => None,
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
    }
}

const fn dnssec(standing: Dnssec) -> &'static str {
    match standing {
        Dnssec::Secure => "secure",
        Dnssec::Insecure => "insecure",
    }
}

/// What counts at one name, in JSON.
#[derive(Serialize)]
struct Shown<'a> {
    name: &'a str,
    answer: &'static str,
    cause: Option<&'static str>,
    dnssec: Option<&'static str>,
    ttl: Option<u64>,
    revoked: bool,
    live: Vec<Item>,
}

/// One thing that is live.
#[derive(Serialize)]
struct Item {
    what: &'static str,
    value: String,
    testing: bool,
}

impl<'a> Shown<'a> {
    fn new(standing: &'a Standing, now: Time) -> Self {
        let none = Published::default();
        let (answer, why, proof, published) = match &standing.answer {
            Answer::Found { value, dnssec, .. } => {
                let texts = value.records.iter().map(AsRef::as_ref);
                ("found", None, Some(*dnssec), Published::unite(texts, standing.place.level()))
            }
            Answer::Absent { dnssec, .. } => ("absent", None, Some(*dnssec), none),
            Answer::Unknown(why) => ("unknown", Some(cause(*why)), None, none),
        };
        Self {
            name: &standing.name,
            answer,
            cause: why,
            dnssec: proof.map(dnssec),
            ttl: standing.answer.until().map(|until| until.since(now).as_secs()),
            revoked: published.is_revoked(),
            live: items(&published, now),
        }
    }

    /// For people to read: the name and its answer, then a line for each thing that is live.
    fn text(&self) -> String {
        let mut text = format!("{}: {}", self.name, self.cause.unwrap_or(self.answer));
        // Writing to a string does not fail.
        if let (Some(dnssec), Some(ttl)) = (self.dnssec, self.ttl) {
            let _ = write!(text, ", {dnssec}, TTL {ttl} s");
        }
        text.push_str(if self.revoked { ", revoked\n" } else { "\n" });
        for Item { what, value, testing } in &self.live {
            let _ = writeln!(text, "  {what} {value}{}", if *testing { " (testing)" } else { "" });
        }
        text
    }
}

fn items(published: &Published, now: Time) -> Vec<Item> {
    let item = |what, value: String, testing| Item { what, value, testing };
    let keys = published.keys(now).map(|key| {
        let shown = format!("{} {}", key.value.key_type().name(), key.value.fingerprint());
        item("key", shown, key.testing)
    });
    let networks = published.networks(now).map(|net| item("network", net.value.to_string(), net.testing));
    let asns = published.asns(now).map(|asn| item("asn", format!("AS{}", asn.value), asn.testing));
    let entities =
        published.entities(now).map(|re| item("registration entity", re.value.to_string(), re.testing));
    let reports = published.report_to(now).map(|to| item("reports", to.to_string(), false));
    keys.chain(networks).chain(asns).chain(entities).chain(reports).collect()
}

/// Everything, in JSON.
#[derive(Serialize)]
struct All<'a> {
    names: &'a [Shown<'a>],
    /// The name at which the chain of signatures breaks, when it does.
    dnssec_broken_at: Option<&'a str>,
    findings: Vec<findings::Shown<'a>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use avouch_dns::ZoneFiles;

    const NOW: Time = Time::from_seconds(1_790_000_000);
    const ZONES: &str = "\
        $TTL 300\n\
        acme.example. SOA ns.acme.example. host.acme.example. 1 2 3 4 300\n\
        _saip.acme.example. TXT \"v=saip1; ip=192.0.2.0/24; rua=https://r.example.net/,https://no.example.net/\"\n\
        bot.fleet._saip.acme.example. TXT \"v=saip1; pk=iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w\"\n\
        fleet._saip.acme.example. TXT \"v=saip1; pk=\"\n\
        example.net. SOA ns.example.net. host.example.net. 1 2 3 4 300\n\
        acme.example._report._saip.r.example.net. TXT \"v=saip1\"\n";

    fn seen(who: &str) -> Seen {
        let dns = Dns::Zones(ZoneFiles::parse(&[("zones", ZONES)], Dnssec::Insecure).unwrap());
        let (agent, domain) = who.split_once('@').unwrap_or(("_", who));
        let place = record::place(domain, agent).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(Seen::gather(&dns, &place, NOW))
    }

    fn codes(seen: &Seen) -> Vec<&str> {
        seen.findings.iter().map(|finding| finding.concern.code()).collect()
    }

    #[test]
    fn an_agent_is_examined_with_the_names_above_it() {
        let seen = seen("bot.fleet@acme.example");
        let names: Vec<_> = seen.standings.iter().map(|standing| standing.name.as_str()).collect();
        assert_eq!(names, ["bot.fleet._saip.acme.example", "fleet._saip.acme.example", "_saip.acme.example"]);
        assert!(codes(&seen).contains(&"revoked-above"));
        assert_eq!(seen.exit(), Exit::Positive);
        let shown = Shown::new(&seen.standings[0], NOW).text();
        assert!(
            shown.starts_with(
                "bot.fleet._saip.acme.example: found, insecure, TTL 300 s\n  key ed25519 sha256:"
            )
        );
    }

    #[test]
    fn consent_that_is_given_is_no_finding_and_consent_that_is_not_is_one() {
        let seen = seen("acme.example");
        let consents: Vec<_> = codes(&seen).into_iter().filter(|code| *code == "report-consent").collect();
        assert_eq!(consents.len(), 1);
        assert!(findings::text(&seen.findings).contains("acme.example._report._saip.no.example.net holds"));
    }

    #[test]
    fn nothing_there_is_negative_and_not_knowing_is_not() {
        assert_eq!(seen("other@acme.example").exit(), Exit::Negative);
        assert_eq!(seen("bot@unknown.example").exit(), Exit::Unknown);
    }
}

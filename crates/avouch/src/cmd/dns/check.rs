//! `avouch dns check`: what a domain publishes now, and what is wrong with it.

use super::{findings, record};
use crate::cmd::resolving::Resolving;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use avouch_dns::Dns;
use avouch_gather::examination::{Examination, Examined, Live};
use avouch_wire::record::Place;
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

impl CheckArgs {
    pub(super) fn run(&self, now: Time) -> Result<Exit, Failure> {
        let (agent, domain) = self.who.split_once('@').unwrap_or(("_", &self.who));
        let place = record::place(domain, agent)?;
        crate::cmd::wait_for(self.look_up(&Dns::Live(self.resolving.resolver()?), &place, now))
    }

    async fn look_up(&self, dns: &Dns, place: &Place, now: Time) -> Result<Exit, Failure> {
        let seen = Examination::of(dns, place, now).await;
        let names: Vec<_> = seen.names.iter().map(Shown::from).collect();
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
        Ok(exit(&seen))
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
    live: Vec<Item<'a>>,
}

/// One thing that is live.
#[derive(Serialize)]
struct Item<'a> {
    what: &'static str,
    value: &'a str,
    testing: bool,
}

impl<'a> From<&'a Examined> for Shown<'a> {
    fn from(examined: &'a Examined) -> Self {
        let Examined { name, answer, cause, dnssec, ttl, revoked, live, .. } = examined;
        let live = live.iter().map(|Live { what, value, testing }| Item { what, value, testing: *testing });
        Self {
            name,
            answer,
            cause: *cause,
            dnssec: *dnssec,
            ttl: *ttl,
            revoked: *revoked,
            live: live.collect(),
        }
    }
}

impl Shown<'_> {
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

fn exit(seen: &Examination) -> Exit {
    if seen.is_open() { Exit::Unknown } else { findings::exit(&seen.findings) }
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
    use avouch_engine::evidence::Dnssec;

    const NOW: Time = Time::from_seconds(1_790_000_000);
    const ZONES: &str = "\
        $TTL 300\n\
        acme.example. SOA ns.acme.example. host.acme.example. 1 2 3 4 300\n\
        _saip.acme.example. TXT \"v=saip1; ip=192.0.2.0/24; rua=https://r.example.net/,https://no.example.net/\"\n\
        bot.fleet._saip.acme.example. TXT \"v=saip1; pk=iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w\"\n\
        fleet._saip.acme.example. TXT \"v=saip1; pk=\"\n\
        example.net. SOA ns.example.net. host.example.net. 1 2 3 4 300\n\
        acme.example._report._saip.r.example.net. TXT \"v=saip1\"\n";

    fn seen(who: &str) -> Examination {
        let dns = Dns::Zones(ZoneFiles::parse(&[("zones", ZONES)], Dnssec::Insecure).unwrap());
        let (agent, domain) = who.split_once('@').unwrap_or(("_", who));
        let place = record::place(domain, agent).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(Examination::of(&dns, &place, NOW))
    }

    fn codes(seen: &Examination) -> Vec<&str> {
        seen.findings.iter().map(|finding| finding.concern.code()).collect()
    }

    #[test]
    fn an_agent_is_examined_with_the_names_above_it() {
        let seen = seen("bot.fleet@acme.example");
        let names: Vec<_> = seen.names.iter().map(|examined| examined.name.as_str()).collect();
        assert_eq!(names, ["bot.fleet._saip.acme.example", "fleet._saip.acme.example", "_saip.acme.example"]);
        assert!(codes(&seen).contains(&"revoked-above"));
        assert_eq!(exit(&seen), Exit::Positive);
        let shown = Shown::from(&seen.names[0]).text();
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
        assert_eq!(exit(&seen("other@acme.example")), Exit::Negative);
        assert_eq!(exit(&seen("bot@unknown.example")), Exit::Unknown);
    }
}

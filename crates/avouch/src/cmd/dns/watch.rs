//! `avouch dns watch`: what goes wrong with what stands in the DNS, told when it does.

use super::record;
use crate::cmd::key::public_key;
use crate::cmd::resolving::Resolving;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use avouch_dns::Dns;
use avouch_gather::clock::{Clock as _, SystemClock};
use avouch_gather::watch::{Alarm, Look, Manner, Watched};
use avouch_wire::key::Fingerprint;
use avouch_wire::time::Time;
use clap::Args;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Most names watched by one process: a look takes as many look-ups, one after another.
const MAX_WATCHED: usize = 1000;

/// Watch what a domain and its agents publish
///
/// Looks for records that end soon or are broken, revocations and records that authorise nothing, DNSSEC that breaks or
/// is lost, long TTLs, keys other than expected, and servers that _saip is delegated to and that do not answer. Tells
/// each trouble when it begins and when it ends. With --once it looks once, and ends 0 when nothing is wrong beyond
/// advice, 1 when something is, 4 when something could not be found out.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  avouch dns watch acme.example crawler-7@acme.example --once
  avouch dns watch acme.example --expect crawler-7@acme.example=file:crawler.key --secure --json")]
pub(super) struct WatchArgs {
    /// acme.example, or an agent as crawler-7@acme.example; several may be given
    #[arg(value_name = "DOMAIN|AGENT@DOMAIN", required_unless_present = "expect")]
    who: Vec<String>,
    /// A key that is to be live at a name, all others there being unexpected: file:PATH, a file with a public key in PEM,
    /// or a fingerprint sha256:…; may be repeated
    #[arg(long, value_name = "AGENT@DOMAIN=KEY")]
    expect: Vec<String>,
    /// Every answer has to be proved by DNSSEC
    #[arg(long)]
    secure: bool,
    /// Ask resolvers only, not the servers that _saip is delegated to
    #[arg(long)]
    resolvers_only: bool,
    /// The port of those servers
    #[arg(long, value_name = "PORT", default_value_t = 53, hide = true)]
    servers_port: u16,
    /// Look once
    #[arg(long)]
    once: bool,
    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(10..=86_400))]
    every: u64,
    /// Print JSON, a line for each trouble that begins or ends
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    resolving: Resolving,
}

/// A line of JSON.
#[derive(Serialize)]
struct Told<'a> {
    time: String,
    /// `begins` or `ends`.
    event: &'static str,
    name: &'a str,
    severity: &'static str,
    code: &'static str,
    what: &'a str,
    fix: &'a str,
}

impl WatchArgs {
    pub(super) async fn run(&self) -> Result<Exit, Failure> {
        let watched = self.watched()?;
        let manner =
            Manner { secure: self.secure, servers: (!self.resolvers_only).then_some(self.servers_port) };
        let dns = Dns::Live(self.resolving.resolver()?);
        let clock = SystemClock::new();
        let mut last: Option<Look> = None;
        loop {
            let look = Look::at(&dns, &watched, manner, last.as_ref(), clock.now()).await;
            self.tell(last.as_ref(), &look, clock.now())?;
            if self.once {
                output::talk(format_args!("watched: {}, troubles: {}", watched.len(), look.alarms.len()));
                return Ok(if look.is_well() && look.is_open() {
                    Exit::Unknown
                } else {
                    Exit::from_answer(look.is_well())
                });
            }
            last = Some(look);
            tokio::time::sleep(Duration::from_secs(self.every)).await;
        }
    }

    /// What is watched, each name once.
    fn watched(&self) -> Result<Vec<Watched>, Failure> {
        let mut watched = BTreeMap::new();
        let mut entry = |who: &str, key: Option<Fingerprint>| {
            let (agent, domain) = who.split_once('@').unwrap_or(("_", who));
            let place = record::place(domain, agent)?;
            let one = watched.entry(place.to_string());
            one.or_insert(Watched { place, expected: Vec::new() }).expected.extend(key);
            Ok(())
        };
        self.who.iter().try_for_each(|who| entry(who, None))?;
        for expect in &self.expect {
            let (who, key) = expect.split_once('=').ok_or_else(|| {
                Failure::usage(format_args!("`{expect}` expects no key"))
                    .fix("write --expect crawler-7@acme.example=sha256:…, or =file:crawler.key")
            })?;
            entry(who, Some(fingerprint(key)?))?;
        }
        if watched.len() > MAX_WATCHED {
            return Err(Failure::usage(format_args!("{} names are more than {MAX_WATCHED}", watched.len()))
                .fix("divide them among several watches"));
        }
        Ok(watched.into_values().collect())
    }

    fn tell(&self, before: Option<&Look>, look: &Look, now: Time) -> Result<(), Failure> {
        let (begun, ended) = look.news(before);
        begun.into_iter().try_for_each(|alarm| self.tell_one("begins", alarm, now))?;
        ended.into_iter().try_for_each(|alarm| self.tell_one("ends", alarm, now))
    }

    fn tell_one(&self, event: &'static str, alarm: &Alarm, now: Time) -> Result<(), Failure> {
        let Alarm { name, severity, code, what, fix } = alarm;
        if self.json {
            let (time, severity) = (now.to_string(), severity.name());
            return output::json(&Told { time, event, name, severity, code, what, fix });
        }
        match event {
            "ends" => output::data(format_args!("over[{code}] {name}: {what}")),
            _ => output::data(format_args!("{severity}[{code}] {name}: {what}\n  fix: {fix}")),
        }
    }
}

fn fingerprint(key: &str) -> Result<Fingerprint, Failure> {
    if !key.starts_with("sha256:") {
        return Ok(*public_key(key)?.fingerprint());
    }
    Fingerprint::parse(key).ok_or_else(|| {
        Failure::usage(format_args!("`{key}` is no fingerprint"))
            .fix("`avouch key show` prints it: sha256: and 43 characters")
    })
}

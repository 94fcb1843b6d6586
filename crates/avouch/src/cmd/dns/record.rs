//! `avouch dns record`: one record, ready to paste.

use super::findings;
use crate::cmd::key::public_key;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::{instant, output};
use avouch_wire::b64u;
use avouch_wire::name::{AgentId, Domain};
use avouch_wire::record::lint::{self, MAX_AGENT_TTL, MAX_DOMAIN_TTL, Subject};
use avouch_wire::record::{Level, Place, Record};
use avouch_wire::time::Time;
use clap::Args;
use serde::Serialize;

/// Print a record, ready to paste into a zone file
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  avouch dns record --dom acme.example --id crawler-7 --key file:crawler.key
  avouch dns record --dom acme.example --id fleet --revoke")]
pub(super) struct RecordArgs {
    #[command(flatten)]
    wanted: Wanted,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

// A record, as it is asked for. (No doc comment: clap would show it as that of the command.)
#[derive(Debug, Args)]
pub(super) struct Wanted {
    /// The domain
    #[arg(long, value_name = "DOMAIN")]
    dom: String,
    /// The agent; without it the record is the domain's own
    #[arg(long, value_name = "AGENT", default_value = "_", hide_default_value = true)]
    id: String,
    /// The key: file:PATH or tpm:PATH of a key store, or a file with a public key in PEM (- for standard input)
    #[arg(long, value_name = "KEY", group = "what")]
    key: Option<String>,
    /// The key as base64url of its bare octets
    #[arg(long, value_name = "BASE64URL", group = "what")]
    pk: Option<String>,
    /// An empty key: revokes everything at this name and below
    #[arg(long, group = "what")]
    revoke: bool,
    /// Time to live in seconds [default: 300 for an agent, 3600 for the domain]
    #[arg(long, value_name = "SECONDS")]
    ttl: Option<u32>,
    /// When the record ends: Unix seconds or a time such as 2027-01-01T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = instant::parse)]
    exp: Option<Time>,
    /// Say that the key is only being tried out
    #[arg(long)]
    testing: bool,
    /// A network that speaks for the domain; may be repeated
    #[arg(long, value_name = "CIDR")]
    ip: Vec<String>,
    /// An autonomous system that speaks for the domain; may be repeated
    #[arg(long, value_name = "NUMBER", value_delimiter = ',')]
    asn: Vec<String>,
    /// A registration entity, the preferred one first; may be repeated
    #[arg(long, value_name = "HOST")]
    re: Vec<String>,
    /// Where aggregate reports go, https: or mailto:; may be repeated
    #[arg(long, value_name = "URI", value_delimiter = ',')]
    rua: Vec<String>,
}

/// What is printed with `--json`.
#[derive(Serialize)]
struct Shown<'a> {
    name: &'a str,
    ttl: u32,
    text: &'a str,
    strings: Vec<String>,
    zone: String,
    findings: Vec<findings::Shown<'a>>,
}

impl RecordArgs {
    pub(super) fn run(&self, now: Time) -> Result<Exit, Failure> {
        let place = self.wanted.place()?;
        let record = self.wanted.record()?;
        let ttl = self.wanted.ttl(&place);
        let (name, text, zone) = (place.to_string(), record.to_string(), record.zone_line(&place, ttl));
        let subject =
            Subject { name: Some(&name), texts: vec![text.as_bytes()], ttl: Some(ttl), ..Subject::default() };
        let found = lint::lint(&[subject], now);
        if self.json {
            let (strings, findings) = (record.strings(), findings::shown(&found));
            output::json(&Shown { name: &name, ttl, text: &text, strings, zone, findings })?;
        } else {
            output::data(zone)?;
            if !found.is_empty() {
                output::talk(findings::text(&found).trim_end());
            }
        }
        Ok(Exit::Positive)
    }
}

impl Wanted {
    /// Where it is to stand.
    pub(super) fn place(&self) -> Result<Place, Failure> {
        place(&self.dom, &self.id)
    }

    /// The TTL asked for, or the one that is advised there.
    pub(super) fn ttl(&self, place: &Place) -> u32 {
        self.ttl.unwrap_or_else(|| advised_ttl(place))
    }

    /// The record asked for: its text, judged as any other text is.
    pub(super) fn record(&self) -> Result<Record, Failure> {
        let text = self.text()?;
        Record::parse(&text).map_err(|error| {
            Failure::usage(format_args!("`{text}` would be ignored: {error}")).fix(error.flaw.fix())
        })
    }

    fn text(&self) -> Result<String, Failure> {
        let mut pairs = vec!["v=saip1".to_owned()];
        let mut add = |tag: &str, value: &str| pairs.push(format!("{tag}={value}"));
        self.re.iter().for_each(|entity| add("re", entity));
        match (&self.key, &self.pk) {
            (Some(key), _) => add("pk", &b64u::encode(public_key(key)?.octets())),
            (None, Some(text)) => add("pk", text),
            (None, None) if self.revoke => add("pk", ""),
            (None, None) => {}
        }
        if !self.asn.is_empty() {
            add("asn", &self.asn.join(","));
        }
        self.ip.iter().for_each(|network| add("ip", network));
        if let Some(end) = self.exp {
            add("exp", &end.seconds().to_string());
        }
        if self.testing {
            add("t", "y");
        }
        if !self.rua.is_empty() {
            add("rua", &self.rua.join(","));
        }
        Ok(pairs.join("; "))
    }
}

/// The TTL that is advised at a place.
pub(super) fn advised_ttl(place: &Place) -> u32 {
    match place.level() {
        Level::Domain => MAX_DOMAIN_TTL,
        Level::Agent => MAX_AGENT_TTL,
    }
}

/// The place of a record, from what was given for domain and agent.
pub(super) fn place(domain: &str, agent: &str) -> Result<Place, Failure> {
    let refused = |given, error| Failure::usage(format_args!("`{given}` {error}"));
    let place = Place {
        domain: Domain::parse(domain).map_err(|error| refused(domain, error))?.into_owned(),
        agent: AgentId::parse(agent).map_err(|error| refused(agent, error))?.into_owned(),
    };
    let name = place.agent.record_name(&place.domain);
    name.map(|_| place).map_err(|error| refused(agent, error))
}

//! `avouch dns revoke`: an empty `pk=` where it takes effect.

use super::primary::{Edit, Primary, Sending, foreign, written};
use super::provider::ByHand;
use super::{record, text};
use crate::cmd::resolving::Resolving;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use avouch_dns::Dns;
use avouch_engine::evidence::Answer;
use avouch_wire::record::lint::MAX_AGENT_TTL;
use avouch_wire::record::{Level, Place, Reading, Record};
use avouch_wire::time::Time;
use clap::Args;

/// The word for everything of a domain.
const ALL: &str = "all";

/// Revoke an agent, a fleet, or everything of a domain
///
/// Publishes an empty key at the name, in place of the records there: it revokes what stands there and every agent
/// below, and has to stay as long as they might answer. Ends 0 when the server has it, 3 when it does not take it, 4
/// when nobody knows.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  avouch dns revoke crawler-7@acme.example --server 192.0.2.53 --tsig registrar.key
  avouch dns revoke gptbot@acme.example --server 192.0.2.53 --tsig registrar.key --dry-run
  avouch dns revoke all --dom acme.example --yes --server 192.0.2.53 --tsig registrar.key")]
pub(super) struct RevokeArgs {
    /// An agent or a fleet as crawler-7@acme.example, or the word all
    #[arg(value_name = "NAME@DOMAIN|all")]
    who: String,
    /// With all: the domain of which everything is revoked
    #[arg(long, value_name = "DOMAIN")]
    dom: Option<String>,
    /// With all: that it is meant
    #[arg(long)]
    yes: bool,
    /// Time to live in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = MAX_AGENT_TTL)]
    ttl: u32,
    #[command(flatten)]
    sending: Sending,
    #[command(flatten)]
    resolving: Resolving,
}

impl RevokeArgs {
    pub(super) async fn run(&self, now: Time) -> Result<Exit, Failure> {
        let place = self.place()?;
        output::talk(meaning(&place));
        match self.sending.primary() {
            Some(primary) => self.revoke(&primary, place, now).await,
            None => self.say(&place, now).await,
        }
    }

    fn place(&self) -> Result<Place, Failure> {
        match (self.who.split_once('@'), &self.dom) {
            (Some((agent, domain)), None) => match agent {
                "_" => Err(Failure::usage("`_` is the domain itself").fix(all_of(domain))),
                agent => record::place(domain, agent),
            },
            (Some(_), Some(_)) => Err(Failure::usage("--dom goes with all only: the agent names its domain")),
            (None, Some(domain)) if self.who == ALL => self.everything(domain),
            (None, _) if self.who == ALL => {
                Err(Failure::usage("all of which domain?").fix(all_of("acme.example")))
            }
            (None, _) => Err(Failure::usage(format_args!("`{}` names no agent of a domain", self.who))
                .fix(format_args!("write the agent as crawler-7@{0}; {1}", self.who, all_of(&self.who)))),
        }
    }

    fn everything(&self, domain: &str) -> Result<Place, Failure> {
        let place = record::place(domain, "_")?;
        let is_meant = self.yes || self.sending.primary().is_none_or(|primary| !primary.is_in_earnest());
        if is_meant {
            return Ok(place);
        }
        Err(Failure::usage(meaning(&place)).fix("add --yes if that is meant, or look first with --dry-run"))
    }

    async fn revoke(&self, primary: &Primary<'_>, place: Place, now: Time) -> Result<Exit, Failure> {
        let seen = primary.standing(&place).await?;
        let mut texts = foreign(&seen)?;
        let revocation = seen.texts().into_iter().find(|text| is_bare_revocation(text));
        texts.push(revocation.map_or_else(|| Ok(Record::revocation().to_string()), written)?);
        let edit = Edit { place, seen, texts, ttl: self.ttl };
        let exit = primary.make(&edit, now).await?;
        if primary.is_in_earnest() {
            edit.say_when_it_holds(now);
            output::talk("leave it in place: removing it gives back whatever is published below");
        }
        Ok(exit)
    }

    /// What to publish by hand, and what the DNS says of how long it takes.
    async fn say(&self, place: &Place, now: Time) -> Result<Exit, Failure> {
        let record = Record::revocation().to_string();
        let name = place.to_string();
        output::data(text::zone_line(&name, self.ttl, record.as_bytes()))?;
        let dns = Dns::Live(self.resolving.resolver()?);
        match dns.txt(&name, now).await {
            Answer::Found { until, .. } | Answer::Absent { until, .. } => output::talk(format_args!(
                "once it is published, what was there before is used for the TTL it has; an answer of now until {until}"
            )),
            Answer::Unknown(_) => {
                output::talk(format_args!("what stands at {name} now could not be found out"));
            }
        }
        let by_hand = ByHand { place, ttl: self.ttl, texts: &[record.as_bytes()], alone: true };
        by_hand.say(&dns, now).await;
        Ok(Exit::Positive)
    }
}

/// Whether a text is the revocation and nothing else, so that it can stay as it is.
fn is_bare_revocation(text: &[u8]) -> bool {
    matches!(Record::read(text), Reading::Sound { record, .. } if record == Record::revocation())
}

/// What a revocation at a place means, in words.
fn meaning(place: &Place) -> String {
    match place.level() {
        Level::Domain => format!(
            "this revokes everything of {0}: every agent of it, and the networks and registration entities of its own record",
            place.domain
        ),
        Level::Agent => {
            format!("this revokes {0}@{1} and every agent below it, *.{0}@{1}", place.agent, place.domain)
        }
    }
}

fn all_of(domain: &str) -> String {
    format!("to revoke everything of a domain: avouch dns revoke all --dom {domain}")
}

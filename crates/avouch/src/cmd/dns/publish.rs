//! `avouch dns publish`: a record put where it belongs, or what to do with it by hand.

use super::findings;
use super::primary::{Edit, Primary, Sending, foreign, written};
use super::provider::ByHand;
use super::record::Wanted;
use crate::cmd::resolving::Resolving;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use avouch_dns::Dns;
use avouch_wire::record::Place;
use avouch_wire::record::lint::{self, Concern, Severity, Subject};
use avouch_wire::time::Time;
use clap::Args;

/// Publish a record at the primary name server, or say how it is done by hand
///
/// The record is examined first, and not published where something in it would not work. It takes the place of the
/// records that stand at the name. Ends 0 when the server has it, 1 when the record is refused, 3 when the server does
/// not take it, 4 when nobody knows.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  avouch dns publish --dom acme.example --id crawler-7 --key file:crawler.key
  avouch dns publish --dom acme.example --id crawler-7 --key file:crawler.key \\
      --server 192.0.2.53 --tsig registrar.key --dry-run
  avouch dns publish --dom acme.example --ip 192.0.2.0/24 --server 192.0.2.53 --tsig registrar.key")]
pub(super) struct PublishArgs {
    #[command(flatten)]
    wanted: Wanted,
    /// The text of the record, in place of its parts
    #[arg(long, value_name = "TEXT", group = "what", conflicts_with_all = ["exp", "testing", "ip", "asn", "re", "rua"])]
    text: Option<String>,
    /// Keep the records that stand there, and publish it beside them
    #[arg(long)]
    beside: bool,
    #[command(flatten)]
    sending: Sending,
    #[command(flatten)]
    resolving: Resolving,
}

impl PublishArgs {
    pub(super) async fn run(&self, now: Time) -> Result<Exit, Failure> {
        let place = self.wanted.place()?;
        let text = match &self.text {
            Some(text) => text.clone(),
            None => self.wanted.record()?.to_string(),
        };
        match self.sending.primary() {
            Some(primary) => self.publish(&primary, place, text, now).await,
            None => self.say(&place, &text, now).await,
        }
    }

    async fn publish(
        &self,
        primary: &Primary<'_>,
        place: Place,
        text: String,
        now: Time,
    ) -> Result<Exit, Failure> {
        let seen = primary.standing(&place).await?;
        let kept = match self.beside {
            true => seen.texts().into_iter().map(written).collect::<Result<Vec<_>, _>>()?,
            false => foreign(&seen)?,
        };
        let ttl = self.wanted.ttl(&place);
        let mut texts: Vec<String> = kept.into_iter().filter(|kept| *kept != text).collect();
        texts.push(text);
        if !is_sound(&place, &texts, ttl, now) {
            return Ok(Exit::Negative);
        }
        for above in primary.revoked_above(&place).await {
            output::talk(format_args!(
                "warning: an empty pk= at {above} revokes this name, too, while it stands there"
            ));
        }
        let edit = Edit { place, seen, texts, ttl };
        let exit = primary.make(&edit, now).await?;
        if primary.is_in_earnest() && exit == Exit::Positive {
            edit.say_when_it_holds(now);
        }
        Ok(exit)
    }

    async fn say(&self, place: &Place, text: &str, now: Time) -> Result<Exit, Failure> {
        let ttl = self.wanted.ttl(place);
        if !is_sound(place, &[text.to_owned()], ttl, now) {
            return Ok(Exit::Negative);
        }
        output::data(super::text::zone_line(&place.to_string(), ttl, text.as_bytes()))?;
        let by_hand = ByHand { place, ttl, texts: &[text.as_bytes()], alone: !self.beside };
        by_hand.say(&Dns::Live(self.resolving.resolver()?), now).await;
        Ok(Exit::Positive)
    }
}

/// Whether the last of the texts works where it is to stand, beside the others; what is to be said is said.
fn is_sound(place: &Place, texts: &[String], ttl: u32, now: Time) -> bool {
    let name = place.to_string();
    let octets = texts.iter().map(String::as_bytes).collect();
    let subject = Subject { name: Some(&name), texts: octets, ttl: Some(ttl), ..Subject::default() };
    let last = texts.len().checked_sub(1);
    let ours = |found: &lint::Finding| found.text.is_none() || found.text == last;
    let found: Vec<_> = lint::lint(&[subject], now).into_iter().filter(ours).collect();
    if !found.is_empty() {
        output::talk(findings::text(&found).trim_end());
    }
    let fails = |found: &lint::Finding| {
        found.concern.severity() == Severity::Error
            || (found.text == last && found.concern == Concern::Foreign)
    };
    let sound = !found.iter().any(fails);
    if !sound {
        output::talk("not published: mend it first");
    }
    sound
}

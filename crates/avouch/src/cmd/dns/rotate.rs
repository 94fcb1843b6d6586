//! `avouch dns rotate`: one key after another at a name, one step at a time.

use super::primary::{Edit, Primary, Sending, written};
use super::provider::ByHand;
use super::{record, text};
use crate::cmd::key::public_key;
use crate::cmd::resolving::Resolving;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::{instant, output};
use avouch_dns::Dns;
use avouch_dns::direct::{self, Cached};
use avouch_wire::key::PublicKey;
use avouch_wire::record::{Place, Published, Rotation, RotationError, Stage};
use avouch_wire::time::Time;
use clap::Args;

/// Change an agent's key: publish the new one, switch, remove the old one
///
/// Each run says where the change stands, from what the DNS says, and does the next step only. Run it, let the agent
/// sign with the new key after the TTL, and run it again with --switched. The name is never without a live key. Ends 0
/// when a step was made or nothing is left to do, 1 when it waits for you or for caches, 3 when the step cannot be made,
/// 4 when it could not be found out.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  avouch dns rotate crawler-7@acme.example --new file:crawler-2.key --server 192.0.2.53 --tsig registrar.key
  avouch dns rotate crawler-7@acme.example --new file:crawler-2.key --server 192.0.2.53 --tsig registrar.key \\
      --switched")]
pub(super) struct RotateArgs {
    /// An agent as crawler-7@acme.example, or acme.example for the domain's own key
    #[arg(value_name = "AGENT@DOMAIN|DOMAIN")]
    who: String,
    /// The new key: file:PATH of a key store, or a file with a public key in PEM
    #[arg(long, value_name = "KEY")]
    new: String,
    /// The old key, likewise [default: the only other one that is live there]
    #[arg(long, value_name = "KEY")]
    old: Option<String>,
    /// Say that the agent signs with the new key, so that the old one can go
    #[arg(long)]
    switched: bool,
    /// When the new key's record ends: Unix seconds or a time such as 2027-01-01T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = instant::parse)]
    exp: Option<Time>,
    #[command(flatten)]
    sending: Sending,
    #[command(flatten)]
    resolving: Resolving,
}

/// The next step.
enum Step {
    /// These are to stand there.
    Change {
        texts: Vec<String>,
        then: &'static str,
    },
    /// Nothing can be done here now.
    Wait,
    Done,
}

impl RotateArgs {
    pub(super) async fn run(&self, now: Time) -> Result<Exit, Failure> {
        let (agent, domain) = self.who.split_once('@').unwrap_or(("_", &self.who));
        let place = record::place(domain, agent)?;
        match self.sending.primary() {
            Some(primary) => self.step_at(&primary, place, now).await,
            None => self.say(&place, now).await,
        }
    }

    async fn step_at(&self, primary: &Primary<'_>, place: Place, now: Time) -> Result<Exit, Failure> {
        let seen = primary.standing(&place).await?;
        let ttl = seen.ttl();
        let step = self.next(&place, &seen.texts(), now).await?;
        let (texts, then) = match step {
            Step::Change { texts, then } => (texts, then),
            Step::Wait => return Ok(Exit::Negative),
            Step::Done => return Ok(Exit::Positive),
        };
        let edit = Edit { place, seen, texts, ttl };
        let exit = primary.make(&edit, now).await?;
        if primary.is_in_earnest() {
            edit.say_when_it_holds(now);
            output::talk(format_args!("then: {then}"));
        }
        Ok(exit)
    }

    /// The same where changes are made by hand.
    async fn say(&self, place: &Place, now: Time) -> Result<Exit, Failure> {
        let name = place.to_string();
        let seen = self.cached(&name).await?;
        let ttl = record::advised_ttl(place);
        match self.next(place, &seen.texts, now).await? {
            Step::Change { texts, then } => {
                output::talk("what is to stand there then:");
                texts
                    .iter()
                    .try_for_each(|text| output::data(text::zone_line(&name, ttl, text.as_bytes())))?;
                let texts: Vec<_> = texts.iter().map(String::as_bytes).collect();
                let by_hand = ByHand { place, ttl, texts: &texts, alone: true };
                by_hand.say(&Dns::Live(self.resolving.resolver()?), now).await;
                output::talk(format_args!("then: {then}"));
                Ok(Exit::Positive)
            }
            Step::Wait => Ok(Exit::Negative),
            Step::Done => Ok(Exit::Positive),
        }
    }

    /// Says where it stands, and what comes next.
    async fn next(&self, place: &Place, seen: &[Vec<u8>], now: Time) -> Result<Step, Failure> {
        let new = public_key(&self.new)?;
        let old = self.old.as_deref().map(public_key).transpose()?;
        let texts = || seen.iter().map(Vec::as_slice);
        let refused = |error: RotationError| unmade(place, error);
        let rotation = Rotation::new(texts(), place.level(), old.as_ref(), &new, now).map_err(refused)?;
        let mut stand = seen.iter().cloned().map(written).collect::<Result<Vec<_>, _>>()?;
        match rotation.stage(now).map_err(refused)? {
            Stage::Old => {
                output::talk("step 1 of 3: the old key alone is live; the new one comes beside it");
                stand.push(rotation.beside(self.exp, now).map_err(refused)?);
                let then = "let the agent sign with the new key, and run this again with --switched";
                Ok(Step::Change { texts: stand, then })
            }
            Stage::Both if !self.switched => {
                output::talk("step 2 of 3: both keys are live");
                self.say_whether_caches_know(place, &new, now).await;
                output::talk("let the agent sign with the new key, and run this again with --switched");
                Ok(Step::Wait)
            }
            Stage::Both => {
                output::talk("step 3 of 3: both keys are live; the old one goes");
                let left = rotation.without_old(now).map_err(refused)?;
                let unknown = self.unknowing(place, &new, now).await?;
                if let Some((server, ttl)) = unknown {
                    output::talk(format_args!(
                        "not yet: {server} does not know the new key, for up to {ttl} s; nothing was changed"
                    ));
                    return Ok(Step::Wait);
                }
                let texts = left.into_iter().map(|text| written(text.to_vec())).collect::<Result<_, _>>()?;
                Ok(Step::Change { texts, then: "destroy the old key where it is kept" })
            }
            Stage::New => {
                output::talk("done: the new key alone is live");
                Ok(Step::Done)
            }
        }
    }

    async fn say_whether_caches_know(&self, place: &Place, new: &PublicKey, now: Time) {
        match self.unknowing(place, new, now).await {
            Ok(None) => output::talk("the resolvers asked know both"),
            Ok(Some((server, ttl))) => {
                output::talk(format_args!("{server} does not know the new key yet, for up to {ttl} s: wait"));
            }
            Err(failure) => output::talk(format_args!("whether caches know both is not known: {failure}")),
        }
    }

    /// The first resolver that does not know a key, and for how many seconds it may go on so.
    async fn unknowing(
        &self,
        place: &Place,
        key: &PublicKey,
        now: Time,
    ) -> Result<Option<(std::net::SocketAddr, u32)>, Failure> {
        for server in self.resolving.servers()? {
            let cached = direct::cached(server, &place.to_string()).await.map_err(|error| {
                Failure::unknown(error).fix("name a resolver that answers with --resolver ADDRESS")
            })?;
            let published = Published::unite(cached.texts.iter().map(Vec::as_slice), place.level());
            if !published.keys(now).any(|live| live.value == key) {
                return Ok(Some((server, cached.ttl)));
            }
        }
        Ok(None)
    }

    async fn cached(&self, name: &str) -> Result<Cached, Failure> {
        let servers = self.resolving.servers()?;
        let server = *servers.first().ok_or_else(|| Failure::configuration("no resolver is named"))?;
        direct::cached(server, name).await.map_err(Failure::unknown)
    }
}

fn unmade(place: &Place, error: RotationError) -> Failure {
    let failure = Failure::configuration(format_args!("{place}: {error}"));
    match error {
        RotationError::Revoked => {
            failure.fix("publish the new key with `avouch dns publish`, if all is well again")
        }
        RotationError::Neither => failure.fix("publish the new key with `avouch dns publish`"),
        RotationError::Ambiguous(_) => failure.fix("name it with --old KEY"),
        RotationError::Limit(_) => failure.fix("remove records that are no longer used first"),
        RotationError::Testing => failure.fix("publish the new key without t=y"),
        RotationError::Loses => failure.fix("publish the new key with all the old record says, then go on"),
        RotationError::Same | RotationError::Broken(_) => failure.fix("name another key with --new"),
    }
}

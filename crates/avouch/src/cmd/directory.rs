//! `avouch directory`: the keys of a bot, as sites fetch them.

use super::key::public_key;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::{instant, output};
use avouch_wire::http_signature::Jwk;
use avouch_wire::time::Time;
use avouch_wire::web_bot_auth::{MAX_KEYS, WELL_KNOWN};
use clap::{Args, Subcommand};

/// Make the key directory of a bot
#[derive(Debug, Args)]
pub(crate) struct Directory {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Build(Build),
}

/// Print a key directory, to be served by https at the bot's origin
///
/// It belongs at /.well-known/http-message-signatures-directory, with the media type
/// application/http-message-signatures-directory+json. Publish a new key beside the old one
/// before signing with it, and take the old one out when nothing signs with it any more.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  avouch directory build --key file:bot.key --exp 2027-06-01T00:00:00Z > keys.json
  avouch directory build --key file:old.key --key file:new.key")]
struct Build {
    /// A key: file:PATH of a key store, or a file with a public key in PEM (- for standard input);
    /// may be repeated
    #[arg(long, value_name = "KEY", required = true)]
    key: Vec<String>,
    /// When the keys begin to count: Unix seconds or a time such as 2027-01-01T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = instant::parse)]
    nbf: Option<Time>,
    /// When the keys end
    #[arg(long, value_name = "TIME", value_parser = instant::parse)]
    exp: Option<Time>,
}

impl Directory {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        match &self.verb {
            Verb::Build(build) => build.run(),
        }
    }
}

impl Build {
    fn run(&self) -> Result<Exit, Failure> {
        if self.key.len() > MAX_KEYS {
            return Err(Failure::usage(format_args!("verifiers read {MAX_KEYS} keys at most")));
        }
        if let (Some(from), Some(until)) = (self.nbf, self.exp)
            && until <= from
        {
            return Err(
                Failure::usage("the keys would end before they begin").fix("let --exp lie after --nbf")
            );
        }
        let keys: Vec<_> = self.key.iter().map(|key| public_key(key)).collect::<Result<_, _>>()?;
        let seconds = |time: Option<Time>| time.map(Time::seconds);
        let keys: Vec<_> =
            keys.iter().map(|key| Jwk::write(key, seconds(self.nbf), seconds(self.exp))).collect();
        output::data(format_args!("{{\"keys\":[\n  {}\n]}}", keys.join(",\n  ")))?;
        output::talk(format_args!("Serve it by https at the bot's origin: {WELL_KNOWN}"));
        Ok(Exit::Positive)
    }
}

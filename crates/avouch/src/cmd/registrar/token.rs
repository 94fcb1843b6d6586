//! `avouch registrar token`: who may enrol.

use super::office::Office;
use crate::cmd::door::text;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

/// Say who may enrol
#[derive(Debug, Args)]
pub(super) struct Tokens {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    New(New),
    List(List),
    Remove(Remove),
}

/// Make a token, and print it
///
/// It is shown this once: the registrar keeps its digest. Whoever has it enrols, so hand it over where nobody reads along.
#[derive(Debug, Args)]
#[command(after_long_help = "Example:
  avouch registrar token new nyc --agents '*.gptbot' --uses 100 --days 7 > token")]
struct New {
    #[command(flatten)]
    office: Office,
    /// What it is called in lists and in the audit
    name: String,
    /// Which agents: an id, or * and the labels after it, such as *.gptbot
    #[arg(long, value_name = "PATTERN")]
    agents: String,
    /// How many agents
    #[arg(long, value_name = "NUMBER", default_value = "1")]
    uses: u32,
    /// For how long
    #[arg(long, value_name = "DAYS", default_value = "1", value_parser = clap::value_parser!(u64).range(1..=366))]
    days: u64,
    /// Each agent waits for an approval
    #[arg(long)]
    approval: bool,
    /// Only keys that a TPM attests
    #[arg(long)]
    attested: bool,
}

/// List tokens; they themselves are not known any more
#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    office: Office,
    /// Print JSON, one object for each
    #[arg(long)]
    json: bool,
}

/// Remove a token; who enrolled by it stays
///
/// Ends with 1 if there is none of this name.
#[derive(Debug, Args)]
struct Remove {
    #[command(flatten)]
    office: Office,
    /// Which
    name: String,
}

impl Tokens {
    pub(super) async fn run(self) -> Result<Exit, Failure> {
        match self.verb {
            Verb::New(new) => new.run().await,
            Verb::List(list) => list.run().await,
            Verb::Remove(remove) => remove.run().await,
        }
    }
}

impl New {
    async fn run(&self) -> Result<Exit, Failure> {
        let Self { name, agents, uses, days, approval, attested, .. } = self;
        let lasts = days * 24 * 60 * 60;
        let new = json!({ "name": name, "agents": agents, "uses": uses, "lasts": lasts, "approval": approval,
            "attested": attested });
        let told = self.office.ask(Method::POST, "/v1/tokens", Some(new)).await?.unwrap_or_default();
        output::data(text(&told, "token"))?;
        Ok(Exit::Positive)
    }
}

impl List {
    async fn run(&self) -> Result<Exit, Failure> {
        for token in self.office.all("/v1/tokens", "name").await? {
            if self.json {
                output::json(&token)?;
                continue;
            }
            let is = |name: &str| token.get(name).and_then(Value::as_bool).unwrap_or(false);
            let uses = token.get("uses").and_then(Value::as_u64).unwrap_or(0);
            let approval = if is("approval") { ", each to be approved" } else { "" };
            let attested = if is("attested") { ", attested keys only" } else { "" };
            output::data(format_args!(
                "{:<24} {:<32} {uses} left until {}{approval}{attested}",
                text(&token, "name"),
                text(&token, "agents"),
                text(&token, "expires")
            ))?;
        }
        Ok(Exit::Positive)
    }
}

impl Remove {
    async fn run(&self) -> Result<Exit, Failure> {
        let told =
            self.office.ask(Method::POST, "/v1/tokens/remove", Some(json!({ "name": self.name }))).await?;
        Ok(Exit::from_answer(told.is_some()))
    }
}

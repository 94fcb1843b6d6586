//! `avouch entity`: agents share a secret with it, and verifiers ask it for keys.

mod members;
mod office;
mod token;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use avouch_authority::entity::{Config, StartError, StartFault, check, run};
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};

/// Register agents that share a secret, and give verifiers keys for them
#[derive(Debug, Args)]
pub(crate) struct Entity {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Run(Run),
    Check(Check),
    Status(office::Status),
    Agents(office::Agents),
    Revoke(office::Revoke),
    Token(token::Tokens),
    Audit(office::Audit),
    Members(members::MemberList),
}

/// Run the registration entity until it is told to stop
#[derive(Debug, Args)]
#[command(after_long_help = "Example:
  avouch entity run --config /etc/avouch/entity.toml")]
struct Run {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The database was restored from a backup: give every agent another secret and a higher floor
    ///
    /// Nothing that was told since the backup counts again. Agents ask for their secrets by their keys; what was revoked
    /// since has to be revoked again.
    #[arg(long)]
    restored: bool,
}

/// Check a configuration and every file it names, and print what is in force
///
/// All problems are listed at once, each with its line and what to do about it. The database is not asked.
#[derive(Debug, Args)]
struct Check {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

impl Entity {
    pub(super) async fn run(self) -> Result<Exit, Failure> {
        match self.verb {
            Verb::Run(run) => run.run().await,
            Verb::Check(check) => check.run(),
            Verb::Status(status) => status.run().await,
            Verb::Agents(agents) => agents.run().await,
            Verb::Revoke(revoke) => revoke.run().await,
            Verb::Token(tokens) => tokens.run().await,
            Verb::Audit(audit) => audit.run().await,
            Verb::Members(members) => members.run(),
        }
    }

    /// Whether it is the one that works until it is stopped.
    pub(super) const fn is_at_work(&self) -> bool {
        matches!(self.verb, Verb::Run(_))
    }
}

impl Run {
    async fn run(&self) -> Result<Exit, Failure> {
        let config = load(&self.config)?;
        let ready = |address| output::talk(format_args!("{} is asked at {address}", config.entity));
        run(&config, self.restored, ready).await.map_err(not_started)?;
        output::talk("stopped");
        Ok(Exit::Positive)
    }
}

impl Check {
    fn run(&self) -> Result<Exit, Failure> {
        let config = load(&self.config)?;
        check(&config).map_err(not_started)?;
        output::octets(config.to_string().as_bytes())?;
        Ok(Exit::Positive)
    }
}

fn load(path: &Path) -> Result<Config, Failure> {
    Config::load(path).map_err(Failure::configuration)
}

fn not_started(error: StartError) -> Failure {
    match error {
        StartError::Signals(_) | StartError::State(StartFault::NoRandomness) => Failure::unknown(error),
        StartError::Ledger(_)
        | StartError::State(_)
        | StartError::Root(_)
        | StartError::Certificate(_)
        | StartError::Resolver(_)
        | StartError::Anchor { .. }
        | StartError::Read { .. }
        | StartError::Listen { .. }
        | StartError::Socket { .. } => Failure::configuration(error),
    }
}

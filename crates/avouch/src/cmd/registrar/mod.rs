//! `avouch registrar`: agents enrol by themselves, and their owner decides.

mod office;
mod token;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use avouch_authority::config::{Config, Records};
use avouch_authority::{Running, StartError, check, run};
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};

pub(super) use office::Revoke;

/// Let agents enrol by themselves, and decide about them
#[derive(Debug, Args)]
pub(crate) struct Registrar {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Run(Run),
    Check(Check),
    Status(office::Status),
    Agents(office::Agents),
    Proposals(office::Proposals),
    Approve(office::Approve),
    Reject(office::Reject),
    Forget(office::Forget),
    Token(token::Tokens),
    Audit(office::Audit),
}

/// Run the registrar until it is told to stop
#[derive(Debug, Args)]
#[command(after_long_help = "Example:
  avouch registrar run --config /etc/avouch/registrar.toml")]
struct Run {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Check a configuration and every file it names, and print what is in force
///
/// All problems are listed at once, each with its line and what to do about it. The name server and the database are not
/// asked. With a zone of the registrar's own, the records that its parent needs follow as comments.
#[derive(Debug, Args)]
struct Check {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

impl Registrar {
    pub(super) async fn run(self) -> Result<Exit, Failure> {
        match self.verb {
            Verb::Run(run) => run.run().await,
            Verb::Check(check) => check.run(),
            Verb::Status(status) => status.run().await,
            Verb::Agents(agents) => agents.run().await,
            Verb::Proposals(proposals) => proposals.run().await,
            Verb::Approve(approve) => approve.run().await,
            Verb::Reject(reject) => reject.run().await,
            Verb::Forget(forget) => forget.run().await,
            Verb::Token(tokens) => tokens.run().await,
            Verb::Audit(audit) => audit.run().await,
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
        let ready = |running: &Running| {
            output::talk(format_args!("agents of {} enrol at {}", config.domain, running.agents));
            for address in &running.zone {
                output::talk(format_args!("_saip.{} is served at {address}", config.domain));
            }
        };
        run(&config, ready).await.map_err(not_started)?;
        output::talk("stopped");
        Ok(Exit::Positive)
    }
}

impl Check {
    fn run(&self) -> Result<Exit, Failure> {
        let config = load(&self.config)?;
        let at_parent = check(&config).map_err(not_started)?;
        output::octets(config.to_string().as_bytes())?;
        if let Some(at_parent) = at_parent {
            output::data(format_args!("\n# At the parent of {}:", at_parent.zone))?;
            at_parent.to_string().lines().try_for_each(|line| output::data(format_args!("# {line}")))?;
        } else if matches!(config.records, Records::Own(_)) {
            output::talk(
                "the zone has no key yet: `avouch registrar run` makes it, and `status` then tells what its parent needs",
            );
        }
        Ok(Exit::Positive)
    }
}

fn load(path: &Path) -> Result<Config, Failure> {
    Config::load(path).map_err(Failure::configuration)
}

fn not_started(error: StartError) -> Failure {
    match error {
        StartError::Signals(_) => Failure::unknown(error),
        StartError::Ledger(_)
        | StartError::Key(_)
        | StartError::Publisher(_)
        | StartError::ZoneKey(_)
        | StartError::Zone(_)
        | StartError::Serve(_)
        | StartError::Certificate(_)
        | StartError::Attesting(_)
        | StartError::Listen { .. }
        | StartError::Socket { .. } => Failure::configuration(error),
    }
}

//! `avouch agent`: signs the requests of programs that know nothing of signatures.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use avouch_agent::config::{Config, HostPattern};
use avouch_agent::{LoadError, OpenError, Running, StartError, authority_root};
use avouch_gather::clock::SystemClock;
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Sign the requests of programs that know nothing of signatures
#[derive(Debug, Args)]
pub(crate) struct Agent {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Run(Run),
    Check(Check),
    Ca(Ca),
}

/// Run the agent until it is told to stop
///
/// Programs send requests to its proxy; those to destinations go out signed, all others without a
/// name. SIGTERM and SIGINT let what is under way end first.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  avouch agent run --config /etc/avouch/agent.toml
  http_proxy=http://127.0.0.1:8118 curl http://www.shop.example/")]
struct Run {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Check a configuration and every file it names, and print what is in force, without opening a port
///
/// All problems are listed at once, each with its line and what to do about it.
#[derive(Debug, Args)]
#[command(after_long_help = "Example:
  avouch agent check --config /etc/avouch/agent.toml")]
struct Check {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Print the certificate of the agent's own authority, which programs have to trust
///
/// With it the proxy opens https, so that requests to destinations can be signed ([proxy.tls]). The authority is made if
/// there is none yet. Whoever has its folder can be any site to a program that trusts it.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  avouch agent ca --config /etc/avouch/agent.toml > agent-ca.pem
  https_proxy=http://127.0.0.1:8118 curl --cacert agent-ca.pem https://www.shop.example/")]
struct Ca {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

impl Agent {
    pub(super) async fn run(self) -> Result<Exit, Failure> {
        match self.verb {
            Verb::Run(run) => run.run().await,
            Verb::Check(check) => check.run(),
            Verb::Ca(ca) => ca.run(),
        }
    }
}

impl Run {
    async fn run(self) -> Result<Exit, Failure> {
        avouch_agent::run(load(&self.config)?, announce).await.map_err(not_started)?;
        output::talk("stopped");
        Ok(Exit::Positive)
    }
}

impl Check {
    fn run(&self) -> Result<Exit, Failure> {
        let config = load(&self.config)?;
        avouch_agent::check(&config).map_err(not_loaded)?;
        output::octets(config.to_string().as_bytes())?;
        warn(&config);
        Ok(Exit::Positive)
    }
}

impl Ca {
    fn run(&self) -> Result<Exit, Failure> {
        let config = load(&self.config)?;
        let Some(tls) = config.proxy.as_ref().and_then(|proxy| proxy.tls.as_ref()) else {
            return Err(Failure::configuration("the configuration has no [proxy.tls]: https is not opened")
                .fix("add the table with `ca`, the folder of the authority"));
        };
        let root = authority_root(&tls.ca, Arc::new(SystemClock::new())).map_err(Failure::configuration)?;
        output::octets(root.as_bytes())?;
        Ok(Exit::Positive)
    }
}

fn load(path: &Path) -> Result<Config, Failure> {
    Config::load(path).map_err(Failure::configuration)
}

fn announce(running: &Running) {
    if let Some(address) = running.proxy {
        output::talk(format_args!("proxy on {address}"));
    }
    for address in &running.egress {
        output::talk(format_args!("egress on {address}"));
    }
    if let Some(socket) = &running.signer {
        output::talk(format_args!("signing service on {}", socket.display()));
    }
    if let Some(address) = running.admin {
        output::talk(format_args!("for the operator on {address}"));
    }
}

/// What an operator may not have meant.
fn warn(config: &Config) {
    if config.proxy.as_ref().is_some_and(|proxy| proxy.tls.is_none()) {
        output::talk("[proxy.tls] is not set: https goes through the proxy unopened and unsigned");
    }
    let mut signed = config.destinations.iter().filter(|place| !place.sign.is_none());
    if signed.any(|place| place.hosts.iter().any(|pattern| pattern.host == HostPattern::Any)) {
        output::talk("host = \"*\" is a destination: every site learns who asks");
    }
}

fn not_started(error: StartError) -> Failure {
    match error {
        StartError::Load(error) => not_loaded(error),
        StartError::Listen { .. } | StartError::Socket(_) => Failure::configuration(error),
        StartError::Signals(_) => Failure::unknown(error),
        StartError::Broken => Failure::bug(error),
    }
}

fn not_loaded(error: LoadError) -> Failure {
    let failure = Failure::configuration(&error);
    match error {
        LoadError::Key(OpenError::Store(_)) => {
            failure.fix("`avouch key new` makes a key; `passphrase_file` names the words of an encrypted one")
        }
        _ => failure,
    }
}

//! `avouch agent`: signs the requests of programs that know nothing of signatures.

mod entity;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::{files, output};
use avouch_agent::config::{Config, HostPattern};
use avouch_agent::enrol::{EnrolError, Enrolment, Registrar, Token, enrol};
use avouch_agent::{LoadError, OpenError, Running, StartError, authority_root};
use avouch_gather::clock::SystemClock;
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Seconds that an enrolment may wait: a week.
const MAX_WAIT: u64 = 7 * 24 * 3600;

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
    Enrol(Enrol),
    Entity(entity::Entity),
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

/// Have the registrar of the domain publish the agent's key, and wait until the DNS shows it
///
/// Makes the key if there is none yet. Each step can be taken again: what was cut off is run again, and uses up no more of
/// the token. Ends with 0 once the record is there, 1 if the registrar refuses, 4 if it may come yet: an approval is
/// waited for, or something cannot be reached.
#[derive(Debug, Args)]
#[command(after_long_help = "Example:
  avouch agent enrol --config /etc/avouch/agent.toml \\
    --registrar https://registrar.acme.example --token-file enrol.token")]
struct Enrol {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The registrar: https, or http on this machine
    #[arg(long, value_name = "URL", value_parser = registrar)]
    registrar: Registrar,
    /// A file whose one line is the token that the owner of the domain gave you
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,
    /// PEM file of the roots that the registrar's certificate leads to [default: `roots` of the configuration, or those of the system]
    #[arg(long, value_name = "FILE")]
    roots: Option<PathBuf>,
    /// Seconds to wait for the approval, and for the DNS
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(..=MAX_WAIT))]
    wait: u64,
}

impl Agent {
    pub(super) async fn run(self) -> Result<Exit, Failure> {
        match self.verb {
            Verb::Run(run) => run.run().await,
            Verb::Check(check) => check.run(),
            Verb::Ca(ca) => ca.run(),
            Verb::Enrol(enrol) => enrol.run().await,
            Verb::Entity(entity) => entity.run().await,
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

impl Enrol {
    async fn run(self) -> Result<Exit, Failure> {
        let config = load(&self.config)?;
        let Some(token) = Token::parse(&files::read_text(&self.token_file)?) else {
            let what = format!("{}: holds no token", self.token_file.display());
            return Err(Failure::configuration(what)
                .fix("write into it what the owner of the domain gave you: avouch-enrol-…"));
        };
        let Self { registrar, roots, wait, .. } = self;
        let enrolment = Enrolment { registrar, token, roots, wait: Duration::from_secs(wait) };
        let told = enrol(&config, enrolment, &SystemClock::new(), |step| output::talk(step)).await;
        match told {
            Ok(()) => Ok(Exit::Positive),
            Err(EnrolError::Refused { reason, detail }) => {
                output::talk(format_args!("the registrar refuses ({reason}): {detail}"));
                Ok(Exit::Negative)
            }
            Err(EnrolError::Revoked(detail)) => {
                output::talk(format_args!("the DNS revokes the agent: {detail}"));
                Ok(Exit::Negative)
            }
            Err(EnrolError::Load(error)) => Err(not_loaded(error)),
            Err(error @ (EnrolError::NoName | EnrolError::NotInTpm | EnrolError::Foreign(_))) => {
                Err(Failure::configuration(error))
            }
            Err(error @ EnrolError::NotYet(_)) => {
                Err(Failure::unknown(error).fix("run this again: nothing is done twice"))
            }
            Err(error @ (EnrolError::Key(_) | EnrolError::Attesting(_))) => Err(Failure::unknown(error)),
            Err(error @ EnrolError::Broken) => Err(Failure::bug(error)),
        }
    }
}

fn registrar(text: &str) -> Result<Registrar, String> {
    Registrar::parse(text).map_err(|error| error.to_string())
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
        LoadError::Key(OpenError::Secret(_)) => failure.fix("`avouch agent entity register` makes it"),
        _ => failure,
    }
}

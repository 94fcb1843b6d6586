//! `avouch gateway`: judges requests in front of a site.

use super::ready::Ready;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use avouch_console::users::UsersFile;
use avouch_gateway::config::Config;
use avouch_gateway::{Gateway as Server, Passed, Running, StartError, Surroundings};
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Judge requests in front of a site
#[derive(Debug, Args)]
pub(crate) struct Gateway {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Run(Run),
    Check(Check),
    Ready(Ready),
}

/// Run the gateway until it is told to stop
///
/// SIGTERM and SIGINT let what is under way end first. SIGHUP, and a change of the configuration or
/// of a file it names, reloads them; if they do not load, what was in force stays in force.
#[derive(Debug, Args)]
#[command(after_long_help = "Example:
  avouch gateway run --config /etc/avouch/gateway.toml")]
struct Run {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Check a configuration and every file it names, without opening a port
///
/// All problems are listed at once, each with its line and what to do about it.
#[derive(Debug, Args)]
#[command(after_long_help = "Example:
  avouch gateway check --config /etc/avouch/gateway.toml")]
struct Check {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Gateway {
    /// Takes what the service manager passed before it returns, and with it before there are threads.
    pub(super) fn run(self) -> impl Future<Output = Result<Exit, Failure>> {
        let sockets = Passed::from_environment().map_err(Failure::configuration);
        async move {
            match self.verb {
                Verb::Run(run) => run.run(sockets?).await,
                Verb::Check(check) => check.run(),
                Verb::Ready(ready) => ready.run().await,
            }
        }
    }
}

impl Run {
    async fn run(&self, sockets: Passed) -> Result<Exit, Failure> {
        let surroundings = |config: &Config| surroundings(config, sockets);
        avouch_gateway::run(&self.config, surroundings, announce).await.map_err(not_started)?;
        output::talk("stopped");
        Ok(Exit::Positive)
    }
}

/// What the gateway takes from outside its configuration: the pages that it asks for, and what was opened before.
fn surroundings(config: &Config, sockets: Passed) -> Surroundings {
    let console = config.console.as_ref().map(avouch_console::pages);
    Surroundings { console, sockets, ..Surroundings::default() }
}

fn announce(running: &Running) {
    for address in &running.listening {
        output::talk(format_args!("listening on {address}"));
    }
    if let Some(address) = &running.operator {
        output::talk(format_args!("for the operator on {address}"));
    }
    if let Some(address) = &running.verify {
        output::talk(format_args!("for proxies that ask on {address}"));
    }
}

impl Check {
    fn run(&self) -> Result<Exit, Failure> {
        let config = load(&self.config)?;
        Server::check(config.clone()).map_err(Failure::configuration)?;
        if let Some(console) = &config.console {
            UsersFile::new(&console.users).read().map_err(Failure::configuration)?;
        }
        let listen: Vec<_> = config.listen.iter().map(ToString::to_string).collect();
        let authorities: Vec<_> = config.authorities.iter().map(ToString::to_string).collect();
        let policy = config.policy.as_ref().map(|file| file.display().to_string());
        let (mode, upstream) = (config.mode.as_str(), config.upstream.as_ref().map(ToString::to_string));
        let verify = config.verify.as_ref().map(|verify| verify.listen.to_string());
        let (tls, routes) = (config.tls.is_some(), config.routes.len());
        if self.json {
            output::json(&json!({ "mode": mode, "listen": listen, "tls": tls, "authorities": authorities,
                "verify": verify, "upstream": upstream, "policy": policy, "routes": routes }))?;
            return Ok(Exit::Positive);
        }
        if config.authorities.is_empty() {
            output::talk(
                "authorities is empty: a signature gives class 2 at most; list the names clients use",
            );
        }
        let or_none = |list: &[String]| if list.is_empty() { "none".to_owned() } else { list.join(" ") };
        output::data(format_args!(
            "mode         {mode}\nlisten       {}{}\n{}authorities  {}\nupstream     {}\npolicy       {}\nroutes       {routes}",
            or_none(&listen),
            if tls { " with TLS" } else { "" },
            verify.map(|verify| format!("verify       {verify}\n")).unwrap_or_default(),
            or_none(&authorities),
            upstream.as_deref().unwrap_or("none"),
            policy.as_deref().unwrap_or("the model's table"),
        ))?;
        Ok(Exit::Positive)
    }
}

/// Reads a configuration.
pub(super) fn load(path: &Path) -> Result<Config, Failure> {
    Config::load(path).map_err(Failure::configuration)
}

fn not_started(error: StartError) -> Failure {
    match error {
        StartError::Config(_)
        | StartError::Listen { .. }
        | StartError::Passed(_)
        | StartError::Load(_)
        | StartError::Store(_)
        | StartError::Log(_)
        | StartError::Audit(_) => Failure::configuration(error),
        StartError::Randomness(_) | StartError::Key(_) | StartError::Signals(_) => Failure::unknown(error),
        StartError::Numbers(_) => Failure::bug(error),
    }
}

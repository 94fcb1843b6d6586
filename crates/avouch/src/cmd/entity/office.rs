//! What the owner asks of a running entity, by its socket.

use crate::cmd::door::{Door, text};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use avouch_wire::enrolment::AgentPattern;
use avouch_wire::name::Domain;
use clap::{Args, ValueEnum};
use http::Method;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Where an entity is asked.
#[derive(Debug, Args)]
pub(super) struct Office {
    /// The owner's socket
    #[arg(long, value_name = "PATH", default_value = "/run/avouch-entity/owner.sock")]
    socket: PathBuf,
}

impl Office {
    pub(super) fn door(&self) -> Door<'_> {
        Door { socket: &self.socket, run_by: "avouch entity run" }
    }
}

/// How an entity stands: who is registered, and how many verifiers listen
#[derive(Debug, Args)]
pub(super) struct Status {
    #[command(flatten)]
    office: Office,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Status {
    pub(super) async fn run(&self) -> Result<Exit, Failure> {
        let status = self.office.door().ask(Method::GET, "/v1/status", None).await?.unwrap_or_default();
        if self.json {
            output::json(&status)?;
            return Ok(Exit::Positive);
        }
        output::data(format_args!("entity     {}", text(&status, "entity")))?;
        for name in ["registered", "revoked", "tokens", "event", "streams"] {
            let number = status.get(name).and_then(Value::as_u64).unwrap_or(0);
            output::data(format_args!("{name:<10} {number}"))?;
        }
        Ok(Exit::Positive)
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum State {
    Registered,
    Revoked,
}

/// List agents
#[derive(Debug, Args)]
pub(super) struct Agents {
    #[command(flatten)]
    office: Office,
    /// Those of this state only
    #[arg(long)]
    state: Option<State>,
    /// Print JSON, one object for each
    #[arg(long)]
    json: bool,
}

impl Agents {
    pub(super) async fn run(&self) -> Result<Exit, Failure> {
        let path = match self.state {
            None => "/v1/agents",
            Some(State::Registered) => "/v1/agents?state=registered",
            Some(State::Revoked) => "/v1/agents?state=revoked",
        };
        for agent in self.office.door().all(path, "agent").await? {
            if self.json {
                output::json(&agent)?;
                continue;
            }
            let number = |name: &str| agent.get(name).and_then(Value::as_u64).unwrap_or(0);
            output::data(format_args!(
                "{:<40} {:<10} since {} by token {:<16} {} (secret {}, floor {})",
                text(&agent, "agent"),
                text(&agent, "state"),
                text(&agent, "changed"),
                text(&agent, "token"),
                text(&agent, "key"),
                number("version"),
                number("floor")
            ))?;
        }
        Ok(Exit::Positive)
    }
}

/// Revoke an agent, a fleet, or every agent of a domain
///
/// Verifiers that listen hear of it at once, all others within 300 s. None of these registers again, known here or not.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  avouch entity revoke nyc-042.gptbot@openai.example
  avouch entity revoke '*.gptbot@openai.example'    # the fleet: every agent below this name
  avouch entity revoke openai.example --yes         # all of the domain")]
pub(super) struct Revoke {
    #[command(flatten)]
    office: Office,
    /// AGENT@DOMAIN, *.FLEET@DOMAIN, or DOMAIN
    #[arg(value_name = "WHOM", value_parser = whom)]
    whom: Whom,
    /// All agents of the domain, really
    #[arg(long)]
    yes: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Debug)]
struct Whom {
    domain: String,
    /// All where there is none.
    agents: Option<String>,
}

fn whom(text: &str) -> Result<Whom, String> {
    let (agents, domain) = match text.split_once('@') {
        Some((agents, domain)) => (Some(agents), domain),
        None => (None, text),
    };
    let domain = Domain::parse(domain).map_err(|error| format!("domain: {error}"))?.to_string();
    let agents = agents.map(AgentPattern::parse).transpose().map_err(|error| format!("agents: {error}"))?;
    Ok(Whom { domain, agents: agents.map(|agents| agents.to_string()) })
}

impl Revoke {
    pub(super) async fn run(&self) -> Result<Exit, Failure> {
        let Whom { domain, agents } = &self.whom;
        let revoked = match agents {
            Some(agents) => json!({ "domain": domain, "agents": agents }),
            None if self.yes => json!({ "domain": domain, "all": true }),
            None => {
                let whom = format_args!("every agent of {domain} would be revoked");
                return Err(Failure::usage(whom).fix("add --yes"));
            }
        };
        let told = self.office.door().ask(Method::POST, "/v1/revoke", Some(revoked)).await?;
        let told = told.unwrap_or_default();
        if self.json {
            output::json(&told)?;
        } else {
            let count = told.get("revoked").and_then(Value::as_u64).unwrap_or(0);
            let line =
                format_args!("revoked, with {count} agents that were registered; verifiers hear of it now");
            output::data(line)?;
        }
        Ok(Exit::Positive)
    }
}

/// Show what was done, the latest first
#[derive(Debug, Args)]
pub(super) struct Audit {
    #[command(flatten)]
    office: Office,
    /// Print JSON, one object for each
    #[arg(long)]
    json: bool,
}

impl Audit {
    pub(super) async fn run(&self) -> Result<Exit, Failure> {
        let told = self.office.door().ask(Method::GET, "/v1/audit", None).await?;
        for deed in told.as_ref().and_then(Value::as_array).into_iter().flatten() {
            match self.json {
                true => output::json(deed)?,
                false => output::data(format_args!(
                    "{} {:<6} {:<12} {} {}",
                    text(deed, "time"),
                    text(deed, "who"),
                    text(deed, "what"),
                    text(deed, "subject"),
                    text(deed, "detail")
                ))?,
            }
        }
        Ok(Exit::Positive)
    }
}

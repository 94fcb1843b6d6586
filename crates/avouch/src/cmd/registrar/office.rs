//! What owners and operators ask of a running registrar, by its sockets.

use crate::cmd::door::{Door, text};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use avouch_wire::name::Identity;
use clap::{Args, ValueEnum};
use http::Method;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Where a registrar is asked.
#[derive(Debug, Args)]
pub(super) struct Office {
    /// The registrar's socket: the owner's, or the operators'
    #[arg(long, value_name = "PATH", default_value = "/run/avouch-registrar/owner.sock")]
    socket: PathBuf,
}

impl Office {
    fn door(&self) -> Door<'_> {
        Door { socket: &self.socket, run_by: "avouch registrar run" }
    }

    /// What the registrar says; `None` where there is nothing of what was asked for.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Option<Value>, Failure> {
        self.door().ask(method, path, body).await
    }

    /// Every page of a list, which goes on after the last of its members by this name.
    pub(super) async fn all(&self, path: &str, name: &str) -> Result<Vec<Value>, Failure> {
        self.door().all(path, name).await
    }
}

/// How a registrar stands: who is enrolled, and what waits to be published
///
/// Ends with 1 while records wait because the name server does not take them.
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
        let Some(status) = self.office.ask(Method::GET, "/v1/status", None).await? else {
            return Ok(Exit::Negative);
        };
        let number = |name: &str| status.get(name).and_then(Value::as_u64).unwrap_or(0);
        let trouble = status.get("trouble").and_then(Value::as_str);
        if self.json {
            output::json(&status)?;
            return Ok(Exit::from_answer(trouble.is_none()));
        }
        output::data(format_args!("domain     {}", text(&status, "domain")))?;
        for state in ["enrolled", "pending", "revoked"] {
            output::data(format_args!("{state:<10} {}", number(state)))?;
        }
        let since = match number("waiting") {
            0 => String::new(),
            _ => format!(", the oldest for {} s", number("waited")),
        };
        output::data(format_args!("waiting    {}{since}", number("waiting")))?;
        if let Some(trouble) = trouble {
            output::data(format_args!("trouble    {trouble}"))?;
        }
        for line in status.get("at_parent").and_then(Value::as_array).into_iter().flatten() {
            output::data(format_args!("at parent  {}", line.as_str().unwrap_or("-")))?;
        }
        Ok(Exit::from_answer(trouble.is_none()))
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum State {
    Pending,
    Enrolled,
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
            Some(State::Pending) => "/v1/agents?state=pending",
            Some(State::Enrolled) => "/v1/agents?state=enrolled",
            Some(State::Revoked) => "/v1/agents?state=revoked",
        };
        for agent in self.office.all(path, "agent").await? {
            match self.json {
                true => output::json(&agent)?,
                false => output::data(format_args!(
                    "{:<32} {:<9} since {} by token {:<16} {} ({})",
                    text(&agent, "agent"),
                    text(&agent, "state"),
                    text(&agent, "changed"),
                    text(&agent, "token"),
                    text(&agent, "key"),
                    held(&agent)
                ))?,
            }
        }
        Ok(Exit::Positive)
    }
}

/// Where a key is kept: its tier, and which TPM attested it, of which maker.
fn held(shown: &Value) -> String {
    let [tier, endorsement, maker] = ["tier", "endorsement", "maker"].map(|member| text(shown, member));
    match (endorsement, maker) {
        ("", _) => tier.to_owned(),
        (endorsement, "") => format!("{tier} {endorsement} of an unknown maker"),
        (endorsement, maker) => format!("{tier} {endorsement} of {maker}"),
    }
}

/// List agents that ask for another key
#[derive(Debug, Args)]
pub(super) struct Proposals {
    #[command(flatten)]
    office: Office,
    /// Print JSON, one object for each
    #[arg(long)]
    json: bool,
}

impl Proposals {
    pub(super) async fn run(&self) -> Result<Exit, Failure> {
        for proposal in self.office.all("/v1/proposals", "agent").await? {
            match self.json {
                true => output::json(&proposal)?,
                false => output::data(format_args!(
                    "{:<32} asked {} by token {:<16} for {} ({})",
                    text(&proposal, "agent"),
                    text(&proposal, "made"),
                    text(&proposal, "token"),
                    text(&proposal, "key"),
                    held(&proposal)
                ))?,
            }
        }
        Ok(Exit::Positive)
    }
}

/// Approve an agent that waits, or the other key that one asks for
///
/// Compare the fingerprint with the agent's own (`avouch key show`): whoever has the token can ask in its name. The key an
/// agent had before counts no more once its record has changed. Ends with 1 if nothing waited.
#[derive(Debug, Args)]
#[command(after_long_help = "Example:
  avouch registrar approve nyc-042.gptbot sha256:…")]
pub(super) struct Approve {
    #[command(flatten)]
    office: Office,
    /// The agent's id within the domain
    agent: String,
    /// The fingerprint of the key that is approved, as `agents` and `proposals` show it
    key: String,
}

impl Approve {
    pub(super) async fn run(&self) -> Result<Exit, Failure> {
        let approved = json!({ "agent": self.agent, "key": self.key });
        let told = self.office.ask(Method::POST, "/v1/approve", Some(approved)).await?;
        Ok(Exit::from_answer(told.is_some()))
    }
}

/// Turn away an agent that waits, or the other key that one asks for
///
/// Ends with 1 if nothing waited.
#[derive(Debug, Args)]
pub(super) struct Reject {
    #[command(flatten)]
    office: Office,
    /// The agent's id within the domain
    agent: String,
}

impl Reject {
    pub(super) async fn run(&self) -> Result<Exit, Failure> {
        let told = self.office.ask(Method::POST, "/v1/reject", Some(json!({ "agent": self.agent }))).await?;
        Ok(Exit::from_answer(told.is_some()))
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
        let told = self.office.ask(Method::GET, "/v1/audit", None).await?;
        for deed in told.as_ref().and_then(Value::as_array).into_iter().flatten() {
            match self.json {
                true => output::json(deed)?,
                false => output::data(format_args!(
                    "{} {:<9} {:<12} {} {}",
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

/// Revoke an agent, a fleet, or every agent of the domain, at the registrar
///
/// An empty key is published at the name, which takes away every key there and below it; nothing there enrols again
/// unless it is forgotten. Verifiers learn of it when what they know has ended: after the TTL of the records, 300 s
/// unless the registrar says otherwise. `avouch registrar status` says whether the name server has it.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  avouch revoke nyc-042.gptbot@openai.example
  avouch revoke gptbot@openai.example    # the fleet: every agent below this name
  avouch revoke all --yes")]
pub(crate) struct Revoke {
    #[command(flatten)]
    office: Office,
    /// AGENT@DOMAIN, FLEET@DOMAIN, or all
    #[arg(value_name = "WHOM", value_parser = whom)]
    whom: Whom,
    /// All agents of the domain, really
    #[arg(long)]
    yes: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Forget what was revoked, so that it can enrol again
///
/// Its record goes. Agents below a fleet that is forgotten stay revoked, each by a record of its own. Ends with 1 if it is
/// not revoked.
#[derive(Debug, Args)]
pub(super) struct Forget {
    #[command(flatten)]
    office: Office,
    /// The id of an agent or fleet within the domain, or all
    whom: String,
}

impl Forget {
    pub(super) async fn run(&self) -> Result<Exit, Failure> {
        let forgotten =
            if self.whom == "all" { json!({ "all": true }) } else { json!({ "agent": self.whom }) };
        let told = self.office.ask(Method::POST, "/v1/forget", Some(forgotten)).await?;
        Ok(Exit::from_answer(told.is_some()))
    }
}

#[derive(Clone, Debug)]
enum Whom {
    All,
    Below(Box<Identity>),
}

fn whom(text: &str) -> Result<Whom, String> {
    if text == "all" {
        return Ok(Whom::All);
    }
    let identity = Identity::parse(text).map_err(|error| error.to_string())?;
    match identity.agent.as_ref().is_some_and(|agent| !agent.is_domain_itself()) {
        true => Ok(Whom::Below(Box::new(identity))),
        false => Err("write AGENT@DOMAIN or FLEET@DOMAIN; for every agent, all".to_owned()),
    }
}

impl Revoke {
    pub(in crate::cmd) async fn run(&self) -> Result<Exit, Failure> {
        let revoked = match &self.whom {
            Whom::All if !self.yes => {
                return Err(Failure::usage("every agent of the domain would be revoked").fix("add --yes"));
            }
            Whom::All => json!({ "all": true }),
            Whom::Below(identity) => {
                let status = self.office.ask(Method::GET, "/v1/status", None).await?.unwrap_or_default();
                let domain = text(&status, "domain");
                if domain != identity.domain.as_str() {
                    return Err(Failure::configuration(format_args!("this registrar is that of {domain}"))
                        .fix("`--socket` names another"));
                }
                json!({ "agent": identity.agent.as_ref().map(ToString::to_string) })
            }
        };
        let told = self.office.ask(Method::POST, "/v1/revoke", Some(revoked)).await?;
        let told = told.unwrap_or_default();
        if self.json {
            output::json(&told)?;
        } else {
            let count = told.get("revoked").and_then(Value::as_u64).unwrap_or(0);
            output::data(format_args!(
                "revoked, with {count} agents that were known here; the DNS is told now"
            ))?;
        }
        Ok(Exit::Positive)
    }
}

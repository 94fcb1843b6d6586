//! `avouch console`: who may sign in to the operators' pages.

use super::gateway;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use avouch_console::users::{Invitation, NotChanged, Passkey, Role, Ticket, UserName, Users, UsersFile};
use avouch_gateway::config::Console as Settings;
use avouch_gather::clock::{Clock as _, SystemClock};
use avouch_keys::entropy::SystemEntropy;
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Say who may sign in to the gateway's console
#[derive(Debug, Args)]
pub(crate) struct Console {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Invite(Invite),
    List(List),
    Remove(Remove),
}

/// Make a link by which somebody enrols one passkey within a day
///
/// Whoever opens it first enrols, so hand it over where nobody reads along.
#[derive(Debug, Args)]
#[command(after_long_help = "Example:
  avouch console invite --config /etc/avouch/gateway.toml --role operator ada")]
struct Invite {
    /// The gateway's configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// viewer looks; operator has records looked up and drafts tried, too
    #[arg(long, value_parser = role, default_value = "viewer")]
    role: Role,
    /// Who is invited: 1 to 64 letters, digits, dots, hyphens, underscores or @
    #[arg(value_parser = name)]
    name: UserName,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// List passkeys, and invitations that wait
#[derive(Debug, Args)]
struct List {
    /// The gateway's configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Print JSON, one object for each
    #[arg(long)]
    json: bool,
}

/// Remove somebody's passkeys and invitations; sessions end with them
///
/// Ends with 1 if there was nobody of that name.
#[derive(Debug, Args)]
struct Remove {
    /// The gateway's configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Who
    #[arg(value_parser = name)]
    name: UserName,
}

fn role(text: &str) -> Result<Role, String> {
    let found = Role::ALL.iter().find(|(name, _)| *name == text);
    found.map(|(_, role)| *role).ok_or_else(|| "write viewer or operator".to_owned())
}

fn name(text: &str) -> Result<UserName, String> {
    let fix = "write 1 to 64 letters, digits, dots, hyphens, underscores or @";
    UserName::parse(text).ok_or_else(|| fix.to_owned())
}

impl Console {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        match self.verb {
            Verb::Invite(invite) => invite.run(),
            Verb::List(list) => list.run(),
            Verb::Remove(remove) => remove.run(),
        }
    }
}

/// The console of a configuration.
fn settings(config: &Path) -> Result<Settings, Failure> {
    gateway::load(config)?.console.ok_or_else(|| {
        let fix = "add `[console]` with `origin` and `users` (docs/operate/console.md)";
        Failure::configuration(format_args!("{} has no console", config.display())).fix(fix)
    })
}

impl Invite {
    fn run(self) -> Result<Exit, Failure> {
        let settings = settings(&self.config)?;
        let ticket = Ticket::draw(&mut SystemEntropy).map_err(Failure::unknown)?;
        let (name, now) = (self.name.clone(), SystemClock::new().now());
        let invited: Result<_, NotChanged> =
            UsersFile::new(&settings.users).change(|users| Ok(users.invite(name, self.role, ticket, now)?));
        let until = invited.map_err(Failure::configuration)?;
        // Behind `#`, the ticket stays in the browser: no log of a server gets to see it.
        let link = format!("{}/console/enrol#{ticket}", settings.origin);
        if self.json {
            output::json(&json!({ "name": self.name.as_str(), "role": self.role.as_str(), "link": link,
                "until": until.to_string() }))?;
            return Ok(Exit::Positive);
        }
        output::data(link)?;
        output::talk(format_args!("one passkey for {}, {}, until {until}", self.name, self.role.as_str()));
        Ok(Exit::Positive)
    }
}

impl List {
    fn run(&self) -> Result<Exit, Failure> {
        let file = UsersFile::new(&settings(&self.config)?.users);
        let Users { passkeys, invitations } = file.read().map_err(Failure::configuration)?;
        for Passkey { name, role, key, added, .. } in &passkeys {
            let (role, kind) = (role.as_str(), key.key_type().name());
            match self.json {
                true => output::json(&json!({ "name": name.as_str(), "role": role, "passkey": kind,
                    "added": added.to_string() }))?,
                false => output::data(format_args!("{name:<24} {role:<9} passkey of {added}, {kind}"))?,
            }
        }
        for Invitation { name, role, until, .. } in &invitations {
            let role = role.as_str();
            match self.json {
                true => output::json(&json!({ "name": name.as_str(), "role": role, "invited_until":
                    until.to_string() }))?,
                false => output::data(format_args!("{name:<24} {role:<9} invited until {until}"))?,
            }
        }
        if passkeys.is_empty() && invitations.is_empty() {
            output::talk("nobody yet: `avouch console invite` makes an invitation");
        }
        Ok(Exit::Positive)
    }
}

impl Remove {
    fn run(&self) -> Result<Exit, Failure> {
        let file = UsersFile::new(&settings(&self.config)?.users);
        let removed: Result<_, NotChanged> = file.change(|users| Ok(users.remove(&self.name)));
        let removed = removed.map_err(Failure::configuration)?;
        output::talk(format_args!("passkeys and invitations of {} removed: {removed}", self.name));
        Ok(Exit::from_answer(removed > 0))
    }
}

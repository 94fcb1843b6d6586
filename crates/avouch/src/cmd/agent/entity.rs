//! `avouch agent entity`: what an agent agrees on with the registration entity that it shares a secret with.

use super::{load, not_loaded};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::{files, output};
use avouch_agent::entity::{Agreed, EntityError, Reached, register, renegotiate, renew};
use avouch_agent::{LoadError, Site};
use avouch_gather::clock::SystemClock;
use clap::{Args, Subcommand};
use http::StatusCode;
use std::path::PathBuf;

/// Agree with a registration entity on the secret that signs, and on its count
///
/// For agents in registry mode (`[registry]`), whose key is not published. A running agent takes up within seconds what was
/// agreed on.
#[derive(Debug, Args)]
pub(super) struct Entity {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Register(Register),
    Renew(Renew),
    Renegotiate(Renegotiate),
}

/// Register the agent, and keep the secret that it is told
///
/// Makes the key if there is none yet. What was cut off is run again with the same token.
#[derive(Debug, Args)]
#[command(after_long_help = "Example:
  avouch agent entity register --config /etc/avouch/agent.toml --token-file re.token")]
struct Register {
    #[command(flatten)]
    of: Of,
    /// A file whose one line is the token that the operator of the registration entity gave you
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,
}

/// Ask for another secret, which signs from the next five minutes on
#[derive(Debug, Args)]
struct Renew {
    #[command(flatten)]
    of: Of,
}

/// Agree on another beginning of the count
///
/// For an agent whose requests are refused as `sequence-behind`, because the entity was restored from a backup. What was
/// signed before is not accepted any more. At most three times a day.
#[derive(Debug, Args)]
struct Renegotiate {
    #[command(flatten)]
    of: Of,
}

/// Which agent, and where its entity is asked.
#[derive(Debug, Args)]
struct Of {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Where the entity is asked, if not at its own host by https
    #[arg(long, value_name = "URL", value_parser = site)]
    at: Option<Site>,
    /// PEM file of the roots that the entity's certificate leads to [default: `roots` of the configuration, or those of the system]
    #[arg(long, value_name = "FILE")]
    roots: Option<PathBuf>,
}

fn site(text: &str) -> Result<Site, String> {
    Site::parse(text).ok_or_else(|| "write https:// and a host, such as https://re.example:8443".to_owned())
}

impl Entity {
    pub(super) async fn run(self) -> Result<Exit, Failure> {
        let clock = SystemClock::new();
        let (words, agreed) = match self.verb {
            Verb::Register(Register { of, token_file }) => {
                let (config, token) = (load(&of.config)?, files::read_text(&token_file)?);
                ("is registered", register(&config, &of.reached(), &token, &clock).await)
            }
            Verb::Renew(Renew { of }) => {
                ("has another secret", renew(&load(&of.config)?, &of.reached(), &clock).await)
            }
            Verb::Renegotiate(Renegotiate { of }) => {
                let agreed = renegotiate(&load(&of.config)?, &of.reached(), &clock).await;
                ("counts from another beginning", agreed)
            }
        };
        match agreed {
            Ok(Agreed { entity, version, floor }) => {
                output::talk(format_args!(
                    "the agent {words} at {entity}: secret {version}, numbers from {floor} on"
                ));
                Ok(Exit::Positive)
            }
            Err(error) => failed(error),
        }
    }
}

impl Of {
    fn reached(&self) -> Reached {
        Reached { at: self.at.clone(), roots: self.roots.clone() }
    }
}

fn failed(error: EntityError) -> Result<Exit, Failure> {
    match error {
        EntityError::Refused { status, .. }
            if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS =>
        {
            Err(Failure::unknown(error).fix("run this again later: nothing is done twice"))
        }
        EntityError::Refused { .. } => {
            output::talk(error);
            Ok(Exit::Negative)
        }
        EntityError::Load(error) => Err(not_loaded(error)),
        EntityError::Open(error) => Err(not_loaded(LoadError::Key(error))),
        EntityError::Unreachable(_) | EntityError::Key(_) | EntityError::Random(_) => {
            Err(Failure::unknown(error))
        }
        EntityError::NoEntity => {
            Err(Failure::configuration(error).fix("set `mode = \"registry\"`, and add `[registry]`"))
        }
        EntityError::Token => Err(Failure::configuration(error)
            .fix("write into the file what the operator of the entity gave you: avouch-enrol-…")),
        EntityError::NotRegistered(_) => {
            Err(Failure::configuration(error).fix("`avouch agent entity register` registers it"))
        }
        EntityError::NoName | EntityError::Registered(_) | EntityError::Keep(_) | EntityError::Foreign(_) => {
            Err(Failure::configuration(error))
        }
        EntityError::Broken => Err(Failure::bug(error)),
    }
}

//! `avouch dns`: `_saip` records made, published, changed and watched, and what is wrong with those that stand.

mod check;
pub(super) mod findings;
mod lint;
mod primary;
mod provider;
mod publish;
mod record;
mod revoke;
mod rotate;
mod text;
mod watch;

use crate::cmd::wait_for;
use crate::exit::Exit;
use crate::failure::Failure;
use avouch_gather::clock::{Clock as _, SystemClock};
use clap::{Args, Subcommand};

/// Make, publish and change records, and find what is wrong with those that stand
///
/// The codes of the findings are explained in docs/formats/record.md.
#[derive(Debug, Args)]
pub(crate) struct Dns {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Record(record::RecordArgs),
    Lint(lint::LintArgs),
    Check(check::CheckArgs),
    Publish(publish::PublishArgs),
    Revoke(revoke::RevokeArgs),
    Rotate(rotate::RotateArgs),
    Watch(watch::WatchArgs),
}

impl Dns {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        let now = SystemClock::new().now();
        match &self.verb {
            Verb::Record(args) => args.run(now),
            Verb::Lint(args) => args.run(now),
            Verb::Check(args) => args.run(now),
            Verb::Publish(args) => wait_for(args.run(now)),
            Verb::Revoke(args) => wait_for(args.run(now)),
            Verb::Rotate(args) => wait_for(args.run(now)),
            Verb::Watch(args) => wait_for(args.run()),
        }
    }
}

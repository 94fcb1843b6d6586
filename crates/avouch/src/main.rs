//! `avouch`, the command line: one verb per module in `cmd`, no logic of its own.
//!
//! In scope: reading arguments and files, asking for passphrases, printing, exit codes
//! ([`exit::Exit`]). Data goes to stdout, talk to stderr.
//!
//! Out of scope: everything that decides something; see ARCHITECTURE.md for the crate that does it.
//!
//! `docs/operate/commands.md` describes every command with an example.

mod cmd;
mod exit;
mod failure;
mod files;
mod instant;
mod output;
mod passphrase;
mod progress;

use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    exit::guard(|| {
        let cli = cmd::Cli::parse();
        output::start_log(cli.log());
        cli.run().unwrap_or_else(|failure| failure.tell())
    })
    .into()
}

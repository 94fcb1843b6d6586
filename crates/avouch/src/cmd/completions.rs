//! `avouch completions`: what a shell offers after TAB.

use super::Cli;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

/// Print the completions of a shell
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  avouch completions bash > /etc/bash_completion.d/avouch
  avouch completions zsh > ~/.zfunc/_avouch")]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "avouch", &mut script);
        output::octets(&script)?;
        Ok(Exit::Positive)
    }
}

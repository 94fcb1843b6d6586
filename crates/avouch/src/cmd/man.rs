//! `avouch man`: the manual pages.

use super::Cli;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use clap::{Args, CommandFactory as _};
use std::fs;
use std::path::PathBuf;

/// Print the manual page, or write the page of every command into a folder
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  avouch man | man -l -
  avouch man --dir /usr/local/share/man/man1")]
pub(super) struct Man {
    /// The folder that gets one page per command; it is made if missing
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Man {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        match &self.dir {
            Some(dir) => {
                let written =
                    fs::create_dir_all(dir).and_then(|()| clap_mangen::generate_to(Cli::command(), dir));
                written.map_err(|error| Failure::file(dir, &error))?;
            }
            None => {
                let mut page = Vec::new();
                clap_mangen::Man::new(Cli::command())
                    .render(&mut page)
                    .map_err(|error| Failure::unknown(format_args!("the page: {error}")))?;
                output::octets(&page)?;
            }
        }
        Ok(Exit::Positive)
    }
}

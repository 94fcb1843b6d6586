//! `avouch report`: what sites report of the claims of a domain.

mod summary;
mod table;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::{files, output};
use avouch_wire::report::{OpenError, Report, open};
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};
use summary::Summary;
use table::Table;

/// Most reports read at once: those of a year, from a dozen sites.
const MOST: usize = 5_000;

/// Most rows of all of them, which take some hundred MiB: anyone can send reports, and fill them.
const MOST_ROWS: usize = 1 << 20;

/// The width of a table that no terminal shows.
const WIDTH: usize = 100;

/// Read the reports that sites send about a domain
#[derive(Debug, Args)]
pub(super) struct Reports {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Read(Read),
}

/// Show who spoke for a domain, who claimed to and did not, and what to mend
///
/// Takes reports as they come: the attachment of a mail, the mail itself, or what was posted; plain
/// or gzipped. Several are added up, and one that was sent twice counts once. Ends with 0 if every
/// claim held, 1 if some did not, 4 if some could not be checked and all others held.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  avouch report read shop.example!acme.example!1795564800!1795651200!5f3a.json.gz
  avouch report read ~/Maildir/saip/cur/*
  avouch report read --json *.json.gz | jq '.domains[].rows[] | select(.class == 1)'")]
struct Read {
    /// Reports, or `-` for standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Reports {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        match &self.verb {
            Verb::Read(read) => read.run(),
        }
    }
}

impl Read {
    fn run(&self) -> Result<Exit, Failure> {
        if self.files.len() > MOST {
            return Err(Failure::usage(format_args!("more than {MOST} reports at once"))
                .fix("read those of a month or a site at a time"));
        }
        let (mut reports, mut rows, mut failed) = (Vec::new(), 0, 0);
        for path in &self.files {
            match report(path) {
                Ok(report) => {
                    rows += report.rows.len();
                    if rows > MOST_ROWS {
                        return Err(Failure::usage(format_args!("more than {MOST_ROWS} rows at once"))
                            .fix("read those of a month or a site at a time"));
                    }
                    reports.push(report);
                }
                Err(failure) => {
                    failure.tell();
                    failed += 1;
                }
            }
        }
        if reports.is_empty() {
            return Err(Failure::configuration("no report can be read"));
        }
        let summaries = Summary::all(reports);
        if self.json {
            output::json(&summary::document(&summaries))?;
        } else {
            let (width, coloured) = (output::width().unwrap_or(WIDTH), output::is_data_coloured());
            let tables = summaries.iter().map(|summary| Table { width, coloured }.of(summary));
            output::octets(tables.collect::<Vec<_>>().join("\n\n").as_bytes())?;
        }
        match failed {
            0 => Ok(summary::exit(&summaries)),
            _ => Err(Failure::configuration(format_args!(
                "{failed} of {} files hold no report",
                self.files.len()
            ))
            .fix("look at the errors above; what is shown is of the others")),
        }
    }
}

fn report(path: &Path) -> Result<Report, Failure> {
    open(&files::read(path)?).map_err(|error| {
        let failure = Failure::configuration(format_args!("{}: {error}", path.display()));
        match error {
            OpenError::Gzip => failure.fix("save the attachment again; a part of it is missing or changed"),
            OpenError::Mail(_) => failure.fix("name a file with a report; docs/formats/report.md shows one"),
            OpenError::Report(_) => {
                failure.fix("ask whoever sent it; docs/formats/report.md shows the shape")
            }
        }
    })
}

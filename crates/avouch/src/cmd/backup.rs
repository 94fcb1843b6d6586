//! `avouch backup` and `avouch restore`: a gateway's files in one, and back.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use avouch_gather::clock::{Clock as _, SystemClock};
use avouch_upkeep::backup::{self, BackupError};
use avouch_wire::backup::{LeftOut, Manifest, Why};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// Save what the gateway needs into one file
///
/// The configuration, the files that it names, fetched ranges, and reports that wait. Never saved: which requests were
/// accepted, for put back later they would be accepted again; and secrets that no passphrase protects. What is left out
/// is named.
#[derive(Debug, Args)]
#[command(after_long_help = "Example:
  avouch backup /var/backups/avouch.tar")]
pub(super) struct Backup {
    /// The file to write; it must not exist
    file: PathBuf,
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = "/etc/avouch/gateway.toml")]
    config: PathBuf,
    /// A file to save beside these, such as an encrypted key; may be repeated
    #[arg(long, value_name = "FILE")]
    also: Vec<PathBuf>,
    /// Print JSON: what was saved and what was not
    #[arg(long)]
    json: bool,
}

/// Put the files of a backup back in place
///
/// All of it is verified first. Nothing is overwritten: if one of the files is there, none is restored.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  avouch restore --check /var/backups/avouch.tar
  avouch restore /var/backups/avouch.tar")]
pub(super) struct Restore {
    /// The backup
    file: PathBuf,
    /// Put them below this folder instead of where they were
    #[arg(long, value_name = "DIR", default_value = "/")]
    to: PathBuf,
    /// Only verify that it is whole and unchanged
    #[arg(long, conflicts_with = "to")]
    check: bool,
    /// Print JSON: what was restored and what has to come from elsewhere
    #[arg(long)]
    json: bool,
}

impl Backup {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        let saved = backup::save(&self.config, &self.also, &self.file, SystemClock::new().now());
        let manifest = saved.map_err(failure)?;
        let files: Vec<_> = manifest.files.iter().map(|file| file.path.clone()).collect();
        tell("saved", &files, &manifest, self.json)
    }
}

impl Restore {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        if self.check {
            let manifest = backup::verify(&self.file).map_err(failure)?;
            let files: Vec<_> = manifest.files.iter().map(|file| file.path.clone()).collect();
            return tell("holds", &files, &manifest, self.json);
        }
        let restored = backup::restore(&self.file, &self.to).map_err(failure)?;
        let files: Vec<_> = restored.files.iter().map(|path| path.display().to_string()).collect();
        tell("restored", &files, &restored.manifest, self.json)
    }
}

fn failure(error: BackupError) -> Failure {
    Failure::configuration(error)
}

fn tell(done: &str, files: &[String], manifest: &Manifest, as_json: bool) -> Result<Exit, Failure> {
    if as_json {
        let left_out: Vec<_> =
            manifest.left_out.iter().map(|one| json!({ "path": one.path, "why": one.why })).collect();
        output::json(&json!({ done: files, "left_out": left_out }))?;
        return Ok(Exit::Positive);
    }
    for file in files {
        output::data(format_args!("{done:<9} {file}"))?;
    }
    for LeftOut { path, why } in &manifest.left_out {
        let why = match why {
            Why::PlainSecret => "a secret in the plain: keep it where you keep secrets",
            Why::UsedNonces => "which requests were accepted: put back, they would be accepted again",
            Why::AccessLog => "the access log",
        };
        output::data(format_args!("{:<9} {path} ({why})", "not in it"))?;
    }
    Ok(Exit::Positive)
}

//! `avouch explain`: one request of the gateway's access log, step by step.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use avouch_gateway::config::{Config, LogTarget};
use avouch_gateway::{Explanation, Point, Step, Told};
use clap::Args;
use std::path::PathBuf;

/// Say step by step what became of one request, and why
///
/// Reads the gateway's access log, also rotated and gzipped. The request's name stands in the log, in
/// the header Avouch-Request-Id, and in the answers of avouch. Ends with 0 if the request is found, 1 if not.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  avouch explain 4f1c…0001 /var/log/avouch/access.log*
  avouch explain 4f1c…0001 --config /etc/avouch/gateway.toml
  journalctl -u avouch -o cat | avouch explain 4f1c…0001 -")]
pub(super) struct Explain {
    /// The request's name, 32 hexadecimal digits
    #[arg(value_name = "REQUEST_ID", value_parser = name)]
    id: String,
    /// Access logs of the gateway, plain or gzipped, or `-` for standard input
    #[arg(value_name = "ACCESS_LOG", required_unless_present = "config", conflicts_with = "config")]
    logs: Vec<PathBuf>,
    /// The gateway's configuration, which names its log
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn name(text: &str) -> Result<String, String> {
    let is_name = text.len() == 32 && text.bytes().all(|octet| octet.is_ascii_hexdigit());
    is_name
        .then(|| text.to_ascii_lowercase())
        .ok_or_else(|| "write the 32 hexadecimal digits of Avouch-Request-Id".to_owned())
}

impl Explain {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        let logs = self.logs()?;
        let member = format!("\"request_id\":\"{}\"", self.id);
        let (line, read) = avouch_audit::find(&logs, &member).map_err(Failure::configuration)?;
        let Some(line) = line else {
            output::talk(format_args!("no request {} among {read} lines", self.id));
            return Ok(Exit::Negative);
        };
        let told = Told::parse(&line)
            .map_err(|error| Failure::configuration(format_args!("line {read}: {error}")))?;
        let explanation = Explanation::of(&told);
        match self.json {
            true => output::json(&explanation)?,
            false => explanation.steps.iter().try_for_each(print)?,
        }
        Ok(Exit::Positive)
    }

    /// The log that the configuration names, where none is named here.
    fn logs(&self) -> Result<Vec<PathBuf>, Failure> {
        let Some(path) = &self.config else { return Ok(self.logs.clone()) };
        match Config::load(path).map_err(Failure::configuration)?.log {
            LogTarget::File(log) => Ok(vec![log]),
            LogTarget::Off => {
                Err(Failure::configuration(format_args!("{}: the access log is off", path.display()))
                    .fix("set `[log] access` to a file"))
            }
            LogTarget::Stderr | LogTarget::Stdout => Err(Failure::configuration(format_args!(
                "{}: the access log goes to no file",
                path.display()
            ))
            .fix("give it on standard input: `journalctl -u avouch -o cat | avouch explain … -`")),
        }
    }
}

/// The width of the column of names.
const NAMES: usize = 10;

fn print(step: &Step) -> Result<(), Failure> {
    output::data(format_args!("{:<NAMES$} {}", step.name, step.sentence))?;
    step.points.iter().try_for_each(|Point { name, outcome, text }| {
        let outcome = outcome.as_ref().map_or(String::new(), |outcome| format!("{outcome:<12} "));
        let point = format!("{:NAMES$} {outcome}{name}: {text}", "");
        output::data(point.trim_end_matches([' ', ':']))
    })
}

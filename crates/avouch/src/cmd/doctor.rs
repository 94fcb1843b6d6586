//! `avouch doctor`: what would break in production, before it does.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use avouch_gather::clock::{Clock as _, SystemClock};
use avouch_upkeep::doctor::{self, Finding, Questions, Standing};
use clap::Args;
use serde_json::json;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// The port of NTP (RFC 5905 section 7.2).
const NTP_PORT: u16 = 123;

/// Find what would break in production, and say how to mend it
///
/// Looks at the configuration, files, certificate, resolvers, clock, ports, upstreams, store, folders and the service,
/// and changes nothing. Run it as the user who runs the gateway. Ends with 0 if all is fine, 1 if something is wrong,
/// 3 if the configuration cannot be used, 4 if nothing is wrong but something could not be found out.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  runuser -u avouch -- avouch doctor
  avouch doctor --config gateway.toml --ntp 192.0.2.123 --json")]
pub(super) struct Doctor {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = "/etc/avouch/gateway.toml")]
    config: PathBuf,
    /// Roots that clients trust, as PEM, instead of the system's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// A time server to compare the clock with, with or without a port
    #[arg(long, value_name = "ADDRESS", value_parser = time_server)]
    ntp: Option<SocketAddr>,
    /// Print JSON, one object per finding
    #[arg(long)]
    json: bool,
}

fn time_server(text: &str) -> Result<SocketAddr, String> {
    let address = || text.parse::<IpAddr>().map(|address| SocketAddr::new(address, NTP_PORT));
    text.parse()
        .or_else(|_| address())
        .map_err(|_| "write an address such as 192.0.2.123 or [::1]:123".into())
}

impl Doctor {
    pub(super) async fn run(self) -> Result<Exit, Failure> {
        let questions = Questions { ca: self.ca, time_server: self.ntp };
        let found = doctor::examine(&self.config, &questions, SystemClock::new().now()).await;
        let found = found.map_err(|error| {
            Failure::configuration(error).fix("mend this first: all else is looked at by the configuration")
        })?;
        for finding in &found {
            match self.json {
                true => output::json(&json!({ "about": finding.about.as_str(),
                    "standing": finding.standing.as_str(), "said": finding.said, "fix": finding.fix }))?,
                false => output::data(line(finding))?,
            }
        }
        let count = |standing| found.iter().filter(|finding| finding.standing == standing).count();
        let [fine, wrong, unknown] = [Standing::Fine, Standing::Wrong, Standing::Unknown].map(count);
        output::talk(format_args!("{fine} fine, {wrong} wrong, {unknown} could not be found out"));
        Ok(match (wrong, unknown) {
            (0, 0) => Exit::Positive,
            (0, _) => Exit::Unknown,
            _ => Exit::Negative,
        })
    }
}

fn line(finding: &Finding) -> String {
    let word = match finding.standing {
        Standing::Fine => "ok",
        Standing::Wrong => "WRONG",
        Standing::Unknown => "UNKNOWN",
    };
    let fix = finding.fix.as_ref().map(|fix| format!("\n  fix: {fix}")).unwrap_or_default();
    format!("{word:<7} {:<13} {}{fix}", finding.about.as_str(), finding.said)
}

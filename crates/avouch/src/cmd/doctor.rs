//! `avouch doctor`: what would break in production, before it does.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use avouch_gather::clock::{Clock as _, SystemClock};
use avouch_keys::tpm::Device;
use avouch_upkeep::doctor::{self, Finding, Questions, Standing};
use clap::Args;
use serde_json::json;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

/// The port of NTP (RFC 5905 section 7.2).
const NTP_PORT: u16 = 123;

/// The configuration that the packages install.
const CONFIGURATION: &str = "/etc/avouch/gateway.toml";

/// Find what would break in production, and say how to mend it
///
/// Looks at the configuration, files, certificate, resolvers, clock, ports, upstreams, store, folders, the service and
/// the TPM, and changes nothing. Run it as the user who runs the gateway; where there is none, --tpm without --config
/// looks at the TPM alone. Ends with 0 if all is fine, 1 if something is wrong, 3 if the configuration cannot be used,
/// 4 if nothing is wrong but something could not be found out.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  runuser -u avouch -- avouch doctor
  avouch doctor --config gateway.toml --ntp 192.0.2.123 --json
  avouch doctor --tpm")]
pub(super) struct Doctor {
    /// The configuration [default: /etc/avouch/gateway.toml, but with --tpm none]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Roots that clients trust, as PEM, instead of the system's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// A time server to compare the clock with, with or without a port
    #[arg(long, value_name = "ADDRESS", value_parser = time_server)]
    ntp: Option<SocketAddr>,
    /// Keys are to be kept in this TPM: device=PATH, swtpm=ADDRESS:PORT or swtpm=PATH
    #[arg(long, value_name = "DEVICE", num_args = 0..=1, default_missing_value = "device=/dev/tpmrm0", value_parser = Device::parse)]
    tpm: Option<Device>,
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
        let found = match (&self.config, &self.tpm) {
            (None, Some(device)) => doctor::examine_tpm(device).await,
            _ => self.of_gateway().await?,
        };
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

    async fn of_gateway(&self) -> Result<Vec<Finding>, Failure> {
        let config = self.config.as_deref().unwrap_or_else(|| Path::new(CONFIGURATION));
        let questions = Questions { ca: self.ca.clone(), time_server: self.ntp, tpm: self.tpm.clone() };
        doctor::examine(config, &questions, SystemClock::new().now()).await.map_err(|error| {
            Failure::configuration(error).fix("mend this first: all else is looked at by the configuration")
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

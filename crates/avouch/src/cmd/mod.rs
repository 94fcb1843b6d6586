//! The verbs.

mod agent;
mod audit;
mod backup;
mod completions;
mod console;
mod delegate;
mod demo;
mod directory;
mod dns;
mod doctor;
mod door;
mod entity;
mod explain;
mod fetch;
mod gateway;
mod judging;
mod key;
mod man;
mod networks;
mod policy;
mod ready;
mod registrar;
mod report;
mod resolving;
mod sign;
mod signing;
mod verify;
mod zones;

use crate::exit::Exit;
use crate::failure::Failure;
use clap::builder::styling::{AnsiColor, Styles};
use clap::{Parser, Subcommand};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const EXIT_CODES: &str = "\
Exit codes: 0 done, and the answer is yes; 1 done, and the answer is no; 2 the command line cannot
be read; 3 a file, key or setting is wrong or missing; 4 it could not be found out; 70 a defect of
avouch.";

/// What the log tells unless asked otherwise, of a server at work and of any other command. hickory
/// warns of each validation that fails, with the whole message in hexadecimal; that it failed is
/// reported as the answer.
const LOG_AT_WORK: &str = "warn,avouch=info,avouch_gateway=info,avouch_agent=info,avouch_authority=info,avouch_console=info,avouch_directory=info,avouch_reports=info,hickory_net=error";
const LOG: &str = "warn,hickory_net=error";

/// See who is behind each request, and prove who you are.
///
/// A request makes a claim; evidence is gathered for it; a verdict says who it is; a decision says
/// what happens. Agents sign with `key`, `sign`, `fetch` and `agent`, domains publish with `dns` and `delegate`, let agents
/// enrol with `registrar` or register with `entity`, and take it back with `revoke`; sites judge
/// with `gateway` and `verify`, see to it with `doctor`, look back with `audit`, and decide with `policy`.
#[derive(Debug, Parser)]
#[command(name = "avouch", version, styles = STYLES, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Cli {
    /// What the log on stderr tells: error, warn, info, debug, trace, or `target=level` pairs
    #[arg(long, global = true, value_name = "FILTER", display_order = 900)]
    log: Option<String>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Demo(demo::Demo),
    Key(key::Key),
    Sign(sign::Sign),
    Fetch(fetch::Fetch),
    Agent(agent::Agent),
    Directory(directory::Directory),
    Delegate(delegate::Delegate),
    Verify(verify::Verify),
    Explain(explain::Explain),
    Audit(audit::Audit),
    Policy(policy::Policy),
    Dns(dns::Dns),
    Registrar(registrar::Registrar),
    Revoke(registrar::Revoke),
    Entity(entity::Entity),
    Report(report::Reports),
    Gateway(gateway::Gateway),
    Doctor(doctor::Doctor),
    Backup(backup::Backup),
    Restore(backup::Restore),
    Console(console::Console),
    Completions(completions::Completions),
    Man(man::Man),
}

impl Cli {
    /// What the log tells. The demo shows on stdout what its gateway would warn of.
    pub(crate) fn log(&self) -> &str {
        let usual = match &self.verb {
            Verb::Gateway(_) | Verb::Agent(_) | Verb::Directory(_) => LOG_AT_WORK,
            Verb::Registrar(registrar) if registrar.is_at_work() => LOG_AT_WORK,
            Verb::Entity(entity) if entity.is_at_work() => LOG_AT_WORK,
            Verb::Demo(_) => "off",
            _ => LOG,
        };
        self.log.as_deref().unwrap_or(usual)
    }

    /// Does what was asked.
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        match self.verb {
            Verb::Demo(demo) => wait_for(demo.run()),
            Verb::Key(key) => key.run(),
            Verb::Sign(sign) => sign.run(),
            Verb::Fetch(fetch) => wait_for(fetch.run()),
            Verb::Agent(agent) => wait_for(agent.run()),
            Verb::Directory(directory) => wait_for(directory.run()),
            Verb::Delegate(delegate) => delegate.run(),
            Verb::Verify(verify) => wait_for(verify.run()),
            Verb::Explain(explain) => explain.run(),
            Verb::Audit(audit) => wait_for(audit.run()),
            Verb::Policy(policy) => wait_for(policy.run()),
            Verb::Gateway(gateway) => wait_for(gateway.run()),
            Verb::Doctor(doctor) => wait_for(doctor.run()),
            Verb::Backup(backup) => backup.run(),
            Verb::Restore(restore) => restore.run(),
            Verb::Console(console) => console.run(),
            Verb::Dns(dns) => dns.run(),
            Verb::Registrar(registrar) => wait_for(registrar.run()),
            Verb::Revoke(revoke) => wait_for(revoke.run()),
            Verb::Entity(entity) => wait_for(entity.run()),
            Verb::Report(report) => report.run(),
            Verb::Completions(completions) => completions.run(),
            Verb::Man(man) => man.run(),
        }
    }
}

/// Runs a verb that waits for the network.
fn wait_for(verb: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| Failure::unknown(format_args!("starting threads: {error}")))?.block_on(verb)
}

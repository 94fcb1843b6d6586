//! `avouch audit`: who claimed to be a known crawler in an access log, and who of them lied.

use super::networks;
use super::resolving::Resolving;
use super::zones::Zones;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::{instant, output};
use avouch_audit::{Auditor, Page, Report, Table, Tally};
use avouch_dns::Dns;
use avouch_engine::claim::Catalogue;
use avouch_engine::evidence::{Answer, Cause};
use avouch_engine::reason::Reason;
use avouch_gather::clock::{Clock, ManualClock, SystemClock};
use avouch_wire::time::Time;
use clap::Args;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Liars shown in the table, and on a page, unless asked otherwise. In JSON it is all of them.
const TOP: usize = 20;
const TOP_OF_PAGE: usize = 100;

/// The width of a table that no terminal shows.
const WIDTH: usize = 100;

/// Say who claimed to be a known crawler in an access log, and lied
///
/// Reads logs in the combined format and as JSON lines (nginx, Caddy, Traefik, avouch), also
/// gzipped, and asks the DNS once about each crawler and address. Ends with 0 if nobody lied, 1 if
/// somebody did, 4 if nothing could be found out.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  avouch audit /var/log/nginx/access.log
  avouch audit --html report.html /var/log/nginx/access.log*
  avouch audit --ranges GPTBot=gptbot.json --json access.log | jq -r '.liars[].address'
  zcat -f access.log* | avouch audit --resolver 127.0.0.1 -")]
pub(super) struct Audit {
    /// Access logs, plain or gzipped, or `-` for standard input
    #[arg(value_name = "ACCESS_LOG", required = true)]
    logs: Vec<PathBuf>,
    /// Address ranges that a crawler's operator publishes, as JSON, as old as the last change of the
    /// file; may be repeated
    #[arg(long, value_name = "CRAWLER=FILE")]
    ranges: Vec<String>,
    #[command(flatten)]
    resolving: Resolving,
    #[command(flatten)]
    zones: Zones,
    /// Ask nobody; only ranges count
    #[arg(long, conflicts_with_all = ["resolver", "trust_anchor", "zone"])]
    no_dns: bool,
    /// The time to judge at, instead of now: Unix seconds or RFC 3339
    #[arg(long, value_name = "TIME", value_parser = instant::parse)]
    at: Option<Time>,
    /// Most liars shown [default: 20, on a page 100, in JSON all]
    #[arg(long, value_name = "N")]
    top: Option<usize>,
    /// Also write a page that opens in any browser and needs nothing else
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Audit {
    pub(super) async fn run(self) -> Result<Exit, Failure> {
        // A page that cannot be written is told before hours of reading.
        self.html.as_deref().map(open_page).transpose()?;
        let clock = self.clock();
        let made = clock.now();
        let catalogue = Arc::new(Catalogue::built_in().map_err(Failure::unknown)?);
        let auditor = self.auditor(Arc::clone(&catalogue), clock).await?;
        let tally = self.read(&catalogue)?;
        let report = judge(auditor, tally).await;
        self.print(&report)?;
        if let Some(path) = &self.html {
            let page =
                Page { made, top: self.top.unwrap_or(TOP_OF_PAGE) }.of(&report).map_err(Failure::bug)?;
            fs::write(path, page).map_err(|error| Failure::file(path, &error))?;
        }
        remark(&report);
        Ok(exit(&report))
    }

    fn clock(&self) -> Arc<dyn Clock> {
        match self.at {
            Some(at) => Arc::new(ManualClock::at(at)),
            None => Arc::new(SystemClock::new()),
        }
    }

    /// Everything but the logs is read first: hours of reading should not end in a wrong option.
    async fn auditor(&self, catalogue: Arc<Catalogue>, clock: Arc<dyn Clock>) -> Result<Auditor, Failure> {
        if !self.zones.is_empty() && self.resolving.is_asked_for() {
            return Err(Failure::usage("--zone stands for the DNS, so there is nothing to ask a --resolver"));
        }
        let networks = networks::load(&catalogue, None, &self.ranges, clock.now())?;
        let dns = match (self.no_dns, self.zones.is_empty()) {
            (true, _) => None,
            (false, true) => Some(answering(Dns::Live(self.resolving.resolver()?), clock.now()).await?),
            (false, false) => Some(Dns::Zones(self.zones.read()?)),
        };
        Ok(Auditor::new(catalogue, dns, networks, clock))
    }

    fn read(&self, catalogue: &Catalogue) -> Result<Tally, Failure> {
        let progress = Progress::of("reading", avouch_audit::size_of(&self.logs));
        let tally = avouch_audit::read(&self.logs, catalogue, &|octets| progress.done(octets));
        let tally = tally.map_err(Failure::configuration)?;
        let reading = tally.reading();
        if reading.lines > 0 && reading.unreadable == reading.lines {
            let example = reading.examples.first().map(ToString::to_string).unwrap_or_default();
            return Err(Failure::configuration(format_args!("no line can be read; {example}"))
                .fix("give an access log in the combined format or of JSON lines"));
        }
        Ok(tally)
    }

    fn print(&self, report: &Report) -> Result<(), Failure> {
        if self.json {
            return output::json(&report.document(self.top.unwrap_or(usize::MAX)));
        }
        let (width, coloured) = (output::width().unwrap_or(WIDTH), output::is_data_coloured());
        let table = Table { width, top: self.top.unwrap_or(TOP), coloured };
        output::octets(table.of(report).map_err(Failure::bug)?.as_bytes())
    }
}

/// The same DNS, if it answers at all: asked for the root, which no client can make slow. Else each
/// address would be waited for.
async fn answering(dns: Dns, now: Time) -> Result<Dns, Failure> {
    match dns.txt(".", now).await {
        Answer::Unknown(Cause::Timeout | Cause::Unreachable) => Err(Failure::unknown("no resolver answers")
            .fix("name another with --resolver, or judge by ranges alone with --no-dns")),
        Answer::Unknown(Cause::Bogus | Cause::Indeterminate) => {
            output::talk(
                "warning: the resolver's answer for the root of the DNS does not validate, so nothing may be \
                 found out; another can be named with --resolver",
            );
            Ok(dns)
        }
        Answer::Found { .. } | Answer::Absent { .. } | Answer::Unknown(_) => Ok(dns),
    }
}

/// Makes the file, if it is not there; what it holds stays until there is a page.
fn open_page(path: &Path) -> Result<File, Failure> {
    let file = File::options().write(true).create(true).truncate(false).open(path);
    file.map_err(|error| Failure::file(path, &error))
}

async fn judge(auditor: Auditor, tally: Tally) -> Report {
    let progress = Arc::new(Progress::of("asking", Some(tally.pairs() as u64)));
    let told = Arc::clone(&progress);
    auditor.judge(tally, Arc::new(move |done| told.done(done as u64))).await
}

/// Says what a reader of the numbers must know.
fn remark(report: &Report) {
    let reading = &report.reading;
    if reading.unreadable > 0 {
        output::talk(format_args!("{} of {} lines cannot be read:", reading.unreadable, reading.lines));
        reading.examples.iter().for_each(|one| output::talk(format_args!("  {one}")));
    }
    if reading.with_agent == 0 && reading.lines > 0 {
        output::talk("no line names a user agent, so nobody claimed anything: have the server log it");
    }
    if report.total.beyond > 0 {
        output::talk(format_args!(
            "warning: {} requests came from more addresses than are kept apart ({}); nobody checked them",
            report.total.beyond,
            avouch_audit::MOST_PAIRS
        ));
    }
    if report.causes.iter().any(|(reason, _)| *reason == Reason::PeerIsUntrustedProxy) {
        output::talk(
            "claims came from private addresses, which say nothing: have the server log the client's address and not its proxy's",
        );
    }
    let unranged = report.rows.iter().filter(|row| row.counts.not_checkable.requests > 0);
    let unranged: Vec<_> = unranged.map(|row| row.crawler.as_str()).collect();
    if !unranged.is_empty() {
        output::talk(format_args!(
            "not checkable without the ranges their operators publish: {} (--ranges NAME=FILE)",
            unranged.join(", ")
        ));
    }
}

const fn exit(report: &Report) -> Exit {
    let total = &report.total;
    match (total.lied.requests, total.confirmed.requests) {
        (1.., _) => Exit::Negative,
        (0, 1..) => Exit::Positive,
        // Nobody claimed anything, provided that somebody could have been heard doing so.
        (0, 0) if total.requests() == 0 && (report.reading.with_agent > 0 || report.reading.lines == 0) => {
            Exit::Positive
        }
        (0, 0) => Exit::Unknown,
    }
}

//! `avouch dns lint`: what is wrong with records before they are published.

use super::{findings, text};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use avouch_dns::{ZoneFiles, ZoneTxt};
use avouch_engine::evidence::Dnssec;
use avouch_wire::record::lint::{self, Alias, Finding, Subject};
use avouch_wire::time::Time;
use clap::Args;
use std::collections::BTreeMap;
use std::path::Path;

/// Examine a record's text, or the records in a zone file
///
/// Ends 0 when nothing found is an error, otherwise 1.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  avouch dns lint acme.example.zone
  avouch dns lint --name crawler-7._saip.acme.example 'v=saip1; pk='
  avouch dns record --dom acme.example --key key.pub | avouch dns lint -")]
pub(super) struct LintArgs {
    /// A zone file, a file with one record's text on each line, - for standard input, or the text
    /// of one record (begins with v=)
    #[arg(value_name = "FILE|TEXT")]
    what: String,
    /// The name at which bare texts stand or will stand
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl LintArgs {
    pub(super) fn run(&self, now: Time) -> Result<Exit, Failure> {
        let text = match self.what.starts_with("v=") {
            true => self.what.clone(),
            false => text::read(Path::new(&self.what))?,
        };
        let (examined, found) = if text::is_zone(&text) {
            let zone = ZoneFiles::parse(&[(&self.what, &text)], Dnssec::Insecure);
            lint_zone(&zone.map_err(Failure::configuration)?, now)
        } else {
            lint_texts(&text::records(&text), self.name.as_deref(), now)
        };
        if self.json {
            output::json(&findings::shown(&found))?;
        } else {
            output::octets(findings::text(&found).as_bytes())?;
            output::talk(format_args!("records examined: {examined}, findings: {}", found.len()));
        }
        Ok(if examined == 0 && found.is_empty() { Exit::Negative } else { findings::exit(&found) })
    }
}

fn lint_texts(texts: &[Vec<u8>], name: Option<&str>, now: Time) -> (usize, Vec<Finding>) {
    let subject = Subject { name, texts: texts.iter().map(Vec::as_slice).collect(), ..Subject::default() };
    (texts.len(), lint::lint(&[subject], now))
}

fn lint_zone(zone: &ZoneFiles, now: Time) -> (usize, Vec<Finding>) {
    let stands: Vec<ZoneTxt> = zone.txts().collect();
    let aliases: BTreeMap<String, String> = zone.aliases().collect();
    let mut subjects: Vec<_> = stands.iter().filter_map(|one| subject(one, &aliases)).collect();
    let examined = subjects.iter().map(|subject| subject.texts.len()).sum();
    let alone = |name: &String| lint::concerns_us(name, &[]) && !stands.iter().any(|one| one.name == *name);
    subjects.extend(aliases.iter().filter(|(name, _)| alone(name)).map(|(name, target)| Subject {
        name: Some(name),
        alias: Some(Alias { target, beside_records: false }),
        ..Subject::default()
    }));
    (examined, lint::lint(&subjects, now))
}

fn subject<'a>(stands: &'a ZoneTxt, aliases: &'a BTreeMap<String, String>) -> Option<Subject<'a>> {
    let texts: Vec<&[u8]> = stands.txt.records.iter().map(AsRef::as_ref).collect();
    lint::concerns_us(&stands.name, &texts).then_some(Subject {
        name: Some(&stands.name),
        texts,
        ttl: Some(stands.ttl),
        wildcard: stands.txt.wildcard,
        signed: None,
        alias: aliases.get(&stands.name).map(|target| Alias { target, beside_records: true }),
    })
}

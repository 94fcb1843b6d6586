//! The folder of a gateway's reports: what is counted and not yet told, and what waits to be sent.
//!
//! | file | what it holds |
//! |---|---|
//! | `counts` | the reports of the period under way as they stood when it was written, one in each line |
//! | `<id>.report` | a report of a period that ended, which waits to be sent, as JSON |
//! | `<id>.sent` | the addresses that need it no more, one in each line |
//!
//! Each file is replaced whole. A crash leaves: before `counts` is written, what was counted since the last time
//! uncounted; while a period is closed, some of its reports and `counts`, from which the next start makes those that are
//! missing; between the sending of a report and the note of it, a report that is sent again with the same id, which
//! receivers drop.

use avouch_gather::folder::{Folder, NEW, StoreError};
use avouch_wire::report::{MAX_OCTETS, Report, ReportId};
use std::collections::BTreeSet;
use std::path::Path;

/// Reports that wait at once: those of four periods in which every place for a domain is taken.
pub(crate) const WAITING: usize = 4 * crate::counts::DOMAINS;

/// The longest file of counts: more than all rows there is room for take.
const MAX_COUNTS: u64 = 64 << 20;

/// The longest list of addresses of one report: those of a record fit.
const MAX_SENT: u64 = 16 * 1024;

const LOCK: &str = "reports.lock";
const COUNTS: &str = "counts";

/// How the names of reports that wait end: no other files do, whatever else an operator keeps in the folder.
const WAITS: &str = ".report";
const SENT: &str = ".sent";

/// The folder, held by this process alone.
pub(crate) struct Spool(Folder);

impl Spool {
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        Folder::take(path, LOCK).map(Self)
    }

    /// What was counted when it was last saved. A line that is no report is passed over: nothing but a report less
    /// comes of that.
    pub(crate) fn counts(&self) -> Result<Vec<Report>, StoreError> {
        let saved = self.0.read(COUNTS, MAX_COUNTS)?.unwrap_or_default();
        let lines = saved.split(|octet| *octet == b'\n').filter(|line| !line.is_empty());
        let read = lines.map(Report::parse);
        Ok(read
            .filter_map(|report| report.inspect_err(|error| tracing::warn!(%error, "a saved count")).ok())
            .collect())
    }

    pub(crate) fn save_counts(&self, reports: &[Report]) -> Result<(), StoreError> {
        self.0.replace(COUNTS, &reports.iter().flat_map(Report::to_json).collect::<Vec<_>>())
    }

    /// The period ended: its reports wait from now on. Takes out of `reports` those that were written, and gives their
    /// ids; what is left when there was no error had no room. A report that waits already is left as it is.
    pub(crate) fn close(&self, reports: &mut Vec<Report>) -> (Vec<ReportId>, Result<(), StoreError>) {
        let mut written = Vec::new();
        let done = self.write_all(reports, &mut written).and_then(|()| self.0.remove(COUNTS));
        (written, done)
    }

    fn write_all(&self, reports: &mut Vec<Report>, written: &mut Vec<ReportId>) -> Result<(), StoreError> {
        let waiting = self.waiting()?;
        reports.retain(|report| !waiting.contains(&report.head.id));
        let room = WAITING.saturating_sub(waiting.len());
        while let Some(report) = reports.pop_if(|_| written.len() < room) {
            let id = report.head.id.clone();
            if let Err(error) = self.0.replace(&waiting_name(&id), &report.to_json()) {
                reports.push(report);
                return Err(error);
            }
            written.push(id);
        }
        Ok(())
    }

    /// The ids of those that wait.
    pub(crate) fn waiting(&self) -> Result<BTreeSet<ReportId>, StoreError> {
        let names = self.0.names()?;
        let ids = names.iter().filter_map(|name| ReportId::parse(name.strip_suffix(WAITS)?).ok());
        Ok(ids.take(WAITING).collect())
    }

    /// One that waits; `None` where there is none that can be read.
    pub(crate) fn read(&self, id: &ReportId) -> Result<Option<Report>, StoreError> {
        let file = self.0.read(&waiting_name(id), MAX_OCTETS as u64)?;
        Ok(file.and_then(|octets| Report::parse(&octets).ok()))
    }

    /// The addresses that need it no more.
    pub(crate) fn sent(&self, id: &ReportId) -> Result<Vec<String>, StoreError> {
        let file = self.0.read(&sent_name(id), MAX_SENT)?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&file).lines().map(str::to_owned).collect())
    }

    pub(crate) fn note_sent(&self, id: &ReportId, addresses: &[String]) -> Result<(), StoreError> {
        self.0.replace(&sent_name(id), addresses.join("\n").as_bytes())
    }

    /// That the folder could not be used.
    pub(crate) fn failed(&self, source: std::io::Error) -> StoreError {
        self.0.failed(source)
    }

    /// It waits no more. The report goes first: addresses of none are swept by nobody and read by nobody, and a report
    /// without its addresses would be sent again.
    pub(crate) fn forget(&self, id: &ReportId) -> Result<(), StoreError> {
        self.0.remove(&waiting_name(id))?;
        self.0.remove(&sent_name(id))
    }

    /// Removes what a crash left: lists of addresses whose report is gone, and beginnings of files.
    pub(crate) fn sweep(&self) -> Result<(), StoreError> {
        let waiting = self.waiting()?;
        for name in self.0.names()? {
            let begun =
                name.strip_suffix(NEW).is_some_and(|name| name.ends_with(WAITS) || name.ends_with(SENT));
            let id = name.strip_suffix(SENT).and_then(|id| ReportId::parse(id).ok());
            if begun || id.is_some_and(|id| !waiting.contains(&id)) {
                self.0.remove(&name)?;
            }
        }
        Ok(())
    }
}

fn waiting_name(id: &ReportId) -> String {
    format!("{id}{WAITS}")
}

fn sent_name(id: &ReportId) -> String {
    format!("{id}{SENT}")
}

//! Reading an access log, from the file to the counts of who claimed to be whom.

use crate::figure::Figure;
use avouch_engine::claim::Catalogue;
use rustix::time::{ClockId, clock_gettime};
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::time::Duration;
use testkit::access_log;

const LINES: u64 = 300_000;
const ROUNDS: usize = 9;

/// What a line may take: 300,000 of them a second and core.
const LINE: f64 = 1e9 / 300_000.0;

/// Lines of the combined format, a third of which name a crawler.
pub(crate) fn figures() -> Vec<Figure> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("access.log");
    let mut file = BufWriter::new(File::create(&path).expect("a file"));
    access_log::write(LINES, &mut file).and_then(|()| file.flush()).expect("room for a log");
    let catalogue = Catalogue::built_in().expect("sound");
    let logs = [path];
    let round = |_| {
        let start = processor_time();
        let tally = avouch_audit::read(&logs, &catalogue, &|_| {}).expect("a log");
        assert_eq!(tally.reading().lines, LINES, "every line is read");
        processor_time().saturating_sub(start)
    };
    let best = (0..ROUNDS).map(round).min().unwrap_or(Duration::MAX);
    let line = best.as_nanos() as f64 / LINES as f64;
    vec![Figure {
        name: "audit: a line of an access log, of all cores together / 3.33 µs",
        ratio: line / LINE,
        goal: 0.2,
        limit: 1.0,
        detail: format!("{line:.0} ns, {:.1} million lines a second and core", 1e3 / line),
    }]
}

/// The processor time of all threads: reading takes several.
fn processor_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).expect("a process's time is not negative")
}

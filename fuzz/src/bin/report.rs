//! Aggregate reports, plain, packed and in mails: what is read is written and read alike.
#![no_main]

use avouch_wire::report::{MAX_ROWS, Report, open, pack};

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    if let Ok(report) = open(octets) {
        assert!(report.rows.len() <= MAX_ROWS);
        assert_eq!(open(&pack(&report)), Ok(report));
    }
    let _ = Report::parse(octets);
});

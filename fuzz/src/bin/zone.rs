//! Zone files.
#![no_main]

use avouch_dns::ZoneFiles;
use avouch_engine::evidence::Dnssec;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let Ok(zones) = ZoneFiles::parse(&[("fuzzed", text)], Dnssec::Insecure) else { return };
    assert!(zones.txts().all(|txt| !txt.txt.records.is_empty()));
});

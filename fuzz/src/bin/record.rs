//! The _saip record: what is read is written and read again alike, alone and united with others.
#![no_main]

use avouch_wire::record::{Level, MAX_LIVE_KEYS, Published, Record};
use avouch_wire::time::Time;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    let _ = Record::read(octets);
    if let Some(record) = std::str::from_utf8(octets).ok().and_then(|text| Record::parse(text).ok()) {
        let written = record.to_string();
        assert_eq!(Record::parse(&written).as_ref(), Ok(&record));
        assert_eq!(record.strings().concat(), written);
    }
    let published = Published::unite(octets.split(|octet| *octet == b'\n'), Level::Domain);
    let now = Time::from_seconds(1_790_000_000);
    assert!(published.keys(now).count() <= MAX_LIVE_KEYS);
});

//! Range files of crawlers: what is read holds addresses, and is read alike again.
#![no_main]

use avouch_wire::ranges::{MAX_PREFIXES, Ranges};

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    if let Ok(ranges) = Ranges::parse(octets) {
        assert!(!ranges.is_empty() && ranges.len() <= MAX_PREFIXES);
        assert_eq!(Ranges::parse(octets), Ok(ranges));
    }
});

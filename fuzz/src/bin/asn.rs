//! Tables of autonomous systems, text and MMDB: what is read knows an address, and no system is 0.
#![no_main]

use avouch_wire::asn::AsnTable;
use std::net::IpAddr;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    let Ok(table) = AsnTable::parse(octets) else { return };
    assert!(!table.is_empty());
    let address = octets.first_chunk::<4>().copied().unwrap_or_default();
    let origins = table.origins(IpAddr::from(address));
    assert!(!origins.contains(&0) && origins.is_sorted());
});

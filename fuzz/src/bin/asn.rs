//! Tables of autonomous systems, text and MMDB: what is read knows an address, and no system is 0.
#![no_main]

use avouch_wire::asn::AsnTable;
use std::net::IpAddr;

/// The end of an MMDB file with a tree of two nodes of two 24-bit records, over IPv4.
const METADATA: &[u8] = b"\xab\xcd\xefMaxMind.com\xe9\x5bbinary_format_major_version\xa1\x02\
    \x5bbinary_format_minor_version\xa0\x4bbuild_epoch\x01\x02\x01\x4ddatabase_type\x41x\
    \x4bdescription\xe0\x4aip_version\xa1\x04\x49languages\x00\x04\x4anode_count\xc1\x02\
    \x4brecord_size\xa1\x18";

/// Octets of that tree.
const TREE: usize = 12;

fn check(octets: &[u8], address: [u8; 4]) {
    let Ok(table) = AsnTable::parse(octets) else { return };
    assert!(!table.is_empty());
    let origins = table.origins(IpAddr::from(address));
    assert!(!origins.contains(&0) && origins.is_sorted());
}

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    let address = octets.first_chunk::<4>().copied().unwrap_or_default();
    check(octets, address);
    if let Some((tree, data)) = octets.split_at_checked(TREE) {
        check(&[tree, &[0; 16], data, METADATA].concat(), address);
    }
});

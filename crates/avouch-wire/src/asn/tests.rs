//! Tables as text, which network decides, and each rule's near miss.

use super::*;
use crate::record::NetworkError;
use proptest::prelude::*;

fn table(text: &str) -> AsnTable {
    AsnTable::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn origins(table: &AsnTable, address: &str) -> Vec<u32> {
    table.origins(address.parse().unwrap()).to_vec()
}

fn flaw(text: &str) -> Option<(usize, LineFlaw)> {
    match AsnTable::parse(text.as_bytes()) {
        Ok(_) => None,
        Err(AsnError::Line { line, flaw }) => Some((line, flaw)),
        Err(other) => panic!("{text}: {other}"),
    }
}

#[test]
fn a_table_of_iptoasn_is_read() {
    let mut text =
        b"1.0.0.0\t1.0.0.255\t13335\tUS\tCLOUDFLARENET\n1.0.1.0\t1.0.3.255\t0\tNone\tNot routed\n".to_vec();
    text.extend(b"192.0.2.0\t192.0.2.9\t64500\tDE\tM\xfcller, \"GmbH\"\r\n\n");
    text.extend(b"2001:db8::\t2001:db8:ffff:ffff:ffff:ffff:ffff:ffff\t4294967295\tZZ\t-\n");
    let table = AsnTable::parse(&text).unwrap();
    for (address, expected) in [
        ("1.0.0.0", &[13335][..]),
        ("1.0.0.255", &[13335]),
        ("::ffff:1.0.0.7", &[13335]),
        ("1.0.1.0", &[]),
        ("0.255.255.255", &[]),
        ("192.0.2.9", &[64500]),
        ("192.0.2.10", &[]),
        ("2001:db8:7::1", &[u32::MAX]),
        ("2001:db9::", &[]),
        ("255.255.255.255", &[]),
    ] {
        assert_eq!(origins(&table, address), expected, "{address}");
    }
    assert_eq!((table.len(), table.is_empty(), table.built()), (3, false, None));
}

#[test]
fn a_table_with_commas_is_read() {
    let geolite = table(
        "network,autonomous_system_number,autonomous_system_organization\n1.0.0.0/24,13335,CLOUDFLARENET\n\
         \"2001:db8::/32\",\"AS64500\",\"Acme, Inc.\"\n",
    );
    assert_eq!(origins(&geolite, "1.0.0.1"), [13335]);
    assert_eq!(origins(&geolite, "2001:db8::1"), [64500]);
    assert_eq!(origins(&table("192.0.2.0,192.0.2.255,64500,Acme\n"), "192.0.2.255"), [64500]);
    assert_eq!(origins(&table("192.0.2.0/24,64500"), "192.0.2.255"), [64500]);
}

#[test]
fn the_narrowest_network_decides_and_equal_ones_decide_together() {
    let table =
        table("10.0.0.0/8,1\n10.1.0.0/16,2\n10.1.0.0/16,3\n10.1.0.0/16,2\n10.2.0.0/16,1\n0.0.0.0/0,9\n");
    for (address, expected) in [
        ("10.0.0.1", &[1][..]),
        ("10.1.0.0", &[2, 3]),
        ("10.1.255.255", &[2, 3]),
        ("10.2.0.0", &[1]),
        ("10.255.255.255", &[1]),
        ("11.0.0.0", &[9]),
        ("9.255.255.255", &[9]),
        ("255.255.255.255", &[9]),
    ] {
        assert_eq!(origins(&table, address), expected, "{address}");
    }
}

#[test]
fn each_rule_of_a_line_refuses_its_near_miss() {
    let network = |error| Some((1, LineFlaw::Network(error)));
    let long = format!("192.0.2.0/24,1,{}", "x".repeat(4096));
    for (text, expected) in [
        ("192.0.2.0/24,0\n192.0.2.1/32,1", None),
        ("192.0.2.0/24", Some((1, LineFlaw::Columns))),
        ("1.0.0.0/8,1\n192.0.2.0\t192.0.2.9", Some((2, LineFlaw::Columns))),
        ("1.0.0.0/8,1\nnetwork,number", Some((2, LineFlaw::Address))),
        ("192.0.2.0\t192.0.2.x\t1", Some((1, LineFlaw::Address))),
        ("192.0.2.9\t192.0.2.0\t1", Some((1, LineFlaw::Order))),
        ("192.0.2.9\t2001:db8::\t1", Some((1, LineFlaw::Order))),
        ("192.0.2.0/33,1", network(NetworkError::Syntax)),
        ("192.0.2.1/24,1", network(NetworkError::HostBits("192.0.2.0/24".parse().unwrap()))),
        ("192.0.2.0/24,4294967296", Some((1, LineFlaw::Number))),
        ("192.0.2.0/24,-1", Some((1, LineFlaw::Number))),
        ("192.0.2.0/24,+1", Some((1, LineFlaw::Number))),
        ("192.0.2.0/24,", Some((1, LineFlaw::Number))),
        ("192.0.2.0/24,as1", Some((1, LineFlaw::Number))),
        ("192.0.2.0/24,\u{0661}", Some((1, LineFlaw::Number))),
        (&long, Some((1, LineFlaw::TooLong))),
    ] {
        assert_eq!(flaw(text), expected, "{text}");
    }
}

#[test]
fn a_file_without_a_single_origin_is_refused() {
    for text in ["", "\n", "network,number\n", "192.0.2.0/24,0\n"] {
        assert_eq!(AsnTable::parse(text.as_bytes()), Err(AsnError::Empty), "{text}");
    }
    assert_eq!(AsnTable::parse(b"\x1f\x8b\x08\0"), Err(AsnError::Compressed));
    assert_eq!(AsnTable::parse(b"\xab\xcd\xefMaxMind.com"), Err(AsnError::Mmdb));
    assert_eq!(
        AsnTable::parse(b"1.0.0.0/8,1\nx").unwrap_err().to_string(),
        "line 2: holds something that is not an address; write 192.0.2.0 or 2001:db8::"
    );
}

/// The origins by the rule itself: of the networks that hold the address, the narrowest.
fn by_the_rule(rows: &[(u8, u8, u32)], address: u8) -> Vec<u32> {
    let holding = rows.iter().filter(|(first, last, _)| (*first..=*last).contains(&address));
    let narrowest = holding.clone().map(|(first, last, _)| last - first).min();
    let deciding = holding.filter(|(first, last, _)| Some(last - first) == narrowest);
    let mut origins: Vec<u32> = deciding.map(|(.., origin)| *origin).collect();
    origins.sort_unstable();
    origins.dedup();
    origins
}

proptest! {
    #[test]
    fn every_address_has_the_origins_of_the_rule(
        rows in prop::collection::vec((any::<u8>(), any::<u8>(), 1_u32..4), 1..12),
        top in prop::sample::select(vec!["0.0.0", "255.255.255"]),
    ) {
        let rows: Vec<_> = rows.into_iter().map(|(a, b, origin)| (a.min(b), a.max(b), origin)).collect();
        let text: String =
            rows.iter().map(|(a, b, origin)| format!("{top}.{a}\t{top}.{b}\t{origin}\n")).collect();
        let table = table(&text);
        for address in 0..=255 {
            let found = origins(&table, &format!("{top}.{address}"));
            prop_assert_eq!(found, by_the_rule(&rows, address), "{} in {}", address, text);
        }
    }

    #[test]
    fn no_octets_make_the_parser_panic(mut octets in prop::collection::vec(any::<u8>(), 0..300), mmdb: bool) {
        if mmdb {
            octets.extend(b"\xab\xcd\xefMaxMind.com\xe0");
        }
        let _ = AsnTable::parse(&octets);
    }
}

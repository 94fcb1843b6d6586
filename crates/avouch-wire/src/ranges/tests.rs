//! What is read, and each rule's near miss.

use super::*;
use crate::record::NetworkError;
use proptest::prelude::*;

fn ranges(prefixes: &str) -> Result<Ranges, RangesError> {
    Ranges::parse(format!("{{\"prefixes\":[{prefixes}]}}").as_bytes())
}

fn v4(text: &str) -> String {
    format!("{{\"ipv4Prefix\":\"{text}\"}}")
}

fn v6(text: &str) -> String {
    format!("{{\"ipv6Prefix\":\"{text}\"}}")
}

fn flaw(prefix: &str) -> Option<PrefixFlaw> {
    match ranges(prefix) {
        Ok(_) => None,
        Err(RangesError::Prefix { number: 1, flaw }) => Some(flaw),
        Err(other) => panic!("{prefix}: {other}"),
    }
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn a_file_is_read_as_operators_write_it() {
    let file = br#"{
      "creationTime": "2024-01-03T10:00:00.121331", "syncToken": 7,
      "prefixes": [
        {"ipv4Prefix": "157.55.39.0/24", "service": "crawl", "scope": ["a", {"b": null}]},
        {"ipv6Prefix": "2001:4860:4801:10::/64"}, {"ipv4Prefix": "192.0.2.7"}
      ], "notes": "in the shape of three operators"
    }"#;
    let ranges = Ranges::parse(file).unwrap();
    for inside in ["157.55.39.0", "157.55.39.255", "2001:4860:4801:10::1", "192.0.2.7", "::ffff:192.0.2.7"] {
        assert!(ranges.contains(address(inside)), "{inside}");
    }
    for outside in ["157.55.38.255", "157.55.40.0", "2001:4860:4801:11::", "192.0.2.6", "192.0.2.8", "::"] {
        assert!(!ranges.contains(address(outside)), "{outside}");
    }
    assert_eq!((ranges.len(), ranges.is_empty()), (3, false));
    assert_eq!(ranges.created().unwrap().to_string(), "2024-01-03T10:00:00Z");
}

#[test]
fn the_time_of_making_is_read_in_each_spelling_and_never_a_reason_to_refuse() {
    let created = |value: &str| {
        let file = format!("{{\"creationTime\":{value},\"prefixes\":[{}]}}", v4("192.0.2.0/24"));
        Ranges::parse(file.as_bytes()).map(|ranges| ranges.created().map(|created| created.to_string()))
    };
    let read = |text: &str| Ok(Some(text.to_owned()));
    assert_eq!(created("\"2026-08-18T23:56:36Z\""), read("2026-08-18T23:56:36Z"));
    assert_eq!(created("\"2026-08-19T01:56:36+02:00\""), read("2026-08-18T23:56:36Z"));
    assert_eq!(created("\"2025-10-30T12:00:00.000000\""), read("2025-10-30T12:00:00Z"));
    for none in ["null", "\"test\"", "\"\"", "\"1969-12-31T23:59:59Z\""] {
        assert_eq!(created(none), Ok(None), "{none}");
    }
    assert!(matches!(created("7"), Err(RangesError::Shape { .. })));
}

#[test]
fn networks_that_overlap_or_touch_become_one() {
    let touching = [v4("192.0.2.128/25"), v4("192.0.2.0/25"), v4("192.0.2.7/32"), v4("192.0.4.0/24")];
    assert_eq!(ranges(&touching.join(",")).unwrap().len(), 2);
    let ends = [v4("255.0.0.0/8"), v4("255.255.255.255/32"), v4("0.0.0.0/8")];
    let ends = ranges(&ends.join(",")).unwrap();
    assert_eq!(ends.len(), 2);
    assert!(ends.contains(address("255.255.255.255")) && ends.contains(address("0.0.0.0")));
}

#[test]
fn what_is_mapped_is_ipv4_and_held_to_its_rules() {
    assert_eq!(ranges(&v6("::ffff:192.0.2.0/120")), ranges(&v4("192.0.2.0/24")));
    assert_eq!(flaw(&v6("::ffff:10.0.0.0/104")), None);
    for broad in ["::ffff:10.0.0.0/103", "::ffff:0:0/96"] {
        assert_eq!(flaw(&v6(broad)), Some(PrefixFlaw::Network(NetworkError::TooBroad)), "{broad}");
    }
}

#[test]
fn each_rule_of_a_prefix_refuses_its_near_miss() {
    let broad = Some(PrefixFlaw::Network(NetworkError::TooBroad));
    let syntax = Some(PrefixFlaw::Network(NetworkError::Syntax));
    let meant = Some(PrefixFlaw::Network(NetworkError::HostBits("192.0.2.0/24".parse().unwrap())));
    for (prefix, expected) in [
        (v4("10.0.0.0/8"), None),
        (v4("10.0.0.0/7"), broad),
        (v6("2001:c000::/19"), None),
        (v6("2001::/18"), broad),
        (v4("192.0.2.1/24"), meant),
        (v4("192.0.2.0/33"), syntax),
        (v4(" 192.0.2.0/24"), syntax),
        (v4("192.0.2.0-192.0.2.9"), syntax),
        (v4(""), syntax),
        (v4("2001:db8::/32"), Some(PrefixFlaw::Family)),
        (v6("192.0.2.0/24"), Some(PrefixFlaw::Family)),
        ("{}".to_owned(), Some(PrefixFlaw::NotOne)),
        ("{\"ipv4prefix\":\"192.0.2.0/24\"}".to_owned(), Some(PrefixFlaw::NotOne)),
        (
            "{\"ipv4Prefix\":\"192.0.2.0/24\",\"ipv6Prefix\":\"2001:db8::/32\"}".to_owned(),
            Some(PrefixFlaw::NotOne),
        ),
    ] {
        assert_eq!(flaw(&prefix), expected, "{prefix}");
    }
    assert_eq!(
        ranges(&format!("{},{}", v4("192.0.2.0/24"), v4("192.0.2.1/24"))).unwrap_err().to_string(),
        "prefix 2: has bits set beyond its prefix; write a network such as 192.0.2.0/24 or 2001:db8::/32"
    );
}

#[test]
fn each_rule_of_the_file_refuses_its_near_miss() {
    assert_eq!(ranges(""), Err(RangesError::Empty));
    assert_eq!(Ranges::parse(b"<html>"), Err(RangesError::Syntax { line: 1, column: 1 }));
    assert!(matches!(Ranges::parse(b""), Err(RangesError::Syntax { .. })));
    assert!(matches!(Ranges::parse(b"{\"prefixes\":[]}x"), Err(RangesError::Syntax { .. })));
    for shape in ["{}", "{\"prefixes\":{}}", "{\"prefixes\":[\"192.0.2.0/24\"]}", "[7]", "7"] {
        assert!(matches!(Ranges::parse(shape.as_bytes()), Err(RangesError::Shape { .. })), "{shape}");
    }
    let twice = format!("{{\"prefixes\":[{0}],\"prefixes\":[{0}]}}", v4("192.0.2.0/24"));
    assert!(matches!(Ranges::parse(twice.as_bytes()), Err(RangesError::Shape { .. })));
}

#[test]
fn each_limit_holds_at_its_number() {
    let many = |count: usize| ranges(&vec![v4("192.0.2.7"); count].join(","));
    assert!(many(MAX_PREFIXES).is_ok());
    assert_eq!(many(MAX_PREFIXES + 1), Err(RangesError::TooMany));
    let padded = |length: usize| {
        let file = format!("{{\"prefixes\":[{}]}}", v4("192.0.2.7"));
        Ranges::parse([file.as_bytes(), &vec![b' '; length - file.len()]].concat().as_slice())
    };
    assert!(padded(MAX_OCTETS).is_ok());
    assert_eq!(padded(MAX_OCTETS + 1), Err(RangesError::TooLong));
}

proptest! {
    #[test]
    fn no_octets_make_the_parser_panic(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Ranges::parse(&octets);
    }

    #[test]
    fn an_address_is_inside_where_one_of_the_networks_holds_it(
        networks in prop::collection::vec((any::<u32>(), 8_u8..=32), 1..20),
        probe in any::<u32>(),
    ) {
        let networks: Vec<ipnet::Ipv4Net> = networks.into_iter()
            .map(|(bits, length)| ipnet::Ipv4Net::new(bits.into(), length).unwrap().trunc()).collect();
        let file: Vec<_> = networks.iter().map(|network| v4(&network.to_string())).collect();
        let ranges = ranges(&file.join(",")).unwrap();
        let ends = networks.iter().flat_map(|network| {
            let (first, last) = (network.network().to_bits(), network.broadcast().to_bits());
            [first, last, first.wrapping_sub(1), last.wrapping_add(1)]
        });
        for bits in ends.chain([probe]) {
            let held = networks.iter().any(|network| network.contains(&std::net::Ipv4Addr::from_bits(bits)));
            prop_assert_eq!(ranges.contains(IpAddr::V4(bits.into())), held);
        }
    }
}

//! What is received, how old it is, and what a file that cannot be used leaves behind.

use super::*;
use std::fs::File;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

const NOW: Time = Time::from_seconds(1_790_000_000);

fn day(number: u64) -> Time {
    Time::from_seconds(number * 86_400)
}

fn ranges(network: &str) -> Vec<u8> {
    format!("{{\"prefixes\":[{{\"ipv4Prefix\":\"{network}\"}}]}}").into_bytes()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Writes a file that was last changed so long before `NOW`.
fn write(path: &Path, content: &[u8], age: Duration) {
    std::fs::write(path, content).unwrap();
    let modified = UNIX_EPOCH + Duration::from_secs(NOW.seconds()) - age;
    File::options().write(true).open(path).unwrap().set_modified(modified).unwrap();
}

#[test]
fn an_address_in_one_of_several_files_is_inside_and_absence_is_as_old_as_the_oldest() {
    let mut networks = Networks::default();
    assert_eq!(networks.in_ranges("GPTBot", address("192.0.2.1")), Held::Missing);
    networks.receive_ranges("GPTBot", "a", &ranges("192.0.2.0/25"), day(1)).unwrap();
    networks.receive_ranges("GPTBot", "b", &ranges("192.0.2.0/24"), day(2)).unwrap();
    let held = |text: &str| networks.in_ranges("GPTBot", address(text));
    assert_eq!(held("192.0.2.1"), Held::Data { value: true, from: day(2) });
    assert_eq!(held("192.0.2.200"), Held::Data { value: true, from: day(2) });
    assert_eq!(held("192.0.3.1"), Held::Data { value: false, from: day(1) });
    assert_eq!(networks.in_ranges("Bingbot", address("192.0.2.1")), Held::Missing);
}

#[test]
fn what_is_refused_leaves_the_last_good_data() {
    let mut networks = Networks::default();
    networks.receive_ranges("GPTBot", "a", &ranges("192.0.2.0/24"), day(1)).unwrap();
    networks.receive_asn("a", b"192.0.2.0/24,64500", day(1)).unwrap();
    assert!(networks.receive_ranges("GPTBot", "a", b"<html>", day(2)).is_err());
    assert!(networks.receive_asn("a", b"<html>", day(2)).is_err());
    let from = day(1);
    assert_eq!(networks.in_ranges("GPTBot", address("192.0.2.1")), Held::Data { value: true, from });
    assert_eq!(networks.origins(address("192.0.2.1")), Held::Data { value: vec![64500], from });
    networks.receive_ranges("GPTBot", "a", &ranges("192.0.3.0/24"), day(2)).unwrap();
    let from = day(2);
    assert_eq!(networks.in_ranges("GPTBot", address("192.0.2.1")), Held::Data { value: false, from });
}

#[test]
fn origins_of_a_table_that_is_too_old_are_not_relied_on() {
    let mut networks = Networks::default();
    networks.receive_asn("a", b"192.0.2.0/24,64500", day(1)).unwrap();
    assert_eq!(networks.current_origins(address("192.0.2.1"), day(31)), [64500]);
    assert_eq!(networks.current_origins(address("192.0.2.1"), day(32)), [0; 0]);
    assert_eq!(networks.current_origins(address("192.0.3.1"), day(1)), [0; 0]);
}

#[test]
fn a_file_is_as_old_as_its_last_change_and_one_that_breaks_leaves_the_last_good_data() {
    let folder = tempfile::tempdir().unwrap();
    let (table, gptbot) = (folder.path().join("asn.csv"), folder.path().join("gptbot.json"));
    write(&table, b"192.0.2.0/24,64500", Duration::from_secs(86_400));
    write(&gptbot, &ranges("192.0.2.0/24"), Duration::ZERO);
    let sources = Sources { asn: Some(table.clone()), ranges: vec![("GPTBot".to_owned(), gptbot.clone())] };
    let first = sources.load(&Networks::default(), NOW).0;
    let ages: Vec<_> = first.ages(NOW).map(|age| (age.of, age.age.as_secs())).collect();
    assert_eq!(ages, [("asn", 86_400), ("GPTBot", 0)]);
    // The same length and time: not read again, though the content differs.
    write(&table, b"192.0.2.0/24,64501", Duration::from_secs(86_400));
    let again = sources.load(&first, NOW).0;
    assert_eq!(again.current_origins(address("192.0.2.1"), NOW), [64500]);
    write(&table, b"192.0.2.0/24,64501", Duration::from_secs(3_600));
    let changed = sources.load(&again, NOW).0;
    assert_eq!(changed.current_origins(address("192.0.2.1"), NOW), [64501]);
    write(&gptbot, b"{}", Duration::ZERO);
    std::fs::remove_file(&table).unwrap();
    let (kept, errors) = sources.load(&changed, NOW);
    assert!(
        matches!(errors.as_slice(), [SourceError::Read { .. }, SourceError::Ranges { .. }]),
        "{errors:?}"
    );
    let held = |networks: &Networks| networks.in_ranges("GPTBot", address("192.0.2.1"));
    assert_eq!(kept.current_origins(address("192.0.2.1"), NOW), [64501]);
    assert_eq!(held(&kept), held(&changed));
    let other = Sources { asn: None, ranges: vec![("Bingbot".to_owned(), gptbot)] };
    assert_eq!(other.load(&kept, NOW).0.ages(NOW).count(), 0, "what is no longer named is no longer used");
}

#[test]
fn a_file_from_the_future_is_as_old_as_the_moment_it_was_read() {
    let folder = tempfile::tempdir().unwrap();
    let gptbot = folder.path().join("gptbot.json");
    std::fs::write(&gptbot, ranges("192.0.2.0/24")).unwrap();
    let later = UNIX_EPOCH + Duration::from_secs(NOW.seconds() + 1_000_000);
    File::options().write(true).open(&gptbot).unwrap().set_modified(later).unwrap();
    let sources = Sources { asn: None, ranges: vec![("GPTBot".to_owned(), gptbot)] };
    let networks = sources.load(&Networks::default(), NOW).0;
    let from = NOW;
    assert_eq!(networks.in_ranges("GPTBot", address("192.0.2.1")), Held::Data { value: true, from });
}

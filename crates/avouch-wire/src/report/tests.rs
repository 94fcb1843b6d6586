//! What is read, and each rule's near miss.

use super::*;
use crate::record::ReportToError;
use proptest::prelude::*;

const WHOLE: &str = r#"{
  "version": 1, "report_id": "5f3a.b_C-1", "organization": "Büro & Töchter", "contact": "saip+r@Shop.example",
  "domain": "Acme.example", "begin": "2026-11-25T00:00:00Z", "end": "2026-11-26T01:00:00+01:00",
  "record": {"dnssec": "secure", "texts": ["v=saip1; rua=mailto:saip@acme.example"]},
  "rows": [
    {"requests": 1234, "class": 3, "standing": "verified", "cause": null, "mechanism": "saip-rolling",
     "reason": "signature-verified", "dnssec": "secure", "agent": "crawler-7", "network": "192.0.2.0/24"},
    {"requests": 5, "class": 1, "standing": "undetermined", "cause": "permanent", "mechanism": "none",
     "reason": "dns-bogus", "dnssec": "bogus", "agent": null, "network": "2001:db8:1::/48", "later": [1]},
    {"requests": 1, "class": 1, "standing": "invalid", "mechanism": "none", "reason": "not-confirmed"}
  ],
  "unlisted": 7, "notes": {"of": "another version"}
}"#;

fn whole() -> Report {
    Report::parse(WHOLE.as_bytes()).unwrap()
}

/// What comes of the whole report when a part of its text is another.
fn with(old: &str, new: &str) -> Result<Report, ReportError> {
    assert!(WHOLE.contains(old), "{old}");
    Report::parse(WHOLE.replacen(old, new, 1).as_bytes())
}

#[test]
fn a_report_is_read_with_all_that_it_says() {
    let report = whole();
    assert_eq!(report.requests(), 1247);
    assert_eq!(report.head.domain.as_str(), "acme.example");
    assert_eq!(report.head.contact.domain(), "shop.example");
    assert_eq!(report.head.end.since(report.head.begin).as_secs(), 86_400);
    assert_eq!(report.rows[1].outcome.standing, Standing::UndeterminedPermanent);
    assert_eq!(report.rows[2].agent, None);
    let name = "shop.example!acme.example!1795564800!1795651200!5f3a.b_C-1.json.gz";
    assert_eq!(report.head.file_name(), name);
}

#[test]
fn what_is_written_reads_back_the_same_plain_packed_and_mailed() {
    let report = whole();
    let json = report.to_json();
    assert_eq!(Report::parse(&json), Ok(report.clone()));
    assert_eq!(open(&json), Ok(report.clone()));
    let packed = pack(&report);
    assert!(packed.len() < json.len());
    assert_eq!(open(&packed), Ok(report.clone()));
    let to = Mailbox::parse("saip@acme.example").unwrap();
    let mail = mail(&report.head, &packed, &to, Time::from_seconds(1_790_000_000));
    assert!(mail.split(|octet| *octet == b'\n').all(|line| line.len() < 1000));
    assert_eq!(open(&mail), Ok(report));
}

#[test]
fn a_mail_has_what_mail_servers_ask_for() {
    let report = whole();
    let to = Mailbox::parse("saip@acme.example").unwrap();
    let mail = String::from_utf8(mail(&report.head, b"x", &to, Time::from_seconds(1_790_000_000))).unwrap();
    for line in [
        "From: saip+r@Shop.example\r\n",
        "To: saip@acme.example\r\n",
        "Date: Mon, 21 Sep 2026 14:13:20 +0000\r\n",
        "Message-ID: <5f3a.b_C-1@shop.example>\r\n",
        "Subject: Report Domain: acme.example\r\n Submitter: shop.example\r\n Report-ID: 5f3a.b_C-1\r\n",
        "Auto-Submitted: auto-generated\r\n",
        "Content-Type: application/vnd.avouch.saip-report+gzip\r\n",
    ] {
        assert!(mail.contains(line), "{line}");
    }
    assert!(mail.is_ascii());
}

#[test]
fn an_attachment_is_found_as_other_mailers_send_it_and_no_other_part_is_taken_for_one() {
    let json = String::from_utf8(whole().to_json()).unwrap();
    let mail = |head: &str| {
        format!(
            "From: a@b.example\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\nHello.\n--x\n{head}\n\n{json}\n--x--\n"
        )
    };
    for head in [
        "Content-Type: application/vnd.avouch.saip-report+json",
        "Content-Type: application/octet-stream; name=\"a!b!1!2!3.json\"",
        "Content-Disposition: attachment; filename=a!b!1!2!3.json",
    ] {
        assert_eq!(open(mail(head).as_bytes()), Ok(whole()), "{head}");
    }
    for head in ["Content-Type: application/json", "Content-Disposition: attachment; filename=notes.json"] {
        assert_eq!(open(mail(head).as_bytes()), Err(OpenError::Mail(MailError::NoReport)), "{head}");
    }
    assert_eq!(open(b""), Err(OpenError::Mail(MailError::NoMail)));
    assert_eq!(open(&vec![b'a'; MAX_MAIL + 1]), Err(OpenError::Mail(MailError::TooLong)));
}

#[test]
fn what_is_packed_is_bounded_unpacked_and_must_be_whole() {
    let packed = |octets: &[u8]| {
        use std::io::Write as _;
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        out.write_all(octets).unwrap();
        out.finish().unwrap()
    };
    let bomb = packed(&vec![b' '; 64 << 20]);
    assert!(bomb.len() < 100_000);
    assert_eq!(open(&bomb), Err(OpenError::Report(ReportError::TooLong)));
    let most = [whole().to_json(), vec![b' '; MAX_OCTETS]].concat();
    assert_eq!(open(&packed(&most[..MAX_OCTETS])), Ok(whole()));
    let whole = pack(&whole());
    assert_eq!(open(&whole[..whole.len() - 1]), Err(OpenError::Gzip));
}

#[test]
fn each_rule_of_the_head_refuses_its_near_miss() {
    let word = ReportError::Word;
    for (old, new, error) in [
        ("\"version\": 1", "\"version\": 2", ReportError::Version(2)),
        ("5f3a.b_C-1", "", word("report_id", WordError::Id)),
        ("5f3a.b_C-1", "a>b", word("report_id", WordError::Id)),
        ("Büro", "\\u001b[2J", word("organization", WordError::Organization)),
        ("Büro", "\\u202e", word("organization", WordError::Organization)),
        ("saip+r@Shop.example", "shop", word("contact", WordError::Mailbox(ReportToError::Part))),
        ("Acme.example", "example", ReportError::Domain(Domain::parse("example").unwrap_err())),
        ("2026-11-25T00:00:00Z", "2026-11-26T00:00:00Z", ReportError::Period),
        ("2026-11-25T00:00:00Z", "2026-11-25", ReportError::Period),
        ("2026-11-25T00:00:00Z", "1926-11-25T00:00:00Z", ReportError::Period),
        ("\"secure\", \"texts\"", "\"Secure\", \"texts\"", word("dnssec", WordError::Code)),
        ("\"unlisted\": 7", "\"unlisted\": 9007199254740992", ReportError::Unlisted),
    ] {
        assert_eq!(with(old, new), Err(error), "{new}");
    }
    let texts = |count: usize| with("[\"v=saip1; rua", &format!("[{}\"v=saip1; rua", "\"\",".repeat(count)));
    assert!(texts(15).is_ok());
    assert_eq!(texts(16), Err(ReportError::Record));
    assert_eq!(with("v=saip1; rua", &"x".repeat(4096)), Err(ReportError::Record));
    assert!(matches!(with("\"version\": 1, ", ""), Err(ReportError::Shape { .. })));
    assert!(matches!(with("\"rows\": [", "\"rows\": {"), Err(ReportError::Shape { line: 5, .. })));
    assert!(matches!(with("\"unlisted\": 7", "\"unlisted\": 7]"), Err(ReportError::Syntax { line: 12, .. })));
    let twice = with("\"version\": 1", "\"version\": 1, \"domain\": \"other.example\"");
    assert!(
        matches!(twice, Err(ReportError::Shape { .. })),
        "a member that stands twice is read in two ways"
    );
}

#[test]
fn each_rule_of_a_row_refuses_its_near_miss() {
    let flaw = |old: &str, new: &str| match with(old, new) {
        Err(ReportError::Row { number, flaw }) => (number, flaw),
        other => panic!("{new}: {other:?}"),
    };
    for (old, new, found) in [
        ("1234", "0", (1, RowFlaw::Requests)),
        ("1234", "9007199254740992", (1, RowFlaw::Requests)),
        ("\"class\": 3", "\"class\": 2", (1, RowFlaw::Standing)),
        ("\"cause\": null", "\"cause\": \"temporary\"", (1, RowFlaw::Standing)),
        ("\"permanent\"", "null", (2, RowFlaw::Standing)),
        ("\"invalid\"", "\"pseudonymous\"", (3, RowFlaw::Standing)),
        ("saip-rolling", "saip rolling", (1, RowFlaw::Word("mechanism", WordError::Code))),
        ("dns-bogus", "", (2, RowFlaw::Word("reason", WordError::Code))),
        ("\"bogus\"", "\"b/s\"", (2, RowFlaw::Word("dnssec", WordError::Code))),
        ("192.0.2.0/24", "192.0.2.0/25", (1, RowFlaw::Network)),
        ("192.0.2.0/24", "192.0.2.1/24", (1, RowFlaw::Network)),
        ("192.0.2.0/24", "192.0.2.7", (1, RowFlaw::Network)),
        ("2001:db8:1::/48", "2001:db8:1::/64", (2, RowFlaw::Network)),
    ] {
        assert_eq!(flaw(old, new), found, "{new}");
    }
    assert!(matches!(flaw("crawler-7", "Crawler-7"), (1, RowFlaw::Agent(_))));
    assert!(with("192.0.2.0/24", "192.0.0.0/16").is_ok(), "others may tell less");
}

#[test]
fn no_more_rows_are_read_than_the_limit() {
    let mut report = whole();
    report.rows = vec![report.rows[0].clone(); MAX_ROWS];
    assert!(Report::parse(&report.to_json()).is_ok());
    report.rows.push(report.rows[0].clone());
    assert_eq!(Report::parse(&report.to_json()), Err(ReportError::TooMany));
}

#[test]
fn addresses_are_told_as_networks_only() {
    for (address, network) in [
        ("192.0.2.200", "192.0.2.0/24"),
        ("::ffff:192.0.2.200", "192.0.2.0/24"),
        ("2001:db8:1:2:3::4", "2001:db8:1::/48"),
    ] {
        assert_eq!(network_of(address.parse().unwrap()).unwrap().to_string(), network);
    }
}

proptest! {
    #[test]
    fn no_file_makes_the_reader_panic(octets in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = open(&octets);
        let _ = open(&[&[0x1f, 0x8b, 8, 0][..], &octets].concat());
        let _ = open(&[b"Content-Type: multipart/mixed; boundary=x\n\n--x\n", &octets[..]].concat());
    }

    #[test]
    fn a_damaged_report_is_read_as_it_was_written_or_refused(at in 0..WHOLE.len(), octet: u8) {
        let mut text = WHOLE.as_bytes().to_vec();
        text[at] = octet;
        if let Ok(report) = Report::parse(&text) {
            prop_assert_eq!(Report::parse(&report.to_json()), Ok(report));
        }
    }
}

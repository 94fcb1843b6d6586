use super::*;

const NOW: Time = Time::from_seconds(1_790_000_000);
const ED25519: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
const COMPRESSED: &str = "A2sX0fLhLEJH-Lzm5WOkQPJ3A32BLeszoPShOUXYmMKW";

fn at<'a>(name: &'a str, texts: &'a [&'a str]) -> Subject<'a> {
    let texts = texts.iter().map(|text| text.as_bytes()).collect();
    Subject { name: Some(name), texts, ..Subject::default() }
}

fn codes(subjects: &[Subject<'_>]) -> Vec<&'static str> {
    lint(subjects, NOW).iter().map(|finding| finding.concern.code()).collect()
}

fn codes_at(name: &str, text: &str) -> Vec<&'static str> {
    codes(&[at(name, &[text])])
}

#[test]
fn a_plain_record_gives_no_finding() {
    let key = format!("v=saip1; pk={ED25519}");
    assert!(codes_at("bot._saip.acme.example", &key).is_empty());
    let text = "v=saip1; re=re.example; asn=64500; ip=192.0.2.0/24; rua=mailto:saip@acme.example";
    assert!(codes_at("_saip.acme.example", text).is_empty());
}

#[test]
fn each_concern_about_a_text_is_found() {
    let cases = [
        ("v=saip1; exp=x", vec!["exp-invalid"]),
        ("V=saip1; pk=", vec!["version-not-first"]),
        ("v=spf1 -all", vec!["text-foreign", "no-record"]),
        ("v=saip1", vec!["null-record"]),
        ("v=saip1; re=re.example; PK=", vec!["tag-upper-case"]),
        ("v=saip1; re=re.example; p=1", vec!["tag-unknown"]),
        ("v=saip1; re=re.example; exp=1790000000", vec!["expired"]),
        ("v=saip1; re=re.example; exp=1790000001", vec!["expires-soon"]),
        ("v=saip1; ip=11.0.0.0/15", vec!["network-broad"]),
        ("v=saip1; ip=10.1.0.0/24", vec!["network-local"]),
        ("v=saip1; asn=64512", vec!["asn-reserved"]),
        ("v=saip1; re=re.example; k=p256", vec!["key-type-alone"]),
        ("v=saip1; re=re.example; t=y", vec!["testing"]),
        ("v=saip1;  re=re.example", vec!["blanks"]),
        ("v=saip1; re = re.example", vec!["blanks"]),
        ("v=saip1; pk=", vec!["revoked"]),
        ("v=saip1; pk=; ip=192.0.2.0/24", vec!["revoked-with-more"]),
        ("v=saip1; rua=https://r.example.net/", vec!["report-consent"]),
    ];
    for (text, expected) in cases {
        assert_eq!(codes_at("_saip.acme.example", text), expected, "{text}");
    }
    let compressed = format!("v=saip1; pk={COMPRESSED}");
    assert_eq!(codes_at("bot._saip.acme.example", &compressed), ["key-compressed"]);
}

#[test]
fn each_concern_about_a_name_is_found() {
    let key = format!("v=saip1; pk={ED25519}");
    assert_eq!(codes_at("*._saip.acme.example", &key), ["wildcard"]);
    assert_eq!(codes_at("acme.example", &key), ["name-invalid"]);
    assert_eq!(codes_at("_saip.co.uk", &key), ["name-invalid"]);
    assert!(codes_at("acme.example._report._saip.r.example.net", "v=saip1").is_empty());
    assert_eq!(codes(&[at("bot._saip.acme.example", &[])]), ["no-record"]);
    let text = format!("{key}; re=re.example; asn=1; ip=192.0.2.0/24; rua=mailto:a@acme.example");
    assert_eq!(codes_at("bot._saip.acme.example", &text), ["tag-without-effect"; 4]);
    let texts = [key.as_str()];
    let subject = at("bot._saip.acme.example", &texts);
    let with = |subject| codes(&[subject]);
    assert_eq!(with(Subject { wildcard: true, ..subject.clone() }), ["wildcard"]);
    assert_eq!(with(Subject { signed: Some(false), ..subject.clone() }), ["zone-unsigned"]);
    assert_eq!(with(Subject { ttl: Some(301), ..subject.clone() }), ["ttl-long"]);
    assert_eq!(with(Subject { ttl: Some(0), ..subject.clone() }), ["ttl-zero"]);
    assert!(with(Subject { ttl: Some(300), signed: Some(true), ..subject }).is_empty());
    let domain = at("_saip.acme.example", &texts);
    assert!(with(Subject { ttl: Some(3600), ..domain.clone() }).is_empty());
    assert_eq!(with(Subject { ttl: Some(3601), ..domain }), ["ttl-long"]);
}

#[test]
fn what_goes_wrong_on_the_way_into_a_zone_is_named() {
    let at_bot = |texts: &[&str]| codes(&[at("bot._saip.acme.example", texts)]);
    // A whole line, quotes or escapes of a zone file given to a form.
    for text in
        ["\"v=saip1; pk=\"", "bot._saip.acme.example. 300 IN TXT \"v=saip1; pk=\"", "\\\"v=saip1; pk="]
    {
        assert_eq!(at_bot(&[text]), ["zone-file-syntax"], "{text}");
    }
    assert_eq!(at_bot(&["v=saip1\\; pk="]), ["zone-file-syntax"]);
    assert_eq!(at_bot(&["v=saip1; pk=\"AAAA\""]), ["key-invalid", "zone-file-syntax"]);
    assert_eq!(at_bot(&["v=SAIP1; pk="]), ["version-not-first"]);
    assert_eq!(at_bot(&["v=saip2; pk="]), ["version-not-first"]);
    // One record as two, instead of two strings of one.
    let (start, rest) = ED25519.split_at(20);
    let start = format!("v=saip1; pk={start}");
    assert_eq!(at_bot(&[&start, rest]), ["key-invalid", "record-split"]);
    assert_eq!(at_bot(&["v=saip1; k=ed25519", &format!("; pk={ED25519}")]).last(), Some(&"record-split"));
    let whole = format!("v=saip1; pk={ED25519}");
    assert_eq!(at_bot(&[&whole, rest]), ["text-foreign"], "no key is broken");
    assert_eq!(at_bot(&[&whole, "v=DKIM1; k=rsa; p=AAAA"]), ["text-foreign"]);
    assert_eq!(at_bot(&[&whole, "k=rsa; t=s; p=AAAA"]), ["text-foreign"]);
    assert_eq!(
        at_bot(&["v=spf1 -all", "google-site-verification=x"]),
        ["text-foreign", "text-foreign", "no-record"]
    );
}

#[test]
fn a_doubled_name_and_an_alias_are_seen() {
    let key = format!("v=saip1; pk={ED25519}");
    assert_eq!(codes_at("bot._saip.acme.example.acme.example", &key), ["name-doubled"]);
    assert_eq!(codes_at("_saip.bots.acme.example.acme.example", &key), ["name-doubled"]);
    assert!(codes_at("bot._saip.acme.acme.example", &key).is_empty(), "one label may well stand twice");
    let texts = [key.as_str()];
    let alias = |beside_records| Some(Alias { target: "bot.keys.example.net", beside_records });
    let there = at("bot._saip.acme.example", &texts);
    assert_eq!(codes(&[Subject { alias: alias(false), ..there.clone() }]), ["alias"]);
    assert_eq!(codes(&[Subject { alias: alias(true), ..there }]), ["alias", "alias-beside-records"]);
    let only = at("bot._saip.acme.example", &[]);
    assert_eq!(codes(&[Subject { alias: alias(false), ..only }]), ["alias"]);
}

#[test]
fn each_concern_about_the_union_is_found() {
    let key = format!("v=saip1; pk={ED25519}");
    let testing = format!("{key}; t=y");
    assert_eq!(codes(&[at("_saip.acme.example", &[&key, &testing])]), ["testing-overridden"]);
    assert_eq!(codes(&[at("_saip.acme.example", &[&key, "v=saip1; pk="])]), ["revoked-with-more"]);
    let many = ["v=saip1; re=re.example"; 17];
    assert_eq!(codes(&[at("_saip.acme.example", &many)]), ["record-limit"]);
    let long = format!("v=saip1{}", "; ip=192.0.2.0/24".repeat(60));
    assert_eq!(codes(&[at("_saip.acme.example", &[&long])]), ["answer-large"]);
}

#[test]
fn names_are_seen_beside_each_other() {
    let key = format!("v=saip1; pk={ED25519}");
    let texts = [key.as_str()];
    let agent = at("a.fleet._saip.acme.example", &texts);
    assert_eq!(
        codes(&[agent.clone(), at("fleet._saip.acme.example", &["v=saip1; pk="])]),
        ["revoked-above", "revoked"]
    );
    assert_eq!(codes(&[agent.clone(), at("leet._saip.acme.example", &["v=saip1; pk="])]), ["revoked"]);
    assert_eq!(codes(&[agent, at("_saip.acme.example", &texts)]), ["key-shared"; 2]);
}

#[test]
fn every_code_is_documented_and_has_a_fix() {
    let page = include_str!("../../../../../docs/formats/record.md");
    for source in [include_str!("concern.rs"), include_str!("../flaw.rs")] {
        let codes =
            source.split(" => \"").skip(1).filter_map(|rest| rest.split_once('"')).map(|(code, _)| code);
        let codes =
            codes.filter(|code| !code.contains(' ') && !["", "error", "warning", "advice"].contains(code));
        codes.for_each(|code| assert!(page.contains(&format!("| `{code}` |")), "{code}"));
    }
}

#[test]
fn only_what_looks_like_ours_is_worth_examining() {
    assert!(concerns_us("bot._SAIP.acme.example", &[]));
    assert!(concerns_us("acme.example", &[b"V=SAIP1; pk="]));
    assert!(!concerns_us("acme.example", &[b"v=spf1 -all"]));
}

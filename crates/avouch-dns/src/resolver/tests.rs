//! The resolver against a signed server on loopback: each standing with its near miss.

use std::time::Duration;

use avouch_engine::evidence::{Answer, Cause, Dnssec};
use avouch_wire::time::Time;

use super::{Resolver, ResolverSettings};
use crate::{Dns, MAX_LOOKUP, MAX_NEGATIVE_TTL, SignedZones, TrustAnchor};

const RECORDS: &str = "\
_saip.acme.example.           TXT \"v=saip1; asn=64500\"
bot._saip.acme.example. 120   TXT \"v=saip1; \" \"pk=AAAA\"
bot._saip.acme.example. 120   TXT \"v=saip1; pk=\"
*.wild._saip.acme.example.    TXT \"v=saip1\"
www.acme.example.             A 192.0.2.80
www.acme.example.             AAAA 2001:db8::80
v4.acme.example.              A 192.0.2.81
alias.acme.example. 30        CNAME bot._saip.acme.example.
mixed.acme.example.           CNAME bot._saip.plain.example.
dangling.acme.example.        CNAME nobody.acme.example.
loop.acme.example.            CNAME loop.acme.example.
plain.example.                NS ns.plain.example.
sub.plain.example.            NS ns.plain.example.
www.sub.plain.example.        A 192.0.2.82
bot._saip.plain.example.      TXT \"v=saip1; pk=BBBB\"
80.2.0.192.in-addr.arpa.      PTR WWW.acme.example.
ip6.arpa.                     NS ns.plain.example.
0.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. PTR www.acme.example.
";

fn now() -> Time {
    Time::from_seconds(1_790_000_000)
}

fn after(seconds: u64) -> Time {
    Time::from_seconds(1_790_000_000 + seconds)
}

async fn zones() -> SignedZones {
    SignedZones::start(RECORDS).await.unwrap()
}

fn settings(zones: &SignedZones) -> ResolverSettings {
    let mut settings = ResolverSettings::new(vec![zones.address()]);
    settings.trust_anchors = vec![zones.trust_anchor()];
    settings.timeout = Duration::from_millis(300);
    settings
}

fn dns(zones: &SignedZones) -> Dns {
    Dns::Live(Resolver::new(&settings(zones)).unwrap())
}

fn found<T>(answer: Answer<T>) -> (T, Dnssec, Time) {
    match answer {
        Answer::Found { value, dnssec, until } => (value, dnssec, until),
        Answer::Absent { .. } => panic!("absent"),
        Answer::Unknown(cause) => panic!("unknown: {cause:?}"),
    }
}

const BOT: &str = "bot._saip.acme.example";

#[tokio::test]
async fn signed_records_are_secure_until_their_ttl_ends() {
    let zones = zones().await;
    let (txt, dnssec, until) = found(dns(&zones).txt(BOT, now()).await);
    let mut records: Vec<_> = txt.records.iter().map(|record| record.to_vec()).collect();
    records.sort();
    assert_eq!(records, [b"v=saip1; pk=".to_vec(), b"v=saip1; pk=AAAA".to_vec()]);
    assert_eq!((txt.wildcard, dnssec, until), (false, Dnssec::Secure, after(120)));
}

#[tokio::test]
async fn a_tampered_an_expired_and_a_missing_signature_are_bogus_and_a_mended_one_is_secure() {
    let zones = zones().await;
    let dns = dns(&zones);
    for spoil in [SignedZones::forge, SignedZones::expire, SignedZones::strip] {
        spoil(&zones, BOT);
        assert_eq!(dns.txt(BOT, now()).await, Answer::Unknown(Cause::Bogus));
        // Its neighbour is none the worse.
        assert_eq!(found(dns.txt("_saip.acme.example", now()).await).1, Dnssec::Secure);
        zones.mend(BOT);
        assert_eq!(found(dns.txt(BOT, now()).await).1, Dnssec::Secure);
    }
}

#[tokio::test]
async fn absence_with_a_spoiled_proof_is_bogus() {
    let zones = zones().await;
    for spoil in [SignedZones::forge, SignedZones::strip] {
        spoil(&zones, ".");
        assert_eq!(dns(&zones).txt("nobody.acme.example", now()).await, Answer::Unknown(Cause::Bogus));
        zones.mend(".");
    }
}

#[tokio::test]
async fn under_the_wrong_anchor_everything_is_bogus() {
    let (zones, others) = (zones().await, zones().await);
    let mut settings = settings(&zones);
    settings.trust_anchors = vec![others.trust_anchor()];
    let dns = Dns::Live(Resolver::new(&settings).unwrap());
    assert_eq!(dns.txt(BOT, now()).await, Answer::Unknown(Cause::Bogus));
    settings.trust_anchors = TrustAnchor::parse(&zones.trust_anchor().to_string()).unwrap();
    let dns = Dns::Live(Resolver::new(&settings).unwrap());
    assert_eq!(found(dns.txt(BOT, now()).await).1, Dnssec::Secure);
}

#[tokio::test]
async fn records_of_an_unsigned_zone_are_insecure_and_so_is_their_absence() {
    let zones = zones().await;
    let dns = dns(&zones);
    assert_eq!(found(dns.txt("bot._saip.plain.example", now()).await).1, Dnssec::Insecure);
    let absent = dns.txt("cat._saip.plain.example", now()).await;
    assert_eq!(absent, Answer::Absent { dnssec: Dnssec::Insecure, until: after(1) });
}

#[tokio::test]
async fn a_zone_whose_delegation_is_not_provably_unsigned_is_bogus() {
    let zones = zones().await;
    zones.strip("plain.example");
    assert_eq!(dns(&zones).txt("bot._saip.plain.example", now()).await, Answer::Unknown(Cause::Bogus));
}

#[tokio::test]
async fn an_unsigned_zone_below_an_unsigned_zone_is_insecure_wherever_its_ds_is_answered_from() {
    let zones = zones().await;
    let dns = dns(&zones);
    assert_eq!(found(dns.addresses("www.sub.plain.example", now()).await).1, Dnssec::Insecure);
    zones.misplace_ds("sub.plain.example");
    assert_eq!(found(dns.addresses("www.sub.plain.example", now()).await).1, Dnssec::Insecure);
    // Below the signed zone the parent's proof is indispensable.
    zones.misplace_ds("plain.example");
    let answer = dns.txt("bot._saip.plain.example", now()).await;
    assert_eq!(answer, Answer::Unknown(Cause::Bogus));
}

#[tokio::test]
async fn no_such_name_and_no_such_type_are_proved() {
    let zones = zones().await;
    let dns = dns(&zones);
    let absent = Answer::Absent { dnssec: Dnssec::Secure, until: after(1) };
    // No name; a name with other types; an empty name between others; below a leaf; at the top.
    for name in
        ["nobody._saip.acme.example", "www.acme.example", "acme.example", "a.b._saip.acme.example", "zz"]
    {
        assert_eq!(dns.txt(name, now()).await, absent, "{name}");
    }
}

#[tokio::test]
async fn a_deleted_record_is_gone_at_the_next_question_and_a_new_one_is_there() {
    let zones = zones().await;
    let dns = dns(&zones);
    zones.set(BOT, "TXT", 2, "\"v=saip1; pk=CCCC\"").unwrap();
    let (txt, _, until) = found(dns.txt(BOT, now()).await);
    assert_eq!((&*txt.records[0], until), (&b"v=saip1; pk=CCCC"[..], after(2)));
    zones.remove(BOT, "TXT");
    assert!(matches!(dns.txt(BOT, now()).await, Answer::Absent { dnssec: Dnssec::Secure, .. }));
    zones.set(BOT, "TXT", 2, "\"v=saip1; pk=DDDD\"").unwrap();
    assert_eq!(&*found(dns.txt(BOT, now()).await).0.records[0], b"v=saip1; pk=DDDD");
}

#[tokio::test]
async fn a_record_changed_in_place_is_seen_at_the_next_question() {
    let zones = zones().await;
    let dns = dns(&zones);
    found(dns.txt(BOT, now()).await);
    zones.set(BOT, "TXT", 3600, "\"v=saip1; pk=\"").unwrap();
    let (txt, _, until) = found(dns.txt(BOT, now()).await);
    assert_eq!((txt.records.len(), until), (1, after(3600)));
}

#[tokio::test]
async fn silence_is_a_timeout_within_bounds_and_servfail_a_failure() {
    let zones = zones().await;
    let dns = dns(&zones);
    zones.mute(BOT);
    let answer = tokio::time::timeout(4 * MAX_LOOKUP, dns.txt(BOT, now())).await;
    assert_eq!(answer, Ok(Answer::Unknown(Cause::Timeout)));
    zones.unmute(BOT);
    zones.fail(BOT);
    assert_eq!(dns.txt(BOT, now()).await, Answer::Unknown(Cause::ServerFailure));
    zones.mend(BOT);
    found(dns.txt(BOT, now()).await);
}

#[tokio::test]
async fn a_chain_of_trust_that_cannot_be_asked_is_temporary_not_bogus() {
    let zones = zones().await;
    let dns = dns(&zones);
    zones.mute("plain.example");
    assert_eq!(dns.txt("mixed.acme.example", now()).await, Answer::Unknown(Cause::Timeout));
    zones.mend("plain.example");
    zones.fail("plain.example");
    assert_eq!(dns.txt("mixed.acme.example", now()).await, Answer::Unknown(Cause::ServerFailure));
}

#[tokio::test]
async fn nobody_listening_is_unreachable_or_silent() {
    let zones = zones().await;
    let settings = settings(&zones);
    drop(zones);
    tokio::task::yield_now().await;
    let dns = Dns::Live(Resolver::new(&settings).unwrap());
    let answer = dns.txt(BOT, now()).await;
    assert!(matches!(answer, Answer::Unknown(Cause::Unreachable | Cause::Timeout)), "{answer:?}");
}

#[tokio::test]
async fn the_second_server_answers_when_the_first_does_not() {
    let (first, second) = (zones().await, zones().await);
    first.mute(".");
    let mut settings = settings(&second);
    settings.servers = vec![first.address(), second.address()];
    settings.timeout = Duration::from_secs(1);
    let dns = Dns::Live(Resolver::new(&settings).unwrap());
    let answer = dns.txt(BOT, now()).await;
    assert!(matches!(answer, Answer::Found { .. }), "{answer:?}");
}

#[tokio::test]
async fn a_large_answer_comes_over_tcp() {
    let zones = zones().await;
    for count in 0..12 {
        let filler = format!("\"v=saip1; n={count}; \" \"{}\"", "x".repeat(240));
        zones.add("big._saip.acme.example", "TXT", 60, &filler).unwrap();
    }
    let (txt, dnssec, _) = found(dns(&zones).txt("big._saip.acme.example", now()).await);
    assert_eq!((txt.records.len(), dnssec), (12, Dnssec::Secure));
}

#[tokio::test]
async fn a_wildcard_is_flagged_and_the_name_beside_it_is_not() {
    let zones = zones().await;
    let dns = dns(&zones);
    for name in ["x.wild._saip.acme.example", "x.y.wild._saip.acme.example"] {
        let (txt, dnssec, _) = found(dns.txt(name, now()).await);
        assert_eq!((txt.wildcard, dnssec), (true, Dnssec::Secure), "{name}");
    }
    zones.set("real.wild._saip.acme.example", "TXT", 60, "\"v=saip1\"").unwrap();
    let (txt, _, _) = found(dns.txt("real.wild._saip.acme.example", now()).await);
    assert!(!txt.wildcard);
}

#[tokio::test]
async fn an_alias_takes_the_shorter_life_and_the_weaker_standing() {
    let zones = zones().await;
    let dns = dns(&zones);
    let (_, dnssec, until) = found(dns.txt("alias.acme.example", now()).await);
    assert_eq!((dnssec, until), (Dnssec::Secure, after(30)));
    let (_, dnssec, _) = found(dns.txt("mixed.acme.example", now()).await);
    assert_eq!(dnssec, Dnssec::Insecure);
    let absent = dns.txt("dangling.acme.example", now()).await;
    assert!(matches!(absent, Answer::Absent { dnssec: Dnssec::Secure, .. }), "{absent:?}");
    assert_eq!(dns.txt("loop.acme.example", now()).await, Answer::Unknown(Cause::ServerFailure));
    zones.forge(BOT);
    assert_eq!(dns.txt("alias.acme.example", now()).await, Answer::Unknown(Cause::Bogus));
}

#[tokio::test]
async fn addresses_of_both_families_are_one_answer() {
    let zones = zones().await;
    let dns = dns(&zones);
    let (both, dnssec, _) = found(dns.addresses("www.acme.example", now()).await);
    assert_eq!((both.len(), dnssec), (2, Dnssec::Secure));
    let (one, _, until) = found(dns.addresses("v4.acme.example", now()).await);
    assert_eq!(one, ["192.0.2.81".parse::<std::net::IpAddr>().unwrap()]);
    assert!(until <= after(MAX_NEGATIVE_TTL.as_secs()));
    assert!(matches!(dns.addresses("nobody.acme.example", now()).await, Answer::Absent { .. }));
}

#[tokio::test]
async fn pointers_are_lower_case_names_without_the_last_dot() {
    let zones = zones().await;
    let dns = dns(&zones);
    let (names, _, _) = found(dns.pointers("192.0.2.80".parse().unwrap(), now()).await);
    assert_eq!(names, ["www.acme.example"]);
    let none = dns.pointers("192.0.2.81".parse().unwrap(), now()).await;
    assert!(matches!(none, Answer::Absent { dnssec: Dnssec::Secure, .. }), "{none:?}");
}

#[tokio::test]
async fn the_34_labels_of_an_unsigned_ipv6_pointer_are_within_the_bounds() {
    let zones = zones().await;
    let dns = dns(&zones);
    let (names, dnssec, _) = found(dns.pointers("2001:db8::80".parse().unwrap(), now()).await);
    assert_eq!((names, dnssec), (vec!["www.acme.example".to_owned()], Dnssec::Insecure));
    let none = dns.pointers("2001:db8::81".parse().unwrap(), now()).await;
    assert!(matches!(none, Answer::Absent { dnssec: Dnssec::Insecure, .. }), "{none:?}");
}

#[tokio::test]
async fn where_the_ad_bit_is_believed_its_absence_means_insecure() {
    let zones = zones().await;
    let mut settings = settings(&zones);
    settings.trust_anchors.clear();
    settings.trust_ad_from = vec![zones.address().ip()];
    let dns = Dns::Live(Resolver::new(&settings).unwrap());
    assert_eq!(found(dns.txt(BOT, now()).await).1, Dnssec::Insecure);
    zones.claim_validated(true);
    assert_eq!(found(dns.txt(BOT, now()).await).1, Dnssec::Secure);
    let absent = dns.txt("nobody.acme.example", now()).await;
    assert_eq!(absent, Answer::Absent { dnssec: Dnssec::Insecure, until: after(1) });
}

#[tokio::test]
async fn a_server_that_is_not_named_is_not_believed() {
    let zones = zones().await;
    zones.claim_validated(true);
    zones.strip(BOT);
    assert_eq!(dns(&zones).txt(BOT, now()).await, Answer::Unknown(Cause::Bogus));
}

//! BIND's zones, signed with its own tools, as the resolver sees them.

use std::net::SocketAddr;
use std::time::Duration;

use avouch_dns::{Dns, Resolver, ResolverSettings, TrustAnchor};
use avouch_engine::evidence::{Answer, Cause, Dnssec};
use avouch_wire::time::Time;
use testkit::bind::{Bind, Forwarder, PROGRAMS, Signing, Zone};
use testkit::peers::require;

const BOT: &str = "bot._saip.acme.example";

fn now() -> Time {
    Time::from_seconds(1_790_000_000)
}

fn after(seconds: u64) -> Time {
    Time::from_seconds(1_790_000_000 + seconds)
}

fn zone(name: &'static str, signing: Signing, records: &str) -> Zone {
    Zone { name, signing, records: records.to_owned() }
}

/// The same agent in zones of every standing, and the way back from its address.
fn world() -> Vec<Zone> {
    let agent = "bot._saip 120 TXT \"v=saip1; pk=AAAA\"\n*.wild._saip TXT \"v=saip1\"\n\
        www A 192.0.2.80\nwww AAAA 2001:db8::80\n";
    let acme = format!("{agent}alias CNAME bot._saip.plain.example.\n{}", big());
    vec![
        zone(".", Signing::Signed, "ns.invalid. A 127.0.0.1\n"),
        zone("example.", Signing::OptOut, ""),
        zone("acme.example.", Signing::Signed, &acme),
        zone("hashed.example.", Signing::Hashed, agent),
        zone("plain.example.", Signing::Unsigned, agent),
        zone("sub.plain.example.", Signing::Unsigned, agent),
        zone("expired.example.", Signing::Expired, agent),
        zone("stripped.example.", Signing::Stripped, agent),
        zone("in-addr.arpa.", Signing::Signed, "80.2.0.192 PTR WWW.acme.example.\n"),
    ]
}

/// More TXT records at one name than a UDP answer holds.
fn big() -> String {
    (0..12).map(|count| format!("big._saip TXT \"v=saip1; n={count}; \" \"{}\"\n", "x".repeat(240))).collect()
}

fn settings(server: SocketAddr, bind: &Bind) -> ResolverSettings {
    let mut settings = ResolverSettings::new(vec![server]);
    settings.trust_anchors = TrustAnchor::parse(bind.trust_anchor()).unwrap();
    settings
}

fn dns(server: SocketAddr, bind: &Bind) -> Dns {
    Dns::Live(Resolver::new(&settings(server, bind)).unwrap())
}

fn standing<T: std::fmt::Debug>(answer: &Answer<T>) -> Result<Dnssec, Cause> {
    match answer {
        Answer::Found { dnssec, .. } => Ok(*dnssec),
        Answer::Unknown(cause) => Err(*cause),
        Answer::Absent { .. } => panic!("{answer:?}"),
    }
}

/// What holds for BIND's answers, whichever way they come.
async fn every_standing(dns: &Dns) {
    let agents = [
        ("acme.example", Ok(Dnssec::Secure)),
        ("hashed.example", Ok(Dnssec::Secure)),
        ("plain.example", Ok(Dnssec::Insecure)),
        ("sub.plain.example", Ok(Dnssec::Insecure)),
        ("expired.example", Err(Cause::Bogus)),
        ("stripped.example", Err(Cause::Bogus)),
    ];
    for (domain, expected) in agents {
        let answer = dns.txt(&format!("bot._saip.{domain}"), now()).await;
        assert_eq!(standing(&answer), expected, "{domain}: {answer:?}");
        let addresses = dns.addresses(&format!("www.{domain}"), now()).await;
        assert_eq!(standing(&addresses), expected, "{domain}: {addresses:?}");
        let absent = dns.txt(&format!("nobody._saip.{domain}"), now()).await;
        match expected {
            Ok(dnssec) => assert_eq!(absent, Answer::Absent { dnssec, until: after(1) }, "{domain}"),
            Err(cause) => assert_eq!(absent, Answer::Unknown(cause), "{domain}"),
        }
    }
    for nothing in
        ["www.acme.example", "_saip.acme.example", "a.b.www.acme.example", "_saip.hashed.example", "test"]
    {
        let answer = dns.txt(nothing, now()).await;
        assert_eq!(answer, Answer::Absent { dnssec: Dnssec::Secure, until: after(1) }, "{nothing}");
    }
    let no_domain = dns.txt("_saip.nothing.example", now()).await;
    assert!(matches!(no_domain, Answer::Absent { .. }), "{no_domain:?}");
    let pointers = dns.pointers("192.0.2.80".parse().unwrap(), now()).await;
    assert!(
        matches!(&pointers, Answer::Found { value, dnssec: Dnssec::Secure, .. } if value == &["www.acme.example"]),
        "{pointers:?}"
    );
    let none = dns.pointers("192.0.2.81".parse().unwrap(), now()).await;
    assert!(matches!(none, Answer::Absent { dnssec: Dnssec::Secure, .. }), "{none:?}");
    assert_eq!(standing(&dns.txt("alias.acme.example", now()).await), Ok(Dnssec::Insecure));
    for name in ["x.wild._saip.acme.example", "x.y.wild._saip.acme.example", "x.wild._saip.hashed.example"] {
        let wild = dns.txt(name, now()).await;
        assert!(
            matches!(&wild, Answer::Found { value, dnssec: Dnssec::Secure, .. } if value.wildcard),
            "{name}: {wild:?}"
        );
        let none = dns.addresses(name, now()).await;
        assert!(matches!(none, Answer::Absent { dnssec: Dnssec::Secure, .. }), "{name}: {none:?}");
    }
    let big = dns.txt("big._saip.acme.example", now()).await;
    assert!(
        matches!(&big, Answer::Found { value, dnssec: Dnssec::Secure, .. } if value.records.len() == 12),
        "{big:?}"
    );
}

#[tokio::test]
async fn every_standing_is_told_apart_asking_bind_itself() {
    let Some(tools) = require(&PROGRAMS) else { return };
    let bind = Bind::start(&tools, world()).unwrap();
    let dns = dns(bind.address(), &bind);
    every_standing(&dns).await;
    assert!(matches!(dns.txt(BOT, now()).await, Answer::Found { until, .. } if until == after(120)));
}

#[tokio::test]
async fn every_standing_is_told_apart_through_a_validating_forwarder() {
    let Some(tools) = require(&PROGRAMS) else { return };
    let bind = Bind::start(&tools, world()).unwrap();
    let forwarder = Forwarder::start(&tools, &bind).unwrap();
    every_standing(&dns(forwarder.address(), &bind)).await;
}

#[tokio::test]
async fn the_ad_bit_of_a_validating_forwarder_is_believed_when_it_is_named() {
    let Some(tools) = require(&PROGRAMS) else { return };
    let bind = Bind::start(&tools, world()).unwrap();
    let forwarder = Forwarder::start(&tools, &bind).unwrap();
    let mut settings = ResolverSettings::new(vec![forwarder.address()]);
    settings.trust_ad_from = vec![forwarder.address().ip()];
    let dns = Dns::Live(Resolver::new(&settings).unwrap());
    assert_eq!(standing(&dns.txt(BOT, now()).await), Ok(Dnssec::Secure));
    assert_eq!(standing(&dns.txt("bot._saip.plain.example", now()).await), Ok(Dnssec::Insecure));
    // It keeps bogus answers to itself and says only that it failed.
    assert_eq!(standing(&dns.txt("bot._saip.expired.example", now()).await), Err(Cause::ServerFailure));
    assert!(matches!(dns.txt("nobody._saip.acme.example", now()).await, Answer::Absent { .. }));
}

#[tokio::test]
async fn without_its_anchor_everything_bind_signed_is_bogus() {
    let Some(tools) = require(&PROGRAMS) else { return };
    let bind = Bind::start(&tools, world()).unwrap();
    let dns = Dns::Live(Resolver::new(&ResolverSettings::new(vec![bind.address()])).unwrap());
    assert_eq!(standing(&dns.txt(BOT, now()).await), Err(Cause::Bogus));
    assert_eq!(standing(&dns.txt("bot._saip.plain.example", now()).await), Err(Cause::Bogus));
}

#[tokio::test]
async fn a_record_withdrawn_from_bind_is_gone_at_the_next_question() {
    let Some(tools) = require(&PROGRAMS) else { return };
    let mut bind = Bind::start(&tools, world()).unwrap();
    let dns = dns(bind.address(), &bind);
    assert_eq!(standing(&dns.txt(BOT, now()).await), Ok(Dnssec::Secure));
    bind.replace_zone("acme.example.", "bot._saip 60 TXT \"v=saip1; pk=\"\n").unwrap();
    let revoked = dns.txt(BOT, now()).await;
    assert!(
        matches!(&revoked, Answer::Found { value, dnssec: Dnssec::Secure, .. } if *value.records[0] == *b"v=saip1; pk="),
        "{revoked:?}"
    );
    bind.replace_zone("acme.example.", "").unwrap();
    assert_eq!(dns.txt(BOT, now()).await, Answer::Absent { dnssec: Dnssec::Secure, until: after(1) });
}

#[tokio::test]
async fn a_bind_that_is_gone_is_not_an_absent_record() {
    let Some(tools) = require(&PROGRAMS) else { return };
    let bind = Bind::start(&tools, vec![zone(".", Signing::Signed, "ns.invalid. A 127.0.0.1\n")]).unwrap();
    let mut settings = settings(bind.address(), &bind);
    settings.timeout = Duration::from_millis(300);
    drop(bind);
    let dns = Dns::Live(Resolver::new(&settings).unwrap());
    let answer = dns.txt(BOT, now()).await;
    assert!(matches!(answer, Answer::Unknown(Cause::Timeout | Cause::Unreachable)), "{answer:?}");
}

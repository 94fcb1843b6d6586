//! What a watch finds at a real name server: delegations that lead nowhere, broken signatures, and that all is well.

use avouch_dns::{Delegation, Dns, Resolver, ResolverSettings, ServerState, TrustAnchor};
use avouch_gather::clock::{Clock as _, SystemClock};
use avouch_gather::watch::{Look, Manner, Watched};
use avouch_wire::record::Place;
use testkit::bind::{Bind, PROGRAMS, Signing, Zone};
use testkit::peers::{Peers, require};
use tokio::net::UdpSocket;

const KEY: &str = "TXT \"v=saip1; pk=11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"";

fn world(tools: &Peers) -> Bind {
    let zone = |name, signing, records: &str| Zone { name, signing, records: records.to_owned() };
    let zones = vec![
        zone(".", Signing::Signed, "ns.invalid. A 127.0.0.1"),
        zone("whole.example.", Signing::Signed, &format!("bot._saip {KEY}\n_saip TXT \"v=saip1; asn=1\"")),
        zone("lame.example.", Signing::Signed, "_saip NS ns.invalid."),
        zone("gone.example.", Signing::Signed, "_saip NS gone.invalid."),
        zone("silent.example.", Signing::Signed, "_saip NS ns\nns A 127.0.0.2"),
        zone("refused.example.", Signing::Signed, "_saip NS ns\nns A 127.0.0.3"),
        zone("half.example.", Signing::Signed, ""),
        zone("_saip.half.example.", Signing::Signed, &format!("bot {KEY}")),
        zone("bogus.example.", Signing::Expired, &format!("bot._saip {KEY}")),
        zone("unsigned.example.", Signing::Unsigned, &format!("bot._saip {KEY}")),
    ];
    Bind::start(tools, zones).unwrap()
}

fn dns(bind: &Bind) -> Dns {
    let mut settings = ResolverSettings::new(vec![bind.address()]);
    settings.trust_anchors = TrustAnchor::parse(bind.trust_anchor()).unwrap();
    Dns::Live(Resolver::new(&settings).unwrap())
}

async fn codes(bind: &Bind, name: &str, secure: bool) -> Vec<(String, &'static str)> {
    let watched = [Watched { place: Place::parse(name).unwrap(), expected: Vec::new() }];
    let manner = Manner { secure, servers: Some(bind.address().port()) };
    let look = Look::at(&dns(bind), &watched, manner, None, SystemClock::new().now()).await;
    look.alarms.into_iter().map(|alarm| (alarm.name, alarm.code)).collect()
}

#[tokio::test]
async fn a_delegation_is_told_by_what_its_servers_do() {
    let Some(tools) = require(&PROGRAMS) else { return };
    let bind = world(&tools);
    let port = bind.address().port();
    let refusing = UdpSocket::bind(("127.0.0.3", port)).await.unwrap();
    tokio::spawn(async move {
        let mut question = vec![0; 512];
        while let Ok((length, from)) = refusing.recv_from(&mut question).await {
            // The question as its own answer, with REFUSED.
            question[2] |= 0x80;
            question[3] = 5;
            refusing.send_to(&question[..length], from).await.unwrap();
        }
    });
    let (dns, now) = (dns(&bind), SystemClock::new().now());
    let of = async |domain: &str| Delegation::of(&dns, &format!("_saip.{domain}"), port, now).await;
    assert_eq!(of("whole.example").await, Delegation::None);
    for (domain, state) in [
        ("half.example", "Serves"),
        ("lame.example", "Lame(NotAuthoritative"),
        ("gone.example", "NoAddress"),
        ("silent.example", "Silent(Unreachable"),
        ("refused.example", "Lame(Refused"),
    ] {
        let delegation = of(domain).await;
        let Delegation::To(to) = &delegation else { panic!("{domain}: {delegation:?}") };
        assert_eq!(to.len(), 1);
        assert!(format!("{:?}", to[0].state).starts_with(state), "{domain}: {to:?}");
        assert_eq!(delegation.dangling().count(), usize::from(to[0].state != ServerState::Serves));
    }
}

#[tokio::test]
async fn a_watch_tells_what_is_wrong_and_nothing_where_all_is_well() {
    let Some(tools) = require(&PROGRAMS) else { return };
    let mut bind = world(&tools);
    for well in ["bot._saip.whole.example", "_saip.whole.example", "bot._saip.half.example"] {
        assert_eq!(codes(&bind, well, true).await, [], "{well}");
    }
    let unsigned = codes(&bind, "bot._saip.unsigned.example", true).await;
    assert!(unsigned.iter().any(|(_, code)| *code == "dnssec-missing"), "{unsigned:?}");
    let bogus = codes(&bind, "bot._saip.bogus.example", false).await;
    assert!(bogus.contains(&("bot._saip.bogus.example".to_owned(), "dnssec-bogus")), "{bogus:?}");
    let lame = codes(&bind, "bot._saip.lame.example", false).await;
    assert!(lame.contains(&("_saip.lame.example".to_owned(), "delegation-dangling")), "{lame:?}");
    bind.replace_zone("_saip.half.example.", "bot TXT \"v=saip1; pk=\"").unwrap();
    let revoked = codes(&bind, "bot._saip.half.example", true).await;
    assert_eq!(revoked, [("bot._saip.half.example".to_owned(), "revoked")]);
}

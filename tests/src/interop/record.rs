//! Records as they are printed for a zone, served by BIND and read back.

use avouch_dns::{Dns, Resolver, ResolverSettings, TrustAnchor};
use avouch_engine::evidence::{Answer, Dnssec};
use avouch_wire::record::{Level, Place, Published, Record};
use avouch_wire::time::Time;
use testkit::bind::{Bind, PROGRAMS, Signing, Zone};
use testkit::peers::{Peers, require};

const NOW: Time = Time::from_seconds(1_790_000_000);

/// A record with a key, and one too long for a single string.
fn records() -> [Record; 2] {
    let key = "v=saip1; pk=11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    let networks: String = (0..60).map(|third| format!("; ip=198.51.{third}.0/24")).collect();
    [
        Record::parse(key).unwrap(),
        Record::parse(&format!("v=saip1{networks}; rua=https://acme.example/r")).unwrap(),
    ]
}

fn bind_with(records: &[Record], place: &Place, tools: &Peers) -> Bind {
    let lines: String = records.iter().map(|record| record.zone_line(place, 3600) + "\n").collect();
    let root =
        Zone { name: ".", signing: Signing::Signed, records: format!("ns.invalid. A 127.0.0.1\n{lines}") };
    Bind::start(tools, vec![root]).unwrap()
}

#[tokio::test]
async fn what_is_printed_for_a_zone_is_what_a_verifier_reads_from_bind() {
    let Some(tools) = require(&PROGRAMS) else { return };
    let place = Place::parse("_saip.acme.example").unwrap();
    let bind = bind_with(&records(), &place, &tools);
    let mut settings = ResolverSettings::new(vec![bind.address()]);
    settings.trust_anchors = TrustAnchor::parse(bind.trust_anchor()).unwrap();
    let answer = Dns::Live(Resolver::new(&settings).unwrap()).txt(&place.to_string(), NOW).await;
    let Answer::Found { value, dnssec: Dnssec::Secure, .. } = answer else { panic!("{answer:?}") };
    let texts: Vec<_> = value.records.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect();
    for record in records() {
        assert!(texts.contains(&record.to_string()), "{record}");
    }
    let published = Published::unite(value.records.iter().map(AsRef::as_ref), Level::Domain);
    assert_eq!((published.keys(NOW).count(), published.networks(NOW).count()), (1, 60));
    assert!(published.ignored().is_empty());
}

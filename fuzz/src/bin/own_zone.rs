//! A zone of our own: whatever octets come, what is answered is an answer to them, and no longer than its way allows.

#![no_main]

use std::sync::OnceLock;

use avouch_dns::own::{Settings, Way, Zone};
use avouch_dns::publish::Change;
use avouch_keys::entropy::SystemEntropy;
use avouch_keys::zone::ZoneKey;
use avouch_wire::time::Time;

fn zone() -> &'static Zone {
    static ZONE: OnceLock<Zone> = OnceLock::new();
    ZONE.get_or_init(|| {
        let (name, servers) = ("_saip.acme.example".to_owned(), vec!["ns1.acme.example".to_owned()]);
        let key = ZoneKey::generate(&mut SystemEntropy).expect("a key");
        let zone = Zone::new(&Settings { name, servers, ttl: 300 }, key, 1).expect("a zone");
        let change = |name: &str| {
            let name = format!("{name}._saip.acme.example");
            Change { name, texts: vec!["v=saip1; pk=".to_owned()], ttl: 300 }
        };
        zone.apply(&["a.gptbot", "gptbo", "x"].map(change), 2).expect("names");
        zone
    })
}

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    let now = Time::from_seconds(1_790_000_000);
    for (way, most) in [(Way::Datagram([192, 0, 2, 1].into()), 1_232), (Way::Stream, 65_535)] {
        let Some(answer) = zone().answer(octets, way, now) else { continue };
        assert!(octets.len() >= 12 && answer.len() <= most, "{}", answer.len());
        assert!(answer[..2] == octets[..2] && answer[2] & 0x80 != 0, "an answer, to this");
        assert_eq!(zone().answer(&answer, way, now), None, "which is not answered");
    }
});

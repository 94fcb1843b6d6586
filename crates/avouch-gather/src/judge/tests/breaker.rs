//! The circuit breaker: what is taken out of the DNS counts no longer than its TTL says, to the second.

use super::*;
use crate::clock::SystemClock;
use avouch_dns::own::{Server, Settings as ZoneSettings, Zone};
use avouch_dns::publish::Change;
use avouch_dns::{Resolver, ResolverSettings, SignedZones};
use avouch_keys::zone::ZoneKey;
use tokio::runtime::Runtime;

const ZONE: &str = "_saip.acme.example";
const AGENT: &str = "nyc-1.gptbot";
const TTL: u64 = 300;

/// A site that looks up agents in a zone of their domain's own, below a signed root.
struct Fleet {
    world: World,
    zone: Arc<Zone>,
    parent: SignedZones,
    start: Time,
    runtime: Runtime,
}

impl Fleet {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let signer = signer(KeyType::P256, AGENT, Some("acme.example"));
        let record = format!("v=saip1; k=p256; pk={}", b64u::encode(signer.public().octets()));
        let settings =
            ZoneSettings { name: ZONE.to_owned(), servers: vec!["ns1.acme.example".to_owned()], ttl: 300 };
        let key = ZoneKey::generate(&mut SystemEntropy).unwrap();
        let zone = Arc::new(Zone::new(&settings, key, 1).unwrap());
        let (parent, address) = runtime.block_on(async {
            let server = Server::bind(&["127.0.0.1:0".parse().unwrap()]).await.unwrap();
            let address = server.addresses()[0];
            // Signatures are compared with the system's clock, whatever time the site has.
            let now = Arc::new(|| SystemClock::new().now());
            tokio::spawn(server.serve(Arc::clone(&zone), now, std::future::pending()));
            (SignedZones::start("www.acme.example. A 192.0.2.1\n").await.unwrap(), address)
        });
        parent.delegate(&zone.at_parent(), address).unwrap();
        let mut settings = ResolverSettings::new(vec![parent.address()]);
        settings.trust_anchors = vec![parent.trust_anchor()];
        let dns = Dns::Live(Resolver::new(&settings).unwrap());
        let start = Time::from_seconds(SystemClock::new().now().seconds());
        let world = World::with_dns(dns, start, vec![(KeyType::P256, signer)]);
        let fleet = Self { world, zone, parent, start, runtime };
        fleet.put(AGENT, Some(&record));
        fleet
    }

    /// What stands at a name of the zone from now on.
    fn put(&self, name: &str, text: Option<&str>) {
        let texts = text.map(str::to_owned).into_iter().collect();
        let name = format!("{name}.{ZONE}");
        let serial = self.zone.serial() + 1;
        self.zone.apply(&[Change { name, texts, ttl: u32::try_from(TTL).unwrap() }], serial).unwrap();
    }

    /// Another request of the agent's, so many milliseconds after the first.
    fn comes(&self, millis: u64) -> Box<Verdict> {
        self.world.clock.set(self.start.after(Duration::from_millis(millis)));
        let saip = self.world.sign(KeyType::P256, Mode::Rolling(KeyType::Ed25519));
        let visit = Visit { saip: Some(saip), ..Visit::default() };
        self.world.judge_within(&self.runtime, visit)
    }

    fn accepted(&self, millis: u64) {
        let verdict = self.comes(millis);
        assert_eq!(verdict.standing(), Standing::Verified, "after {millis} ms: {verdict:?}");
    }

    /// Accepted until the last millisecond of so many seconds, and refused from then on.
    fn ends_after(&self, seconds: u64, reason: Reason) {
        for millis in [1_000, seconds * 1_000 - 1_000, seconds * 1_000 - 1] {
            self.accepted(millis);
        }
        failed(&self.comes(seconds * 1_000), reason);
        failed(&self.comes(seconds * 1_000 + 1_000), reason);
    }
}

#[test]
fn an_agent_that_is_revoked_is_accepted_until_its_records_ttl_ends_and_not_a_moment_longer() {
    let fleet = Fleet::new();
    fleet.accepted(0);
    fleet.put(AGENT, Some("v=saip1; pk="));
    fleet.ends_after(TTL, Reason::Revoked);
}

#[test]
fn an_agent_whose_record_is_deleted_is_accepted_no_longer_either() {
    let fleet = Fleet::new();
    fleet.accepted(0);
    fleet.put(AGENT, None);
    fleet.ends_after(TTL, Reason::KeyNotPublished);
}

#[test]
fn a_fleet_that_is_revoked_at_a_name_where_nothing_stood_is_out_when_that_absence_ends() {
    let fleet = Fleet::new();
    fleet.accepted(0);
    fleet.put("gptbot", Some("v=saip1; pk="));
    fleet.ends_after(u64::from(avouch_dns::own::MAX_ABSENCE), Reason::Revoked);
}

#[test]
fn all_agents_are_out_when_the_delegation_is_removed_and_its_ttl_has_ended() {
    let fleet = Fleet::new();
    fleet.accepted(0);
    fleet.parent.undelegate(ZONE);
    fleet.ends_after(TTL, Reason::KeyNotPublished);
}

#[test]
fn a_zone_that_nobody_answers_for_any_more_leaves_nobody_accepted_and_nothing_decided() {
    let fleet = Fleet::new();
    fleet.accepted(0);
    fleet.parent.fail(".");
    // What has no records at the names above may be asked for again before.
    let verdict = fleet.comes(TTL * 1_000);
    assert!(matches!(verdict.standing(), Standing::Undetermined(_)), "{verdict:?}");
    fleet.parent.mend(".");
    fleet.accepted(TTL * 1_000 + 60_000);
}

//! The registrar with a zone of its own, as our resolver sees it.

use std::path::Path;

use avouch_dns::own::{Server, Settings, Zone};
use avouch_dns::{Dns, Resolver, ResolverSettings};
use avouch_engine::evidence::{Answer, Dnssec};
use avouch_keys::zone::ZoneKey;

use super::super::own_zone;
use super::*;

/// A registrar, its zone, and who looks up names there.
struct Own {
    house: House,
    zone: Arc<Zone>,
    dns: Dns,
}

impl Own {
    async fn open(folder: &Path) -> Self {
        let ledger = Ledger::open(&format!("sqlite:{}", folder.join("db").display())).await.unwrap();
        let (rules, clock) = (Rules { domain: domain() }, Arc::new(SystemClock::new()));
        let name = ZONE.trim_end_matches('.').to_owned();
        let settings = Settings { name, servers: vec!["ns1.acme.example".to_owned()], ttl: 5 };
        let key = ZoneKey::open_or_make(&folder.join("zone.key")).unwrap();
        let zone = own_zone(&rules, &ledger, &settings, key, clock.now()).await.unwrap();
        let server = Server::bind(&["127.0.0.1:0".parse().unwrap()]).await.unwrap();
        let mut settings = ResolverSettings::new(server.addresses());
        settings.trust_anchors = vec![zone.trust_anchor()];
        let attesting = Attesting::open(domain(), None).unwrap();
        let mut house = House::with(ledger, Arc::clone(&zone), attesting, Arc::new(SystemClock::new())).await;
        let now = Arc::new(move || clock.now());
        house.tasks.spawn(server.serve(Arc::clone(&zone), now, std::future::pending()));
        Self { house, zone, dns: Dns::Live(Resolver::new(&settings).unwrap()) }
    }

    /// What stands at an agent's name; nothing where it is proved that nothing does.
    async fn text(&self, agent: &str) -> Option<String> {
        let name = format!("{agent}.{ZONE}");
        match self.dns.txt(name.trim_end_matches('.'), SystemClock::new().now()).await {
            Answer::Found { value, dnssec: Dnssec::Secure, .. } => {
                Some(format!("\"{}\"", String::from_utf8_lossy(&value.records[0])))
            }
            Answer::Absent { dnssec: Dnssec::Secure, .. } => None,
            other => panic!("{other:?}"),
        }
    }

    /// Waits until this stands there; how long that took.
    async fn becomes(&self, agent: &str, text: Option<&str>) -> Duration {
        let start = SystemClock::new().now();
        let standing = async {
            while self.text(agent).await.as_deref() != text {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), standing).await.expect("it stands there");
        SystemClock::new().now().since(start)
    }

    async fn revoke(&self, scope: Value) {
        assert_eq!(ask(self.house.owner, "POST", "/v1/revoke", &scope.to_string()).await.0, 200);
    }
}

#[tokio::test]
async fn an_agent_stands_in_the_zone_within_a_second_and_so_does_its_revocation() {
    let folder = tempfile::tempdir().unwrap();
    let own = Own::open(folder.path()).await;
    let token = own.house.token("fleet", json!({})).await;
    let (asked, other) = (Asked::new("a.gptbot", &token), Asked::new("b.gptbot", &token));
    let before = own.zone.serial();
    assert_eq!(own.text("a.gptbot").await, None);
    for asked in [&asked, &other] {
        assert_eq!(own.house.enrol(asked).await.0, 200);
        let took = own.becomes(&asked.agent, Some(&asked.record())).await;
        assert!(took < Duration::from_secs(1), "{took:?}");
    }
    assert_eq!(own.text("gptbot").await, None, "a fleet's own name has nothing");
    own.revoke(json!({ "agent": "gptbot" })).await;
    let took = own.becomes("gptbot", Some(REVOKED)).await;
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert!(own.zone.serial() > before);
    assert_eq!(own.house.status().await["at_parent"].as_array().unwrap().len(), 2);
    own.house.published().await;
    let serial = own.zone.serial();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(own.zone.serial(), serial, "without a change it stays");
}

#[tokio::test]
async fn what_was_refused_changes_neither_the_zone_nor_its_serial() {
    let folder = tempfile::tempdir().unwrap();
    let own = Own::open(folder.path()).await;
    let token = own.house.token("fleet", json!({ "approval": true })).await;
    let serial = own.zone.serial();
    let unknown = token_text(&[7; 32]);
    for (agent, token, status) in
        [("a.gptbot", &unknown, 401), ("a.other", &token, 403), ("a.gptbot", &token, 202)]
    {
        assert_eq!(own.house.enrol(&Asked::new(agent, token)).await.0, status, "{agent}");
        assert_eq!(own.text(agent).await, None);
    }
    assert_eq!((own.zone.serial(), own.zone.len()), (serial, 0));
}

#[tokio::test]
async fn after_a_crash_the_zone_is_what_the_ledger_says_under_a_later_serial() {
    let folder = tempfile::tempdir().unwrap();
    let own = Own::open(folder.path()).await;
    let token = own.house.token("fleet", json!({ "agents": "*.gptbot" })).await;
    let slow = own.house.token("slow", json!({ "agents": "*.waits", "approval": true })).await;
    let (kept, gone) = (Asked::new("a.gptbot", &token), Asked::new("b.gptbot", &token));
    for asked in [&kept, &gone] {
        assert_eq!(own.house.enrol(asked).await.0, 200);
    }
    assert_eq!(own.house.enrol(&Asked::new("c.waits", &slow)).await.0, 202);
    own.revoke(json!({ "agent": "b.gptbot" })).await;
    let last = Asked::new("z.gptbot", &token);
    assert_eq!(own.house.enrol(&last).await.0, 200);
    // Whether that was visible yet or not: it is in the ledger.
    let (serial, anchor) = (own.zone.serial(), own.zone.trust_anchor());
    own.house.crash().await;

    let own = Own::open(folder.path()).await;
    assert_eq!(own.zone.trust_anchor(), anchor, "the same key");
    assert!(own.zone.serial() > serial, "{} after {serial}", own.zone.serial());
    assert_eq!(own.text("a.gptbot").await, Some(kept.record()));
    assert_eq!(own.text("b.gptbot").await.as_deref(), Some(REVOKED));
    assert_eq!(own.text("z.gptbot").await, Some(last.record()));
    assert_eq!(own.text("c.waits").await, None);
    own.house.published().await;
    assert_eq!(own.zone.len(), 3);
    assert_eq!(own.house.enrol(&gone).await.0, 403, "and what was revoked stays so");

    // Of a fleet that was revoked each agent has a record of its own from now on.
    own.revoke(json!({ "all": true })).await;
    own.house.published().await;
    own.house.crash().await;
    let own = Own::open(folder.path()).await;
    for agent in ["a.gptbot", "b.gptbot", "c.waits", "z.gptbot"] {
        assert_eq!(own.text(agent).await.as_deref(), Some(REVOKED), "{agent}");
    }
    assert_eq!(own.zone.len(), 5);
}

//! A request that is being judged while its agent is revoked.

use super::*;
use crate::replay::{self, Entering, Shared, Spent};
use crate::{Directories, Judge, Settings};
use avouch_engine::claim::{Catalogue, EntityRules};
use avouch_engine::pipeline::Site;
use avouch_engine::reason::Reason;
use avouch_engine::request::{Content, Head, Peer, Request};
use avouch_engine::verdict::{Class, Verdict};
use avouch_keys::entity::Secrets;
use avouch_keys::saip::RequestToSign;
use avouch_wire::target::Target;
use std::sync::Mutex;

/// A shared table whose answer takes as long as a revocation takes to be heard of, where one is made.
struct Slow {
    world: Arc<World>,
    revokes: Mutex<Option<&'static str>>,
}

impl Shared for Slow {
    fn enter(&self, _: Spent) -> Entering<'_> {
        Box::pin(async {
            let revokes = self.revokes.lock().unwrap().take();
            if let Some(agent) = revokes {
                self.world.entity.revoke("acme.example", agent);
                while self.world.figures().revoked == 0 {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
            Ok(())
        })
    }
}

/// What comes of a request while this agent is revoked.
async fn judged_while(revoked: Option<&'static str>) -> Box<Verdict> {
    let world = Arc::new(World::new().await);
    let agent = world.entity.register("acme.example", "crawler-7");
    let entities = world.entities.clone();
    let task = tokio::spawn(async move { entities.keep().await });
    while !world.figures().listening {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let zone =
        "$ORIGIN acme.example.\n@ 60 SOA ns host 1 2 3 4 30\n_saip 60 TXT \"v=saip1; re=re.example\"\n";
    let zones = ZoneFiles::parse(&[("acme", zone)], Dnssec::Insecure).unwrap();
    let replay = replay::Settings { capacity: 1 << 10, fresh: true, ..replay::Settings::default() };
    let settings = Settings { replay, ..Settings::default() };
    let clock = Arc::clone(&world.clock) as Arc<dyn Clock>;
    let judge = Judge::new(&settings, Dns::Zones(zones), Directories::default(), clock).unwrap();
    let slow = Slow { world: Arc::clone(&world), revokes: Mutex::new(revoked) };
    let judge = judge.sharing(Arc::new(slow)).asking(world.entities.clone());
    let verdict = judge.judge(&request(&sign(&agent, world.clock.now())), &site()).await;
    task.abort();
    verdict
}

fn site() -> Site {
    Site {
        authorities: vec![Authority::parse("www.shop.example", Scheme::Https).unwrap().into_owned()],
        accept_draft: false,
        catalogue: Arc::new(Catalogue::built_in().unwrap()),
        bots: None,
        passes: None,
        registered: Arc::default(),
        entities: Some(EntityRules::new([(Domain::parse(HOST).unwrap(), 5)])),
        named: std::collections::BTreeSet::new(),
    }
}

fn sign(agent: &Secrets, now: Time) -> String {
    let target = Target::parse("GET", "/a").unwrap();
    let authority = Authority::parse("www.shop.example", Scheme::Https).unwrap();
    let request = RequestToSign { method: "GET", target: &target, authority: &authority, content: None };
    agent.sign(request, (None, 3), now).unwrap()
}

fn request(saip: &str) -> Request<'_> {
    let fields = [("host", b"www.shop.example".as_slice()), ("saip", saip.as_bytes())];
    let head = Head {
        method: "GET",
        target: "/a",
        authority: None,
        scheme: Scheme::Https,
        fields: || fields.into_iter(),
        peer: Peer::client([203, 0, 113, 9].into()),
        content: Content::Empty,
    };
    Request::read(head).unwrap()
}

#[tokio::test]
async fn a_revocation_undoes_a_verdict_that_is_being_reached() {
    let verdict = judged_while(None).await;
    assert_eq!((verdict.class(), verdict.next_sequence()), (Class::Verified, Some(4)));
    let verdict = judged_while(Some("crawler-99")).await;
    assert_eq!(verdict.class(), Class::Verified, "that of another agent, which nothing rests on");
    let verdict = judged_while(Some("crawler-7")).await;
    assert_eq!((verdict.reasons()[0], verdict.next_sequence()), (Reason::RevocationChanged, None));
}

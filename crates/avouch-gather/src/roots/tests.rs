//! What a root that is known is worth, with the answers of DNS as they may be at the next moment.

use super::*;
use avouch_engine::claim::Catalogue;
use avouch_engine::evidence::{Answer, Dnssec, Epoch, Evidence, Records};
use avouch_engine::pipeline::{self, NotCommitted, Site, Step};
use avouch_engine::reason::Reason;
use avouch_engine::request::{Content, Head, Peer, Request};
use avouch_keys::SecretKey;
use avouch_keys::entropy::SystemEntropy;
use avouch_keys::saip::{RequestToSign, Signer, Speaker};
use avouch_wire::authority::{Authority, Scheme};
use avouch_wire::b64u;
use avouch_wire::key::KeyType;
use avouch_wire::name::{AgentId, Domain};
use avouch_wire::record::{Level, Published};
use avouch_wire::target::Target;
use avouch_wire::time::Time;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

const NOW: Time = Time::from_seconds(1_790_000_000);

fn signer(agent: &str) -> Signer {
    let domain = Some(Domain::parse("acme.example").unwrap().into_owned());
    let agent = AgentId::parse(agent).unwrap().into_owned();
    let key = SecretKey::generate(KeyType::P256, &mut SystemEntropy).unwrap();
    Signer::new(key, Speaker { domain, agent, instance: None })
}

fn batch(signer: &Signer, count: usize) -> Vec<String> {
    let target = Target::parse("GET", "/a").unwrap();
    let authority = Authority::parse("www.shop.example", Scheme::Https).unwrap();
    let request = RequestToSign { method: "GET", target: &target, authority: &authority, content: None };
    signer.sign_batch(&vec![request; count], KeyType::Ed25519, NOW).unwrap()
}

fn record(signer: &Signer) -> String {
    format!("v=saip1; pk={}", b64u::encode(signer.public().octets()))
}

/// A verifier's memory of roots, and what DNS says at this moment.
struct World {
    roots: Roots,
    hits: Cell<usize>,
    /// What stands at the agent's name and at the domain's.
    own: Vec<String>,
    above: Vec<String>,
    now: Time,
}

impl KnownRoots for World {
    fn knows(&self, root: &BatchRoot) -> bool {
        let knows = self.roots.knows(root);
        self.hits.set(self.hits.get() + usize::from(knows));
        knows
    }
}

impl World {
    fn of(signer: &Signer) -> Self {
        let own = vec![record(signer)];
        Self { roots: Roots::new(), hits: Cell::new(0), own, above: Vec::new(), now: NOW }
    }

    /// Judges a request as a judge does. Gives the deciding reason.
    fn judge(&self, saip: &str) -> Reason {
        self.judge_new(saip, true)
    }

    fn judge_new(&self, saip: &str, new: bool) -> Reason {
        let fields = [("host", b"www.shop.example".as_slice()), ("saip", saip.as_bytes())];
        let request = Request::read(Head {
            method: "GET",
            target: "/a",
            authority: None,
            scheme: Scheme::Https,
            fields: || fields.into_iter(),
            peer: Peer::client([203, 0, 113, 9].into()),
            content: Content::Empty,
        });
        let (request, site) = (request.unwrap(), site());
        let opened = match pipeline::open(&request, &site, self.now) {
            Step::Settled(verdict) => return verdict.reasons()[0],
            Step::Next(opened) => opened,
        };
        match opened.weigh(&self.evidence(), self, self.now) {
            Step::Settled(verdict) => verdict.reasons()[0],
            Step::Next(proved) => {
                proved.certified_root().into_iter().for_each(|root| self.roots.remember(root));
                let replayed = Err(NotCommitted::Replayed);
                let committed =
                    proved.nonce().map(|nonce| if new { Ok(nonce.committed()) } else { replayed });
                proved.conclude(committed, Epoch::default()).reasons()[0]
            }
        }
    }

    fn evidence(&self) -> Evidence {
        let (dnssec, until) = (Dnssec::Insecure, self.now.after(Duration::from_secs(60)));
        let answer = |texts: &[String], level| {
            let published = Published::unite(texts.iter().map(String::as_bytes), level);
            match texts {
                [] => Answer::Absent { dnssec, until },
                _ => Answer::Found { value: Arc::new(Records { published, wildcard: false }), dnssec, until },
            }
        };
        let record = answer(&self.own, Level::Agent);
        Evidence { record, revocations: vec![answer(&self.above, Level::Domain)], ..Evidence::default() }
    }

    /// Hits since it was asked last.
    fn hits(&self) -> usize {
        self.hits.take()
    }
}

fn site() -> Site {
    Site {
        authorities: vec![Authority::parse("www.shop.example", Scheme::Https).unwrap()],
        accept_draft: false,
        catalogue: Arc::new(Catalogue::built_in().unwrap()),
        bots: None,
        passes: None,
        registered: Arc::default(),
        entities: None,
        named: BTreeSet::new(),
    }
}

/// A world that knows the root of a batch, by its first request, and the other requests.
fn known(count: usize) -> (Signer, World, Vec<String>) {
    let signer = signer("bot");
    let (world, mut headers) = (World::of(&signer), batch(&signer, count));
    assert_eq!(world.judge(&headers.remove(0)), Reason::SignatureVerified);
    assert_eq!(world.hits(), 0);
    (signer, world, headers)
}

/// The header with another octet at this place of the octets of a value.
fn bend(saip: &str, name: &str, at: usize) -> String {
    let (before, rest) = saip.split_once(&format!("{name}=\"")).unwrap();
    let (value, after) = rest.split_once('"').unwrap();
    let mut octets = b64u::decode_vec(value).unwrap();
    octets[at] ^= 1;
    format!("{before}{name}=\"{}\"{after}", b64u::encode(&octets))
}

#[test]
fn of_a_batch_one_certificate_is_verified_and_each_request_is() {
    let (_, world, rest) = known(5);
    for saip in rest {
        assert_eq!(world.judge(&saip), Reason::SignatureVerified);
        assert_eq!(world.hits(), 1);
    }
}

#[test]
fn a_batch_of_one_and_a_certificate_of_its_own_are_not_remembered() {
    let signer = signer("bot");
    let world = World::of(&signer);
    for saip in batch(&signer, 1) {
        assert_eq!(world.judge(&saip), Reason::SignatureVerified);
        assert_eq!(world.roots.agents.len(), 0);
    }
}

#[test]
fn only_a_request_of_which_all_holds_makes_a_root_known() {
    let signer = signer("bot");
    let (world, headers) = (World::of(&signer), batch(&signer, 4));
    assert_eq!(world.judge(&bend(&headers[0], "sig", 3)), Reason::SignatureInvalid);
    assert_eq!(world.judge(&bend(&headers[1], "rcert", 3)), Reason::CertificateInvalid);
    assert_eq!(world.judge(&bend(&headers[2], "rproof", 20)), Reason::CertificateInvalid);
    assert_eq!(world.roots.agents.len(), 0);
    assert_eq!(world.judge(&headers[3]), Reason::SignatureVerified);
    assert_eq!(world.roots.agents.len(), 1);
}

#[test]
fn a_known_root_is_no_hit_for_any_other_certificate_proof_or_request() {
    let (_, world, rest) = known(5);
    let [saip, other, ..] = rest.as_slice() else { unreachable!() };
    let value = |saip: &str| saip.split_once("rproof=").unwrap().1.split_once(';').unwrap().0.to_owned();
    let swapped = saip.replace(&value(saip), &value(other));
    assert_ne!(swapped, *saip);
    for (near_miss, what) in [
        (bend(saip, "rcert", 40), "another certificate"),
        (bend(saip, "rproof", 17), "another hash"),
        (bend(saip, "rproof", 7), "another index"),
        (swapped, "the proof of another request"),
        (bend(saip, "rpk", 3), "another rolling key"),
        (saip.replace("id=\"bot\"", "id=\"bat\""), "another agent's name"),
    ] {
        let reason = world.judge(&near_miss);
        assert!([Reason::CertificateInvalid, Reason::BadKey].contains(&reason), "{what}: {reason}");
        assert_eq!(world.hits(), 0, "{what}");
    }
    let size = world.judge(&bend(saip, "rproof", 15));
    assert!([Reason::HeaderMalformed, Reason::CertificateInvalid].contains(&size), "another size");
    assert_eq!((world.hits(), world.judge(saip)), (0, Reason::SignatureVerified));
}

#[test]
fn a_hit_skips_nothing_but_the_certificate() {
    let (_, mut world, rest) = known(5);
    assert_eq!(world.judge(&bend(&rest[0], "sig", 3)), Reason::SignatureInvalid);
    assert_eq!(world.judge_new(&rest[1], false), Reason::Replayed);
    assert_eq!(world.hits(), 2);
    world.now = Time::from_seconds(NOW.seconds() + 301);
    assert_eq!(world.judge(&rest[2]), Reason::Expired);
    assert_eq!(world.hits(), 0);
}

#[test]
fn a_root_of_a_revoked_agent_is_no_hit() {
    let revoked = || vec!["v=saip1; pk=".to_owned()];
    for (own, above) in [(true, false), (false, true)] {
        let (_, mut world, rest) = known(2);
        if own {
            world.own.extend(revoked())
        }
        if above {
            world.above.extend(revoked())
        }
        assert_eq!((world.judge(&rest[0]), world.hits()), (Reason::Revoked, 0));
    }
}

#[test]
fn a_root_counts_while_its_key_is_live_at_the_agents_name_and_no_longer() {
    let (signer, mut world, rest) = known(4);
    world.own.clear();
    assert_eq!((world.judge(&rest[0]), world.hits()), (Reason::KeyNotPublished, 0), "withdrawn");
    world.own = vec![record(&self::signer("bot"))];
    assert_eq!((world.judge(&rest[0]), world.hits()), (Reason::CertificateInvalid, 0), "replaced");
    world.own = vec![format!("{}; exp={}", record(&signer), NOW.seconds())];
    assert_eq!((world.judge(&rest[0]), world.hits()), (Reason::NoLiveKey, 0), "expired");
    world.own = vec![record(&self::signer("bot")), record(&signer)];
    assert_eq!((world.judge(&rest[1]), world.hits()), (Reason::SignatureVerified, 1), "beside another");
    world.own = vec![record(&signer).replace("v=saip1;", "v=saip1; t=y;")];
    assert_eq!(
        (world.judge(&rest[2]), world.hits()),
        (Reason::Testing, 1),
        "a hit gives no more than the record"
    );
}

#[test]
fn a_root_of_another_agent_is_no_hit() {
    let (_, world, rest) = known(2);
    let other = signer("bot");
    let elsewhere = World { own: vec![record(&other)], ..world };
    assert_eq!((elsewhere.judge(&rest[0]), elsewhere.hits()), (Reason::CertificateInvalid, 0));
    for saip in batch(&other, 2) {
        assert_eq!(elsewhere.judge(&saip), Reason::SignatureVerified);
    }
    assert_eq!(elsewhere.roots.agents.len(), 2);
}

#[test]
fn what_is_only_tested_takes_no_room() {
    let signer = signer("bot");
    let mut world = World::of(&signer);
    world.own = vec![record(&signer).replace("v=saip1;", "v=saip1; t=y;")];
    assert_eq!(world.judge(&batch(&signer, 2)[0]), Reason::Testing);
    assert_eq!(world.roots.agents.len(), 0);
}

#[test]
fn an_agents_latest_roots_are_remembered_and_displace_no_others() {
    let (_, world, rest) = known(3);
    let busy = signer("bot");
    let (quiet, world) = (world.own.clone(), World { own: vec![record(&busy)], ..world });
    let batches: Vec<_> = (0..=EACH).map(|_| batch(&busy, 2)).collect();
    for headers in &batches {
        assert_eq!(world.judge(&headers[0]), Reason::SignatureVerified);
        assert_eq!(world.judge(&headers[0]), Reason::SignatureVerified, "entered once");
    }
    world.hits();
    for (at, headers) in batches.iter().enumerate().rev() {
        assert_eq!(world.roots.agents.len(), 2);
        assert_eq!(world.judge(&headers[1]), Reason::SignatureVerified);
        assert_eq!(world.hits(), usize::from(at > 0), "{at}: the first one has given way");
    }
    let world = World { own: quiet, ..world };
    assert_eq!((world.judge(&rest[0]), world.hits()), (Reason::SignatureVerified, 1));
}

#[test]
fn all_agents_together_are_bounded_and_the_newest_is_remembered() {
    let roots = Roots { agents: Bounded::new(16), ..Roots::new() };
    let world = World { roots, ..World::of(&signer("bot")) };
    let mut last = world;
    for _ in 0..20 {
        let signer = signer("bot");
        last = World { own: vec![record(&signer)], ..last };
        for (at, saip) in batch(&signer, 2).iter().enumerate() {
            assert_eq!((last.judge(saip), last.hits()), (Reason::SignatureVerified, at));
        }
        assert!(last.roots.agents.len() <= 16);
    }
}

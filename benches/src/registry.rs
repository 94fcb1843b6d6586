//! An agent of a registration entity: what its proof costs, and the whole check of its request, against one signature
//! check.

use crate::check::{Bare, WARM_UP, bare};
use crate::figure::{Figure, in_turn};
use crate::world::{self, AGENTS, NOW, PATH, SITE, request, site};
use avouch_dns::{Dns, ZoneFiles};
use avouch_engine::claim::EntityRules;
use avouch_engine::evidence::Dnssec;
use avouch_engine::pipeline::Site;
use avouch_gather::clock::ManualClock;
use avouch_gather::{Directories, Entities, EntitySettings, Judge};
use avouch_keys::SecretKey;
use avouch_keys::entity::Secrets;
use avouch_keys::entropy::SystemEntropy;
use avouch_keys::saip::RequestToSign;
use avouch_tls::{Connector, Protocol};
use avouch_wire::authority::{Authority, Scheme};
use avouch_wire::entity::VerifierKey;
use avouch_wire::key::KeyType;
use avouch_wire::name::Domain;
use avouch_wire::saip::{Header, Mode, RequestParts, Seal, request_string};
use avouch_wire::target::Target;
use std::sync::Arc;
use testkit::certificate::Certificate;
use testkit::entity::{Entity, HOST};
use tokio::runtime::Runtime;

/// Rounds of a request of each agent.
const ROUNDS: usize = 31;

/// Agents that are registered with an entity, and a site that has their keys.
struct World {
    agents: Vec<Secrets>,
    judge: Judge,
    site: Site,
    runtime: Runtime,
    _entity: Entity,
}

/// What a verifier cannot do without: a key, and the string and MAC of a request.
struct Sealed {
    key: VerifierKey,
    sequence: u64,
    message: Vec<u8>,
    mac: [u8; 32],
}

/// Both figures.
pub(crate) fn figures() -> Vec<Figure> {
    let plain = world::World::new();
    let one = bare(&plain);
    vec![proof(&one), whole(&one)]
}

/// The key of the request and its MAC.
fn proof(one: &[Bare]) -> Figure {
    let world = World::new();
    let sealed: Vec<_> = world.sign_all(1).iter().map(|saip| Sealed::of(saip)).collect();
    let compared = in_turn(
        ROUNDS,
        (|_| assert!(sealed.iter().all(Sealed::holds)), AGENTS),
        (|_| assert!(one.iter().all(Bare::check_one)), AGENTS),
    );
    Figure {
        name: "registry-mode check, key and MAC / one signature check",
        ratio: compared.ratio(),
        goal: 0.1,
        limit: 0.1,
        detail: format!(
            "{:.2} µs / {:.2} µs, HMAC-SHA256 with a key of its own / Ed25519, {AGENTS} agents",
            compared.subject / 1e3,
            compared.limit / 1e3
        ),
    }
}

/// Parse and verdict, with replay table and sequence.
fn whole(one: &[Bare]) -> Figure {
    let world = World::new();
    let mut sequence = 0;
    let mut next = || {
        sequence += 1;
        world.sign_all(sequence)
    };
    (0..WARM_UP).for_each(|_| world.judge_all(&next()));
    let rounds: Vec<_> = (0..ROUNDS).map(|_| next()).collect();
    let compared = in_turn(
        ROUNDS,
        (|round| rounds.get(round).into_iter().for_each(|signed| world.judge_all(signed)), AGENTS),
        (|_| assert!(one.iter().all(Bare::check_one)), AGENTS),
    );
    Figure {
        name: "whole check of a request in registry mode / one signature check",
        ratio: compared.ratio(),
        goal: 0.15,
        limit: 0.2,
        detail: format!(
            "{:.2} µs / {:.2} µs, keys at hand, counted / Ed25519, {AGENTS} agents",
            compared.subject / 1e3,
            compared.limit / 1e3
        ),
    }
}

impl World {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let certificate = Certificate::of(&[HOST]).expect("a certificate");
        let entity = runtime.block_on(Entity::start(&certificate, || NOW.seconds())).expect("a free port");
        let agents = (0..AGENTS).map(|at| entity.register("acme.example", &format!("agent-{at}"))).collect();
        let zone = format!(
            "$ORIGIN acme.example.\n$TTL 86400\n@ SOA ns host 1 2 3 4 86400\n_saip TXT \"v=saip1; re={HOST}\"\n"
        );
        let judge = world::judge(&zone, Directories::default()).asking(entities(&entity, &certificate));
        let rules = EntityRules::new([(Domain::parse(HOST).expect("sound"), EntityRules::WINDOW)]);
        let site = Site { entities: Some(rules), ..site() };
        Self { agents, judge, site, runtime, _entity: entity }
    }

    /// A request of each agent, of this number.
    fn sign_all(&self, sequence: u64) -> Vec<String> {
        let target = Target::parse("GET", PATH).expect("sound");
        let authority = Authority::parse(SITE, Scheme::Https).expect("sound");
        let request = RequestToSign { method: "GET", target: &target, authority: &authority, content: None };
        self.agents.iter().map(|agent| agent.sign(request, (None, sequence), NOW).expect("signs")).collect()
    }

    fn judge_all(&self, headers: &[String]) {
        self.runtime.block_on(async {
            for saip in headers {
                let verdict = self.judge.judge(&request(saip), &self.site).await;
                assert_eq!(verdict.class().number(), 3, "every request is good: {verdict:?}");
            }
        });
    }
}

fn entities(entity: &Entity, certificate: &Certificate) -> Entities {
    let zone = format!("$TTL 86400\nexample. SOA ns. host. 1 2 3 4 86400\n{HOST}. A 127.0.0.1\n");
    let zones = ZoneFiles::parse(&[("example", &zone)], Dnssec::Insecure).expect("the zone is sound");
    let settings = EntitySettings {
        entity: Domain::parse(HOST).expect("sound"),
        port: entity.address.port(),
        connector: Connector::trusting(certificate.certificate.as_bytes(), &[Protocol::Http1])
            .expect("a root"),
        allowed_networks: vec!["127.0.0.0/8".parse().expect("a network")],
    };
    let key = SecretKey::generate(KeyType::Ed25519, &mut SystemEntropy).expect("randomness");
    let audience = Authority::parse(SITE, Scheme::Https).expect("sound");
    let clock = Arc::new(ManualClock::at(NOW));
    Entities::new(vec![settings], (Arc::new(key), audience), &Dns::Zones(zones), clock)
}

impl Sealed {
    /// With some key: it costs the same whether it is the right one.
    fn of(saip: &str) -> Self {
        let header = Header::parse(saip).expect("well-formed");
        let signed = header.signed.as_ref().expect("signed");
        let (Mode::Registry(registry), Seal::Mac(_)) = (&signed.mode, &signed.seal) else {
            unreachable!("the agents sign in registry mode");
        };
        let mut message = Vec::new();
        let parts = RequestParts { method: "GET", path: PATH };
        request_string(&mut message, &header, signed, None, parts);
        let key = VerifierKey::parse(&"A".repeat(43)).expect("32 octets");
        let mac = key.seal("", registry.sequence, &message);
        Self { key, sequence: registry.sequence, message, mac }
    }

    fn holds(&self) -> bool {
        self.key.verify("", self.sequence, &self.message, &self.mac).is_ok()
    }
}

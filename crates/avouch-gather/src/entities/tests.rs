//! Against an entity that follows a script, over real HTTPS.

mod judged;
mod streams;

use super::unfound::UNKNOWN_KEPT;
use super::*;
use crate::clock::ManualClock;
use avouch_dns::ZoneFiles;
use avouch_engine::evidence::Dnssec;
use avouch_keys::entropy::SystemEntropy;
use avouch_tls::Protocol;
use avouch_wire::authority::Scheme;
use avouch_wire::entity::{KeyAnswer, MAX_AGENTS, MAX_ANSWER};
use avouch_wire::key::KeyType;
use avouch_wire::name::AgentId;
use testkit::certificate::Certificate;
use testkit::entity::{Entity, HOST, Script, found, refusal};

/// The beginning of an epoch.
const EPOCH: u64 = 1_789_999_800;
const NOW: u64 = EPOCH + 200;

struct World {
    entity: Entity,
    entities: Entities,
    clock: Arc<ManualClock>,
}

fn question_of(id: &str, epoch: u64) -> EntityQuestion {
    EntityQuestion {
        entity: Domain::parse(HOST).unwrap(),
        audience: "www.shop.example".to_owned(),
        domain: Domain::parse("acme.example").unwrap(),
        agent: AgentId::parse(id).unwrap().into_owned(),
        epoch,
    }
}

fn question() -> EntityQuestion {
    question_of("crawler-7", NOW / 300)
}

impl World {
    async fn new() -> Self {
        let clock = Arc::new(ManualClock::at(Time::from_seconds(NOW)));
        let certificate = Certificate::of(&[HOST]).unwrap();
        let own = Arc::clone(&clock);
        let entity = Entity::start(&certificate, move || own.now().seconds()).await.unwrap();
        entity.register("acme.example", "crawler-7");
        let zone =
            "$ORIGIN example.\n@ 300 IN SOA ns hostmaster 1 3600 600 86400 60\nre 300 IN A 127.0.0.1\n";
        let zones = ZoneFiles::parse(&[("example", zone)], Dnssec::Insecure).unwrap();
        let settings = EntitySettings {
            entity: Domain::parse(HOST).unwrap(),
            port: entity.address.port(),
            connector: Connector::trusting(certificate.certificate.as_bytes(), &[Protocol::Http1]).unwrap(),
            allowed_networks: vec!["127.0.0.0/8".parse().unwrap()],
        };
        let key = SecretKey::generate(KeyType::Ed25519, &mut SystemEntropy).unwrap();
        entity.trusts(avouch_wire::entity::VerifierDocument { keys: vec![key.public().clone()] });
        let audience = Authority::parse("www.shop.example", Scheme::Https).unwrap().into_owned();
        let asked = (Arc::new(key), audience);
        let entities =
            Entities::new(vec![settings], asked, &Dns::Zones(zones), Arc::clone(&clock) as Arc<dyn Clock>);
        Self { entity, entities, clock }
    }

    fn peek(&self, question: &EntityQuestion) -> Option<Answer<Arc<Registered>>> {
        self.entities.peek(question, self.clock.now())
    }

    async fn ask(&self, question: &EntityQuestion) -> Answer<Arc<Registered>> {
        self.entities.look_up(question, || Ok(())).await
    }

    /// Until when and from which number on the agent may speak; or why that is not known.
    async fn come(&self) -> Result<(u64, u64), Cause> {
        told(&self.ask(&question()).await)
    }

    fn set(&self, second: u64) {
        self.clock.set(Time::from_seconds(second));
    }

    fn asked(&self) -> usize {
        self.entity.asked().len()
    }

    fn figures(&self) -> EntityFigures {
        self.entities.figures().next().unwrap().1
    }
}

fn told(answer: &Answer<Arc<Registered>>) -> Result<(u64, u64), Cause> {
    match answer {
        Answer::Found { value, until, .. } => match &**value {
            Registered::Active { floor, .. } => Ok((until.seconds(), *floor)),
            Registered::Revoked => panic!("revoked"),
        },
        Answer::Unknown(cause) => Err(*cause),
        Answer::Absent { .. } => panic!("absent"),
    }
}

#[tokio::test]
async fn a_hundred_requests_of_one_agent_ask_once() {
    let world = World::new().await;
    assert_eq!(world.peek(&question()), None);
    let question = question();
    let all = join_all((0..100).map(|_| world.ask(&question))).await;
    assert!(all.iter().all(|answer| told(answer) == Ok((EPOCH + 300, 0))));
    assert_eq!((world.asked(), told(&world.peek(&question).unwrap())), (1, Ok((EPOCH + 300, 0))));
    assert_eq!(world.come().await, Ok((EPOCH + 300, 0)));
    let asked = &world.entity.asked()[0];
    assert_eq!((asked.entity.as_str(), asked.audience.as_str()), (HOST, "www.shop.example"));
    assert_eq!((asked.time, world.figures().answered, world.figures().agents), (NOW, 1, 1));
}

#[tokio::test]
async fn agents_that_wait_are_asked_for_together() {
    let world = World::new().await;
    let questions: Vec<_> = (0..200).map(|at| question_of(&format!("a{at}"), NOW / 300)).collect();
    (0..200).for_each(|at| drop(world.entity.register("acme.example", &format!("a{at}"))));
    let all = join_all(questions.iter().map(|question| world.ask(question))).await;
    assert!(all.iter().all(|answer| told(answer).is_ok()));
    let asked = world.entity.asked();
    assert!(asked.len() <= 4 + 200 / MAX_AGENTS + 1, "{}", asked.len());
    assert_eq!(asked.iter().map(|question| question.agents.len()).sum::<usize>(), 200, "each once");
    assert!(asked.iter().all(|question| question.agents.len() <= MAX_AGENTS));
    let keys = |answer: &Answer<Arc<Registered>>| match answer.found(world.clock.now()).map(|found| &**found)
    {
        Some(Registered::Active { keys, .. }) => keys.clone(),
        other => panic!("{other:?}"),
    };
    assert!(all.windows(2).all(|two| keys(&two[0]) != keys(&two[1])), "each has its own key");
}

#[tokio::test]
async fn a_key_is_used_until_its_end_and_not_a_moment_longer() {
    let world = World::new().await;
    assert_eq!(world.come().await, Ok((EPOCH + 300, 0)));
    world.clock.set(Time::from_millis((EPOCH + 300) * 1_000 - 1));
    assert_eq!(world.come().await, Ok((EPOCH + 300, 0)));
    world.set(EPOCH + 300);
    assert_eq!(world.peek(&question()), None);
    assert_eq!((world.come().await, world.asked()), (Ok((EPOCH + 600, 0)), 2), "of the epoch before");
    world.entities.0.desks[0].sweep(Time::from_seconds(EPOCH + 600));
    assert_eq!(world.figures().agents, 0, "wiped");
    world.set(NOW);
    assert_eq!(world.peek(&question()), None, "nothing from the future after the clock was set back");
}

#[tokio::test]
async fn what_an_entity_says_of_the_end_shortens_and_never_lengthens() {
    for (change, expected) in [
        ((|answer: &mut KeyAnswer| answer.until = NOW + 60) as fn(&mut KeyAnswer), Ok((NOW + 60, 0))),
        (|answer| answer.until = u64::MAX, Ok((EPOCH + 300, 0))),
        (|answer| answer.until = EPOCH + 301, Ok((EPOCH + 300, 0))),
        (|answer| answer.until = NOW, Err(Cause::EntityUnusable)),
        (|answer| answer.until = 0, Err(Cause::EntityUnusable)),
    ] {
        let world = World::new().await;
        world.entity.plays(Script::Changed(change));
        assert_eq!(world.come().await, expected);
    }
}

#[tokio::test]
async fn both_epochs_are_known_at_the_edge_of_one() {
    let world = World::new().await;
    world.set(EPOCH + 2);
    let epochs = [NOW / 300, NOW / 300 - 1];
    let questions = epochs.map(|epoch| question_of("crawler-7", epoch));
    let (one, other) = tokio::join!(world.ask(&questions[0]), world.ask(&questions[1]));
    assert_eq!([&one, &other].map(told), [Ok((EPOCH + 300, 0)); 2]);
    assert_ne!(one, other, "each epoch has its key");
    assert!(questions.iter().all(|question| world.peek(question).is_some()));
    assert_eq!(world.asked(), 2, "never in one question");
}

#[tokio::test]
async fn what_is_no_answer_to_the_question_is_not_knowing() {
    use Cause::{EntityUnreachable, EntityUnusable};
    let json =
        |fields: &str| format!("HTTP/1.1 200 OK\r\n{fields}connection: close\r\n\r\n{{}}").into_bytes();
    let other = |answer: &mut KeyAnswer| {
        answer.audience = Authority::parse("www.rival.example", Scheme::Https).unwrap().into_owned();
    };
    for (script, cause) in [
        (Script::Octets(found("{}")), EntityUnusable),
        (Script::Octets(found("<html>")), EntityUnusable),
        (Script::Octets(found(&" ".repeat(MAX_ANSWER + 1))), EntityUnusable),
        (Script::Octets(json("content-type: text/html\r\n")), EntityUnusable),
        (
            Script::Octets(json("content-type: application/json\r\ncontent-encoding: gzip\r\n")),
            EntityUnusable,
        ),
        (Script::Octets(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}".to_vec()), EntityUnusable),
        (Script::Octets(b"nothing of HTTP\r\n\r\n".to_vec()), EntityUnreachable),
        (Script::Octets(Vec::new()), EntityUnreachable),
        (Script::Octets(refusal("302 Found\r\nlocation: https://other.example/")), EntityUnusable),
        (Script::Octets(refusal("400 Bad Request")), EntityUnusable),
        (Script::Octets(refusal("403 Forbidden")), EntityUnusable),
        (Script::Octets(refusal("429 Too Many Requests")), EntityUnreachable),
        (Script::Octets(refusal("503 Service Unavailable")), EntityUnreachable),
        (Script::Changed(|answer| answer.entity = Domain::parse("re2.example").unwrap()), EntityUnusable),
        (Script::Changed(other), EntityUnusable),
        (Script::Changed(|answer| answer.agents[0].question.epoch += 1), EntityUnusable),
        (Script::Changed(|answer| answer.agents.push(answer.agents[0].clone())), EntityUnusable),
        (Script::Late(PATIENCE + Duration::from_millis(500)), EntityUnreachable),
    ] {
        let world = World::new().await;
        world.entity.plays(script);
        assert_eq!(world.come().await, Err(cause));
        assert_eq!(world.come().await, Err(cause), "remembered");
        let figures = world.figures();
        assert_eq!((world.asked(), figures.agents, figures.unusable + figures.unreachable), (1, 0, 1));
    }
}

#[tokio::test]
async fn a_question_signed_by_another_key_is_refused_and_a_stranger_asks_nobody() {
    let world = World::new().await;
    let other = SecretKey::generate(KeyType::Ed25519, &mut SystemEntropy).unwrap();
    world.entity.trusts(avouch_wire::entity::VerifierDocument { keys: vec![other.public().clone()] });
    assert_eq!(world.come().await, Err(Cause::EntityUnusable));
    let unknown = EntityQuestion { entity: Domain::parse("re2.example").unwrap(), ..question() };
    assert_eq!(world.ask(&unknown).await, Answer::default());
    assert_eq!((world.peek(&unknown), world.asked()), (None, 1));
}

#[tokio::test]
async fn an_entity_that_fails_is_left_alone_for_a_while_and_then_asked_again() {
    for (status, at_least) in [("503 Service Unavailable", 1), ("429 Slow\r\nretry-after: 20", 20)] {
        let world = World::new().await;
        world.entity.plays(Script::Octets(refusal(status)));
        assert_eq!(world.come().await, Err(Cause::EntityUnreachable));
        world.entity.plays(Script::Honest);
        let other = question_of("crawler-8", NOW / 300);
        let pause = Duration::from_secs(at_least);
        world.clock.set(Time::from_millis(NOW * 1_000 + pause.as_millis() as u64 - 1));
        assert_eq!(told(&world.ask(&other).await), Err(Cause::EntityUnreachable), "nor anybody else");
        assert_eq!(world.asked(), 1);
        world.clock.advance(Duration::from_secs(1));
        assert!(world.come().await.is_ok());
    }
}

#[tokio::test]
async fn a_question_that_is_refused_by_itself_keeps_no_other_from_being_asked() {
    let world = World::new().await;
    world.entity.plays(Script::Octets(refusal("400 Bad Request")));
    assert_eq!(told(&world.ask(&question_of("crawler-8", NOW / 300 - 1)).await), Err(Cause::EntityUnusable));
    world.entity.plays(Script::Honest);
    assert!(world.come().await.is_ok());
}

#[tokio::test]
async fn an_agent_that_is_unknown_is_asked_for_again_before_the_epoch_ends() {
    let world = World::new().await;
    let question = question_of("crawler-8", NOW / 300);
    let absent = |second| Answer::Absent { dnssec: Dnssec::Insecure, until: Time::from_seconds(second) };
    let end = NOW + UNKNOWN_KEPT.as_secs();
    assert_eq!(world.ask(&question).await, absent(end));
    world.entity.register("acme.example", "crawler-8");
    world.set(end - 1);
    assert_eq!(world.ask(&question).await, absent(end));
    world.set(end);
    assert!(told(&world.ask(&question).await).is_ok());
}

#[tokio::test]
async fn a_revoked_agent_is_known_as_revoked() {
    let world = World::new().await;
    world.entity.revoke("acme.example", "crawler-7");
    let answer = world.ask(&question()).await;
    assert_eq!(answer.found(world.clock.now()).map(|found| &**found), Some(&Registered::Revoked));
}

#[tokio::test]
async fn who_has_no_budget_asks_nothing_and_may_wait_for_another() {
    let world = World::new().await;
    let refused = world.entities.look_up(&question(), || Err::<(), _>(Cause::Budget)).await;
    assert_eq!((refused, world.asked()), (Answer::Unknown(Cause::Budget), 0));
    let question = question();
    let poor = world.entities.look_up(&question, || Err::<(), _>(Cause::Budget));
    let (rich, poor) = tokio::join!(world.ask(&question), poor);
    assert_eq!([&rich, &poor].map(told), [Ok((EPOCH + 300, 0)); 2]);
    assert_eq!(world.asked(), 1);
}

#[tokio::test]
async fn who_hangs_up_takes_the_answer_from_nobody() {
    let world = World::new().await;
    world.entity.plays(Script::Late(Duration::from_millis(200)));
    let question = question();
    let left = tokio::time::timeout(Duration::from_millis(50), world.ask(&question)).await;
    assert!(left.is_err());
    assert!(world.come().await.is_ok());
    assert_eq!(world.asked(), 1);
}

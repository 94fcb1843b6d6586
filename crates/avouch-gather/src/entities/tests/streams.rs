//! What is heard of revocations, and what becomes of keys.

use super::super::known::{CAPACITY, Heard, Known, OF_A_DOMAIN};
use super::super::lines::Lines;
use super::super::name::Names;
use super::super::stream::{SILENCE, next};
use super::super::trouble::Trouble;
use super::*;
use avouch_wire::entity::{Event, Happening, VerifierKey};
use http_body_util::StreamBody;
use hyper::body::{Bytes, Frame};
use std::convert::Infallible;

struct Following {
    world: World,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Following {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Following {
    async fn new() -> Self {
        let world = World::new().await;
        let entities = world.entities.clone();
        let task = tokio::spawn(async move { entities.keep().await });
        let following = Self { world, task };
        following.until(|world| world.figures().listening).await;
        following
    }

    async fn until(&self, holds: impl Fn(&World) -> bool) {
        for _ in 0..1_000 {
            if holds(&self.world) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it never came to that: {:?}", self.world.figures());
    }
}

#[tokio::test]
async fn what_is_revoked_is_forgotten_at_once_and_requests_under_way_are_told() {
    let following = Following::new().await;
    let world = &following.world;
    world.entity.register("acme.example", "crawler-8");
    let other = question_of("crawler-8", NOW / 300);
    assert!(world.come().await.is_ok() && told(&world.ask(&other).await).is_ok());
    assert_eq!(world.entities.forgotten(), 0);
    world.entity.revoke("acme.example", "crawler-7");
    following.until(|world| world.entities.forgotten() == 1).await;
    assert_eq!(world.peek(&question()), None);
    assert!(world.peek(&other).is_some(), "nobody else is forgotten");
    world.entity.revoke("acme.example", "crawler-99");
    following.until(|world| world.figures().revoked == 2).await;
    assert_eq!(world.entities.forgotten(), 1, "nothing rests on who was never asked for");
    world.entity.happens(Happening::Revoked { domain: Domain::parse("acme.example").unwrap(), agent: None });
    following.until(|world| world.peek(&other).is_none()).await;
    assert_eq!(world.figures().agents, 0);
}

#[tokio::test]
async fn another_beginning_counts_at_once_and_never_falls() {
    let following = Following::new().await;
    let world = &following.world;
    assert_eq!(world.come().await, Ok((EPOCH + 300, 0)));
    for (floor, expected) in [(1 << 32, 1 << 32), (7, 1 << 32)] {
        world.entity.raise("acme.example", "crawler-7", floor);
        let heard = world.figures().floors + 1;
        following.until(|world| world.figures().floors == heard).await;
        assert_eq!(world.come().await, Ok((EPOCH + 300, expected)));
    }
    assert_eq!((world.asked(), world.entities.forgotten()), (1, 0));
}

#[tokio::test]
async fn what_was_missed_is_asked_for_anew() {
    for line in [
        "{\"event\":7,\"kind\":\"alive\"}",
        "{\"event\":2,\"kind\":\"revoked\",\"dom\":\"other.example\"}",
        "{\"event\":0,\"kind\":\"reset\"}",
        "{\"event\":9,\"kind\":\"reset\"}",
        "{\"event\":1,\"kind\":\"exploded\"}",
        "",
    ] {
        let following = Following::new().await;
        let world = &following.world;
        assert!(world.come().await.is_ok());
        world.entity.say(line);
        following.until(|world| world.peek(&question()).is_none()).await;
        assert_eq!(world.entities.forgotten(), 1, "{line}");
    }
}

#[tokio::test]
async fn a_stream_that_broke_off_goes_on_where_it_ended_and_keys_stay_meanwhile() {
    let following = Following::new().await;
    let world = &following.world;
    world.entity.revoke("acme.example", "crawler-1");
    following.until(|world| world.figures().revoked == 1).await;
    assert!(world.come().await.is_ok());
    world.entity.is_deaf(true);
    world.entity.cut();
    following.until(|world| !world.figures().listening).await;
    assert!(world.peek(&question()).is_some(), "availability of the stream is never needed");
    world.entity.revoke("acme.example", "crawler-7");
    world.entity.is_deaf(false);
    following.until(|world| world.peek(&question()).is_none()).await;
    let after: Vec<_> = world.entity.followed().iter().map(|question| question.after).collect();
    assert_eq!((after, world.figures().resets), (vec![0, 1], 0));
}

#[tokio::test(start_paused = true)]
async fn silence_breaks_a_stream_off_and_a_sign_of_life_does_not() {
    let alive = "{\"event\":0,\"kind\":\"alive\"}\n";
    let lines = |pauses: Vec<(u64, &'static str)>| {
        let frames = futures_util::stream::unfold(pauses.into_iter(), |mut pauses| async {
            let (pause, octets) = pauses.next()?;
            tokio::time::sleep(Duration::from_secs(pause)).await;
            Some((Ok::<_, Infallible>(Frame::data(Bytes::from(octets))), pauses))
        });
        Lines::of(Box::pin(StreamBody::new(frames)))
    };
    let mut good = lines(vec![(24, alive), (24, alive), (26, alive)]);
    assert!(next(&mut good).await.is_ok() && next(&mut good).await.is_ok());
    let begun = tokio::time::Instant::now();
    assert!(matches!(next(&mut good).await, Err(Trouble::Silent)));
    assert_eq!(begun.elapsed(), SILENCE);
    let drip = vec![(10, "{"), (10, "\"event\""), (10, ":0,\"kind\":\"alive\"}\n")];
    assert!(matches!(next(&mut lines(drip)).await, Err(Trouble::Silent)), "octets are no line");
    assert!(matches!(next(&mut lines(vec![])).await, Err(Trouble::Stream(_))));
}

/// What an entity says of an agent, as of an event.
fn land(known: &mut Known, names: &Names, question: &EntityQuestion, event: u64) -> Option<Registered> {
    let registered =
        Registered::Active { keys: vec![VerifierKey::parse(&"A".repeat(43)).unwrap()], floor: 0 };
    let times = (Time::from_seconds(NOW), Time::from_seconds(EPOCH + 300));
    let about = (names.of(question), &question.domain, &question.agent);
    let answer = known.land(about, (registered, event), times)?;
    answer.found(times.0).map(|found| (**found).clone())
}

fn revoked(number: u64, id: Option<&str>) -> Event {
    let domain = Domain::parse("acme.example").unwrap();
    let agent = id.map(|id| AgentId::parse(id).unwrap().into_owned());
    Event { number, happening: Happening::Revoked { domain, agent } }
}

#[test]
fn an_answer_that_was_given_before_a_revocation_counts_for_nothing_after_it() {
    let (mut known, names) = (Known::default(), Names::new());
    let (own, other) = (question(), question_of("crawler-8", NOW / 300));
    assert_eq!(known.hear(revoked(1, Some("crawler-7")), &names), (Heard::Revoked, false));
    assert_eq!(land(&mut known, &names, &own, 0), Some(Registered::Revoked));
    assert!(matches!(land(&mut known, &names, &own, 1), Some(Registered::Active { .. })), "registered anew");
    assert!(matches!(land(&mut known, &names, &other, 0), Some(Registered::Active { .. })));
    let floor = Event {
        number: 2,
        happening: Happening::Floor { domain: own.domain.clone(), agent: own.agent.clone(), floor: 1 << 32 },
    };
    known.hear(floor, &names);
    assert!(
        matches!(land(&mut known, &names, &own, 1), Some(Registered::Active { floor, .. }) if floor == 1 << 32)
    );
    assert_eq!(known.hear(revoked(3, None), &names), (Heard::Revoked, true));
    assert_eq!(land(&mut known, &names, &other, 2), Some(Registered::Revoked), "a domain is all its agents");
    let reset = Event { number: 9, happening: Happening::Reset };
    assert_eq!(known.hear(reset, &names), (Heard::Reset, true));
    assert_eq!(land(&mut known, &names, &own, 8), None, "more has happened since than is known");
    assert!(land(&mut known, &names, &own, 9).is_some());
}

#[test]
fn events_are_remembered_for_as_long_as_answers_are_under_way() {
    let (mut known, names) = (Known::default(), Names::new());
    (1..=1_030).for_each(|number| _ = known.hear(revoked(number, Some("crawler-1")), &names));
    assert_eq!(land(&mut known, &names, &question(), 5), None);
    assert!(land(&mut known, &names, &question(), 6).is_some());
}

#[test]
fn a_domain_fills_its_part_and_keys_that_have_ended_give_way() {
    let (mut known, names) = (Known::default(), Names::new());
    for at in 0..=OF_A_DOMAIN {
        assert!(land(&mut known, &names, &question_of(&format!("a{at}"), NOW / 300), 0).is_some());
    }
    assert_eq!(known.len(), OF_A_DOMAIN);
    let last = names.question(&question_of(&format!("a{OF_A_DOMAIN}"), NOW / 300));
    assert_eq!(known.peek(last, Time::from_seconds(NOW)), None, "used, and not held");
    let unheld = revoked(1, Some(&format!("a{OF_A_DOMAIN}")));
    assert_eq!(known.hear(unheld, &names), (Heard::Revoked, true), "it may be in use all the same");
    let others = (0..2 * CAPACITY / OF_A_DOMAIN)
        .map(|at| Domain::parse(&format!("d{at}.example")).unwrap().into_owned());
    for domain in others {
        for at in 0..OF_A_DOMAIN {
            let question = question_of(&format!("a{at}"), NOW / 300);
            land(&mut known, &names, &EntityQuestion { domain: domain.clone(), ..question }, 1);
        }
    }
    assert_eq!(known.len(), CAPACITY);
    known.sweep(Time::from_seconds(EPOCH + 300));
    assert_eq!(known.len(), 0);
}

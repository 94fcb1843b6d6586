use super::*;
use crate::clock::{Clock, ManualClock};
use crate::replay::{FUTURE, Settings};
use avouch_engine::pipeline::Share;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

const NOW: u64 = 1_790_000_123;

/// How a question to those who share goes wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    /// It never gets there.
    Unasked,
    /// It is entered, and the answer is lost.
    Unanswered,
}

/// A shared table in memory, which can be made to fail and to forget.
struct Fake {
    entered: BTreeSet<[u8; 16]>,
    refused_until: u64,
    fault: Fault,
    asked: u32,
    /// What was said of counts.
    counted: Vec<Option<Counted>>,
}

struct Group(Mutex<Fake>);

impl Group {
    fn new() -> Self {
        Self(Mutex::new(Fake {
            entered: BTreeSet::new(),
            refused_until: 0,
            fault: Fault::None,
            asked: 0,
            counted: Vec::new(),
        }))
    }

    fn forget(&self, now: u64) {
        let mut fake = self.0.lock().unwrap();
        fake.entered.clear();
        fake.refused_until = now + FUTURE;
    }
}

impl Shared for Group {
    fn enter(&self, spent: Spent) -> Entering<'_> {
        let mut fake = self.0.lock().unwrap();
        fake.asked += 1;
        fake.counted.push(spent.counted);
        let fault = fake.fault;
        let answer = match fault {
            Fault::Unasked => Err(NotCommitted::StoreUnreachable),
            _ if spent.signed <= fake.refused_until => Err(NotCommitted::StartRule),
            _ if !fake.entered.insert(spent.fingerprint) => Err(NotCommitted::Replayed),
            Fault::None => Ok(()),
            Fault::Unanswered => Err(NotCommitted::StoreUnreachable),
        };
        Box::pin(std::future::ready(answer))
    }
}

fn node(clock: &Arc<ManualClock>) -> Nonces {
    let settings = Settings { capacity: 1 << 10, folder: None, fresh: true };
    Nonces::open(&settings, Arc::clone(clock) as Arc<dyn Clock>).unwrap()
}

fn used(nonce: &[u8], signed: u64) -> Used<'_> {
    let share = Share::Domain { domain: "bot.example", named: true };
    Used { key: &[7; 32], nonce, signed, until: signed + 300, share, of_this_start: false, sequence: None }
}

fn commit(node: &Nonces, group: &Group, nonce: u8, signed: u64, now: u64) -> Result<(), NotCommitted> {
    let nonce = [nonce];
    let asking = node.commit_among(group, used(&nonce, signed), None, Time::from_seconds(now));
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(asking)
}

#[test]
fn how_far_an_agent_has_counted_is_for_those_who_share_to_say() {
    let (clock, group) = (Arc::new(ManualClock::at(Time::from_seconds(NOW))), Group::new());
    let node = node(&clock);
    let count = |nonce: u8, instance: &'static str, number, floor| {
        let sequence = Some(Sequence { instance, number, floor, window: 5 });
        let (nonce, now) = ([nonce], Time::from_seconds(NOW));
        let asking = node.commit_among(&group, Used { sequence, ..used(&nonce, NOW) }, None, now);
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(asking)
    };
    for (nonce, (instance, number, floor)) in (0..).zip([
        ("m1", 9, 0),
        ("m1", 40, 0),
        ("m2", 3, 0),
        ("m1", (1 << 32) + 4, 1 << 32),
        ("m1", (1 << 32) + 5, 1 << 32),
    ]) {
        assert_eq!(count(nonce, instance, number, floor), Ok(()), "this node looks at none of it");
    }
    assert_eq!(count(9, "m1", 7, 8), Err(NotCommitted::SequenceBehind), "but where it begins");
    let counted: Vec<_> = group.0.lock().unwrap().counted.iter().flatten().copied().collect();
    let numbers: Vec<_> = counted.iter().map(|counted| (counted.number, counted.after)).collect();
    let floor = 1 << 32;
    assert_eq!(numbers, [(9, 4), (40, 35), (3, 0), (floor + 4, 0), (floor + 5, floor)]);
    assert_eq!((counted[0].name, counted[0].name != counted[2].name), (counted[1].name, true));
    assert_eq!(node.sequences(), 0);
}

proptest! {
    #[test]
    fn what_is_told_of_a_count_says_the_same_as_the_rule(
        (number, floor, window) in (0..40_u64, 0..40_u64, 1..=10_u64),
        last in 0..40_u64,
    ) {
        let sequence = Sequence { instance: "", number, floor, window };
        let Ok(counted) = counted(&[7; 32], sequence) else {
            prop_assert_eq!(sequence.follows(Some(last)), Err(NotCommitted::SequenceBehind));
            return Ok(());
        };
        let told = match () {
            () if last >= counted.number => Err(NotCommitted::SequenceBehind),
            () if last < counted.after => Err(NotCommitted::SequenceAhead),
            () => Ok(()),
        };
        prop_assert_eq!(told, sequence.follows(Some(last)));
    }
}

#[test]
fn what_this_node_has_accepted_is_refused_without_asking() {
    let (clock, group) = (Arc::new(ManualClock::at(Time::from_seconds(NOW))), Group::new());
    let (one, other) = (node(&clock), node(&clock));
    assert_eq!(commit(&one, &group, 1, NOW, NOW), Ok(()));
    assert_eq!(commit(&one, &group, 1, NOW, NOW), Err(NotCommitted::Replayed));
    assert_eq!(group.0.lock().unwrap().asked, 1);
    assert_eq!(commit(&other, &group, 1, NOW, NOW), Err(NotCommitted::Replayed));
    assert_eq!(commit(&other, &group, 2, NOW, NOW), Ok(()));
}

#[test]
fn a_request_whose_answer_was_lost_is_never_accepted() {
    let (clock, group) = (Arc::new(ManualClock::at(Time::from_seconds(NOW))), Group::new());
    let (one, other) = (node(&clock), node(&clock));
    for (nonce, fault) in [(1, Fault::Unasked), (2, Fault::Unanswered)] {
        group.0.lock().unwrap().fault = fault;
        assert_eq!(commit(&one, &group, nonce, NOW, NOW), Err(NotCommitted::StoreUnreachable));
        group.0.lock().unwrap().fault = Fault::None;
        assert_eq!(commit(&one, &group, nonce, NOW, NOW), Err(NotCommitted::Replayed), "{fault:?}");
    }
    // Elsewhere one that never got there is new.
    assert_eq!(commit(&other, &group, 1, NOW, NOW), Ok(()));
    assert_eq!(commit(&other, &group, 2, NOW, NOW), Err(NotCommitted::Replayed));
}

#[test]
fn requests_are_told_apart_by_key_nonce_and_time() {
    let of = |key: &[u8; 32], nonce: &[u8], signed| fingerprint(&Used { key, ..used(nonce, signed) });
    let one = of(&[7; 32], b"ab", NOW);
    assert_eq!(of(&[7; 32], b"ab", NOW), one);
    for other in [of(&[8; 32], b"ab", NOW), of(&[7; 32], b"ac", NOW), of(&[7; 32], b"ab", NOW + 1)] {
        assert_ne!(other, one);
    }
}

/// What happens to a group of three.
#[derive(Clone, Debug)]
enum Event {
    Comes {
        request: u8,
        node: usize,
        fault: Fault,
    },
    /// A node is killed and starts again.
    Restarts(usize),
    /// Those who share lose their memory.
    Forgets,
    Passes(u64),
}

fn event() -> impl Strategy<Value = Event> {
    let fault = prop_oneof![6 => Just(Fault::None), 1 => Just(Fault::Unasked), 1 => Just(Fault::Unanswered)];
    prop_oneof![
        20 => (0..12_u8, 0..3_usize, fault).prop_map(|(request, node, fault)| Event::Comes { request, node, fault }),
        2 => (0..3_usize).prop_map(Event::Restarts),
        1 => Just(Event::Forgets),
        1 => (1..40_u64).prop_map(Event::Passes),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Beside a set that forgets nothing: no request is accepted twice, and one that is new, signed after the last
    /// loss of memory, and not failed by a fault, is accepted.
    #[test]
    fn a_group_agrees_with_a_set_that_forgets_nothing(events in prop::collection::vec(event(), 1..120)) {
        let clock = Arc::new(ManualClock::at(Time::from_seconds(NOW)));
        let (group, mut now) = (Group::new(), NOW);
        let mut nodes = [node(&clock), node(&clock), node(&clock)];
        let (mut accepted, mut came) = (BTreeSet::new(), BTreeSet::new());
        let mut refused_until = 0;
        for event in events {
            match event {
                Event::Comes { request, node, fault } => {
                    // Up to the longest that may be signed ahead.
                    let signed = NOW + u64::from(request) * 6 % (FUTURE + 1);
                    group.0.lock().unwrap().fault = fault;
                    let is_new = came.insert(request);
                    match commit(&nodes[node], &group, request, signed, now) {
                        Ok(()) => prop_assert!(accepted.insert(request), "{request} twice"),
                        Err(refused) => prop_assert!(
                            !is_new || fault != Fault::None || signed <= refused_until,
                            "{request}: {refused:?}"
                        ),
                    }
                }
                Event::Restarts(at) => nodes[at] = node(&clock),
                Event::Forgets => {
                    group.forget(now);
                    refused_until = now + FUTURE;
                }
                Event::Passes(seconds) => {
                    now = (now + seconds).min(NOW + 300);
                    clock.set(Time::from_seconds(now));
                }
            }
        }
    }
}

use super::*;
use crate::authority::{Authority, Scheme};
use crate::b64u;
use crate::key::PublicKey;
use crate::name::{AgentId, Domain};
use ed25519_dalek::{Signer, SigningKey};
use proptest::prelude::*;

const NONCE: &str = "0123456789abcdef";

fn domain(text: &str) -> Domain<'static> {
    Domain::parse(text).unwrap().into_owned()
}

fn key(seed: u8) -> (SigningKey, PublicKey) {
    let key = SigningKey::from_bytes(&[seed; 32]);
    let public = PublicKey::from_octets(key.verifying_key().as_bytes()).unwrap();
    (key, public)
}

fn agent(id: &str, epoch: u64) -> AgentQuestion {
    let agent = AgentId::parse(id).unwrap().into_owned();
    AgentQuestion { domain: domain("acme.example"), agent, epoch }
}

fn question(agents: Vec<AgentQuestion>) -> KeyQuestion {
    let audience = Authority::parse("www.shop.example", Scheme::Https).unwrap().into_owned();
    let (entity, nonce) = (domain("re.example"), NONCE.to_owned());
    KeyQuestion { entity, audience, time: 1_790_000_000, nonce, agents }
}

fn secret(octet: u8) -> VerifierKey {
    VerifierKey::parse(&b64u::encode(&[octet; 32])).unwrap()
}

fn answer() -> (KeyQuestion, KeyAnswer) {
    let question = question(vec![agent("a", 7), agent("b", 7), agent("b", 6)]);
    let registrations = [
        Registration::Registered { keys: vec![secret(1), secret(2)], floor: 1 << 32 },
        Registration::Unknown,
        Registration::Revoked,
    ];
    let agents = question.agents.iter().cloned().zip(registrations);
    let agents = agents.map(|(question, registration)| AgentAnswer { question, registration }).collect();
    let (entity, audience) = (question.entity.clone(), question.audience.clone());
    (question, KeyAnswer { entity, audience, until: 1_790_000_100, event: 17, agents })
}

/// Replaces one part of a text, which must be there, and once.
fn with(text: &str, from: &str, to: &str) -> Vec<u8> {
    assert_eq!(text.matches(from).count(), 1, "{from} in {text}");
    text.replace(from, to).into_bytes()
}

#[test]
fn questions_are_read_as_written_and_look_as_the_format_says() {
    let keys = question(vec![agent("crawler-7", 5_966_666)]);
    let text = "{\"re\":\"re.example\",\"aud\":\"www.shop.example\",\"time\":1790000000,\"nonce\":\"0123456789abcdef\",\
                \"agents\":[{\"dom\":\"acme.example\",\"id\":\"crawler-7\",\"epoch\":5966666}]}";
    assert_eq!(keys.write(), text);
    assert_eq!(KeyQuestion::read(text.as_bytes()), Ok(keys.clone()));
    let KeyQuestion { entity, audience, time, nonce, .. } = keys;
    let events = EventQuestion { entity, audience, time, nonce, after: 17 };
    assert_eq!(EventQuestion::read(events.write().as_bytes()), Ok(events.clone()));
    let EventQuestion { entity, time, nonce, .. } = events;
    let AgentQuestion { domain, agent, .. } = agent("crawler-7", 0);
    let again = Renegotiation { entity, domain, agent, time, nonce };
    assert_eq!(Renegotiation::read(again.write().as_bytes()), Ok(again));
}

#[test]
fn each_member_of_a_question_refuses_its_near_miss() {
    let text = question(vec![agent("crawler-7", 5)]).write();
    assert!(KeyQuestion::read(text.as_bytes()).is_ok());
    for (from, to) in [
        ("re.example", "example"),
        ("re.example", "Re.example"),
        ("\"www.shop.example\"", "\"WWW.shop.example\""),
        ("\"www.shop.example\"", "\"www.shop.example:443\""),
        ("\"www.shop.example\"", "\"https://www.shop.example\""),
        ("1790000000", "-1"),
        ("1790000000", "1.5"),
        ("1790000000", "\"1790000000\""),
        (NONCE, "0123456789abcde"),
        (NONCE, "0123456789abcde+"),
        ("acme.example", "Acme.example"),
        ("acme.example", "co.uk"),
        ("crawler-7", "Crawler-7"),
        ("crawler-7", ""),
        ("\"epoch\":5", "\"epoch\":5,\"epoch\":5"),
        ("\"epoch\":5", "\"epoch\":5,\"more\":1"),
        ("\"time\":", "\"time\":1,\"time\":"),
        ("{\"re\"", "{\"more\":1,\"re\""),
        (",\"epoch\":5", ""),
        ("]}", "]} {}"),
    ] {
        assert!(KeyQuestion::read(&with(&text, from, to)).is_err(), "{to} for {from}");
    }
}

#[test]
fn a_question_is_for_1_to_64_agents() {
    let of = |count: usize| KeyQuestion::read(question(vec![agent("a", 1); count]).write().as_bytes());
    assert!(of(1).is_ok() && of(MAX_AGENTS).is_ok());
    assert_eq!(of(0), Err(MessageError::Count("agents", MAX_AGENTS)));
    assert_eq!(of(MAX_AGENTS + 1), Err(MessageError::Count("agents", MAX_AGENTS)));
    let long = vec![b' '; MAX_QUESTION + 1];
    assert_eq!(KeyQuestion::read(&long), Err(MessageError::TooLong(MAX_QUESTION)));
}

#[test]
fn the_longest_question_and_answer_fit() {
    let dom = format!("{}.{}.{}.example", "d".repeat(63), "d".repeat(63), "d".repeat(5));
    let id = format!("{}.{}", "a".repeat(63), "a".repeat(35));
    let (domain, agent) = (domain(&dom), AgentId::parse(&id).unwrap().into_owned());
    assert!(agent.record_name(&domain).unwrap().len() > 240);
    let question = question(vec![AgentQuestion { domain, agent, epoch: u64::MAX }; MAX_AGENTS]);
    assert_eq!(KeyQuestion::read(question.write().as_bytes()), Ok(question.clone()));
    let (_, mut answer) = answer();
    let registration = Registration::Registered { keys: vec![secret(1), secret(2)], floor: u64::MAX };
    let to = |question: &AgentQuestion| AgentAnswer {
        question: question.clone(),
        registration: registration.clone(),
    };
    answer.agents = question.agents.iter().map(to).collect();
    assert_eq!(KeyAnswer::read(answer.write().as_bytes(), &question), Ok(answer));
}

#[test]
fn an_answer_is_read_as_written_by_who_asked_for_it_alone() {
    let (asked, answer) = answer();
    let text = answer.write();
    assert_eq!(KeyAnswer::read(text.as_bytes(), &asked), Ok(answer));
    let rival = Authority::parse("www.rival.example", Scheme::Https).unwrap().into_owned();
    for (other, member) in [
        (KeyQuestion { entity: domain("re2.example"), ..asked.clone() }, "re"),
        (KeyQuestion { audience: rival, ..asked.clone() }, "aud"),
        (KeyQuestion { agents: vec![agent("a", 7), agent("b", 7)], ..asked.clone() }, "agents"),
        (
            KeyQuestion { agents: vec![agent("a", 7), agent("b", 6), agent("b", 7)], ..asked.clone() },
            "agents",
        ),
        (KeyQuestion { agents: vec![agent("c", 7), agent("b", 7), agent("b", 6)], ..asked }, "agents"),
    ] {
        assert_eq!(KeyAnswer::read(text.as_bytes(), &other), Err(MessageError::NotAsked(member)));
    }
}

#[test]
fn keys_stand_where_an_agent_is_registered_and_nowhere_else() {
    let (asked, answer) = answer();
    let text = answer.write();
    let one = b64u::encode(&[1; 32]);
    for (from, to) in [
        ("\"standing\":\"unknown\"", "\"standing\":\"unknown\",\"floor\":1".to_owned()),
        ("\"standing\":\"revoked\"", format!("\"standing\":\"revoked\",\"keys\":[\"{one}\"]")),
        ("\"standing\":\"revoked\"", "\"standing\":\"registered\"".to_owned()),
        ("\"standing\":\"registered\"", "\"standing\":\"unknown\"".to_owned()),
        ("\"standing\":\"registered\"", "\"standing\":\"Registered\"".to_owned()),
        (",\"floor\":4294967296", String::new()),
        ("\"floor\":4294967296", "\"floor\":-1".to_owned()),
        ("\"keys\":[", format!("\"keys\":[\"{one}\",")),
        (&one, b64u::encode(&[1; 31])),
        (&one, format!("{one}=")),
        ("\"event\":17,", String::new()),
    ] {
        assert!(KeyAnswer::read(&with(&text, from, &to), &asked).is_err(), "{to} for {from}");
    }
    let none = text.replace(&format!("\"{one}\",\"{}\"", b64u::encode(&[2; 32])), "");
    assert_eq!(KeyAnswer::read(none.as_bytes(), &asked), Err(MessageError::Count("keys", MAX_SECRETS)));
    assert!(!format!("{answer:?}").contains(&one), "no key is printed");
}

#[test]
fn a_question_is_signed_for_its_path_and_body_by_a_key_of_the_site() {
    let ((secret, public), (_, stranger)) = (key(1), key(2));
    let (path, body) = ("/v1/verifiers/key", question(vec![agent("a", 1)]).write());
    let string = Asker::Verifier.string(path, body.as_bytes());
    assert!(string.starts_with(b"avouch re question v1\0\0\x11/v1/verifiers/key\0\0\0"));
    let credentials = Credentials {
        asker: Asker::Verifier,
        key: *public.fingerprint().as_bytes(),
        signature: secret.sign(&string).to_bytes(),
    };
    let text = credentials.to_string();
    assert_eq!(Credentials::parse(&text), Some(credentials.clone()));
    let document = VerifierDocument { keys: vec![stranger.clone(), public.clone()] };
    assert_eq!(document.signer(&credentials, path, body.as_bytes()), Some(&public));
    for (keys, path, body) in [
        (vec![stranger], path, &*body),
        (vec![public.clone()], "/v1/verifiers/events", &*body),
        (vec![public.clone()], path, "{}"),
    ] {
        assert_eq!(VerifierDocument { keys }.signer(&credentials, path, body.as_bytes()), None);
    }
    let agent = Credentials { asker: Asker::Agent, ..credentials.clone() };
    assert_eq!(document.signer(&agent, path, body.as_bytes()), None, "an agent is no verifier");
    assert!(agent.verify(&public, path, body.as_bytes()).is_err(), "signed for another purpose");
    let named = Credentials { key: [0; 32], ..credentials };
    assert!(named.verify(&public, path, body.as_bytes()).is_err(), "another fingerprint");
    for bad in [
        text.replace("Avouch-Verifier", "avouch-verifier"),
        text.replace("Avouch-Verifier", "Bearer"),
        text.replace(' ', "  "),
        text.replace('.', ","),
        format!("{text}A"),
        "Avouch-Verifier".to_owned(),
    ] {
        assert_eq!(Credentials::parse(&bad), None, "{bad}");
    }
}

#[test]
fn a_site_publishes_1_to_4_keys() {
    let document = |count: usize| VerifierDocument { keys: vec![key(1).1; count] }.write();
    for count in 1..=MAX_VERIFIER_KEYS {
        assert_eq!(VerifierDocument::read(document(count).as_bytes()).unwrap().keys.len(), count);
    }
    for count in [0, MAX_VERIFIER_KEYS + 1] {
        let refused = VerifierDocument::read(document(count).as_bytes());
        assert_eq!(refused, Err(MessageError::Count("keys", MAX_VERIFIER_KEYS)));
    }
    for bad in ["{\"keys\":[\"AAAA\"]}", "{\"keys\":\"AAAA\"}", "{\"keys\":[],\"more\":1}", "[]", ""] {
        assert!(VerifierDocument::read(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn events_are_read_as_written_and_refuse_their_near_misses() {
    let all = [
        "{\"event\":18,\"kind\":\"revoked\",\"dom\":\"acme.example\",\"id\":\"crawler-7\"}",
        "{\"event\":19,\"kind\":\"revoked\",\"dom\":\"acme.example\"}",
        "{\"event\":20,\"kind\":\"floor\",\"dom\":\"acme.example\",\"id\":\"crawler-7\",\"floor\":4294967296}",
        "{\"event\":21,\"kind\":\"reset\"}",
        "{\"event\":21,\"kind\":\"alive\"}",
    ];
    for line in all {
        assert_eq!(Event::read(line.as_bytes()).unwrap().write(), line);
    }
    for line in [
        "{\"event\":18,\"kind\":\"revoked\"}",
        "{\"event\":18,\"kind\":\"revoked\",\"id\":\"crawler-7\"}",
        "{\"event\":18,\"kind\":\"revoked\",\"dom\":\"Acme.example\"}",
        "{\"event\":18,\"kind\":\"revoked\",\"dom\":\"acme.example\",\"floor\":1}",
        "{\"event\":18,\"kind\":\"floor\",\"dom\":\"acme.example\",\"id\":\"crawler-7\"}",
        "{\"event\":18,\"kind\":\"floor\",\"dom\":\"acme.example\",\"floor\":1}",
        "{\"event\":18,\"kind\":\"alive\",\"dom\":\"acme.example\"}",
        "{\"event\":18,\"kind\":\"reset\",\"more\":1}",
        "{\"event\":18,\"event\":18,\"kind\":\"reset\"}",
        "{\"event\":-1,\"kind\":\"reset\"}",
        "{\"kind\":\"reset\"}",
        "",
    ] {
        assert!(Event::read(line.as_bytes()).is_err(), "{line}");
    }
    let long = format!("{}{}", all[3], " ".repeat(MAX_LINE));
    assert_eq!(Event::read(long.as_bytes()), Err(MessageError::TooLong(MAX_LINE)));
}

#[test]
fn a_gap_in_the_numbers_is_noticed() {
    let follows = |line: &str, last| Event::read(line.as_bytes()).unwrap().follows(last);
    let revoked = "{\"event\":18,\"kind\":\"revoked\",\"dom\":\"acme.example\"}";
    assert_eq!([16, 17, 18].map(|last| follows(revoked, last)), [false, true, false]);
    let alive = "{\"event\":18,\"kind\":\"alive\"}";
    assert_eq!([17, 18, 19].map(|last| follows(alive, last)), [false, true, false]);
    let reset = "{\"event\":18,\"kind\":\"reset\"}";
    assert_eq!([3, 18, 19].map(|last| follows(reset, last)), [true, true, false]);
    let last = format!("{{\"event\":{},\"kind\":\"reset\"}}", u64::MAX);
    assert!(follows(&last, u64::MAX) && !follows(revoked, u64::MAX));
}

/// A list of these acts, each line signed by the key of its seed.
fn list(acts: &[(Act, &str, u64, u8)]) -> Vec<Member> {
    let mut members = Vec::<Member>::new();
    for (number, (act, host, time, seed)) in (1..).zip(acts) {
        let previous = members.last().map_or([0; 32], Member::head);
        let (host, signature) = (domain(host), [0; 64]);
        let mut member = Member { number, previous, act: *act, host, time: *time, signature };
        member.signature = key(*seed).0.sign(&member.signed_string()).to_bytes();
        members.push(member);
    }
    members
}

fn text(members: &[Member]) -> Vec<u8> {
    members.iter().flat_map(|member| (member.write() + "\n").into_bytes()).collect()
}

fn read(members: &[Member]) -> Result<Members, MemberError> {
    Members::read(&text(members), &key(1).1)
}

#[test]
fn a_list_holds_who_joined_and_did_not_leave() {
    let acts =
        [(Act::Join, "re.example", 5, 1), (Act::Join, "re2.example", 5, 1), (Act::Leave, "re.example", 6, 1)];
    let (before, after) = (read(&list(&acts[..2])).unwrap(), read(&list(&acts)).unwrap());
    let holds = |members: &Members| ["re.example", "re2.example"].map(|host| members.holds(&domain(host)));
    assert_eq!((holds(&before), holds(&after)), ([true, true], [false, true]));
    assert!(after.goes_on_from(&before) && after.goes_on_from(&Members::default()));
    assert!(!before.goes_on_from(&after), "it was cut");
    assert_eq!((before.parts_from(&after), after.parts_from(&before)), (Some(3), None));
    assert_eq!(before.hosts().collect::<Vec<_>>(), ["re.example", "re2.example"]);
    assert_eq!((after.lines(), after.time(), after.head()), (3, 6, list(&acts)[2].head()));
    let other = read(&list(&[(Act::Join, "re.example", 5, 1), (Act::Join, "re3.example", 5, 1)])).unwrap();
    assert!(!other.goes_on_from(&before) && !after.goes_on_from(&other), "it was rewritten");
    assert_eq!((other.parts_from(&before), after.parts_from(&other)), (Some(2), Some(2)));
}

#[test]
fn a_list_that_is_not_signed_or_does_not_follow_is_none() {
    use Act::{Join, Leave};
    let good = list(&[(Join, "re.example", 5, 1), (Join, "re2.example", 5, 1), (Leave, "re.example", 6, 1)]);
    assert!(read(&good).is_ok() && read(&[]).is_ok());
    assert_eq!(read(&list(&[(Join, "re.example", 5, 2)])), Err(MemberError::Signature(1)));
    assert_eq!(read(&good[1..]), Err(MemberError::Chain(1)));
    assert_eq!(read(&[good[0].clone(), good[2].clone()]), Err(MemberError::Chain(2)), "a line was taken out");
    let back = list(&[(Join, "re.example", 5, 1), (Join, "re2.example", 4, 1)]);
    assert_eq!(read(&back), Err(MemberError::Chain(2)), "time falls");
    let twice = list(&[(Join, "re.example", 5, 1), (Join, "re.example", 5, 1)]);
    assert_eq!(read(&twice), Err(MemberError::Act(2)));
    assert_eq!(read(&list(&[(Leave, "re.example", 5, 1)])), Err(MemberError::Act(1)));
    let mut changed = good.clone();
    changed[1].host = domain("re3.example");
    assert_eq!(read(&changed), Err(MemberError::Signature(2)));
    let octets = text(&good);
    let cut = Members::read(&octets[..octets.len() - 1], &key(1).1);
    assert!(matches!(cut, Err(MemberError::Line(3, _))), "the last line may be a part of one");
}

proptest! {
    #[test]
    fn no_octets_make_a_parser_panic(octets in proptest::collection::vec(any::<u8>(), 0..300), text in ".{0,200}") {
        let asked = question(vec![agent("a", 1)]);
        for octets in [&octets[..], text.as_bytes()] {
            let _ = KeyQuestion::read(octets);
            let _ = EventQuestion::read(octets);
            let _ = Renegotiation::read(octets);
            let _ = KeyAnswer::read(octets, &asked);
            let _ = VerifierDocument::read(octets);
            let _ = Event::read(octets);
            let _ = Members::read(octets, &key(1).1);
        }
        let _ = Credentials::parse(&text);
    }
}

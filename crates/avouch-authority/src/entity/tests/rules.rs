use super::*;
use crate::entity::rules::{MAX_TOKENS, next_floor, state};
use crate::entity::{Actor, MAX_AGENTS, MAX_ASKED, MAX_NOTED, Refusal, Rules, Scope, Unchanged, start};
use avouch_store::ledger::Transaction;
use avouch_store::ledger::entity::{Agent, AgentState, Name, Token};
use avouch_wire::enrolment::{AgentPattern, token_text};
use avouch_wire::entity::{Event, Happening, SecretAnswer, token_digest};

const OWNER: Actor<'static> = Actor("owner");

fn at(seconds: u64) -> Time {
    Time::from_seconds(seconds)
}

async fn begun() -> (Folder, Rules, Transaction) {
    let folder = Folder::new();
    let (root, ledger) = (folder.root(), folder.ledger().await);
    start::start(&ledger, (&folder.path("mark"), root.mark()), false, at(NOW)).await.unwrap();
    let rules = Rules { entity: domain("re.example"), root: Arc::new(root), noted: Arc::default() };
    let begun = ledger.begin().await.unwrap();
    (folder, rules, begun)
}

fn a_token(name: &str, octet: u8) -> Token {
    Token {
        digest: token_digest(&token_text(&[octet; 32])).unwrap(),
        name: name.to_owned(),
        domain: "acme.example".to_owned(),
        agents: "*.gptbot".to_owned(),
        uses: 2,
        expires: at(NOW + 3600),
    }
}

fn asked(key: &SecretKey, of: &str, id: &str, octet: u8) -> RegistrationQuestion {
    RegistrationQuestion {
        entity: domain("re.example"),
        domain: domain(of),
        agent: agent(id),
        key: key.public().clone(),
        token: token_text(&[octet; 32]),
        time: NOW,
        nonce: fresh(),
    }
}

fn again(id: &str) -> Renegotiation {
    let (entity, domain, agent) = (domain("re.example"), domain("acme.example"), agent(id));
    Renegotiation { entity, domain, agent, time: NOW, nonce: fresh() }
}

async fn register(
    rules: &Rules,
    ledger: &mut Transaction,
    question: RegistrationQuestion,
    now: u64,
) -> Result<SecretAnswer, Refusal> {
    let question = RegistrationQuestion { time: now, ..question };
    rules.register(ledger, &question, ([7; 32], "192.0.2.1"), at(now)).await.unwrap()
}

#[tokio::test]
async fn a_token_registers_its_agents_as_often_as_it_says_and_until_it_ends() {
    let (_folder, rules, mut ledger) = begun().await;
    let (key, other) = (key(), key());
    assert_eq!(rules.add_token(&mut ledger, &a_token("fleet", 1), OWNER, at(NOW)).await.unwrap(), Ok(()));
    let taken = rules.add_token(&mut ledger, &a_token("fleet", 2), OWNER, at(NOW)).await.unwrap();
    assert_eq!(taken, Err(Unchanged::TokenExists("fleet".to_owned())));
    let of = |key: &SecretKey, id: &str| asked(key, "acme.example", id, 1);
    let first = register(&rules, &mut ledger, of(&key, "a.gptbot"), NOW).await.unwrap();
    assert_eq!((first.version, first.epoch, first.floor), (1, epoch_of(NOW), 0));
    for (question, now, refusal) in [
        (asked(&key, "acme.example", "b.gptbot", 3), NOW, Refusal::TokenUnknown),
        (of(&key, "b.gptbot"), NOW + 3600, Refusal::TokenExpired),
        (of(&key, "gptbot"), NOW, Refusal::AgentNotAllowed),
        (of(&key, "a.xgptbot"), NOW, Refusal::AgentNotAllowed),
        (asked(&key, "acme2.example", "b.gptbot", 1), NOW, Refusal::AgentNotAllowed),
        (of(&other, "a.gptbot"), NOW, Refusal::KeyConflict),
        (of(&key, "a.gptbot"), NOW + 600, Refusal::Registered),
    ] {
        assert_eq!(register(&rules, &mut ledger, question, now).await, Err(refusal));
    }
    let told = register(&rules, &mut ledger, of(&key, "a.gptbot"), NOW + 599).await;
    assert_eq!(told, Ok(first), "asked again while it is new, and nothing is used up");
    assert!(register(&rules, &mut ledger, of(&other, "b.gptbot"), NOW).await.is_ok());
    let third = register(&rules, &mut ledger, of(&key, "c.gptbot"), NOW).await;
    assert_eq!(third, Err(Refusal::TokenUsedUp));
    assert_eq!(rules.remove_token(&mut ledger, "fleet", OWNER, at(NOW)).await.unwrap(), Ok(()));
    let gone = rules.remove_token(&mut ledger, "fleet", OWNER, at(NOW)).await.unwrap();
    assert_eq!(gone, Err(Unchanged::NoToken("fleet".to_owned())));
    assert!(ledger.entity().agent(&name("a.gptbot")).await.unwrap().is_some(), "who registered stays");
}

fn name(id: &str) -> Name {
    Name { domain: "acme.example".to_owned(), id: id.to_owned() }
}

#[tokio::test]
async fn what_is_revoked_does_not_register_and_nothing_beside_it_is() {
    let (_folder, rules, mut ledger) = begun().await;
    let key = key();
    let token = Token { uses: 100, ..a_token("fleet", 1) };
    rules.add_token(&mut ledger, &token, OWNER, at(NOW)).await.unwrap().unwrap();
    for id in ["a.gptbot", "a.b.gptbot", "c.gptbot"] {
        register(&rules, &mut ledger, asked(&key, "acme.example", id, 1), NOW).await.unwrap();
    }
    let acme = domain("acme.example");
    let pattern = |text: &str| Scope::Agents(AgentPattern::parse(text).unwrap());
    for (scope, count, latest) in [
        (pattern("*.b.gptbot"), 1, 1),
        (pattern("*.b.gptbot"), 0, 1),
        (pattern("new.gptbot"), 0, 1),
        (pattern("c.gptbot"), 1, 2),
    ] {
        let revoked = rules.revoke(&mut ledger, (&acme, &scope), OWNER, at(NOW)).await.unwrap();
        assert_eq!((revoked, state(&mut ledger.entity()).await.unwrap().event), (count, latest), "{scope:?}");
    }
    for (id, allowed) in [
        ("x.b.gptbot", false),
        ("b.gptbot", true),
        ("new.gptbot", false),
        ("newer.gptbot", true),
        ("c.gptbot", false),
    ] {
        let registered = register(&rules, &mut ledger, asked(&key, "acme.example", id, 1), NOW).await;
        assert_eq!(registered.err(), (!allowed).then_some(Refusal::Revoked), "{id}");
    }
    let signer = key.public().fingerprint();
    let rotated = rules.rotate(&mut ledger, (&again("c.gptbot"), signer), [8; 32], at(NOW)).await.unwrap();
    assert_eq!(rotated.err(), Some(Refusal::Revoked));
    let turned = rules.renegotiate(&mut ledger, (&again("c.gptbot"), signer), at(NOW)).await.unwrap();
    assert_eq!(turned, Err(Refusal::Revoked));
    assert_eq!(rules.revoke(&mut ledger, (&acme, &Scope::All), OWNER, at(NOW)).await.unwrap(), 3);
    let events = ledger.entity().events(2, 9).await.unwrap();
    let all = Event { number: 3, happening: Happening::Revoked { domain: acme, agent: None } };
    assert_eq!(events, [(3, all.write())]);
    let one = register(&rules, &mut ledger, asked(&key, "acme.example", "z.gptbot", 1), NOW).await;
    assert_eq!(one.err(), Some(Refusal::Revoked));
}

#[tokio::test]
async fn there_is_an_end_to_agents_and_who_is_known_is_not_kept_out_by_it() {
    let (_folder, rules, mut ledger) = begun().await;
    let key = key();
    rules.add_token(&mut ledger, &a_token("fleet", 1), OWNER, at(NOW)).await.unwrap().unwrap();
    register(&rules, &mut ledger, asked(&key, "acme.example", "a.gptbot", 1), NOW).await.unwrap();
    let before = state(&mut ledger.entity()).await.unwrap();
    assert_eq!(before.agents, 1);
    let full = avouch_store::ledger::entity::State { agents: MAX_AGENTS, ..before };
    ledger.entity().put_state(&full).await.unwrap();
    let next = register(&rules, &mut ledger, asked(&key, "acme.example", "b.gptbot", 1), NOW).await;
    assert_eq!(next.err(), Some(Refusal::TooManyAgents));
    assert!(register(&rules, &mut ledger, asked(&key, "acme.example", "a.gptbot", 1), NOW).await.is_ok());
}

#[tokio::test]
async fn a_large_fleet_is_told_by_one_reset() {
    let (_folder, rules, mut ledger) = begun().await;
    for number in 0..257 {
        ledger.entity().put_agent(&an_agent(&format!("a{number}.gptbot"))).await.unwrap();
    }
    let scope = Scope::Agents(AgentPattern::parse("*.gptbot").unwrap());
    let revoked = rules.revoke(&mut ledger, (&domain("acme.example"), &scope), OWNER, at(NOW)).await.unwrap();
    let reset = Event { number: 1, happening: Happening::Reset }.write();
    assert_eq!((revoked, ledger.entity().events(0, 999).await.unwrap()), (257, vec![(1, reset)]));
}

fn an_agent(id: &str) -> Agent {
    Agent {
        name: name(id),
        state: AgentState::Registered,
        key: key().public().octets().to_vec(),
        token: "fleet".to_owned(),
        version: 1,
        epoch: epoch_of(NOW),
        salt: [1; 32],
        former: None,
        floor: 0,
        changed: at(NOW),
    }
}

#[tokio::test]
async fn a_sequence_begins_elsewhere_three_times_a_day_and_only_above() {
    let (_folder, rules, mut ledger) = begun().await;
    let key = key();
    rules.add_token(&mut ledger, &a_token("fleet", 1), OWNER, at(NOW)).await.unwrap().unwrap();
    register(&rules, &mut ledger, asked(&key, "acme.example", "a.gptbot", 1), NOW).await.unwrap();
    let day = 24 * 60 * 60;
    let mut floors = Vec::new();
    for after in [0, 1, 2, 3, day, day, day + 1] {
        let asked = Renegotiation { time: NOW + after, ..again("a.gptbot") };
        let asked = (&asked, key.public().fingerprint());
        floors.push(rules.renegotiate(&mut ledger, asked, at(NOW + after)).await.unwrap());
    }
    let wait = Refusal::TurnsUsedUp { wait: Duration::from_secs(day - 3) };
    let other = Refusal::TurnsUsedUp { wait: Duration::from_secs(1) };
    let step = 1 << 32;
    assert_eq!(
        floors,
        [Ok(step), Ok(2 * step), Ok(3 * step), Err(wait), Ok(4 * step), Err(other), Ok(5 * step)]
    );
    assert_eq!([0, 1, step - 1, step, step + 1].map(next_floor), [step, step, step, 2 * step, 2 * step]);
    let (stranger, asked) = (super::key(), again("a.gptbot"));
    let refused = rules.renegotiate(&mut ledger, (&asked, stranger.public().fingerprint()), at(NOW));
    assert_eq!(refused.await.unwrap(), Err(Refusal::Signature), "the key changed meanwhile");
}

#[tokio::test]
async fn who_asks_too_often_is_told_to_wait_and_keeps_nobody_else_waiting() {
    let (_folder, rules, mut ledger) = begun().await;
    for number in 0..MAX_ASKED {
        let taken =
            rules.take(&mut ledger, ("www.shop.example", &number.to_string(), NOW), at(NOW)).await.unwrap();
        assert_eq!(taken, Ok(()), "{number}");
    }
    let taken = rules.take(&mut ledger, ("www.shop.example", "another", NOW), at(NOW)).await.unwrap();
    assert_eq!(taken, Err(Refusal::AskedTooOften));
    assert_eq!(rules.take(&mut ledger, ("www.rival.example", "0", NOW), at(NOW)).await.unwrap(), Ok(()));
    assert_eq!(
        rules.take(&mut ledger, ("www.rival.example", "0", NOW), at(NOW)).await.unwrap(),
        Err(Refusal::NonceUsed)
    );
    rules.tidy(&mut ledger, at(NOW + 61)).await.unwrap();
    assert_eq!(
        ledger.entity().nonces("www.shop.example", at(NOW + 61)).await.unwrap(),
        MAX_ASKED,
        "the window is not over"
    );
    rules.noted.store(MAX_NOTED, Ordering::Relaxed);
    let taken = rules.take(&mut ledger, ("www.third.example", "0", NOW), at(NOW)).await.unwrap();
    assert_eq!(taken, Err(Refusal::Full), "as many as there may be in all");
    rules.tidy(&mut ledger, at(NOW + 62)).await.unwrap();
    assert_eq!(ledger.entity().nonces("www.shop.example", at(NOW)).await.unwrap(), 0);
    assert_eq!(rules.take(&mut ledger, ("www.third.example", "0", NOW), at(NOW)).await.unwrap(), Ok(()));
}

#[tokio::test]
async fn a_question_that_waited_beyond_its_window_is_refused_though_its_nonce_is_forgotten() {
    let (_folder, rules, mut ledger) = begun().await;
    let question = ("shop.example", "0", NOW);
    assert_eq!(rules.take(&mut ledger, question, at(NOW)).await.unwrap(), Ok(()));
    rules.tidy(&mut ledger, at(NOW + 60)).await.unwrap();
    assert_eq!(rules.take(&mut ledger, question, at(NOW + 60)).await.unwrap(), Err(Refusal::NonceUsed));
    rules.tidy(&mut ledger, at(NOW + 62)).await.unwrap();
    assert_eq!(rules.take(&mut ledger, question, at(NOW + 62)).await.unwrap(), Err(Refusal::Time));
}

#[tokio::test]
async fn questions_that_ended_count_no_more_before_they_are_forgotten() {
    let (_folder, rules, mut ledger) = begun().await;
    for number in 0..MAX_ASKED {
        let until = at(NOW + 61);
        assert!(ledger.entity().note_nonce("shop.example", &number.to_string(), until).await.unwrap());
    }
    for (now, taken) in [(NOW + 61, Err(Refusal::AskedTooOften)), (NOW + 62, Ok(()))] {
        let question = ("shop.example", "another", now);
        assert_eq!(rules.take(&mut ledger, question, at(now)).await.unwrap(), taken, "{now}");
    }
}

#[tokio::test]
async fn the_ports_of_a_site_and_the_names_of_its_domain_are_counted_together() {
    let (_folder, rules, mut ledger) = begun().await;
    for audience in ["shop.example", "www.shop.example:8443", "www.shop.example:8444"] {
        let audience = Authority::parse(audience, Scheme::Https).unwrap().into_owned();
        let asked =
            KeyQuestion { entity: domain("re.example"), audience, time: NOW, nonce: fresh(), agents: vec![] };
        assert!(rules.keys(&mut ledger, &asked, at(NOW)).await.unwrap().is_ok());
    }
    for (who, count) in [("shop.example", 3), ("rival.example", 0)] {
        assert_eq!(ledger.entity().nonces(who, at(NOW)).await.unwrap(), count, "{who}");
    }
}

#[tokio::test]
async fn ten_thousand_tokens_and_agents_are_borne_and_the_next_token_is_not() {
    let (_folder, rules, mut ledger) = begun().await;
    for number in 0..MAX_TOKENS {
        let mut token = a_token(&format!("t{number:05}"), 0);
        token.digest[..8].copy_from_slice(&number.to_be_bytes());
        assert!(ledger.entity().add_token(&token).await.unwrap());
    }
    let more = rules.add_token(&mut ledger, &a_token("more", 1), OWNER, at(NOW)).await.unwrap();
    assert_eq!(more, Err(Unchanged::TooManyTokens));
    let template = an_agent("a.gptbot");
    for number in 0..10_000 {
        let name = name(&format!("a{number:05}.gptbot"));
        ledger.entity().put_agent(&Agent { name, ..template.clone() }).await.unwrap();
    }
    let (mut seen, mut after) = (0, name(""));
    loop {
        let page = ledger.entity().agents(None, &after).await.unwrap();
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 1_000);
        after = last.name.clone();
        seen += page.len();
    }
    assert_eq!(seen, 10_000);
    let scope = Scope::Agents(AgentPattern::parse("*.gptbot").unwrap());
    let revoked = rules.revoke(&mut ledger, (&domain("acme.example"), &scope), OWNER, at(NOW)).await.unwrap();
    assert_eq!((revoked, ledger.entity().events(0, 999).await.unwrap().len()), (10_000, 1));
}

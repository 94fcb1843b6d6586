use super::*;
use avouch_keys::entity::Secrets;
use avouch_keys::saip::RequestToSign;
use avouch_wire::entity::{
    Event, FloorAnswer, Happening, KeyAnswer, Registration, Rotation, SecretAnswer, VerifierKey,
};
use avouch_wire::saip::{Header, Mode, RequestParts, Seal, request_string};
use avouch_wire::target::Target;

fn told(answer: &Answer, id: &str) -> SecretAnswer {
    assert_eq!(answer.status, 200, "{}", answer.body);
    let (entity, of, id) = (domain("re.example"), domain("acme.example"), agent(id));
    SecretAnswer::read(answer.body.as_bytes(), (&entity, &of, &id)).unwrap()
}

fn keys(answer: &Answer, question: &KeyQuestion) -> Registration {
    assert_eq!(answer.status, 200, "{}", answer.body);
    KeyAnswer::read(answer.body.as_bytes(), question).unwrap().agents.remove(0).registration
}

async fn world() -> (Folder, Site, House) {
    let (folder, site, clock) = (Folder::new(), Site::open().await, Set::new(NOW));
    let house = House::open(&folder, &site, &clock, false).await.unwrap();
    (folder, site, house)
}

/// Whether a request of this agent holds by one of these keys.
fn holds(secrets: &Secrets, site: &Site, keys: &[VerifierKey], now: u64) -> bool {
    let (target, authority) = (Target::parse("GET", "/a").unwrap(), site.audience());
    let request = RequestToSign { method: "GET", target: &target, authority: &authority, content: None };
    let text = secrets.sign(request, (None, secrets.floor()), Time::from_seconds(now)).unwrap();
    let header = Header::parse(&text).unwrap();
    let signed = header.signed.as_ref().unwrap();
    let (Mode::Registry(registry), Seal::Mac(mac)) = (&signed.mode, signed.seal) else { panic!("{text}") };
    let mut string = Vec::new();
    request_string(&mut string, &header, signed, None, RequestParts { method: "GET", path: "/a" });
    keys.iter().any(|key| key.verify("", registry.sequence, &string, &mac.octets()).is_ok())
}

#[tokio::test]
async fn an_agent_that_registered_is_verified_by_the_key_that_its_site_is_given() {
    let (folder, site, house) = world().await;
    let (key, token) = (key(), house.token("fleet").await);
    let answer = house.say(&key, &house.registration(&key, "a.gptbot", &token)).await;
    assert!(answer.head.contains("cache-control: no-store"), "{}", answer.head);
    let mut secrets = Secrets::of(told(&answer, "a.gptbot"));
    let asked = house.question(&site, "a.gptbot");
    let answer = house.say(&site.key, &asked).await;
    assert!(answer.head.contains("cache-control: no-store"), "{}", answer.head);
    let Registration::Registered { keys: of_site, floor: 0 } = keys(&answer, &asked) else {
        panic!("{}", answer.body)
    };
    assert!(of_site.len() == 1 && holds(&secrets, &site, &of_site, NOW));
    let until = KeyAnswer::read(answer.body.as_bytes(), &asked).unwrap().until;
    assert_eq!(until, NOW + 300, "the end of the epoch");
    let database = std::fs::read(folder.path("entity.db")).unwrap();
    assert!(!String::from_utf8_lossy(&database).contains(&token), "the token is not kept");

    // Another secret: from the next epoch on, with the one before beside it for two epochs.
    let rotation = Rotation(house.renegotiation("a.gptbot"));
    let rotated = told(&house.say(&key, &rotation).await, "a.gptbot");
    assert_eq!((rotated.version, rotated.epoch), (2, epoch_of(NOW) + 1));
    secrets.rotated(rotated.clone());
    let again = told(&house.say(&key, &Rotation(house.renegotiation("a.gptbot"))).await, "a.gptbot");
    assert_eq!(again, rotated, "who did not get the answer asks again");
    for (after, count) in [(0, 1), (300, 2), (600, 2), (900, 1)] {
        house.clock.0.store(NOW + after, Ordering::SeqCst);
        let asked = house.question(&site, "a.gptbot");
        let Registration::Registered { keys, .. } = keys(&house.say(&site.key, &asked).await, &asked) else {
            panic!("registered")
        };
        assert!(keys.len() == count && holds(&secrets, &site, &keys, NOW + after), "{after}");
    }

    let floor = house.say(&key, &house.renegotiation("a.gptbot")).await;
    assert_eq!(FloorAnswer::read(floor.body.as_bytes()).unwrap().floor, 1 << 32);
    let unknown = house.question(&site, "b.gptbot");
    assert_eq!(keys(&house.say(&site.key, &unknown).await, &unknown), Registration::Unknown);
    house.end().await;
}

#[tokio::test]
async fn only_who_proves_to_be_the_site_is_given_keys() {
    let (_folder, site, house) = world().await;
    let question = || house.question(&site, "a.gptbot");
    let stranger = key();
    let asked = ask(&site.key, &question()).unwrap();
    let said = |authorization: Option<String>, body: String| async move {
        post(house.strangers, "/v1/verifiers/key", authorization.as_deref(), &body).await.reason()
    };
    let (authorization, body) = (asked.authorization.clone(), asked.body.clone());
    assert_eq!(said(None, body.clone()).await, (401, "no-signature".to_owned()));
    let agents = authorization.replace("Avouch-Verifier", "Avouch-Agent");
    assert_eq!(said(Some(agents), body.clone()).await, (401, "no-signature".to_owned()));
    let other_body = body.replace("a.gptbot", "b.gptbot");
    assert_eq!(said(Some(authorization.clone()), other_body).await, (401, "signature".to_owned()));
    let more = body.replace("{\"re\"", "{\"more\":1,\"re\"");
    assert_eq!(said(Some(authorization.clone()), more).await, (400, "malformed".to_owned()));
    assert_eq!(said(Some(authorization.clone()), body.clone()).await, (200, String::new()));
    assert_eq!(said(Some(authorization), body).await, (409, "nonce-used".to_owned()));

    let house = &house;
    let reason = |key, question| async move { house.say(key, &question).await.reason() };
    assert_eq!(reason(&stranger, question()).await, (403, "key-not-listed".to_owned()));
    let other = KeyQuestion { entity: domain("re2.example"), ..question() };
    assert_eq!(reason(&site.key, other).await, (403, "other-entity".to_owned()));
    for (time, status) in [(NOW - 60, 200), (NOW - 61, 400), (NOW + 60, 200), (NOW + 61, 400)] {
        assert_eq!(reason(&site.key, KeyQuestion { time, ..question() }).await.0, status, "{time}");
    }
    let of_epoch = |epoch: u64| {
        let agents = vec![AgentQuestion { epoch, ..question().agents.remove(0) }];
        KeyQuestion { agents, ..question() }
    };
    let epoch = epoch_of(NOW);
    for (asked, status) in [(epoch - 2, 400), (epoch - 1, 200), (epoch, 200), (epoch + 1, 400)] {
        assert_eq!(reason(&site.key, of_epoch(asked)).await.0, status, "{asked}");
    }
    for (passed, status) in [(269, 400), (1, 200)] {
        house.clock.pass(passed);
        let time = house.clock.seconds();
        let asked = KeyQuestion { time, ..of_epoch(epoch + 1) };
        assert_eq!(reason(&site.key, asked).await.0, status, "{passed}");
    }
}

#[tokio::test]
async fn a_site_is_asked_once_in_five_minutes_and_again_for_a_key_that_it_did_not_list() {
    let (_folder, site, house) = world().await;
    let house = &house;
    let site = &site;
    let reason = |key| async move { house.say(key, &house.question(site, "a")).await.reason() };
    let all = futures_util::future::join_all((0..8).map(|_| reason(&site.key))).await;
    assert!(all.iter().all(|(status, _)| *status == 200), "{all:?}");
    assert_eq!(site.host.connections(), 1, "for all who wait at once");
    house.clock.pass(299);
    assert_eq!(reason(&site.key).await.0, 200);
    assert_eq!(site.host.connections(), 1);
    let newer = key();
    site.publish(&[&newer]);
    assert_eq!(reason(&newer).await.0, 200, "a key that was listed a moment ago");
    assert_eq!(site.host.connections(), 2);
    assert_eq!(reason(&site.key).await.1, "key-not-listed", "and the one before is none any more");
    assert_eq!(site.host.connections(), 2, "strangers do not make it ask all the time");
    house.clock.pass(300);
    *site.published.lock().unwrap() = None;
    let answer = house.say(&newer, &house.question(site, "a")).await;
    assert_eq!(answer.reason(), (503, "site-unreachable".to_owned()));
    assert!(answer.head.contains("retry-after: 10"), "{}", answer.head);
    assert_eq!(reason(&newer).await.0, 503);
    assert_eq!(site.host.connections(), 3, "nor does a site that publishes nothing");
    *site.published.lock().unwrap() = Some("{\"keys\":[]}".to_owned());
    house.clock.pass(10);
    assert_eq!(reason(&newer).await.0, 503, "what is not as the format says lists no key");
    site.publish(&[&newer]);
    *site.media.lock().unwrap() = "text/plain";
    house.clock.pass(10);
    assert_eq!(reason(&newer).await.0, 503, "what is not sent as JSON is not meant as such");
    *site.media.lock().unwrap() = "application/json; charset=utf-8";
    house.clock.pass(10);
    assert_eq!(reason(&newer).await.0, 200);
    let elsewhere = Authority::parse("nowhere.example", Scheme::Https).unwrap().into_owned();
    let asked = KeyQuestion { audience: elsewhere, ..house.question(site, "a") };
    assert_eq!(house.say(&newer, &asked).await.reason().0, 503);
}

#[tokio::test]
async fn a_stranger_who_has_a_site_fetched_in_vain_locks_nobody_out() {
    let (_folder, site, house) = world().await;
    let (house, site, stranger) = (&house, &site, key());
    let asked = |by| async move { house.say(by, &house.question(site, "a")).await.reason() };
    let none = (503, "site-unreachable".to_owned());
    assert_eq!(asked(&site.key).await.0, 200);
    *site.published.lock().unwrap() = None;
    house.clock.pass(10);
    let before = site.host.connections();
    for _ in 0..3 {
        assert_eq!(asked(&stranger).await, none);
        assert_eq!(asked(&site.key).await.0, 200, "what was read before still counts");
    }
    assert_eq!(site.host.connections(), before + 1, "the failure is remembered beside it");
    house.clock.pass(10);
    assert_eq!(asked(&stranger).await, none);
    assert_eq!(site.host.connections(), before + 2);
    house.clock.pass(279);
    assert_eq!(asked(&site.key).await.0, 200);
    house.clock.pass(1);
    assert_eq!(asked(&site.key).await, none, "at its end it counts no more");
}

/// A verifier that listens.
struct Ear(TcpStream, String);

impl Ear {
    async fn open(house: &House, site: &Site, after: u64) -> Self {
        let Asked { authorization, body } = ask(&site.key, &house.listening(site, after)).unwrap();
        let mut stream = TcpStream::connect(house.strangers).await.unwrap();
        let asked = request("POST", "/v1/verifiers/events", Some(&authorization), &body);
        stream.write_all(asked.as_bytes()).await.unwrap();
        Self(stream, String::new())
    }

    /// The next line, without the head and without the lengths of chunks; `None` when the stream has ended.
    async fn line(&mut self) -> Option<Event> {
        loop {
            if let Some((line, rest)) = self.1.split_once('\n') {
                let (line, rest) = (line.trim().to_owned(), rest.to_owned());
                self.1 = rest;
                if line.starts_with('{') {
                    return Some(Event::read(line.as_bytes()).unwrap());
                }
                continue;
            }
            let mut octets = [0; 4096];
            let reading = tokio::time::timeout(Duration::from_secs(20), self.0.read(&mut octets));
            match reading.await.expect("something comes").unwrap() {
                0 => return None,
                count => self.1.push_str(std::str::from_utf8(&octets[..count]).unwrap()),
            }
        }
    }

    /// The next that is no sign of life.
    async fn event(&mut self) -> Event {
        loop {
            match self.line().await.unwrap() {
                Event { happening: Happening::Alive, .. } => {}
                event => return event,
            }
        }
    }
}

#[tokio::test]
async fn verifiers_hear_of_a_revocation_at_once_and_of_what_they_missed() {
    let (folder, site, house) = world().await;
    let (key, token) = (key(), house.token("fleet").await);
    for id in ["a.gptbot", "b.gptbot", "c.gptbot"] {
        told(&house.say(&key, &house.registration(&key, id, &token)).await, id);
    }
    let mut ear = Ear::open(&house, &site, 0).await;
    assert_eq!(ear.line().await.unwrap(), Event { number: 0, happening: Happening::Alive });
    assert!(ear.line().await.unwrap().happening == Happening::Alive, "and again after a while");
    let revoked = json!({ "domain": "acme.example", "agents": "a.gptbot" });
    assert_eq!(house.owner("POST", "/v1/revoke", revoked).await.json()["revoked"], 1);
    let of = domain("acme.example");
    let event = |number, id: Option<&str>| Event {
        number,
        happening: Happening::Revoked { domain: of.clone(), agent: id.map(agent) },
    };
    let heard = tokio::time::timeout(Duration::from_secs(1), ear.event()).await;
    assert_eq!(heard.expect("at once"), event(1, Some("a.gptbot")));
    assert_eq!(house.say(&key, &house.renegotiation("b.gptbot")).await.status, 200);
    let floor = Happening::Floor { domain: of.clone(), agent: agent("b.gptbot"), floor: 1 << 32 };
    assert_eq!(ear.event().await, Event { number: 2, happening: floor });
    assert_eq!(ear.line().await.unwrap(), Event { number: 2, happening: Happening::Alive });
    drop(ear);
    let fleet = json!({ "domain": "acme.example", "agents": "*.gptbot" });
    assert_eq!(house.owner("POST", "/v1/revoke", fleet).await.json()["revoked"], 2);
    let mut ear = Ear::open(&house, &site, 2).await;
    let both = [ear.event().await, ear.event().await];
    assert_eq!(both, [event(3, Some("b.gptbot")), event(4, Some("c.gptbot"))]);
    let all = json!({ "domain": "acme.example", "all": true });
    assert_eq!(house.owner("POST", "/v1/revoke", all).await.json()["revoked"], 0);
    assert_eq!(ear.event().await, event(5, None));
    let asked = house.question(&site, "b.gptbot");
    let answer = house.say(&site.key, &asked).await;
    assert_eq!(keys(&answer, &asked), Registration::Revoked);
    assert_eq!(KeyAnswer::read(answer.body.as_bytes(), &asked).unwrap().event, 5);
    let again = house.say(&key, &house.registration(&key, "d.gptbot", &token)).await;
    assert_eq!(again.reason(), (403, "revoked".to_owned()));

    // After a restart the numbers go on; after a day nobody knows what came before.
    let clock = Arc::clone(&house.clock);
    house.end().await;
    assert_eq!(ear.line().await, None, "who stops ends its streams");
    let house = House::open(&folder, &site, &clock, false).await.unwrap();
    assert_eq!(Ear::open(&house, &site, 4).await.event().await, event(5, None));
    let reset = Event { number: 5, happening: Happening::Reset };
    assert_eq!(Ear::open(&house, &site, 9).await.event().await, reset, "of what never happened");
    house.crash().await;
    clock.pass(24 * 60 * 60 + 1);
    let house = House::open(&folder, &site, &clock, false).await.unwrap();
    // What is old is forgotten right after the start.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(Ear::open(&house, &site, 3).await.event().await, reset);
    let stranger =
        ask(&SecretKey::generate(KeyType::P256, &mut SystemEntropy).unwrap(), &house.listening(&site, 5));
    let stranger = stranger.unwrap();
    let refused =
        post(house.strangers, "/v1/verifiers/events", Some(&stranger.authorization), &stranger.body);
    assert_eq!(refused.await.reason(), (403, "key-not-listed".to_owned()));
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_crash_and_who_heard_nothing_asks_again() {
    let (folder, site, house) = world().await;
    let clock = Arc::clone(&house.clock);
    let (key, token) = (key(), house.token("fleet").await);
    let asked = house.registration(&key, "a.gptbot", &token);
    let first = told(&house.say(&key, &asked).await, "a.gptbot");
    let question = house.question(&site, "a.gptbot");
    assert_eq!(house.say(&site.key, &question).await.status, 200);
    house.crash().await;
    let house = House::open(&folder, &site, &clock, false).await.unwrap();
    assert_eq!(house.say(&key, &asked).await.reason(), (409, "nonce-used".to_owned()), "nonces outlive it");
    assert_eq!(house.say(&site.key, &question).await.reason(), (409, "nonce-used".to_owned()));
    let again = told(&house.say(&key, &house.registration(&key, "a.gptbot", &token)).await, "a.gptbot");
    assert_eq!(again, first);
    let listed = house.owner("GET", "/v1/agents", Value::Null).await.json();
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(house.owner("GET", "/v1/tokens", Value::Null).await.json()[0]["uses"], 8);
    assert!(!listed.to_string().contains(&*first.secret.b64u()), "no secret is shown");
}

#[tokio::test]
async fn agents_are_heard_by_their_key_alone() {
    let (_folder, _site, house) = world().await;
    let (key, stranger, token) = (key(), key(), house.token("fleet").await);
    let house = &house;
    let register = |key, asked: RegistrationQuestion| async move { house.say(key, &asked).await.reason() };
    let asked = || house.registration(&key, "a.gptbot", &token);
    assert_eq!(register(&stranger, asked()).await, (401, "signature".to_owned()));
    let unknown = avouch_wire::enrolment::token_text(&[7; 32]);
    let other = RegistrationQuestion { token: unknown, ..asked() };
    assert_eq!(register(&key, other).await, (401, "token-unknown".to_owned()));
    let other = RegistrationQuestion { entity: domain("re2.example"), ..asked() };
    assert_eq!(register(&key, other).await, (403, "other-entity".to_owned()));
    let late = RegistrationQuestion { time: NOW - 61, ..asked() };
    assert_eq!(register(&key, late).await, (400, "time".to_owned()));
    assert_eq!(register(&key, asked()).await.0, 200);
    let others = house.registration(&stranger, "a.gptbot", &token);
    assert_eq!(register(&stranger, others).await, (409, "key-conflict".to_owned()));
    let rotate = |key, id: &'static str| async move {
        house.say(key, &Rotation(house.renegotiation(id))).await.reason()
    };
    assert_eq!(rotate(&stranger, "a.gptbot").await, (401, "signature".to_owned()));
    assert_eq!(rotate(&key, "b.gptbot").await, (403, "not-registered".to_owned()));
    assert_eq!(house.say(&stranger, &house.renegotiation("a.gptbot")).await.reason().0, 401);
    // What was signed for one purpose is of no use for another.
    let Asked { authorization, body } = ask(&key, &house.renegotiation("a.gptbot")).unwrap();
    let elsewhere = post(house.strangers, "/v1/agents/secret", Some(&authorization), &body).await;
    assert_eq!(elsewhere.reason(), (401, "signature".to_owned()));
    assert!(elsewhere.head.contains("www-authenticate: avouch-agent"), "{}", elsewhere.head);
    let first = post(house.strangers, "/v1/agents/sequence", Some(&authorization), &body).await;
    let second = post(house.strangers, "/v1/agents/sequence", Some(&authorization), &body).await;
    assert_eq!((first.status, second.reason().1.as_str()), (200, "nonce-used"));
    for _ in 0..2 {
        assert_eq!(house.say(&key, &house.renegotiation("a.gptbot")).await.status, 200);
    }
    let refused = house.say(&key, &house.renegotiation("a.gptbot")).await;
    assert_eq!(refused.reason(), (429, "turns-used-up".to_owned()));
    assert!(refused.head.contains("retry-after: 8640"), "{}", refused.head);
    let long = post(house.strangers, "/v1/agents", Some(&authorization), &" ".repeat(40_000)).await;
    assert_eq!(long.status, 413);
}

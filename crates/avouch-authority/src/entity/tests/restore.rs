use super::*;
use avouch_wire::entity::{Event, FloorAnswer, Happening, Rotation, SecretAnswer};

/// An entity with an agent, copied, and gone on since.
struct Past {
    folder: Folder,
    site: Site,
    clock: Arc<Set>,
    key: SecretKey,
    token: String,
    question: KeyQuestion,
}

async fn past() -> Past {
    let (folder, site, clock) = (Folder::new(), Site::open().await, Set::new(NOW));
    let house = House::open(&folder, &site, &clock, false).await.unwrap();
    let (key, token) = (key(), house.token("fleet").await);
    for id in ["a.gptbot", "b.gptbot"] {
        assert_eq!(house.say(&key, &house.registration(&key, id, &token)).await.status, 200);
    }
    house.end().await;
    folder.copy("entity.db", "older.db");
    std::fs::copy(folder.path("mark"), folder.path("older.mark")).unwrap();
    let house = House::open(&folder, &site, &clock, false).await.unwrap();
    assert_eq!(house.say(&key, &house.renegotiation("a.gptbot")).await.status, 200);
    let revoked = json!({ "domain": "acme.example", "agents": "b.gptbot" });
    assert_eq!(house.owner("POST", "/v1/revoke", revoked).await.status, 200);
    let question = house.question(&site, "a.gptbot");
    assert_eq!(house.say(&site.key, &question).await.status, 200);
    house.end().await;
    Past { folder, site, clock, key, token, question }
}

fn told(answer: &Answer) -> SecretAnswer {
    assert_eq!(answer.status, 200, "{}", answer.body);
    SecretAnswer::read_any(answer.body.as_bytes()).unwrap()
}

#[tokio::test]
async fn an_older_copy_is_refused_and_taken_on_purpose_takes_nothing_back() {
    let Past { folder, site, clock, key, token, question } = past().await;
    House::open(&folder, &site, &clock, false).await.unwrap().end().await;
    folder.copy("entity.db", "present.db");
    folder.copy("older.db", "entity.db");
    let refused = House::open(&folder, &site, &clock, false).await.err().unwrap();
    assert!(matches!(refused, StartFault::Older { revoked: 1, .. }), "{refused}");
    assert!(refused.to_string().contains("--restored"), "{refused}");
    // The present one starts as ever: a refusal changes nothing.
    folder.copy("entity.db", "older.db");
    folder.copy("present.db", "entity.db");
    House::open(&folder, &site, &clock, false).await.unwrap().end().await;

    folder.copy("older.db", "entity.db");
    let house = House::open(&folder, &site, &clock, true).await.unwrap();
    let early = house.say(&key, &Rotation(house.renegotiation("a.gptbot"))).await;
    assert_eq!(early.reason(), (503, "restored".to_owned()), "used nonces are not known");
    assert_eq!(house.say(&site.key, &question).await.reason().1, "restored");
    clock.pass(61);
    let answer = told(&house.say(&key, &Rotation(house.renegotiation("a.gptbot"))).await);
    assert_eq!((answer.version, answer.epoch), (2, epoch_of(NOW + 61)), "another secret, at once");
    assert!(answer.floor > 1 << 32, "above the floor that the copy does not know");
    let again = told(&house.say(&key, &house.registration(&key, "a.gptbot", &token)).await);
    assert_eq!(again, answer, "by a registration too");
    let newcomer = told(&house.say(&key, &house.registration(&key, "c.gptbot", &token)).await);
    assert_eq!(newcomer.floor, answer.floor, "who registers anew begins there as well");
    let next = house.say(&key, &house.renegotiation("a.gptbot")).await;
    assert!(FloorAnswer::read(next.body.as_bytes()).unwrap().floor > answer.floor);
    let asked = ask(&site.key, &house.listening(&site, 2)).unwrap();
    let mut stream = TcpStream::connect(house.strangers).await.unwrap();
    let text = request("POST", "/v1/verifiers/events", Some(&asked.authorization), &asked.body);
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut heard = String::new();
    while !heard.contains("}\n") {
        let mut octets = [0; 1024];
        let count = stream.read(&mut octets).await.unwrap();
        heard.push_str(std::str::from_utf8(&octets[..count]).unwrap());
    }
    let line = heard.lines().find(|line| line.starts_with('{')).unwrap();
    let Event { number, happening: Happening::Reset } = Event::read(line.as_bytes()).unwrap() else {
        panic!("{line}")
    };
    assert!(number > 2, "above every number that was told");
    house.end().await;
    House::open(&folder, &site, &clock, false).await.unwrap().end().await;
}

#[tokio::test]
async fn without_a_mark_nobody_can_tell_and_every_floor_is_lifted() {
    let Past { folder, site, clock, key, .. } = past().await;
    folder.copy("older.db", "entity.db");
    std::fs::remove_file(folder.path("mark")).unwrap();
    let house = House::open(&folder, &site, &clock, false).await.unwrap();
    clock.pass(61);
    let first = told(&house.say(&key, &Rotation(house.renegotiation("a.gptbot"))).await);
    assert!(first.floor > 1 << 32 && first.version == 2);
    // Once more, from the same copy: above what was given meanwhile.
    let floor = house.say(&key, &house.renegotiation("a.gptbot")).await;
    let floor = FloorAnswer::read(floor.body.as_bytes()).unwrap().floor;
    house.end().await;
    folder.copy("older.db", "entity.db");
    std::fs::remove_file(folder.path("mark")).unwrap();
    clock.pass(61);
    let house = House::open(&folder, &site, &clock, false).await.unwrap();
    clock.pass(61);
    let second = told(&house.say(&key, &Rotation(house.renegotiation("a.gptbot"))).await);
    assert!(second.floor > floor, "{} after {floor}", second.floor);
    assert_ne!(second.secret, first.secret);
}

#[tokio::test]
async fn a_root_or_a_mark_of_another_entity_is_refused() {
    let Past { folder, site, clock, .. } = past().await;
    let text = std::fs::read_to_string(folder.path("root")).unwrap();
    std::fs::remove_file(folder.path("root")).unwrap();
    let refused = House::open(&folder, &site, &clock, true).await.err().unwrap();
    assert!(matches!(refused, StartFault::OtherRoot), "{refused}");
    std::fs::remove_file(folder.path("entity.db")).unwrap();
    let refused = House::open(&folder, &site, &clock, true).await.err().unwrap();
    assert!(matches!(refused, StartFault::OtherMark), "{refused}");
    std::fs::write(folder.path("root"), text).unwrap();
    let refused = House::open(&folder, &site, &clock, false).await.err().unwrap();
    assert!(matches!(refused, StartFault::Older { found: 0, .. }), "an empty database: {refused}");
    std::fs::write(folder.path("mark"), "hello").unwrap();
    assert!(House::open(&folder, &site, &clock, true).await.is_err(), "what is no mark is not absent");
}

//! One battery for both databases.

use std::time::Duration;

use avouch_wire::time::Time;
use testkit::peers::require;
use testkit::postgres::{PROGRAMS, Postgres};

use super::{Agent, AgentState, Counts, Mark, MarkError, Name, State, Token};
use crate::ledger::{Ledger, LedgerError, Service};

const NOW: Time = Time::from_millis(1_790_000_000_123);

/// A database of each kind, empty, and what it lives in.
struct Databases {
    urls: Vec<String>,
    _folder: tempfile::TempDir,
    _postgres: Option<Postgres>,
}

fn databases() -> Databases {
    let folder = tempfile::tempdir().unwrap();
    let postgres = require(&PROGRAMS).map(|tools| Postgres::start(&tools).unwrap());
    let sqlite = format!("sqlite:{}/entity.db", folder.path().display());
    let urls = std::iter::once(sqlite).chain(postgres.as_ref().map(Postgres::url)).collect();
    Databases { urls, _folder: folder, _postgres: postgres }
}

async fn open(url: &str) -> Ledger {
    Ledger::open_for(Service::Entity, url).await.unwrap()
}

fn name(domain: &str, id: &str) -> Name {
    Name { domain: domain.to_owned(), id: id.to_owned() }
}

fn token(name: &str, digest: u8) -> Token {
    Token {
        digest: [digest; 32],
        name: name.to_owned(),
        domain: "acme.example".to_owned(),
        agents: "*.gptbot".to_owned(),
        uses: 2,
        expires: NOW,
    }
}

fn agent(domain: &str, id: &str) -> Agent {
    Agent {
        name: name(domain, id),
        state: AgentState::Registered,
        key: vec![0, 255, 7],
        token: "fleet".to_owned(),
        version: 2,
        epoch: 5_966_666,
        salt: [1; 32],
        former: Some([2; 32]),
        floor: 1 << 32,
        changed: NOW,
    }
}

fn state() -> State {
    State { revision: 7, event: 1 << 40, ground: 3 << 32, revoked: 2, agents: 5, root: [9; 32] }
}

#[tokio::test]
async fn what_is_written_is_read_again_after_opening_anew() {
    let databases = databases();
    for url in &databases.urls {
        let ledger = open(url).await;
        let mut written = ledger.begin().await.unwrap();
        let mut tables = written.entity();
        assert_eq!(tables.state().await.unwrap(), None);
        tables.put_state(&State { revision: 6, ..state() }).await.unwrap();
        tables.put_state(&state()).await.unwrap();
        assert!(tables.add_token(&token("fleet", 1)).await.unwrap());
        assert!(!tables.add_token(&token("fleet", 2)).await.unwrap(), "the name is taken");
        tables.put_agent(&Agent { former: None, ..agent("acme.example", "a") }).await.unwrap();
        tables.put_agent(&agent("acme.example", "a")).await.unwrap();
        written.commit().await.unwrap();
        ledger.close().await;

        let mut read = open(url).await.begin().await.unwrap();
        let mut tables = read.entity();
        assert_eq!(tables.state().await.unwrap(), Some(state()));
        assert_eq!(tables.token(&[1; 32]).await.unwrap(), Some(token("fleet", 1)));
        assert_eq!(tables.token(&[2; 32]).await.unwrap(), None);
        assert_eq!(tables.tokens("").await.unwrap(), [token("fleet", 1)]);
        assert_eq!(tables.tokens("fleet").await.unwrap(), []);
        let found = tables.agent(&name("acme.example", "a")).await.unwrap();
        assert_eq!(found, Some(agent("acme.example", "a")));
        assert_eq!(tables.agent(&name("acme2.example", "a")).await.unwrap(), None);
        assert_eq!(tables.counts().await.unwrap(), Counts { registered: 1, revoked: 0, tokens: 1 });
        assert!(tables.use_token(&[1; 32]).await.unwrap() && tables.use_token(&[1; 32]).await.unwrap());
        assert!(!tables.use_token(&[1; 32]).await.unwrap() && !tables.use_token(&[2; 32]).await.unwrap());
        assert!(tables.remove_token("fleet").await.unwrap() && !tables.remove_token("fleet").await.unwrap());
        let beyond = Agent { floor: u64::MAX, ..agent("acme.example", "a") };
        assert!(matches!(tables.put_agent(&beyond).await, Err(LedgerError::Damaged { .. })));
    }
}

#[tokio::test]
async fn a_pattern_means_its_agents_of_its_domain_and_none_beside_them() {
    let databases = databases();
    for url in &databases.urls {
        let mut begun = open(url).await.begin().await.unwrap();
        let mut tables = begun.entity();
        for id in ["a.gptbot", "b.c.gptbot", "gptbot", "xgptbot", "a.gpt_bot", "a.gptxbot"] {
            tables.put_agent(&agent("acme.example", id)).await.unwrap();
        }
        tables.put_agent(&agent("other.example", "a.gptbot")).await.unwrap();
        let (domain, fleet) = ("acme.example", "*.gptbot");
        assert_eq!(tables.meant(domain, fleet, 9).await.unwrap(), ["a.gptbot", "b.c.gptbot"]);
        assert_eq!(tables.meant(domain, fleet, 1).await.unwrap(), ["a.gptbot"]);
        assert_eq!(tables.revoke(domain, fleet, NOW).await.unwrap(), 2);
        assert_eq!(tables.revoke(domain, fleet, NOW).await.unwrap(), 0);
        assert_eq!(
            tables.revoke(domain, "*.gpt_bot", NOW).await.unwrap(),
            1,
            "no character stands for others"
        );
        assert_eq!(tables.revoke(domain, "gptbot", NOW).await.unwrap(), 1);
        assert!(tables.is_revoked(domain, fleet).await.unwrap());
        assert!(!tables.is_revoked("other.example", fleet).await.unwrap());
        assert!(!tables.is_revoked(domain, "*").await.unwrap());
        assert_eq!(tables.meant(domain, "*", 9).await.unwrap(), ["a.gptxbot", "xgptbot"]);
        assert_eq!(tables.revoke(domain, "*", NOW).await.unwrap(), 2);
        assert_eq!(tables.counts().await.unwrap(), Counts { registered: 1, revoked: 6, tokens: 0 });
        let after = name("acme.example", "gptbot");
        let listed = tables.agents(None, &after).await.unwrap();
        let ids: Vec<_> = listed.iter().map(|agent| agent.name.clone()).collect();
        assert_eq!(ids, [name("acme.example", "xgptbot"), name("other.example", "a.gptbot")]);
        let registered = tables.agents(Some(AgentState::Registered), &name("", "")).await.unwrap();
        assert_eq!(registered.len(), 1);
    }
}

#[tokio::test]
async fn a_nonce_counts_once_and_what_is_old_is_forgotten() {
    let databases = databases();
    let day = Duration::from_secs(24 * 60 * 60);
    for url in &databases.urls {
        let mut begun = open(url).await.begin().await.unwrap();
        let mut tables = begun.entity();
        let later = NOW.after(Duration::from_secs(120));
        assert!(tables.note_nonce("www.shop.example", "n", later).await.unwrap());
        assert!(!tables.note_nonce("www.shop.example", "n", later).await.unwrap());
        assert!(tables.note_nonce("www.rival.example", "n", later).await.unwrap());
        assert!(tables.note_nonce("www.shop.example", "N", later).await.unwrap(), "case counts");
        for (now, count) in [(NOW, 2), (later, 2), (later.after(Duration::from_millis(1)), 0)] {
            assert_eq!(tables.nonces("www.shop.example", now).await.unwrap(), count, "{now:?}");
        }
        tables.add_event(1, "{}", NOW).await.unwrap();
        tables.add_event(2, "{\"a\":1}", later).await.unwrap();
        let both = [(1, "{}".to_owned()), (2, "{\"a\":1}".to_owned())];
        assert_eq!(tables.events(0, 9).await.unwrap(), both);
        assert_eq!(tables.events(1, 9).await.unwrap(), both[1..]);
        assert_eq!(tables.events(0, 1).await.unwrap(), both[..1]);
        assert_eq!(tables.events(u64::MAX, 9).await.unwrap(), []);
        let who = name("acme.example", "a");
        tables.add_turn(&who, NOW).await.unwrap();
        tables.add_turn(&who, later).await.unwrap();
        assert_eq!(tables.turns(&who, NOW).await.unwrap(), [later]);
        assert_eq!(tables.turns(&name("acme.example", "b"), Time::default()).await.unwrap(), []);
        tables.put_agent(&agent("acme.example", "a")).await.unwrap();
        tables.tidy(later, day, 5_966_666).await.unwrap();
        assert_eq!(
            tables.nonces("www.shop.example", NOW).await.unwrap(),
            2,
            "until the end and including it"
        );
        assert_eq!(tables.agent(&who).await.unwrap().unwrap().former, Some([2; 32]));
        tables.tidy(later.after(day), day, 5_966_667).await.unwrap();
        assert_eq!(tables.nonces("www.shop.example", NOW).await.unwrap(), 0);
        assert_eq!(tables.events(0, 9).await.unwrap(), both[1..]);
        assert_eq!(tables.turns(&who, Time::default()).await.unwrap(), [later]);
        assert_eq!(tables.agent(&who).await.unwrap().unwrap().former, None);
    }
}

#[tokio::test]
async fn each_service_has_a_schema_of_its_own_and_the_database_for_itself() {
    let databases = databases();
    for url in &databases.urls {
        let (registrar, entity) = (Ledger::open(url).await.unwrap(), open(url).await);
        entity.pretend("INSERT INTO entity_schema_version (version) VALUES (99)").await;
        let refused = Ledger::open_for(Service::Entity, url).await.unwrap_err();
        assert!(matches!(refused, LedgerError::Newer { found: 99, .. }), "{refused}");
        Ledger::open(url).await.unwrap();
        let alone = registrar.alone().await.unwrap();
        assert!(matches!(entity.alone().await.unwrap_err(), LedgerError::InUse), "{url}");
        drop(alone);
    }
}

#[test]
fn a_mark_is_read_as_written_and_what_is_none_is_not_taken_for_absent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mark");
    assert_eq!(Mark::read(&path).unwrap(), None);
    let mark = Mark::from(state());
    for revision in [7, 8] {
        let mark = Mark { revision, ..mark };
        mark.write(&path).unwrap();
        assert_eq!(Mark::read(&path).unwrap(), Some(mark));
    }
    let line = std::fs::read_to_string(&path).unwrap();
    let octets = line.clone().into_bytes();
    for bad in [&octets[..octets.len() - 1], b"", line.replace(" 2\n", "\n").as_bytes(), &octets.repeat(2)] {
        std::fs::write(&path, bad).unwrap();
        assert!(matches!(Mark::read(&path), Err(MarkError::Form(_))));
    }
    assert!(mark.write(&folder.path().join("no/such/folder")).is_err());
}

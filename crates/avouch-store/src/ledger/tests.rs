//! One battery for both databases.

use avouch_wire::time::Time;
use testkit::certificate::CertificateAuthority;
use testkit::peers::require;
use testkit::postgres::{PROGRAMS, Postgres};

use super::{Agent, AgentState, Audited, Held, Ledger, LedgerError, Proposal, Token};

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
    let sqlite = format!("sqlite:{}/registrar.db", folder.path().display());
    let urls = std::iter::once(sqlite).chain(postgres.as_ref().map(Postgres::url)).collect();
    Databases { urls, _folder: folder, _postgres: postgres }
}

fn token(name: &str, digest: u8) -> Token {
    Token {
        digest: [digest; 32],
        name: name.to_owned(),
        agents: "*.gptbot".to_owned(),
        uses: 2,
        expires: NOW,
        approval: true,
        attested: false,
    }
}

fn agent(id: &str, state: AgentState) -> Agent {
    let (id, token) = (id.to_owned(), "fleet".to_owned());
    let [tier, endorsement, maker] = ["tpm", "sha256:abc", "CN=maker"].map(str::to_owned);
    let held = Held { tier, endorsement, maker };
    Agent { id, state, key: vec![0, 255, 7], held, token, changed: NOW }
}

#[tokio::test]
async fn what_is_written_is_read_again_after_opening_anew() {
    let databases = databases();
    for url in &databases.urls {
        let ledger = Ledger::open(url).await.unwrap();
        let mut written = ledger.begin().await.unwrap();
        assert!(written.add_token(&token("fleet", 1)).await.unwrap());
        written.put_agent(&agent("nyc-042.gptbot", AgentState::Pending)).await.unwrap();
        let enrolled = agent("nyc-042.gptbot", AgentState::Enrolled);
        written.put_agent(&enrolled).await.unwrap();
        let proposal = Proposal {
            id: "nyc-042.gptbot".to_owned(),
            key: vec![9],
            held: Held::unknown(),
            token: "fleet".to_owned(),
            made: NOW,
        };
        written.put_proposal(&proposal).await.unwrap();
        let audited = Audited {
            at: NOW,
            who: "owner".to_owned(),
            what: "approve".to_owned(),
            subject: "nyc-042.gptbot".to_owned(),
            detail: String::new(),
        };
        written.audit(&audited).await.unwrap();
        written.commit().await.unwrap();
        drop(ledger);

        let mut read = Ledger::open(url).await.unwrap().begin().await.unwrap();
        assert_eq!(read.token(&[1; 32]).await.unwrap(), Some(token("fleet", 1)));
        let beside = Ledger::open(url).await.unwrap();
        assert!(beside.knows(&[1; 32]).await.unwrap() && !beside.knows(&[2; 32]).await.unwrap());
        assert_eq!(read.tokens("").await.unwrap(), [token("fleet", 1)]);
        assert_eq!(read.tokens("fleet").await.unwrap(), []);
        assert_eq!(read.agent("nyc-042.gptbot").await.unwrap(), Some(enrolled.clone()));
        assert_eq!(read.agent("nyc-043.gptbot").await.unwrap(), None);
        assert_eq!(read.agents(None, "").await.unwrap(), std::slice::from_ref(&enrolled));
        assert_eq!(read.agents(Some(AgentState::Pending), "").await.unwrap(), []);
        assert_eq!(read.count(AgentState::Enrolled).await.unwrap(), 1);
        assert_eq!(read.proposal("nyc-042.gptbot").await.unwrap(), Some(proposal.clone()));
        assert_eq!(read.proposals("").await.unwrap(), [proposal]);
        read.remove_proposal("nyc-042.gptbot").await.unwrap();
        assert_eq!(read.proposal("nyc-042.gptbot").await.unwrap(), None);
        assert_eq!(read.audited(10).await.unwrap(), [audited]);
        assert!(read.remove_token("fleet").await.unwrap() && !read.remove_token("fleet").await.unwrap());
        read.remove_agent("nyc-042.gptbot").await.unwrap();
        assert_eq!(read.agent("nyc-042.gptbot").await.unwrap(), None);
    }
}

#[tokio::test]
async fn what_is_not_committed_did_not_happen() {
    let databases = databases();
    for url in &databases.urls {
        let ledger = Ledger::open(url).await.unwrap();
        let mut begun = ledger.begin().await.unwrap();
        begun.put_agent(&agent("a", AgentState::Enrolled)).await.unwrap();
        begun.queue("a._saip.acme.example", &["v=saip1".to_owned()], false, NOW).await.unwrap();
        drop(begun);
        let mut read = ledger.begin().await.unwrap();
        assert_eq!(read.agent("a").await.unwrap(), None);
        assert_eq!(read.waiting().await.unwrap(), (0, None, 0));
    }
}

#[tokio::test]
async fn a_token_is_used_as_often_as_it_says() {
    let databases = databases();
    for url in &databases.urls {
        let mut open = Ledger::open(url).await.unwrap().begin().await.unwrap();
        assert!(open.add_token(&token("fleet", 1)).await.unwrap());
        assert!(!open.add_token(&token("fleet", 2)).await.unwrap(), "the name is taken");
        assert!(!open.add_token(&token("other", 1)).await.unwrap(), "the digest is taken");
        assert!(open.use_token(&[1; 32]).await.unwrap() && open.use_token(&[1; 32]).await.unwrap());
        assert!(!open.use_token(&[1; 32]).await.unwrap() && !open.use_token(&[2; 32]).await.unwrap());
        assert_eq!(open.token(&[1; 32]).await.unwrap().unwrap().uses, 0);
    }
}

#[tokio::test]
async fn the_last_that_was_queued_for_a_name_is_published_and_none_is_lost() {
    let databases = databases();
    for url in &databases.urls {
        let mut open = Ledger::open(url).await.unwrap().begin().await.unwrap();
        let name = "a._saip.acme.example";
        let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        open.queue(name, &texts(&["v=saip1; pk=old"]), true, NOW).await.unwrap();
        let under_way = open.due(NOW, 10).await.unwrap().remove(0);
        open.queue(name, &texts(&["v=saip1; pk=new", "v=saip1; pk=newer"]), false, NOW).await.unwrap();
        open.published(&under_way).await.unwrap();
        open.postponed(&under_way, Time::MAX).await.unwrap();
        let due = open.due(NOW, 10).await.unwrap();
        assert_eq!(due.iter().map(|due| due.texts.len()).collect::<Vec<_>>(), [2], "the later one stays");
        assert_eq!((due[0].name.as_str(), due[0].tries, due[0].due), (name, 0, NOW));
        let later = NOW.after(std::time::Duration::from_secs(1));
        open.postponed(&due[0], later).await.unwrap();
        assert_eq!(open.due(NOW, 10).await.unwrap(), []);
        assert_eq!(open.due(later, 10).await.unwrap()[0].tries, 1);
        open.queue("b._saip.acme.example", &[], true, NOW).await.unwrap();
        assert_eq!(open.due(NOW, 10).await.unwrap()[0].texts, texts(&[]), "nothing is to stand there");
        assert_eq!(open.waiting().await.unwrap(), (2, Some(NOW), 1));
        assert!(open.due(NOW, 10).await.unwrap()[0].fresh && !open.due(later, 10).await.unwrap()[0].fresh);
        for due in open.due(later, 1).await.unwrap().into_iter().chain(open.due(later, 10).await.unwrap()) {
            open.published(&due).await.unwrap();
        }
        assert_eq!(open.waiting().await.unwrap(), (0, None, 0));
    }
}

#[tokio::test]
async fn a_fleet_is_revoked_with_all_below_it_and_nothing_beside_it() {
    let databases = databases();
    for url in &databases.urls {
        let mut open = Ledger::open(url).await.unwrap().begin().await.unwrap();
        for id in ["a.gptbot", "b.c.gptbot", "gptbot", "xgptbot", "a.gpt_bot", "a.gptxbot"] {
            open.put_agent(&agent(id, AgentState::Enrolled)).await.unwrap();
        }
        assert_eq!(open.revoke_below(".gptbot", NOW).await.unwrap(), 2);
        assert_eq!(open.revoke_below(".gptbot", NOW).await.unwrap(), 0);
        assert_eq!(open.revoke_below(".gpt_bot", NOW).await.unwrap(), 1, "no character stands for others");
        let revoked = open.agents(Some(AgentState::Revoked), "").await.unwrap();
        let ids: Vec<_> = revoked.iter().map(|agent| agent.id.as_str()).collect();
        assert_eq!(ids, ["a.gpt_bot", "a.gptbot", "b.c.gptbot"]);
        assert_eq!(open.below(".gptbot", "").await.unwrap(), ["a.gptbot", "b.c.gptbot"]);
        assert_eq!(open.below(".gptbot", "a.gptbot").await.unwrap(), ["b.c.gptbot"]);
        assert_eq!(open.below("", "").await.unwrap().len(), 6);
        assert_eq!(open.revoke_below("", NOW).await.unwrap(), 3);
        assert_eq!(open.count(AgentState::Revoked).await.unwrap(), 6);
    }
}

#[tokio::test]
async fn a_schema_of_tomorrow_is_not_touched_and_no_address_is_told() {
    let databases = databases();
    for url in &databases.urls {
        let ledger = Ledger::open(url).await.unwrap();
        ledger.pretend("INSERT INTO schema_version (version) VALUES (99)").await;
        let refused = Ledger::open(url).await.unwrap_err();
        assert!(matches!(refused, LedgerError::Newer { found: 99, .. }), "{refused}");
    }
    for url in ["", "sqlite:", "sqlite::memory:", "mysql://localhost/avouch", "registrar.db"] {
        assert!(matches!(Ledger::open(url).await.unwrap_err(), LedgerError::Address(_)), "{url}");
    }
    assert!(matches!(
        Ledger::open("sqlite:/nowhere/registrar.db").await.unwrap_err(),
        LedgerError::Database(_)
    ));
}

#[tokio::test]
async fn a_serial_follows_every_one_before_it_over_restarts_and_clocks_set_back() {
    let databases = databases();
    for url in &databases.urls {
        let ledger = Ledger::open(url).await.unwrap();
        let mut open = ledger.begin().await.unwrap();
        let day = std::time::Duration::from_secs(86_400);
        let first = open.next_serial("_saip.acme.example", NOW).await.unwrap();
        assert_eq!(first, 1_790_000_000, "the time, in the beginning");
        assert_eq!(open.next_serial("_saip.acme.example", NOW).await.unwrap(), first + 1);
        assert_eq!(open.next_serial("_saip.other.example", NOW).await.unwrap(), first, "another zone's own");
        open.commit().await.unwrap();
        drop(ledger);
        let mut open = Ledger::open(url).await.unwrap().begin().await.unwrap();
        let early = Time::from_seconds(NOW.seconds() - 86_400);
        assert_eq!(open.next_serial("_saip.acme.example", early).await.unwrap(), first + 2);
        assert_eq!(open.next_serial("_saip.acme.example", NOW.after(day)).await.unwrap(), first + 86_400);
        let last = Time::from_seconds(u64::from(u32::MAX));
        assert_eq!(open.next_serial("_saip.acme.example", last).await.unwrap(), u32::MAX);
        assert_eq!(open.next_serial("_saip.acme.example", NOW).await.unwrap(), 0, "and begins anew");
    }
}

#[tokio::test]
async fn one_registrar_uses_a_database_at_a_time() {
    let databases = databases();
    for url in &databases.urls {
        let (first, second) = (Ledger::open(url).await.unwrap(), Ledger::open(url).await.unwrap());
        let alone = first.alone().await.unwrap();
        assert!(matches!(second.alone().await.unwrap_err(), LedgerError::InUse), "{url}");
        drop(alone);
        first.close().await;
        // PostgreSQL notices in its own time that somebody is gone.
        let had = async { while second.alone().await.is_err() {} };
        tokio::time::timeout(std::time::Duration::from_secs(20), had).await.unwrap();
    }
}

#[tokio::test]
async fn the_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registrar.db");
    let ledger = Ledger::open(&format!("sqlite:{}", path.display())).await.unwrap();
    drop(ledger.begin().await.unwrap());
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", file.file_name());
    }
}

#[tokio::test]
async fn what_an_older_version_wrote_is_read_after_its_schema_was_brought_up_to_date() {
    let databases = databases();
    for url in &databases.urls {
        let ledger = Ledger::open(url).await.unwrap();
        let mut written = ledger.begin().await.unwrap();
        written.put_agent(&agent("a", AgentState::Enrolled)).await.unwrap();
        written.commit().await.unwrap();
        for statement in [
            "ALTER TABLE agent DROP COLUMN endorsement",
            "ALTER TABLE agent DROP COLUMN maker",
            "ALTER TABLE proposal DROP COLUMN endorsement",
            "ALTER TABLE proposal DROP COLUMN maker",
            "DROP TABLE zone",
            "DELETE FROM schema_version WHERE version > 1",
        ] {
            ledger.pretend(statement).await;
        }
        ledger.close().await;
        let mut read = Ledger::open(url).await.unwrap().begin().await.unwrap();
        let held = read.agent("a").await.unwrap().unwrap().held;
        assert_eq!(held, Held { tier: "tpm".to_owned(), ..Held::unknown() });
    }
}

#[tokio::test]
async fn postgresql_elsewhere_is_asked_by_tls_and_believed_by_its_certificate() {
    let Some(tools) = require(&PROGRAMS) else { return };
    let authority = CertificateAuthority::new().unwrap();
    let postgres = Postgres::start_secured(&tools, &authority.issue(&["localhost"]).unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let root = file("root.pem", &authority.root);
    let other = file("other.pem", &CertificateAuthority::new().unwrap().root);
    let port = postgres.port().unwrap();
    let open = |host: &str, query: String| {
        let url = format!("postgres://avouch@{host}:{port}/postgres?{query}");
        async move { Ledger::open(&url).await }
    };
    let ledger = open("localhost", format!("sslmode=verify-full&sslrootcert={root}")).await.unwrap();
    assert!(!ledger.knows(&[0; 32]).await.unwrap());
    assert!(open("127.0.0.1", format!("sslmode=verify-ca&sslrootcert={root}")).await.is_ok());
    let refused = |opened: Result<Ledger, LedgerError>| matches!(opened, Err(LedgerError::Database(_)));
    assert!(
        refused(open("127.0.0.1", format!("sslmode=verify-full&sslrootcert={root}")).await),
        "another name"
    );
    assert!(
        refused(open("localhost", format!("sslmode=verify-full&sslrootcert={other}")).await),
        "by nobody known"
    );
    assert!(refused(open("localhost", "sslmode=verify-ca".to_owned()).await));
    assert!(
        refused(open("localhost", "sslmode=disable".to_owned()).await),
        "the server takes nobody in clear"
    );
    let mode = open("localhost", "sslmode=require".to_owned()).await;
    assert!(matches!(mode, Err(LedgerError::Mode(_))));
}

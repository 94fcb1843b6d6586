//! The registrar as agents, owners and a name server see it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use avouch_dns::publish::Publisher;
use avouch_gather::clock::{Clock, SystemClock};
use avouch_keys::SecretKey;
use avouch_keys::enrolment::enrol;
use avouch_keys::entropy::SystemEntropy;
use avouch_keys::tsig::TsigKey;
use avouch_store::ledger::Ledger;
use avouch_wire::enrolment::{token_digest, token_text};
use avouch_wire::key::KeyType;
use avouch_wire::name::{AgentId, Domain};
use avouch_wire::time::Time;
use axum::Router;
use serde_json::{Value, json};
use testkit::peers::require;
use testkit::primary::{Kind, Primary};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{Attesting, Registrar, Role, Rules};

mod attested;
mod own_zone;

const ZONE: &str = "_saip.acme.example.";

fn domain() -> Domain<'static> {
    Domain::parse("acme.example").unwrap()
}

/// A registrar with its three doors; it ends when dropped.
struct House {
    agents: SocketAddr,
    owner: SocketAddr,
    operator: SocketAddr,
    tasks: JoinSet<()>,
    _stop: watch::Sender<bool>,
}

impl House {
    async fn open(database: &std::path::Path, primary: &Primary) -> Self {
        let attesting = Attesting::open(domain(), None).unwrap();
        Self::open_with(database, primary, attesting, Arc::new(SystemClock::new())).await
    }

    async fn open_with(
        database: &std::path::Path,
        primary: &Primary,
        attesting: Attesting,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let ledger = Ledger::open(&format!("sqlite:{}", database.display())).await.unwrap();
        let key = TsigKey::open(&primary.key("registrar")).unwrap();
        let publisher = Publisher::new(primary.address(), ZONE, key).unwrap();
        Self::with(ledger, publisher, attesting, clock).await
    }

    async fn with(
        ledger: Ledger,
        place: impl Into<super::Place>,
        attesting: Attesting,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (stop, stopping) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let rules = Rules { domain: domain() };
        let registrar = Registrar::start(rules, ledger, (place, 5), attesting, clock, &mut tasks, stopping);
        let agents = door(&mut tasks, registrar.for_agents()).await;
        let owner = door(&mut tasks, registrar.for_role(Role::Owner)).await;
        let operator = door(&mut tasks, registrar.for_role(Role::Operator)).await;
        Self { agents, owner, operator, tasks, _stop: stop }
    }

    /// As a crash does: nothing is let end.
    async fn crash(mut self) {
        self.tasks.shutdown().await;
    }

    async fn enrol(&self, asked: &Asked) -> (u16, Value) {
        ask(self.agents, "POST", "/v1/enrolments", &asked.text()).await
    }

    async fn token(&self, name: &str, more: Value) -> String {
        let mut new = json!({ "name": name, "agents": "*.gptbot", "uses": 100, "lasts": 3600 });
        new.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (status, told) = ask(self.owner, "POST", "/v1/tokens", &new.to_string()).await;
        assert_eq!(status, 201, "{told}");
        told["token"].as_str().unwrap().to_owned()
    }

    async fn status(&self) -> Value {
        ask(self.owner, "GET", "/v1/status", "").await.1
    }

    /// Waits until nothing waits to be published.
    async fn published(&self) {
        let waiting = async {
            while self.status().await["waiting"] != 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("it is published");
    }
}

async fn door(tasks: &mut JoinSet<()>, router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tasks.spawn(async move { axum::serve(listener, service).await.unwrap() });
    address
}

async fn ask(address: SocketAddr, method: &str, path: &str, body: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: registrar\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

/// An agent with its key, and a token.
struct Asked {
    key: SecretKey,
    agent: String,
    token: String,
}

impl Asked {
    fn new(agent: &str, token: &str) -> Self {
        let key = SecretKey::generate(KeyType::P256, &mut SystemEntropy).unwrap();
        Self { key, agent: agent.to_owned(), token: token.to_owned() }
    }

    fn text(&self) -> String {
        let agent = AgentId::parse(&self.agent).unwrap().into_owned();
        let digest = token_digest(&self.token).unwrap();
        enrol(&self.key, &domain(), agent, digest, SystemClock::new().now()).unwrap().write(&self.token)
    }

    fn fingerprint(&self) -> String {
        self.key.public().fingerprint().to_string()
    }

    fn name(&self) -> String {
        format!("{}.{ZONE}", self.agent)
    }

    fn record(&self) -> String {
        format!("\"v=saip1; pk={}\"", avouch_wire::b64u::encode(self.key.public().octets()))
    }
}

const REVOKED: &str = "\"v=saip1; pk=\"";

/// What a test needs, of each kind of name server there is.
fn primaries() -> Vec<(Primary, tempfile::TempDir)> {
    let start = |kind: Kind| {
        let primary = require(kind.programs()).map(|tools| Primary::start(kind, &tools, ZONE).unwrap());
        primary.map(|primary| (primary, tempfile::tempdir().unwrap()))
    };
    [Kind::Bind, Kind::Knot].into_iter().filter_map(start).collect()
}

#[tokio::test]
async fn an_agent_enrols_is_published_and_revoked() {
    for (primary, folder) in primaries() {
        let house = House::open(&folder.path().join("db"), &primary).await;
        let token = house.token("fleet", json!({})).await;
        let asked = Asked::new("nyc-042.gptbot", &token);
        let (status, told) = house.enrol(&asked).await;
        let name = "nyc-042.gptbot._saip.acme.example";
        assert_eq!(
            (status, &told),
            (200, &json!({"agent": "nyc-042.gptbot", "state": "enrolled", "name": name}))
        );
        house.published().await;
        assert_eq!(primary.dig(&asked.name(), "TXT").unwrap(), asked.record());
        assert_eq!(house.enrol(&asked).await, (200, told), "the same again is answered the same");

        let body = json!({ "agent": "nyc-042.gptbot" }).to_string();
        assert_eq!(ask(house.operator, "POST", "/v1/revoke", &body).await, (200, json!({"revoked": 1})));
        house.published().await;
        assert_eq!(primary.dig(&asked.name(), "TXT").unwrap(), REVOKED);
        let (status, told) = house.enrol(&asked).await;
        assert_eq!(
            (status, told["reason"].as_str()),
            (403, Some("revoked")),
            "and does not come back by itself"
        );
    }
}

#[tokio::test]
async fn a_fleet_is_revoked_by_one_record_and_the_domain_by_another() {
    for (primary, folder) in primaries() {
        let house = House::open(&folder.path().join("db"), &primary).await;
        let token = house.token("fleet", json!({})).await;
        for agent in ["a.gptbot", "b.gptbot"] {
            assert_eq!(house.enrol(&Asked::new(agent, &token)).await.0, 200);
        }
        let other = house.token("other", json!({ "agents": "crawler-7" })).await;
        assert_eq!(house.enrol(&Asked::new("crawler-7", &other)).await.0, 200);
        let fleet = json!({ "agent": "gptbot" }).to_string();
        assert_eq!(ask(house.owner, "POST", "/v1/revoke", &fleet).await.1, json!({"revoked": 2}));
        house.published().await;
        assert_eq!(primary.dig(&format!("gptbot.{ZONE}"), "TXT").unwrap(), REVOKED);
        assert_eq!(house.status().await["enrolled"], 1);

        let all = json!({ "all": true }).to_string();
        assert_eq!(ask(house.operator, "POST", "/v1/revoke", &all).await.0, 403, "the owner's alone");
        assert_eq!(ask(house.owner, "POST", "/v1/revoke", &all).await.1, json!({"revoked": 1}));
    }
}

#[tokio::test]
async fn what_is_revoked_does_not_come_back_by_a_token() {
    let Some((primary, folder)) = primaries().pop() else { return };
    let house = House::open(&folder.path().join("db"), &primary).await;
    let token = house.token("wide", json!({ "agents": "*.b" })).await;
    assert_eq!(house.enrol(&Asked::new("x.f.b", &token)).await.0, 200);
    let scope = |id: &str| json!({ "agent": id }).to_string();
    assert_eq!(ask(house.owner, "POST", "/v1/revoke", &scope("f.b")).await.1, json!({"revoked": 1}));
    // The fleet's own name, a member that never was, and the member that was.
    for agent in ["f.b", "new.f.b", "x.f.b"] {
        let (status, told) = house.enrol(&Asked::new(agent, &token)).await;
        assert_eq!((status, told["reason"].as_str()), (403, Some("revoked")), "{agent}");
    }
    assert_eq!(house.enrol(&Asked::new("y.g.b", &token)).await.0, 200, "beside it");
    house.published().await;
    assert_eq!(primary.dig(&format!("f.b.{ZONE}"), "TXT").unwrap(), REVOKED);

    assert_eq!(ask(house.operator, "POST", "/v1/forget", &scope("f.b")).await.0, 403, "the owner's alone");
    assert_eq!(ask(house.owner, "POST", "/v1/forget", &scope("f.b")).await.0, 204);
    assert_eq!(ask(house.owner, "POST", "/v1/forget", &scope("f.b")).await.0, 404);
    house.published().await;
    assert_eq!(primary.dig(&format!("f.b.{ZONE}"), "TXT").unwrap(), "");
    assert_eq!(primary.dig(&format!("x.f.b.{ZONE}"), "TXT").unwrap(), REVOKED, "by a record of its own");
    assert_eq!(house.enrol(&Asked::new("new.f.b", &token)).await.0, 200);
    assert_eq!(house.enrol(&Asked::new("x.f.b", &token)).await.0, 403);
    for wrong in
        [json!({}), json!({ "agent": null }), json!({ "agent": "_" }), json!({ "agent": "a", "all": true })]
    {
        assert_eq!(ask(house.owner, "POST", "/v1/revoke", &wrong.to_string()).await.0, 400, "{wrong}");
    }
}

#[tokio::test]
async fn what_another_hand_published_is_not_replaced_by_a_token() {
    for (primary, folder) in primaries() {
        let key = TsigKey::open(&primary.key("registrar")).unwrap();
        let by_hand = Publisher::new(primary.address(), ZONE, key).unwrap();
        let name = format!("a.gptbot.{ZONE}");
        let texts = vec!["v=saip1; pk=".to_owned()];
        let change = avouch_dns::publish::Change { name: name.clone(), texts, ttl: 5 };
        by_hand.publish(&[change], SystemClock::new().now()).await.unwrap();

        let house = House::open(&folder.path().join("db"), &primary).await;
        let token = house.token("fleet", json!({})).await;
        let (asked, other) = (Asked::new("a.gptbot", &token), Asked::new("b.gptbot", &token));
        assert_eq!(house.enrol(&asked).await.0, 200);
        assert_eq!(house.enrol(&other).await.0, 200);
        house.published().await;
        assert_eq!(primary.dig(&name, "TXT").unwrap(), REVOKED, "it stays");
        assert_eq!(primary.dig(&other.name(), "TXT").unwrap(), other.record());
        assert_eq!(house.enrol(&asked).await.1["state"], "pending", "the owner decides");
        let approve = json!({ "agent": "a.gptbot", "key": asked.fingerprint() }).to_string();
        assert_eq!(ask(house.owner, "POST", "/v1/approve", &approve).await.0, 204);
        house.published().await;
        assert_eq!(primary.dig(&name, "TXT").unwrap(), asked.record());
    }
}

#[tokio::test]
async fn a_token_that_is_gone_or_used_up_asks_for_no_other_key() {
    let Some((primary, folder)) = primaries().pop() else { return };
    let house = House::open(&folder.path().join("db"), &primary).await;
    let token = house.token("once", json!({ "uses": 1 })).await;
    assert_eq!(house.enrol(&Asked::new("a.gptbot", &token)).await.0, 200);
    assert_eq!(house.enrol(&Asked::new("a.gptbot", &token)).await.0, 409);
    assert_eq!(ask(house.owner, "GET", "/v1/proposals", "").await.1, json!([]), "it was used up");
    let token = house.token("more", json!({})).await;
    assert_eq!(house.enrol(&Asked::new("a.gptbot", &token)).await.0, 409);
    assert_eq!(ask(house.owner, "GET", "/v1/proposals", "").await.1.as_array().unwrap().len(), 1);
    let named = json!({ "name": "more" }).to_string();
    assert_eq!(ask(house.owner, "POST", "/v1/tokens/remove", &named).await.0, 204);
    assert_eq!(ask(house.owner, "GET", "/v1/proposals", "").await.1, json!([]), "it went with its token");
}

#[tokio::test]
async fn who_waits_for_an_approval_is_not_published_before() {
    let Some((primary, folder)) = primaries().pop() else { return };
    let house = House::open(&folder.path().join("db"), &primary).await;
    let token = house.token("fleet", json!({ "approval": true })).await;
    let (asked, rejected) = (Asked::new("a.gptbot", &token), Asked::new("b.gptbot", &token));
    let before = primary.serial().unwrap();
    for asked in [&asked, &rejected, &asked] {
        let (status, told) = house.enrol(asked).await;
        assert_eq!((status, told["state"].as_str()), (202, Some("pending")));
    }
    let pending = ask(house.operator, "GET", "/v1/agents?state=pending", "").await.1;
    let ids: Vec<_> =
        pending.as_array().unwrap().iter().map(|agent| agent["agent"].as_str().unwrap()).collect();
    assert_eq!(ids, ["a.gptbot", "b.gptbot"]);
    assert_eq!(primary.serial().unwrap(), before);
    let approve = |id: &str, asked: &Asked| json!({ "agent": id, "key": asked.fingerprint() }).to_string();
    let other = ask(house.operator, "POST", "/v1/approve", &approve("a.gptbot", &rejected)).await;
    assert_eq!(other.0, 409, "the key of somebody else: {}", other.1);
    assert_eq!(ask(house.operator, "POST", "/v1/approve", &approve("a.gptbot", &asked)).await.0, 204);
    let reject = json!({ "agent": "b.gptbot" }).to_string();
    assert_eq!(ask(house.operator, "POST", "/v1/reject", &reject).await.0, 204);
    for id in ["a.gptbot", "b.gptbot", "c.gptbot"] {
        assert_eq!(ask(house.operator, "POST", "/v1/approve", &approve(id, &asked)).await.0, 404, "{id}");
    }
    let nul = json!({ "agent": "a\u{0}", "key": "" }).to_string();
    assert_eq!(ask(house.operator, "POST", "/v1/approve", &nul).await.0, 400);
    house.published().await;
    assert_eq!(primary.dig(&asked.name(), "TXT").unwrap(), asked.record());
    assert_eq!(primary.dig(&rejected.name(), "TXT").unwrap(), "");
    assert_eq!(house.enrol(&asked).await.0, 200, "it learns so by asking again");
}

#[tokio::test]
async fn another_key_of_a_known_agent_waits_for_the_owner() {
    let Some((primary, folder)) = primaries().pop() else { return };
    let house = House::open(&folder.path().join("db"), &primary).await;
    let token = house.token("fleet", json!({})).await;
    let (first, second) = (Asked::new("a.gptbot", &token), Asked::new("a.gptbot", &token));
    assert_eq!(house.enrol(&first).await.0, 200);
    house.published().await;
    let third = Asked::new("a.gptbot", &token);
    for asked in [&second, &second, &third] {
        let (status, told) = house.enrol(asked).await;
        assert_eq!((status, told["reason"].as_str()), (409, Some("key-conflict")));
    }
    assert_eq!(primary.dig(&first.name(), "TXT").unwrap(), first.record(), "the first key stays");
    let approve = |asked: &Asked| json!({ "agent": "a.gptbot", "key": asked.fingerprint() }).to_string();
    let by_operator = ask(house.operator, "POST", "/v1/approve", &approve(&second)).await;
    assert_eq!(by_operator.0, 403, "not an operator's to approve");
    let proposals = ask(house.owner, "GET", "/v1/proposals", "").await.1;
    assert_eq!(proposals.as_array().unwrap().len(), 1);
    assert_eq!(proposals[0]["key"], second.fingerprint(), "the first that asked, not the last");
    assert_eq!(ask(house.owner, "POST", "/v1/approve", &approve(&third)).await.0, 409);
    assert_eq!(ask(house.owner, "POST", "/v1/approve", &approve(&second)).await.0, 204);
    house.published().await;
    assert_eq!(primary.dig(&first.name(), "TXT").unwrap(), second.record());
    assert_eq!(house.enrol(&second).await.0, 200);
    assert_eq!(house.enrol(&first).await.0, 409, "and now the first is the other");
    let deeds = ask(house.owner, "GET", "/v1/audit", "").await.1;
    let what: Vec<_> = deeds.as_array().unwrap().iter().map(|deed| deed["what"].as_str().unwrap()).collect();
    assert_eq!(what, ["ask-for-key", "approve", "ask-for-key", "enrol", "add-token"]);
}

#[tokio::test]
async fn what_is_refused_changes_no_zone() {
    let Some((primary, folder)) = primaries().pop() else { return };
    let house = House::open(&folder.path().join("db"), &primary).await;
    let token = house.token("fleet", json!({ "uses": 1 })).await;
    let attested = house.token("attested", json!({ "attested": true })).await;
    let ended = house.token("ended", json!({ "lasts": 1 })).await;
    assert_eq!(house.enrol(&Asked::new("a.gptbot", &token)).await.0, 200);
    house.published().await;
    let before = primary.serial().unwrap();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    for (agent, token, status, reason) in [
        ("b.gptbot", &token_text(&[7; 32]), 401, "token-unknown"),
        ("b.gptbot", &token, 403, "token-used-up"),
        ("crawler-7", &token, 403, "agent-not-allowed"),
        ("gptbot", &token, 403, "agent-not-allowed"),
        ("b.gptbot", &attested, 403, "not-attested"),
        ("b.gptbot", &ended, 403, "token-expired"),
    ] {
        let (answered, told) = house.enrol(&Asked::new(agent, token)).await;
        assert_eq!((answered, told["reason"].as_str()), (status, Some(reason)), "{agent}");
        assert!(!told.to_string().contains("avouch-enrol"), "{told}");
    }
    let text = Asked::new("b.gptbot", &token).text();
    for (from, to, reason) in [
        ("b.gptbot", "c.gptbot", "proof"),
        ("b.gptbot", "_", "agent"),
        ("b.gptbot", "*", "agent"),
        ("\"time\":1", "\"time\":2", "time"),
        ("\"token\":\"avouch-enrol-", "\"token\":\"", "token"),
        ("}", ",\"x\":1}", "malformed"),
    ] {
        let (status, told) = ask(house.agents, "POST", "/v1/enrolments", &text.replacen(from, to, 1)).await;
        assert!((400..404).contains(&status) && told["reason"] == reason, "{from}: {status} {told}");
    }
    let long = format!("{{\"agent\":\"{}\"}}", "a".repeat(20_000));
    assert_eq!(ask(house.agents, "POST", "/v1/enrolments", &long).await.0, 413);
    assert_eq!(ask(house.agents, "GET", "/v1/tokens", "").await.0, 404, "agents have one door");
    assert_eq!(ask(house.operator, "GET", "/v1/tokens", "").await.0, 403, "operators make no tokens");
    assert_eq!(house.status().await["waiting"], 0);
    assert_eq!(primary.serial().unwrap(), before);
}

#[tokio::test]
async fn tokens_say_what_is_wrong_with_them_and_are_told_once() {
    let Some((primary, folder)) = primaries().pop() else { return };
    let house = House::open(&folder.path().join("db"), &primary).await;
    let good = json!({ "name": "fleet", "agents": "*.gptbot", "uses": 1, "lasts": 60 });
    for (member, value, said) in [
        ("name", json!(""), "name: "),
        ("name", json!("a b"), "name: "),
        ("agents", json!("*"), "agents: "),
        ("agents", json!("_"), "agents: "),
        ("uses", json!(0), "uses: "),
        ("lasts", json!(0), "lasts: "),
        ("lasts", json!(u64::MAX), "lasts: "),
    ] {
        let mut bad = good.clone();
        bad[member] = value;
        let (status, told) = ask(house.owner, "POST", "/v1/tokens", &bad.to_string()).await;
        assert!(status == 400 && told["detail"].as_str().unwrap().starts_with(said), "{status} {told}");
    }
    let token = house.token("fleet", json!({})).await;
    assert_eq!(ask(house.owner, "POST", "/v1/tokens", &good.to_string()).await.0, 409);
    let listed = ask(house.owner, "GET", "/v1/tokens", "").await.1;
    assert!(
        listed[0]["name"] == "fleet" && !listed.to_string().contains(token.rsplit('-').next().unwrap()),
        "{listed}"
    );
    let named = json!({ "name": "fleet" }).to_string();
    assert_eq!(ask(house.owner, "POST", "/v1/tokens/remove", &named).await.0, 204);
    assert_eq!(ask(house.owner, "POST", "/v1/tokens/remove", &named).await.0, 404);
    assert_eq!(house.enrol(&Asked::new("a.gptbot", &token)).await.0, 401);
}

#[tokio::test]
async fn what_was_enrolled_before_a_crash_is_published_after_it() {
    let Some((primary, folder)) = primaries().pop() else { return };
    let database = folder.path().join("db");
    let house = House::open(&database, &primary).await;
    let token = house.token("fleet", json!({})).await;
    primary.signal("STOP").unwrap();
    let asked: Vec<_> = (0..20).map(|at| Asked::new(&format!("a{at}.gptbot"), &token)).collect();
    for asked in &asked {
        assert_eq!(house.enrol(asked).await.0, 200, "the name server's trouble is not the agent's");
    }
    assert_eq!(house.status().await["waiting"], 20);
    house.crash().await;
    primary.signal("CONT").unwrap();
    let house = House::open(&database, &primary).await;
    house.published().await;
    for asked in &asked {
        assert_eq!(primary.dig(&asked.name(), "TXT").unwrap(), asked.record());
        assert_eq!(house.enrol(asked).await.0, 200);
    }
    assert_eq!(house.status().await["enrolled"], 20);
}

#[tokio::test]
async fn a_name_that_the_server_refuses_keeps_no_other_from_being_published() {
    let Some((primary, folder)) = primaries().pop() else { return };
    let house = House::open(&folder.path().join("db"), &primary).await;
    let token = house.token("fleet", json!({})).await;
    // Both in one message.
    primary.signal("STOP").unwrap();
    let asked = Asked::new("a.gptbot", &token);
    assert_eq!(house.enrol(&asked).await.0, 200);
    // The domain's own record is none of the names that the key may change.
    let all = json!({ "all": true }).to_string();
    assert_eq!(ask(house.owner, "POST", "/v1/revoke", &all).await.0, 200);
    primary.signal("CONT").unwrap();
    let standing = async {
        while primary.dig(&asked.name(), "TXT").unwrap() != asked.record()
            || house.status().await["trouble"].is_null()
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), standing).await.expect("it is published");
    let status = house.status().await;
    assert_eq!(status["waiting"], 1);
    assert!(status["trouble"].is_string() && status["failed"].as_u64().unwrap() > 0, "{status}");
}

#[test]
fn nothing_waits_longer_than_it_has() {
    let at = Time::from_seconds(10);
    assert_eq!(super::publishing::waited(None, at), Duration::ZERO);
    assert_eq!(super::publishing::waited(Some(Time::from_seconds(4)), at), Duration::from_secs(6));
    assert_eq!(super::publishing::waited(Some(Time::from_seconds(40)), at), Duration::ZERO);
}

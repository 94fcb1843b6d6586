//! Enrolments at a registrar, from the question to the row on the disk with its signature checked, against a bare hyper
//! server that writes each question into SQLite; and how soon the last of them is in the DNS.
//!
//! Registrar and bare server are processes of their own, the name server is BIND. By wall clock: what is waited for is
//! the disk.

use crate::figure::Figure;
use crate::player::{CONNECTIONS, Load, Player, fastest, until_told_to_end};
use avouch_authority::config::Config;
use avouch_gather::clock::{Clock as _, SystemClock};
use avouch_keys::SecretKey;
use avouch_keys::enrolment::enrol;
use avouch_keys::entropy::SystemEntropy;
use avouch_wire::enrolment::{TokenDigest, token_digest};
use avouch_wire::key::KeyType;
use avouch_wire::name::{AgentId, Domain};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, SqliteConnection};
use std::convert::Infallible;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use testkit::peers::require;
use testkit::primary::{Kind, Primary};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

const ZONE: &str = "_saip.acme.example.";

/// Agents of each connection in a round; no agent enrols twice.
const AGENTS: usize = 50;

/// Rounds of both in turn; the fastest of each counts, as everywhere.
const ROUNDS: usize = 5;

/// Enrolments a second that are wanted, and how late the last may be in the DNS.
const WANTED: f64 = 500.0;
const IN_TIME: Duration = Duration::from_secs(5);

/// Nothing where there is no BIND.
pub(crate) fn figures() -> Vec<Figure> {
    let Some(tools) = require(Kind::Bind.programs()) else { return Vec::new() };
    let primary = Primary::start(Kind::Bind, &tools, ZONE).expect("BIND starts");
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("registrar.toml");
    std::fs::write(&config, configuration(&primary)).expect("a file");
    let registrar = Player::start("registrar", &[&config.display().to_string()]);
    let bare = Player::start("inserting", &[&folder.path().join("bare.db").display().to_string()]);
    let runtime = Runtime::new().expect("a runtime");
    let token = runtime.block_on(token(folder.path()));
    let (mut enrolled, mut inserted, mut used) = (Vec::new(), Vec::new(), Vec::new());
    let mut late = Duration::ZERO;
    for round in 0..ROUNDS {
        let load = questions(round, &token);
        let send = |player: &Player| {
            let (began, before) = (Instant::now(), player.seconds());
            runtime.block_on(load.send(player.address));
            let count = load.count() as f64;
            (began.elapsed().as_secs_f64() / count, (player.seconds() - before) / count)
        };
        let (took, processor) = send(&registrar);
        enrolled.push(took);
        used.push(processor);
        late = late.max(runtime.block_on(published(&primary, folder.path(), round)));
        inserted.push(send(&bare).0);
    }
    let (enrolled, inserted) = (fastest(&enrolled), fastest(&inserted));
    vec![
        Figure {
            name: "enrolment, from the question to the row on the disk / a bare hyper server's insert into SQLite for each",
            ratio: enrolled / inserted,
            // A question is ten statements, which come 128 to a commit, and a signature checked.
            goal: 3.0,
            limit: 4.0,
            detail: format!(
                "{:.0} enrolments/s ({WANTED} are wanted) of {CONNECTIONS} connections, {:.0} inserts/s; \
                 {:.0} µs of processor time each",
                1.0 / enrolled,
                1.0 / inserted,
                fastest(&used) * 1e6
            ),
        },
        Figure {
            name: "the last of 1,600 enrolments is in the DNS, seconds after its answer / 5",
            ratio: late.as_secs_f64() / IN_TIME.as_secs_f64(),
            goal: 1.0,
            limit: 1.0,
            detail: format!("{:.1} s, the latest of {ROUNDS} rounds, at BIND", late.as_secs_f64()),
        },
    ]
}

fn configuration(primary: &Primary) -> String {
    format!(
        "domain = 'acme.example'\nlisten = '127.0.0.1:0'\nstore.url = 'sqlite:registrar.db'\n\
         publish = {{ server = '{}', tsig = '{}', ttl = 5 }}\nowner.socket = 'owner.sock'\n",
        primary.address(),
        primary.key("registrar").display()
    )
}

/// A token for all of them, of the owner's socket.
async fn token(folder: &Path) -> String {
    let new = json!({ "name": "bench", "agents": "*.fleet", "uses": 100_000, "lasts": 3_600 });
    let told =
        avouch_authority::ask(&folder.join("owner.sock"), Method::POST, "/v1/tokens", Some(&new)).await;
    told.expect("a token").get("token").and_then(|token| token.as_str()).expect("a token").to_owned()
}

/// Waits until nothing is left to be published, and the zone has the last agent; how long that takes.
async fn published(primary: &Primary, folder: &Path, round: usize) -> Duration {
    let began = Instant::now();
    loop {
        let status = avouch_authority::ask(&folder.join("owner.sock"), Method::GET, "/v1/status", None).await;
        let waiting = status.expect("it says").get("waiting").and_then(serde_json::Value::as_u64);
        if waiting == Some(0) {
            break;
        }
        assert!(began.elapsed() < 4 * IN_TIME, "BIND does not take them");
        sleep(Duration::from_millis(50)).await;
    }
    let took = began.elapsed();
    let name = format!("a-{round}-{}-{}.fleet.{ZONE}", CONNECTIONS - 1, AGENTS - 1);
    assert_ne!(primary.dig(&name, "TXT").expect("dig"), "");
    took
}

/// Questions of agents that nobody knows yet, each with a key of its own.
fn questions(round: usize, token: &str) -> Load {
    let digest = token_digest(token).expect("a token");
    let of = |connection: usize| {
        (0..AGENTS).map(|at| question(&format!("a-{round}-{connection}-{at}.fleet"), token, digest)).collect()
    };
    Load { requests: Arc::new((0..CONNECTIONS).map(of).collect()), begins: b"HTTP/1.1 200 ", ends: b"\"}" }
}

fn question(agent: &str, token: &str, digest: TokenDigest) -> Vec<u8> {
    let key = SecretKey::generate(KeyType::P256, &mut SystemEntropy).expect("a key");
    let domain = Domain::parse("acme.example").expect("a domain");
    let agent = AgentId::parse(agent).expect("an id").into_owned();
    let asked = enrol(&key, &domain, agent, digest, SystemClock::new().now()).expect("signed");
    let body = asked.write(token);
    format!(
        "POST /v1/enrolments HTTP/1.1\r\nHost: registrar\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The registrar of this configuration.
pub(crate) async fn registrar(words: &[&str]) {
    let config = Config::load(Path::new(words.first().expect("a file"))).expect("sound");
    let running = avouch_authority::Running::start(&config).await.expect("it runs");
    until_told_to_end(running.agents).await;
}

/// Serves connections as hyper does by itself, and writes each question into a table, on the disk before it answers.
pub(crate) async fn inserting(words: &[&str]) -> impl Fn(TcpStream) -> BoxFuture + use<> {
    let options =
        SqliteConnectOptions::new().filename(words.first().expect("a file")).create_if_missing(true);
    let options = options.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full);
    let mut table = options.connect().await.expect("a database");
    sqlx::query("CREATE TABLE question (octets BLOB)").execute(&mut table).await.expect("a table");
    let table = Arc::new(Mutex::new(table));
    move |client| {
        let table = Arc::clone(&table);
        Box::pin(async move {
            let answer = service_fn(move |question| answer(question, Arc::clone(&table)));
            let connection =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(client), answer);
            let _ = connection.await;
        })
    }
}

async fn answer(
    question: Request<Incoming>,
    table: Arc<Mutex<SqliteConnection>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let octets = question.into_body().collect().await.expect("a question").to_bytes();
    let insert = sqlx::query("INSERT INTO question (octets) VALUES ($1)").bind(octets.to_vec());
    insert.execute(&mut *table.lock().await).await.expect("written");
    let mut answer = Response::new(Full::from("{\"state\":\"enrolled\"}"));
    *answer.status_mut() = StatusCode::OK;
    Ok(answer)
}

type BoxFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

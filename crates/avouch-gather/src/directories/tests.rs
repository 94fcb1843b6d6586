//! The fetcher against real HTTPS servers on this machine.

use super::{FetchSettings, Fetcher};
use avouch_dns::{Dns, ZoneFiles};
use avouch_engine::evidence::{Answer, Cause, DirectoryQuestion, Dnssec};
use avouch_keys::SecretKey;
use avouch_keys::entropy::SystemEntropy;
use avouch_keys::http_signature::sign;
use avouch_tls::{Acceptor, Connector, Protocol};
use avouch_wire::b64u;
use avouch_wire::http_signature::{Component, Message, SignatureInput, Start, Thumbprint};
use avouch_wire::key::KeyType;
use avouch_wire::time::Time;
use avouch_wire::web_bot_auth::{Directory, Discovery, MAX_DIRECTORY, WELL_KNOWN};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use testkit::certificate::Certificate;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::timeout;

const NOW: Time = Time::from_seconds(1_790_000_000);

/// What the host of a directory does with a connection.
#[derive(Clone)]
enum Script {
    /// Sends these octets.
    Answer(Vec<u8>),
    /// Sends these octets after so many milliseconds.
    Late(u64, Vec<u8>),
    /// Never answers.
    Hang,
    /// Answers an octet at a time.
    Drip(Vec<u8>),
}

/// A host with a directory, and a fetcher that may fetch from it.
struct World {
    fetcher: Fetcher,
    script: Arc<Mutex<Script>>,
    connections: Arc<AtomicUsize>,
    port: u16,
    /// Takes connections, and says nothing.
    silent: TcpListener,
    key: SecretKey,
}

/// An answer, of JSON unless its fields say otherwise.
fn answer(status: &str, fields: &str, body: &str) -> Script {
    let length = body.len();
    let json = if fields.contains("content-type") { "" } else { "content-type: application/json\r\n" };
    Script::Answer(
        format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{json}{fields}\r\n{body}").into_bytes(),
    )
}

async fn serve(
    listener: TcpListener,
    acceptor: Acceptor,
    script: Arc<Mutex<Script>>,
    connections: Arc<AtomicUsize>,
) {
    while let Ok((stream, _)) = listener.accept().await {
        connections.fetch_add(1, Ordering::SeqCst);
        let (acceptor, script) = (acceptor.clone(), script.lock().unwrap().clone());
        tokio::spawn(async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).await;
            match script {
                Script::Answer(octets) => drop(stream.write_all(&octets).await),
                Script::Late(millis, octets) => {
                    tokio::time::sleep(Duration::from_millis(millis)).await;
                    drop(stream.write_all(&octets).await);
                }
                Script::Hang => tokio::time::sleep(Duration::from_secs(60)).await,
                Script::Drip(octets) => {
                    for octet in octets {
                        if stream.write_all(&[octet]).await.is_err() || stream.flush().await.is_err() {
                            return;
                        }
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                }
            }
            let _ = stream.shutdown().await;
        });
    }
}

impl World {
    async fn new(settings: FetchSettings) -> Self {
        let certificate = Certificate::of(&["bot.example", "other.example"]).unwrap();
        let acceptor =
            Acceptor::from_pem(certificate.certificate.as_bytes(), certificate.key.as_bytes()).unwrap();
        let connector = Connector::trusting(certificate.certificate.as_bytes(), &[Protocol::Http1]).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let script = Arc::new(Mutex::new(Script::Hang));
        let connections = Arc::new(AtomicUsize::new(0));
        tokio::spawn(serve(listener, acceptor, Arc::clone(&script), Arc::clone(&connections)));
        let zone = "$ORIGIN example.\n@ 300 IN SOA ns hostmaster 1 3600 600 86400 60\nbot 300 IN A 127.0.0.1\n\
            other 300 IN A 127.0.0.1\nmetadata 300 IN A 169.254.169.254\nlan 300 IN A 192.168.1.1\n\
            cgnat 300 IN A 100.64.0.1\nula 300 IN AAAA fd00::1\nlink 300 IN AAAA fe80::1\nhome 300 IN AAAA ::1\n\
            mapped 300 IN AAAA ::ffff:127.0.0.1\nnat64 300 IN AAAA 64:ff9b::7f00:1\n";
        let slow: String = (0..24).map(|at| format!("slow-{at} 300 IN A 127.0.0.1\n")).collect();
        let zones = ZoneFiles::parse(&[("example", &[zone, &slow].concat())], Dnssec::Insecure).unwrap();
        let key = SecretKey::generate(KeyType::Ed25519, &mut SystemEntropy).unwrap();
        let fetcher = Fetcher::new(Dns::Zones(zones), connector, settings);
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { fetcher, script, connections, port, silent, key }
    }

    async fn open() -> Self {
        let allowed_networks = vec!["127.0.0.0/8".parse().unwrap()];
        Self::new(FetchSettings { allowed_networks, require_signed: false }).await
    }

    async fn strict() -> Self {
        let allowed_networks = vec!["127.0.0.0/8".parse().unwrap()];
        Self::new(FetchSettings { allowed_networks, require_signed: true }).await
    }

    fn keys(&self) -> String {
        let x = b64u::encode(self.key.public().octets());
        format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}]}}"#)
    }

    /// A metadata document that stands at `/card`, with these members.
    fn card(&self, members: &str) -> String {
        format!(r#"{{"client_id":"https://bot.example:{}/card",{members}}}"#, self.port)
    }

    fn plays(&self, script: Script) {
        *self.script.lock().unwrap() = script;
    }

    async fn look_up(&self, path: &str, discovery: Discovery, now: Time) -> Answer<Arc<Directory>> {
        let url = format!("https://bot.example:{}{path}", self.port);
        self.fetcher.look_up(&DirectoryQuestion { url, discovery }, now).await
    }

    /// Whether the key was found, and until when; or why not.
    async fn come(&self, now: Time) -> Result<(bool, u64), Cause> {
        match self.look_up(WELL_KNOWN, Discovery::Directory, now).await {
            Answer::Found { value, until, .. } => {
                let found = value.find(&Thumbprint::of(self.key.public())).is_some();
                Ok((found, until.seconds() - now.seconds()))
            }
            Answer::Unknown(cause) => Err(cause),
            Answer::Absent { .. } => panic!("a directory is never absent"),
        }
    }
}

#[tokio::test]
async fn a_directory_is_fetched_and_kept_as_long_as_it_says() {
    let world = World::open().await;
    world.plays(answer("200 OK", "cache-control: max-age=600\r\n", &world.keys()));
    assert_eq!(world.come(NOW).await, Ok((true, 600)));
    world.plays(answer("200 OK", "", r#"{"keys":[]}"#));
    let later = NOW.after(Duration::from_secs(600));
    assert_eq!(world.come(later).await, Ok((false, 300)), "what is read is newer than what was");
}

#[tokio::test]
async fn what_is_no_directory_is_refused() {
    let world = World::open().await;
    let long = answer("200 OK", "", &" ".repeat(MAX_DIRECTORY + 1));
    let keys = world.keys();
    for (script, cause) in [
        (answer("403 Forbidden", "", &keys), Cause::DirectoryUnreachable),
        (
            answer("301 Moved Permanently", "location: https://other.example/\r\n", &keys),
            Cause::DirectoryUnreachable,
        ),
        (answer("203 Non-Authoritative Information", "", &keys), Cause::DirectoryUnreachable),
        (answer("200 OK", "content-encoding: gzip\r\n", &keys), Cause::DirectoryUnreachable),
        (answer("200 OK", &format!("a: {}\r\n", "b".repeat(20_000)), &keys), Cause::DirectoryUnreachable),
        (long, Cause::DirectoryUnreachable),
        (answer("200 OK", "", "<html>"), Cause::DirectoryUnusable),
        (
            Script::Answer(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}".to_vec()),
            Cause::DirectoryUnreachable,
        ),
    ] {
        let world = World::open().await;
        world.plays(script);
        assert_eq!(world.come(NOW).await, Err(cause));
        assert_eq!(
            world.connections.load(Ordering::SeqCst),
            1,
            "no redirect is followed, nothing is tried twice"
        );
    }
}

#[tokio::test]
async fn patience_has_an_end() {
    for script in [Script::Hang, Script::Drip(vec![b'a'; 1000])] {
        let world = World::open().await;
        world.plays(script);
        let came = timeout(Duration::from_secs(10), world.come(NOW)).await;
        assert_eq!(came.unwrap(), Err(Cause::DirectoryUnreachable));
    }
}

#[tokio::test]
async fn an_outage_leaves_known_keys_in_force_and_pauses_grow() {
    let world = World::open().await;
    world.plays(answer("200 OK", "", &world.keys()));
    assert!(world.come(NOW).await.is_ok());
    world.plays(answer("500 Internal Server Error", "", ""));
    let later = NOW.after(Duration::from_secs(1000));
    let (found, pause) = world.come(later).await.unwrap();
    assert!(found && pause <= 2, "{pause}");
    let before = world.connections.load(Ordering::SeqCst);
    assert!(world.come(later).await.unwrap().0);
    assert_eq!(world.connections.load(Ordering::SeqCst), before, "a pause is a pause");
    let (mut now, mut pauses) = (later, Vec::new());
    for _ in 0..10 {
        now = now.after(Duration::from_secs(301));
        pauses.push(world.come(now).await.unwrap().1);
    }
    assert!(
        pauses.is_sorted() || pauses.iter().skip(8).all(|pause| (150..=300).contains(pause)),
        "{pauses:?}"
    );
    let week = now.after(Duration::from_secs(8 * 24 * 60 * 60));
    assert_eq!(world.come(week).await, Err(Cause::DirectoryUnreachable), "not for ever");
    world.plays(answer("200 OK", "", r#"{"keys":[]}"#));
    let mended = week.after(Duration::from_secs(301));
    assert_eq!(world.come(mended).await, Ok((false, 300)), "what is read again counts at once");
}

#[tokio::test]
async fn a_directory_that_was_taken_down_lists_no_key() {
    for (status, comes) in [
        ("404 Not Found", (false, 300)),
        ("410 Gone", (false, 300)),
        // The host, and not what stands on it, is at fault.
        ("503 Service Unavailable", (true, 2)),
    ] {
        let world = World::open().await;
        world.plays(answer("200 OK", "", &world.keys()));
        assert_eq!(world.come(NOW).await, Ok((true, 300)));
        world.plays(answer(status, "cache-control: max-age=86400\r\n", &world.keys()));
        let (found, kept) = world.come(NOW.after(Duration::from_secs(300))).await.unwrap();
        assert_eq!((found, kept.max(2)), comes, "{status}");
    }
    let world = World::open().await;
    world.plays(answer("404 Not Found", "", ""));
    assert_eq!(world.come(NOW).await, Ok((false, 300)), "nor does one that never was there");
    world.plays(answer("200 OK", "", &world.keys()));
    assert_eq!(world.come(NOW.after(Duration::from_secs(300))).await, Ok((true, 300)), "until it is");
}

#[tokio::test]
async fn no_address_that_is_not_public_is_connected_to() {
    let world = World::new(FetchSettings::default()).await;
    world.plays(answer("200 OK", "", &world.keys()));
    assert_eq!(world.come(NOW).await, Err(Cause::DirectoryUnreachable), "this machine");
    let hosts = ["metadata", "lan", "cgnat", "ula", "link", "home", "mapped", "nat64"];
    let urls = hosts.map(|host| format!("https://{host}.example:{}/", world.port));
    let spelled =
        ["127.0.0.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "[::1]", "[::ffff:127.0.0.1]"];
    let numbers = spelled.map(|host| format!("https://{host}:{}/", world.port));
    for url in urls.into_iter().chain(numbers) {
        let question = DirectoryQuestion { url: url.clone(), discovery: Discovery::JwksUri };
        // Less than a connection may take: nothing was waited for.
        let answer = timeout(Duration::from_millis(900), world.fetcher.look_up(&question, NOW)).await;
        assert!(matches!(answer, Ok(Answer::Unknown(Cause::DirectoryUnreachable))), "{url}");
    }
    assert_eq!(world.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_metadata_document_may_say_where_the_keys_are() {
    let world = World::open().await;
    let place = format!(r#""jwks_uri":"https://bot.example:{}/keys""#, world.port);
    world.plays(answer("200 OK", "", &world.card(&place)));
    let answer_of = world.look_up("/card", Discovery::Cimd, NOW).await;
    assert!(matches!(answer_of, Answer::Unknown(Cause::DirectoryUnusable)), "a place is no place for keys");
    assert_eq!(world.connections.load(Ordering::SeqCst), 2, "and no third is asked");
    let held = World::open().await;
    held.plays(answer("200 OK", "", &held.card(&format!(r#""jwks":{}"#, held.keys()))));
    assert!(matches!(held.look_up("/card", Discovery::Cimd, NOW).await, Answer::Found { .. }));
    let inside = World::open().await;
    inside.plays(answer("200 OK", "", &inside.card(r#""jwks_uri":"https://metadata.example/keys""#)));
    let unknown = inside.look_up("/card", Discovery::Cimd, NOW).await;
    assert!(matches!(unknown, Answer::Unknown(Cause::DirectoryUnreachable)));
    let copied = World::open().await;
    copied.plays(answer("200 OK", "", &copied.card(&format!(r#""jwks":{}"#, copied.keys()))));
    let unknown = copied.look_up("/uploads/card", Discovery::Cimd, NOW).await;
    assert!(matches!(unknown, Answer::Unknown(Cause::DirectoryUnusable)), "a copy elsewhere");
}

#[tokio::test]
async fn a_metadata_document_and_its_keys_have_one_patience() {
    for (millis, path, comes) in [(100, "keys", true), (1500, "keys", false), (0, &"k".repeat(512), false)] {
        let world = World::open().await;
        let keys = world.keys();
        let keys = keys.strip_prefix('{').and_then(|keys| keys.strip_suffix('}')).unwrap();
        // Both URLs answer with the same document.
        let place = format!(r#""jwks_uri":"https://bot.example:{}/{path}",{keys}"#, world.port);
        let Script::Answer(octets) = answer("200 OK", "", &world.card(&place)) else { return };
        world.plays(Script::Late(millis, octets));
        let came = timeout(Duration::from_millis(2800), world.look_up("/card", Discovery::Cimd, NOW)).await;
        assert_eq!(matches!(came, Ok(Answer::Found { .. })), comes, "{millis} ms, {} octets", path.len());
        assert!(came.is_ok());
    }
}

#[tokio::test]
async fn keys_outside_the_well_known_path_are_sent_as_json() {
    for (fields, is_json) in [
        ("content-type: application/json\r\n", true),
        ("content-type: Application/JSON ; charset=utf-8\r\n", true),
        ("content-type: application/jwk-set+json\r\n", true),
        ("content-type: application/http-message-signatures-directory+json\r\n", true),
        ("content-type: application/anything+json\r\n", true),
        ("content-type: text/plain\r\n", false),
        ("content-type: text/json\r\n", false),
        ("content-type: application/octet-stream; x=application/json\r\n", false),
        ("content-type: application/+json\r\n", false),
        ("content-type: application/jsonp\r\n", false),
        ("content-type: text/plain\r\ncontent-type: application/json\r\n", false),
        ("x-content-type: application/json\r\n", false),
    ] {
        for (path, discovery, comes) in [
            (WELL_KNOWN, Discovery::Directory, true),
            (WELL_KNOWN, Discovery::JwksUri, true),
            ("/keys", Discovery::JwksUri, is_json),
            (&format!("{WELL_KNOWN}?raw"), Discovery::JwksUri, is_json),
            ("/card", Discovery::Cimd, is_json),
        ] {
            let world = World::open().await;
            let keys = world.keys();
            let members = format!(
                r#""jwks":{keys},{}"#,
                keys.strip_prefix('{').and_then(|keys| keys.strip_suffix('}')).unwrap()
            );
            world.plays(answer("200 OK", fields, &world.card(&members)));
            let found = world.look_up(path, discovery, NOW).await;
            assert_eq!(matches!(found, Answer::Found { .. }), comes, "{path} {fields}");
            assert!(comes || matches!(found, Answer::Unknown(Cause::DirectoryUnusable)), "{path} {fields}");
        }
    }
}

#[tokio::test]
async fn a_stranger_cannot_have_any_number_of_hosts_asked() {
    let world = World::open().await;
    world.plays(answer("500 Internal Server Error", "", ""));
    let refused = async |urls: Vec<String>| {
        let mut refused = 0;
        for url in urls {
            let question = DirectoryQuestion { url, discovery: Discovery::JwksUri };
            let answer = world.fetcher.look_up(&question, NOW).await;
            refused += usize::from(matches!(answer, Answer::Unknown(Cause::Budget)));
        }
        refused
    };
    let own = (0..50).map(|at| format!("https://bot.example:{}/{at}", world.port)).collect();
    assert_eq!(refused(own).await, 40, "a domain has a share");
    assert_eq!(world.connections.load(Ordering::SeqCst), 10);
    let others = (0..150).map(|at| format!("https://host-{at}.example/")).collect();
    assert_eq!(refused(others).await, 40, "and takes no more of the whole");
    let next = world.come(NOW.after(Duration::from_secs(60))).await;
    assert_eq!(next, Err(Cause::DirectoryUnreachable), "a minute later there is room again");
}

/// As many fetches of new directories as there is room for, of hosts that never answer. Until these are given up,
/// every further one is refused.
async fn fill_places(world: &World, now: Time) {
    let fetches = (0..24).map(|at| {
        let url = format!("https://slow-{at}.example:{}/", world.silent.local_addr().unwrap().port());
        let (fetcher, question) =
            (world.fetcher.clone(), DirectoryQuestion { url, discovery: Discovery::JwksUri });
        tokio::spawn(async move { fetcher.look_up(&question, now).await })
    });
    drop(fetches.collect::<Vec<_>>());
    tokio::time::sleep(Duration::from_millis(50)).await;
    let question = DirectoryQuestion { url: "https://new.example/".into(), discovery: Discovery::JwksUri };
    for _ in 0..200 {
        let refused = world.fetcher.look_up(&question, now).await;
        assert!(matches!(refused, Answer::Unknown(Cause::Budget)));
    }
}

#[tokio::test]
async fn hosts_that_never_answer_leave_room_for_those_whose_keys_are_known() {
    let world = World::open().await;
    world.plays(answer("200 OK", "", &world.keys()));
    assert_eq!(world.come(NOW).await, Ok((true, 300)));
    let later = NOW.after(Duration::from_secs(300));
    fill_places(&world, later).await;
    assert_eq!(world.come(later).await, Ok((true, 300)));
    assert_eq!(world.connections.load(Ordering::SeqCst), 2);
    tokio::time::sleep(Duration::from_millis(2800)).await;
    let others = (0..95).map(|at| format!("https://host-{at}.example/"));
    for url in others {
        let question = DirectoryQuestion { url, discovery: Discovery::JwksUri };
        let answer = world.fetcher.look_up(&question, later).await;
        assert!(
            matches!(answer, Answer::Unknown(Cause::DirectoryUnreachable)),
            "what was refused used nothing up"
        );
    }
}

#[tokio::test]
async fn while_there_is_no_place_known_keys_stay_in_force_for_an_hour() {
    let world = World::open().await;
    world.plays(answer("200 OK", "", &world.keys()));
    let others = (0..8).map(|at| format!("/keys-{at}")).collect::<Vec<_>>();
    assert_eq!(world.come(NOW).await, Ok((true, 300)));
    for path in &others {
        assert!(matches!(world.look_up(path, Discovery::JwksUri, NOW).await, Answer::Found { .. }));
    }
    world.plays(Script::Hang);
    let end = NOW.after(Duration::from_secs(300));
    fill_places(&world, end).await;
    let renewals = others.iter().map(|path| world.look_up(path, Discovery::JwksUri, end));
    let renewals = futures_util::future::join_all(renewals);
    let busy = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let hour = Duration::from_secs(60 * 60);
        assert_eq!(world.come(end).await, Ok((true, 2)));
        assert_eq!(world.come(end.after(hour - Duration::from_secs(1))).await, Ok((true, 2)));
        assert_eq!(world.come(end.after(hour)).await, Err(Cause::Budget), "and no longer");
    };
    tokio::join!(renewals, busy);
}

#[tokio::test]
async fn directories_that_are_none_push_out_no_keys() {
    let world = World::open().await;
    world.plays(answer("200 OK", "", &world.keys()));
    assert_eq!(world.come(NOW).await, Ok((true, 300)));
    let mut now = NOW;
    for minute in 1..100 {
        now = NOW.after(Duration::from_secs(60 * minute));
        for at in 0..120 {
            let url = format!("https://none-{minute}-{at}.example/");
            let question = DirectoryQuestion { url, discovery: Discovery::JwksUri };
            assert!(matches!(
                world.fetcher.look_up(&question, now).await,
                Answer::Unknown(Cause::DirectoryUnreachable)
            ));
        }
    }
    world.plays(answer("500 Internal Server Error", "", ""));
    assert!(world.come(now).await.is_ok_and(|(found, _)| found));
}

#[tokio::test]
async fn who_hangs_up_neither_avoids_the_pause_nor_stops_the_fetch() {
    let asked_and_left = async |world: &World| {
        assert!(timeout(Duration::from_millis(100), world.come(NOW)).await.is_err());
    };
    let world = World::open().await;
    world.plays(Script::Hang);
    asked_and_left(&world).await;
    for _ in 0..10 {
        assert_eq!(world.come(NOW).await, Err(Cause::DirectoryUnreachable));
    }
    assert_eq!(world.connections.load(Ordering::SeqCst), 1);
    let slow = World::open().await;
    let Script::Answer(octets) = answer("200 OK", "", &slow.keys()) else { return };
    slow.plays(Script::Late(300, octets));
    asked_and_left(&slow).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(slow.come(NOW).await, Ok((true, 300)), "what was fetched is there for the next one");
    assert_eq!(slow.connections.load(Ordering::SeqCst), 1);
}

/// The fields of a signature on an answer with these keys.
fn vouch(world: &World, authority: &str, key: &SecretKey) -> String {
    let covered = vec![Component::of_request("@authority").unwrap()];
    vouch_over(world, covered, &[], authority, key)
}

/// The fields of a signature that covers these components, of a request with these fields.
fn vouch_over(
    world: &World,
    covered: Vec<Component<'_>>,
    fields: &[(&str, &[u8])],
    authority: &str,
    key: &SecretKey,
) -> String {
    let start =
        Start::Request { method: "GET", scheme: "https", authority, path: WELL_KNOWN, target: WELL_KNOWN };
    let request = Message { start, fields, trailers: &[], request: None };
    let answer = Message {
        start: Start::Response { status: 200 },
        fields: &[("x-absent", b"1")],
        trailers: &[],
        request: Some(&request),
    };
    let keyid = Thumbprint::of(world.key.public()).to_string();
    let mut input = SignatureInput::covering(covered).unwrap();
    (input.created, input.expires) = (Some(NOW.seconds()), Some(NOW.seconds() + 300));
    (input.keyid, input.tag) = (Some(keyid.as_str()), Some("http-message-signatures-directory"));
    let members = sign(key, "binding0", input, &answer).unwrap();
    format!("signature-input: {}\r\nsignature: {}\r\n", members.signature_input, members.signature)
}

#[tokio::test]
async fn a_directory_may_be_signed_and_can_be_asked_to() {
    for (require, signed, by_other, comes) in [
        (false, false, false, Ok((true, 300))),
        (false, true, false, Ok((true, 300))),
        (false, true, true, Err(Cause::DirectoryUnusable)),
        (true, false, false, Ok((false, 300))),
        (true, true, false, Ok((true, 300))),
        (true, true, true, Err(Cause::DirectoryUnusable)),
    ] {
        let world = if require { World::strict().await } else { World::open().await };
        let other = SecretKey::generate(KeyType::Ed25519, &mut SystemEntropy).unwrap();
        let authority = format!("bot.example:{}", world.port);
        let fields = match signed {
            true => vouch(&world, &authority, if by_other { &other } else { &world.key }),
            false => String::new(),
        };
        world.plays(answer("200 OK", &fields, &world.keys()));
        assert_eq!(
            world.come(NOW).await,
            comes,
            "required {require}, signed {signed}, by another {by_other}"
        );
    }
    let world = World::strict().await;
    world.plays(answer("200 OK", &vouch(&world, "elsewhere.example", &world.key), &world.keys()));
    assert_eq!(world.come(NOW).await, Err(Cause::DirectoryUnusable), "signed for another place");
}

#[tokio::test]
async fn a_directorys_signature_may_cover_every_field_it_was_asked_with() {
    let agent = concat!("avouch/", env!("CARGO_PKG_VERSION"));
    let types =
        "application/http-message-signatures-directory+json, application/jwk-set+json, application/json";
    for (agent, comes) in [(agent, Ok((true, 300))), ("another/1", Err(Cause::DirectoryUnusable))] {
        let world = World::strict().await;
        let authority = format!("bot.example:{}", world.port);
        let names = ["@authority", "host", "user-agent", "accept"];
        let covered = names.map(|name| Component::of_request(name).unwrap()).to_vec();
        let fields: [(&str, &[u8]); 3] =
            [("host", authority.as_bytes()), ("user-agent", agent.as_bytes()), ("accept", types.as_bytes())];
        let fields = vouch_over(&world, covered, &fields, &authority, &world.key);
        world.plays(answer("200 OK", &fields, &world.keys()));
        assert_eq!(world.come(NOW).await, comes);
    }
}

#[tokio::test]
async fn a_signature_that_cannot_be_checked_says_nothing_about_a_directory() {
    for (alg, over_absent) in [(Some("rsa-v1_5-sha256"), false), (Some("rot13"), false), (None, true)] {
        for (world, listed) in [(World::open().await, true), (World::strict().await, false)] {
            let authority = format!("bot.example:{}", world.port);
            let mut covered = vec![Component::of_request("@authority").unwrap()];
            covered.extend(over_absent.then(|| Component::named("x-absent").unwrap()));
            let own = vouch_over(&world, covered, &[], &authority, &world.key);
            let named = alg.map(|alg| own.replacen(";tag=", &format!(";alg=\"{alg}\";tag="), 1));
            let fields = named.unwrap_or(own);
            world.plays(answer("200 OK", &fields, &world.keys()));
            assert_eq!(world.come(NOW).await, Ok((listed, 300)), "{fields}");
        }
    }
}

#[tokio::test]
async fn keys_inside_a_metadata_document_are_held_to_the_same_signatures() {
    for (require_signed, by_own, comes) in [
        (true, None, Ok(0)),
        (true, Some(true), Ok(1)),
        (false, None, Ok(1)),
        (false, Some(false), Err(Cause::DirectoryUnusable)),
    ] {
        let world = if require_signed { World::strict().await } else { World::open().await };
        let other = SecretKey::generate(KeyType::Ed25519, &mut SystemEntropy).unwrap();
        let authority = format!("bot.example:{}", world.port);
        let signed = |own| vouch(&world, &authority, if own { &world.key } else { &other });
        let fields = by_own.map(signed).unwrap_or_default();
        world.plays(answer("200 OK", &fields, &world.card(&format!(r#""jwks":{}"#, world.keys()))));
        let came = match world.look_up("/card", Discovery::Cimd, NOW).await {
            Answer::Found { value, .. } => Ok(value.keys().len()),
            Answer::Unknown(cause) => Err(cause),
            Answer::Absent { .. } => panic!("a directory is never absent"),
        };
        assert_eq!(came, comes, "required {require_signed}, by its own key {by_own:?}");
    }
}

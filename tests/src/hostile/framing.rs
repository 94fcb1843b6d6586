//! HTTP/1.1 that tries to mean two things. Whatever the upstream receives was judged as a request
//! of its own: it carries a request id that stands in the access log once.

use std::collections::BTreeSet;
use std::time::Duration;

use testkit::raw::Raw;
use tokio::task::JoinSet;

use super::world::{Ask, CLOSED, NOW, OPEN, World, anonymous};

const HIDDEN: &str =
    "GET /hidden HTTP/1.1\r\nHost: www.shop.example\r\nAvouch-Class: 3\r\nX-Hidden: 1\r\n\r\n";

/// How long a gateway that has nothing more to say is listened to.
const SILENCE: Duration = Duration::from_millis(250);

/// Sends these octets, all at once, on a connection each, and reads answers until there are no more.
async fn pour<S: AsRef<[u8]> + Send + 'static>(world: &World, all: impl IntoIterator<Item = S>) {
    let mut clients = JoinSet::new();
    for octets in all {
        let address = world.address();
        clients.spawn(async move {
            let mut client = Raw::connect(address).await.unwrap();
            // A gateway that refuses early may close before all is written.
            let _ = client.send(octets).await;
            while let Ok(Ok(Some(_))) = tokio::time::timeout(SILENCE, client.answer()).await {}
        });
    }
    clients.join_all().await;
}

/// Everything at the upstream is one judged request that proved nothing, with one framing.
async fn each_was_judged(world: &World) {
    let mut ids = BTreeSet::new();
    for request in world.upstream.received() {
        let id = request.field("avouch-request-id").unwrap_or_else(|| panic!("not judged: {request:#?}"));
        assert!(ids.insert(id.to_owned()), "twice: {}", request.head);
        assert_eq!(request.field("avouch-class"), Some("0"), "{}", request.head);
        let framings = request.fields("content-length").len() + request.fields("transfer-encoding").len();
        assert!(framings <= 1, "{}", request.head);
        let line = world.line(id).await;
        assert_eq!(request.line().split(' ').nth(1), line["path"].as_str(), "{}", request.head);
    }
}

/// Two lengths, odd lengths, odd codings, each with a request hidden behind.
fn framings() -> Vec<String> {
    let mut number = 0;
    let mut head = |fields: &str| {
        number += 1;
        format!("POST {OPEN}/{number} HTTP/1.1\r\nHost: www.shop.example\r\n{fields}\r\n\r\n")
    };
    let chunked = format!("0\r\n\r\n{HIDDEN}");
    let length = HIDDEN.len();
    let mut all: Vec<String> = [
        format!("Content-Length: {}\r\nTransfer-Encoding: chunked", chunked.len()),
        format!("Transfer-Encoding: chunked\r\nContent-Length: {}", chunked.len()),
        "Content-Length: 0\r\nTransfer-Encoding: chunked".to_owned(),
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity".to_owned(),
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked".to_owned(),
        "Transfer-Encoding: identity, chunked".to_owned(),
        "Transfer-Encoding: chunked, identity".to_owned(),
        "Transfer-Encoding: chunked, chunked".to_owned(),
        "Transfer-Encoding: xchunked".to_owned(),
        "Transfer-Encoding: chunkedx".to_owned(),
        "Transfer-Encoding:\tchunked".to_owned(),
        "Transfer-Encoding: \"chunked\"".to_owned(),
        "Transfer-Encoding: chunked;q=1".to_owned(),
        "Transfer-Encoding: CHUNKED".to_owned(),
        "Transfer-Encoding : chunked".to_owned(),
        " Transfer-Encoding: chunked".to_owned(),
        "X: y\r\n Transfer-Encoding: chunked".to_owned(),
        "Transfer-Encoding:\r\n chunked".to_owned(),
        "Transfer-Encoding: chunked\u{b}".to_owned(),
        "Transfer-Encoding: \u{0}chunked".to_owned(),
        "Transfer_Encoding: chunked".to_owned(),
        "X: y\nTransfer-Encoding: chunked".to_owned(),
        "X: y\rTransfer-Encoding: chunked".to_owned(),
    ]
    .iter()
    .map(|fields| head(fields) + &chunked)
    .collect();
    for fields in [
        format!("Content-Length: 0\r\nContent-Length: {length}"),
        format!("Content-Length: {length}\r\nContent-Length: 0"),
        format!("Content-Length: 0, {length}"),
        format!("Content-Length: {length}, {length}"),
        format!("Content-Length: +{length}"),
        format!("Content-Length: 0x{length:x}"),
        format!("Content-Length: {length} "),
        format!("Content-Length: -{length}"),
        format!("Content-Length: {length}.0"),
        format!("Content-Length: 0{length}"),
        format!("Content-Length: {length}a"),
        "Content-Length:".to_owned(),
        "Content-Length: 18446744073709551616".to_owned(),
        format!("Content-Length : {length}"),
        format!("Content_Length: {length}"),
        format!("Connection: content-length\r\nContent-Length: {length}"),
    ] {
        all.push(head(&fields) + HIDDEN);
    }
    all
}

#[tokio::test]
async fn two_lengths_hide_no_request() {
    let (world, bot) = World::with_bot().await;
    let sent = framings();
    assert!(sent.len() >= 39, "{}", sent.len());
    pour(&world, sent).await;
    each_was_judged(&world).await;
    assert!(!world.completed().is_empty(), "some of them are sound");
    world.see(bot.request(Ask::get(CLOSED))).await.is_verified("bot@acme.example");
}

#[tokio::test]
async fn a_signed_request_lends_its_class_to_nothing_behind_it() {
    let (world, bot) = World::with_bot().await;
    let header = bot.header(Ask { method: "POST", ..Ask::get(CLOSED) });
    let sent = format!(
        "POST {CLOSED} HTTP/1.1\r\nHost: www.shop.example\r\nSAIP: {header}\r\nContent-Length: 3\r\n\r\nabc{HIDDEN}"
    );
    pour(&world, [sent]).await;
    let reached = world.completed();
    let classes: Vec<_> =
        reached.iter().map(|one| (one.line(), one.field("avouch-class").unwrap())).collect();
    assert_eq!(classes, [("POST /closed HTTP/1.1", "3"), ("GET /hidden HTTP/1.1", "0")]);
}

#[tokio::test]
async fn chunks_that_can_be_read_in_two_ways_are_not_passed_on() {
    let (world, bot) = World::with_bot().await;
    let all = [
        "5;ext=\"\r\n\r\nGET /hidden HTTP/1.1\r\n\r\n0\r\n\r\n",
        "3;a=b\nabc\r\n0\r\n\r\n",
        "3\nabc\n0\n\n",
        "3\rabc\r0\r\r",
        "3\r\nabc0\r\n\r\n",
        "3\r\nabcXX0\r\n\r\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
        "+3\r\nabc\r\n0\r\n\r\n",
        "3 3\r\nabc\r\n0\r\n\r\n",
        "\r\n3\r\nabc\r\n0\r\n\r\n",
        "10000000000000003\r\nabc\r\n0\r\n\r\n",
        "3\r\nabc\r\n0\r\nHost: evil.example\r\nContent-Length: 9\r\n\r\n",
        "3\r\nabc\r\n",
        "3\r\nab",
    ];
    let requests = all.map(|chunks| {
        format!(
            "POST {OPEN} HTTP/1.1\r\nHost: www.shop.example\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"
        )
    });
    pour(&world, requests).await;
    each_was_judged(&world).await;
    for request in world.completed() {
        assert_eq!((request.text().as_str(), request.trailers.as_slice()), ("abc", &[][..]));
        let octets = String::from_utf8_lossy(&request.octets).into_owned();
        assert!(!octets.contains("a=b") && !octets.contains("hidden"), "{octets}");
    }
    world.see(bot.request(Ask::get(CLOSED))).await.is_verified("bot@acme.example");
}

#[tokio::test]
async fn extensions_of_chunks_end_here() {
    let (world, bot) = World::with_bot().await;
    let endless = format!("1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(200_000));
    for (chunks, completed) in [("3;a=b;c=\"d\"\r\nabc\r\n0;e\r\n\r\n", 1), (endless.as_str(), 1)] {
        let head =
            format!("POST {OPEN} HTTP/1.1\r\nHost: www.shop.example\r\nTransfer-Encoding: chunked\r\n\r\n");
        pour(&world, [head + chunks]).await;
        assert_eq!(world.completed().len(), completed);
    }
    assert!(!String::from_utf8_lossy(&world.completed()[0].octets).contains("a=b"));
    world.see(bot.request(Ask::get(CLOSED))).await.is_verified("bot@acme.example");
}

#[tokio::test]
async fn lines_that_end_oddly_make_no_second_header() {
    let (world, bot) = World::with_bot().await;
    let host = "Host: www.shop.example";
    let all = [
        format!("GET {OPEN} HTTP/1.1\n{host}\nX-A: 1\n\n"),
        format!("GET {OPEN} HTTP/1.1\r\n{host}\r\nX-A: 1\nAvouch-Class: 3\r\n\r\n"),
        format!("GET {OPEN} HTTP/1.1\r\n{host}\r\nX-A: 1\rAvouch-Class: 3\r\n\r\n"),
        format!("GET {OPEN} HTTP/1.1\r\n{host}\r\nX-A: 1\r\r\nAvouch-Class: 3\r\n\r\n"),
        format!("GET {OPEN} HTTP/1.1\r\n{host}\r\nX-A: 1\u{0}\r\n\r\n"),
        format!("GET {OPEN} HTTP/1.1\r\n{host}\r\nX-A: 1\r\n Avouch-Class: 3\r\n\r\n"),
        format!("GET {OPEN} HTTP/1.1\r\n{host}\r\nAvouch-Class\r\n\r\n"),
        format!("GET {OPEN} HTTP/1.1\r\n{host}\r\nAvouch-Class : 3\r\n\r\n"),
        format!("GET {OPEN} HTTP/1.1\r\n{host}\r\n: 3\r\n\r\n"),
        format!("GET  {OPEN} HTTP/1.1\r\n{host}\r\n\r\n"),
        format!("GET {OPEN} X HTTP/1.1\r\n{host}\r\n\r\n"),
        format!("GET {OPEN}\r\n{host}\r\n\r\n"),
        format!("GET {OPEN} HTTP/1.2\r\n{host}\r\n\r\n"),
        format!("GET {OPEN} HTTP/0.9\r\n{host}\r\n\r\n"),
    ];
    pour(&world, all).await;
    each_was_judged(&world).await;
    for request in world.upstream.received() {
        let pairs = || request.octets.windows(2);
        assert!(pairs().all(|pair| (pair[0] == b'\r') == (pair[1] == b'\n')), "{:?}", request.head);
    }
    world.see(bot.request(Ask::get(CLOSED))).await.is_verified("bot@acme.example");
}

#[tokio::test]
async fn an_upgrade_that_was_not_granted_hides_nothing() {
    let (world, bot) = World::with_bot().await;
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let pairs = [
        ("websocket", HIDDEN),
        ("h2c", preface),
        ("h2c", HIDDEN),
        ("TLS/1.0", HIDDEN),
        ("websocket, h2c", HIDDEN),
    ];
    let requests = pairs.map(|(protocol, behind)| {
        format!(
            "GET {OPEN} HTTP/1.1\r\nHost: www.shop.example\r\nConnection: Upgrade, HTTP2-Settings\r\n\
             Upgrade: {protocol}\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n{behind}"
        )
    });
    pour(&world, requests).await;
    each_was_judged(&world).await;
    assert!(world.completed().len() >= 5);
    assert!(world.completed().iter().all(|request| request.field("http2-settings").is_none()));
    world.see(bot.request(Ask::get(CLOSED).at(NOW))).await.is_verified("bot@acme.example");
}

#[tokio::test]
async fn requests_in_one_packet_are_judged_one_by_one() {
    let (world, bot) = World::with_bot().await;
    let signed = bot.request(Ask::get(OPEN));
    pour(&world, [[anonymous(OPEN), signed.clone(), anonymous(OPEN), signed].concat()]).await;
    let classes: Vec<_> =
        world.completed().iter().map(|one| one.field("avouch-class").unwrap().to_owned()).collect();
    assert_eq!(classes, ["0", "3", "0", "1"]);
}

#[tokio::test]
async fn a_fragment_is_cut_off_before_anything_is_judged() {
    let (world, bot) = World::with_bot().await;
    let header = bot.header(Ask::get(CLOSED));
    world
        .send(format!("GET {CLOSED}#/open HTTP/1.1\r\nHost: www.shop.example\r\nSAIP: {header}\r\n\r\n"))
        .await;
    assert!(world.upstream.received().iter().all(|request| request.line() == "GET /closed HTTP/1.1"));
}

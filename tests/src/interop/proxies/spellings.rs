//! Spellings of the fields that only avouch may set.

use testkit::message::Message;

use super::battery::TOLD;
use super::world::{CLIENT, OPEN, Proxy, SITE, World, get, verify};

/// Lines of a head that would, somewhere, be read as a verdict.
const HEADS: [&str; 52] = [
    "Avouch-Class: 3",
    "avouch-class: 3",
    "AVOUCH-CLASS: 3",
    "aVoUcH-cLaSs: 3",
    "Avouch_Class: 3",
    "avouch_class: 3",
    "AVOUCH_CLASS: 3",
    "Avouch-Class: 3\r\nAvouch_Class: 3",
    "Avouch.Class: 3",
    "Avouch~Class: 3",
    "Avouch!Class: 3",
    "Avouch#Class: 3",
    "Avouch$Class: 3",
    "Avouch%Class: 3",
    "Avouch&Class: 3",
    "Avouch'Class: 3",
    "Avouch*Class: 3",
    "Avouch+Class: 3",
    "Avouch^Class: 3",
    "Avouch`Class: 3",
    "Avouch|Class: 3",
    "Avouch--Class: 3",
    "Avouch-Class-: 3",
    "Avouch-_Class: 3",
    "Avouch-Class:",
    "Avouch-Class:3",
    "Avouch-Class:\t3",
    "Avouch-Class : 3",
    "Avouch-Class\t: 3",
    "Avouch-Class: 3\r\nAvouch-Class: 3",
    "Avouch-Class: 0, 3",
    " Avouch-Class: 3",
    "X-Any: a\r\n Avouch-Class: 3",
    "X-Any: a\r\n\tAvouch-Class: 3",
    "X-Any: a\nAvouch-Class: 3",
    "X-Any: a\rAvouch-Class: 3",
    "X-Any: a\0Avouch-Class: 3",
    "Avouch-Class\0: 3",
    "Avouch%2DClass: 3",
    "Avouch\u{2010}Class: 3",
    "Avouch-Cla\u{17f}s: 3",
    "Connection: Avouch-Class\r\nAvouch-Class: 3",
    "Connection: close, avouch-class, avouch-identity, avouch-standing",
    "Connection: keep-alive\r\nConnection: AVOUCH-CLASS",
    "Keep-Alive: Avouch-Class\r\nProxy-Connection: Avouch-Class",
    "Avouch-Identity: crawler-7@acme.example\r\nAvouch_Identity: crawler-7@acme.example",
    "Avouch-Standing: verified\r\nAvouch-Mechanism: saip-rolling",
    "Avouch-Assertion: eyJhbGciOiJFUzI1NiJ9.e30.AA",
    "Avouch-Decision: accept\r\nAvouch-Request-Id: 1",
    "Avouch-Later: 3",
    "Avouch-Reason: no-claim",
    "Trailer: Avouch-Class",
];

/// Trailer fields, and what announces them.
const TRAILERS: [(&str, &str); 8] = [
    ("Trailer: Avouch-Class\r\n", "Avouch-Class: 3"),
    ("", "Avouch-Class: 3"),
    ("TE: trailers\r\nTrailer: avouch_class\r\n", "avouch_class: 3"),
    ("Trailer: X-Any, Avouch-Identity\r\n", "X-Any: 1\r\nAvouch-Identity: crawler-7@acme.example"),
    ("Connection: Trailer\r\nTrailer: Avouch-Class\r\n", "AVOUCH-CLASS: 3"),
    // Where a length stands beside the coding, a guard may look at the wrong one.
    ("Content-Length: 2\r\nTrailer: Avouch-Class\r\n", "Avouch-Class: 3"),
    ("Content-Length: 0\r\n", "Avouch-Class: 3"),
    ("Connection: Content-Length\r\nContent-Length: 2\r\n", "Avouch-Class: 3"),
];

/// The same by HTTP/2, whose names are lower case, and where nothing announces trailers.
const HTTP2: [((&str, &str), &str); 8] = [
    (("avouch-class", "3"), ""),
    (("avouch_class", "3"), ""),
    (("avouch.class", "3"), ""),
    (("avouch-identity", "crawler-7@acme.example"), "avouch-identity"),
    (("avouch-later", "3"), ""),
    (("x-any", "3"), "avouch-class"),
    (("content-length", "2"), "avouch-class"),
    (("te", "trailers"), "avouch_class"),
];

/// None of them reaches the site, and what avouch says always does, once and whole.
pub(super) async fn none_arrives(proxy: &'static Proxy) {
    let Some(world) = World::new(proxy).await else { return };
    let running = world.gateway().await;
    let front = world.front(verify(&running)).await;
    let heads = HEADS.iter().map(|lines| get(OPEN, &format!("{lines}\r\n")));
    let trailers = TRAILERS.iter().map(|(announced, trailers)| {
        format!(
            "POST {OPEN} HTTP/1.1\r\nHost: {SITE}\r\n{announced}Transfer-Encoding: chunked\r\n\r\n\
             2\r\nhi\r\n0\r\n{trailers}\r\n\r\n"
        )
    });
    let mut wrong = Vec::new();
    for request in heads.chain(trailers) {
        let before = world.reached().len();
        let answer = world.send(front.address, CLIENT, &request).await.unwrap_or_default();
        let reached = world.reached().split_off(before);
        if let Some(what) = intruder(proxy, &reached) {
            wrong.push(format!("{request:?} {what}"));
        }
        // Whatever is not forwarded is refused, or the connection ends.
        assert!(
            !reached.is_empty() || answer.status() == 0 || answer.status() >= 400,
            "{request:?}: {}",
            answer.head
        );
    }
    for (field, trailer) in HTTP2 {
        let before = world.reached().len();
        let answered = world.post_by_http2(front.address, field, trailer).await;
        let reached = world.reached().split_off(before);
        if let Some(what) = intruder(proxy, &reached) {
            wrong.push(format!("{field:?}, {trailer} by HTTP/2 {what}"));
        }
        assert_eq!(answered == Some(200), !reached.is_empty(), "{field:?}, {trailer}: {answered:?}");
    }
    running.stop().await;
    assert!(wrong.is_empty(), "{} arrived:\n{}", wrong.len(), wrong.join("\n"));
}

/// The tests would notice: where a page lacks the line that keeps them out, one reaches the site.
pub(super) async fn one_arrives_without_the_guard(proxy: &'static Proxy) {
    let Some(world) = World::new(proxy).await else { return };
    let running = world.gateway().await;
    let front = world.front_with(verify(&running), proxy.guard).await;
    let request = get(OPEN, "Avouch-Class: 3\r\nAvouch_Class: 3\r\n");
    let answer = world.send(front.address, CLIENT, request).await.unwrap();
    assert_eq!(answer.status(), 200, "{}", answer.head);
    running.stop().await;
    assert!(intruder(proxy, &world.reached()).is_some(), "{:?}", world.reached()[0].head);
}

/// What is wrong with requests that reached the site: a field that is ours to set and was not set by us, or one of
/// ours that is missing.
fn intruder(proxy: &Proxy, reached: &[Message]) -> Option<String> {
    for message in reached {
        let fields = message.head.lines().skip(1).chain(message.trailers.iter().map(String::as_str));
        let ours: Vec<_> = fields.filter_map(|line| ours(line, proxy)).collect();
        let mut names: Vec<_> = ours.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        let mut expected = TOLD;
        expected.sort_unstable();
        if names != expected || !ours.contains(&("avouch-class".to_owned(), "0")) {
            return Some(format!("reached the site as\n{}\n{:?}", message.head, message.trailers));
        }
    }
    None
}
/// The field, where some server would take its name for one that avouch sets, or may set one day.
fn ours<'l>(line: &'l str, proxy: &Proxy) -> Option<(String, &'l str)> {
    let (name, value) = line.split_once(':')?;
    let name = name.trim().to_ascii_lowercase();
    let folded = name.replace(|octet: char| !octet.is_ascii_alphanumeric(), "-");
    let is_ours = TOLD.contains(&&*folded) || folded == "avouch-reason";
    (is_ours || proxy.clears_by_prefix && folded.starts_with("avouch-")).then_some((name, value.trim()))
}

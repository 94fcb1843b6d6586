//! What an operator can see of a running gateway: the requests it remembers, and what another policy would have done.

use avouch_engine::decision::{Action, Policy};
use avouch_engine::verdict::Class;
use avouch_gateway::config::Config;
use avouch_gateway::{Explanation, Gateway, Insight, Running, Surroundings, Told};
use std::sync::mpsc::sync_channel;
use testkit::raw::exchange;
use testkit::upstream::Upstream;

async fn observed(upstream: &Upstream, lines: &str) -> (Running, Insight) {
    let text = format!(
        "listen = '127.0.0.1:0'\nadmin.listen = '127.0.0.1:0'\nupstream = '{}'\nstore.fresh = true\n{}{lines}",
        upstream.url(),
        if lines.contains("log.access") { "" } else { "log.access = 'off'\n" }
    );
    let (send, receive) = sync_channel(1);
    let console = Box::new(move |insight| {
        send.send(insight).unwrap();
        axum::Router::new().route("/console", axum::routing::get(async || "pages"))
    });
    let surroundings = Surroundings { console: Some(console), ..Surroundings::default() };
    let running = Gateway::start(Config::parse("test", &text).unwrap(), surroundings).await.unwrap();
    (running, receive.recv().unwrap())
}

async fn ask(running: &Running, path: &str, fields: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n{fields}\r\n");
    exchange(running.addresses[0], request).await.unwrap().unwrap().text()
}

const MALFORMED: &str = "SAIP: dom=\"acme.example\"; nonsense\r\n";

#[tokio::test]
async fn the_last_requests_of_each_class_are_remembered_and_explained() {
    let upstream = Upstream::start().await.unwrap();
    let (running, insight) = observed(&upstream, "[limits]\nremembered = 3").await;
    assert_eq!(super::operating::get(running.admin.unwrap(), "/console").await.text(), "pages");
    ask(&running, "/claimed", MALFORMED).await;
    for number in 0..10 {
        ask(&running, &format!("/{number}?q=1"), "User-Agent: curl/8 \u{202e}\r\n").await;
    }
    let paths = |class| {
        let requests = insight.requests_of(class);
        requests.iter().map(|request| Told::parse(&request.line).unwrap().path).collect::<Vec<_>>()
    };
    assert_eq!(paths(Some(Class::Anonymous)), ["/9?q=1", "/8?q=1", "/7?q=1"]);
    assert_eq!(paths(Some(Class::Unverifiable)), ["/claimed"], "no flood of others pushes it out");
    let claimed = insight.requests_of(Some(Class::Unverifiable)).remove(0);
    assert!(insight.request(&claimed.id).is_some_and(|found| found.line == claimed.line));
    assert!(insight.request("0").is_none());

    let explain = |line: &[u8]| Explanation::of(&Told::parse(line).unwrap());
    let anonymous = insight.requests_of(Some(Class::Anonymous)).remove(0);
    assert_eq!(
        explain(&anonymous.line).steps[0].points[0].text,
        r"curl/8 \u{202e}",
        "nothing turns the text of a terminal"
    );
    let explained = explain(&claimed.line);
    let names: Vec<_> = explained.steps.iter().map(|step| step.name).collect();
    assert_eq!(names, ["request", "claim", "evidence", "verdict", "decision", "answer"]);
    let verdict = &explained.steps[3];
    assert!(verdict.sentence.starts_with("class 1, invalid"), "{}", verdict.sentence);
    assert_eq!(verdict.points[0].name, "header-malformed");
    assert!(!verdict.points[0].text.is_empty());
    running.stop().await;
}

#[tokio::test]
async fn of_an_address_no_more_is_shown_than_is_logged() {
    let upstream = Upstream::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("access.log");
    let lines = format!("log.access = '{}'\nlog.ipv4_prefix = 24", log.display());
    let (running, insight) = observed(&upstream, &lines).await;
    ask(&running, "/", "").await;
    let request = insight.requests().remove(0);
    assert_eq!((request.address.to_string(), &*request.shown), ("127.0.0.1".to_owned(), "127.0.0.0/24"));
    assert_eq!(Told::parse(&request.line).unwrap().peer, "127.0.0.0/24");
    running.stop().await;
}

#[tokio::test]
async fn without_a_console_nothing_is_remembered() {
    let upstream = Upstream::start().await.unwrap();
    let running = super::gateway(&upstream, "admin.listen = '127.0.0.1:0'").await;
    ask(&running, "/", "").await;
    let console = super::operating::get(running.admin.unwrap(), "/console").await;
    assert_eq!(console.status(), 404);
    running.stop().await;
}

#[tokio::test]
async fn a_draft_tells_what_it_would_have_changed_and_changes_nothing() {
    let upstream = Upstream::start().await.unwrap();
    let (running, insight) = observed(&upstream, "[[route]]\npath = '/api'\nmode = 'advise'").await;
    for path in ["/", "/api/one", "/api/two?q=/", "/apis"] {
        ask(&running, path, "").await;
    }
    ask(&running, &format!("/api/{}", "x".repeat(2_000)), "").await;
    ask(&running, "/", MALFORMED).await;
    let rules =
        "[[rule]]\nname = 'api'\nwhen = { class = 0, path = '/api/*' }\nthen = { action = 'challenge' }";
    let draft = Policy::parse("draft", rules).unwrap();
    assert_eq!(insight.policies().len(), 2);
    let what_if = insight.what_if(&draft, "model");
    assert_eq!((what_if.compared, what_if.left_out), (5, 1), "a path that was cut is not guessed");
    let changed: Vec<_> = what_if
        .changes
        .iter()
        .map(|change| (Told::parse(&change.request.line).unwrap().path, change.was.0, change.would_be.0))
        .collect();
    let challenged = |path: &str| (path.to_owned(), Action::Accept, Action::Challenge);
    assert_eq!(changed, [challenged("/api/two?q=/"), challenged("/api/one")]);
    assert_eq!(what_if.changes[0].would_be.1.as_deref(), Some("api"));
    assert_eq!(ask(&running, "/api/one", "").await, "ok", "the draft is not in force");
    assert_eq!(insight.what_if(&draft, "0123456789ab").compared, 0, "no such policy decides about anything");
    running.stop().await;
}

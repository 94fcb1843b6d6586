//! What becomes of a bot when its directory dies, or lists its key no more.

use std::time::Duration;

use avouch_gather::clock::Clock as _;
use testkit::peers::require;
use testkit::raw::exchange;

use super::world::{PROGRAMS, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_directory_takes_no_known_key_away_and_gives_no_new_one() {
    let Some(tools) = require(&PROGRAMS) else { return };
    let world = World::new(tools).await;
    let (host, origins) =
        world.files_by_nginx(&["known.example", "other.example", "rescued.example"], "file:bot.key");
    let (running, clock) = world.gateway("").await;
    let ask = |origin: &str| {
        world.ask_at(running.addresses[0], "web-bot-auth-a", "file:bot.key", origin, clock.now().seconds())
    };
    let [known, new, rescued] = &origins[..] else { panic!("three origins") };
    assert_eq!(ask(known), "3 verified known.example web-bot-auth");
    drop(host);
    let day = Duration::from_secs(24 * 60 * 60);
    for later in [Duration::ZERO, Duration::from_secs(2 * 60 * 60), day, 5 * day] {
        clock.advance(later);
        assert_eq!(ask(known), "3 verified known.example web-bot-auth", "{later:?} later");
        assert_eq!(ask(new), "1 undetermined - -");
        assert_eq!(ask(rescued), "3 verified rescued.example web-bot-auth", "by its record in the DNS");
    }
    clock.advance(day);
    assert_eq!(ask(known), "1 undetermined - -", "after 7 days");
    running.stop().await;
    let reasons = world.reasons();
    assert_eq!(reasons[2], "directory-unreachable");
    assert_eq!(reasons.last().map(String::as_str), Some("directory-unreachable"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_taken_out_of_a_directory_is_gone_after_its_cache_time() {
    let Some(tools) = require(&PROGRAMS) else { return };
    let world = World::new(tools).await;
    let folder = world.folder.path();
    std::fs::copy(folder.join("bot.key"), folder.join("current.key")).unwrap();
    let host = world.served("bot.example", "file:current.key", &["--lifetime", "240"]);
    let (running, clock) = world.gateway("require_signed_directories = true").await;
    let ask = |key: &str| {
        let at = clock.now().seconds();
        world.ask_at(running.addresses[0], "web-bot-auth-a", key, &host.origin, at)
    };
    let verified = "3 verified bot.example web-bot-auth";
    assert_eq!(ask("file:bot.key"), verified);
    std::fs::copy(folder.join("other.key"), folder.join("current.key")).unwrap();
    host.reload("read again");
    clock.advance(Duration::from_secs(119));
    assert_eq!(ask("file:bot.key"), verified);
    assert_eq!(ask("file:other.key"), "1 invalid - -", "not listed yet, as far as the gateway knows");
    clock.advance(Duration::from_secs(2));
    assert_eq!(ask("file:bot.key"), "1 invalid - -");
    assert_eq!(ask("file:other.key"), verified);
    running.stop().await;
    let reasons = ["directory-verified", "directory-verified", "key-not-listed", "key-not-listed"];
    assert_eq!(world.reasons(), [&reasons[..], &["directory-verified"]].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_cannot_be_read_again_changes_nothing_of_what_is_served() {
    let Some(tools) = require(&PROGRAMS) else { return };
    let world = World::new(tools).await;
    let file = world.folder.path().join("current.key");
    std::fs::copy(world.folder.path().join("bot.key"), &file).unwrap();
    let host = world.served("bot.example", "file:current.key", &[]);
    std::fs::write(&file, "no key").unwrap();
    host.reload("what was served goes on being served");
    let gateway = world.program("require_signed_directories = true");
    let came = world.ask(gateway.address, "web-bot-auth-a", "file:bot.key", &host.origin);
    assert_eq!(came, "3 verified bot.example web-bot-auth");
    gateway.stop();
    assert_eq!(host.stop(), Some(0));
}

/// An operator's listener, and a route for each way of carrying decisions out; what stands after them is of the last.
const ROUTED: &str = "[admin]\nlisten = '127.0.0.1:0'\n[[route]]\npath = '/'\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_is_down_slow_or_something_else_is_said_and_counted_in_every_mode() {
    let Some(tools) = require(&PROGRAMS) else { return };
    let world = World::new(tools).await;
    let page = "location / { default_type text/html; return 200 '<html>'; }";
    let wrong = world.location_by_nginx("bot.example", |_| page.to_owned());
    // One takes connections and says nothing, of the other nobody is there.
    let slow = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let slow = (format!("https://other.example:{}", slow.local_addr().unwrap().port()), slow);
    let down = format!("https://known.example:{}", testkit::bind::free_port().unwrap());
    for (lines, refused) in [
        ("mode = 'observe'", false),
        ("mode = 'advise'\nrequire = 3", false),
        ("mode = 'enforce'", false),
        ("mode = 'enforce'\nrequire = 3", true),
    ] {
        let (running, clock) = world.gateway(&format!("{ROUTED}{lines}")).await;
        for (origin, reason) in [
            (&wrong.origin, "directory-unusable"),
            (&slow.0, "directory-unreachable"),
            (&down, "directory-unreachable"),
        ] {
            let at = clock.now().seconds();
            let came = world.ask_at(running.addresses[0], "web-bot-auth-a", "file:bot.key", origin, at);
            match refused {
                true => assert!(came.contains(&format!("\"reason\":\"{reason}\"")), "{lines}: {came}"),
                false => assert_eq!(came, "1 undetermined - -", "{lines}: {origin}"),
            }
        }
        let metrics = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let text = exchange(running.admin.unwrap(), metrics).await.unwrap().unwrap().text();
        for (reason, count) in [("directory-unusable", 1), ("directory-unreachable", 2)] {
            let figure = format!("avouch_reasons_total{{reason=\"{reason}\"}} {count}");
            assert!(text.contains(&figure), "{figure} in {text}");
        }
        running.stop().await;
    }
}

//! What becomes of a bot when its directory dies, or lists its key no more.

use std::time::Duration;

use avouch_gather::clock::Clock as _;
use testkit::peers::require;

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

//! A bot is known by its directory, whoever serves it, and by no other.

use std::time::Duration;

use avouch_gather::clock::Clock as _;
use avouch_wire::web_bot_auth::WELL_KNOWN;
use serde_json::Value;
use testkit::peers::require;

use super::super::partners::npm::Npm;
use super::super::partners::request::Sent;
use super::world::{PROGRAMS, World, reason};

const VERIFIED: &str = "3 verified bot.example web-bot-auth";

/// Where the keys are, as each dialect names them.
fn named(origin: &str, profile: &str) -> String {
    if profile == "web-bot-auth-d" { format!("{origin}{WELL_KNOWN}") } else { origin.to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_is_known_in_every_dialect_whoever_serves_its_directory() {
    let Some(tools) = require(&PROGRAMS) else { return };
    let world = World::new(tools).await;
    let gateway = world.program("require_signed_directories = true");
    let hosts = [
        world.served("bot.example", "file:bot.key", &[]),
        world.served_behind_nginx("bot.example", "file:bot.key"),
        world.signed_by_nginx("bot.example", "file:bot.key"),
    ];
    for host in &hosts {
        for profile in ["web-bot-auth-a", "web-bot-auth-b", "web-bot-auth-c", "web-bot-auth-d"] {
            let came = world.ask(gateway.address, profile, "file:bot.key", &named(&host.origin, profile));
            assert_eq!(came, VERIFIED, "{profile} {}", host.origin);
        }
        let other = world.ask(gateway.address, "web-bot-auth-a", "file:other.key", &host.origin);
        assert_eq!(other, "1 invalid - -", "a key that is not in it");
    }
    let log = gateway.stop();
    let of_one = ["directory-verified", "directory-verified", "directory-verified", "directory-verified"];
    let of_one = [&of_one[..], &["key-not-listed"]].concat();
    assert_eq!(log.iter().map(reason).collect::<Vec<_>>(), of_one.repeat(hosts.len()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_a_directory_where_signatures_are_not_asked_for() {
    let Some(tools) = require(&PROGRAMS) else { return };
    let world = World::new(tools).await;
    let (_host, origins) = world.files_by_nginx(&["bot.example"], "file:bot.key");
    let lax = world.program("");
    assert_eq!(world.ask(lax.address, "web-bot-auth-a", "file:bot.key", &origins[0]), VERIFIED);
    lax.stop();
    std::fs::remove_file(world.folder.path().join("access.log")).unwrap();
    let strict = world.program("require_signed_directories = true");
    assert_eq!(world.ask(strict.address, "web-bot-auth-a", "file:bot.key", &origins[0]), "1 invalid - -");
    strict.stop();
    assert_eq!(world.reasons(), ["key-not-listed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn signatures_of_a_directory_count_for_its_own_site_and_keys_only() {
    let Some(tools) = require(&PROGRAMS) else { return };
    let world = World::new(tools).await;
    let honest = world.signed_by_nginx("bot.example", "file:bot.key");
    let copied = world.location_by_nginx("other.example", |_| world.location(&honest.origin, "file:bot.key"));
    let mixed = world.location_by_nginx("bot.example", |origin| {
        let (own, other) = (world.location(origin, "file:bot.key"), world.location(origin, "file:other.key"));
        let (fields, _) = other.split_once("    return").unwrap();
        format!("{fields}    return{}", own.split_once("    return").unwrap().1)
    });
    let (running, clock) = world.gateway("require_signed_directories = true").await;
    let ask = |origin: &str| {
        world.ask_at(running.addresses[0], "web-bot-auth-c", "file:bot.key", origin, clock.now().seconds())
    };
    assert_eq!(ask(&honest.origin), VERIFIED);
    assert_eq!(ask(&copied.origin), "1 undetermined - -", "signed for another site");
    assert_eq!(ask(&mixed.origin), "1 invalid - -", "signed by a key that is not in it");
    clock.advance(Duration::from_secs(700));
    assert_eq!(ask(&honest.origin), "1 invalid - -", "its signatures have ended");
    running.stop().await;
    let reasons = ["directory-verified", "directory-unusable", "key-not-listed", "key-not-listed"];
    assert_eq!(world.reasons(), reasons);
}

/// The npm package signs directory and request; nginx serves the one, curl sends the other.
#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_the_npm_package_signed_is_one() {
    let Some(tools) = require(&PROGRAMS) else { return };
    let Some(mut npm) = Npm::start() else { return };
    let world = World::new(tools).await;
    let key = npm.key.clone();
    let host = world.location_by_nginx("bot.example", |origin| {
        let signed = npm.sign_directory(&format!("{origin}{WELL_KNOWN}"));
        let field = |name: &str| format!("add_header {name} '{}';\n", signed[name].as_str().unwrap());
        let fields = field("Signature-Input") + &field("Signature");
        format!("location = {WELL_KNOWN} {{\n{fields}return 200 '{{\"keys\":[{key}]}}';\n}}\n")
    });
    let gateway = world.program("require_signed_directories = true");
    let sent = npm.sign(Sent::get("/prices?page=2", &format!("\"{}\"", host.origin)), &Value::Null);
    let fields: String = sent.fields.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    assert_eq!(world.send(gateway.address, &fields), VERIFIED);
    gateway.stop();
}

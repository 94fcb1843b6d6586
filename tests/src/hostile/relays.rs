//! A request signed for one site, sent to another.

use super::world::{Ask, CLOSED, OPEN, SITE, World, request};

#[tokio::test]
async fn a_request_for_another_site_is_not_accepted_here() {
    let (world, bot) = World::with_bot().await;
    let header = format!("SAIP: {}\r\n", bot.header(Ask::get(CLOSED).to("mail.other.example")));
    // With the name it was signed for, this is not that site; with ours, it was not signed for us.
    world
        .see(request(Ask::get(CLOSED).to("mail.other.example"), &header))
        .await
        .is_kept_out("authority-not-ours");
    world.see(request(Ask::get(CLOSED), &header)).await.is_kept_out("audience-mismatch");
    world.see(bot.request(Ask::get(CLOSED))).await.is_verified("bot@acme.example");
}

#[tokio::test]
async fn nothing_a_client_says_widens_the_list_of_sites() {
    let (world, bot) = World::with_bot().await;
    let header = bot.header(Ask::get(CLOSED).to("mail.other.example"));
    for field in [
        "X-Forwarded-Host: mail.other.example",
        "Forwarded: host=mail.other.example;proto=http",
        "X-Host: mail.other.example",
        "X-Forwarded-Server: mail.other.example",
        "X-Original-Host: mail.other.example",
    ] {
        let fields = format!("SAIP: {header}\r\n{field}\r\n");
        world.see(request(Ask::get(CLOSED), &fields)).await.is_kept_out("audience-mismatch");
        world
            .see(request(Ask::get(CLOSED).to("mail.other.example"), &fields))
            .await
            .is_kept_out("authority-not-ours");
    }
    let honest =
        format!("SAIP: {}\r\nX-Forwarded-Host: mail.other.example\r\n", bot.header(Ask::get(CLOSED)));
    let seen = world.see(request(Ask::get(CLOSED), &honest)).await;
    seen.is_verified("bot@acme.example");
    let reached = seen.reached.unwrap();
    assert_eq!((reached.field("host"), reached.field("x-forwarded-host")), (Some(SITE), Some(SITE)));
}

#[tokio::test]
async fn a_default_virtual_host_is_no_way_in() {
    let (world, bot) = World::with_bot().await;
    // Signed for us, but sent under a name that an upstream would serve by its default site.
    let header = format!("SAIP: {}\r\n", bot.header(Ask::get(CLOSED)));
    for host in [
        "unknown.example",
        "127.0.0.1",
        "localhost",
        "www.shop.example.evil.example",
        "shop.example",
        "www.shop.example:8080",
    ] {
        let seen = world.see(request(Ask::get(CLOSED).to(host), &header)).await;
        assert_eq!(seen.reached, None, "{host}: {seen:#?}");
        assert_eq!(seen.line["verdict"]["class"], 1, "{host}: {seen:#?}");
    }
    let signed_for = |site| bot.request(Ask::get(CLOSED).to(site));
    for site in ["localhost", "127.0.0.1", "unknown.example", "www.shop.example:8080"] {
        world.see(signed_for(site)).await.is_kept_out("authority-not-ours");
    }
    world.see(request(Ask::get(CLOSED), &header)).await.is_verified("bot@acme.example");
}

#[tokio::test]
async fn spellings_of_our_own_name_are_ours() {
    let (world, bot) = World::with_bot().await;
    for host in ["WWW.Shop.Example", "www.shop.example.", "www.shop.example:80", "www.shop.example.:80"] {
        let header = format!("SAIP: {}\r\n", bot.header(Ask::get(CLOSED)));
        let seen = world.see(request(Ask::get(CLOSED).to(host), &header)).await;
        seen.is_verified("bot@acme.example");
    }
}

#[tokio::test]
async fn a_host_that_disagrees_with_the_target_is_refused() {
    let (world, bot) = World::with_bot().await;
    let header = bot.header(Ask::get(CLOSED));
    let target =
        |target: &str, host: &str| format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nSAIP: {header}\r\n\r\n");
    for (absolute, host) in [
        ("http://www.shop.example/closed", "mail.other.example"),
        ("http://mail.other.example/closed", SITE),
        ("http://www.shop.example:81/closed", SITE),
        ("http://user@www.shop.example/closed", SITE),
        ("http://www.shop.example@mail.other.example/closed", SITE),
    ] {
        assert_eq!(world.send(target(absolute, host)).await.status(), 400, "{absolute} {host}");
    }
    assert!(world.completed().is_empty());
    assert_eq!(world.send(target("http://www.shop.example/closed", SITE)).await.status(), 200);
    assert_eq!(world.completed()[0].field("avouch-class"), Some("3"));
}

#[tokio::test]
async fn the_class_stays_low_where_a_relay_is_only_observed() {
    let (world, bot) = World::with_bot().await;
    let header = format!("SAIP: {}\r\n", bot.header(Ask::get(OPEN).to("mail.other.example")));
    let seen = world.see(request(Ask::get(OPEN), &header)).await;
    seen.is_not_verified("audience-mismatch");
    assert_eq!(seen.told("class"), Some("1"));
}

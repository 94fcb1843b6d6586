//! nginx in front of its own site, asking avouch by `auth_request`.

use testkit::peers::require;

use super::world::{CRAWLER, Gateway, PROGRAMS, World, put};

/// The gateway of the manual's second configuration, asked by nginx.
fn asked(world: &World, more: &str) -> Gateway {
    let text = world.configuration(1, ("", more));
    world.run_gateway(&put(&text, &[("127.0.0.1:9181", "127.0.0.1:0")]))
}

#[test]
fn nginx_is_told_the_same_of_who_asks() {
    let Some(tools) = require(&PROGRAMS) else { return };
    let world = World::new(tools);
    let gateway = asked(&world, "");
    let (_front, site) = world.front(&gateway, |text| text);
    for version in ["--http1.1", "--http2"] {
        assert_eq!(world.curl(site, &[version], "/whoami"), "0 anonymous - - accept\n");
        let crawler = [version, "-A", "Googlebot"];
        assert_eq!(world.curl(site, &crawler, "/whoami"), "1 invalid - - throttle\n");
        let confirmed = [&crawler[..], &["--interface", CRAWLER]].concat();
        let answer = "2 partial google.com forward-confirmed monitor\n";
        assert_eq!(world.curl(site, &confirmed, "/whoami"), answer);
    }
    let agent = "3 verified crawler-7@acme.example saip-rolling accept\n";
    assert_eq!(world.fetch(site, "acme.example", "/whoami"), agent);
    let log = gateway.stop();
    let reasons: Vec<_> = log.iter().map(|line| line["verdict"]["reasons"][0].as_str().unwrap()).collect();
    let of_curl = ["no-claim", "crawler-not-confirmed", "forward-confirmed"];
    assert_eq!(reasons, [&of_curl[..], &of_curl, &["signature-verified"]].concat());
    assert!(log.iter().all(|line| line["path"] == "/whoami" && line["authority"] == "www.shop.example"));
}

#[test]
fn what_a_client_says_of_itself_in_nginxs_words_counts_for_nothing() {
    let Some(tools) = require(&PROGRAMS) else { return };
    let world = World::new(tools);
    let gateway = asked(&world, "");
    let (_front, site) = world.front(&gateway, |text| text);
    let forwarded = format!("Forwarded: for={CRAWLER}");
    let told = format!("X-Forwarded-For: {CRAWLER}");
    for forged in [
        "Avouch-Class: 3",
        "Avouch-Identity: crawler-7@acme.example",
        "avouch_class: 3",
        "Avouch.Class: 3",
        "X-Original-URI: /other",
        "X-Original-Method: PUT",
        "X-Forwarded-Host: other.example",
        &forwarded,
        &told,
    ] {
        let answer = world.curl(site, &["-A", "Googlebot", "-H", forged], "/whoami");
        assert_eq!(answer, "1 invalid - - throttle\n", "{forged}");
    }
    // The same address would have confirmed the crawler, had nginx passed it on.
    let (_front, site) =
        world.front(&gateway, |text| put(&text, &[("proxy_set_header X-Forwarded-For $remote_addr;", "")]));
    let answer = world.curl(site, &["-A", "Googlebot", "-H", &told], "/whoami");
    assert_eq!(answer, "2 partial google.com forward-confirmed monitor\n");
    let answer = world.curl(site, &["-A", "Googlebot", "-H", &forwarded], "/whoami");
    assert_eq!(answer, "1 invalid - - throttle\n");
    gateway.stop();
}

#[test]
fn a_refusal_reaches_the_client_with_its_reason() {
    let Some(tools) = require(&PROGRAMS) else { return };
    let world = World::new(tools);
    let gateway = asked(&world, "\n[[route]]\npath = \"/whoami\"\nmode = \"enforce\"\nrequire = 3");
    let (_front, site) = world.front(&gateway, |text| text);
    let refused = world.curl(site, &["-i"], "/whoami").to_lowercase();
    assert!(refused.starts_with("http/2 401"), "{refused}");
    assert!(refused.contains("avouch-reason: class-required\r\n"), "{refused}");
    assert!(refused.contains("www-authenticate: saip\r\n"), "{refused}");
    assert_eq!(world.curl(site, &[], "/"), "a page\n");
    assert!(world.fetch(site, "acme.example", "/whoami").starts_with("3 verified"));
    gateway.stop();
}

#[test]
fn without_avouch_nginx_serves_nobody_unless_it_is_told_to() {
    let Some(tools) = require(&PROGRAMS) else { return };
    let world = World::new(tools);
    let gateway = asked(&world, "");
    let (_closed, closed) = world.front(&gateway, |text| text);
    let (_open, open) = world.front(&gateway, |text| {
        let page = "internal;\n        error_page 502 504 = @unjudged;";
        put(
            &text,
            &[
                (
                    "location = /_avouch {",
                    "location @unjudged { internal; return 204; }\n    location = /_avouch {",
                ),
                ("internal;\n        proxy_pass", &format!("{page}\n        proxy_pass")),
            ],
        )
    });
    gateway.stop();
    let status = ["-o", "answer", "-w", "%{http_code}"];
    assert_eq!(world.curl(closed, &status, "/whoami"), "500");
    assert_eq!(world.curl(open, &["-H", "Avouch-Class: 3"], "/whoami"), "    \n");
}

//! A real nginx site behind `avouch gateway run`, with BIND as its resolver.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use testkit::peers::require;

use super::world::{CRAWLER, Gateway, PROGRAMS, World, put};

/// The fields of a line of the log by which the tests know it.
fn told(line: &Value) -> Value {
    let verdict = &line["verdict"];
    json!([verdict["class"], verdict["standing"], verdict["reasons"]])
}

fn dnssec(line: &Value) -> &Value {
    let checks = line["verdict"]["checks"].as_array().unwrap();
    &checks.iter().find(|check| check["name"] == "dns-key").unwrap()["dnssec"]
}

#[test]
fn a_site_sees_who_asks() {
    let Some(tools) = require(&PROGRAMS) else { return };
    let world = World::new(tools);
    let gateway = world.gateway();
    let site = gateway.address;
    assert_eq!(world.curl(site, &[], "/whoami"), "0 anonymous - - accept\n");
    assert_eq!(world.curl(site, &["-A", "Googlebot"], "/whoami"), "1 invalid - - throttle\n");
    assert_eq!(
        world.curl(site, &["-A", "Googlebot", "--interface", CRAWLER], "/whoami"),
        "2 partial google.com forward-confirmed monitor\n"
    );
    assert_eq!(
        world.fetch(site, "acme.example", "/whoami"),
        "3 verified crawler-7@acme.example saip-rolling accept\n"
    );
    assert_eq!(world.curl(site, &[], "/"), "a page\n");
    let forged = ["-H", "Avouch-Class: 3", "-H", "Avouch_Class: 3"];
    assert_eq!(
        world.curl(site, &[&forged[..], &["-A", "Googlebot"]].concat(), "/whoami"),
        "1 invalid - - throttle\n"
    );
    // Whoever speaks for others is no client, and nobody listed this one as a proxy.
    let relayed = ["-A", "Googlebot", "-H", "X-Forwarded-For: 127.0.0.3"];
    assert_eq!(world.curl(site, &relayed, "/whoami"), "1 undetermined - - monitor\n");
    let log = gateway.stop();
    let told: Vec<_> = log.iter().map(told).collect();
    assert_eq!(
        told,
        [
            json!([0, "anonymous", ["no-claim"]]),
            json!([1, "invalid", ["crawler-not-confirmed"]]),
            json!([2, "partial", ["forward-confirmed"]]),
            json!([3, "verified", ["signature-verified"]]),
            json!([0, "anonymous", ["no-claim"]]),
            json!([1, "invalid", ["crawler-not-confirmed"]]),
            json!([1, "undetermined", ["peer-is-untrusted-proxy"]]),
        ]
    );
    let seen = std::fs::read_to_string(world.site.folder().join("shop.log")).unwrap();
    assert_eq!(seen.lines().count(), log.len(), "{seen}");
    assert!(seen.contains("class=3 identity=crawler-7@acme.example"), "{seen}");
    assert!(seen.contains("127.0.0.3 \"GET /whoami"), "the client's address, not ours: {seen}");
}

#[test]
fn the_quickstart_shows_what_it_says_and_goes_on_after_a_restart() {
    let Some(tools) = require(&PROGRAMS) else { return };
    let world = World::new(tools);
    let text = world.quickstart();
    let gateway = world.run_gateway(&text);
    for agent in ["curl", "Googlebot"] {
        let url = format!("http://{}/", gateway.address);
        let mut curl = Command::new(world.tools.path("curl"));
        curl.args(["-q", "-sS", "-H", "Host: www.shop.example", "-A", agent, &url]);
        assert_eq!(curl.output().unwrap().stdout, b"a page\n");
    }
    let agent = "3 verified crawler-7@acme.example saip-rolling accept\n";
    let fetch = |gateway: &Gateway| world.fetch_by(("http", 80), gateway.address, "acme.example", "/whoami");
    assert_eq!(fetch(&gateway), agent);
    gateway.stop();
    let gateway = world.run_gateway(&put(&text, &[("fresh = true", "")]));
    assert_eq!(fetch(&gateway), agent, "the replay table was kept");
    let shown = gateway
        .stop()
        .iter()
        .map(|line| {
            let verdict = &line["verdict"];
            json!([verdict["class"], verdict["standing"], verdict["reasons"][0], line["decision"]])
        })
        .collect::<Vec<_>>();
    let verified = json!([3, "verified", "signature-verified", "accept"]);
    let crawler = json!([1, "invalid", "crawler-not-confirmed", "throttle"]);
    assert_eq!(shown, [json!([0, "anonymous", "no-claim", "accept"]), crawler, verified.clone(), verified]);
}

#[test]
fn bind_says_what_a_zone_is_worth() {
    let Some(tools) = require(&PROGRAMS) else { return };
    let world = World::new(tools);
    let gateway = world.gateway();
    for (domain, expected) in [
        ("acme.example", "3 verified crawler-7@acme.example saip-rolling accept\n"),
        ("plain.example", "3 verified crawler-7@plain.example saip-rolling accept\n"),
        ("expired.example", "1 undetermined - - throttle\n"),
        ("nothing.example", "1 invalid - - throttle\n"),
    ] {
        assert_eq!(world.fetch(gateway.address, domain, "/whoami"), expected, "{domain}");
    }
    let log = gateway.stop();
    let standings: Vec<_> = log.iter().map(dnssec).collect();
    assert_eq!(standings[..3], [&json!("secure"), &json!("insecure"), &json!("bogus")]);
    assert_eq!(log[2]["verdict"]["cause"], "permanent");
}

#[test]
fn a_record_taken_out_of_bind_counts_until_its_ttl_and_no_longer() {
    let Some(tools) = require(&PROGRAMS) else { return };
    let mut world = World::new(tools);
    let gateway = world.gateway();
    let ask = |world: &World| world.fetch(gateway.address, "acme.example", "/whoami");
    let published = "3 verified crawler-7@acme.example saip-rolling accept\n";
    assert_eq!(ask(&world), published);
    world.bind.replace_zone("acme.example.", "").unwrap();
    let answers = std::iter::repeat_with(|| ask(&world)).take(500);
    let first_other = answers.into_iter().find(|answer| answer != published);
    assert_eq!(first_other.as_deref(), Some("1 invalid - - throttle\n"));
    let log = gateway.stop();
    assert_eq!(told(log.last().unwrap()), json!([1, "invalid", ["key-not-published"]]));
}

#[test]
fn http_2_reaches_the_site_like_http_1() {
    let Some(tools) = require(&PROGRAMS) else { return };
    let world = World::new(tools);
    let gateway = world.gateway();
    for (option, version) in [("--http2", "2"), ("--http1.1", "1.1")] {
        let answer = world.curl(gateway.address, &[option, "-w", "%{http_version}"], "/whoami");
        assert_eq!(answer, format!("0 anonymous - - accept\n{version}"));
    }
    gateway.stop();
    let plain = put(
        &world.configuration(0, ("", "")),
        &[("[::]:443", "127.0.0.1:0"), ("[tls]\ncert = \"chain.pem\"\nkey = \"key.pem\"\n", "")],
    );
    let gateway = world.run_gateway(&plain);
    let mut curl = Command::new(world.tools.path("curl"));
    let url = format!("http://{}/whoami", gateway.address);
    let output =
        curl.args(["-q", "-sS", "--http2-prior-knowledge", "-w", "%{http_version}", &url]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "0 anonymous - - accept\n2");
    gateway.stop();
}

#[test]
fn load_generators_get_an_answer_to_every_request() {
    let Some(tools) = require(&[&PROGRAMS[..], &["h2load", "wrk"]].concat()) else { return };
    let world = World::new(tools);
    let gateway = world.gateway();
    let url = format!("https://{}/", gateway.address);
    let said = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(world.tools.path(program));
        String::from_utf8(command.args(arguments).arg(&url).output().unwrap().stdout).unwrap()
    };
    for http_1 in [&[][..], &["--h1"]] {
        let load = said("h2load", &[&["-n", "1000", "-c", "4", "-m", "8"], http_1].concat());
        assert!(load.contains("1000 succeeded, 0 failed, 0 errored, 0 timeout"), "{load}");
        assert!(load.contains("status codes: 1000 2xx, 0 3xx, 0 4xx, 0 5xx"), "{load}");
    }
    let load = said("wrk", &["-t", "1", "-c", "4", "-d", "1"]);
    assert!(load.contains("Requests/sec"), "{load}");
    assert!(!load.contains("Socket errors") && !load.contains("Non-2xx"), "{load}");
    gateway.stop();
}

#[test]
fn sighup_puts_another_configuration_in_force_and_a_bad_one_not() {
    let Some(tools) = require(&PROGRAMS) else { return };
    let world = World::new(tools);
    let gateway = world.gateway();
    let file = world.folder.path().join("gateway.toml");
    let before = std::fs::read_to_string(&file).unwrap();
    let enforcing = format!("{before}[[route]]\npath = \"/whoami\"\nmode = \"enforce\"\nrequire = 3\n");
    let status =
        |world: &World| world.curl(gateway.address, &["-o", "answer", "-w", "%{http_code}"], "/whoami");
    assert_eq!(status(&world), "200");
    for (text, said, expected) in [
        (&*enforcing, "configuration reloaded", "401"),
        ("mode = 1", "configuration not reloaded", "401"),
        (&before, "configuration reloaded", "200"),
    ] {
        std::fs::write(&file, text).unwrap();
        gateway.process.signal("HUP").unwrap();
        gateway.process.hear(|line| line.contains(said).then_some(())).unwrap();
        assert_eq!(status(&world), expected, "{said}");
    }
    gateway.stop();
}

#[test]
fn sigterm_lets_a_download_end() {
    const SIZE: usize = 600_000;
    let Some(tools) = require(&PROGRAMS) else { return };
    let world = World::new(tools);
    std::fs::write(world.site.folder().join("www/large"), vec![b'x'; SIZE]).unwrap();
    let gateway = world.gateway();
    let slowly = ["--limit-rate", "300k"];
    let mut command = world.curl_command(gateway.address, &slowly, "/large");
    let mut curl = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut body = curl.stdout.take().unwrap();
    let mut received = vec![0; 1];
    body.read_exact(&mut received).unwrap();
    gateway.process.signal("TERM").unwrap();
    body.read_to_end(&mut received).unwrap();
    assert_eq!((curl.wait().unwrap().code(), received.len()), (Some(0), SIZE));
    let log = gateway.stop();
    assert_eq!(
        log.iter().map(|line| line["bytes"].as_u64()).collect::<BTreeSet<_>>(),
        [Some(SIZE as u64)].into()
    );
}

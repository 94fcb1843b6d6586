//! The circuit breaker with name servers of others: what is revoked, and what is cut off at the parent, is out at the site.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use testkit::bind::{Bind, Forwarder, Signing, Zone, free_port_of, trust_anchors};
use testkit::peers::{Peers, require};
use testkit::primary::{Kind, Primary};

use super::own_zone::{at, delv, run as heard};
use super::registrar::{INVALID, TTL, becomes, enrolled, publish, registrar, seen, token, verified};
use super::world::{PROGRAMS, World, run};

const ZONE: &str = "_saip.acme.example.";

/// Where the zone of the agents is, at the port of its parent.
const CHILD: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// The zone above that of the agents, with the delegation and without.
const PARENT: &str = "ns1 A 127.0.0.2\n";

/// A site whose resolver follows delegations from the root, the last of which these lines are.
fn world(tools: Peers, port: u16, folder: tempfile::TempDir, delegation: &str) -> World {
    let zone = |name, records: String| Zone { name, signing: Signing::Signed, records };
    let zones = vec![
        zone(".", "ns.invalid. A 127.0.0.1\n".to_owned()),
        zone("example.", String::new()),
        zone("acme.example.", format!("{PARENT}{delegation}")),
    ];
    let bind = Bind::start_on(port, &tools, zones).unwrap();
    let resolver = Forwarder::following(&tools, &bind).unwrap();
    World::around(tools, folder, bind, resolver)
}

/// Two agents of a fleet and one of none, who all are believed.
fn fleet(world: &World, registrar: SocketAddr, site: SocketAddr) {
    let folder = world.folder.path();
    let (fleet, single) = (token(folder, "fleet", "*.gptbot"), token(folder, "single", "crawler-7"));
    for (agent, token) in [("nyc-1.gptbot", &fleet), ("nyc-2.gptbot", &fleet), ("crawler-7", &single)] {
        assert_eq!(enrolled(world, registrar, agent, token), 200);
    }
    for agent in ["nyc-1.gptbot", "nyc-2.gptbot", "crawler-7"] {
        becomes(world, site, agent, &verified(agent));
    }
}

/// The fleet is revoked, and then everybody by taking the delegation away at the parent.
fn breaks(world: &mut World, site: SocketAddr) {
    run(world.folder.path(), &["revoke", "gptbot@acme.example", "--socket", "owner.sock"]);
    for agent in ["nyc-1.gptbot", "nyc-2.gptbot"] {
        becomes(world, site, agent, INVALID);
    }
    assert_eq!(seen(world, site, "crawler-7"), verified("crawler-7"), "exactly those");
    world.bind.replace_zone("acme.example.", PARENT).unwrap();
    becomes(world, site, "crawler-7", INVALID);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "nobody says when a cache forgets")]
fn with_a_zone_of_the_registrars_own_a_fleet_is_revoked_and_the_delegations_end_revokes_all() {
    let Some(tools) = require(&PROGRAMS) else { return };
    let port = free_port_of(&[Ipv4Addr::LOCALHOST, CHILD]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let zone = format!(
        "zone = {{ listen = \"{CHILD}:{port}\", servers = \"ns1.acme.example\", key = \"zone.key\", ttl = {TTL} }}"
    );
    let (mut process, address) = registrar(folder.path(), &zone);
    // What the operator is told to put at the parent is what stands there.
    let told = run(folder.path(), &["registrar", "check", "--config", "registrar.toml"]);
    let lines = told.lines().filter_map(|line| line.strip_prefix("# _saip"));
    let delegation: String = lines.map(|line| format!("_saip{line}\n")).collect();
    let status = run(folder.path(), &["registrar", "status", "--socket", "owner.sock"]);
    assert!(
        delegation.lines().count() == 2 && delegation.lines().all(|line| status.contains(line)),
        "{status}"
    );
    let mut world = world(tools, port, folder, &delegation);
    let gateway = world.gateway();
    fleet(&world, address, gateway.address);
    // Over a crash, with the same key, and what was enrolled.
    process.signal("KILL").unwrap();
    process.wait().unwrap();
    let (_process, _) = registrar(world.folder.path(), &zone);
    std::thread::sleep(std::time::Duration::from_secs(TTL + 1));
    for agent in ["nyc-1.gptbot", "nyc-2.gptbot", "crawler-7"] {
        assert_eq!(seen(&world, gateway.address, agent), verified(agent));
    }
    breaks(&mut world, gateway.address);
    let log = gateway.stop();
    let reason = |line: &serde_json::Value| line["verdict"]["reasons"][0].as_str().unwrap().to_owned();
    assert!(log.iter().map(reason).any(|reason| reason == "revoked"));
    assert_eq!(reason(log.last().unwrap()), "key-not-published", "the delegation is gone");
    let secure = |line: &serde_json::Value| line["verdict"]["checks"].to_string().contains("\"secure\"");
    assert!(log.iter().any(secure), "its signatures hold");
}

#[test]
fn with_knot_a_fleet_enrols_and_is_revoked_and_the_delegations_end_revokes_all() {
    let programs = [&PROGRAMS[..], Kind::Knot.programs()].concat();
    let Some(tools) = require(&programs) else { return };
    let port = free_port_of(&[Ipv4Addr::LOCALHOST, CHILD]).unwrap();
    let knot = Primary::start_at((CHILD, port).into(), Kind::Knot, &tools, ZONE).unwrap();
    let delegation = format!("_saip {TTL} NS ns1\n");
    let mut world = world(tools, port, tempfile::tempdir().unwrap(), &delegation);
    let gateway = world.gateway();
    let records = publish(knot.address(), &knot.key("owner"));
    let (_process, address) = registrar(world.folder.path(), &records);
    let before = knot.serial().unwrap();
    fleet(&world, address, gateway.address);
    assert!(knot.serial().unwrap() > before);
    breaks(&mut world, gateway.address);
    let stands = knot.dig(&format!("crawler-7.{ZONE}"), "TXT").unwrap();
    assert!(stands.contains("pk="), "its record still stands, and nobody finds it: {stands}");
    drop(gateway.stop());
}

/// What `dig` says of the texts at a name, of the server itself.
fn dig(world: &World, name: &str) -> String {
    let mut command = Command::new(world.tools.path("dig"));
    heard(command.args(["+short", "+norecurse"]).args(at(world.bind.address())).args([name, "TXT"]))
}

fn zones(_: &Path) -> Vec<Zone> {
    let zone = |name, signing, records: &str| Zone { name, signing, records: records.to_owned() };
    vec![
        zone(".", Signing::Signed, "ns.invalid. A 127.0.0.1\n"),
        zone("example.", Signing::OptOut, ""),
        zone("acme.example.", Signing::Signed, ""),
        zone(ZONE, Signing::SignedDynamic, ""),
    ]
}

#[test]
#[expect(clippy::disallowed_methods, reason = "nobody says when a cache forgets")]
fn in_a_signed_zone_of_binds_dig_and_delv_agree_before_and_after_a_revocation() {
    let Some(tools) = require(&[&PROGRAMS[..], &["dig", "delv"]].concat()) else { return };
    let world = World::with(tools, zones);
    let folder = world.folder.path();
    std::fs::write(folder.join("anchors"), trust_anchors(world.bind.trust_anchor())).unwrap();
    let (_process, address) = registrar(folder, &publish(world.bind.address(), &world.bind.tsig()));
    let agree = |name: &str, text: Option<&str>| {
        let name = format!("{name}.{ZONE}");
        let expected = text.map(|text| format!("\"{text}\"\n")).unwrap_or_default();
        for _ in 0..40 {
            if dig(&world, &name) == expected {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        assert_eq!(dig(&world, &name), expected, "{name}");
        // The resolver that delv asks keeps answers for a second.
        std::thread::sleep(std::time::Duration::from_millis(1_100));
        let said = delv(&world.tools, folder, &at(world.forwarder.address()), (&name, "TXT"));
        match text {
            Some(_) => {
                assert!(said.starts_with("; fully validated") && said.contains(expected.trim()), "{said}");
            }
            None => assert!(said.contains("negative response, fully validated"), "{said}"),
        }
    };
    agree("nyc-1.gptbot", None);
    let token = token(folder, "fleet", "*.gptbot");
    assert_eq!(enrolled(&world, address, "nyc-1.gptbot", &token), 200);
    let record = run(
        folder,
        &["dns", "record", "--key", "file:nyc-1.gptbot.key", "--dom", "acme.example", "--id", "nyc-1.gptbot"],
    );
    let text = record.split('"').nth(1).unwrap();
    agree("nyc-1.gptbot", Some(text));
    agree("gptbot", None);
    run(folder, &["revoke", "nyc-1.gptbot@acme.example", "--socket", "owner.sock"]);
    agree("nyc-1.gptbot", Some("v=saip1; pk="));
    run(folder, &["revoke", "gptbot@acme.example", "--socket", "owner.sock"]);
    agree("gptbot", Some("v=saip1; pk="));
}

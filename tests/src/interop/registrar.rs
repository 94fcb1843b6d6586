//! Agents that enrol by themselves, as a site sees them: a registrar, BIND, a gateway and its site, each a program.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use avouch_gather::clock::{Clock as _, SystemClock};
use avouch_keys::enrolment::enrol;
use avouch_keys::store::Locator;
use avouch_wire::enrolment::token_digest;
use avouch_wire::name::{AgentId, Domain};
use testkit::binary;
use testkit::bind::{Signing, Zone};
use testkit::peers::require;
use testkit::process::Process;

use super::world::{PROGRAMS, World, run};

/// The seconds that a record may be kept.
pub(super) const TTL: u64 = 3;

fn zones(_: &Path) -> Vec<Zone> {
    let zone = |name, signing, records: &str| Zone { name, signing, records: records.to_owned() };
    vec![
        zone(".", Signing::Signed, "ns.invalid. A 127.0.0.1\n"),
        zone("example.", Signing::OptOut, ""),
        zone("acme.example.", Signing::Signed, ""),
        zone("_saip.acme.example.", Signing::Dynamic, ""),
    ]
}

/// Where its records stand: at a name server.
pub(super) fn publish(server: SocketAddr, tsig: &Path) -> String {
    format!("publish = {{ server = \"{server}\", tsig = {tsig:?}, ttl = {TTL} }}")
}

/// `avouch registrar run`, and where agents ask.
pub(super) fn registrar(folder: &Path, records: &str) -> (Process, SocketAddr) {
    let text = format!(
        "domain = \"acme.example\"\nlisten = \"127.0.0.1:0\"\nstore.url = \"sqlite:registrar.db\"\n\
         {records}\nowner.socket = \"owner.sock\"\n"
    );
    std::fs::write(folder.join("registrar.toml"), text).unwrap();
    let arguments = ["registrar", "run", "--config", "registrar.toml"];
    let mut command = Command::new(binary::path());
    let process = Process::start(command.args(arguments).current_dir(folder)).unwrap();
    let address = process.hear(|line| line.strip_prefix("agents of acme.example enrol at ")?.parse().ok());
    let address = address.unwrap();
    (process, address)
}

/// An agent makes a key and enrols with it; the status of the answer.
pub(super) fn enrolled(world: &World, registrar: SocketAddr, agent: &str, token: &str) -> u16 {
    let file = format!("file:{agent}.key");
    run(world.folder.path(), &["key", "new", &file, "--unencrypted", "--type", "p256"]);
    let key = Locator::parse(&file).unwrap().within(world.folder.path()).open(None).unwrap();
    let (domain, id) = (Domain::parse("acme.example").unwrap(), AgentId::parse(agent).unwrap().into_owned());
    let digest = token_digest(token).unwrap();
    let body = enrol(&key, &domain, id, digest, SystemClock::new().now()).unwrap().write(token);
    let mut stream = TcpStream::connect(registrar).unwrap();
    let length = body.len();
    let head = "POST /v1/enrolments HTTP/1.1\r\nHost: registrar\r\nConnection: close\r\nContent-Type: application/json";
    write!(stream, "{head}\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

/// A token for two agents.
pub(super) fn token(folder: &Path, name: &str, agents: &str) -> String {
    let new =
        ["registrar", "token", "new", name, "--agents", agents, "--uses", "2", "--socket", "owner.sock"];
    run(folder, &new).trim().to_owned()
}

/// What the site is told of an agent's request.
pub(super) fn seen(world: &World, site: SocketAddr, agent: &str) -> String {
    let (key, resolve) = (format!("file:{agent}.key"), format!("www.shop.example:443:{site}"));
    let url = "https://www.shop.example/whoami";
    let speaker = ["fetch", "--cacert", "chain.pem", "--key", &key, "--dom", "acme.example", "--id", agent];
    run(world.folder.path(), &[&speaker[..], &["--resolve", &resolve, url]].concat())
}

/// What the site is told of an agent whose claim holds, and of one whose does not.
pub(super) fn verified(agent: &str) -> String {
    format!("3 verified {agent}@acme.example saip-rolling accept\n")
}
pub(super) const INVALID: &str = "1 invalid - - throttle\n";

/// Asks until the site is told this, which takes no longer than a record may be kept, and the delegation before it, and what
/// it takes to publish it.
#[expect(clippy::disallowed_methods, reason = "nobody says when a cache forgets")]
pub(super) fn becomes(world: &World, site: SocketAddr, agent: &str, told: &str) {
    let mut last = String::new();
    for _ in 0..(2 * TTL + 3) * 4 {
        last = seen(world, site, agent);
        if last == told {
            return;
        }
        std::thread::sleep(Duration::from_millis(250));
    }
    let log = std::fs::read_to_string(world.folder.path().join("access.log")).unwrap();
    panic!("{agent} is {last}, and not {told}: {:?}", log.lines().last());
}

#[test]
fn a_fleet_enrols_and_is_revoked_at_every_site_when_the_ttl_has_ended() {
    let Some(tools) = require(&PROGRAMS) else { return };
    let world = World::with(tools, zones);
    let (bind, tsig) = (world.bind.address(), world.bind.tsig());
    let (mut registrar, address) = registrar(world.folder.path(), &publish(bind, &tsig));
    let gateway = world.gateway();
    let site = gateway.address;
    let folder = world.folder.path();
    let owner = ["--socket", "owner.sock"];
    let token = |name: &str, agents: &str| token(folder, name, agents);
    let (fleet, single) = (token("fleet", "*.gptbot"), token("single", "crawler-7"));
    for (agent, token) in [("nyc-1.gptbot", &fleet), ("nyc-2.gptbot", &fleet), ("crawler-7", &single)] {
        assert_eq!(enrolled(&world, address, agent, token), 200);
    }
    assert_eq!(enrolled(&world, address, "nyc-3.gptbot", &fleet), 403, "the token is used up");
    for agent in ["nyc-1.gptbot", "nyc-2.gptbot", "crawler-7"] {
        becomes(&world, site, agent, &verified(agent));
    }
    assert_eq!(seen(&world, site, "nyc-3.gptbot"), INVALID, "nobody published its key");

    run(folder, &[&["revoke", "gptbot@acme.example"][..], &owner].concat());
    for agent in ["nyc-1.gptbot", "nyc-2.gptbot"] {
        becomes(&world, site, agent, INVALID);
    }
    assert_eq!(seen(&world, site, "crawler-7"), verified("crawler-7"), "exactly those");

    run(folder, &[&["revoke", "all", "--yes"][..], &owner].concat());
    becomes(&world, site, "crawler-7", INVALID);
    registrar.signal("TERM").unwrap();
    assert_eq!(registrar.wait().unwrap().code(), Some(0));
    let log = gateway.stop();
    let reasons = |line: &serde_json::Value| line["verdict"]["reasons"][0].as_str().unwrap().to_owned();
    assert!(log.iter().map(reasons).any(|reason| reason == "revoked"), "{:?}", log.last());
}

//! A zone of our own under a parent of BIND's, as resolvers of three hands see it, and as ours does.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use avouch_dns::own::{Server, Settings, Zone as OwnZone};
use avouch_dns::publish::Change;
use avouch_dns::{Dns, Resolver, ResolverSettings, TrustAnchor};
use avouch_engine::evidence::{Answer, Dnssec};
use avouch_gather::clock::{Clock as _, SystemClock};
use avouch_keys::entropy::SystemEntropy;
use avouch_keys::zone::ZoneKey;
use tempfile::TempDir;
use testkit::bind::{Bind, Forwarder, Signing, Zone, free_port, free_port_of, trust_anchors};
use testkit::peers::{Peers, require};
use testkit::unbound::Unbound;

const PROGRAMS: [&str; 6] = ["named", "dnssec-keygen", "dnssec-signzone", "dig", "delv", "unbound"];

const ZONE: &str = "_saip.acme.example";

/// Where the parent and the zone are, at the same port.
const ADDRESSES: [Ipv4Addr; 2] = [Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 2)];

/// What stands in the zone, but for what no name has.
const PRESENT: [(&str, &str); 4] = [
    ("a.gptbot.", "v=saip1; pk=AAAA"),
    ("b.gptbot.", "v=saip1; pk="),
    ("crawler-7.", "v=saip1; pk=BBBB"),
    ("deep.er.down.", "v=saip1; pk=CCCC"),
];

/// Names that are none: beside, before, after and below those that are.
const NOBODY: [&str; 10] = [
    "nobody.",
    "0.",
    "zzzz.",
    "x.nobody.",
    "y.x.nobody.",
    "c.gptbot.",
    "0.gptbot.",
    "x.a.gptbot.",
    "gptbo.",
    "other.er.down.",
];

/// Names with names below them, and the first name of the zone: they exist and have no text.
const EMPTY: [&str; 4] = ["", "gptbot.", "down.", "er.down."];

struct World {
    zone: Arc<OwnZone>,
    tools: Peers,
    folder: TempDir,
    bind: Bind,
    resolver: Forwarder,
    unbound: Unbound,
    /// Where the zone is served.
    own: SocketAddr,
}

fn change(name: &str, texts: &[&str]) -> Change {
    let texts = texts.iter().map(|&text| text.to_owned()).collect();
    Change { name: format!("{name}{ZONE}"), texts, ttl: 1 }
}

/// The zones above ours, with what the parent of ours is told to hold.
fn zones(at_parent: &str) -> Vec<Zone> {
    let zone = |name, records: String| Zone { name, signing: Signing::Signed, records };
    let acme = format!("ns1 A 127.0.0.2\n{at_parent}");
    vec![
        zone(".", "ns.invalid. A 127.0.0.1\n".to_owned()),
        zone("example.", String::new()),
        zone("acme.example.", acme),
    ]
}

impl World {
    async fn start(tools: Peers) -> Self {
        let port = free_port_of(&ADDRESSES).unwrap();
        let own = SocketAddr::from((ADDRESSES[1], port));
        let settings =
            Settings { name: ZONE.to_owned(), servers: vec!["ns1.acme.example".to_owned()], ttl: 1 };
        let zone = OwnZone::new(&settings, ZoneKey::generate(&mut SystemEntropy).unwrap(), 1).unwrap();
        zone.apply(&PRESENT.map(|(name, text)| change(name, &[text])), 2).unwrap();
        let zone = Arc::new(zone);
        let server = Server::bind(&[own]).await.unwrap();
        let now = Arc::new(|| SystemClock::new().now());
        tokio::spawn(server.serve(Arc::clone(&zone), now, std::future::pending()));
        let bind = Bind::start_on(port, &tools, zones(&zone.at_parent().to_string())).unwrap();
        let resolver = Forwarder::following(&tools, &bind).unwrap();
        let below = format!("{ZONE}.");
        // It follows delegations to port 53 alone, so that it is told of each zone.
        let above = [".", "example.", "acme.example."].map(|zone| (zone, bind.address()));
        let asked = [&above[..], &[(below.as_str(), own)]].concat();
        let unbound =
            Unbound::start(&tools, (ADDRESSES[0], free_port().unwrap()).into(), bind.trust_anchor(), &asked)
                .unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("anchors"), trust_anchors(bind.trust_anchor())).unwrap();
        Self { zone, tools, folder, bind, resolver, unbound, own }
    }

    /// What validating resolvers say, each as response code, whether it is proved, and texts.
    fn dig(&self, server: SocketAddr, name: &str, kind: &str) -> (String, bool, String) {
        let more = ["+dnssec", "+noall", "+comments", "+answer", "+nocookie"];
        let said = run(Command::new(self.tools.path("dig")).args(more).args(at(server)).args([name, kind]));
        assert!(said.contains("status: "), "{server} {name}: {said}");
        let word = |before: &str| {
            said.split_once(before).map(|(_, rest)| rest.split([',', ';']).next().unwrap_or(""))
        };
        let proved = word("flags: ").is_some_and(|flags| flags.split(' ').any(|flag| flag == "ad"));
        let texts = said.lines().filter(|line| line.contains(&format!("\t{kind}\t")));
        let texts = texts.filter_map(|line| line.rsplit_once('\t')).map(|(_, data)| data).collect();
        (word("status: ").unwrap_or("-").to_owned(), proved, texts)
    }

    fn resolvers(&self) -> [SocketAddr; 2] {
        [self.resolver.address(), self.unbound.address()]
    }

    /// What delv makes of it, which validates itself, with the parent's key alone.
    fn delv(&self, name: &str, kind: &str) -> String {
        delv(&self.tools, self.folder.path(), &at(self.resolver.address()), (name, kind))
    }

    /// Our resolver by way of this server.
    fn dns(&self, server: SocketAddr) -> Dns {
        let mut settings = ResolverSettings::new(vec![server]);
        settings.trust_anchors = TrustAnchor::parse(self.bind.trust_anchor()).unwrap();
        Dns::Live(Resolver::new(&settings).unwrap())
    }

    /// All of them say the same of the texts at a name: a text; or none, with or without the name.
    async fn agree(&self, name: &str, text: Option<&str>, exists: bool) {
        let name = format!("{name}{ZONE}");
        let code = if exists { "NOERROR" } else { "NXDOMAIN" };
        let quoted = text.map(|text| format!("\"{text}\"")).unwrap_or_default();
        for server in self.resolvers() {
            let said = self.dig(server, &name, "TXT");
            let who = if server == self.unbound.address() { "Unbound" } else { "BIND" };
            assert_eq!(said, (code.to_owned(), true, quoted.clone()), "{who} {name}");
        }
        let said = self.delv(&name, "TXT");
        match text {
            Some(_) => assert!(said.starts_with("; fully validated") && said.contains(&quoted), "{said}"),
            None => assert!(said.contains("negative response, fully validated"), "{name}: {said}"),
        }
        assert_eq!(said.contains("NXDOMAIN"), !exists, "{name}: {said}");
        for server in self.resolvers() {
            match (self.dns(server).txt(&name, SystemClock::new().now()).await, text) {
                (Answer::Found { value, dnssec: Dnssec::Secure, .. }, Some(text)) => {
                    assert_eq!((&*value.records[0], value.wildcard), (text.as_bytes(), false), "{name}");
                }
                (Answer::Absent { dnssec: Dnssec::Secure, .. }, None) => {}
                (other, _) => panic!("{name}: {other:?}"),
            }
        }
    }
}

/// How `dig` and `delv` are told whom to ask.
pub(super) fn at(server: SocketAddr) -> [String; 3] {
    [format!("@{}", server.ip()), "-p".to_owned(), server.port().to_string()]
}

/// What `delv` says with the anchors of a folder.
pub(super) fn delv(tools: &Peers, folder: &Path, at: &[String], (name, kind): (&str, &str)) -> String {
    let mut command = Command::new(tools.path("delv"));
    run(command.args(at).args(["-a", "anchors", "+root=.", "+multiline", name, kind]).current_dir(folder))
}

pub(super) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn resolvers_of_every_hand_agree_on_what_stands_in_it_and_what_does_not() {
    let Some(tools) = require(&PROGRAMS) else { return };
    let world = World::start(tools).await;
    for (name, text) in PRESENT {
        world.agree(name, Some(text), true).await;
    }
    for name in NOBODY {
        world.agree(name, None, false).await;
    }
    for name in EMPTY {
        world.agree(name, None, true).await;
    }
    // Names and types that nobody of ours asks for: they are denied with proof, too.
    for name in
        ["*", "a\\000b", "[", "\\064", "\\000", "\\255", "\\255\\255", &"a".repeat(63), "*.gptbot", "\\043"]
    {
        for server in world.resolvers() {
            let said = world.dig(server, &format!("{name}.{ZONE}"), "TXT");
            assert_eq!(said, ("NXDOMAIN".to_owned(), true, String::new()), "{server} {name}");
        }
    }
    for kind in ["A", "MX", "CAA", "TYPE65280"] {
        for name in ["a.gptbot.", "gptbot.", ""] {
            for server in world.resolvers() {
                let said = world.dig(server, &format!("{name}{ZONE}"), kind);
                assert_eq!(said, ("NOERROR".to_owned(), true, String::new()), "{server} {name} {kind}");
            }
        }
    }
    for kind in ["SOA", "NS", "DNSKEY", "DS"] {
        for server in world.resolvers() {
            let (code, proved, data) = world.dig(server, ZONE, kind);
            assert!(code == "NOERROR" && proved && !data.is_empty(), "{server} {kind} {data}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "nobody says when a cache forgets")]
async fn a_change_is_seen_by_all_when_the_ttl_has_ended() {
    let Some(tools) = require(&PROGRAMS) else { return };
    let world = World::start(tools).await;
    world.agree("crawler-7.", Some("v=saip1; pk=BBBB"), true).await;
    world.agree("gptbot.", None, true).await;
    world.agree("new.", None, false).await;
    let changes = [
        change("crawler-7.", &["v=saip1; pk="]),
        change("gptbot.", &["v=saip1; pk="]),
        change("new.", &["v=saip1; pk=DDDD"]),
        change("deep.er.down.", &[]),
    ];
    world.zone.apply(&changes, 3).unwrap();
    // Unbound was seen to keep an absence of one second for more than two.
    let seen = |server: &SocketAddr| {
        let shows = |name: &str| world.dig(*server, &format!("{name}.{ZONE}"), "TXT").2.contains("pk=");
        shows("gptbot") && shows("new")
    };
    for _ in 0..20 {
        std::thread::sleep(std::time::Duration::from_millis(500));
        if world.resolvers().iter().all(seen) {
            break;
        }
    }
    world.agree("crawler-7.", Some("v=saip1; pk="), true).await;
    world.agree("gptbot.", Some("v=saip1; pk="), true).await;
    world.agree("new.", Some("v=saip1; pk=DDDD"), true).await;
    world.agree("deep.er.down.", None, false).await;
    world.agree("down.", None, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dig_sees_authority_transfers_refused_and_answers_that_fit() {
    let Some(tools) = require(&PROGRAMS) else { return };
    let world = World::start(tools).await;
    let dig = |more: &[&str]| {
        run(Command::new(world.tools.path("dig")).arg("+norecurse").args(at(world.own)).args(more))
    };
    let name = format!("a.gptbot.{ZONE}");
    let plain = dig(&[&name, "TXT"]);
    assert!(plain.contains("flags: qr aa;") && !plain.contains("RRSIG"), "{plain}");
    let signed = dig(&["+dnssec", &name, "TXT"]);
    assert!(signed.contains("RRSIG\tTXT 13 5 1 "), "{signed}");
    let all = dig(&[ZONE, "AXFR"]);
    assert!(all.contains("Transfer failed") && !all.contains("AAAA"), "{all}");
    for (name, kind) in [(ZONE, "IXFR=1"), ("acme.example", "TXT"), (".", "NS"), ("example.com", "A")] {
        let refused = dig(&["+noall", "+comments", name, kind]);
        assert!(refused.contains("status: REFUSED"), "{name} {kind}: {refused}");
    }
    let version = dig(&["+edns=1", "+noednsnegotiation", &name, "TXT"]);
    assert!(version.contains("status: BADVERS"), "{version}");
    let long = "x".repeat(250);
    let texts: Vec<&str> = (0..6).map(|_| long.as_str()).collect();
    world.zone.apply(&[change("big.", &texts[..1]), change("bigger.", &texts)], 3).unwrap();
    let cut = dig(&["+ignore", "+dnssec", "+bufsize=4096", &format!("bigger.{ZONE}"), "TXT"]);
    assert!(cut.contains("flags: qr aa tc;"), "{cut}");
    let whole = dig(&["+dnssec", &format!("bigger.{ZONE}"), "TXT"]);
    assert!(whole.contains("Truncated, retrying in TCP mode") && whole.contains("(TCP)"), "{whole}");
}

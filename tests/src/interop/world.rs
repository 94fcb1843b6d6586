//! A site as its operator sets it up: nginx and the gateway by the words of the documentation,
//! BIND as the resolver, an agent with a published key.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;
use testkit::binary;
use testkit::bind::{Bind, Forwarder, Signing, Zone, free_port};
use testkit::nginx::Nginx;
use testkit::peers::Peers;
use testkit::process::Process;

/// What is shown to operators, and run here.
const MANUAL: &str = include_str!("../../../docs/operate/nginx.md");
const QUICKSTART: &str = include_str!("../../../docs/operate/quickstart.md");

/// All programs that the world is made of.
pub(super) const PROGRAMS: [&str; 5] = ["named", "dnssec-keygen", "dnssec-signzone", "nginx", "curl"];

/// The seconds an agent's record may be kept.
const TTL: &str = "3";

/// The address that belongs to a crawler in this world's DNS.
pub(super) const CRAWLER: &str = "127.0.0.3";

pub(super) struct World {
    pub(super) bind: Bind,
    pub(super) forwarder: Forwarder,
    pub(super) site: Nginx,
    pub(super) site_port: u16,
    pub(super) folder: TempDir,
    pub(super) tools: Peers,
}

impl World {
    /// DNS with an agent in it, and the site of the manual.
    pub(super) fn new(tools: Peers) -> Self {
        Self::with(tools, zones)
    }

    /// The same with other zones; the key of an agent is in the folder.
    pub(super) fn with(tools: Peers, zones: impl Fn(&Path) -> Vec<Zone>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        run(folder.path(), &["key", "new", "file:agent.key", "--unencrypted"]);
        let bind = Bind::start(&tools, zones(folder.path())).unwrap();
        let forwarder = Forwarder::start(&tools, &bind).unwrap();
        Self::around(tools, folder, bind, forwarder)
    }

    /// The site and its folder, with a DNS that is there.
    pub(super) fn around(tools: Peers, folder: TempDir, bind: Bind, forwarder: Forwarder) -> Self {
        certificate(folder.path());
        fs::write(folder.path().join("root.anchor"), bind.trust_anchor()).unwrap();
        let site_port = free_port().unwrap();
        let text = put(
            &block(MANUAL, "nginx", 0),
            &[
                ("127.0.0.1:8080", &format!("127.0.0.1:{site_port}")),
                ("/var/log/nginx/shop.log", "shop.log"),
                ("/srv/www/shop", "www"),
            ],
        );
        let site = Nginx::start(&tools, &text).unwrap();
        Self { bind, forwarder, site, site_port, folder, tools }
    }

    /// The gateway configured by the manual's block `nth`, with `root` and `more` added at the end
    /// of its root table and of the whole.
    pub(super) fn configuration(&self, nth: usize, (root, more): (&str, &str)) -> String {
        let text = block(MANUAL, "toml", nth).replace("/etc/avouch/", "");
        // One of the two has none, for nobody connects to it.
        let text = text.replace("127.0.0.1:8080", &format!("127.0.0.1:{}", self.site_port));
        let resolvers = self.resolvers();
        let log = format!("access = \"access.log\"\n[store]\nfresh = true{more}");
        put(
            &format!("private_peers = \"clients\"{root}\n{text}"),
            &[("resolvers = [\"127.0.0.1\"]", &resolvers), ("access = \"/var/log/avouch/access.log\"", &log)],
        )
    }

    /// The quickstart's configuration.
    pub(super) fn quickstart(&self) -> String {
        let text = block(QUICKSTART, "toml", 0);
        assert_eq!(text.lines().count(), 10, "ten lines are promised");
        let here =
            [("[::]:8080", "127.0.0.1:0"), ("127.0.0.1:8000", &format!("127.0.0.1:{}", self.site_port))];
        format!("{}[dns]\n{}\n", put(&text, &here), self.resolvers())
    }

    /// The lines of `[dns]` that lead to this world's root.
    fn resolvers(&self) -> String {
        format!("resolvers = [\"{}\"]\ntrust_anchor = [\"root.anchor\"]", self.forwarder.address())
    }

    /// `avouch gateway run` in front of the site.
    pub(super) fn gateway(&self) -> Gateway {
        let text = put(&self.configuration(0, ("", "")), &[("[::]:443", "127.0.0.1:0")]);
        self.run_gateway(&text)
    }

    /// `avouch gateway run` with another configuration.
    pub(super) fn run_gateway(&self, configuration: &str) -> Gateway {
        fs::write(self.folder.path().join("gateway.toml"), configuration).unwrap();
        Gateway::start(self.folder.path())
    }

    /// nginx in front of the site, that asks the gateway; and where it listens.
    pub(super) fn front(&self, gateway: &Gateway, change: impl Fn(String) -> String) -> (Nginx, SocketAddr) {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port().unwrap()));
        let folder = self.folder.path().display();
        let text = put(
            &block(MANUAL, "nginx", 1),
            &[
                ("listen 443 ssl", &format!("listen {address} ssl")),
                ("/etc/avouch/chain.pem", &format!("{folder}/chain.pem")),
                ("/etc/avouch/key.pem", &format!("{folder}/key.pem")),
                ("127.0.0.1:8080", &format!("127.0.0.1:{}", self.site_port)),
                ("127.0.0.1:9181", &gateway.address.to_string()),
            ],
        );
        (Nginx::start(&self.tools, &change(text)).unwrap(), address)
    }

    /// What curl prints, asking the site at `address` with further arguments.
    pub(super) fn curl(&self, address: SocketAddr, arguments: &[&str], path: &str) -> String {
        let output = self.curl_command(address, arguments, path).output().unwrap();
        said(output, &format!("curl {arguments:?} {path}"))
    }

    pub(super) fn curl_command(&self, address: SocketAddr, arguments: &[&str], path: &str) -> Command {
        let mut command = Command::new(self.tools.path("curl"));
        command
            .args(["-q", "-sS", "--cacert", "chain.pem", "--connect-to"])
            .arg(format!("www.shop.example:443:{address}"))
            .args(arguments)
            .arg(format!("https://www.shop.example{path}"))
            .current_dir(self.folder.path());
        command
    }

    /// What the site answers the agent of a domain.
    pub(super) fn fetch(&self, address: SocketAddr, domain: &str, path: &str) -> String {
        self.fetch_by(("https", 443), address, domain, path)
    }

    /// The same, by another scheme and its port.
    pub(super) fn fetch_by(
        &self,
        (scheme, port): (&str, u16),
        address: SocketAddr,
        domain: &str,
        path: &str,
    ) -> String {
        let resolve = format!("www.shop.example:{port}:{address}");
        let url = format!("{scheme}://www.shop.example{path}");
        let speaker = ["--key", "file:agent.key", "--dom", domain, "--id", "crawler-7"];
        run(
            self.folder.path(),
            &[&["fetch", "--cacert", "chain.pem", "--resolve", &resolve], &speaker[..], &[&url]].concat(),
        )
    }
}

/// A certificate that is its own authority, for the name of the site.
fn certificate(folder: &Path) {
    let made = rcgen::generate_simple_self_signed(["www.shop.example".to_owned()]).unwrap();
    fs::write(folder.join("chain.pem"), made.cert.pem()).unwrap();
    fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
}

/// The agent's record as `avouch dns record` prints it, in zones of three standings, and a crawler.
fn zones(folder: &Path) -> Vec<Zone> {
    let record = |domain| {
        let place =
            ["dns", "record", "--key", "file:agent.key", "--dom", domain, "--id", "crawler-7", "--ttl"];
        run(folder, &[&place[..], &[TTL]].concat())
    };
    let zone = |name, signing, records: &str| Zone { name, signing, records: records.to_owned() };
    vec![
        zone(".", Signing::Signed, "ns.invalid. A 127.0.0.1\n"),
        zone("example.", Signing::OptOut, ""),
        zone("acme.example.", Signing::Signed, &record("acme.example")),
        zone("plain.example.", Signing::Unsigned, &record("plain.example")),
        zone("expired.example.", Signing::Expired, &record("expired.example")),
        zone("googlebot.com.", Signing::Signed, &format!("crawl A {CRAWLER}\n")),
        zone("in-addr.arpa.", Signing::Signed, "3.0.0.127 PTR crawl.googlebot.com.\n"),
    ]
}

/// A manual's code block number `nth` of a language.
pub(crate) fn block(manual: &str, language: &str, nth: usize) -> String {
    let blocks = manual.split("\n```").skip(1).step_by(2);
    let of_language = blocks.filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n'));
    format!("{}\n", of_language.map(str::to_owned).nth(nth).expect("the manual has the block"))
}

/// `text` with each of `changes` made: what stands for this machine in place of the manual's example.
pub(crate) fn put(text: &str, changes: &[(&str, &str)]) -> String {
    changes.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "`{from}` is not in:\n{text}");
        text.replace(from, to)
    })
}

/// What `avouch` prints.
pub(super) fn run(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new(binary::path()).args(arguments).current_dir(folder).output().unwrap();
    said(output, &format!("avouch {arguments:?}"))
}

pub(super) fn said(output: Output, who: &str) -> String {
    assert!(output.status.success(), "{who}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// `avouch gateway run`.
pub(super) struct Gateway {
    pub(super) process: Process,
    /// Where clients connect, or where nginx asks.
    pub(super) address: SocketAddr,
    log: std::path::PathBuf,
}

impl Gateway {
    pub(super) fn start(folder: &Path) -> Self {
        let arguments = ["--log", "info", "gateway", "run", "--config", "gateway.toml"];
        let process =
            Process::start(Command::new(binary::path()).args(arguments).current_dir(folder)).unwrap();
        let heard = |words: &'static str| process.hear(move |line| line.strip_prefix(words)?.parse().ok());
        let asked = fs::read_to_string(folder.join("gateway.toml")).unwrap().contains("[verify]");
        let address = heard(if asked { "for proxies that ask on " } else { "listening on " }).unwrap();
        Self { process, address, log: folder.join("access.log") }
    }

    /// Asks it to end, waits until it has, and gives its access log.
    pub(super) fn stop(mut self) -> Vec<Value> {
        self.process.signal("TERM").unwrap();
        assert_eq!(self.process.wait().unwrap().code(), Some(0));
        let log = fs::read_to_string(&self.log).unwrap();
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

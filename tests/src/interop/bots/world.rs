//! A site behind a gateway, and hosts of key directories under one authority of certificates.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use avouch_dns::SignedZones;
use avouch_gateway::config::Config;
use avouch_gateway::{Running, Surroundings};
use avouch_gather::clock::{Clock, ManualClock, SystemClock};
use serde_json::Value;
use tempfile::TempDir;
use testkit::binary;
use testkit::bind::free_port;
use testkit::certificate::CertificateAuthority;
use testkit::message::Message;
use testkit::nginx::Nginx;
use testkit::peers::Peers;
use testkit::process::Process;
use testkit::upstream::Upstream;

use crate::interop::world::{Gateway, block, put, run, said};

/// The programs that the world is made of.
pub(super) const PROGRAMS: [&str; 2] = ["nginx", "curl"];

/// What is shown to operators of bots, and run here.
const MANUAL: &str = include_str!("../../../../docs/operate/bots.md");

const SITE: &str = "www.shop.example";

/// What is asked for.
const TARGET: &str = "https://www.shop.example/prices?page=2";

/// Every name of this world stands at 127.0.0.1.
const NAMES: [&str; 5] = [SITE, "bot.example", "other.example", "known.example", "rescued.example"];

pub(super) struct World {
    zones: SignedZones,
    upstream: Upstream,
    pub(super) folder: TempDir,
    tools: Peers,
}

/// Whatever serves a directory; it ends when dropped.
pub(super) struct Host {
    _nginx: Option<Nginx>,
    process: Option<Process>,
    /// Its origin, as a bot names it.
    pub(super) origin: String,
}

impl World {
    /// With a key in `bot.key` and another in `other.key`.
    pub(super) async fn new(tools: Peers) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = CertificateAuthority::new().unwrap();
        fs::write(folder.path().join("root.pem"), &authority.root).unwrap();
        let made = authority.issue(&NAMES).unwrap();
        fs::write(folder.path().join("chain.pem"), made.certificate).unwrap();
        fs::write(folder.path().join("key.pem"), made.key).unwrap();
        for key in ["file:bot.key", "file:other.key"] {
            run(folder.path(), &["key", "new", key, "--unencrypted"]);
        }
        let names = NAMES.map(|name| format!("{name}. A 127.0.0.1\n")).concat();
        let record =
            run(folder.path(), &["dns", "record", "--dom", "rescued.example", "--key", "file:bot.key"]);
        let zones = SignedZones::start(&(names + &record)).await.unwrap();
        fs::write(folder.path().join("root.anchor"), zones.trust_anchor().to_string()).unwrap();
        let upstream = Upstream::answering(Arc::new(say_what_the_gateway_told)).await.unwrap();
        Self { zones, upstream, folder, tools }
    }

    /// A gateway's configuration, with these lines in `[web_bot_auth]`.
    fn configuration(&self, lines: &str) -> String {
        let folder = self.folder.path().display();
        format!(
            "listen = '127.0.0.1:0'\nauthorities = '{SITE}'\nupstream = '{}'\nprivate_peers = 'clients'\n\
             [tls]\ncert = '{folder}/chain.pem'\nkey = '{folder}/key.pem'\n\
             [dns]\nresolvers = '{}'\ntrust_anchor = '{folder}/root.anchor'\n\
             [web_bot_auth]\nca = '{folder}/root.pem'\nallow_networks = '127.0.0.0/8'\n{lines}\n\
             [store]\nfresh = true\n[log]\naccess = '{folder}/access.log'\n",
            self.upstream.url(),
            self.zones.address(),
        )
    }

    /// `avouch gateway run`.
    pub(super) fn program(&self, lines: &str) -> Gateway {
        fs::write(self.folder.path().join("gateway.toml"), self.configuration(lines)).unwrap();
        Gateway::start(self.folder.path())
    }

    /// A gateway within the test, whose clock stands at the present.
    pub(super) async fn gateway(&self, lines: &str) -> (Running, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at(SystemClock::new().now()));
        let surroundings =
            Surroundings { clock: Arc::clone(&clock) as Arc<dyn Clock>, ..Surroundings::default() };
        let config = Config::parse("test", &self.configuration(lines)).unwrap();
        (avouch_gateway::Gateway::start(config, surroundings).await.unwrap(), clock)
    }

    /// `avouch directory serve`, by https.
    pub(super) fn served(&self, domain: &str, key: &str, more: &[&str]) -> Host {
        let (address, origin) = place(domain);
        let site = origin.strip_prefix("https://").unwrap();
        let own = ["--domain", site, "--listen", &address, "--tls-cert", "chain.pem", "--tls-key", "key.pem"];
        let process = self.serve(key, &[&own, more].concat());
        Host { _nginx: None, process: Some(process), origin }
    }

    /// `avouch directory serve` by http, and nginx in front as the manual has it.
    pub(super) fn served_behind_nginx(&self, domain: &str, key: &str) -> Host {
        let (address, origin) = place(domain);
        let inner = format!("127.0.0.1:{}", free_port().unwrap());
        let site = origin.strip_prefix("https://").unwrap();
        let process = self.serve(key, &["--domain", site, "--listen", &inner]);
        let location = put(&block(MANUAL, "nginx", 0), &[("127.0.0.1:8080", &inner)]);
        let nginx = self.nginx(&address, &[(domain, &location)]);
        Host { _nginx: Some(nginx), process: Some(process), origin }
    }

    fn serve(&self, key: &str, more: &[&str]) -> Process {
        let arguments = [&["directory", "serve", "--key", key], more].concat();
        let mut serve = Command::new(binary::path());
        let process = Process::start(serve.args(arguments).current_dir(self.folder.path())).unwrap();
        process.hear(|line| line.starts_with("listening on ").then_some(())).unwrap();
        process
    }

    /// nginx with what `avouch directory build --nginx` prints for its origin, signed for 600 s.
    pub(super) fn signed_by_nginx(&self, domain: &str, key: &str) -> Host {
        self.location_by_nginx(domain, |origin| self.location(origin, key))
    }

    /// nginx with a location made for its origin.
    pub(super) fn location_by_nginx(&self, domain: &str, location: impl FnOnce(&str) -> String) -> Host {
        let (address, origin) = place(domain);
        let nginx = self.nginx(&address, &[(domain, &location(&origin))]);
        Host { _nginx: Some(nginx), process: None, origin }
    }

    /// What `avouch directory build --nginx` prints for an origin.
    pub(super) fn location(&self, origin: &str, key: &str) -> String {
        let site = origin.strip_prefix("https://").unwrap();
        let build = ["directory", "build", "--key", key, "--nginx", "--domain", site, "--lifetime", "600"];
        run(self.folder.path(), &build)
    }

    /// nginx with files, as the manual has it: the directory of one key for each of these domains.
    pub(super) fn files_by_nginx(&self, domains: &[&str], key: &str) -> (Host, Vec<String>) {
        let (address, origin) = place(domains[0]);
        let file = self.folder.path().join("directory");
        fs::write(&file, run(self.folder.path(), &["directory", "build", "--key", key])).unwrap();
        let here = [("/srv/bot/directory", &*file.display().to_string())];
        let location = put(&indented_block(MANUAL), &here);
        let sites: Vec<_> = domains.iter().map(|domain| (*domain, location.as_str())).collect();
        let (_, port) = address.rsplit_once(':').unwrap();
        let origins = domains.iter().map(|domain| format!("https://{domain}:{port}")).collect();
        (Host { _nginx: Some(self.nginx(&address, &sites)), process: None, origin }, origins)
    }

    fn nginx(&self, address: &str, sites: &[(&str, &str)]) -> Nginx {
        let folder = self.folder.path().display();
        let server = |(domain, location): &(&str, &str)| {
            format!(
                "server {{\nlisten {address} ssl;\nserver_name {domain};\nssl_certificate {folder}/chain.pem;\n\
                 ssl_certificate_key {folder}/key.pem;\n{location}}}\n"
            )
        };
        Nginx::start(&self.tools, &sites.iter().map(server).collect::<String>()).unwrap()
    }

    /// What the site answers to a request signed now, by the key in a file, that names this URL.
    pub(super) fn ask(&self, site: SocketAddr, profile: &str, key: &str, url: &str) -> String {
        self.ask_at(site, profile, key, url, SystemClock::new().now().seconds())
    }

    /// The same, of a request signed at another time.
    pub(super) fn ask_at(&self, site: SocketAddr, profile: &str, key: &str, url: &str, at: u64) -> String {
        let at = at.to_string();
        let sign = ["sign", "--profile", profile, "--key", key, "--agent", url, "--at", &at, TARGET];
        self.send(site, &run(self.folder.path(), &sign))
    }

    /// What the site answers to a request with these fields.
    pub(super) fn send(&self, site: SocketAddr, fields: &str) -> String {
        fs::write(self.folder.path().join("fields"), fields).unwrap();
        let mut curl = Command::new(self.tools.path("curl"));
        let connect = format!("{SITE}:443:{site}");
        curl.args(["-q", "-sS", "--cacert", "root.pem", "--connect-to", &connect, "-H", "@fields", TARGET]);
        said(curl.current_dir(self.folder.path()).output().unwrap(), &format!("curl with {fields}"))
    }

    /// The reasons in the log of a gateway that has ended, request by request.
    pub(super) fn reasons(&self) -> Vec<String> {
        log(self.folder.path()).iter().map(|line| reason(line).to_owned()).collect()
    }
}

impl Host {
    /// Has `avouch directory serve` read its keys again, and waits for these words.
    pub(super) fn reload(&self, words: &str) {
        let process = self.process.as_ref().unwrap();
        process.signal("HUP").unwrap();
        process.hear(|line| line.contains(words).then_some(())).unwrap();
    }

    /// Asks `avouch directory serve` to end; its exit code.
    pub(super) fn stop(mut self) -> Option<i32> {
        let process = self.process.as_mut().unwrap();
        process.signal("TERM").unwrap();
        process.wait().unwrap().code()
    }
}

/// The first reason of a line in the log.
pub(super) fn reason(line: &Value) -> &str {
    line["verdict"]["reasons"][0].as_str().unwrap()
}

fn log(folder: &Path) -> Vec<Value> {
    let log = fs::read_to_string(folder.join("access.log")).unwrap();
    log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A free address, and the origin of a domain there.
fn place(domain: &str) -> (String, String) {
    let port = free_port().unwrap();
    (format!("127.0.0.1:{port}"), format!("https://{domain}:{port}"))
}

/// The manual's block for nginx that stands within a list.
fn indented_block(manual: &str) -> String {
    let (_, rest) = manual.split_once("   ```nginx\n").unwrap();
    rest.split_once("   ```").unwrap().0.to_owned()
}

fn say_what_the_gateway_told(request: &Message) -> Vec<u8> {
    let told = ["Avouch-Class", "Avouch-Standing", "Avouch-Identity", "Avouch-Mechanism"];
    let told = told.map(|name| request.field(name).unwrap_or("-")).join(" ");
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{told}", told.len()).into_bytes()
}

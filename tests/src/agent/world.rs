//! An agent with a published key, between programs and a site with a gateway in front.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};

use avouch_dns::SignedZones;
use avouch_gateway::config::Config;
use avouch_gateway::{Gateway, Running, Surroundings};
use tempfile::TempDir;
use testkit::bind::free_port;
use testkit::certificate::CertificateAuthority;
use testkit::message::Message;
use testkit::process::Process;
use testkit::raw::exchange;
use testkit::upstream::Upstream;

/// Everything but the agent.
pub(super) struct World {
    pub(super) folder: TempDir,
    pub(super) zones: SignedZones,
    pub(super) upstream: Upstream,
    /// The port of the site, of which `127.0.0.1` is a destination and `localhost` is not.
    pub(super) port: u16,
    gateway: Running,
}

/// `avouch agent run`.
pub(super) struct Agent {
    pub(super) process: Process,
    /// Where it listens.
    pub(super) proxy: Option<SocketAddr>,
    /// Where its first port to one site is.
    pub(super) egress: Option<SocketAddr>,
    pub(super) admin: SocketAddr,
}

impl World {
    /// A site that speaks plain http.
    pub(super) async fn new() -> Self {
        Self::with(Upstream::start().await.unwrap(), "").await
    }

    /// A site that speaks https, its root in `root.pem`.
    pub(super) async fn secured() -> Self {
        Self::with(Upstream::start().await.unwrap(), "[tls]\ncert = 'site.pem'\nkey = 'site.key'\n").await
    }

    pub(super) async fn with(upstream: Upstream, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        run(folder.path(), &["key", "new", "file:agent.key", "--unencrypted"]);
        let key = ["dns", "record", "--key", "file:agent.key", "--dom", "acme.example"];
        let records =
            [run(folder.path(), &[&key[..], &["--id", "crawler-7"]].concat()), run(folder.path(), &key)];
        let zones = SignedZones::start(&records.concat()).await.unwrap();
        fs::write(path("root.anchor"), zones.trust_anchor().to_string()).unwrap();
        let authority = CertificateAuthority::new().unwrap();
        let site = authority.issue(&["127.0.0.1", "localhost"]).unwrap();
        fs::write(path("site.pem"), site.certificate).unwrap();
        fs::write(path("site.key"), site.key).unwrap();
        fs::write(path("root.pem"), authority.root).unwrap();
        let port = free_port().unwrap();
        let text = format!(
            "listen = '127.0.0.1:{port}'\nupstream = '{}'\nauthorities = ['127.0.0.1:{port}', 'localhost:{port}']\n\
             private_peers = 'clients'\nlog.access = 'off'\nstore.fresh = true\n{}{more}",
            upstream.url(),
            dns(&zones),
        );
        fs::write(path("gateway.toml"), text).unwrap();
        let gateway = Gateway::start(Config::load(&path("gateway.toml")).unwrap(), Surroundings::default())
            .await
            .unwrap();
        Self { folder, zones, upstream, port, gateway }
    }

    /// An agent with a proxy, these lines at the top of its configuration, and these at the end.
    pub(super) fn agent(&self, root: &str, more: &str) -> Agent {
        let proxy = "[proxy]\nlisten = '127.0.0.1:0'\nallow_networks = '127.0.0.0/8'\n";
        self.agent_with(root, &format!("{proxy}{more}"))
    }

    /// The same without the proxy.
    pub(super) fn agent_with(&self, root: &str, more: &str) -> Agent {
        Agent::start(self.folder.path(), &self.configuration(root, more))
    }

    pub(super) fn configuration(&self, root: &str, more: &str) -> String {
        format!(
            "key = 'file:agent.key'\ndomain = 'acme.example'\nagent = 'crawler-7'\nroots = 'root.pem'\n{root}\n\
             [[destination]]\nhost = '127.0.0.1:{}'\n[admin]\nlisten = '127.0.0.1:0'\n{}{more}",
            self.port,
            dns(&self.zones),
        )
    }

    /// `http://127.0.0.1:…`, which is a destination.
    pub(super) fn listed(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The same site by a name that is none.
    pub(super) fn unlisted(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.port)
    }

    /// What the site's upstream was told of who asks: class, identity, mechanism; of each request.
    pub(super) fn told(&self) -> Vec<[String; 3]> {
        self.upstream.received().iter().map(told).collect()
    }

    pub(super) async fn stop(self) {
        self.gateway.stop().await;
    }
}

pub(super) fn dns(zones: &SignedZones) -> String {
    format!("[dns]\nresolvers = '{}'\ntrust_anchor = 'root.anchor'\n", zones.address())
}

pub(super) fn told(request: &Message) -> [String; 3] {
    ["class", "identity", "mechanism"]
        .map(|name| request.field(&format!("avouch-{name}")).unwrap_or_default().to_owned())
}

/// What a signed request of this world comes to.
pub(super) fn proved(mechanism: &str) -> [String; 3] {
    ["3".into(), "crawler-7@acme.example".into(), mechanism.into()]
}

/// What any other does.
pub(super) fn anonymous() -> [String; 3] {
    ["0".into(), "-".into(), "-".into()]
}

/// The fields by which a request says who sends it, as far as it has any.
pub(super) fn says_who(request: &Message) -> Vec<&str> {
    let names = request.head.lines().skip(1).filter_map(|line| Some(line.split_once(':')?.0));
    let says =
        |name: &&str| ["saip", "signature"].iter().any(|start| name.to_ascii_lowercase().starts_with(start));
    names.filter(says).collect()
}

impl Agent {
    pub(super) fn start(folder: &Path, configuration: &str) -> Self {
        fs::write(folder.join("agent.toml"), configuration).unwrap();
        let words = ["agent", "run", "--config", "agent.toml"];
        let process =
            Process::start(Command::new(testkit::binary::path()).args(words).current_dir(folder)).unwrap();
        let heard = |words: &'static str| process.hear(move |line| line.strip_prefix(words)?.parse().ok());
        let has = |table| configuration.contains(table);
        let proxy = has("[proxy]").then(|| heard("proxy on ").unwrap());
        let egress = has("[[egress]]").then(|| heard("egress on ").unwrap());
        let admin = heard("for the operator on ").unwrap();
        Self { process, proxy, egress, admin }
    }

    /// curl through the proxy, as a user sets it.
    pub(super) fn curl(&self, arguments: &[&str]) -> Output {
        let proxy = format!("http://{}", self.proxy.unwrap());
        let mut curl = Command::new("curl");
        curl.env_remove("no_proxy")
            .env_remove("NO_PROXY")
            .env("http_proxy", &proxy)
            .env("https_proxy", &proxy);
        curl.args(["-q", "-sS", "--max-time", "20"]).args(arguments).output().unwrap()
    }

    /// What it prints.
    pub(super) fn curled(&self, arguments: &[&str]) -> String {
        let output = self.curl(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The status it gets.
    pub(super) fn status(&self, arguments: &[&str]) -> String {
        self.curled(&[&["-o", "/dev/null", "-w", "%{http_code}"], arguments].concat())
    }

    /// What the operator's listener says.
    pub(super) async fn operator(&self, path: &str) -> Message {
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        exchange(self.admin, request).await.unwrap().unwrap()
    }

    /// Asks it to end, and waits until it has.
    pub(super) fn stop(mut self) {
        self.process.signal("TERM").unwrap();
        assert_eq!(self.process.wait().unwrap().code(), Some(0));
    }
}

/// What `avouch` prints.
pub(super) fn run(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new(testkit::binary::path()).args(arguments).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

//! An agent that shares a secret with a registration entity: entity, agent and gateway as programs, curl as the crawler.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use avouch_dns::SignedZones;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::bind::free_port;
use testkit::certificate::CertificateAuthority;
use testkit::peers::require;
use testkit::process::Process;
use testkit::upstream::Upstream;
use tokio::time::Instant;

use super::world::{Agent, run, told};

const SITE: &str = "www.shop.example";

/// How long something may take that takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// Within this an agent takes up what was agreed on.
const TAKEN_UP: Duration = Duration::from_secs(3);

/// What a revocation that is pushed may take.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Everything but the agent.
struct World {
    folder: TempDir,
    zones: SignedZones,
    upstream: Upstream,
    site: u16,
    entity: SocketAddr,
    _processes: [Process; 2],
}

impl World {
    async fn new() -> Self {
        let zones = SignedZones::start(
            "_saip.acme.example. TXT \"v=saip1; re=re.example\"\n\
             www.shop.example. A 127.0.0.1\nre.example. A 127.0.0.1\n",
        );
        let (zones, upstream) = (zones.await.unwrap(), Upstream::start().await.unwrap());
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        let authority = CertificateAuthority::new().unwrap();
        for (name, hosts) in [("site", [SITE, "localhost"]), ("entity", ["re.example", "127.0.0.1"])] {
            let certificate = authority.issue(&hosts).unwrap();
            write(&format!("{name}.pem"), &certificate.certificate);
            write(&format!("{name}.key"), &certificate.key);
        }
        write("root.pem", &authority.root);
        write("root.anchor", &zones.trust_anchor().to_string());
        run(folder.path(), &["key", "new", "file:verifier.key", "--unencrypted"]);
        let resolving = format!("resolvers = '{}'\ntrust_anchor = 'root.anchor'\n", zones.address());
        write(
            "entity.toml",
            &format!(
                "re = 're.example'\nlisten = '127.0.0.1:0'\nowner.socket = 'owner.sock'\n\
                 tls = {{ cert = 'entity.pem', key = 'entity.key' }}\n\
                 store = {{ url = 'sqlite:entity.db', root = 'entity.root' }}\n\
                 [sites]\nroots = 'root.pem'\nallow_networks = '127.0.0.0/8'\n{resolving}"
            ),
        );
        let program = start(folder.path(), ["entity", "run", "--config", "entity.toml"]);
        let asked = program.hear(|line| line.strip_prefix("re.example is asked at ")?.parse().ok());
        let entity: SocketAddr = asked.unwrap();
        let site = free_port().unwrap();
        write(
            "gateway.toml",
            &format!(
                "mode = 'enforce'\nlisten = '127.0.0.1:{site}'\nauthorities = '{SITE}:{site}'\nupstream = '{}'\n\
                 private_peers = 'clients'\nstore.fresh = true\nlog.access = 'off'\n\
                 tls = {{ cert = 'site.pem', key = 'site.key' }}\n[dns]\n{resolving}\
                 [entities]\nkey = 'file:verifier.key'\n[[registration_entity]]\nhost = 're.example'\n\
                 port = {}\nca = 'root.pem'\nallow_networks = '127.0.0.0/8'\n",
                upstream.url(),
                entity.port()
            ),
        );
        let gateway = start(folder.path(), ["gateway", "run", "--config", "gateway.toml"]);
        gateway.hear(|line| line.contains(&site.to_string()).then_some(())).unwrap();
        Self { folder, zones, upstream, site, entity, _processes: [program, gateway] }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn configuration(&self) -> String {
        format!(
            "key = 'file:agent.key'\ndomain = 'acme.example'\nagent = 'nyc-7.gptbot'\ninstance = 'm1'\nmode = 'registry'\n\
             registry = {{ entity = 're.example', secret = 'agent.secret', lines = 2 }}\n\
             destination = {{ host = '{SITE}:{}' }}\nroots = 'root.pem'\nadmin.listen = '127.0.0.1:0'\n\
             signer.socket = '{}'\n[dns]\nresolvers = '{}'\ntrust_anchor = 'root.anchor'\n",
            self.site,
            self.path().join("sign.sock").display(),
            self.zones.address()
        )
    }

    fn owner(&self, words: &[&str]) -> String {
        run(self.path(), &[&["entity"], words, &["--socket", "owner.sock"]].concat())
    }

    fn agent_asks(&self, words: &[&str]) {
        let at = format!("https://127.0.0.1:{}", self.entity.port());
        let of = ["--config", "agent.toml", "--at", &at];
        run(self.path(), &[&["agent", "entity"], words, &of[..]].concat());
    }

    /// The status that curl gets, signed by what the agent's service says, and what the site's upstream was told.
    fn asks(&self, path: &str) -> (String, Option<[String; 3]>) {
        let url = format!("https://{SITE}:{}{path}", self.site);
        let question = json!({ "method": "GET", "url": url }).to_string();
        let socket = self.path().join("sign.sock");
        let signed = curl(&[
            "--unix-socket",
            &socket.display().to_string(),
            "-H",
            "Content-Type: application/json",
            "-d",
            &question,
            "http://agent/v1/sign",
        ]);
        let signed: Value = serde_json::from_str(&signed).unwrap();
        let field = format!(
            "{}: {}",
            signed["headers"][0][0].as_str().unwrap(),
            signed["headers"][0][1].as_str().unwrap()
        );
        let before = self.upstream.received().len();
        let resolve = format!("{SITE}:{}:127.0.0.1", self.site);
        let root = self.path().join("root.pem").display().to_string();
        let status = curl(&[
            "--resolve",
            &resolve,
            "--cacert",
            &root,
            "-H",
            &field,
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            &url,
        ]);
        (status, self.upstream.received().get(before).map(told))
    }

    /// Asks until the site is told this class.
    fn becomes(&self, class: &str, within: Duration) {
        let until = Instant::now() + within;
        loop {
            let (status, told) = self.asks("/");
            if told.as_ref().is_some_and(|[now, ..]| now == class) {
                return;
            }
            assert!(Instant::now() < until, "{status} {told:?}");
        }
    }
}

fn start(folder: &Path, words: [&str; 4]) -> Process {
    Process::start(Command::new(testkit::binary::path()).args(words).current_dir(folder)).unwrap()
}

fn curl(words: &[&str]) -> String {
    let output = Command::new("curl").args(["-q", "-sS", "--max-time", "20"]).args(words).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn verified() -> (String, Option<[String; 3]>) {
    let told = ["3", "nyc-7.gptbot@acme.example", "saip-registry"].map(str::to_owned);
    ("200".to_owned(), Some(told))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_of_an_entity_is_verified_over_restarts_and_renewals_and_revoked_within_a_second() {
    let Some(_) = require(&["curl"]) else { return };
    let world = World::new().await;
    fs::write(world.path().join("agent.toml"), world.configuration()).unwrap();
    let new = ["token", "new", "fleet", "--domain", "acme.example", "--agents", "*.gptbot"];
    fs::write(world.path().join("token"), world.owner(&new)).unwrap();
    world.agent_asks(&["register", "--token-file", "token"]);

    let agent = Agent::start(world.path(), &world.configuration());
    for number in 0..20 {
        assert_eq!(world.asks(&format!("/{number}")), verified(), "numbers of both lines go forward");
    }
    let status = agent.operator("/status").await.text();
    assert!(status.contains("_saip.acme.example names re.example"), "{status}");
    agent.stop();
    let agent = Agent::start(world.path(), &world.configuration());
    assert_eq!(world.asks("/"), verified(), "a restart needs no memory");

    // Another beginning: what was signed before is over, and the agent takes it up by itself.
    world.agent_asks(&["renegotiate"]);
    world.agent_asks(&["renew"]);
    world.becomes("3", PATIENCE);
    tokio::time::sleep(TAKEN_UP).await;
    for _ in 0..4 {
        assert_eq!(world.asks("/"), verified());
    }

    world.owner(&["revoke", "nyc-7.gptbot@acme.example"]);
    world.becomes("1", AT_ONCE);
    agent.stop();
}

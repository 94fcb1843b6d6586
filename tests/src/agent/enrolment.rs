//! `avouch agent enrol`: a real registrar, with SQLite behind it and BIND that it publishes in.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use avouch_authority::config::Attestation;
use avouch_authority::registrar::{Attesting, Rules};
use avouch_authority::{Registrar, Role};
use avouch_dns::publish::Publisher;
use avouch_gateway::config::Config;
use avouch_gateway::{Gateway, Surroundings};
use avouch_gather::clock::SystemClock;
use avouch_keys::tsig::TsigKey;
use avouch_store::ledger::Ledger;
use avouch_wire::name::Domain;
use axum::Router;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::bind::free_port;
use testkit::certificate::CertificateAuthority;
use testkit::https::HttpsHost;
use testkit::maker::{Maker, PROGRAMS as MAKER};
use testkit::message::Message;
use testkit::peers::{Peers, require};
use testkit::primary::{Kind, Primary};
use testkit::process::Process;
use testkit::raw::exchange;
use testkit::swtpm::{Slow, Swtpm};
use testkit::upstream::Upstream;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::world::{Agent, told};

/// The registrar of acme.example, the name server of `_saip.acme.example`, and a folder for an agent.
struct Office {
    folder: TempDir,
    primary: Primary,
    /// Where agents ask, and where the owner does.
    agents: SocketAddr,
    owner: SocketAddr,
    _stop: watch::Sender<bool>,
    _tasks: JoinSet<()>,
}

impl Office {
    async fn new(more: &[&str]) -> Option<(Self, Peers)> {
        Self::asking(more, |_| None).await
    }

    /// One that asks TPMs for this.
    async fn asking(
        more: &[&str],
        wanted: impl FnOnce(&Peers) -> Option<Attestation>,
    ) -> Option<(Self, Peers)> {
        let tools = require(&[Kind::Bind.programs(), more].concat())?;
        let primary = Primary::start(Kind::Bind, &tools, "_saip.acme.example.").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let ledger =
            Ledger::open(&format!("sqlite:{}", folder.path().join("ledger").display())).await.unwrap();
        let key = TsigKey::open(&primary.key("registrar")).unwrap();
        let publisher = Publisher::new(primary.address(), "_saip.acme.example.", key).unwrap();
        let rules = Rules { domain: Domain::parse("acme.example").unwrap() };
        let attesting = Attesting::open(rules.domain.clone(), wanted(&tools).as_ref()).unwrap();
        let (stop, stopping) = watch::channel(false);
        let (mut tasks, clock) = (JoinSet::new(), Arc::new(SystemClock::new()));
        let publishing = (publisher, 300);
        let registrar = Registrar::start(rules, ledger, publishing, attesting, clock, &mut tasks, stopping);
        let agents = serve(registrar.for_agents(), &mut tasks).await;
        let owner = serve(registrar.for_role(Role::Owner), &mut tasks).await;
        let office = Self { folder, primary, agents, owner, _stop: stop, _tasks: tasks };
        office.configure("file:agent.key");
        Some((office, tools))
    }

    fn configure(&self, key: &str) {
        let text = format!(
            "key = '{key}'\ndomain = 'acme.example'\nagent = 'crawler-7'\n\
             [[destination]]\nhost = '127.0.0.1'\n[proxy]\nlisten = '127.0.0.1:0'\n\
             [dns]\nresolvers = '{}'\ntrust_ad_from = '127.0.0.1'\n",
            self.primary.address()
        );
        fs::write(self.path().join("agent.toml"), text).unwrap();
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// What the owner says; the answer.
    async fn says(&self, path: &str, words: Value) -> Message {
        let words = words.to_string();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{words}",
            words.len()
        );
        exchange(self.owner, request).await.unwrap().unwrap()
    }

    /// The owner approves the key that the agent has by now.
    async fn approves(&self) -> Message {
        let key = avouch_keys::store::open(&self.path().join("agent.key"), None).unwrap();
        let key = key.public().fingerprint().to_string();
        self.says("/v1/approve", json!({ "agent": "crawler-7", "key": key })).await
    }

    /// Writes a token into the agent's file that is good for two questions.
    async fn token(&self, agents: &str, approval: bool) {
        self.token_by(
            json!({ "name": "t", "agents": agents, "uses": 2, "lasts": 600, "approval": approval }),
        )
        .await;
    }

    async fn token_by(&self, words: Value) {
        let answer = self.says("/v1/tokens", words).await;
        assert_eq!(answer.status(), 201, "{}", answer.text());
        let token: Value = serde_json::from_slice(&answer.body).unwrap();
        fs::write(self.path().join("token"), format!("{}\n", token["token"].as_str().unwrap())).unwrap();
    }

    fn command(&self, registrar: &str, more: &[&str]) -> Command {
        let mut command = Command::new(testkit::binary::path());
        let words =
            ["agent", "enrol", "--config", "agent.toml", "--token-file", "token", "--registrar", registrar];
        command.args(words).args(more).current_dir(self.path());
        command
    }

    /// Begins to enrol, as long as it may take.
    fn begin(&self) -> Process {
        Process::start(&mut self.command(&format!("http://{}", self.agents), &["--wait", "30"])).unwrap()
    }

    /// Enrols: the exit code, and what was said.
    fn enrol(&self, more: &[&str]) -> (i32, String) {
        self.enrol_by(&format!("http://{}", self.agents), more)
    }

    fn enrol_by(&self, registrar: &str, more: &[&str]) -> (i32, String) {
        let output = self.command(registrar, more).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }

    /// What stands in the DNS.
    fn record(&self) -> String {
        self.primary.dig("crawler-7._saip.acme.example", "TXT").unwrap()
    }

    /// What is to stand there, by the key that lies in the folder.
    fn wanted(&self) -> String {
        let words =
            ["dns", "record", "--dom", "acme.example", "--id", "crawler-7", "--key", "file:agent.key"];
        let record = super::world::run(self.path(), &words);
        record.trim().split_once(" TXT ").unwrap().1.to_owned()
    }
}

async fn serve(router: Router, tasks: &mut JoinSet<()>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tasks.spawn(async move { axum::serve(listener, service).await.unwrap() });
    address
}

/// A line of this kind.
fn line(part: &'static str) -> impl Fn(&str) -> Option<()> {
    move |line| line.contains(part).then_some(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_makes_its_key_and_enrols_and_the_same_again_changes_nothing() {
    let Some((office, _)) = Office::new(&[]).await else { return };
    office.token("crawler-7", false).await;
    let (code, said) = office.enrol(&["--wait", "30"]);
    assert_eq!(code, 0, "{said}");
    for step in ["made the key file:", "the registrar has enrolled", "the key is published"] {
        assert!(said.contains(step), "{said}");
    }
    assert_eq!(office.record(), office.wanted());
    let serial = office.primary.serial().unwrap();
    let (code, said) = office.enrol(&["--wait", "0"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("the key is there: file:"), "{said}");
    assert_eq!(office.primary.serial().unwrap(), serial);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_to_be_approved_waits_and_no_longer_than_it_may() {
    let Some((office, _)) = Office::new(&[]).await else { return };
    office.token("crawler-7", true).await;
    let (code, said) = office.enrol(&["--wait", "1"]);
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("has to approve") && said.contains("run this again"), "{said}");
    assert_eq!(office.record(), "");
    let mut enrolling = office.begin();
    enrolling.hear(line("has to approve")).unwrap();
    assert_eq!(office.approves().await.status(), 204);
    enrolling.hear(line("the key is published")).unwrap();
    assert_eq!(enrolling.wait().unwrap().code(), Some(0));
    assert_eq!(office.record(), office.wanted());

    // Another key of the same agent is the owner's to approve.
    fs::remove_file(office.path().join("agent.key")).unwrap();
    let mut enrolling = office.begin();
    enrolling.hear(line("enrolled with another key")).unwrap();
    assert_eq!(office.approves().await.status(), 204);
    assert_eq!(enrolling.wait().unwrap().code(), Some(0));
    assert_eq!(office.record(), office.wanted());
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_says_what_is_wrong_and_leaves_the_zone_as_it_was() {
    let Some((office, _)) = Office::new(&[]).await else { return };
    let serial = office.primary.serial().unwrap();
    fs::write(office.path().join("token"), "avouch-enrol-short\n").unwrap();
    let (code, said) = office.enrol(&[]);
    assert!(code == 3 && said.contains("token: holds no token"), "{said}");
    fs::write(office.path().join("token"), format!("avouch-enrol-{}\n", "A".repeat(43))).unwrap();
    let (code, said) = office.enrol(&[]);
    assert!(code == 1 && said.contains("refuses (token-unknown)"), "{said}");
    office.token("*.fleet", false).await;
    let (code, said) = office.enrol(&[]);
    assert!(code == 1 && said.contains("refuses (agent-not-allowed)"), "{said}");
    let (code, said) = office.enrol_by("http://registrar.acme.example", &[]);
    assert!(code == 2 && said.contains("in clear"), "{said}");
    let (code, said) = office.enrol_by(&format!("http://{}", office.owner), &["--wait", "0"]);
    assert!(code == 1 && said.contains("refuses (owner-only)"), "{said}");
    let nobody = format!("http://127.0.0.1:{}", free_port().unwrap());
    let (code, said) = office.enrol_by(&nobody, &["--wait", "0"]);
    assert!(code == 4 && said.contains("cannot be asked now"), "{said}");
    let text = fs::read_to_string(office.path().join("agent.toml")).unwrap();
    fs::write(office.path().join("agent.toml"), text.replace("acme.example", "other.example")).unwrap();
    let (code, said) = office.enrol(&[]);
    assert!(code == 1 && said.contains("refuses (proof)"), "{said}");
    fs::write(office.path().join("agent.toml"), text.replace("'crawler-7'", "'_'")).unwrap();
    let (code, said) = office.enrol(&[]);
    assert!(code == 3 && said.contains("only an agent of a domain"), "{said}");
    assert_eq!(office.primary.serial().unwrap(), serial);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_enrolment_killed_at_any_step_is_begun_again_and_comes_to_its_end() {
    let Some((office, _)) = Office::new(&[]).await else { return };
    office.token("crawler-7", true).await;
    // The key is there, and nobody was asked.
    let nobody = format!("http://127.0.0.1:{}", free_port().unwrap());
    let enrolling = Process::start(&mut office.command(&nobody, &["--wait", "30"])).unwrap();
    enrolling.hear(line("asked again in 5 s")).unwrap();
    drop(enrolling);
    let key = office.wanted();
    // The registrar knows, and has not said yes.
    let enrolling = office.begin();
    enrolling.hear(line("has to approve")).unwrap();
    drop(enrolling);
    // It has, and the name server is silent.
    office.primary.signal("STOP").unwrap();
    assert_eq!(office.approves().await.status(), 204);
    let enrolling = office.begin();
    enrolling.hear(line("the registrar has enrolled")).unwrap();
    drop(enrolling);
    office.primary.signal("CONT").unwrap();
    let (code, said) = office.enrol(&["--wait", "60"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!((office.record(), office.wanted()), (key.clone(), key), "one key all the time");
    let left: Vec<_> = fs::read_dir(office.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with('.')), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registrar_is_asked_by_https_and_believed_by_its_certificate_alone() {
    let Some((office, _)) = Office::new(&[]).await else { return };
    office.token("crawler-7", false).await;
    let authority = CertificateAuthority::new().unwrap();
    let site = authority.issue(&["127.0.0.1"]).unwrap();
    fs::write(office.path().join("root.pem"), &authority.root).unwrap();
    let problem = r#"{"type":"about:blank","reason":"token-expired","detail":"the token has ended"}"#;
    let answer = format!("HTTP/1.1 403 Forbidden\r\ncontent-length: {}\r\n\r\n{problem}", problem.len());
    let host = HttpsHost::start(&site, Arc::new(move |_| answer.clone().into_bytes())).await.unwrap();
    let url = format!("https://{}", host.address);
    let (code, said) = office.enrol_by(&url, &["--wait", "0"]);
    assert!(code == 4 && said.contains("no TLS with the site"), "{said}");
    assert_eq!(host.received().len(), 0, "the token stayed here");
    let (code, said) = office.enrol_by(&url, &["--roots", "root.pem"]);
    assert!(code == 1 && said.contains("refuses (token-expired): the token has ended"), "{said}");
    assert_eq!(host.received()[0].line(), "POST /v1/enrolments HTTP/1.1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_a_tpm_enrols_and_plain_curl_is_verified_by_it() {
    let Some((office, tools)) = Office::new(&["curl", "swtpm"]).await else { return };
    let tpm = Swtpm::start(&tools).unwrap();
    let slow = Slow::start(&tpm, std::time::Duration::from_millis(200)).unwrap();
    office.configure(&format!("tpm:agent.key?{}", slow.device()));
    office.token("crawler-7", false).await;
    let (code, said) = office.enrol(&["--wait", "30"]);
    assert!(code == 0 && said.contains("made the key tpm:"), "{said}");

    let (upstream, port) = (Upstream::start().await.unwrap(), free_port().unwrap());
    let dns = format!("[dns]\nresolvers = '{}'\ntrust_ad_from = '127.0.0.1'\n", office.primary.address());
    let text = format!(
        "listen = '127.0.0.1:{port}'\nupstream = '{}'\nauthorities = '127.0.0.1:{port}'\n\
         private_peers = 'clients'\nlog.access = 'off'\nstore.fresh = true\n{dns}",
        upstream.url()
    );
    let gateway =
        Gateway::start(Config::parse("gateway", &text).unwrap(), Surroundings::default()).await.unwrap();
    let agent = format!(
        "key = 'tpm:agent.key?{}'\ndomain = 'acme.example'\nagent = 'crawler-7'\n\
         destination = {{ host = '127.0.0.1:{port}' }}\n\
         [proxy]\nlisten = '127.0.0.1:0'\nallow_networks = '127.0.0.0/8'\n[admin]\nlisten = '127.0.0.1:0'\n{dns}",
        slow.device()
    );
    let agent = Agent::start(office.path(), &agent);
    assert_eq!(agent.curled(&[&format!("http://127.0.0.1:{port}/prices")]), "ok");
    let received = upstream.received();
    assert_eq!(told(&received[0]), ["3", "crawler-7@acme.example", "saip-rolling"]);
    agent.stop();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_asks_for_a_tpm_enrols_a_key_in_one_of_a_known_maker_and_no_other() {
    let mut makers = None;
    let want = |tools: &Peers| {
        let (known, foreign) = (Maker::new(tools).unwrap(), Maker::new(tools).unwrap());
        let tpms = [known.start().unwrap(), foreign.start().unwrap()];
        let (roots, intermediates) = (vec![known.root()], vec![known.issuer()]);
        makers = Some((tpms, known, foreign));
        Some(Attestation { roots, intermediates, ..Attestation::default() })
    };
    let Some((office, _)) = Office::asking(&MAKER, want).await else { return };
    let Some((tpms, ..)) = &makers else { return };
    office
        .token_by(json!({ "name": "t", "agents": "crawler-7", "uses": 2, "lasts": 600, "attested": true }))
        .await;
    let before = office.primary.serial().unwrap();
    let (code, said) = office.enrol(&["--wait", "0"]);
    assert!(code == 3 && said.contains("this one is in none: set `key = \"tpm:PATH\"`"), "{code}: {said}");
    office.configure(&format!("tpm:foreign.key?{}", tpms[1].device()));
    let (code, said) = office.enrol(&["--wait", "0"]);
    assert!(code == 1 && said.contains("(endorsement-unknown)"), "{code}: {said}");
    assert_eq!(office.primary.serial().unwrap(), before);

    office.configure(&format!("tpm:crawler.key?{}", tpms[0].device()));
    let (code, said) = office.enrol(&["--wait", "60"]);
    for step in ["made the key tpm:", "which attests it now", "has enrolled", "the key is published"] {
        assert!(code == 0 && said.contains(step), "{code}: {said}");
    }
    let (code, said) = office.enrol(&["--wait", "0"]);
    assert!(code == 0 && said.contains("the key is there"), "{code}: {said}");
}

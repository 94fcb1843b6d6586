//! Files of the operator's that are broken, at the start and at a reload; and an operator's port that is taken.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use avouch_tls::{Connector, Protocol};
use testkit::binary;
use testkit::bind::free_port;
use testkit::certificate::Certificate;
use testkit::process::Process;
use testkit::raw::exchange;
use testkit::upstream::Upstream;
use tokio::net::TcpStream;

use super::super::world::anonymous;
use super::{PATIENCE, came, configuration, echo, figure};

const FAILED: &str = "avouch_reloads_total{outcome=\"failed\"}";
const DONE: &str = "avouch_reloads_total{outcome=\"done\"}";
const RULE: &str = "[[rule]]\nname = 'all'\nwhen = { path = '/enforced' }\nthen = { action = 'reject' }\n";

/// `avouch gateway run` on files that are changed.
struct Operated {
    folder: tempfile::TempDir,
    _upstream: Upstream,
    process: Process,
    address: SocketAddr,
    admin: SocketAddr,
    text: String,
}

impl Operated {
    /// With these files beside the configuration, and lines in it.
    async fn start(files: &[(&str, &str)], lines: &str) -> Self {
        let (folder, upstream) = (tempfile::tempdir().unwrap(), echo().await);
        for (name, content) in files {
            fs::write(folder.path().join(name), content).unwrap();
        }
        let admin = SocketAddr::from(([127, 0, 0, 1], free_port().unwrap()));
        let lines = format!("admin.listen = '{admin}'\ndns.resolvers = '127.0.0.1'\n{lines}");
        let text = configuration(&upstream, &lines);
        fs::write(folder.path().join("gateway.toml"), &text).unwrap();
        let mut run = Command::new(binary::path());
        run.args(["gateway", "run", "--config", "gateway.toml"]).current_dir(folder.path());
        let process = Process::start(&mut run).unwrap();
        let address = process.hear(|line| line.strip_prefix("listening on ")?.parse().ok()).unwrap();
        Self { folder, _upstream: upstream, process, address, admin, text }
    }

    /// Writes a file, and waits for what the log says of it.
    fn write(&self, file: &str, content: &str, said: &str) {
        let new = self.folder.path().join("new");
        fs::write(&new, content).unwrap();
        fs::rename(new, self.folder.path().join(file)).unwrap();
        self.process.hear(|line| line.contains(said).then_some(())).unwrap();
    }

    async fn sent(&self) -> String {
        came(&exchange(self.address, anonymous("/enforced")).await.unwrap().unwrap())
    }
}

const STAYS: &str = "configuration not reloaded, the one before stays in force";

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_configuration_or_policy_leaves_the_one_before_in_force_and_is_counted() {
    let site = Operated::start(&[("policy.toml", RULE)], "policy.file = 'policy.toml'").await;
    assert_eq!(site.sent().await, "403 by-policy");
    let broken = RULE.replace("reject", "shrug");
    for (count, (file, sound, broken)) in
        [("gateway.toml", site.text.as_str(), "mode = "), ("policy.toml", RULE, &broken)].iter().enumerate()
    {
        site.write(file, broken, STAYS);
        assert_eq!(site.sent().await, "403 by-policy", "{file}");
        assert_eq!(figure(site.admin, FAILED).await, 1.0 + count as f64, "{file}");
        site.write(file, sound, "configuration reloaded");
        assert_eq!(site.sent().await, "403 by-policy", "{file}");
    }
    assert_eq!(figure(site.admin, DONE).await, 2.0);
    site.write("policy.toml", "", "configuration reloaded");
    assert_eq!(site.sent().await, "200 0 anonymous - accept", "a sound one counts");
}

/// A handshake with whoever trusts this certificate.
async fn meets(address: SocketAddr, trusted: &Certificate) -> bool {
    let connector = Connector::trusting(trusted.certificate.as_bytes(), &[Protocol::Http1]).unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    connector.connect("www.shop.example", stream).await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_gone_or_anothers_leaves_the_one_before_in_service() {
    let made = || Certificate::of(&["www.shop.example"]).unwrap();
    let (first, second) = (made(), made());
    let files = [("chain.pem", first.certificate.as_str()), ("key.pem", &first.key)];
    let site = Operated::start(&files, "tls.cert = 'chain.pem'\ntls.key = 'key.pem'").await;
    assert!(meets(site.address, &first).await);
    site.write("key.pem", &second.key, STAYS);
    assert!(meets(site.address, &first).await, "another's key");
    fs::remove_file(site.folder.path().join("chain.pem")).unwrap();
    site.process.hear(|line| line.contains(STAYS).then_some(())).unwrap();
    assert!(meets(site.address, &first).await, "no certificate");
    assert_eq!(figure(site.admin, FAILED).await, 2.0);
    site.write("chain.pem", &second.certificate, "configuration reloaded");
    assert!(meets(site.address, &second).await && !meets(site.address, &first).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_certificate_is_served_said_and_shown_and_clients_refuse_it() {
    let (sound, expired) = (
        Certificate::of(&["www.shop.example"]).unwrap(),
        Certificate::expired(&["www.shop.example"]).unwrap(),
    );
    let pem = |made: &Certificate| format!("{}{}", made.certificate, made.key);
    let files = [("pair.pem", pem(&sound))];
    let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
    let site = Operated::start(&files, "tls.cert = 'pair.pem'\ntls.key = 'pair.pem'").await;
    let shows = async |expected: fn(f64) -> bool| {
        let waiting = async {
            while !expected(figure(site.admin, "avouch_certificate_seconds_left").await) {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("the figure");
    };
    shows(|left| left > 0.0).await;
    site.write("pair.pem", &pem(&expired), "the TLS certificate has expired");
    shows(|left| left < 0.0).await;
    assert!(!meets(site.address, &expired).await, "whoever looks refuses it");
    site.write("pair.pem", &pem(&sound), "configuration reloaded");
    assert!(meets(site.address, &sound).await);
    shows(|left| left > 0.0).await;
}

/// What the program says and how it ends, on these lines.
async fn started(lines: &str) -> (Option<i32>, String) {
    let (folder, upstream) = (tempfile::tempdir().unwrap(), echo().await);
    fs::write(folder.path().join("policy.toml"), RULE.replace("reject", "shrug")).unwrap();
    let text = configuration(&upstream, &format!("dns.resolvers = '127.0.0.1'\n{lines}"));
    fs::write(folder.path().join("gateway.toml"), text).unwrap();
    let mut run = Command::new(binary::path());
    let run = run.args(["gateway", "run", "--config", "gateway.toml"]).current_dir(folder.path());
    let ended = run.output().unwrap();
    (ended.status.code(), String::from_utf8(ended.stderr).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_used_at_the_start_is_no_start_and_says_what_to_mend() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let taken = taken.local_addr().unwrap();
    let held = std::net::TcpListener::bind(taken);
    for (lines, said) in [
        (format!("admin.listen = '{taken}'"), format!("cannot listen on {taken}: Address already in use")),
        ("policy.file = 'policy.toml'".to_owned(), "policy.toml:4:".to_owned()),
        ("tls.cert = 'no.pem'\ntls.key = 'no.pem'".to_owned(), "cannot read".to_owned()),
        ("limits.head_time = 7".to_owned(), "gateway.toml:".to_owned()),
        ("store.url = 'file:gateway.toml'".to_owned(), "cannot use".to_owned()),
    ] {
        let (code, text) = started(&lines).await;
        assert_eq!(code, Some(3), "{lines}: {text}");
        assert!(text.contains(&said), "{lines}: {text}");
    }
    drop(held);
}

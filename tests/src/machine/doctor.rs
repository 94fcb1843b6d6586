//! `avouch doctor` beside a site that is well, and one of which a single thing is not.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use avouch_dns::SignedZones;
use testkit::binary;
use testkit::upstream::Upstream;
use tokio::net::UdpSocket;

/// A time server that knows the machine's own time, until the test ends.
#[expect(clippy::disallowed_methods, reason = "it tells the machine's own time")]
pub(super) async fn time_server() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut message = [0; 48];
        while let Ok((_, client)) = socket.recv_from(&mut message).await {
            let seconds =
                SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_secs(2_208_988_800);
            let time = (seconds.as_secs() << 32).to_be_bytes();
            (message[0], message[1]) = (0x24, 1);
            message.copy_within(40..48, 24);
            message[32..40].copy_from_slice(&time);
            message[40..].copy_from_slice(&time);
            let _ = socket.send_to(&message, client).await;
        }
    });
    address
}

/// A name server that knows the site to be on this machine.
pub(super) async fn name_server() -> SignedZones {
    SignedZones::start("www.shop.example. A 127.0.0.1").await.unwrap()
}

/// Writes a certificate for the site, its key, and the root that leads to it.
fn certify(folder: &Path) {
    let mut root = rcgen::CertificateParams::new(Vec::new()).unwrap();
    root.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let root = rcgen::CertifiedIssuer::self_signed(root, rcgen::KeyPair::generate().unwrap()).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let mut leaf = rcgen::CertificateParams::new(vec!["www.shop.example".to_owned()]).unwrap();
    leaf.not_before = rcgen::date_time_ymd(2020, 1, 1);
    leaf.not_after = rcgen::date_time_ymd(2060, 1, 1);
    fs::write(folder.join("cert.pem"), leaf.signed_by(&key, &root).unwrap().pem()).unwrap();
    fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    fs::set_permissions(folder.join("key.pem"), Permissions::from_mode(0o600)).unwrap();
    fs::write(folder.join("root.pem"), root.pem()).unwrap();
}

/// A site that is well.
struct Well {
    folder: tempfile::TempDir,
    zones: SignedZones,
    upstream: Upstream,
    time: SocketAddr,
}

impl Well {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        certify(folder.path());
        let (zones, upstream) = (name_server().await, Upstream::start().await.unwrap());
        fs::write(folder.path().join("anchor"), zones.trust_anchor().to_string()).unwrap();
        Self { folder, zones, upstream, time: time_server().await }
    }

    fn lines(&self) -> String {
        format!(
            "listen = '127.0.0.1:0'\nauthorities = 'www.shop.example'\nupstream = '{}'\n\
             tls.cert = 'cert.pem'\ntls.key = 'key.pem'\nadmin.listen = '127.0.0.1:0'\n\
             dns.resolvers = '{}'\ndns.trust_anchor = 'anchor'\nstore.url = 'file:{}'\n\
             limits.connections = 100\n",
            self.upstream.url(),
            self.zones.address(),
            self.folder.path().join("replay").display()
        )
    }

    /// What is said of this configuration, and the exit code. Of root alone it is said that root may read everything.
    async fn examined(&self, lines: &str) -> (Vec<String>, Option<i32>) {
        fs::write(self.folder.path().join("gateway.toml"), lines).unwrap();
        let mut doctor = Command::new(binary::path());
        doctor.current_dir(self.folder.path()).args([
            "doctor",
            "--config",
            "gateway.toml",
            "--ca",
            "root.pem",
        ]);
        doctor.args(["--ntp", &self.time.to_string()]);
        let output = tokio::task::spawn_blocking(move || doctor.output()).await.unwrap().unwrap();
        let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        let told = said.lines().filter(|line| !line.contains("root, who asks")).map(str::to_owned);
        (told.collect(), output.status.code())
    }

    /// Lines of what is not fine.
    async fn complaints(&self, lines: &str) -> Vec<String> {
        let (said, code) = self.examined(lines).await;
        let found: Vec<_> = said
            .into_iter()
            .filter(|line| line.starts_with("WRONG") || line.starts_with("UNKNOWN"))
            .collect();
        let wrong = found.iter().any(|line| line.starts_with("WRONG"));
        assert!(if wrong { code == Some(1) } else { code != Some(1) }, "{code:?}: {found:?}");
        found
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_is_well_is_found_so_and_each_thing_that_is_not_is_found() {
    let well = Well::start().await;
    let lines = well.lines();
    assert_eq!(well.complaints(&lines).await, [""; 0]);
    for (good, bad, said) in [
        (well.upstream.url(), "http://127.0.0.1:9".to_owned(), "cannot be reached"),
        (well.zones.address().to_string(), "127.0.0.1:9".to_owned(), "does not answer"),
        ("'www.shop.example'".to_owned(), "'shop.example'".to_owned(), "is not for shop.example"),
        (
            "admin.listen = '127.0.0.1:0'".to_owned(),
            "admin.listen = '0.0.0.0:0'".to_owned(),
            "no access control",
        ),
        ("dns.trust_anchor = 'anchor'\n".to_owned(), String::new(), "signatures of DNSSEC"),
        ("connections = 100".to_owned(), "connections = 200000000".to_owned(), "open files"),
        (
            "listen = '127.0.0.1:0'".to_owned(),
            "listen = 'systemd:nobody-passes-this'".to_owned(),
            "no socket unit",
        ),
        ("store.url = 'file:".to_owned(), "store.url = 'file:/proc".to_owned(), "/proc/"),
    ] {
        assert!(lines.contains(&good), "{good}");
        let found = well.complaints(&lines.replacen(&good, &bad, 1)).await;
        assert!(found.iter().any(|line| line.contains(said)), "{said}: {found:?}");
    }
    fs::set_permissions(well.folder.path().join("key.pem"), Permissions::from_mode(0o640)).unwrap();
    let found = well.complaints(&lines).await;
    assert!(found.len() == 1 && found[0].contains("mode 0640"), "{found:?}");
    let (said, code) = well.examined(&format!("{lines}upsteam = 1\n")).await;
    assert!(code == Some(3) && said[0].contains("gateway.toml:"), "{said:?}");
}

//! Disks that are full, read-only or gone, and a log that nobody reads: a real file system of 1 MiB.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use avouch_dns::SignedZones;
use testkit::binary;
use testkit::bind::free_port;
use testkit::peers::{able, require};
use testkit::raw::exchange;
use testkit::upstream::Upstream;
use tokio::time::{sleep, timeout};

use super::super::crash::now;
use super::super::world::{Agent, Ask, anonymous};
use super::{PATIENCE, came, configuration, echo, figure};

const UNREACHABLE: &str = "avouch_reasons_total{reason=\"replay-store-unreachable\"}";
const LOST: &str = "avouch_log_lines_dropped_total";

/// `avouch gateway run` in a world of mounts of its own, where `small` is a disk of 1 MiB.
struct Cramped {
    process: Child,
    folder: tempfile::TempDir,
    address: SocketAddr,
    admin: SocketAddr,
    bot: Agent,
    _zones: SignedZones,
    _upstream: Upstream,
}

impl Cramped {
    /// `None` where ordinary users may not mount anything for themselves.
    async fn start(lines: &str) -> Option<Self> {
        require(&["unshare", "nsenter", "mount", "sh"])?;
        let may = Command::new("unshare").args(["-rm", "mount", "-t", "tmpfs", "none", "/mnt"]).status();
        able("a file system of one's own", may.is_ok_and(|status| status.success()))?;
        let (folder, upstream, bot) =
            (tempfile::tempdir().unwrap(), echo().await, Agent::new("bot", "acme.example"));
        let zones = SignedZones::start(&bot.record()).await.unwrap();
        fs::write(folder.path().join("root.anchor"), zones.trust_anchor().to_string()).unwrap();
        fs::create_dir(folder.path().join("small")).unwrap();
        let admin = SocketAddr::from(([127, 0, 0, 1], free_port().unwrap()));
        let lines = format!(
            "admin.listen = '{admin}'\ndns.resolvers = '{}'\ndns.trust_anchor = 'root.anchor'\n{lines}",
            zones.address()
        );
        fs::write(folder.path().join("gateway.toml"), configuration(&upstream, &lines)).unwrap();
        let script = "mount -t tmpfs -o size=1M none small && exec \"$0\" gateway run --config gateway.toml";
        let mut process = Command::new("unshare")
            .args(["-rm", "sh", "-c", script])
            .arg(binary::path())
            .current_dir(folder.path())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(process.stderr.take().unwrap()).lines().map_while(Result::ok);
        let address = said.find_map(|line| line.strip_prefix("listening on ")?.parse().ok()).unwrap();
        std::thread::spawn(move || said.for_each(drop));
        Some(Self { process, folder, address, admin, bot, _zones: zones, _upstream: upstream })
    }

    /// The small disk, as it is there.
    fn small(&self) -> PathBuf {
        let folder = self.folder.path().strip_prefix("/").unwrap();
        PathBuf::from(format!("/proc/{}/root", self.process.id())).join(folder).join("small")
    }

    /// Leaves no room on it.
    fn fill(&self) {
        let mut file = File::create(self.small().join("filler")).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
    }

    /// Runs a command among its mounts.
    fn within(&self, command: &str) {
        let process = self.process.id().to_string();
        let mut enter = Command::new("nsenter");
        let command = format!("cd '{}' && {command}", self.folder.path().display());
        enter.args(["-t", &process, "-U", "-m", "--preserve-credentials", "sh", "-c", &command]);
        assert!(enter.status().unwrap().success(), "{command}");
    }

    /// What a request of the agent's comes to on this route.
    async fn signed(&self, path: &str) -> String {
        came(&exchange(self.address, self.bot.request(Ask::get(path).at(now()))).await.unwrap().unwrap())
    }

    async fn silent(&self) -> String {
        came(&exchange(self.address, anonymous("/enforced")).await.unwrap().unwrap())
    }

    async fn comes_to(&self, path: &str, expected: &str) {
        let waiting = async {
            while self.signed(path).await != expected {
                sleep(Duration::from_millis(100)).await;
            }
        };
        let came = timeout(PATIENCE, waiting).await;
        assert!(came.is_ok(), "{}", self.signed(path).await);
    }

    /// Nothing signed is accepted, and who signs nothing is served.
    async fn takes_nothing(&self) {
        let unreachable = "503 replay-store-unreachable";
        self.comes_to("/enforced", unreachable).await;
        assert_eq!(self.signed("/proved").await, unreachable);
        assert_eq!(self.signed("/observed").await, "200 1 undetermined - -");
        assert_eq!(self.signed("/advised").await, "200 1 undetermined - unavailable");
        assert_eq!(self.signed("/excused").await, "200 0 undetermined - accept");
        assert_eq!(self.silent().await, "200 0 anonymous - accept");
        assert!(figure(self.admin, UNREACHABLE).await >= 4.0);
    }
}

impl Drop for Cramped {
    fn drop(&mut self) {
        // Where it has ended already, nothing is left to do.
        let _ended = self.process.kill().and_then(|()| self.process.wait());
    }
}

const VERIFIED: &str = "200 3 verified bot@acme.example accept";
const STORE: &str = "store.url = 'file:small/store'";

#[tokio::test(flavor = "multi_thread")]
async fn while_the_disk_is_full_nothing_signed_is_accepted_and_lost_lines_are_counted() {
    let Some(site) = Cramped::start(&format!("{STORE}\nlog.access = 'small/access.log'")).await else {
        return;
    };
    assert_eq!(site.signed("/enforced").await, VERIFIED);
    assert_eq!(figure(site.admin, LOST).await, 0.0);
    site.fill();
    site.takes_nothing().await;
    // A page of the log may have had room for some lines; not for these.
    for _ in 0..50 {
        assert_eq!(site.silent().await, "200 0 anonymous - accept");
    }
    let counted = async {
        while figure(site.admin, LOST).await < 30.0 {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, counted).await.expect("lost lines are counted");
    fs::remove_file(site.small().join("filler")).unwrap();
    site.comes_to("/enforced", VERIFIED).await;
    let log = site.small().join("access.log");
    let whole = async {
        loop {
            let text = fs::read_to_string(&log).unwrap();
            if text.ends_with('\n') && text.lines().last().is_some_and(|line| line.contains("verified")) {
                return text;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    let text = timeout(PATIENCE, whole).await.expect("lines are written again");
    let broken = text.lines().filter(|line| serde_json::from_str::<serde_json::Value>(line).is_err()).count();
    assert!(broken <= 1, "no line is glued to the one that tore: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_replay_folder_is_read_only_or_gone_nothing_signed_is_accepted() {
    let Some(site) = Cramped::start(STORE).await else { return };
    assert_eq!(site.signed("/enforced").await, VERIFIED);
    site.within("mount -t tmpfs -o ro none small/store");
    site.takes_nothing().await;
    site.within("umount small/store");
    site.comes_to("/enforced", VERIFIED).await;
    site.within("mv small/store small/gone");
    site.takes_nothing().await;
    site.within("mv small/gone small/store");
    site.comes_to("/enforced", VERIFIED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_nobody_reads_any_more_is_counted_and_stops_nothing() {
    let (folder, upstream) = (tempfile::tempdir().unwrap(), echo().await);
    let admin = SocketAddr::from(([127, 0, 0, 1], free_port().unwrap()));
    let lines = format!("admin.listen = '{admin}'\ndns.resolvers = '127.0.0.1'\nlog.access = 'stdout'");
    fs::write(folder.path().join("gateway.toml"), configuration(&upstream, &lines)).unwrap();
    let mut run = Command::new(binary::path());
    run.args(["gateway", "run", "--config", "gateway.toml"]).current_dir(folder.path());
    let mut process = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(process.stderr.take().unwrap()).lines().map_while(Result::ok);
    let address: SocketAddr = said.find_map(|line| line.strip_prefix("listening on ")?.parse().ok()).unwrap();
    drop(process.stdout.take());
    let counted = async {
        while figure(admin, LOST).await < 5.0 {
            let answer = exchange(address, anonymous("/enforced")).await.unwrap().unwrap();
            assert_eq!(came(&answer), "200 0 anonymous - accept");
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, counted).await.expect("lost lines are counted");
    assert!(said.any(|line| line.contains("cannot write the access log: lines are lost, and counted")));
    process.kill().unwrap();
    process.wait().unwrap();
}

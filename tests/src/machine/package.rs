//! The Debian package: what Debian says of it, and what becomes of a Debian root that it is installed in.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use testkit::bind::free_port;
use testkit::peers::{require, require_debian};
use testkit::process::Process;
use testkit::raw::exchange;
use testkit::upstream::Upstream;

use super::doctor::{name_server, time_server};

/// The units in it.
const UNITS: [&str; 5] = [
    "avouch.service",
    "avouch.socket",
    "avouch-agent.service",
    "avouch-registrar.service",
    "avouch-entity.service",
];

/// Builds the package of the program as it was built beside the tests.
fn build() -> PathBuf {
    let xtask = testkit::binary::path().with_file_name("xtask");
    let output = Command::new(xtask).args(["package", "--debug"]).output().unwrap();
    assert!(output.status.success(), "{}", printed(&output));
    let said = String::from_utf8(output.stdout).unwrap();
    said.lines().find(|line| line.ends_with(".deb")).unwrap().into()
}

fn printed(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A Debian root of its own.
struct Debian(tempfile::TempDir);

impl Debian {
    fn of(root: &Path) -> Self {
        let place = tempfile::tempdir().unwrap();
        // Its folder itself, too: others than root have to pass through it.
        let copied =
            Command::new("cp").args(["-a", "--no-target-directory"]).arg(root).arg(place.path()).status();
        assert!(copied.unwrap().success());
        Self(place)
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.0.path().join(inside.trim_start_matches('/'))
    }

    /// A command in it, with its own `/proc`, which is there for as long as the command.
    fn command(&self, user: &str, words: &[&str]) -> Command {
        let mut command = Command::new("unshare");
        let enter = r#"mount -t proc proc "$1/proc" && exec chroot --userspec="$2" "$1" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin "${@:3}""#;
        command.args(["--mount", "bash", "-c", enter, "bash"]).arg(self.0.path()).arg(user).args(words);
        command
    }

    fn run(&self, user: &str, words: &[&str]) -> Output {
        self.command(user, words).output().unwrap()
    }

    fn dpkg(&self, words: &[&str]) {
        let output = self.run("root", &[&["dpkg"], words].concat());
        assert!(output.status.success(), "{words:?}: {}", printed(&output));
    }

    /// Everything in the folders that a package may use, but what dpkg remembers.
    fn files(&self) -> BTreeSet<PathBuf> {
        let mut found = BTreeSet::new();
        let mut folders: Vec<_> = ["etc", "usr", "var", "run"].map(PathBuf::from).to_vec();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(self.0.path().join(&folder)).unwrap().map(Result::unwrap) {
                let path = folder.join(entry.file_name());
                if entry.file_type().unwrap().is_dir() {
                    folders.push(path.clone());
                }
                if !path.starts_with("var/lib/dpkg") {
                    found.insert(path);
                }
            }
        }
        found
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_package_installs_is_well_serves_keeps_what_was_changed_and_goes_without_a_trace() {
    let (Some(root), Some(peers)) = (require_debian(), require(&["lintian", "dpkg-deb", "dpkg-shlibdeps"]))
    else {
        return;
    };
    let package = build();
    let lintian =
        Command::new(peers.path("lintian")).args(["--fail-on", "error,warning"]).arg(&package).output();
    let lintian = lintian.unwrap();
    assert!(lintian.status.success(), "{}", printed(&lintian));

    let debian = Debian::of(&root);
    let before = debian.files();
    fs::copy(&package, debian.path("avouch.deb")).unwrap();
    debian.dpkg(&["--install", "/avouch.deb"]);
    for file in [
        "usr/bin/avouch",
        "usr/share/man/man1/avouch-gateway-run.1.gz",
        "usr/share/man/man1/avouch-agent-run.1.gz",
        "usr/share/man/man1/avouch-registrar-run.1.gz",
        "usr/share/man/man1/avouch-doctor.1.gz",
        "usr/share/bash-completion/completions/avouch",
        "usr/share/doc/avouch/sbom.cdx.json",
    ] {
        assert!(debian.path(file).is_file(), "{file}");
    }
    let verified = debian.run("root", &[&["systemd-analyze", "--man=no", "verify"], &UNITS[..]].concat());
    assert!(verified.status.success(), "{}", printed(&verified));
    is_well_once_it_has_a_site(&debian).await;

    let changed = fs::read_to_string(debian.path("/etc/avouch/gateway.toml")).unwrap();
    debian.dpkg(&["--install", "/avouch.deb"]);
    debian.dpkg(&["--remove", "avouch"]);
    assert_eq!(fs::read_to_string(debian.path("/etc/avouch/gateway.toml")).unwrap(), changed);
    assert!(!debian.path("usr/bin/avouch").exists());
    fs::remove_file(debian.path("etc/avouch/root.anchor")).unwrap();
    debian.dpkg(&["--purge", "avouch"]);
    let left: Vec<_> = debian.files().difference(&before).cloned().collect();
    // The folder in `/run` is gone with the next start of the machine, copies of the lists of users stay.
    let expected = |path: &PathBuf| {
        path.starts_with("run")
            || path.starts_with("var/log/dpkg.log")
            || path.to_string_lossy().ends_with('-')
    };
    assert!(left.iter().all(expected), "{left:?}");
}

/// What was just installed is told what it lacks; with a site it is well, and serves.
async fn is_well_once_it_has_a_site(debian: &Debian) {
    let (zones, upstream, time) =
        (name_server().await, Upstream::start().await.unwrap(), time_server().await);
    let time = time.to_string();
    let ask = ["avouch", "doctor", "--ntp", &time];
    let lacking = debian.run("avouch", &ask);
    assert_eq!(lacking.status.code(), Some(1));
    assert!(printed(&lacking).contains("authorities is empty"), "{}", printed(&lacking));
    assert!(printed(&lacking).contains("http://127.0.0.1:8000 cannot be reached"), "{}", printed(&lacking));

    let (site, admin) = (free_port().unwrap(), free_port().unwrap());
    let file = debian.path("/etc/avouch/gateway.toml");
    let shipped = fs::read_to_string(&file).unwrap();
    let own = shipped
        .replace("authorities = []", "authorities = [\"www.shop.example\"]")
        .replace("http://127.0.0.1:8000", &upstream.url())
        .replace("127.0.0.1:8480", &format!("127.0.0.1:{site}"))
        .replace("127.0.0.1:9180", &format!("127.0.0.1:{admin}"));
    let own = format!("{own}\n[dns]\nresolvers = \"{}\"\ntrust_anchor = \"root.anchor\"\n", zones.address());
    fs::write(&file, own).unwrap();
    fs::write(debian.path("/etc/avouch/root.anchor"), zones.trust_anchor().to_string()).unwrap();
    let (well, said) = {
        let output = debian.run("avouch", &ask);
        (output.status.code(), printed(&output))
    };
    assert_eq!(well, Some(0), "{said}");
    assert!(said.contains("ok      service       avouch.service is installed"), "{said}");

    let run = ["avouch", "gateway", "run", "--config", "/etc/avouch/gateway.toml"];
    let mut process = Process::start(&mut debian.command("avouch", &run)).unwrap();
    process.hear(|line| line.starts_with("listening on").then_some(())).unwrap();
    let address = ([127, 0, 0, 1], site).into();
    let answer =
        exchange(address, "GET / HTTP/1.1\r\nHost: www.shop.example\r\n\r\n").await.unwrap().unwrap();
    assert_eq!(answer.status(), 200);
    // While it is at work, its ports are in use, and it is well all the same.
    let output = debian.run("avouch", &ask);
    assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
    assert!(printed(&output).contains("is held by avouch, which is at work"), "{}", printed(&output));
    process.signal("TERM").unwrap();
    assert_eq!(process.wait().unwrap().code(), Some(0));
}

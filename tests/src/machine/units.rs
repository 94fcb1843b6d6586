//! The units of systemd's that are shipped, as systemd reads them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use testkit::peers::{Peers, require};

/// How much of the system the service may reach, in tenths, as `systemd-analyze security` counts (0 to 100).
const EXPOSURE: u32 = 15;

/// The same for a service that may open ports of the system's: it sees the system's users for it.
const WITH_PORT: &str = "--threshold=25";

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/systemd")
}

/// A root with the units in it, those of systemd's own, and programs where the units look for them.
fn root(change: impl Fn(&str) -> String) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let units = root.path().join("etc/systemd/system");
    let programs = root.path().join("usr/bin");
    let own = root.path().join("usr/lib/systemd/system");
    for folder in [&units, &programs, &own] {
        fs::create_dir_all(folder).unwrap();
    }
    for folder in ["bin", "lib"] {
        symlink(format!("usr/{folder}"), root.path().join(folder)).unwrap();
    }
    // systemd asks of a program only that it can be run.
    for program in ["avouch", "kill"] {
        fs::copy("/bin/true", programs.join(program)).unwrap();
    }
    for unit in fs::read_dir("/lib/systemd/system").unwrap().map(|unit| unit.unwrap().path()) {
        if unit.is_file() {
            fs::copy(&unit, own.join(unit.file_name().unwrap())).unwrap();
        }
    }
    for unit in fs::read_dir(shipped()).unwrap().map(|unit| unit.unwrap().path()) {
        let text = change(&fs::read_to_string(&unit).unwrap());
        fs::write(units.join(unit.file_name().unwrap()), text).unwrap();
    }
    root
}

fn analyze(peers: &Peers, root: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(peers.path("systemd-analyze"));
    command.arg("--man=no").arg(format!("--root={}", root.display())).args(words).output().unwrap()
}

fn printed(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units_and_something_with_a_near_miss() {
    let Some(peers) = require(&["systemd-analyze"]) else { return };
    let verify = [
        "verify",
        "avouch.service",
        "avouch.socket",
        "avouch-agent.service",
        "avouch-registrar.service",
        "avouch-entity.service",
    ];
    let plain = root(str::to_owned);
    let verified = analyze(&peers, plain.path(), &verify);
    assert!(verified.status.success() && printed(&verified).is_empty(), "{}", printed(&verified));
    let missing = root(|text| text.replace("/usr/bin/avouch", "/usr/bin/evouch"));
    assert!(!analyze(&peers, missing.path(), &verify).status.success());
    let mistyped = root(|text| text.replace("Backlog=", "Backlogg="));
    assert!(printed(&analyze(&peers, mistyped.path(), &verify)).contains("Backlogg"));
}

/// What the manual has a registrar be given for port 53, and a registration entity for port 443.
#[test]
fn with_a_port_of_the_systems_they_still_reach_little_of_it() {
    let Some(peers) = require(&["systemd-analyze"]) else { return };
    let plain = root(str::to_owned);
    let manuals = [
        ("avouch-registrar.service", include_str!("../../../docs/operate/registrar.md")),
        ("avouch-entity.service", include_str!("../../../docs/operate/entity.md")),
    ];
    for (unit, manual) in manuals {
        let folder = plain.path().join(format!("etc/systemd/system/{unit}.d"));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("port.conf"), crate::interop::world::block(manual, "ini", 0)).unwrap();
        let verified = analyze(&peers, plain.path(), &["verify", unit]);
        assert!(verified.status.success() && printed(&verified).is_empty(), "{}", printed(&verified));
        let words = ["security", "--offline=true", "--no-pager", WITH_PORT, unit];
        let rated = analyze(&peers, plain.path(), &words);
        assert!(rated.status.success(), "{}", printed(&rated));
    }
}

#[test]
fn the_services_reach_little_of_the_system() {
    let Some(peers) = require(&["systemd-analyze"]) else { return };
    let threshold = format!("--threshold={EXPOSURE}");
    let words = ["security", "--offline=true", "--no-pager", &threshold];
    let (plain, open) = (
        root(str::to_owned),
        root(|text| text.replace("CapabilityBoundingSet=\n", "").replace("SystemCallFilter=", "#")),
    );
    for unit in
        ["avouch.service", "avouch-agent.service", "avouch-registrar.service", "avouch-entity.service"]
    {
        let words = [&words[..], &[unit]].concat();
        let rated = analyze(&peers, plain.path(), &words);
        assert!(rated.status.success(), "{}", printed(&rated));
        assert!(!analyze(&peers, open.path(), &words).status.success());
    }
}

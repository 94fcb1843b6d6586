//! The outside programs that tests talk to, and the packages that bring them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cargo;
use crate::finding::Finding;
use crate::house::{self, Workspace};

/// Program and Debian package.
const PEERS: &[(&str, &str)] = &[
    ("c++", "g++"),
    ("named", "bind9"),
    ("dnssec-signzone", "bind9-utils"),
    ("dig", "bind9-dnsutils"),
    ("nsupdate", "bind9-dnsutils"),
    ("delv", "bind9-dnsutils"),
    ("knotd", "knot"),
    ("unbound", "unbound"),
    ("initdb", "postgresql-15"),
    ("nginx", "nginx"),
    ("curl", "curl"),
    ("openssl", "openssl"),
    ("wrk", "wrk"),
    ("nghttp", "nghttp2-client"),
    ("h2load", "nghttp2-client"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("python3", "python3"),
    ("caddy", "caddy"),
    ("haproxy", "haproxy"),
    ("redis-server", "redis-server"),
    ("redis-cli", "redis-tools"),
    ("prometheus", "prometheus"),
    ("promtool", "prometheus"),
    ("rsyslogd", "rsyslog"),
    ("systemd-analyze", "systemd"),
    ("systemd-socket-activate", "systemd"),
    ("debootstrap", "debootstrap"),
    ("dpkg-shlibdeps", "dpkg-dev"),
    ("lintian", "lintian"),
    ("chromium", "chromium"),
    ("pebble", "pebble"),
    ("softhsm2-util", "softhsm2"),
    ("swtpm", "swtpm"),
    ("swtpm_setup", "swtpm-tools"),
    ("swtpm_localca", "swtpm-tools"),
];

/// Packages of npm's that tests talk to: the folder that names them, at fixed versions, and where npm says what it
/// has installed there.
const NPM: &str = "tests/partners/npm";
const NPM_INSTALLED: &str = "node_modules/.package-lock.json";

/// Programs that are packages of pip's: the folder that names them, at fixed versions, and where they are installed.
const PIP: &str = "tests/partners/pip";
const PIP_NAMED: &str = "requirements.txt";
const PIP_FOLDER: &str = "venv";
/// A copy of the names, made when all of them were installed.
const PIP_INSTALLED: &str = "venv/installed.txt";

/// A Debian root to install our package in, in the folder where things are built; and what it has beside the least.
const DEBIAN: &str = "debian";
const DEBIAN_HAS: &str = "--include=systemd,ca-certificates";

/// Where programs are beside PATH: Debian leaves servers out of an ordinary user's PATH, and those of PostgreSQL out of
/// everybody's.
const SYSTEM_FOLDERS: [&str; 4] = ["/usr/sbin", "/usr/local/sbin", "/sbin", "/usr/lib/postgresql/15/bin"];

/// Programs and packages that are not installed.
pub(crate) fn missing() -> Vec<&'static str> {
    let programs = PEERS.iter().map(|(program, _)| *program).filter(|program| !is_installed(program));
    let packages = [
        (are_packages_installed(), NPM),
        (are_pip_packages_installed(), PIP),
        (debian().is_ok_and(|root| root.is_dir()), "a Debian root"),
    ];
    programs.chain(packages.into_iter().filter_map(|(there, name)| (!there).then_some(name))).collect()
}

/// A finding for each program that is not installed.
pub(crate) fn check() -> Vec<Finding> {
    let mend = "run `cargo xtask test --install`";
    missing().into_iter().map(|program| Finding::new(program, "is not installed", mend)).collect()
}

/// Installs what is missing: programs with apt, packages with npm and pip, the test runner with cargo.
///
/// Tests start their own instances; a service that a package starts, or fails to start, is not used.
pub(crate) fn install() -> Vec<Finding> {
    let absent = PEERS.iter().filter(|(program, _)| !is_installed(program)).map(|(_, package)| *package);
    // What makes environments for pip is a package apart, and no program.
    let venv = !are_pip_packages_installed() && !answers("python3", &["-c", "import ensurepip"]);
    let absent: BTreeSet<&str> = absent.chain(venv.then_some("python3-venv")).collect();
    let mut findings = Vec::new();
    if !absent.is_empty() {
        // Lists that could not be refreshed matter only if the packages are then not found.
        let update = apt(&["update"]);
        let words: Vec<&str> =
            ["install", "--yes", "--no-install-recommends"].into_iter().chain(absent).collect();
        let install = apt(&words);
        if !install.is_empty() {
            findings.extend(update.into_iter().chain(install));
        }
    }
    if !are_packages_installed() {
        let mut install = cargo::command("npm", &["ci"]);
        install.current_dir(house::root().join(NPM));
        findings.extend(cargo::open(&mut install, "run `npm ci` there by hand"));
    }
    if !are_pip_packages_installed() {
        findings.extend(install_pip_packages());
    }
    findings.extend(install_debian().err().into_iter().flatten());
    if !answers("cargo", &["nextest", "--version"]) {
        // Without the code that updates itself it is built in a fraction of the time.
        let features = ["--no-default-features", "--features", "default-no-update"];
        let mut install = cargo::command("cargo", &["install", "cargo-nextest", "--locked"]);
        install.args(features);
        findings.extend(cargo::open(&mut install, "install cargo-nextest by hand"));
    }
    findings
}

fn debian() -> Result<PathBuf, Vec<Finding>> {
    Ok(Workspace::at("Cargo.toml")?.target_folder().join(DEBIAN))
}

/// Makes a Debian root of the release that this machine has, whole or not at all.
fn install_debian() -> Result<(), Vec<Finding>> {
    let root = debian()?;
    if root.is_dir() {
        return Ok(());
    }
    let mend = "run debootstrap by hand, as root";
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let release = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    let release = release.ok_or_else(|| vec![Finding::new("/etc/os-release", "names no release", mend)])?;
    let (begun, whole) = (root.with_extension("begun").display().to_string(), root.display().to_string());
    let make = format!(
        "rm -rf '{begun}' && debootstrap --variant=minbase {DEBIAN_HAS} '{release}' '{begun}' >/dev/null && \
         rm -rf '{begun}'/var/cache/apt/* '{begun}'/var/lib/apt/lists/* && mv '{begun}' '{whole}'"
    );
    let mut line = as_root();
    line.extend(["sh", "-c", &make]);
    settled(run(&line, mend))
}

fn settled(findings: Vec<Finding>) -> Result<(), Vec<Finding>> {
    if findings.is_empty() { Ok(()) } else { Err(findings) }
}

/// Whether npm's packages are there, and younger than the file that names their versions.
fn are_packages_installed() -> bool {
    let changed =
        |file: &str| house::root().join(NPM).join(file).metadata().and_then(|found| found.modified());
    match (changed("package-lock.json"), changed(NPM_INSTALLED)) {
        (Ok(named), Ok(installed)) => named <= installed,
        _ => false,
    }
}

/// Whether pip's packages are there, as they are named now.
fn are_pip_packages_installed() -> bool {
    let read = |file: &str| std::fs::read(house::root().join(PIP).join(file)).ok();
    read(PIP_NAMED).is_some_and(|named| read(PIP_INSTALLED).as_ref() == Some(&named))
}

/// Installs pip's packages in an environment of their own, which changes nothing of the system's.
fn install_pip_packages() -> Vec<Finding> {
    let folder = house::root().join(PIP);
    let mend = "run `python3 -m venv venv` and `venv/bin/pip install -r requirements.txt` there by hand";
    let own_pip = folder.join(PIP_FOLDER).join("bin/pip").display().to_string();
    let steps: [(&str, &[&str]); 2] =
        [("python3", &["-m", "venv", PIP_FOLDER]), (&own_pip, &["install", "--quiet", "-r", PIP_NAMED])];
    for (program, arguments) in steps {
        let findings = cargo::open(cargo::command(program, arguments).current_dir(&folder), mend);
        if !findings.is_empty() {
            return findings;
        }
    }
    let noted = std::fs::copy(folder.join(PIP_NAMED), folder.join(PIP_INSTALLED));
    noted.err().map(|error| Finding::new(PIP_INSTALLED, error.to_string(), mend)).into_iter().collect()
}

/// Runs apt-get, as root or through sudo, and waits for whoever else is installing.
fn apt(words: &[&str]) -> Vec<Finding> {
    let own =
        ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet", "-o", "DPkg::Lock::Timeout=300"];
    let line: Vec<&str> = as_root().into_iter().chain(own).chain(words.iter().copied()).collect();
    run(&line, "run it as root, or install the packages by hand")
}

/// What a command of root's begins with.
fn as_root() -> Vec<&'static str> {
    if !is_root() && is_installed("sudo") { vec!["sudo"] } else { Vec::new() }
}

fn run(line: &[&str], mend: &str) -> Vec<Finding> {
    let Some((program, arguments)) = line.split_first() else { return Vec::new() };
    cargo::open(&mut cargo::command(program, arguments), mend)
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.starts_with(b"0\n"))
}

fn answers(program: &str, arguments: &[&str]) -> bool {
    let mut command = cargo::command(program, arguments);
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

#[expect(clippy::disallowed_methods, reason = "PATH is where programs are looked for")]
fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    in_path || SYSTEM_FOLDERS.iter().any(|folder| Path::new(folder).join(program).is_file())
}

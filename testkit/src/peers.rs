//! Outside programs that tests talk to: BIND, nginx, curl and so on.
//!
//! `cargo test` passes without them: a test asks [`require`] and returns when told that one is
//! missing. That is said loudly, and with `CI=true` it fails the test instead.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Where programs are beside PATH: Debian leaves servers out of an ordinary user's PATH, and those of PostgreSQL out of
/// everybody's.
const SYSTEM_FOLDERS: [&str; 4] = ["/usr/sbin", "/usr/local/sbin", "/sbin", "/usr/lib/postgresql/15/bin"];

/// Where programs are that come as packages of pip's.
const PIP_PROGRAMS: &str = "../tests/partners/pip/venv/bin";

/// Where the packages of pip's are, below the folder of a version of Python.
const PIP_PACKAGES: &str = "../tests/partners/pip/venv/lib";

/// The programs a test asked for, all of them installed.
#[derive(Debug, Clone)]
pub struct Peers(BTreeMap<String, PathBuf>);

impl Peers {
    /// Where `program` is.
    ///
    /// # Panics
    /// When [`require`] was not asked for it: the test's mistake.
    #[must_use]
    #[expect(clippy::panic, reason = "a test that forgot to ask fails")]
    pub fn path(&self, program: &str) -> &Path {
        match self.0.get(program) {
            Some(path) => path,
            None => panic!("this test did not ask for {program}"),
        }
    }
}

/// Where `program` is installed, in PATH, in a folder for servers, or as a package of pip's.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "PATH is where programs are looked for")]
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(SYSTEM_FOLDERS.iter().map(PathBuf::from));
    let folders = folders.chain([Path::new(env!("CARGO_MANIFEST_DIR")).join(PIP_PROGRAMS)]);
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// All of `programs`, or `None` and a loud line when one is missing.
///
/// The line goes straight to standard error, past what the test harness captures.
///
/// # Panics
/// When one is missing and the environment says `CI=true`: there, nothing is skipped.
#[must_use]
#[track_caller]
pub fn require(programs: &[&str]) -> Option<Peers> {
    let mut found = BTreeMap::new();
    for program in programs {
        let Some(path) = find(program) else {
            skip(program);
            return None;
        };
        found.insert((*program).to_owned(), path);
    }
    Some(Peers(found))
}

/// The programs that run a package of npm's, or `None` and a loud line when they or the package are missing.
///
/// # Panics
/// As [`require`].
#[must_use]
#[track_caller]
pub fn require_npm(package: &str) -> Option<Peers> {
    let peers = require(&["node"])?;
    let installed = npm_folder().join("node_modules").join(package).is_dir();
    if !installed {
        skip(&format!("the npm package {package}"));
    }
    installed.then_some(peers)
}

/// That this machine can do what a test needs, or `None` and a loud line when it cannot.
///
/// # Panics
/// As [`require`].
#[must_use]
#[track_caller]
pub fn able(what: &str, can: bool) -> Option<()> {
    if !can {
        skip(what);
    }
    can.then_some(())
}

/// Where the packages of npm's are that tests talk to, and the scripts that do.
#[must_use]
pub fn npm_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/partners/npm")
}

/// A Debian root to install packages in, of which tests use copies, or `None` and a loud line when it is missing or
/// the test may not enter it.
///
/// # Panics
/// As [`require`].
#[must_use]
#[track_caller]
pub fn require_debian() -> Option<PathBuf> {
    let test = std::env::current_exe().unwrap_or_default();
    let root = test.ancestors().nth(3).map(|target| target.join("debian"));
    let root = root.filter(|root| root.join("usr/bin/dpkg").is_file());
    let may_enter = std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    if root.is_none() || !may_enter {
        skip("a Debian root, which only root may enter,");
        return None;
    }
    root
}

/// The Python that has a package of pip's, or `None` and a loud line when it is missing.
///
/// # Panics
/// As [`require`].
#[must_use]
#[track_caller]
pub fn require_pip(package: &str) -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let versions = here.join(PIP_PACKAGES).read_dir().into_iter().flatten().flatten();
    let mut folders = versions.map(|version| version.path().join("site-packages").join(package));
    let python = folders.any(|folder| folder.is_dir()).then(|| here.join(PIP_PROGRAMS).join("python3"));
    if python.is_none() {
        skip(&format!("the pip package {package}"));
    }
    python
}

/// A folder that lies beside the project where it is developed and is no part of it, as vectors of others are; or
/// `None` and a loud line where there is none, in CI too.
#[must_use]
#[track_caller]
pub fn beside(folder: &str) -> Option<PathBuf> {
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().skip(2);
    let found = above.map(|above| above.join(folder)).find(|folder| folder.is_dir());
    if found.is_none() {
        let line = format!("SKIPPED {}: no {folder} beside the project", std::panic::Location::caller());
        // Nothing is lost when standard error is closed.
        let _ = writeln!(std::io::stderr(), "{line}");
    }
    found
}

/// Says that a test is skipped for want of something.
#[track_caller]
#[expect(clippy::panic, reason = "in CI what is missing fails the test")]
fn skip(what: &str) {
    let place = std::panic::Location::caller();
    let line = format!("SKIPPED {place}: {what} is not installed; `cargo xtask test --install` brings it");
    if in_ci() {
        panic!("{line}");
    }
    // Nothing is lost when standard error is closed.
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[expect(clippy::disallowed_methods, reason = "CI announces itself in the environment and nowhere else")]
fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installed_program_is_found_and_another_is_not() {
        assert!(find("sh").is_some());
        assert_eq!(find("no-program-has-this-name"), None);
    }

    #[test]
    fn what_lies_beside_the_project_is_found_and_nothing_in_it() {
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).parent().and_then(Path::file_name).unwrap();
        assert!(beside(own.to_str().unwrap()).is_some_and(|project| project.join("testkit").is_dir()));
        assert_eq!(beside("testkit/src"), None);
    }

    #[test]
    fn all_programs_are_needed() {
        assert!(require(&["sh"]).is_some_and(|peers| peers.path("sh").is_file()));
        if !in_ci() {
            assert!(require(&["sh", "no-program-has-this-name"]).is_none());
            assert!(require_pip("no_package_has_this_name").is_none());
        }
    }
}

//! The Debian package: the program with its manual, completions, units and a configuration to begin with.
//!
//! Made by dpkg-deb from what stands in `packaging/`. Building it needs nothing but Debian's own tools, and takes
//! seconds once there is a program.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::cargo;
use crate::finding::Finding;
use crate::house::{self, Workspace};
use crate::sbom;

/// Which program goes into the package.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    /// That of the release profile, built if it is not.
    Release,
    /// That of the development profile, as it is there: for tests of the package itself.
    AsBuilt,
}

/// Where each file of `packaging/` goes.
const FILES: [(&str, &str); 9] = [
    ("systemd/avouch.service", "usr/lib/systemd/system/avouch.service"),
    ("systemd/avouch.socket", "usr/lib/systemd/system/avouch.socket"),
    ("systemd/avouch-agent.service", "usr/lib/systemd/system/avouch-agent.service"),
    ("systemd/avouch-registrar.service", "usr/lib/systemd/system/avouch-registrar.service"),
    ("systemd/avouch-entity.service", "usr/lib/systemd/system/avouch-entity.service"),
    ("sysusers.conf", "usr/lib/sysusers.d/avouch.conf"),
    ("tmpfiles.conf", "usr/lib/tmpfiles.d/avouch.conf"),
    ("logrotate", "etc/logrotate.d/avouch"),
    ("gateway.toml", "etc/avouch/gateway.toml"),
];

/// And of `packaging/debian/`.
const DEBIAN: [(&str, &str); 2] =
    [("copyright", "usr/share/doc/avouch/copyright"), ("changelog", "usr/share/doc/avouch/changelog")];

/// What dpkg reads and runs.
const CONTROL: [(&str, u32); 4] =
    [("conffiles", 0o644), ("postinst", 0o755), ("prerm", 0o755), ("postrm", 0o755)];

const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "usr/share/bash-completion/completions/avouch"),
    ("zsh", "usr/share/zsh/vendor-completions/_avouch"),
    ("fish", "usr/share/fish/vendor_completions.d/avouch.fish"),
];

const MANUAL: &str = "usr/share/man/man1";

/// Builds the package; says where it is.
pub(crate) fn run(which: Program) -> Vec<Finding> {
    match build(which) {
        Ok(package) => {
            println!("{}", package.display());
            Vec::new()
        }
        Err(findings) => findings,
    }
}

fn build(which: Program) -> Result<PathBuf, Vec<Finding>> {
    let workspace = Workspace::at("Cargo.toml")?;
    let target = workspace.target_folder();
    let profile = match which {
        Program::Release => {
            cargo::output(&mut cargo::command("cargo", &["build", "--release", "-p", "avouch"]), "mend it")?;
            "release"
        }
        Program::AsBuilt => "debug",
    };
    let program = target.join(profile).join("avouch");
    let place = target.join("package");
    let tree = place.join("avouch");
    let staged = stage(&tree, &program).map_err(|error| failed(&tree, &error))?;
    staged.made_by_the_program()?;
    staged.described(&place, &workspace.version("avouch"))
}

fn failed(place: &Path, error: &io::Error) -> Vec<Finding> {
    vec![Finding::new(place.display().to_string(), error.to_string(), "see that it can be written")]
}

/// The tree of a package.
struct Staged<'a>(&'a Path);

/// Lays out all that is copied.
fn stage<'a>(tree: &'a Path, program: &Path) -> io::Result<Staged<'a>> {
    if tree.exists() {
        fs::remove_dir_all(tree)?;
    }
    let packaging = house::root().join("packaging");
    copy(program, &tree.join("usr/bin/avouch"), 0o755)?;
    for (from, to) in FILES {
        copy(&packaging.join(from), &tree.join(to), 0o644)?;
    }
    for (from, to) in DEBIAN {
        copy(&packaging.join("debian").join(from), &tree.join(to), 0o644)?;
    }
    for (name, mode) in CONTROL {
        copy(&packaging.join("debian").join(name), &tree.join("DEBIAN").join(name), mode)?;
    }
    Ok(Staged(tree))
}

fn copy(from: &Path, to: &Path, mode: u32) -> io::Result<()> {
    fs::create_dir_all(to.parent().unwrap_or(to))?;
    fs::copy(from, to)?;
    fs::set_permissions(to, Permissions::from_mode(mode))
}

fn write(to: &Path, text: &str) -> Result<(), Vec<Finding>> {
    let written = fs::create_dir_all(to.parent().unwrap_or(to)).and_then(|()| fs::write(to, text));
    written
        .and_then(|()| fs::set_permissions(to, Permissions::from_mode(0o644)))
        .map_err(|error| failed(to, &error))
}

impl Staged<'_> {
    /// Adds manual and completions, which the program makes, and strips it; adds what it is made of.
    fn made_by_the_program(&self) -> Result<(), Vec<Finding>> {
        let program = self.0.join("usr/bin/avouch").display().to_string();
        let manual = self.0.join(MANUAL);
        quiet(&program, &["man", "--dir", &manual.display().to_string()])?;
        for (shell, to) in COMPLETIONS {
            let script =
                cargo::output(&mut cargo::command(&program, &["completions", shell]), "mend the command")?;
            write(&self.0.join(to), &script)?;
        }
        let pages = fs::read_dir(&manual).map_err(|error| failed(&manual, &error))?.flatten();
        let changelog = self.0.join("usr/share/doc/avouch/changelog");
        for page in pages.map(|page| page.path()).chain([changelog]) {
            quiet("gzip", &["-9n", &page.display().to_string()])?;
        }
        write(&self.0.join("usr/share/doc/avouch/sbom.cdx.json"), &sbom::document()?)?;
        quiet("strip", &["--strip-unneeded", "--remove-section=.comment", &program])
    }

    /// Adds what dpkg is told of it, and packs it.
    fn described(&self, place: &Path, version: &str) -> Result<PathBuf, Vec<Finding>> {
        let architecture = output("dpkg", &["--print-architecture"])?.trim().to_owned();
        let size = output(
            "du",
            &["-k", "-s", "--apparent-size", "--exclude=DEBIAN", &self.0.display().to_string()],
        )?;
        let size = size.split_whitespace().next().unwrap_or("0");
        let control = house::root().join("packaging/debian/control");
        let control = fs::read_to_string(&control).map_err(|error| failed(&control, &error))?;
        let control = control
            .replace("@VERSION@", version)
            .replace("@ARCHITECTURE@", &architecture)
            .replace("@SIZE@", size)
            .replace("@LIBRARIES@", &self.libraries(place)?);
        write(&self.0.join("DEBIAN/control"), &control)?;
        let sums = "find etc usr -type f -print0 | sort -z | xargs -0 md5sum > DEBIAN/md5sums && chmod 644 DEBIAN/md5sums && find . -type d -exec chmod 755 {} +";
        let mut shell = cargo::command("sh", &["-c", sums]);
        settled(cargo::quiet(shell.current_dir(self.0), "install coreutils and findutils"))?;
        let package = place.join(format!("avouch_{version}_{architecture}.deb"));
        let words = ["--root-owner-group", "-Zxz", "-z1", "--build"];
        let mut pack = cargo::command("dpkg-deb", &words);
        settled(cargo::quiet(pack.arg(self.0).arg(&package), "mend what it names in packaging/debian"))?;
        Ok(package)
    }

    /// The packages of the libraries that the program is linked to, as dpkg-shlibdeps finds them.
    fn libraries(&self, place: &Path) -> Result<String, Vec<Finding>> {
        // It asks for the source package that it is run for.
        write(&place.join("debian/control"), "Source: avouch\n\nPackage: avouch\nArchitecture: any\n")?;
        let program = self.0.join("usr/bin/avouch").display().to_string();
        let mut find = cargo::command("dpkg-shlibdeps", &["-O", &program]);
        let found = cargo::output(find.current_dir(place), "install dpkg-dev")?;
        let found = found.lines().find_map(|line| line.strip_prefix("shlibs:Depends="));
        // A static program needs none, which this says in Debian's way.
        Ok(found.unwrap_or("base-files").trim().to_owned())
    }
}

fn quiet(program: &str, words: &[&str]) -> Result<(), Vec<Finding>> {
    settled(cargo::quiet(&mut cargo::command(program, words), "mend what it says, or install it"))
}

fn output(program: &str, words: &[&str]) -> Result<String, Vec<Finding>> {
    cargo::output(&mut cargo::command(program, words), "mend what it says, or install it")
}

fn settled(findings: Vec<Finding>) -> Result<(), Vec<Finding>> {
    if findings.is_empty() { Ok(()) } else { Err(findings) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_the_package_is_that_of_the_program() {
        let version = Workspace::at("Cargo.toml").unwrap().version("avouch");
        let changelog = fs::read_to_string(house::root().join("packaging/debian/changelog")).unwrap();
        assert!(changelog.starts_with(&format!("avouch ({version}) ")), "{version}: add an entry");
        assert!(!changelog.starts_with("avouch (0.0.0) "));
    }

    #[test]
    fn what_an_operator_may_change_is_kept_over_upgrades() {
        let files = fs::read_to_string(house::root().join("packaging/debian/conffiles")).unwrap();
        let mut kept: Vec<_> = files.lines().filter_map(|line| line.strip_prefix('/')).collect();
        let mut changed: Vec<_> =
            FILES.iter().map(|(_, to)| *to).filter(|to| to.starts_with("etc/")).collect();
        kept.sort_unstable();
        changed.sort_unstable();
        assert_eq!(kept, changed);
    }
}

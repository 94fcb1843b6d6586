//! `cargo xtask check`: every rule that needs no test run.

use crate::course::Course;
use crate::finding::Finding;
use crate::{
    cargo, conformance as matrix, failures, house, layers as table, tidy as rules, wrappers as fences,
};

/// Runs every check; none keeps the next from running.
pub(crate) fn run(course: &mut Course) {
    course.stage("fmt", || {
        cargo::quiet(&mut cargo::command("cargo", &["fmt", "--all", "--check"]), "run `cargo fmt --all`")
    });
    course.stage("clippy", || {
        let arguments = ["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"];
        cargo::quiet(
            &mut cargo::command("cargo", &arguments),
            "mend each, or `#[expect(lint, reason = \"…\")]`",
        )
    });
    course.stage("doc", || {
        let mut doc = cargo::command("cargo", &["doc", "--quiet", "--workspace", "--no-deps"]);
        cargo::quiet(doc.env("RUSTDOCFLAGS", "-D warnings"), "mend the comments it names")
    });
    course.stage("layers", layers);
    course.stage("wrappers", wrappers);
    course.stage("tidy", tidy);
    course.stage("conformance", conformance);
}

/// The table of layers against the manifests.
pub(crate) fn layers() -> Vec<Finding> {
    with_places(table::check)
}

/// The list of wrapped libraries against the manifests, and `ring` against what is built.
pub(crate) fn wrappers() -> Vec<Finding> {
    let mut findings = with_places(fences::check);
    // `cargo tree` knows which features are on; `cargo metadata` names what could be.
    let arguments = ["tree", "--workspace", "--quiet", "--target", "all", "--invert", "ring"];
    match cargo::command("cargo", &arguments).output() {
        Ok(output) => findings.extend(fences::check_ring(&String::from_utf8_lossy(&output.stdout))),
        Err(error) => findings.push(Finding::new("cargo tree", error.to_string(), "install cargo")),
    }
    findings
}

fn with_places(rule: impl Fn(&[table::Place<'_>], &[house::Crate]) -> Vec<Finding>) -> Vec<Finding> {
    let judge = || {
        let files = house::files()?;
        let places = table::places(house::text(&files, "ARCHITECTURE.md")?)?;
        Ok(rule(&places, &house::crates()?))
    };
    judge().unwrap_or_else(|findings: Vec<Finding>| findings)
}

/// Lengths, words, names and the story.
pub(crate) fn tidy() -> Vec<Finding> {
    let judge = || Ok(rules::check(&house::files()?, &house::crates()?));
    judge().unwrap_or_else(|findings: Vec<Finding>| findings)
}

/// docs/conformance.md and docs/operate/fail-modes.md against the code and tests they name.
pub(crate) fn conformance() -> Vec<Finding> {
    let judge = |files: Vec<house::File>| [matrix::check(&files), failures::check(&files)].concat();
    house::files().map_or_else(|findings| findings, judge)
}

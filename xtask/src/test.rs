//! `cargo xtask test`: the rules, then every test there is. With `CI=true` nothing may be missing.

use crate::course::{self, Course};
use crate::finding::Finding;
use crate::house::{self, Workspace};
use crate::{cargo, check, fuzz, peers};

/// What to do about outside programs that are not installed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peers {
    /// Tests that need one are skipped; in CI that is a failure.
    AsTheyAre,
    /// They are installed first.
    Install,
}

/// Runs everything, and ends with the runner's own count.
pub(crate) fn run(course: &mut Course, peers: Peers) {
    if peers == Peers::Install {
        course.stage("install", peers::install);
    }
    course.stage("peers", report_peers);
    check::run(course);
    // The binary is built with the whole workspace, so that features, and with them every
    // dependency, are the same in each stage and are built once.
    course.stage("build", || {
        let run =
            |words: &[&str]| cargo::open(&mut cargo::command("cargo", words), "mend what does not compile");
        let findings = run(&["build", "--workspace"]);
        if findings.is_empty() { run(&["nextest", "run", "--workspace", "--no-run"]) } else { findings }
    });
    let mut count = None;
    course.stage("nextest", || nextest(&mut count));
    course.stage("doctests", || {
        let arguments = ["test", "--quiet", "--doc", "--workspace"];
        cargo::quiet(&mut cargo::command("cargo", &arguments), "mend the examples")
    });
    course.stage("fuzz", fuzz::run);
    course.stage("demo", demo);
    let verdict = if course.is_clean() { "all stages passed" } else { "FAILED" };
    let count = count.unwrap_or_else(|| "no count: the runner did not finish".to_owned());
    course.close_with(format!("{verdict}; nextest: {count}"));
}

fn report_peers() -> Vec<Finding> {
    if course::in_ci() {
        return peers::check();
    }
    for program in peers::missing() {
        eprintln!("NOT INSTALLED: {program}; every test that talks to it is skipped");
    }
    Vec::new()
}

fn nextest(count: &mut Option<String>) -> Vec<Finding> {
    let profile = if course::in_ci() { "ci" } else { "default" };
    let arguments = ["nextest", "run", "--workspace", "--color", "never", "--profile", profile];
    let mut run = cargo::command("cargo", &arguments);
    let mut findings = cargo::followed(&mut run, "mend the tests it names", |line| {
        if let Some(summary) = summary(line) {
            *count = Some(summary.to_owned());
        }
    });
    let skipped = count.as_ref().is_some_and(|count| !count.ends_with(" 0 skipped"));
    if skipped && course::in_ci() {
        findings.push(Finding::new("cargo nextest", "tests were skipped", "run each, or take it out"));
    }
    findings
}

/// `312 tests run: 312 passed, 0 skipped`, from the runner's line of that meaning.
fn summary(line: &str) -> Option<&str> {
    let (_, count) = line.trim_start().strip_prefix("Summary [")?.split_once("] ")?;
    Some(count.trim())
}

fn demo() -> Vec<Finding> {
    if !house::root().join("crates/avouch/src/cmd/demo.rs").is_file() {
        eprintln!("NO DEMO: the command does not exist yet");
        return Vec::new();
    }
    let program = match Workspace::at("Cargo.toml") {
        Ok(own) => own.target_folder().join("debug/avouch").display().to_string(),
        Err(findings) => return findings,
    };
    let mut demo = cargo::command(&program, &["demo", "--once"]);
    cargo::quiet(&mut demo, "run `cargo run -- demo` and compare with what it expects")
}

#[cfg(test)]
mod tests {
    use super::summary;

    #[test]
    fn the_count_is_the_runners_own() {
        let line = "     Summary [   0.012s] 312 tests run: 312 passed, 0 skipped";
        assert_eq!(summary(line), Some("312 tests run: 312 passed, 0 skipped"));
        assert_eq!(summary("        PASS [   0.012s] a::b"), None);
    }
}

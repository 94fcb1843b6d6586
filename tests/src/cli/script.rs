//! A script: commands, and what each prints.
//!
//! ```text
//! # A comment.
//! $ avouch key show file:a.key | grep type
//! type         ed25519
//! $ avouch key show a.key
//! 2> error: `a.key` does not say what kind of store it is: write file:a.key
//! ? 2
//! ```
//!
//! `$ ` begins a command for `sh`, `> ` continues it; the lines below are what it prints to stdout,
//! those behind `2> ` to stderr; `? ` is its exit code, 0 where it is not said. In what is
//! expected, `…` stands for anything within a line, and a line `...` for any lines. All commands
//! of a script run in one folder of their own, with `avouch` in their path and nothing else from
//! the environment.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;
use testkit::binary;

/// One command with what is expected of it.
#[derive(Debug, Default)]
struct Step<'a> {
    line: usize,
    command: String,
    stdout: Vec<&'a str>,
    stderr: Vec<&'a str>,
    exit: i32,
}

/// Where a script runs: a folder of its own, and variables if it needs any.
pub(super) struct Place {
    folder: TempDir,
    variables: Vec<(&'static str, String)>,
}

impl Place {
    pub(super) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), variables: Vec::new() }
    }

    /// Gives the script's commands a variable.
    pub(super) fn set(&mut self, name: &'static str, value: String) {
        self.variables.push((name, value));
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs a script; the test fails at its first step that comes out otherwise.
    pub(super) fn run(&self, name: &str, text: &str) {
        let steps = steps(text);
        assert!(!steps.is_empty(), "{name} holds no command");
        for step in steps {
            let faults = step.run(self);
            assert!(faults.is_empty(), "{name}:{}: $ {}\n{faults}", step.line, step.command);
        }
    }
}

fn steps(text: &str) -> Vec<Step<'_>> {
    let mut steps: Vec<Step<'_>> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step { line: number, command: command.to_owned(), ..Step::default() });
            continue;
        }
        let Some(step) = steps.last_mut() else {
            assert!(line.is_empty() || line.starts_with('#'), "line {number} belongs to no command");
            continue;
        };
        if let Some(more) = line.strip_prefix("> ").or((line == ">").then_some("")) {
            step.command.extend(["\n", more]);
        } else if let Some(said) = line.strip_prefix("2> ") {
            step.stderr.push(said);
        } else if let Some(code) = line.strip_prefix("? ") {
            step.exit = code.parse().unwrap();
        } else if line != "#" && !line.starts_with("# ") {
            step.stdout.push(line);
        }
    }
    steps
}

impl Step<'_> {
    /// Runs the command; says how what came differs from what was expected.
    fn run(&self, place: &Place) -> String {
        let program = binary::path();
        let beside = program.parent().unwrap().display().to_string();
        let output = Command::new("sh")
            .args(["-c", &self.command])
            .current_dir(place.folder())
            .env_clear()
            .env("PATH", format!("{beside}:/usr/bin:/bin"))
            .envs(place.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let mut faults = String::new();
        compare("stdout", &self.stdout, &output.stdout, &mut faults);
        compare("stderr", &self.stderr, &output.stderr, &mut faults);
        if output.status.code() != Some(self.exit) {
            writeln!(faults, "ended with {}, not {}", output.status, self.exit).unwrap();
        }
        faults
    }
}

fn compare(stream: &str, expected: &[&str], came: &[u8], faults: &mut String) {
    let came = String::from_utf8_lossy(came);
    let came: Vec<&str> = came.lines().filter(|line| !line.is_empty()).collect();
    let expected: Vec<&str> = expected.iter().copied().filter(|line| !line.is_empty()).collect();
    if !lines_match(&expected, &came) {
        writeln!(faults, "{stream} is\n{}\nand not\n{}", came.join("\n"), expected.join("\n")).unwrap();
    }
}

fn lines_match(expected: &[&str], came: &[&str]) -> bool {
    match expected {
        [] => came.is_empty(),
        ["...", rest @ ..] => (0..=came.len()).any(|skipped| lines_match(rest, &came[skipped..])),
        [line, rest @ ..] => {
            came.first().is_some_and(|first| line_matches(line, first)) && lines_match(rest, &came[1..])
        }
    }
}

fn line_matches(expected: &str, came: &str) -> bool {
    match expected.split_once('…') {
        None => expected == came,
        Some((start, rest)) => {
            let Some(tail) = came.strip_prefix(start) else { return false };
            (0..=tail.len()).filter_map(|at| tail.get(at..)).any(|tail| line_matches(rest, tail))
        }
    }
}

#[test]
fn a_script_that_expects_something_else_is_noticed() {
    let faults = |text| steps(text).remove(0).run(&Place::new());
    assert_eq!(faults("$ echo one; echo two >&2; exit 3\no…\n2> ...\n? 3"), "");
    assert_ne!(faults("$ echo one\ntwo"), "");
    assert_ne!(faults("$ echo one"), "");
    assert_ne!(faults("$ echo one >&2"), "");
    assert_ne!(faults("$ exit 3"), "");
    assert_ne!(faults("$ echo one\none\n? 1"), "");
}

//! A course of stages: all of them run, each prints its seconds, the failures come at the end.

use std::process::ExitCode;
use std::time::Instant;

use crate::finding::Finding;

/// A stage that takes longer than this is a defect: nobody waits for a gate that slow.
const LONGEST_STAGE_SECONDS: f64 = 600.0;

/// The stages run so far and what they found.
#[derive(Default)]
pub(crate) struct Course {
    failures: Vec<(String, Vec<Finding>)>,
    closing: Option<String>,
}

impl Course {
    /// Runs one stage and prints a line about it.
    pub(crate) fn stage(&mut self, name: &str, work: impl FnOnce() -> Vec<Finding>) {
        let start = now();
        let mut findings = work();
        let seconds = now().duration_since(start).as_secs_f64();
        if seconds > LONGEST_STAGE_SECONDS {
            eprintln!("{name} took more than {LONGEST_STAGE_SECONDS} s, which is a defect");
            if in_ci() {
                findings.push(Finding::new(name, "took more than ten minutes", "split it or make it faster"));
            }
        }
        let word = if findings.is_empty() { "ok" } else { "FAILED" };
        println!("{name:<12} {seconds:>7.1} s  {word}");
        if !findings.is_empty() {
            self.failures.push((name.to_owned(), findings));
        }
    }

    /// Whether every stage so far passed.
    pub(crate) fn is_clean(&self) -> bool {
        self.failures.is_empty()
    }

    /// The line to end with.
    pub(crate) fn close_with(&mut self, line: String) {
        self.closing = Some(line);
    }

    /// Prints every failure, then the closing line.
    pub(crate) fn finish(self) -> ExitCode {
        for (name, findings) in &self.failures {
            eprintln!("\n{name}: {} to mend", findings.len());
            for finding in findings {
                eprintln!("  {finding}");
            }
        }
        if let Some(line) = self.closing {
            println!("\n{line}");
        }
        if self.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

#[expect(clippy::disallowed_methods, reason = "the stages are timed for whoever waits for them")]
fn now() -> Instant {
    Instant::now()
}

/// Whether this is the gate (`CI=true`), where nothing may be missing or skipped.
#[expect(clippy::disallowed_methods, reason = "CI announces itself in the environment and nowhere else")]
pub(crate) fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true")
}

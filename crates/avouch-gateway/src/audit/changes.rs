//! What is written of the gateway itself: its start, its stop, and every change of its configuration.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};

use avouch_wire::time::Time;
use serde::Serialize;

use super::record::{Record, Severity};

/// Problems of a configuration that are written; the gateway's log has all.
const MOST_PROBLEMS: usize = 20;

/// Octets of a problem that are written.
const LONGEST_PROBLEM: usize = 1024;

/// What asked for a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// SIGHUP.
    Signal,
    /// A file of the configuration, or one that it names, is another than before.
    Files,
    /// The program that the gateway runs in.
    Program,
}

/// What is in force: the configuration and its policies, each by the beginning of a digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Versions {
    pub(crate) configuration: String,
    /// By file; `model` without one.
    pub(crate) policies: BTreeMap<String, String>,
}

/// What happened.
pub(crate) enum Change<'c> {
    Start,
    Stop,
    /// A reload that took effect; these keys wait for the next start.
    Reloaded {
        before: &'c Versions,
        waiting: &'c [&'static str],
        asked: Asked,
    },
    /// A reload that changed nothing, for these problems, a line each.
    Refused {
        problems: &'c dyn Display,
        asked: Asked,
    },
}

#[derive(Serialize)]
struct Document<'d> {
    time: String,
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    asked_by: Option<&'static str>,
    version: &'static str,
    pid: u32,
    in_force: &'d Versions,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<&'d Versions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting: Option<&'d [&'static str]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problems: Option<Vec<String>>,
}

impl Asked {
    const fn word(self) -> &'static str {
        match self {
            Self::Signal => "signal",
            Self::Files => "files",
            Self::Program => "program",
        }
    }
}

impl Change<'_> {
    /// The record of it, where `in_force` is what holds from now on.
    pub(crate) fn record(&self, time: Time, in_force: &Versions) -> Record {
        let (event, outcome, asked) = match self {
            Self::Start => ("start", None, None),
            Self::Stop => ("stop", None, None),
            Self::Reloaded { asked, .. } => ("reload", Some("done"), Some(asked.word())),
            Self::Refused { asked, .. } => ("reload", Some("refused"), Some(asked.word())),
        };
        let (before, waiting) = match self {
            Self::Reloaded { before, waiting, .. } => (Some(*before), Some(*waiting)),
            Self::Start | Self::Stop | Self::Refused { .. } => (None, None),
        };
        let problems = match self {
            Self::Refused { problems, .. } => Some(lines(*problems)),
            Self::Start | Self::Stop | Self::Reloaded { .. } => None,
        };
        let document = Document {
            time: time.to_string(),
            event,
            outcome,
            asked_by: asked,
            version: env!("CARGO_PKG_VERSION"),
            pid: std::process::id(),
            in_force,
            before,
            waiting,
            problems,
        };
        let refused = matches!(self, Self::Refused { .. });
        let severity = if refused { Severity::Warning } else { Severity::Notice };
        let mut line = serde_json::to_vec(&document).unwrap_or_else(|_| b"{}".to_vec());
        line.push(b'\n');
        Record { time, event, severity, line, facts: document.facts(), message: document.message() }
    }
}

impl Document<'_> {
    fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts = vec![("configuration", self.in_force.configuration.clone())];
        let named = [
            ("before", self.before.map(|before| before.configuration.as_str())),
            ("outcome", self.outcome),
            ("asked_by", self.asked_by),
        ];
        facts.extend(named.into_iter().filter_map(|(name, value)| Some((name, value?.to_owned()))));
        let policies = self.in_force.policies.iter();
        facts.extend(policies.map(|(file, version)| ("policy", format!("{version} {file}"))));
        facts
    }

    fn message(&self) -> String {
        let mut text = self.event.to_owned();
        // Writing to a `String` never fails.
        let _ = match (self.outcome, &self.problems) {
            (Some(outcome), Some(problems)) => write!(text, " {outcome}: {}", problems.join("; ")),
            (Some(outcome), None) => write!(text, " {outcome}"),
            _ => Ok(()),
        };
        text
    }
}

/// The lines of a text, as many and as much of each as is written.
fn lines(text: &dyn Display) -> Vec<String> {
    let text = text.to_string();
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let cut = |line: &str| line.split_at(line.floor_char_boundary(LONGEST_PROBLEM)).0.to_owned();
    lines.take(MOST_PROBLEMS).map(cut).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn versions(configuration: &str) -> Versions {
        let policies = [("policy.toml".to_owned(), "abc".to_owned())].into();
        Versions { configuration: configuration.into(), policies }
    }

    fn read(change: &Change<'_>) -> (Value, Record) {
        let record = change.record(Time::from_seconds(1_795_219_500), &versions("two"));
        (serde_json::from_slice(&record.line).unwrap(), record)
    }

    #[test]
    fn a_reload_says_what_was_before_and_what_asked() {
        let change =
            Change::Reloaded { before: &versions("one"), waiting: &["listen"], asked: Asked::Signal };
        let (line, record) = read(&change);
        assert_eq!((&line["event"], &line["outcome"]), (&json!("reload"), &json!("done")));
        assert_eq!((&line["asked_by"], &line["waiting"]), (&json!("signal"), &json!(["listen"])));
        assert_eq!(line["before"]["configuration"], "one");
        assert_eq!(line["in_force"], json!({"configuration": "two", "policies": {"policy.toml": "abc"}}));
        assert!(record.facts.contains(&("before", "one".into())));
        assert!(!record.is_of_a_stranger());
    }

    #[test]
    fn a_refused_reload_has_its_problems_and_what_stays_in_force() {
        let many: String = (0..50).map(|at| format!("f:{at}: {}\n\n", "ü".repeat(1000))).collect();
        let (line, record) = read(&Change::Refused { problems: &many, asked: Asked::Files });
        let problems = line["problems"].as_array().unwrap();
        assert_eq!((problems.len(), line["in_force"]["configuration"].as_str()), (20, Some("two")));
        assert!(problems.iter().all(|problem| problem.as_str().unwrap().len() <= LONGEST_PROBLEM));
        assert_eq!(record.severity, Severity::Warning);
        assert!(record.message.starts_with("reload refused: f:0: ") && line.get("before").is_none());
    }

    #[test]
    fn a_start_and_a_stop_say_what_is_in_force() {
        for (change, event) in [(Change::Start, "start"), (Change::Stop, "stop")] {
            let (line, _) = read(&change);
            assert_eq!(
                (line["event"].as_str(), line["pid"].as_u64()),
                (Some(event), Some(std::process::id().into()))
            );
            assert!(line.get("outcome").is_none() && line.get("problems").is_none());
        }
    }
}

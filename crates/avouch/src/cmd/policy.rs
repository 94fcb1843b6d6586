//! `avouch policy`: policies are checked, tested and questioned before they decide anything.

use super::judging::{Judged, Judging};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::{files, output};
use avouch_engine::decision::Policy as Rules;
use avouch_engine::decision::policy::{Explained, Matching};
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Check, test and question policies
#[derive(Debug, Args)]
pub(crate) struct Policy {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Check(Check),
    Test(Test),
    Explain(Box<Explain>),
}

/// Load a policy, and warn of what its author probably did not mean
///
/// Ends with 0 if there is nothing to say, 1 if it loads with warnings, 3 if it does not load.
#[derive(Debug, Args)]
#[command(after_long_help = "Example:
  avouch policy check policy.toml")]
struct Check {
    /// The policy
    policy: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Try the cases of a file on a policy
///
/// Ends with 0 if every case comes out as its file expects, else 1.
#[derive(Debug, Args)]
#[command(after_long_help = "Example:
  avouch policy test policy.toml cases.toml")]
struct Test {
    /// The policy
    policy: PathBuf,
    /// The cases: tables `[[case]]` with `name`, `given` and `expect`
    cases: PathBuf,
    /// Print JSON, one object per case
    #[arg(long)]
    json: bool,
}

/// Show which rule decides about a captured request, and why the others do not
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  avouch policy explain policy.toml request.http --zone acme.example.zone
  avouch sign --raw … https://www.shop.example/ | avouch policy explain policy.toml -")]
struct Explain {
    /// The policy
    policy: PathBuf,
    #[command(flatten)]
    judging: Judging,
    /// Print JSON, one object per rule
    #[arg(long)]
    json: bool,
}

impl Policy {
    pub(super) async fn run(self) -> Result<Exit, Failure> {
        match self.verb {
            Verb::Check(check) => check.run(),
            Verb::Test(test) => test.run(),
            Verb::Explain(explain) => explain.run().await,
        }
    }
}

/// Reads and compiles a policy file.
pub(super) fn load(path: &Path) -> Result<Rules, Failure> {
    Rules::parse(&path.display().to_string(), &files::read_text(path)?).map_err(Failure::configuration)
}

impl Check {
    fn run(&self) -> Result<Exit, Failure> {
        let findings = load(&self.policy)?.findings();
        for finding in &findings {
            match self.json {
                true => output::json(&json!({ "rule": *finding.rule, "line": finding.line,
                    "finding": finding.kind.sentence(), "fix": finding.kind.fix() }))?,
                false => {
                    // The model's own rules have no line.
                    let line = if finding.line == 0 { String::new() } else { format!(":{}", finding.line) };
                    let (rule, kind) = (&finding.rule, finding.kind);
                    output::data(format_args!(
                        "{}{line}: rule `{rule}`: {}\n  fix: {}",
                        self.policy.display(),
                        kind.sentence(),
                        kind.fix()
                    ))?;
                }
            }
        }
        if findings.is_empty() {
            output::talk(format_args!("{}: nothing to say against it", self.policy.display()));
        }
        Ok(Exit::from_answer(findings.is_empty()))
    }
}

impl Test {
    fn run(&self) -> Result<Exit, Failure> {
        let cases = files::read_text(&self.cases)?;
        let results = load(&self.policy)?.test(&self.cases.display().to_string(), &cases);
        let results = results.map_err(Failure::configuration)?;
        for result in &results {
            let (action, rule, priority) = (result.came.action, &result.came.rule, result.came.priority);
            match self.json {
                true => output::json(&json!({ "case": result.name, "line": result.line,
                    "as_expected": result.as_expected, "action": action.as_str(), "rule": **rule,
                    "priority": priority.as_str() }))?,
                false => {
                    let word = if result.as_expected { "ok" } else { "WRONG" };
                    output::data(format_args!(
                        "{word:<6} {}:{}: {}: {action}, {} priority, by rule `{rule}`",
                        self.cases.display(),
                        result.line,
                        result.name,
                        priority.as_str(),
                    ))?;
                }
            }
        }
        Ok(Exit::from_answer(results.iter().all(|result| result.as_expected)))
    }
}

impl Explain {
    async fn run(&self) -> Result<Exit, Failure> {
        let policy = load(&self.policy)?;
        let judged = self.judging.judge(Some(&policy), |verdict, facts, _| {
            if !self.json {
                let (class, standing) = (verdict.class().number(), verdict.standing().name());
                output::data(format_args!("The request is class {class}, {standing}."))?;
            }
            policy.explain(verdict, facts).iter().try_for_each(|rule| self.print(rule))
        });
        match judged.await? {
            Judged::Verdict(printed) => printed.map(|()| Exit::Positive),
            Judged::Refused(detail) => Err(Failure::configuration(format_args!("the request: {detail}"))),
        }
    }

    fn print(&self, explained: &Explained) -> Result<(), Failure> {
        let Explained { rule, line, action, matching } = explained;
        let differs: Vec<String> = match matching {
            Matching::Differs(mismatches) => {
                mismatches.iter().map(|it| format!("{} is {}", it.key, it.found)).collect()
            }
            Matching::Decides | Matching::NotReached => Vec::new(),
        };
        let word = match matching {
            Matching::Decides => "decides",
            Matching::NotReached => "not reached",
            Matching::Differs(_) => "differs",
        };
        if self.json {
            return output::json(&json!({ "rule": **rule, "line": line, "action": action.as_str(),
                "matching": word, "because": differs }));
        }
        let place = if *line == 0 { "model".to_owned() } else { format!("line {line}") };
        let because = if differs.is_empty() { String::new() } else { format!(": {}", differs.join(", ")) };
        output::data(format_args!("{place:<9} {rule:<24} {:<11} {word}{because}", action.as_str()))
    }
}
